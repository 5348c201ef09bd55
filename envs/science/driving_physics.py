"""The car, the car ahead, the sensors and the rewards of Driving, one step of 0.1 s.

Every function works on arrays ``(n,)`` and, compiled, on single numbers (see :mod:`morl.compiled`). A
state is a row of :data:`FIELDS`. Units: metres, seconds, radians, newtons.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.compiled import jit, select, shared
from morl.spec import FloatArray

FIELDS = (
    "e", "psi", "v", "lead_v",  # offset from the lane centre, heading error, speed, speed of the car ahead
    "gap", "s",  # bumper-to-bumper distance, distance travelled
    "a", "delta",  # realised acceleration, steering angle
    "kappa_from", "kappa_to", "knot_age",  # curvature at the last and the next knot, seconds since the last
    "target", "timer",  # desired speed of the car ahead, seconds until it changes its mind
    "fault_lane", "fault_lead", "fault_odometry",  # 0 healthy, 1 dead, 2 noisy, 3 biased
    "read_e", "read_psi", "read_kappa", "read_gap", "read_dv", "read_v", "read_a", "read_delta",
)  # fmt: skip
E, PSI, V, LEAD, GAP, S, A, DELTA, FROM, TO, KNOT, TARGET, TIMER, FAULT = range(14)
READ = 16
UNIFORMS, NORMALS = 9, 8
"""Random numbers one step takes: knot, target, timer, three fault switches, three fault modes; eight readings."""

DT = 0.1
AXLE = 1.35
"""Distance from the centre of mass to either axle, l_f = l_r, in m."""
HALF_LANE = 1.75
V_MAX = 36.0
MASS, DRAG, ROLL, GRAVITY = 1500.0, 0.5 * 1.2 * 0.66, 0.01, 9.81
KNOT_SECONDS = 8.0
LEAD_SPEEDS = np.array([0.0, 8.0, 15.0, 22.0, 28.0])
IDM_V0, IDM_T, IDM_A, IDM_B, IDM_S0, IDM_EXPONENT = 30.0, 1.5, 0.73, 1.67, 2.0, 4.0
COLLISION, LANE_EXIT = -50.0, -20.0
CRASH_COMFORT = -100.0
"""Either end also costs comfort, or else drifting off the road, which is smooth and short, would be a Pareto point."""
SIGMA = np.array([0.05, 0.01, 1e-4, 0.5, 0.25, 0.1, 0.1, 0.002])
"""Standard deviation of each reading. All are assumptions of this project."""


@shared
def slip(delta: Any) -> Any:
    """Slip angle β = atan(½ tan δ) of the kinematic bicycle with equal axle distances."""
    return np.arctan(0.5 * np.tan(delta))


@shared
def lead_acceleration(speed: Any, target: Any) -> Any:
    """Acceleration of the car ahead, m/s²: the IDM's free term towards its desired speed, else comfortable braking.

    Source: Treiber, Hennecke & Helbing 2000, a = 0.73 and b = 1.67 m/s², exponent 4.
    """
    ratio = np.minimum(speed, target) / np.maximum(target, 1e-9)
    free = IDM_A * (1.0 - ratio * ratio * ratio * ratio)
    return select(speed >= target, -np.minimum(IDM_B, speed - target), free)


@shared
def derivative(e: Any, psi: Any, v: Any, lead: Any, delta: Any, accel: Any, kappa: Any, target: Any) -> Any:
    """Time derivatives ``(ds, de, dψ, dv, dv_lead)`` of the kinematic bicycle in the Frenet frame of the lane."""
    beta = slip(delta)
    speed = np.maximum(v, 0.0)
    ds = speed * np.cos(psi + beta) / (1.0 - kappa * e)
    de = speed * np.sin(psi + beta)
    dpsi = speed / AXLE * np.sin(beta) - kappa * ds
    return ds, de, dpsi, accel, lead_acceleration(np.maximum(lead, 0.0), target)


@shared
def move(x: Any, delta: Any, accel: Any, out: Any) -> None:
    """One Runge–Kutta step of order 4; the steering angle runs linearly to ``delta``, the curvature to its knot."""
    h = DT / 2
    e, psi, v, lead, target = x[E], x[PSI], x[V], x[LEAD], x[TARGET]
    slope = (x[TO] - x[FROM]) / KNOT_SECONDS
    k1 = x[FROM] + slope * x[KNOT]
    k2, k3 = k1 + slope * h, k1 + slope * DT
    half = 0.5 * (x[DELTA] + delta)
    s1, e1, p1, v1, l1 = derivative(e, psi, v, lead, x[DELTA], accel, k1, target)
    s2, e2, p2, v2, l2 = derivative(e + h * e1, psi + h * p1, v + h * v1, lead + h * l1, half, accel, k2, target)
    s3, e3, p3, v3, l3 = derivative(e + h * e2, psi + h * p2, v + h * v2, lead + h * l2, half, accel, k2, target)
    s4, e4, p4, _, l4 = derivative(e + DT * e3, psi + DT * p3, v + DT * v3, lead + DT * l3, delta, accel, k3, target)
    w = DT / 6
    step = w * (s1 + 2 * s2 + 2 * s3 + s4)
    out[E] = e + w * (e1 + 2 * e2 + 2 * e3 + e4)
    out[PSI] = psi + w * (p1 + 2 * p2 + 2 * p3 + p4)
    out[V] = np.minimum(np.maximum(v + DT * accel, 0.0), V_MAX)
    out[LEAD] = np.maximum(lead + w * (l1 + 2 * l2 + 2 * l3 + l4), 0.0)
    out[GAP] = x[GAP] + DT * 0.5 * (lead + out[LEAD]) - step
    out[S] = x[S] + step
    out[A] = (out[V] - v) / DT
    out[DELTA] = delta


@shared
def world(x: Any, uniform: Any, settings: Any, out: Any) -> None:
    """The road's next curvature knot and the wishes of the car ahead."""
    age = x[KNOT] + DT
    turn = age > KNOT_SECONDS - 0.5 * DT
    out[KNOT] = select(turn, 0.0, age)
    out[FROM] = select(turn, x[TO], x[FROM])
    out[TO] = select(turn, settings[0] * (2.0 * uniform[0] - 1.0), x[TO])
    left = x[TIMER] - DT
    change = left <= 0.0
    out[TIMER] = select(change, 5.0 + 10.0 * uniform[2], left)
    pick = np.floor(5.0 * uniform[1])  # the speeds 0, 8, 15, 22, 28 without an index, which compiled code checks
    speed = select(pick > 0.5, 1.0 + 7.0 * pick, 0.0) - select(pick > 3.5, 1.0, 0.0)
    out[TARGET] = select(change, speed, x[TARGET])


@shared
def sense(x: Any, uniform: Any, normal: Any, settings: Any, out: Any) -> None:
    """Faults come and go as hidden Markov chains, one per channel; then each channel is read."""
    for c in range(3):
        mode = x[FAULT + c]
        onset = (mode < 0.5) & (uniform[3 + c] < settings[2])
        recover = (mode > 0.5) & (uniform[3 + c] < settings[3])
        fresh = 1.0 + np.floor(3.0 * uniform[6 + c])
        out[FAULT + c] = select(onset, fresh, select(recover, 0.0, mode))
    kappa = out[FROM] + (out[TO] - out[FROM]) * (out[KNOT] / KNOT_SECONDS)
    read(out[E], out[FAULT], x, READ, normal, settings, out)
    read(out[PSI], out[FAULT], x, READ + 1, normal, settings, out)
    read(kappa, out[FAULT], x, READ + 2, normal, settings, out)
    read(out[GAP], out[FAULT + 1], x, READ + 3, normal, settings, out)
    read(out[LEAD] - out[V], out[FAULT + 1], x, READ + 4, normal, settings, out)
    read(out[V], out[FAULT + 2], x, READ + 5, normal, settings, out)
    read(out[A], out[FAULT + 2], x, READ + 6, normal, settings, out)
    read(out[DELTA], out[FAULT + 2], x, READ + 7, normal, settings, out)


@shared
def read(truth: Any, mode: Any, x: Any, i: int, normal: Any, settings: Any, out: Any) -> None:
    """One reading: held if dead, tenfold noise if noisy, five standard deviations too high if biased."""
    sigma = settings[1] * SIGMA[i - READ]
    noise = sigma * normal[i - READ] * select(mode == 2.0, 10.0, 1.0)
    out[i] = select(mode == 1.0, x[i], truth + noise + select(mode == 3.0, 5.0 * sigma, 0.0 * sigma))


@shared
def rewards(x: Any, out: Any, accel: Any, reward: Any) -> Any:
    """Write the four rewards of one step; return 1 for a collision, 2 for leaving the lane, 3 for both, else 0."""
    v, gap = out[V], out[GAP]
    reward[0] = np.minimum(np.maximum(v * np.cos(out[PSI]) / 30.0, 0.0), 1.2)
    closing = v - out[LEAD]
    danger = np.maximum(0.0, 1.0 - np.maximum(gap, 0.0) / (3.0 * np.maximum(closing, 1e-9)))
    off = np.minimum(np.abs(out[E]) / HALF_LANE, 1.0)
    crash, left = gap <= 0.0, np.abs(out[E]) > HALF_LANE
    penalty = select(crash, COLLISION, 0.0) + select(left, LANE_EXIT, 0.0)
    reward[1] = penalty - select(closing > 0.0, danger * danger, 0.0) - 0.5 * off * off * off * off
    jerk = (out[A] - x[A]) / DT / 2.5
    lateral = v * v * np.sin(slip(out[DELTA])) / AXLE / 2.0
    rough = select(crash | left, CRASH_COMFORT, 0.0)
    reward[2] = rough - np.minimum(10.0, 0.5 * (jerk * jerk + lateral * lateral))
    mean_v = 0.5 * (x[V] + v)
    reward[3] = -power(mean_v, out[A]) * DT / 1000.0
    return select(crash, 1, 0) + select(left, 2, 0)


@shared
def power(v: Any, a: Any) -> Any:
    """Power at the wheels in W, never negative: inertia, drag ½ρC_dA v³ and rolling resistance C_r m g v."""
    return np.maximum(0.0, MASS * a * v + DRAG * v * v * v + ROLL * MASS * GRAVITY * v)


@shared
def advance(x: Any, u: Any, uniform: Any, normal: Any, settings: Any, out: Any, reward: Any) -> Any:
    """One step from row ``x`` into row ``out``: returns what ended it (see :func:`rewards`).

    Args:
        x: state, fields first: ``(24,)`` compiled, ``(24, n)`` as numpy.
        u: pedal and steering in [−1, 1], ``(2,)`` or ``(2, n)``.
        uniform: ``(9,)`` or ``(9, n)`` draws from [0, 1).
        normal: ``(8,)`` or ``(8, n)`` standard normal draws.
        settings: largest |curvature| of new knots, noise factor, fault onset and recovery per step.
        out: where the next state goes.
        reward: where the four rewards go.
    """
    accel = select(u[0] > 0.0, 2.0 * u[0], 5.0 * u[0])
    turn = 0.15 * u[1] - x[DELTA]
    delta = x[DELTA] + np.minimum(np.maximum(turn, -0.4 * DT), 0.4 * DT)
    move(x, delta, accel, out)
    world(x, uniform, settings, out)
    sense(x, uniform, normal, settings, out)
    return rewards(x, out, accel, reward)


@jit
def advance_rows(x: Any, u: Any, uniform: Any, normal: Any, settings: Any, out: Any, reward: Any, event: Any) -> None:
    """:func:`advance` compiled, over the rows of ``(n, …)`` arrays."""
    for i in range(x.shape[0]):
        event[i] = advance(x[i], u[i], uniform[i], normal[i], settings, out[i], reward[i])


def idm_gap(speed: float) -> float:
    """Gap in m at which the Intelligent Driver Model follows at a steady speed: (s₀ + vT)/√(1 − (v/v₀)⁴).

    Source: Treiber, Hennecke & Helbing 2000, with v₀ = 30 m/s, T = 1.5 s, s₀ = 2 m.

    >>> round(idm_gap(20.0), 3)
    35.722
    """
    return float((IDM_S0 + IDM_T * speed) / np.sqrt(1.0 - (speed / IDM_V0) ** IDM_EXPONENT))


def idm_acceleration(speed: Any, gap: Any, lead_speed: Any) -> FloatArray:
    """Acceleration in m/s² of a driver who follows the Intelligent Driver Model; arrays ``(n,)`` are welcome."""
    closing = speed * (speed - lead_speed) / (2.0 * np.sqrt(IDM_A * IDM_B))
    wanted = IDM_S0 + np.maximum(0.0, IDM_T * speed + closing)
    return np.asarray(IDM_A * (1.0 - (speed / IDM_V0) ** IDM_EXPONENT - (wanted / np.maximum(gap, 0.1)) ** 2))


def turning_radius(delta: float) -> float:
    """Radius in m of the circle driven at a steady steering angle: l_r / sin β.

    >>> round(turning_radius(0.05), 2)
    53.97
    """
    return float(AXLE / np.sin(slip(delta)))


def consumption(speed: float) -> float:
    """Energy of steady driving at a speed in m/s, in kWh per 100 km.

    >>> round(consumption(25.0), 2)
    10.96
    """
    return float(power(speed, 0.0) / speed * 1e5 / 3.6e6)

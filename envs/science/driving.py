"""Driving-v0: keep a lane, follow a car, and trade speed against safety, comfort and energy through faulty sensors.

One lane of 3.5 m, curved like a fast road; a car ahead changes its mind about its speed; the sensors of lane, car ahead
and own motion fail now and then without saying so. No finite model exists; its linear-quadratic companion with an exact
front is :mod:`morl.envs.science.lq`.

Sources: kinematic bicycle in the lane's Frenet frame (Rajamani 2012); car following, the Intelligent Driver Model
(Treiber, Hennecke & Helbing 2000). The comfort scales 2.5 m/s³ and 2 m/s² are the limits of braking jerk and of
acceleration above 20 m/s in the adaptive-cruise-control standard ISO 15622:2018, quoted from public implementations
(openpilot and its derivatives, where they rise to 5 m/s³ and 4 m/s² below 5 m/s); the standard itself was not read.

Assumptions of this project: mass 1500 kg, air density 1.2 kg/m³, drag area 0.66 m², rolling resistance 0.01; fault
rates and severities; odometry noise; a lead sensor that saturates at 200 m; comfort scales that do not grow at low
speed; that the acceleration limit of ISO 15622, which is longitudinal, is also the lateral comfort scale; the nine
actions of ``discrete=True``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.dynamics import Dynamics, State, Transition
from morl.envs.science import driving_physics as physics
from morl.spec import EnvError, FloatArray, MOSpec, Objective

SCALE = np.array([1.75, 0.3, 0.005, 50.0, 10.0, 30.0, 5.0, 0.15])
"""An observation of 1 means: offset m, heading rad, curvature 1/m, gap m, relative speed, speed m/s, m/s², rad."""
CHANNELS = ("lane", "lead", "odometry")
MODES = ("healthy", "dead", "noisy", "biased")
HORIZON = 600
ROAD_CURVATURE = 1.0 / 200.0
TIGHTEST = 0.1
"""No road bends tighter than a radius of 10 m (an alpine hairpin)."""
_RANGE = 200.0
_BOUND = np.array([3.0, 10.0, 60.0, _RANGE / 50.0, 10.0, 3.0, 3.0, 3.0])
_OBJECTIVES = (
    Objective("progress", "30 m/s steps", 0.0, 1.2, "speed along the lane, in units of 30 m/s"),
    Objective("safety", "penalty", -72.0, 0.0, "time to collision below 3 s, distance from the lane centre, crashes"),
    Objective("comfort", "penalty", -110.0, 0.0, "jerk / 2.5 m/s³ and lateral acceleration / 2 m/s², squared; crashes"),
    Objective("energy", "kJ", -15.0, 0.0, "work at the wheels"),
)
_REF, _LOW, _HIGH = (0.0, -300.0, -3000.0, -7200.0), (0.0, -75.0, -300.0, -700.0), (100.0, 0.0, 0.0, 0.0)
_START = {  # reset option: (field, low, high, unit)
    "speed": (physics.V, 0.0, physics.V_MAX, "m/s"),
    "lead_speed": (physics.LEAD, 0.0, physics.V_MAX, "m/s"),
    "lead_target": (physics.TARGET, 0.0, physics.V_MAX, "m/s"),
    "gap": (physics.GAP, 0.1, 1000.0, "m"),
    "offset": (physics.E, -physics.HALF_LANE, physics.HALF_LANE, "m"),
    "heading": (physics.PSI, -0.5, 0.5, "rad"),
}


class DrivingDynamics(Dynamics):
    """The pure dynamics of ``morl/Driving-v0``.

    The state is ``x`` of shape ``(n, 24)``, its columns named by ``driving_physics.FIELDS``.

    Args:
        discrete: nine actions instead of two numbers: pedal {−0.4, 0, 0.5} times steering {−0.1, 0, 0.1}, action
            ``3·pedal + steering``: brake with 2 m/s², coast, accelerate with 1 m/s²; bends of ±1/180 m or straight.
        energy: pay the fourth objective.
        faults: let sensors fail; ``faults=False`` keeps the ordinary noise.
        expose_fault: append three flags to the observation, 1 while a channel is faulty.
        noise: factor on the standard deviation of every reading; 0 for perfect sensors.
        fault_onset: probability that a healthy channel fails, per step.
        fault_recovery: probability that a faulty channel recovers, per step.
        max_curvature: knots of the road are uniform on ±this, in 1/m.
        compiled: use the numba kernel; ``False`` is the same text run by numpy.

    Raises:
        EnvError: a curvature no road has, a negative noise, a probability outside [0, 1].
    """

    max_steps = HORIZON
    reset_options = (*_START, "curvature")

    def __init__(
        self,
        *,
        discrete: bool = False,
        energy: bool = True,
        faults: bool = True,
        expose_fault: bool = False,
        noise: float = 1.0,
        fault_onset: float = 0.002,
        fault_recovery: float = 0.01,
        max_curvature: float = ROAD_CURVATURE,
        compiled: bool = True,
    ) -> None:
        noise, max_curvature = _number("noise", noise), _check_curvature(_number("max_curvature", max_curvature))
        if not 0.0 <= noise < np.inf:
            raise EnvError(f"noise is {noise}; expected a factor of at least 0 (0 for perfect sensors)")
        for name, value in (("fault_onset", fault_onset), ("fault_recovery", fault_recovery)):
            if not 0.0 <= _number(name, value) <= 1.0:
                raise EnvError(f"{name} is {value}; expected a probability in [0, 1]")
        self.k = 4 if energy else 3
        k = self.k
        self.mo_spec = MOSpec(_OBJECTIVES[:k], 0.99, HORIZON, _REF[:k], (_LOW[:k], _HIGH[:k]))
        self.discrete, self.expose_fault, self.compiled = discrete, expose_fault, compiled
        self.settings = np.array([abs(max_curvature), noise, fault_onset if faults else 0.0, fault_recovery])
        bound = np.concatenate([_BOUND, np.ones(3)]) if expose_fault else _BOUND
        low = np.concatenate([-_BOUND, np.zeros(3)]) if expose_fault else -_BOUND
        self.observation_space = spaces.Box(low.astype(np.float32), bound.astype(np.float32), dtype=np.float32)
        self.action_space = spaces.Discrete(9) if discrete else spaces.Box(-1.0, 1.0, (2,), np.float32)

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """Fresh starts: speed U(15, 25), gap U(20, 80), lead U(12, 25) m/s, offset U(±0.5), heading U(±0.03).

        Options: ``speed``, ``lead_speed``, ``lead_target`` (m/s), ``gap``, ``offset`` (m), ``heading`` (rad) and
        ``curvature`` (1/m, of the first 8 s): a number each.
        """
        p = physics
        x = np.zeros((n, len(p.FIELDS)))
        uniform = rng.random((n, 9))
        x[:, p.V] = 15.0 + 10.0 * uniform[:, 0]
        x[:, p.GAP] = 20.0 + 60.0 * uniform[:, 1]
        x[:, p.LEAD] = 12.0 + 13.0 * uniform[:, 2]
        x[:, p.E] = uniform[:, 3] - 0.5
        x[:, p.PSI] = 0.06 * (uniform[:, 4] - 0.5)
        x[:, p.FROM : p.TO + 1] = self.settings[0] * (2.0 * uniform[:, 5:7] - 1.0)
        x[:, p.TARGET] = p.LEAD_SPEEDS[(5.0 * uniform[:, 7]).astype(int)]
        x[:, p.TIMER] = 5.0 + 10.0 * uniform[:, 8]
        self._apply(x, options or {})
        truth = np.stack([x[:, p.E], x[:, p.PSI], x[:, p.FROM], x[:, p.GAP], x[:, p.LEAD] - x[:, p.V], x[:, p.V]], 1)
        x[:, p.READ : p.READ + 6] = truth
        x[:, p.READ :] += self.settings[1] * p.SIGMA * rng.standard_normal((n, p.NORMALS))
        return {"x": x}

    def _apply(self, x: FloatArray, options: Mapping[str, Any]) -> None:
        for key, value in options.items():
            number = _number(f"reset option {key!r}", value)
            if key == "curvature":
                x[:, physics.FROM] = x[:, physics.TO] = _check_curvature(number)
                continue
            column, low, high, unit = _START[key]
            if not low <= number <= high:
                raise EnvError(f"reset option {key!r} is {number:g}; expected {low:g} to {high:g} {unit}")
            x[:, column] = number

    def step(self, state: State, actions: np.ndarray[Any, Any], rng: np.random.Generator) -> Transition:
        """Drive 0.1 s; ``info["fault"]`` is the mode of each channel, ``info["event"]`` 1 collision, 2 lane exit."""
        x = state["x"]
        n = len(x)
        u = _PEDALS[actions] if self.discrete else actions
        uniform, normal = rng.random((n, physics.UNIFORMS)), rng.standard_normal((n, physics.NORMALS))
        out, reward = np.empty_like(x), np.empty((n, 4))
        event = np.zeros(n, dtype=np.int64)
        if self.compiled:
            physics.advance_rows(x, np.asarray(u, float), uniform, normal, self.settings, out, reward, event)
        else:
            event[:] = physics.advance(x.T, u.T, uniform.T, normal.T, self.settings, out.T, reward.T)
        fault = out[:, physics.FAULT : physics.FAULT + 3].astype(np.int64)
        return Transition({"x": out}, reward[:, : self.k], event > 0, {"fault": fault, "event": event})

    def observe(self, state: State) -> np.ndarray[Any, Any]:
        """The eight readings in units of :data:`SCALE`, float32; with ``expose_fault`` also three flags."""
        x = state["x"]
        out = np.empty((len(x), self.observation_space.shape[0]), np.float32)  # type: ignore[index]
        readings = x[:, physics.READ :] / SCALE
        np.minimum(np.maximum(readings, -_BOUND, out=readings), _BOUND, out=readings)
        out[:, :8] = readings
        if self.expose_fault:
            out[:, 8:] = x[:, physics.FAULT : physics.FAULT + 3] > 0
        return out

    def render(self, state: State, mode: str) -> Any:
        """The road from above, with the sensors' state."""
        from morl.envs.science.driving_render import render

        return render(state, mode)


_PEDALS = np.array([[pedal, wheel] for pedal in (-0.4, 0.0, 0.5) for wheel in (-0.1, 0.0, 0.1)])


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise EnvError(f"{name} is {value!r}; expected a number") from None


def _check_curvature(value: float) -> float:
    if not abs(value) <= TIGHTEST:
        radius = f" (a radius of {1 / abs(value):.3g} m)" if value and np.isfinite(value) else ""
        raise EnvError(
            f"curvature is {value:g} 1/m{radius}; expected at most {TIGHTEST} in size: no road bends tighter than a "
            "radius of 10 m"
        )
    return value


class Driver:
    """A hand-written driver: Intelligent Driver Model for the pedal, proportional steering; reads observations only.

    Args:
        env: the environment (for its kind of action).
        desired_speed: in m/s.
        gentle: 0 to 1, how much of the model's acceleration is used when nothing presses.
    """

    def __init__(self, env: Any, desired_speed: float = 25.0, gentle: float = 1.0) -> None:
        self.discrete = isinstance(getattr(env, "single_action_space", env.action_space), spaces.Discrete)
        self.desired_speed, self.gentle = desired_speed, gentle

    def __call__(self, observation: Any) -> Any:
        """Actions for observations ``(n, 8)`` or one ``(8,)``."""
        obs = np.atleast_2d(np.asarray(observation, float))[:, :8] * SCALE
        e, psi, kappa, gap, dv, v = obs[:, :6].T
        v = np.clip(v, 0.0, physics.V_MAX)
        accel = physics.idm_acceleration(v * physics.IDM_V0 / self.desired_speed, gap, v + dv)
        accel = np.where(accel > -1.0, self.gentle * accel, accel)
        pedal = np.clip(np.where(accel > 0, accel / 2.0, accel / 5.0), -1.0, 1.0)
        bend = 2.0 * physics.AXLE * (kappa - (0.4 * e + 1.8 * psi * np.maximum(v, 3.0)) / np.maximum(v, 3.0) ** 2)
        wheel = np.clip(bend / 0.15, -1.0, 1.0)
        if self.discrete:
            choice = 3 * (np.digitize(pedal, [-0.15, 0.1])) + np.digitize(wheel, [-0.05, 0.05])
            return choice if np.ndim(observation) > 1 else int(choice[0])
        action = np.stack([pedal, wheel], 1).astype(np.float32)
        return action if np.ndim(observation) > 1 else action[0]

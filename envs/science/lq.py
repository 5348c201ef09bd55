"""CarFollowingLQ-v0: car following as a linear-quadratic problem, whose Pareto front is exact by Riccati.

State (gap error x₁ in m, relative speed x₂ = lead − own in m/s), control a in m/s², held for dt = 0.1 s:

    x₁' = x₁ + dt·x₂ − ½dt²·a,    x₂' = x₂ − dt·a + ξ,    ξ ~ N(0, 0.05²),

rewards (−x₁'², −a²). For a weight w the best policy of all is linear, a = K_t x, with gains from the backward Riccati
recursion (Kalman 1960; Bertsekas 2017, ch. 3): certainty equivalence holds because the noise is additive. The front is
convex, so linear scalarisation finds all of it; it is the companion of Driving where the exact front is known.

Assumptions: the start is normal with standard deviations 0.05 m and 0.05 m/s; actions end at ±3 m/s² and gap
errors count as 20 m at most in the reward, both more than five standard deviations of anything that a policy of the
reported front does, so the unbounded theory holds to 1e-6 of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.dynamics import Dynamics, State, Transition
from morl.envs.science.convex_front import half_spaces, sandwich
from morl.pareto import Front
from morl.spec import EnvError, FloatArray, MOSpec, Objective, check_vector

DT, NOISE, MAX_ACCEL, MAX_GAP = 0.1, 0.05, 3.0, 20.0
START_SD = np.array([0.05, 0.05])
HORIZON = 100
A = np.array([[1.0, DT], [0.0, 1.0]])
B = np.array([-0.5 * DT * DT, -DT])
W = np.diag([0.0, NOISE**2])
_GAP = np.diag([1.0, 0.0])
_SIZES = np.array([0.5, 0.25])
_SPEC = MOSpec(
    (
        Objective("gap", "m²", -(MAX_GAP**2), 0.0, "minus the squared gap error"),
        Objective("effort", "m²/s⁴", -(MAX_ACCEL**2), 0.0, "minus the squared acceleration"),
    ),
    discount=1.0,
    horizon=HORIZON,
    ref_point=(-6000.0, -500.0),
    return_scale=((-50.0, -10.0), (0.0, 0.0)),
)


@dataclass(frozen=True)
class LinearPolicy:
    """a_t = gains[t] · (x₁, x₂); after the last row the last gain stays.

    Args:
        gains: ``(T, 2)``.
    """

    gains: FloatArray

    def __call__(self, state: Any, t: int = 0) -> FloatArray:
        """Accelerations ``(...)`` for states ``(..., 2)`` at step ``t``."""
        return np.asarray(np.asarray(state, float) @ self.gains[min(t, len(self.gains) - 1)])


def riccati(weight: float, horizon: int = HORIZON, discount: float = 1.0) -> LinearPolicy:
    """The policy that minimises E Σ γᵗ [w·x₁,ₜ₊₁² + (1 − w)·aₜ²], by backward recursion.

    Args:
        weight: w in [0, 1); at 1 control is free and the gains are unbounded for ever smaller steps.

    Raises:
        EnvError: the weight is outside [0, 1).
    """
    if not 0.0 <= weight < 1.0:
        raise EnvError(f"weight of the gap is {weight}; expected 0 <= weight < 1 (effort must cost something)")
    gains = np.zeros((horizon, 2))
    cost = np.zeros((2, 2))
    for t in range(horizon - 1, -1, -1):
        m = weight * _GAP + discount * cost
        curvature = (1.0 - weight) + B @ m @ B
        gains[t] = -(B @ m @ A) / curvature
        closed = A + np.outer(B, gains[t])
        cost = closed.T @ m @ closed + (1.0 - weight) * np.outer(gains[t], gains[t])
        cost = 0.5 * (cost + cost.T)
    return LinearPolicy(gains)


def exact_return(policy: LinearPolicy, horizon: int = HORIZON, discount: float = 1.0) -> tuple[FloatArray, float]:
    """Exact expected return ``(2,)`` of a linear policy, by its covariance, and the largest sd of its acceleration."""
    sigma = np.diag(START_SD**2)
    total, largest = np.zeros(2), 0.0
    for t in range(horizon):
        k = policy.gains[min(t, len(policy.gains) - 1)]
        effort = float(k @ sigma @ k)
        closed = A + np.outer(B, k)
        sigma = closed @ sigma @ closed.T + W
        total -= discount**t * np.array([sigma[0, 0], effort])
        largest = max(largest, effort)
    return total, float(np.sqrt(largest))


def stationary(weight: float) -> tuple[float, float]:
    """Long-run (gap-error variance, acceleration variance) of the policy optimal for the average cost.

    From the algebraic Riccati equation and the Lyapunov equation of the closed loop.

    >>> [round(x, 5) for x in stationary(0.5)]
    [0.00886, 0.02652]

    Raises:
        EnvError: the weight is not strictly between 0 and 1 (without control the gap variance is unbounded).
    """
    from scipy.linalg import solve_discrete_are, solve_discrete_lyapunov

    if not 0.0 < weight < 1.0:
        raise EnvError(f"weight of the gap is {weight}; expected 0 < weight < 1")
    b = B[:, None]
    cost = solve_discrete_are(A, b, weight * _GAP, np.array([[1.0 - weight]]))
    gain = -(b.T @ cost @ A) / (1.0 - weight + b.T @ cost @ b)
    sigma = solve_discrete_lyapunov(A + b @ gain, W)
    return float(sigma[0, 0]), float((gain @ sigma @ gain.T)[0, 0])


def pareto_front(discount: float | None = None, horizon: int = HORIZON, points: int = 49) -> Front:
    """The exact front of expected returns, sampled at ``points`` weights, with a certified ε for what lies between.

    Args:
        discount: γ; ``None`` is the environment's 1.
        horizon: number of steps.
        points: how many weights, spread evenly in log(w / (1 − w)), and w = 0 (never accelerate).
    """
    gamma = 1.0 if discount is None else float(discount)
    if not 0.0 <= gamma <= 1.0:
        raise EnvError(f"discount is {gamma}; expected a number in [0, 1]")
    ratio = np.geomspace(1e-6, 100.0, points - 1)
    weights = np.concatenate([[0.0], ratio / (1.0 + ratio)])
    policies = [riccati(w, horizon, gamma) for w in weights]
    values = np.array([exact_return(p, horizon, gamma)[0] for p in policies])
    both = np.column_stack([weights, 1.0 - weights])
    end = float((1.0 - weights[-1]) / weights[-1] * -values[-1, 1])  # how much better the gap could be at any effort
    return Front(
        values,
        _SPEC.objectives,
        _SPEC.ref_point,
        gamma,
        policies=policies,
        weights=both,
        supported=np.ones(points, bool),
        episodes=np.zeros(points, int),
        epsilon=max(sandwich(values, both), end),
        complete=True,
        outer=half_spaces(values, both),
        scale=_SPEC.return_scale,
        provenance={
            "algorithm": "Riccati recursion",
            "policy_class": "mixture",
            "criterion": "SER",
            "env": "morl/CarFollowingLQ-v0",
            "horizon": horizon,
        },
    )


class LQDynamics(Dynamics):
    """State ``x`` of shape ``(n, 2)``: gap error in m and relative speed in m/s.

    Observation: the state in units of 0.5 m and 0.25 m/s. Action: acceleration in m/s², ``Box(-3, 3, (1,))``.
    """

    mo_spec = _SPEC
    max_steps = HORIZON
    no_front = ""
    reset_options = ("state",)

    def __init__(self) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = spaces.Box(-MAX_ACCEL, MAX_ACCEL, (1,), np.float64)

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """Normal starts, or all at ``options["state"]`` = (gap error, relative speed)."""
        x = START_SD * rng.standard_normal((n, 2))
        if options and "state" in options:
            try:
                x[:] = check_vector(options["state"], 2, "reset option 'state'", ("gap error", "relative speed"))
            except ValueError as error:
                raise EnvError(str(error)) from None
        return {"x": x}

    def step(self, state: State, actions: np.ndarray[Any, Any], rng: np.random.Generator) -> Transition:
        """Hold the acceleration for 0.1 s, then add the noise."""
        x, a = state["x"], actions[:, 0]
        new = x @ A.T + a[:, None] * B
        new[:, 1] += NOISE * rng.standard_normal(len(x))
        gap = np.minimum(np.abs(new[:, 0]), MAX_GAP)
        rewards = -np.stack([gap * gap, a * a], axis=1)
        return Transition({"x": new}, rewards, np.zeros(len(x), bool))

    def observe(self, state: State) -> np.ndarray[Any, Any]:
        """Gap error / 0.5 m and relative speed / 0.25 m/s, float64."""
        return np.asarray(state["x"] / _SIZES)

    def render(self, state: State, mode: str) -> Any:
        """Both cars, and the state as a point of its plane."""
        from morl.envs.science.lq_render import render

        return render(state, mode)

    def front(self, discount: float, max_steps: int | None) -> Front | None:
        """The exact front of expected returns, by Riccati; see :func:`pareto_front`."""
        return pareto_front(discount, max_steps or HORIZON)


class LinearDriver:
    """A hand-written policy: the stationary part of the optimal one for a weight, from observations ``(..., 2)``."""

    def __init__(self, weight: float = 0.5) -> None:
        self.gain = riccati(weight, 2 * HORIZON).gains[0]

    def __call__(self, observation: Any) -> FloatArray:
        """Actions ``(..., 1)``."""
        a = (np.asarray(observation, float) * _SIZES) @ self.gain
        return np.asarray(np.clip(a, -MAX_ACCEL, MAX_ACCEL)[..., None])

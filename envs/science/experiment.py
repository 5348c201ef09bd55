"""Designing experiments for a Bayesian polynomial model: certainty, money and a model small enough to read.

The unknown function is ``f(x) = Σ_j θ_j x^j``, j = 0 … d, with independent priors ``θ_j ~ N(0, v_j)``, measured as
``y = f(x) + ε`` on 21 points of [−1, 1] by one of three instruments. A measurement changes the posterior covariance by
``Σ ← Σ − Σφφᵀ Σ / (σ² + φᵀΣφ)``, whatever is read: the value of a Gaussian linear experiment does not depend on its
outcome (Lindley 1956; Chaloner & Verdinelli 1995), so the environment is deterministic and its state is Σ.

Actions: ``3·i + k`` measures at point i with instrument k; ``63 + j`` drops feature j from the model for good;
``63 + d + 1`` stops. Dropping forgets what is known of θ_j (its prior comes back, uncorrelated with the rest), and
later measurements inform the remaining features only.

Rewards: the fall of the grid-mean posterior variance of f; minus the cost of the measurement; at the stop, minus the
share of features still in the model. Episodes have 20 steps; the twentieth stops by itself and pays the same, since
otherwise running out of time would be a way not to answer for a large model. γ = 1.

Assumptions, not facts: the instruments ``(σ, cost) = (1, 1), (0.5, 3), (0.25, 10)``, unit priors, and that the effect
of a dropped feature is ignored when the others are estimated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from morl.envs.dynamics import Dynamics, State, Transition
from morl.spec import EnvError, FloatArray, MOSpec, Objective, SpecError

GRID = np.linspace(-1.0, 1.0, 21)
NOISE = np.array([1.0, 0.5, 0.25])  # σ of each instrument
COST = np.array([1.0, 3.0, 10.0])
HORIZON = 20
MAX_DEGREE = 6
MEASUREMENTS = len(GRID) * len(NOISE)


def features(degree: int, x: ArrayLike = GRID) -> FloatArray:
    """The monomials ``1, x, …, x^degree`` at points ``x``, shape ``(points, degree + 1)``.

    >>> features(2, [2.0]).tolist()
    [[1.0, 2.0, 4.0]]
    """
    return np.asarray(np.asarray(x, dtype=np.float64)[:, None] ** np.arange(degree + 1))


class ExperimentDynamics(Dynamics):
    """The pure dynamics of :mod:`morl.envs.science.experiment`, batched over projects.

    Args:
        degree: d, 1 to 6.
        prior_variance: ``v_j``, one number or d + 1 of them, positive.

    Raises:
        EnvError: a degree or variance outside its range.
    """

    reset_options = ("covariance",)
    masked = True

    def __init__(self, degree: int = 3, *, prior_variance: ArrayLike = 1.0) -> None:
        if not isinstance(degree, int | np.integer) or isinstance(degree, bool) or not 1 <= degree <= MAX_DEGREE:
            raise EnvError(f"degree is {degree!r}; expected an integer from 1 to {MAX_DEGREE}")
        self.size = int(degree) + 1
        try:
            self.prior = np.broadcast_to(np.asarray(prior_variance, dtype=np.float64), (self.size,)).copy()
        except (TypeError, ValueError):
            raise EnvError(f"prior_variance is {prior_variance!r}; expected one number or {self.size}") from None
        if not (np.isfinite(self.prior).all() and (self.prior > 0).all()):
            raise EnvError(f"prior_variance is {self.prior.tolist()}; expected positive numbers")
        self.phi = features(int(degree))
        self.moment = self.phi.T @ self.phi / len(GRID)  # variance on the grid is the inner product of Σ with this
        self.start_variance = float(np.diag(self.moment) @ self.prior)
        most = max(float(self.size), self.start_variance)
        objectives = (
            Objective("certainty", "variance", -most, most, "fall of the mean posterior variance of the function"),
            Objective("money", "cost units", -float(COST[-1]), 0.0, "cost of the measurement"),
            Objective("simplicity", "share of features", -1.0, 0.0, "features in the model, paid at the stop"),
        )
        scale = ((0.0, -HORIZON * float(COST[-1]), -1.0), (self.start_variance, 0.0, 0.0))
        self.mo_spec = MOSpec(objectives, 1.0, HORIZON, (-1.0, -200.0, -1.05), scale)
        self.stop = MEASUREMENTS + self.size
        self.action_space = spaces.Discrete(self.stop + 1)
        self._upper = np.triu_indices(self.size)
        width = len(self._upper[0]) + self.size + 2
        self.observation_space = spaces.Box(-np.inf, np.inf, (width,), np.float32)

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """The prior, or ``options={"covariance": (p, p)}``: nothing is random."""
        given = (options or {}).get("covariance")
        covariance = np.diag(self.prior) if given is None else self._given(given)
        return {
            "covariance": np.repeat(covariance[None], n, axis=0),
            "active": np.ones((n, self.size), dtype=np.bool_),
            "counts": np.zeros((n, MEASUREMENTS), dtype=np.int16),
            "spent": np.zeros(n),
            "step": np.zeros(n, dtype=np.int64),
        }

    def step(self, state: State, actions: Any, rng: np.random.Generator) -> Transition:
        """Measure, drop or stop."""
        n, rows = len(actions), np.arange(len(actions))
        before, active = state["covariance"], state["active"].copy()
        measure, stop = actions < MEASUREMENTS, actions == self.stop
        drop = ~measure & ~stop
        point, instrument = np.where(measure, actions, 0) // len(NOISE), np.where(measure, actions, 0) % len(NOISE)
        phi = self.phi[point] * (active & measure[:, None])
        gain = np.einsum("nij,nj->ni", before, phi)
        spread = NOISE[instrument] ** 2 + np.einsum("ni,ni->n", phi, gain)
        covariance = before - gain[:, :, None] * gain[:, None, :] / spread[:, None, None]
        if drop.any():
            which, feature = rows[drop], actions[drop] - MEASUREMENTS
            active[which, feature] = False
            covariance[which, feature, :] = 0.0
            covariance[which, :, feature] = 0.0
            covariance[which, feature, feature] = self.prior[feature]
        self._check(covariance, spread, state)
        cost = np.where(measure, COST[instrument], 0.0)
        step = state["step"] + 1
        ended = stop | (step >= HORIZON)
        counts = state["counts"].copy()
        counts[rows[measure], actions[measure]] += 1
        rewards = np.zeros((n, 3))
        rewards[:, 0] = self.variance(before) - self.variance(covariance)
        rewards[:, 1] = -cost
        rewards[:, 2] = np.where(ended, -active.sum(axis=1) / self.size, 0.0)
        after = {
            "covariance": covariance,
            "active": active,
            "counts": counts,
            "spent": state["spent"] + cost,
            "step": step,
        }
        info = {"action_mask": self.action_mask(after), "spent": after["spent"], "variance": self.variance(covariance)}
        return Transition(after, rewards, ended, info)

    def observe(self, state: State) -> Any:
        """Upper triangle of Σ, active features, hundreds spent, share of the time used; float32."""
        triangle = state["covariance"][:, self._upper[0], self._upper[1]]
        rest = [state["spent"] / 100.0, state["step"] / HORIZON]
        return np.concatenate([triangle, state["active"], np.stack(rest, axis=-1)], axis=1).astype(np.float32)

    def reset_info(self, state: State) -> Mapping[str, Any]:
        """The action mask."""
        return {"action_mask": self.action_mask(state)}

    def render(self, state: State, mode: str) -> Any:
        """The measurements so far, the posterior and the features left."""
        from morl.envs.science.experiment_render import render

        return render(state, mode)

    def action_mask(self, state: State) -> Any:
        """1 for every action that does something: dropped features cannot be dropped again, ``(n, A)`` int8."""
        mask = np.ones((len(state["step"]), self.stop + 1), dtype=np.int8)
        mask[:, MEASUREMENTS : self.stop] = state["active"]
        return mask

    def variance(self, covariance: FloatArray) -> FloatArray:
        """Grid-mean posterior variance of f, ``(n,)`` for covariances ``(n, p, p)``, to a multiple of 2⁻⁴⁰.

        On that binary grid differences and their sums are exact, so that returns telescope to the last bit and no
        rounding error of 1e-16 poses as a Pareto improvement.
        """
        return np.asarray(np.rint(np.einsum("nij,ij->n", covariance, self.moment) * 2.0**40) / 2.0**40)

    def _check(self, covariance: FloatArray, spread: FloatArray, state: State) -> None:
        diagonal = np.einsum("nii->ni", covariance)
        bad = ~((spread > 0) & (diagonal > 0).all(axis=1) & np.isfinite(covariance).all(axis=(1, 2)))
        if bad.any():
            i = int(np.argmax(bad))
            raise EnvError(
                f"posterior covariance of project {i} is not positive definite after step {int(state['step'][i]) + 1} "
                f"(variances {diagonal[i].tolist()}); start from a better conditioned covariance"
            )

    def _given(self, covariance: Any) -> FloatArray:
        wanted = (self.size, self.size)
        try:
            matrix = np.array(covariance, dtype=np.float64)
        except (TypeError, ValueError):
            raise EnvError(f"covariance is {covariance!r}; expected a matrix of shape {wanted}") from None
        if matrix.shape != wanted or not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T):
            raise EnvError(f"covariance has shape {matrix.shape}; expected a finite symmetric matrix {wanted}")
        lowest = float(np.linalg.eigvalsh(matrix)[0])
        if lowest <= 0:
            raise EnvError(f"covariance has eigenvalue {lowest:.3g}; expected a positive definite matrix")
        return matrix


class GreedyDesigner:
    """A hand-written baseline: simplify first, then buy the largest fall of variance per unit of cost.

    Args:
        dynamics: the project.
        budget: money that may be spent.
        keep: features to keep, lowest powers first, 0 to d + 1.
    """

    def __init__(self, dynamics: ExperimentDynamics, budget: float, keep: int) -> None:
        if not 0 <= keep <= dynamics.size or budget < 0:
            raise EnvError(f"budget {budget} and keep {keep}; expected a budget >= 0 and 0 to {dynamics.size} features")
        self.dynamics, self.budget, self.keep = dynamics, float(budget), int(keep)

    def act(self, state: State) -> int:
        """The next action for the state of one project (arrays without a batch axis)."""
        d = self.dynamics
        active = state["active"]
        if active[self.keep :].any():
            return MEASUREMENTS + self.keep + int(np.argmax(active[self.keep :]))
        phi = d.phi * active
        gain = phi @ state["covariance"]
        spread = NOISE[None] ** 2 + np.einsum("ij,ij->i", gain, phi)[:, None]
        fall = np.einsum("ij,jk,ik->i", gain, d.moment, gain)[:, None] / spread
        rate = np.where(state["spent"] + COST[None] <= self.budget, fall / COST[None], 0.0)
        best = int(np.argmax(rate))
        return best if rate.flat[best] > 1e-9 else d.stop


def optimal_design(phi: ArrayLike, criterion: str = "D", iterations: int = 20_000) -> FloatArray:
    """Weights of the best approximate design over given points, by multiplicative updates.

    D-optimality maximises ``log det M(w)`` and A-optimality minimises ``trace M(w)⁻¹``, for the information
    ``M(w) = Σ w_i φ_i φ_iᵀ`` (Silvey, Titterington & Torsney 1978). Both iterations increase their criterion.

    Args:
        phi: ``(points, p)`` features.
        criterion: ``"D"`` or ``"A"``.

    Returns:
        Weights ``(points,)`` that sum to 1.

    Raises:
        SpecError: an unknown criterion, or features that do not span p dimensions.
    """
    table = np.asarray(phi, dtype=np.float64)
    if criterion not in ("D", "A"):
        raise SpecError(f"criterion is {criterion!r}; expected 'D' or 'A'")
    if table.ndim != 2 or np.linalg.matrix_rank(table) < table.shape[1]:
        raise SpecError(f"features of shape {table.shape} do not span their columns; expected full column rank")
    weights = np.full(len(table), 1.0 / len(table))
    for _ in range(iterations):
        inverse = np.linalg.inv(table.T @ (weights[:, None] * table))
        half = table @ inverse
        if criterion == "D":
            weights = weights * np.einsum("ij,ij->i", half, table) / table.shape[1]
        else:
            weights = weights * np.linalg.norm(half, axis=1)
            weights /= weights.sum()
    return weights

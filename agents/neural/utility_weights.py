"""Weights that maximise a smooth concave utility of the expected return: its gradient where the return is now.

A policy gradient of u(J(π)) is ∇u(J) · ∇J(π): at each moment the gradient of a weighted sum, whose weights move with
the running estimate of the expected return J (Agarwal, Aggarwal & Lan 2022, "Multi-objective reinforcement learning
with non-linear scalarization"; Zahavy et al. 2021, "Reward is enough for convex MDPs"). Where u is concave and policies
may be stochastic, no local optimum is worse than another (Zhang et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from morl.spec import AgentError, FloatArray, SpecError
from morl.utility import Utility

Array = np.ndarray[Any, Any]
Function = Callable[[FloatArray], FloatArray]

ENOUGH = 100
"""Episodes of a rollout that weigh as much as all that was estimated before."""


class UtilityWeights:
    """Keeps the expected return, and says what weights of raw returns it calls for.

    Args:
        utility: u, returns ``(..., K)`` to ``(...)``.
        k: objectives.
        scale: ``(low, high)`` typical returns ``(K,)``: where the utility is tried out, and the unit of differences.
        beta: least step size of the running estimate, per rollout; early ones are averaged exactly, and the more
            episodes a rollout has, the larger the step is: the weights of a sharp utility turn around with the policy,
            and late ones would let it run past the optimum until nothing of one objective is tried any more.

    Raises:
        AgentError: a utility without a gradient, or that is not concave, as far as it was tried.
    """

    def __init__(
        self, utility: Function, k: int, scale: tuple[FloatArray, FloatArray] | None = None, beta: float = 0.2
    ) -> None:
        self.utility, self.k, self.beta = utility, k, beta
        low, high = (np.zeros(k), np.ones(k)) if scale is None else scale
        self._low, self._unit = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64) - low
        self.expected: FloatArray = np.zeros(k)
        self.rollouts = 0
        self._check()

    def _check(self) -> None:
        if isinstance(self.utility, Utility):
            try:
                self.utility.gradient(self._low)
            except SpecError as error:
                raise AgentError(f"ConditionedPPO option utility needs a gradient: {error}") from None
            return
        problem = trouble(self.utility, self._low, self._unit)
        if problem:
            raise AgentError(f"ConditionedPPO option utility needs a smooth concave function; the one given {problem}")

    def record(self, returns: FloatArray) -> None:
        """Take in the returns ``(n, K)`` of the episodes that ended in a rollout."""
        if len(returns):
            self.rollouts += 1
            step = max(self.beta, 1.0 / self.rollouts, len(returns) / (len(returns) + ENOUGH))
            self.expected = self.expected + step * (returns.mean(axis=0) - self.expected)

    def weights(self) -> FloatArray:
        """∇u at the expected return, ``(K,)``, normalised to sum 1; equal ones before an episode has ended.

        Raises:
            AgentError: the gradient there is no number, or falls in an objective.
        """
        if not self.rollouts:
            return np.full(self.k, 1.0 / self.k)
        slope = self.gradient(self.expected)
        if not np.isfinite(slope).all() or (slope < -1e-9 * np.abs(slope).max()).any() or not slope.max() > 0:
            raise AgentError(
                f"the gradient of the utility at expected returns {self.expected.round(6).tolist()} is "
                f"{slope.tolist()}; expected finite numbers, 0 or more and not all 0"
            )
        slope = np.maximum(slope, 0.0)
        return np.asarray(slope / slope.sum())

    def gradient(self, returns: FloatArray) -> FloatArray:
        """∇u ``(K,)`` at returns ``(K,)``: exact where the utility says it, else by central differences."""
        if isinstance(self.utility, Utility):
            return self.utility.gradient(returns)
        steps = np.diag(1e-4 * self._unit)
        with np.errstate(all="ignore"):
            return np.asarray((self.utility(returns + steps) - self.utility(returns - steps)) / (2e-4 * self._unit))

    def arrays(self) -> dict[str, Array]:
        """What is remembered, as named arrays."""
        return {"expected": self.expected.copy(), "rollouts": np.array([self.rollouts], dtype=np.int64)}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        self.expected, self.rollouts = np.array(arrays["expected"]), int(arrays["rollouts"][0])


def trouble(utility: Function, low: FloatArray, unit: FloatArray, lines: int = 32, points: int = 257) -> str | None:
    """What speaks against a function being smooth and concave, tried along random lines through a box; else ``None``.

    The second difference over steps of h is h² times the second derivative where there is one: with half the step it
    falls to a quarter, where the slope jumps to a half only.

    >>> smooth, kinked = lambda r: np.log(1 + r).sum(axis=-1), lambda r: r.min(axis=-1)
    >>> trouble(smooth, np.zeros(2), np.ones(2)), trouble(kinked, np.zeros(2), np.ones(2))
    (None, 'has a kink, where there is no gradient')
    """
    rng, k = np.random.default_rng(0), len(low)
    ends = rng.random((2, lines, 1, k))
    way = np.linspace(0.0, 1.0, points)[:, None]
    with np.errstate(all="ignore"):
        values = utility(low + unit * (ends[0] * (1 - way) + ends[1] * way))  # (lines, points)
    if not np.isfinite(values).all():
        return "is not finite on the whole return scale"
    fine, coarse = (values[:, ::s][:, :-2] - 2 * values[:, ::s][:, 1:-1] + values[:, ::s][:, 2:] for s in (1, 4))
    size = max(float(np.ptp(values)), 1e-12)
    if float(coarse.max()) > 1e-6 * size:
        return "is not concave: a mixture of two returns can be worth less than they are on average"
    bend_fine, bend_coarse = np.abs(fine).max(axis=1), np.abs(coarse).max(axis=1)
    kinked = (bend_coarse > 1e-3 * size) & (bend_coarse < 8.0 * bend_fine)
    return "has a kink, where there is no gradient" if kinked.any() else None

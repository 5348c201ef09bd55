"""Utilities and risk of the return of *each episode* (ESR), exactly, on the state with accrued reward.

==========================  ==============================================================================
:func:`expected_utility`    max E[u(R)]
:func:`cvar`                max CVaR_α(u(R)) = max over η of η − (1/α) E(η − u(R))₊  (Rockafellar & Uryasev 2000)
:func:`quantile`            max of the lower q-quantile of u(R), min{z: P(u(R) <= z) >= q}
:func:`worst_cvar`          max over policies of min_i CVaR_α(R_i), one risk per objective
==========================  ==============================================================================

All are static: they look at the distribution of the whole return, seen from the start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from morl.exact.accrued import Accrued, EpisodicPolicy, accrue
from morl.exact.columns import best_mixture
from morl.exact.deadline import check
from morl.exact.policy import Mixture
from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray, ModelError, SpecError
from morl.utility import Utility, WorstCase
from morl.utility.programs import utility_blocks

Utilities = Utility | Callable[[FloatArray], Any]
"""A utility, or a function of returns ``(..., K)`` that never falls when an objective rises."""


@dataclass(frozen=True)
class Episodic:
    """The best policy for a measure of the return of an episode.

    Args:
        value: the measure, at least, under ``policy``: equal to it where ``error`` is 0.
        upper: no policy exceeds this.
        policy: follows the accrued reward.
        returns: the returns that can come out ``(m, K)``; ``probabilities``: of each, ``(m,)``.
        error: bound ``(K,)`` on the rounding of returns (grid and cut-off); 0 where the answer is exact.
        level: the quantile η at which CVaR is attained, else ``None``.
    """

    value: float
    upper: float
    policy: EpisodicPolicy
    returns: FloatArray
    probabilities: FloatArray
    error: FloatArray
    level: float | None = None

    @property
    def mean(self) -> FloatArray:
        """The expected return, ``(K,)``."""
        return np.asarray(self.probabilities @ self.returns)


def expected_utility(momdp: MOMDP, utility: Utilities, **options: Any) -> Episodic:
    """Maximise the expected utility of the return.

    Args:
        utility: of the return vector; monotone.
        options: of :func:`~morl.exact.accrued.accrue`: ``clip``, ``grid``, ``tail``, ``max_nodes``, ``time_limit``.

    Raises:
        ModelError: too many accrued rewards (with what to do).

    >>> m = MOMDP.from_arrays([[[1.0], [1.0]]], [[[1.0, 0.0], [0.0, 1.0]]], discount=1.0, horizon=2)
    >>> from morl.utility import WorstCase
    >>> expected_utility(m, WorstCase()).value
    1.0
    """

    def solve(accrued: Accrued, u: FloatArray) -> tuple[float, IntArray, float | None]:
        value, policy = accrued.best(u)
        return value, policy, None

    return _solve(momdp, utility, solve, options)


def cvar(momdp: MOMDP, alpha: float, utility: Utilities, **options: Any) -> Episodic:
    """Maximise the mean of the worst share α of the utility of the return (Bäuerle & Ott 2011).

    For every η among the utilities that can come out, the expected shortfall below η is minimised; the best η wins.

    Args:
        alpha: in (0, 1]; 1 is the expectation.
        utility, options: as for :func:`expected_utility`.
    """
    if not 0.0 < alpha <= 1.0:
        raise SpecError(f"alpha is {alpha}; expected a number in (0, 1]")

    def solve(accrued: Accrued, u: FloatArray) -> tuple[float, IntArray, float | None]:
        levels = _levels(accrued, u)
        values = np.empty(len(levels))
        step = max(1, 20_000_000 // len(u))
        for i in range(0, len(levels), step):
            part = levels[i : i + step]
            values[i : i + step] = part + accrued.best_of_many(-np.maximum(part - u[:, None], 0.0)) / alpha
        best = int(np.argmax(values))
        eta = float(levels[best])
        shortfall, policy = accrued.best(-np.maximum(eta - u, 0.0))
        return eta + shortfall / alpha, policy, eta

    return _solve(momdp, utility, solve, options)


def quantile(momdp: MOMDP, q: float, utility: Utilities, **options: Any) -> Episodic:
    """Maximise the lower q-quantile of the utility of the return: the largest z with P(u(R) < z) < q.

    Args:
        q: in (0, 1].
        utility, options: as for :func:`expected_utility`.
    """
    if not 0.0 < q <= 1.0:
        raise SpecError(f"q is {q}; expected a number in (0, 1]")

    def solve(accrued: Accrued, u: FloatArray) -> tuple[float, IntArray, float | None]:
        levels = _levels(accrued, u)
        low, high = 0, len(levels) - 1  # the lowest level is always reached
        while low < high:
            middle = (low + high + 1) // 2
            missed, _ = accrued.best(-(u < levels[middle] - 1e-12 * max(1.0, abs(levels[middle]))).astype(float))
            if -missed < q - 1e-12:
                low = middle
            else:
                high = middle - 1
        z = float(levels[low])
        _, policy = accrued.best(-(u < z - 1e-12 * max(1.0, abs(z))).astype(float))
        return z, policy, z

    return _solve(momdp, utility, solve, options)


def worst_cvar(
    momdp: MOMDP,
    alpha: float,
    scale: tuple[ArrayLike, ArrayLike] | None = None,
    max_levels: float = 20_000,
    **options: Any,
) -> tuple[float, Mixture, Accrued]:
    """Maximise the smallest CVaR_α over objectives, ``min_i CVaR_α(f_i)``, over randomised policies.

    For each vector of levels η the problem is a max-min over the product process, solved by column generation;
    vectors that an objective alone proves hopeless are skipped.

    Args:
        scale: ``(low, high)`` returns that become 0 and 1 before objectives are compared.

    Returns:
        The value, a mixture of policies of the product's nodes, and the product.

    Raises:
        ModelError: more than ``max_levels`` vectors, or accrued rewards that are not exact.
        OutOfTime: the ``time_limit`` among the options has passed; there is no answer in between.
    """
    if not 0.0 < alpha <= 1.0:
        raise SpecError(f"alpha is {alpha}; expected a number in (0, 1]")
    accrued = accrue(momdp, **options)
    if accrued.error.any():
        raise ModelError("per-objective CVaR needs exact accrued rewards; give a horizon, or discount 1 and clip")
    low, high = (np.zeros(momdp.k), np.ones(momdp.k)) if scale is None else (np.asarray(x, float) for x in scale)
    f = (accrued.collected - low) / (high - low)
    levels = [_levels(accrued, f[:, i]) for i in range(momdp.k)]
    count = float(np.prod([float(len(x)) for x in levels]))
    if count > max_levels:
        raise ModelError(f"{count:.3g} vectors of levels; more than {max_levels:.3g} are refused; give a coarser grid")
    alone = [x + accrued.best_of_many(-np.maximum(x - f[:, i : i + 1], 0.0)) / alpha for i, x in enumerate(levels)]
    order = sorted(product(*(range(len(x)) for x in levels)), key=lambda c: -min(alone[i][j] for i, j in enumerate(c)))
    best, mixture = -np.inf, None
    for choice in order:
        if min(alone[i][j] for i, j in enumerate(choice)) <= best + 1e-12:
            break
        eta = np.array([levels[i][j] for i, j in enumerate(choice)])
        score = eta - np.maximum(eta - f, 0.0) / alpha
        found = _max_min(accrued, score)
        check(accrued.deadline, "comparing levels of risk")  # else what was found may not be the best
        if found[0] > best:
            best, mixture = found
    assert mixture is not None
    return best, mixture, accrued


def _max_min(accrued: Accrued, score: FloatArray) -> tuple[float, Mixture]:
    """Best worst expected score ``(n, K)`` at the end, over mixtures."""
    p = accrued.product
    offset = p.start @ score
    gain = p.transitions @ score - score[p.row_state]
    first = np.zeros((1, p.n_states + 1))
    first[0, : p.n_states] = p.start
    from scipy import sparse

    # one more state, in front, pays what the start is worth and moves on
    matrix = sparse.csr_array(
        sparse.vstack([sparse.csr_array(first), sparse.hstack([p.transitions, sparse.csr_array((p.n_rows, 1))])])
    )
    order = np.concatenate([[p.n_states], np.arange(p.n_states)])
    matrix = sparse.csr_array(matrix[:, order])
    begin = np.zeros(p.n_states + 1)
    begin[0] = 1.0
    model = MOMDP(matrix, np.vstack([offset, gain]), np.concatenate([[0], p.row_ptr + 1]), 1.0, begin)
    found = best_mixture(model, utility_blocks(WorstCase(), gain.shape[1]), (), WorstCase(), accrued.deadline)
    policies = [np.asarray(policy)[1:] for policy in found.mixture.policies]
    return found.utility, Mixture(policies, found.mixture.probabilities)


def _levels(accrued: Accrued, u: FloatArray) -> FloatArray:
    """Utilities that can come out, ascending; equal ones up to rounding are one."""
    values = np.unique(u[accrued.final] if accrued.final.any() and accrued.timed else u)
    size = max(1.0, float(np.abs(values).max(initial=0.0)))
    return np.asarray(values[np.concatenate([[True], np.diff(values) > 1e-12 * size])])


def _solve(
    momdp: MOMDP,
    utility: Utilities,
    solve: Callable[[Accrued, FloatArray], tuple[float, IntArray, float | None]],
    options: dict[str, Any],
) -> Episodic:
    """Expand, solve, and where returns are rounded bracket the answer with the utility of returns ± error."""
    if isinstance(utility, Utility) and not utility.monotone:
        raise SpecError(f"{utility.name} is not monotone; its value under rounding has no bound")
    accrued = accrue(momdp, **options)
    rounded = bool(accrued.error.any())
    low = np.asarray(utility(accrued.collected - accrued.error if rounded else accrued.collected), dtype=np.float64)
    if low.shape != (len(accrued.state),) or not np.isfinite(low).all():
        raise SpecError(
            f"the utility of {len(accrued.state)} returns has shape {low.shape}; expected one finite number each"
        )
    value, policy, level = solve(accrued, low)
    upper = value
    if rounded:
        upper = solve(accrued, np.asarray(utility(accrued.collected + accrued.error), dtype=np.float64))[0]
    returns, probabilities = accrued.returns(policy)
    return Episodic(value, upper, EpisodicPolicy(accrued, policy), returns, probabilities, accrued.error, level)

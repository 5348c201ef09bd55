"""Utilities of an expected return as linear programs, and the best mixture of points under constraints.

Every concave utility of :mod:`morl.utility` is piecewise linear: ``u(x) = max c·y`` over auxiliary variables y
with ``A y + B x <= b``. A quantile across objectives is not concave, but it is the best of several minima over
subsets of the objectives.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from morl.spec import FloatArray, SpecError
from morl.utility.across import CVaRAcross, QuantileAcross, WorstCase
from morl.utility.base import Utility
from morl.utility.constraints import Bounds
from morl.utility.levels import Threshold
from morl.utility.scalar import AugmentedChebyshev, Chebyshev, Linear


@dataclass(frozen=True)
class Block:
    """``max gain·x + cost·y`` subject to ``on_y y + on_x x <= bound``, y free."""

    gain: FloatArray
    cost: FloatArray
    on_y: FloatArray
    on_x: FloatArray
    bound: FloatArray
    constant: float = 0.0


def utility_blocks(utility: Utility, k: int) -> list[Block]:
    """Blocks of which the best one is the utility; one for concave utilities.

    Raises:
        SpecError: a utility without a piecewise linear form, or for another number of objectives.
    """
    utility.normalise(np.zeros(k))  # checks the number of objectives
    if not utility.scalar:
        raise SpecError(f"{utility.name} is an order, not a number; use lexicographic(momdp, order, slack)")
    low, width = np.zeros(k), np.ones(k)
    if utility.scale is not None:
        low = np.array(utility.scale[0])
        width = np.array(utility.scale[1]) - low
    return [_shift(block, low, width) for block in _normalised(utility, k)]


def _normalised(utility: Utility, k: int) -> list[Block]:
    """Blocks in the utility's own scale."""
    if isinstance(utility, Linear):
        return [_plain(np.array(utility.weights))]
    if isinstance(utility, WorstCase):
        return [_minimum(np.eye(k), np.zeros(k))]
    if isinstance(utility, Chebyshev):
        w, z = np.array(utility.weights), np.array(utility.ideal)
        block = _minimum(np.diag(w), -w * z)
        if isinstance(utility, AugmentedChebyshev):
            rho = float(utility.rho)
            return [_plus(block, np.full(k, rho), -rho * float(z.sum()))]
        return [block]
    if isinstance(utility, CVaRAcross):
        p = utility.probabilities(k)
        return [_cvar(utility.alpha, p)]
    if isinstance(utility, QuantileAcross):
        p = utility.probabilities(k)
        return [_minimum(np.eye(k)[list(s)], np.zeros(len(s))) for s in winning_subsets(p, utility.q)]
    if isinstance(utility, Threshold):
        return [_shortfall(utility, k)]
    raise SpecError(
        f"{utility.name} has no known linear-program form; "
        "expected linear, worst, chebyshev, cvar, quantile or threshold"
    )


def winning_subsets(p: FloatArray, q: float) -> list[tuple[int, ...]]:
    """Minimal sets S of objectives such that ``f_i >= z`` on S makes the lower q-quantile at least z.

    The quantile is at least z exactly where the objectives below z weigh less than q; at q = 0 it is the minimum.

    >>> winning_subsets(np.array([0.25, 0.25, 0.5]), 0.5)
    [(0, 2), (1, 2)]
    """
    live = [int(i) for i in np.flatnonzero(p > 0)]
    if q <= 0.0:
        return [tuple(live)]
    found: list[tuple[int, ...]] = []
    for size in range(1, len(live) + 1):
        for subset in combinations(live, size):
            rest = float(sum(p[i] for i in live if i not in subset))
            if rest < q - 1e-12 and not any(set(s) <= set(subset) for s in found):
                found.append(subset)
    return found


def _plain(gain: FloatArray) -> Block:
    k = len(gain)
    return Block(gain, np.zeros(0), np.zeros((0, 0)), np.zeros((0, k)), np.zeros(0))


def _minimum(matrix: FloatArray, shift: FloatArray) -> Block:
    """``min_i (matrix x + shift)_i``: y <= that, for every i."""
    m, k = matrix.shape
    return Block(np.zeros(k), np.ones(1), np.ones((m, 1)), -matrix, shift)


def _plus(block: Block, gain: FloatArray, constant: float) -> Block:
    return Block(block.gain + gain, block.cost, block.on_y, block.on_x, block.bound, block.constant + constant)


def _cvar(alpha: float, p: FloatArray) -> Block:
    """``z − (1/α) Σ p_i s_i`` with ``s_i >= z − x_i, s_i >= 0``."""
    live, k = np.flatnonzero(p > 0), len(p)
    if alpha <= 0.0:
        return _minimum(np.eye(k)[live], np.zeros(len(live)))
    m = len(live)
    cost = np.concatenate([[1.0], -p[live] / alpha])
    on_y = np.block([[np.ones((m, 1)), -np.eye(m)], [np.zeros((m, 1)), -np.eye(m)]])
    on_x = np.vstack([-np.eye(k)[live], np.zeros((m, k))])
    return Block(np.zeros(k), cost, on_y, on_x, np.zeros(2 * m))


def _shortfall(utility: Threshold, k: int) -> Block:
    """``−Σ w_i s_i`` with ``s_i >= t_i − x_i, s_i >= 0``."""
    asked = np.array(utility.thresholds)
    live = np.flatnonzero(np.isfinite(asked))
    w = np.ones(k) if utility.weights is None or utility.mode == "satisfied" else np.array(utility.weights)
    m = len(live)
    return Block(
        np.zeros(k),
        -w[live],
        np.vstack([-np.eye(m), -np.eye(m)]),
        np.vstack([-np.eye(k)[live], np.zeros((m, k))]),
        np.concatenate([-asked[live], np.zeros(m)]),
    )


def _shift(block: Block, low: FloatArray, width: FloatArray) -> Block:
    """The block as a function of raw returns, ``f = (x − low) / width``."""
    on_x = block.on_x / width
    return Block(
        block.gain / width,
        block.cost,
        block.on_y,
        on_x,
        block.bound + on_x @ low,
        block.constant - float((block.gain / width) @ low),
    )


@dataclass(frozen=True)
class Shares:
    """The mixture of points that is best for a block.

    Args:
        shares: ``(n,)`` probabilities of the points.
        prices: ``(K,)`` dual prices: a weight of raw returns under which no point improves the mixture.
        value: the block at the mixture, without its constant.
    """

    shares: FloatArray
    prices: FloatArray
    value: float


def best_shares(points: FloatArray, block: Block, bounds: Bounds, unit: FloatArray) -> Shares | None:
    """The mixture of points ``(n, K)`` that maximises a block under constraints; ``None`` where none meets them.

    Args:
        unit: ``(K,)`` size of each objective, by which the program is scaled.

    Raises:
        SpecError: HiGHS stops for another reason.
    """
    from scipy.optimize import linprog  # slow to import

    scaled = points / unit
    n, k = scaled.shape
    y = len(block.cost)
    on_x, gain, matrix = block.on_x * unit, block.gain * unit, bounds.matrix * unit
    scale = np.maximum(np.abs(matrix).max(axis=1, initial=0.0), 1e-300)
    slack = 1e-9 * np.maximum(1.0, np.abs(bounds.bound) / scale)
    upper = np.vstack(
        [
            np.hstack([np.zeros((len(block.bound), n)), on_x, block.on_y]),
            np.hstack([np.zeros((len(scale), n)), -matrix / scale[:, None], np.zeros((len(scale), y))]),
        ]
    )
    limit = np.concatenate([block.bound, -bounds.bound / scale + slack])
    link = np.hstack([scaled.T, -np.eye(k), np.zeros((k, y))])
    one = np.concatenate([np.ones(n), np.zeros(k + y)])[None]
    result = linprog(
        -np.concatenate([np.zeros(n), gain, block.cost]),
        A_ub=upper if len(limit) else None,
        b_ub=limit if len(limit) else None,
        A_eq=np.vstack([link, one]),
        b_eq=np.append(np.zeros(k), 1.0),
        bounds=[(0, None)] * n + [(None, None)] * (k + y),
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if result.status == 2:
        return None
    if result.status != 0:
        raise SpecError(f"best mixture: HiGHS stopped with {result.message!r}; scale the rewards")
    shares = np.maximum(result.x[:n], 0.0)
    return Shares(shares / shares.sum(), np.asarray(result.eqlin.marginals[:k]) / unit, -float(result.fun))


def value_at(block: Block, x: FloatArray) -> float:
    """The block's utility at a return ``(K,)``: its auxiliary variables chosen best."""
    fixed = block.gain @ x + block.constant
    if not len(block.cost):
        return float(fixed)
    from scipy.optimize import linprog  # slow to import

    result = linprog(
        -block.cost, A_ub=block.on_y, b_ub=block.bound - block.on_x @ x, bounds=[(None, None)] * len(block.cost)
    )
    return float(fixed - result.fun)

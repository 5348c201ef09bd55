"""Best mixtures of a set of points for many targets: small linear programs, batched.

For each target g the program is: maximise δ such that some mixture Σ λ_j x_j is at least g + δ in every objective.
Its dual is: minimise max_j w·x_j − w·g over the weights w of the simplex. Mixture and weight bound δ from both
sides, so every answer is checked by arithmetic on the points themselves, whatever path led to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.spec import BoolArray, FloatArray, FrontError, IntArray

Array = np.ndarray[Any, Any]

GAP = 1e-10
"""So far apart may mixture and weight be, on points of range 1, before HiGHS is asked instead."""

_PIVOT, _OPTIMAL = 1e-10, 1e-13
_ENTRIES = 250_000  # scores held at one time: a megabyte, which stays in the cache


@dataclass(frozen=True)
class Mixtures:
    """The best mixture of the columns for each target.

    Args:
        margins: ``(m,)`` by how much the mixture exceeds the target in the objective where it does least; evaluated.
        members: ``(m, K)`` columns in the mixture; places that are not needed repeat one with share 0.
        shares: ``(m, K)`` their probabilities.
        weights: ``(m, K)`` simplex weight under which no column scores above the target by more than the margin.
    """

    margins: FloatArray
    members: IntArray
    shares: FloatArray
    weights: FloatArray


def best_mixtures(columns: FloatArray, targets: FloatArray) -> Mixtures:
    """Solve the program above for every target, by the simplex method in step for all of them.

    A basis has K members besides δ: columns (their shares) and slacks. Degenerate sets (ties, points in one plane)
    may stall; what is not proved after 20 K + 40 pivots is left to HiGHS.

    Args:
        columns: ``(n, K)``, at least one; each objective's range about 1.
        targets: ``(m, K)`` on the same scale.

    >>> best_mixtures(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.25, 0.25]])).margins.tolist()
    [0.25]
    """
    m, k = targets.shape
    result = Mixtures(np.zeros(m), np.zeros((m, k), dtype=np.int64), np.zeros((m, k)), np.full((m, k), 1.0 / k))
    for i in np.flatnonzero(~_side_by_side(columns, targets, result)):
        _one_by_highs(columns, targets[i], result, int(i))
    return result


def _side_by_side(columns: FloatArray, targets: FloatArray, result: Mixtures) -> BoolArray:
    """Pivot until both bounds meet; writes what is proved into ``result`` and returns which targets those are."""
    m, k = targets.shape
    roughly = columns.astype(np.float32)
    basis, inverse = _start(columns, targets)
    right = np.column_stack([targets, np.ones(m)])
    alive, solved = np.arange(m), np.zeros(m, dtype=bool)
    for _ in range(20 * k + 40):
        weights, height = -inverse[:, 0, :k], inverse[:, 0, k]  # row 0 is δ's: its row of the inverse is the dual
        best, _ = _best_columns(weights.astype(np.float32), roughly)
        gain = (weights * columns[best]).sum(axis=1) - height
        unsure = np.flatnonzero(gain <= _OPTIMAL)  # none that single precision sees: look closer
        best[unsure], score = _best_columns(weights[unsure], columns)
        gain[unsure] = score - height[unsure]
        slack = weights.argmin(axis=1)
        sink = -weights[np.arange(len(alive)), slack]
        optimal = (gain <= _OPTIMAL) & (sink <= _OPTIMAL)
        values = np.einsum("mij,mj->mi", inverse, right)
        if optimal.any():
            done = np.flatnonzero(optimal)
            solved[alive[done]] = _write(columns, targets[alive[done]], basis[done], values[done, 1:], weights[done],
                                         result, alive[done])  # fmt: skip
            keep = ~optimal
            alive, basis, inverse, right, values = (x[keep] for x in (alive, basis, inverse, right, values))
            best, slack, gain, sink = best[keep], slack[keep], gain[keep], sink[keep]
        if not len(alive):
            break
        rows = np.arange(len(alive))
        is_slack = sink > gain
        entering = np.column_stack([columns[best], np.ones(len(alive))])
        entering[is_slack] = 0.0
        entering[is_slack, slack[is_slack]] = -1.0
        direction = np.einsum("mij,mj->mi", inverse, entering)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(direction[:, 1:] > _PIVOT, np.maximum(values[:, 1:], 0.0) / direction[:, 1:], np.inf)
        leaving = 1 + ratio.argmin(axis=1)
        # row operations that turn the entering column into a unit vector
        pivot = inverse[rows, leaving] / direction[rows, leaving][:, None]
        direction[rows, leaving] = 0.0
        inverse = inverse - direction[:, :, None] * pivot[:, None, :]
        inverse[rows, leaving] = pivot
        basis[rows, leaving - 1] = np.where(is_slack, -1, best)
    return solved


def _best_columns(weights: Array, columns: Array) -> tuple[IntArray, Array]:
    """The column ``(m,)`` that scores highest for each of the weights ``(m, K)``, and its score ``(m,)``."""
    best, score = np.zeros(len(weights), dtype=np.int64), np.zeros(len(weights), dtype=weights.dtype)
    step = max(_ENTRIES // len(columns), 1)
    for first in range(0, len(weights), step):
        part = slice(first, first + step)
        scores = weights[part] @ columns.T
        best[part] = scores.argmax(axis=1)
        score[part] = scores[np.arange(len(scores)), best[part]]
    return best, score


def _start(columns: FloatArray, targets: FloatArray) -> tuple[IntArray, FloatArray]:
    """A feasible basis for each target: the column that falls least short of it, δ, and the slacks left over.

    Returns:
        Members ``(m, K)``, −1 for slacks, and the inverse ``(m, K + 1, K + 1)``; its first row belongs to δ.
    """
    m, k = targets.shape
    chosen = np.zeros(m, dtype=np.int64)
    worst = np.full(m, -np.inf)
    for weight in (np.full(k, 1.0 / k), *np.eye(k)):  # a column that is best for some weight is on the hull
        candidate = int((columns @ weight).argmax())
        least = (columns[candidate] - targets).min(axis=1)
        chosen, worst = np.where(least > worst, candidate, chosen), np.maximum(worst, least)
    tight = (columns[chosen] - targets).argmin(axis=1)
    basis = np.full((m, k), -1, dtype=np.int64)
    basis[:, 0] = chosen
    matrix = np.zeros((m, k + 1, k + 1))
    matrix[:, :k, 0] = -1.0  # δ
    matrix[:, :k, 1], matrix[:, k, 1] = columns[chosen], 1.0
    others = np.array([[j for j in range(k) if j != t] for t in range(k)], dtype=np.int64).reshape(k, k - 1)[tight]
    for place in range(k - 1):
        matrix[np.arange(m), others[:, place], place + 2] = -1.0
    return basis, np.linalg.inv(matrix)


def _write(
    columns: FloatArray,
    targets: FloatArray,
    basis: IntArray,
    values: FloatArray,
    weights: FloatArray,
    result: Mixtures,
    where: IntArray,
) -> BoolArray:
    """Evaluate mixtures and weights on the points; keep the pairs that prove each other."""
    shares = np.where(basis >= 0, np.maximum(values, 0.0), 0.0)
    total = shares.sum(axis=1, keepdims=True)
    shares = shares / np.where(total > 0, total, 1.0)
    members = np.where(basis >= 0, basis, basis.max(axis=1, keepdims=True))
    mixed = np.einsum("mj,mjk->mk", shares, columns[members])
    lower = (mixed - targets).min(axis=1)
    weights = np.maximum(weights, 0.0)
    weights = weights / weights.sum(axis=1, keepdims=True)
    upper = _best_columns(weights, columns)[1] - (weights * targets).sum(axis=1)
    proved = np.asarray((upper - lower <= GAP) & (total[:, 0] > 0))
    chosen = where[proved]
    result.margins[chosen], result.members[chosen] = lower[proved], members[proved]
    result.shares[chosen], result.weights[chosen] = shares[proved], weights[proved]
    return proved


def _one_by_highs(columns: FloatArray, target: FloatArray, result: Mixtures, index: int) -> None:
    """The same program for one target, by HiGHS; the margin is that of the cleaned mixture."""
    mixture, weight = mixture_by_highs(columns, target)
    k = len(target)
    largest = np.argsort(-mixture)[:k]  # a vertex of the program has at most K members
    shares = mixture[largest] / mixture[largest].sum()
    result.members[index, : len(largest)], result.shares[index, : len(largest)] = largest, shares
    result.weights[index] = weight
    result.margins[index] = float((shares @ columns[largest] - target).min())


def mixture_by_highs(columns: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Probabilities ``(n,)`` of the best mixture for one target, and the weight ``(K,)`` that proves it.

    Raises:
        FrontError: HiGHS fails.
    """
    from scipy.optimize import linprog  # slow to import

    n, k = columns.shape
    result = linprog(
        np.append(np.zeros(n), -1.0),
        A_ub=np.hstack([-(columns - target).T, np.ones((k, 1))]),
        b_ub=np.zeros(k),
        A_eq=np.append(np.ones(n), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * n + [(None, None)],
        method="highs",
    )
    if result.status != 0:
        raise FrontError(f"best mixture for {target.tolist()}: HiGHS stopped with {result.message!r}; scale the points")
    share = np.maximum(result.x[:-1], 0.0)
    weight = np.maximum(-np.asarray(result.ineqlin.marginals), 0.0)
    return share / share.sum(), weight / (weight.sum() or 1.0)

"""Sets of value vectors: sums of sets, and covering many points by a few of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from morl.exact.deterministic.tolerant import tolerant_front
from morl.pareto.indicators import nondominated_mask
from morl.spec import FloatArray, IntArray

_GREEDY = 1000


def cover(points: FloatArray, slack: FloatArray) -> IntArray:
    """Indices of points such that every point is at most one of them plus ``slack``.

    Greedy, from the largest sum down, so a kept point is never dominated by a later one. With a zero slack it
    is the non-dominated set, one point of each group of equals.

    Args:
        points: ``(n, K)``.
        slack: ``(K,)``, not negative.
    """
    if not len(points):
        return np.zeros(0, dtype=np.int64)
    index = np.flatnonzero(nondominated_mask(points))
    if not slack.any() or len(index) == 1:
        return np.asarray(index)
    values = points[index]
    if points.shape[1] == 2:
        return np.asarray(index[_cover_two(values, slack)])
    if (slack <= 1e-9 * np.abs(values).max(axis=0)).all():
        return np.asarray(index[tolerant_front(values, slack)])  # only equals up to rounding are to be merged
    if len(values) > _GREEDY:  # a grid spends its slack less well, but in linear time
        thin = _one_per_cell(values, np.maximum(slack, 1e-300) * 0.75)
        index, values, slack = index[thin], values[thin], slack / 4
        if len(values) > _GREEDY:
            return np.asarray(np.sort(index))
    spread = np.maximum(np.ptp(values, axis=0), 1e-300)
    order = np.argsort(-(values / spread).sum(axis=1), kind="stable")
    kept = []
    while len(order):
        best = order[0]
        kept.append(best)
        order = order[~(values[order] <= values[best] + slack).all(axis=1)]
    return np.asarray(index[np.sort(kept)])


def _cover_two(values: FloatArray, slack: FloatArray) -> IntArray:
    """K = 2: walk along the front and keep the last point that still covers the first one uncovered."""
    order = np.argsort(-values[:, 0], kind="stable")
    x, y = values[order, 0], values[order, 1]  # x falls, y rises
    # Candidates j >= i with x[j] >= x[i] - slack cover point i; the furthest has the largest y.
    furthest = np.searchsorted(-x, -(x - slack[0]), side="right") - 1
    following = np.maximum(np.searchsorted(y, y[furthest] + slack[1], side="right"), furthest + 1).tolist()
    visited, i = [], 0
    while i < len(order):
        visited.append(i)
        i = following[i]
    return np.asarray(order[furthest[visited]])


def new_points(points: FloatArray, known: FloatArray, slack: FloatArray) -> IntArray:
    """Indices of points that no known point covers up to ``slack``; some that other points dominate may be left out."""
    if not len(known) or not len(points):
        return np.arange(len(points))
    if points.shape[1] == 2:
        order = np.argsort(-known[:, 0], kind="stable")
        x, best = known[order, 0], np.maximum.accumulate(known[order, 1])
        count = np.searchsorted(-x, -(points[:, 0] - slack[0]), side="right")
        height = np.where(count > 0, best[np.maximum(count - 1, 0)], -np.inf)
        return np.flatnonzero(height < points[:, 1] - slack[1])
    # a point that only another point dominates is covered by that one, or by what covers it
    return np.flatnonzero(nondominated_mask(np.concatenate([known + slack, points]))[len(known) :])


def sum_sets(
    left: FloatArray,
    right: FloatArray,
    slack: FloatArray,
    chunk: int = 300_000,
    check: Callable[[], None] | None = None,
) -> tuple[FloatArray, IntArray, IntArray]:
    """The covered sums of two sets ``(m, K)``, ``(n, K)``: values, and the index of each summand.

    Works in chunks, so that the memory stays bounded whatever m · n is; ``check`` is called before each. Half of
    the slack is spent on a grid with one sum per cell, which thins a chunk in linear time.
    """
    step = max(1, chunk // max(1, len(right)))
    values = np.zeros((0, left.shape[1]))
    i_all = j_all = np.zeros(0, dtype=np.int64)
    coarse = bool((slack > 1e-9 * (np.abs(left).max(axis=0, initial=0) + np.abs(right).max(axis=0, initial=0))).all())
    for first in range(0, len(left), step):
        if check is not None:
            check()
        part = left[first : first + step]
        block = (part[:, None] + right[None]).reshape(-1, left.shape[1])
        if coarse:
            keep = _one_per_cell(block, slack / 2)
            keep = keep[new_points(block[keep], values, slack * 0.0)]
            keep = keep[nondominated_mask(block[keep])]
        else:
            keep = np.flatnonzero(nondominated_mask(block))
        values = np.concatenate([values, block[keep]])
        i_all = np.concatenate([i_all, first + keep // len(right)])
        j_all = np.concatenate([j_all, keep % len(right)])
    keep = cover(values, slack / 2 if coarse else slack)
    return values[keep], i_all[keep], j_all[keep]


def _one_per_cell(points: FloatArray, width: FloatArray) -> IntArray:
    """The index of one point for each cell of a grid."""
    cells = np.floor((points - points.min(axis=0)) / width).astype(np.int64)
    key = np.zeros(len(points), dtype=np.int64)
    for j in range(points.shape[1]):
        key = key * (int(cells[:, j].max(initial=0)) + 1) + cells[:, j]
    return np.asarray(np.unique(key, return_index=True)[1])

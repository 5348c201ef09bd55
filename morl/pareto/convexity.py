"""Supported and non-convex points of a front, and the mixtures that dominate the latter.

A point is *supported* where some weight of the simplex makes it optimal among the set. Where none does, linear
programming duality gives the witness: a mixture of other points, better in every objective.
"""

from __future__ import annotations

from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.arrays import as_points
from morl.pareto.mixtures import best_mixtures, mixture_by_highs
from morl.pareto.weights import corner_weights, upper_hull
from morl.spec import BoolArray, FloatArray, FrontError

TOLERANCE = 1e-9
"""A mixture must win by this share of every objective's range before a point counts as not supported."""


@dataclass(frozen=True)
class DominatingMixture:
    """A mixture of points that is better than another point in every objective.

    Args:
        weights: ``(n,)`` probabilities over the points; zero for the point itself.
        value: ``(K,)`` expected value of the lottery.
        gains: ``(K,)`` ``value`` minus the beaten point, all positive, in the unit of the points.
        margin: the smallest gain as a share of the objective's range over the set.
    """

    weights: FloatArray
    value: FloatArray
    gains: FloatArray
    margin: float


def mixture_margins(points: ArrayLike) -> FloatArray:
    """Margins by which the best mixture of the set dominates each point, in the objective where it gains least.

    Args:
        points: ``(n, K)``.

    Returns:
        ``(n,)`` margins, as shares of each objective's range; 0 where some simplex weight makes the point
        optimal. Every positive margin is attained by a mixture that was evaluated, so it is a certificate.
        By hull for K = 2, by linear programs for all points at once (:mod:`morl.pareto.mixtures`) for K >= 3.

    >>> mixture_margins([[0, 4], [1, 1], [4, 0]]).tolist()
    [0.0, 0.25, 0.0]
    """
    values = as_points(points)
    if len(values) == 0:
        return np.zeros(0)
    unit = _unit(values)
    k = values.shape[1]
    if k == 1:
        return np.asarray(unit.max() - unit[:, 0])
    if k == 2:
        return _margins_of_two(unit)
    return np.maximum(best_mixtures(_undominated(unit), unit).margins, 0.0)


def distance_beyond_hull(points: ArrayLike, targets: ArrayLike) -> FloatArray:
    """Distance of each target beyond the convex hull: beyond everything that mixtures of the points dominate.

    The smallest d such that some mixture is at least ``target`` − d in every objective; by duality also the
    largest loss of linear utility, max over the simplex of w·target − max over the points of w·x. For K = 2 that
    loss is largest at a corner weight of the points; otherwise it is a linear program per target, all solved at
    once (:mod:`morl.pareto.mixtures`).

    Args:
        points: ``(n, K)``, at least one.
        targets: ``(m, K)`` in the same unit.

    Returns:
        ``(m,)``, negative for targets in the interior.

    Raises:
        FrontError: no points, or numbers of objectives that differ.

    >>> distance_beyond_hull([[0, 2], [2, 0]], [[1, 1], [2, 2], [0, 0]]).tolist()
    [0.0, 1.0, -1.0]
    """
    values = as_points(points)
    if len(values) == 0:
        raise FrontError("distance beyond the hull of no points is undefined; expected at least one point")
    goals = as_points(targets, values.shape[1], "targets")
    values = _undominated(values)
    if values.shape[1] <= 2:
        corners = corner_weights(values)
        beyond = corners @ goals.T - np.max(corners @ values.T, axis=1, keepdims=True)
        return np.asarray(beyond.max(axis=0))
    low = values.min(axis=0)
    size = float(np.ptp(np.vstack([values, goals]), axis=0).max()) or 1.0
    return np.asarray(-size * best_mixtures((values - low) / size, (goals - low) / size).margins)


def supported_mask(points: ArrayLike, tolerance: float = TOLERANCE, noise: ArrayLike | None = None) -> BoolArray:
    """True for points that some simplex weight makes optimal among the set, ties included; shape ``(n,)``.

    A point on a face of the hull counts as supported. A point does not where a mixture beats it in every
    objective by more than ``tolerance``, as a share of the objective's range.

    Args:
        points: ``(n, K)``.
        tolerance: share of the range that passes as rounding.
        noise: ``(n, K)`` half-widths of confidence intervals that hold together. A point then counts as not
            supported only where a mixture of the other points' *lower* ends beats its *upper* end. Where the
            intervals hold, no point that a weight does find is missed, whichever mixture the search picks: the
            chance that any is stays below the level's remainder. Other points keep the benefit of the doubt.

    >>> supported_mask([[0, 4], [1, 1], [2, 2], [4, 0]]).tolist()
    [True, False, True, True]
    >>> supported_mask([[0, 4], [1, 1], [1.9, 1.9], [4, 0]], noise=[[0.1, 0.1]] * 4).tolist()
    [True, False, True, True]
    """
    if noise is None:
        return np.asarray(mixture_margins(points) <= tolerance)
    values = as_points(points)
    widths = as_points(noise, values.shape[1], "noise")
    if widths.shape != values.shape:
        raise FrontError(f"noise has shape {widths.shape}; expected {values.shape}, one half-width per coordinate")
    if len(values) == 0:
        return np.zeros(0, dtype=bool)
    spread = np.ptp(values, axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    unit, width = (values - values.min(axis=0)) / spread, widths / spread
    return np.asarray(best_mixtures(_undominated(unit - width), unit + width).margins <= tolerance)


def dominating_mixture(points: ArrayLike, index: int, tolerance: float = TOLERANCE) -> DominatingMixture | None:
    """The mixture of points that beats point ``index`` by the largest margin, or ``None`` if it is supported.

    Raises:
        FrontError: there is no such point.

    >>> mixture = dominating_mixture([[0, 4], [1, 1], [4, 0]], 1)
    >>> mixture.weights.tolist(), mixture.gains.tolist(), mixture.margin
    ([0.5, 0.0, 0.5], [1.0, 1.0], 0.25)
    """
    values = as_points(points)
    if not 0 <= index < len(values):
        raise FrontError(f"point {index} does not exist; expected 0 to {len(values) - 1}")
    unit, others = _unit(values), np.delete(np.arange(len(values)), index)
    if not len(others):
        return None
    weights = np.zeros(len(values))
    weights[others], _ = mixture_by_highs(unit[others], unit[index])
    margin = float((weights @ unit - unit[index]).min())
    if margin <= tolerance:
        return None
    value = weights @ values
    return DominatingMixture(weights, value, value - values[index], margin)


def _unit(values: FloatArray) -> FloatArray:
    """Points on a scale where each objective's range is 1 (a constant objective stays 0)."""
    low = values.min(axis=0)
    spread = values.max(axis=0) - low
    return np.asarray((values - low) / np.where(spread > 0, spread, 1.0))


def _margins_of_two(unit: FloatArray) -> FloatArray:
    """K = 2: distance along (1, 1) to the upper right hull, which is a concave function of x0 − x1."""
    best = np.flatnonzero(moocore.is_nondominated(unit, maximise=True))
    corners = unit[best][upper_hull(unit[best])][::-1]  # ascending objective 0, so ascending x0 − x1
    across, along = corners[:, 0] - corners[:, 1], corners.sum(axis=1)
    p, q = unit[:, 0] - unit[:, 1], unit.sum(axis=1)
    height = np.interp(p, across, along)
    beyond = np.maximum(across[0] - p, 0.0) + np.maximum(p - across[-1], 0.0)  # the hull with free disposal
    margins = (height - beyond - q) / 2.0
    margins[best[upper_hull(unit[best])]] = 0.0
    return np.asarray(np.maximum(margins, 0.0))


def _undominated(values: FloatArray) -> FloatArray:
    """The points that a best mixture may need."""
    return np.asarray(values[moocore.is_nondominated(values, maximise=True)])

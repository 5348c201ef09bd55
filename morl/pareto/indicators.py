"""Quality indicators of fronts: hypervolume, ε, IGD+, expected utility and more.

Points are maximised; moocore and pymoo compute whatever they offer.

Every function takes ``(points, ref_point)`` or ``(points, reference)``; both sets may be arrays ``(n, K)`` or
fronts. Indicators that mix objectives (ε, IGD+, utilities, R2, spacing) are only as meaningful as the units:
normalise first, as :func:`morl.pareto.compare` does.
"""

from __future__ import annotations

import math
import warnings
from functools import lru_cache

import moocore
import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.arrays import as_points
from morl.pareto.convexity import distance_beyond_hull
from morl.pareto.weights import corner_weights
from morl.spec import BoolArray, FloatArray, FrontError, check_vector

_SAMPLE = 4096
"""So many simplex weights stand for "all preferences" where K >= 3 and no set of weights is given."""


def _pair(points: ArrayLike, reference: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both sets, checked against each other; neither may be empty."""
    target = as_points(reference, what="points of the reference front")
    values = as_points(points, None if len(target) == 0 else target.shape[1])
    if len(target) == 0:
        raise FrontError("the reference front is empty; expected at least one point to compare with")
    return values, target


# ---- one set -----------------------------------------------------------------------------------------------


def nondominated_mask(points: ArrayLike) -> BoolArray:
    """True for points ``(n, K)`` that no other point dominates; of equal points only the first is kept.

    >>> nondominated_mask([[1, 3], [3, 1], [2, 0], [1, 3]]).tolist()
    [True, True, False, False]
    """
    values = as_points(points)
    if len(values) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(values, maximise=True, keep_weakly=False), dtype=bool)


def nondominated(points: ArrayLike) -> FloatArray:
    """The rows of ``(n, K)`` that no other row dominates, in their order, duplicates removed."""
    values = as_points(points)
    return values[nondominated_mask(values)]


def hypervolume(points: ArrayLike, ref_point: ArrayLike) -> float:
    """Volume between ``ref_point`` ``(K,)`` and the points ``(n, K)`` that exceed it (Zitzler & Thiele, 1998).

    >>> hypervolume([[1, 3], [3, 1]], [0, 0])
    5.0
    """
    values = as_points(points)
    ref = check_vector(ref_point, values.shape[1], "reference point") if len(values) else ref_point
    if len(values) == 0:
        return 0.0
    return float(moocore.hypervolume(values, ref=ref, maximise=True))


def hypervolume_contributions(points: ArrayLike, ref_point: ArrayLike) -> FloatArray:
    """What the hypervolume loses when each point alone is taken away, shape ``(n,)``.

    Nothing for dominated points and for each of several equal ones; a point with a dominated one behind it
    loses only what the dominated one does not cover.

    >>> hypervolume_contributions([[1, 3], [3, 1], [2, 0.5]], [0, 0]).tolist()
    [2.0, 1.5, 0.0]
    """
    values = as_points(points)
    if len(values) == 0:
        return np.zeros(0)
    ref = check_vector(ref_point, values.shape[1], "reference point")
    if values.shape[1] == 1:  # only the largest adds anything, down to the second
        height = np.maximum(values[:, 0] - ref[0], 0.0)
        second = np.partition(np.append(height, 0.0), -2)[-2]
        return np.asarray(np.maximum(height - second, 0.0))
    lost = moocore.hv_contributions(values, ref=ref, maximise=True, ignore_dominated=False)
    return np.asarray(lost, dtype=np.float64)


def spacing(points: ArrayLike) -> float:
    """Spread of the distances between nearest neighbours (Schott, 1995); 0 is even, and for fewer than 3 points.

    >>> spacing([[0, 2], [1, 1], [2, 0]])
    0.0
    """
    from pymoo.indicators.spacing import SpacingIndicator

    values = as_points(points)
    return float(SpacingIndicator()(values)) if len(values) > 2 else 0.0


def cardinality(points: ArrayLike) -> int:
    """The number of distinct points that no other dominates."""
    return int(nondominated_mask(points).sum())


def expected_utility(points: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean over linear preferences of the best scalarised value, EUM (Zintgraf et al., 2015).

    Args:
        points: ``(n, K)``.
        weights: ``(m, K)`` preferences, equally likely; by default the whole simplex: the exact integral for
            K = 2, the mean over 4096 evenly spread weights for K >= 3, good to about three digits.

    >>> expected_utility([[1, 0], [0, 1]])  # the mean of max(w, 1 - w)
    0.75
    """
    values = as_points(points)
    if len(values) == 0:
        raise FrontError("expected utility of no points is undefined; expected at least one point")
    if values.shape[1] == 2 and weights is None:  # piecewise linear between the corner weights
        grid = corner_weights(values)
        best = np.max(grid @ values.T, axis=1)
        return float(np.diff(grid[:, 0]) @ (best[1:] + best[:-1])) / 2.0
    return float(np.mean(np.max(_preferences(weights, values.shape[1]) @ values.T, axis=1)))


def r2(points: ArrayLike, ideal: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean weighted Chebyshev distance to an ideal point (Hansen & Jaszkiewicz, 1998); lower is better.

    Exact (the integral over all weights; Schäpermeier & Kerschke, 2025) for K = 2 where no weights are given;
    otherwise the mean over ``weights`` ``(m, K)``, or 4096 evenly spread weights.

    Raises:
        FrontError: a point exceeds the ideal, for which the distance means nothing.

    >>> r2([[0, 0]], ideal=[1, 1])  # the mean of max(w, 1 - w)
    0.75
    """
    values = as_points(points)
    if len(values) == 0:
        raise FrontError("R2 of no points is undefined; expected at least one point")
    target = check_vector(ideal, values.shape[1], "ideal point")
    if np.any(values > target):
        i = int(np.argmax((values > target).any(axis=1)))
        raise FrontError(
            f"point {i} {values[i].tolist()} exceeds the ideal {target.tolist()}; expected ideal >= points"
        )
    if values.shape[1] == 2 and weights is None:
        return float(moocore.r2_exact(values, ref=target, maximise=True))
    loss = target - values
    scaled = _preferences(weights, values.shape[1])[:, None, :] * loss[None]
    return float(np.mean(scaled.max(axis=2).min(axis=1)))


# ---- a set against a reference front -----------------------------------------------------------------------


def igd_plus(points: ArrayLike, reference: ArrayLike) -> float:
    """Mean distance by which points fall short of each point of a reference front, IGD+ (Ishibuchi et al., 2015).

    >>> igd_plus([[0, 0]], [[3, 4], [0, -1]])
    2.5
    """
    values, target = _pair(points, reference)
    return math.inf if len(values) == 0 else float(moocore.igd_plus(values, ref=target, maximise=True))


def additive_epsilon(points: ArrayLike, reference: ArrayLike) -> float:
    """Smallest ε such that a reference front is reached up to ε in all objectives, additive ε (Zitzler et al., 2003).

    Negative where the points exceed the reference front everywhere; infinite for no points.

    >>> additive_epsilon([[1, 1]], [[1, 2], [3, 0]])
    2.0
    """
    values, target = _pair(points, reference)
    return math.inf if len(values) == 0 else float(moocore.epsilon_additive(values, ref=target, maximise=True))


def maximum_utility_loss(points: ArrayLike, reference: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Largest loss of linear utility over all preferences, MUL: max over w of u*(w) − û(w) (Zintgraf et al., 2015).

    Exact over the whole simplex where no weights are given (see :func:`morl.pareto.distance_beyond_hull`).

    Returns:
        The loss, in the unit of the points; infinite for no points.

    >>> maximum_utility_loss([[1, 0], [0, 1]], [[1, 0], [0, 1], [0.75, 0.75]])
    0.25
    """
    values, target = _pair(points, reference)
    if len(values) == 0:
        return math.inf
    if weights is None:
        return float(distance_beyond_hull(values, nondominated(target)).max())
    grid = _preferences(weights, values.shape[1])
    return float(np.max(np.max(grid @ target.T, axis=1) - np.max(grid @ values.T, axis=1)))


def _preferences(weights: ArrayLike | None, k: int) -> FloatArray:
    """Weights ``(m, K)`` as given, or a low-discrepancy sample of the simplex."""
    if weights is None:
        return _spread(k)
    values = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    if values.shape[1] != k or len(values) == 0:
        raise FrontError(f"weights have shape {values.shape}; expected (m, {k})")
    sums = values.sum(axis=1)
    if not np.isfinite(values).all() or np.any(values < 0) or np.any(np.abs(sums - 1.0) > 1e-6):
        bad = ~np.isfinite(values).all(axis=1) | (values < 0).any(axis=1) | (np.abs(sums - 1.0) > 1e-6)
        i = int(np.argmax(bad))
        raise FrontError(f"weights {i} are {values[i].tolist()}; expected no negative number and a sum of 1")
    return values


@lru_cache(maxsize=16)
def _spread(k: int) -> FloatArray:
    """The same evenly spread weights every time: gaps between sorted coordinates are uniform on the simplex.

    Coordinates of an additive recurrence with powers of the generalised golden ratio (Roberts, 2018).
    """
    ratio = 2.0
    for _ in range(60):
        ratio = (1.0 + ratio) ** (1.0 / k)  # the root of x^K = x + 1, for K − 1 coordinates
    steps = ratio ** -np.arange(1.0, k)
    cube = (0.5 + np.arange(1, _SAMPLE + 1)[:, None] * steps) % 1.0
    edges = np.hstack([np.zeros((_SAMPLE, 1)), np.sort(cube, axis=1), np.ones((_SAMPLE, 1))])
    weights = np.diff(edges, axis=1)
    weights.flags.writeable = False
    return weights


def warn_outside(points: FloatArray, ref_point: FloatArray, stacklevel: int = 3) -> None:
    """Warn of points that do not reach the reference point: they add nothing to the hypervolume."""
    outside = ~(points >= ref_point).all(axis=1)
    if outside.any():
        i = int(np.argmax(outside))
        warnings.warn(
            f"{int(outside.sum())} of {len(points)} points do not reach the reference point {ref_point.tolist()} "
            f"(first: {points[i].tolist()}); they add nothing to the hypervolume",
            stacklevel=stacklevel,
        )

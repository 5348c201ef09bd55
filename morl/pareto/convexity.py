"""Which points a linear preference can find, and the mixtures that beat those it cannot.

A point is *supported* where some weight of the simplex makes it optimal among the set. Where none does, linear
programming duality gives the witness: a mixture of other points, better in every objective.
"""

from __future__ import annotations

from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.arrays import as_points
from morl.pareto.weights import CORNER_LIMIT, corner_weights, das_dennis, upper_hull
from morl.spec import BoolArray, FloatArray, FrontError, IntArray

TOLERANCE = 1e-9
"""A mixture must win by this share of every objective's range before a point counts as not supported."""


@dataclass(frozen=True)
class DominatingMixture:
    """A lottery over points that is better than one of them in every objective.

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
    """How much the best mixture of the set wins over each point, in the objective where it wins least.

    Args:
        points: ``(n, K)``.

    Returns:
        ``(n,)`` margins, as shares of each objective's range; 0 where some simplex weight makes the point
        optimal. Every positive margin is attained by a mixture that was evaluated, so it is a certificate.
        By hull for K = 2, by linear programs (HiGHS) for K >= 3.

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
    margins = np.zeros(len(values))
    found, everything = _found(unit)
    columns = np.flatnonzero(found) if everything else np.arange(len(values))
    for i in np.flatnonzero(~found):
        margins[i] = _best_mixture(unit, int(i), columns)[1]
    return margins


def distance_beyond_hull(points: ArrayLike, targets: ArrayLike) -> FloatArray:
    """How far each target lies beyond everything that mixtures of the points dominate.

    The smallest d such that some mixture is at least ``target`` − d in every objective; by duality also the
    largest loss of linear utility, max over the simplex of w·target − max over the points of w·x. That loss is
    concave in w and linear between the corner weights of the points, so one matrix product finds it; with many
    points and objectives, one linear program (HiGHS) per target does.

    Args:
        points: ``(n, K)``, at least one.
        targets: ``(m, K)`` in the same unit.

    Returns:
        ``(m,)``, negative for targets in the interior.

    >>> distance_beyond_hull([[0, 2], [2, 0]], [[1, 1], [2, 2], [0, 0]]).tolist()
    [0.0, 1.0, -1.0]
    """
    values, goals = as_points(points), as_points(targets, what="targets")
    values = values[moocore.is_nondominated(values, maximise=True)]
    corners = _corners_if_cheap(values)
    if corners is None:
        return np.array([_shortfall(values, goal) for goal in goals])
    beyond = corners @ goals.T - np.max(corners @ values.T, axis=1, keepdims=True)
    return np.asarray(beyond.max(axis=0))


def supported_mask(points: ArrayLike, tolerance: float = TOLERANCE) -> BoolArray:
    """True for points that some simplex weight makes optimal among the set, ties included; shape ``(n,)``.

    A point on a face of the hull counts as supported. A point does not where a mixture beats it in every
    objective by more than ``tolerance``, as a share of the objective's range.

    >>> supported_mask([[0, 4], [1, 1], [2, 2], [4, 0]]).tolist()
    [True, False, True, True]
    """
    return np.asarray(mixture_margins(points) <= tolerance)


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
    weights, margin = _best_mixture(_unit(values), index, np.arange(len(values)))
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


def _found(unit: FloatArray) -> tuple[BoolArray, bool]:
    """Points that are best under some weight, and whether these are all of them, so that no mixture needs others.

    A supported point is best at a corner weight of the set, so the corners find all; where they would be too
    many, a lattice finds the easy ones.
    """
    corners = _corners_if_cheap(unit)
    if corners is not None:
        scores = corners @ unit.T
        return np.asarray((scores >= scores.max(axis=1, keepdims=True) - 1e-12).any(axis=0)), True
    found = np.zeros(len(unit), dtype=bool)
    k = unit.shape[1]
    found[np.argmax(das_dennis(k, number=max(200, k)) @ unit.T, axis=1)] = True
    return found, False


def _corners_if_cheap(values: FloatArray) -> FloatArray | None:
    """Corner weights of the points, or ``None`` where linear programs are cheaper or qhull gives up."""
    if len(values) > CORNER_LIMIT.get(values.shape[1], 0):
        return None
    try:
        return corner_weights(values)
    except FrontError:  # a degenerate set
        return None


def _shortfall(values: FloatArray, goal: FloatArray) -> float:
    """:func:`distance_beyond_hull` of one target as a linear program: minimise d with goal − mixture <= d."""
    from scipy.optimize import linprog  # slow to import

    n, k = values.shape
    scale = float(np.ptp(np.vstack([values, goal]), axis=0).max()) or 1.0
    result = linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=np.hstack([(goal - values).T / scale, -np.ones((k, 1))]),
        b_ub=np.zeros(k),
        A_eq=np.append(np.ones(n), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * n + [(None, None)],
        method="highs",
    )
    if result.status != 0:
        raise FrontError(f"distance beyond the hull: HiGHS stopped with {result.message!r}; scale the points")
    return float(result.fun) * scale


def _best_mixture(unit: FloatArray, index: int, columns: IntArray) -> tuple[FloatArray, float]:
    """Maximise δ subject to: a mixture of the points in ``columns`` is at least point ``index`` + δ everywhere.

    The margin returned is recomputed from the cleaned mixture, not read from the solver.
    """
    from scipy.optimize import linprog  # slow to import

    n, k = unit.shape
    others = columns[columns != index]
    gains = unit[others] - unit[index]
    weights = np.zeros(n)
    m = len(others)
    if m == 0:
        return weights, 0.0
    result = linprog(
        np.append(np.zeros(m), -1.0),
        A_ub=np.hstack([-gains.T, np.ones((k, 1))]),
        b_ub=np.zeros(k),
        A_eq=np.append(np.ones(m), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * m + [(None, None)],
        method="highs",
    )
    if result.status != 0:
        raise FrontError(f"mixture for point {index}: HiGHS stopped with {result.message!r}; scale the points")
    share = np.maximum(result.x[:-1], 0.0)
    weights[others] = share / share.sum()
    return weights, max(float((weights[others] @ gains).min()), 0.0)

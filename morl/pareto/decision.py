"""Decision making: choosing one point of a set by trade-off, pseudo-weight or aspiration.

pymoo minimises and expects objectives of comparable size, so points are mirrored and scaled to [0, 1] here.
Whoever has a :class:`~morl.pareto.Front` and names for its objectives wants :func:`morl.pareto.choice.choose`.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.arrays import as_points
from morl.spec import FloatArray, FrontError, IntArray, check_vector, check_weights

RADIUS = 0.125
"""Neighbours of a point, for its trade-off, on objectives scaled to the range of the set."""


def knee_points(points: ArrayLike) -> IntArray:
    """Knee points: those with a high trade-off compared with their neighbours (Rachmawati & Srinivasan, 2009).

    Args:
        points: ``(n, K)``, or a front.

    Returns:
        Indices of the points whose trade-off stands out (two standard deviations above the mean, or the
        largest if it exceeds one); empty where none does, and for fewer than three points or one objective.

    >>> knee_points([[0, 10], [1, 9.9], [8, 9], [9, 2], [10, 0]]).tolist()
    [2]
    """
    merit = trade_offs(points)
    known = np.flatnonzero(np.isfinite(merit))
    if not len(known):
        return np.zeros(0, dtype=np.int64)
    deviation = merit[known].std()
    above = (merit[known] - merit[known].mean()) / deviation if deviation > 0 else np.zeros(len(known))
    if (above >= 2.0).any():
        return known[above >= 2.0]
    return known[[above.argmax()]] if above.max() > 1.0 else np.zeros(0, dtype=np.int64)


def trade_offs(points: ArrayLike) -> FloatArray:
    """Trade-offs: what a step to a neighbour costs at least per unit that it gains (Rachmawati & Srinivasan, 2009).

    Objectives are scaled to the range of the set. Neighbours lie within :data:`RADIUS`; where these are fewer than
    2 K, the 2 K nearest points are taken.

    Returns:
        ``(n,)``; infinite where no neighbour gains anything, NaN for fewer than three distinct points, for one
        objective, and for repetitions of a point.

    >>> trade_offs([[0, 2], [1.5, 1.5], [2, 0]]).round(3).tolist()
    [0.333, 3.0, 0.333]
    """
    from scipy.spatial import cKDTree

    values = as_points(points)
    scaled, merit = _costs(values), np.full(len(values), np.nan)
    if values.shape[1] < 2:
        return merit
    costs, index = np.unique(scaled, axis=0, return_index=True)  # a duplicate has no trade-off with its twin
    n, k = costs.shape
    if n < 3:
        return merit
    tree, most = cKDTree(costs), min(2 * k, n - 1)
    near = tree.query_ball_point(costs, RADIUS)
    nearest = tree.query(costs, k=most + 1)[1]
    for i in range(n):
        step = costs[near[i] if len(near[i]) >= most else nearest[i]] - costs[i]
        sacrifice, gain = np.maximum(0.0, step).sum(axis=1), np.maximum(0.0, -step).sum(axis=1)
        moved = sacrifice + gain > 0
        ratio = np.divide(sacrifice, gain, out=np.full(len(step), np.inf), where=gain > 0)
        merit[index[i]] = ratio[moved].min(initial=np.inf)
    return merit


def pseudo_weights(points: ArrayLike) -> FloatArray:
    """Pseudo-weights: each point's distance to the worst value of every objective, normalised (Deb, 2001).

    Returns:
        ``(n, K)`` rows on the simplex; equal shares where the whole set is one point.

    >>> pseudo_weights([[0, 2], [1, 1], [2, 0]]).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    merit = 1.0 - _costs(points)
    total = merit.sum(axis=1, keepdims=True)
    k = merit.shape[1]
    return np.asarray(np.where(total > 0, merit / np.where(total > 0, total, 1.0), 1.0 / k))


def choose_by_weights(points: ArrayLike, preference: ArrayLike) -> int:
    """Index of the point whose pseudo-weights are nearest to a preference on the simplex.

    Raises:
        FrontError: no points.
        SpecError: the preference is not on the simplex.

    >>> choose_by_weights([[0, 2], [1, 1], [2, 0]], [0.9, 0.1])
    2
    """
    costs = _costs(points)
    wanted = check_weights(preference, costs.shape[1], "preference")
    constant = np.ptp(costs, axis=0) == 0
    if constant.any() or np.any((1.0 - costs).sum(axis=1) == 0):  # pymoo divides by these
        return int(np.argmin(np.abs(pseudo_weights(points) - wanted).sum(axis=1)))
    zero, one = np.zeros(costs.shape[1]), np.ones(costs.shape[1])
    with warnings.catch_warnings():  # pymoo imports scipy by an old name
        warnings.simplefilter("ignore", DeprecationWarning)
        from pymoo.mcdm.pseudo_weights import PseudoWeights
    return int(PseudoWeights(wanted, ideal=zero, nadir=one)(costs))


def choose_by_asf(points: ArrayLike, preference: ArrayLike, aspiration: ArrayLike | None = None) -> int:
    """Index of the point that falls least short of an aspiration (achievement scalarisation; Wierzbicki, 1980).

    Args:
        preference: ``(K,)`` simplex weights: a larger weight makes shortfalls in that objective count more.
        aspiration: ``(K,)`` wished-for returns; by default the best of each objective.

    Unlike a weighted sum it reaches points in the non-convex regions of a front.

    >>> choose_by_asf([[0, 4], [1.5, 1.5], [4, 0]], [0.5, 0.5])
    1
    """
    from pymoo.decomposition.asf import ASF

    values = as_points(points)
    costs = _costs(values)
    k = costs.shape[1]
    wanted = check_weights(preference, k, "preference")
    utopia = np.zeros(k) if aspiration is None else _scaled(values, check_vector(aspiration, k, "aspiration")[None])[0]
    # pymoo divides by the weights; dividing by the inverse makes a larger weight demand more
    inverse = 1.0 / np.maximum(wanted, 1e-10)
    loss = ASF().do(costs, inverse[None], utopian_point=utopia).ravel()
    ties = np.flatnonzero(loss <= loss.min() + 1e-12)
    return int(ties[np.argmin((costs[ties] * wanted).sum(axis=1))])


def _costs(points: ArrayLike) -> FloatArray:
    """Points mirrored and scaled to the range of the set: 0 is the best of each objective, 1 the worst."""
    values = as_points(points)
    if len(values) == 0:
        raise FrontError("no points to choose from; expected at least one")
    return _scaled(values, values)


def _scaled(values: FloatArray, rows: FloatArray) -> FloatArray:
    best = values.max(axis=0)
    spread = best - values.min(axis=0)
    return np.asarray((best - rows) / np.where(spread > 0, spread, 1.0))

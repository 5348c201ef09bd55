"""Decision making: choosing one point of a front by trade-off, preference or aspiration, with pymoo's mcdm.

pymoo minimises and expects objectives of comparable size, so points are mirrored and scaled to [0, 1] here.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.arrays import as_points
from morl.spec import FloatArray, FrontError, IntArray, check_vector, check_weights


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
    costs = _costs(points)
    costs, index = np.unique(costs, axis=0, return_index=True)  # a duplicate has no trade-off with its twin
    if len(costs) < 3 or costs.shape[1] < 2:
        return np.zeros(0, dtype=np.int64)
    with warnings.catch_warnings(), np.errstate(all="ignore"):  # pymoo silences warnings for good otherwise
        warnings.simplefilter("ignore")
        from pymoo.mcdm.high_tradeoff import HighTradeoffPoints

        found = HighTradeoffPoints()(costs)
    return np.sort(index[[] if found is None else np.atleast_1d(found)]).astype(np.int64)


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

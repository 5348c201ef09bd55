"""Which of many computed points are vertices of their hull: the same answer whatever noise computed them.

A point that was computed up to some error may seem to stand out of a face that it lies on, and one policy's value
computed twice may seem to be two points. Here a point counts only where it raises the support function of the others
by more than the errors can, and ties are broken by the order of the objectives.
"""

from __future__ import annotations

import numpy as np

from morl.exact.coverage.certificate import support
from morl.exact.coverage.double_description import TOLERANCE, inner_cone
from morl.spec import FloatArray, IntArray

_CHUNK = 1 << 22


def distinct_vertices(
    points: FloatArray, corners: list[FloatArray], noise: float, span: FloatArray
) -> tuple[IntArray, float]:
    """Indices of the vertices of the hull of ``points (n, K)`` that stand out by more than ``noise``.

    Args:
        corners: for each point weights ``(m, K)`` of the simplex under which no other point is better: a point that
            beats all others by more than the noise under their mean needs no further look.
        noise: how far the support function may be off, in the unit of the points.
        span: size of each objective ``(K,)``, by which the coordinates of the cone are divided.

    Returns:
        The indices, and by how much at most the support function of these points falls below that of all.
    """
    if len(points) < 2:
        return np.arange(len(points)), 0.0
    middle = np.array([weights.mean(axis=0) for weights in corners])
    if _margins(points, middle).min() > noise:
        return np.arange(len(points)), 0.0
    return _deepest_first(points, noise, span)


def _margins(points: FloatArray, weights: FloatArray) -> FloatArray:
    """By how much each point ``(n, K)`` beats the best of the others under its own weight ``(n, K)``."""
    margins = np.empty(len(points))
    step = max(1, _CHUNK // len(points))
    for first in range(0, len(points), step):
        own = np.arange(first, min(first + step, len(points)))
        values = weights[own] @ points.T
        mine = values[np.arange(len(own)), own].copy()
        values[np.arange(len(own)), own] = -np.inf
        margins[own] = mine - values.max(axis=1)
    return margins


def _deepest_first(points: FloatArray, noise: float, span: FloatArray) -> tuple[IntArray, float]:
    """Build the hull anew: each time the point that stands out most, until none stands out by more than the noise.

    û is linear between the corner weights of a hull, so the most that a point stands out is found at one of them.
    The best point under some weight is a vertex, or lies on a face with others; then the first in the order of the
    objectives is one.
    """
    scaled = (points - points.min(axis=0)) / span
    chosen = [_first_on_face(points, (1.0 / span) / (1.0 / span).sum(), noise)]
    cone = inner_cone(scaled[chosen[0]])
    weights, gain = _gains(cone.rays, points, chosen, span)
    while gain.max(initial=0.0) > noise:
        weight = weights[int(np.argmax(gain))]
        change: IntArray | None = None
        for new in (_first_on_face(points, weight, noise), int(np.argmax(points @ weight))):
            if new not in chosen:
                change = cone.cut(np.append(-scaled[new], 1.0))
            if change is not None:
                break
        if change is None:
            break  # finer than the cone can tell
        chosen.append(new)
        fresh = change < 0  # at the other rays nothing changed
        weights, gain = weights[change], gain[change]
        weights[fresh], gain[fresh] = _gains(cone.rays[fresh], points, chosen, span)
    return np.sort(np.array(chosen, dtype=np.int64)), max(float(gain.max(initial=0.0)), 0.0)


def _gains(rays: FloatArray, points: FloatArray, chosen: list[int], span: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights ``(n, K)`` of rays of the inner cone, and how much better than the chosen ones some point is at each."""
    weights = np.maximum(rays[:, :-1], 0.0) / span
    total = weights.sum(axis=1, keepdims=True)
    some = rays[:, :-1].max(axis=1, initial=0.0) > TOLERANCE  # one ray has no weight
    weights = weights / np.where(total > 0.0, total, 1.0)
    gain = support(weights, points)[0] - support(weights, points[chosen])[0]
    return weights, np.where(some, gain, -np.inf)


def _first_on_face(points: FloatArray, weight: FloatArray, noise: float) -> int:
    """Of the best points under a weight, up to the noise, the lexicographically largest one."""
    on = np.arange(len(points))
    for w in (weight, *np.eye(points.shape[1])):
        values = points[on] @ w
        on = on[values >= values.max() - noise]
    return int(on[0])

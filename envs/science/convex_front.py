"""How far a finite sample of a convex two-objective front can be from all of it."""

from __future__ import annotations

import numpy as np

from morl.spec import FloatArray


def half_spaces(points: FloatArray, weights: FloatArray) -> FloatArray:
    """Cuts ``(n, K + 1)``: no achievable vector x has w·x above that of the point which is optimal for w."""
    return np.column_stack([weights, np.sum(weights * points, axis=1)])


def sandwich(points: FloatArray, weights: FloatArray) -> float:
    """Certified additive error of a convex front sampled at optimal points of two maximised objectives.

    Between two neighbours the true front lies under both tangents and above the chord; the largest distance, in the
    worse objective, from a corner of the tangents to the chord is the error. Beyond the ends it is the distance from
    the end point to where its tangent meets the best value of the other objective's own optimum, so the sample should
    contain both single-objective optima, or come close.

    Args:
        points: ``(n, 2)``, each optimal for its weight.
        weights: ``(n, 2)`` on the simplex.

    >>> sandwich(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    0.5
    """
    order = np.lexsort((points[:, 1], -points[:, 0]))
    points, weights = points[order], weights[order]
    worst = 0.0
    for p, q, u, v in zip(points[:-1], points[1:], weights[:-1], weights[1:], strict=True):
        if abs(u[0] * v[1] - u[1] * v[0]) < 1e-12 or np.allclose(p, q, atol=1e-15):
            continue
        corner = np.linalg.solve(np.stack([u, v]), np.array([u @ p, v @ q]))
        above, along = corner - q, p - q  # the chord is q + λ·along
        share = (above[0] - above[1]) / (along[0] - along[1])
        gap = above - np.clip(share, 0.0, 1.0) * along
        worst = max(worst, float(gap.max()))
    return worst

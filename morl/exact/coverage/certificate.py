"""What a convex coverage set proves: an inner set of real policies, an outer set of half-spaces, and the gap.

With u*(w) the best ``w·x`` over all policies (convex in w) and û(w) the best over the points found (piecewise
linear), the largest u* − û over the simplex is attained at a corner weight of the points. Bounding u* there
through the outer half-spaces gives ε: every achievable x has a mixture of points at least as good as x − ε in
every objective.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linprog, nnls

from morl.exact.coverage.double_description import corner_weights
from morl.pareto.front import Front
from morl.spec import FloatArray, FrontError, IntArray

_CHUNK = 1 << 22
_EXACT = 1e-14  # residual of a weight of size 1


def support(weights: FloatArray, vertices: FloatArray) -> tuple[FloatArray, np.ndarray]:
    """``max_y w·y`` over the vertices ``(n, K)`` for each weight ``(m, K)``, and which vertex attains it."""
    best = np.empty(len(weights))
    which = np.empty(len(weights), dtype=np.int64)
    step = max(1, _CHUNK // max(1, len(vertices)))
    for first in range(0, len(weights), step):
        values = weights[first : first + step] @ vertices.T
        which[first : first + step] = values.argmax(axis=1)
        best[first : first + step] = values[np.arange(len(values)), which[first : first + step]]
    return best, which


def proven_bounds(weights: FloatArray, outer: FloatArray, tight: list[IntArray]) -> FloatArray:
    """Upper bounds ``(m,)`` on ``w·x`` over an outer polytope, each proven by weak duality.

    ``w = Σ λ_i w_i`` with λ >= 0 gives ``w·x <= Σ λ_i b_i`` for every x of the polytope. The half-spaces on which the
    best vertex lies have such λ; where those given do not (a vertex was lost to rounding), all are tried.

    Args:
        weights: ``(m, K)``.
        outer: ``(n, K + 1)`` half-spaces ``w_i·x <= b_i``.
        tight: for each weight the numbers of half-spaces to try first.
    """
    bounds = np.empty(len(weights))
    for i, (weight, rows) in enumerate(zip(weights, tight, strict=True)):
        shares, off = nnls(outer[rows, :-1].T, weight) if len(rows) else (np.zeros(0), np.inf)
        bounds[i] = shares @ outer[rows, -1] if off <= _EXACT else _dual(weight, outer)
    return bounds


def _dual(weight: FloatArray, outer: FloatArray, near: FloatArray | None = None) -> float:
    """The least ``Σ λ_i b_i`` with λ >= 0 and ``Σ λ_i w_i = w``; infinite where there is no such λ.

    Linear programs are solved up to absolute tolerances: bounds are taken from a point ``near`` the best one and in
    units of the largest, and the λ found are made exact.
    """
    base = np.zeros(len(weight)) if near is None else near
    over = outer[:, -1] - outer[:, :-1] @ base
    size = max(float(np.abs(over).max()), 1e-300)
    fine = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    normals = outer[:, :-1].T
    dual = linprog(over / size, A_eq=normals, b_eq=weight, bounds=(0, None), method="highs", options=fine)
    if dual.status != 0:
        return np.inf
    used = np.flatnonzero(dual.x > 1e-12)
    shares, off = nnls(normals[:, used], weight)
    best = shares @ over[used] if off <= _EXACT else size * float(dual.fun)
    return float(weight @ base + best)


def certified_epsilon(points: ArrayLike, outer: ArrayLike) -> tuple[float, FloatArray]:
    """The gap between the hull of some points and an outer polytope, found without trusting who made them.

    Each corner weight of the points gets one linear program over the outer set (the solvers use a double
    description of it instead; this is the independent check).

    Args:
        points: ``(n, K)`` achieved values.
        outer: ``(m, K + 1)`` half-spaces ``w·x <= b``, columns w then b, with w >= 0.

    Returns:
        ε and the weight where it is attained. ε is infinite where the half-spaces leave some weight unbounded.

    >>> e, w = certified_epsilon([[0.0, 1.0], [1.0, 0.0]], [[1, 0, 1.0], [0, 1, 1.0], [0.5, 0.5, 0.6]])
    >>> round(e, 9), w.tolist()
    (0.1, [0.5, 0.5])
    """
    cuts = np.atleast_2d(np.asarray(outer, dtype=np.float64))
    values = np.atleast_2d(np.asarray(points, dtype=np.float64))
    weights, inner = corner_weights(points)
    if cuts.shape[1] != weights.shape[1] + 1:
        raise FrontError(f"outer has {cuts.shape[1]} columns; expected {weights.shape[1] + 1}: w, then b")
    worst, where = -np.inf, weights[0]
    for weight, low in zip(weights, inner, strict=True):
        gap = _dual(weight, cuts, values[int(np.argmax(values @ weight))]) - float(low)
        if gap > worst:
            worst, where = gap, weight
    return max(worst, 0.0), where


def check(front: Front, slack: float = 1e-9) -> float:
    """Recompute the ε of a front from its own points and half-spaces, by linear programs.

    Raises:
        FrontError: the front has no half-spaces, a point violates one, or its ε promises too much.
    """
    if front.outer is None or front.epsilon is None:
        raise FrontError("front carries no certificate (outer half-spaces and epsilon)")
    error = float(front.provenance.get("error", 0.0))
    scale = max(1.0, float(np.abs(front.points).max()))
    beyond = front.points @ front.outer[:, :-1].T - front.outer[:, -1]
    if beyond.max() > error + slack * scale:
        i, j = np.unravel_index(int(beyond.argmax()), beyond.shape)
        raise FrontError(f"point {i} lies {beyond.max():.3g} outside of half-space {j}")
    epsilon, weight = certified_epsilon(front.points, front.outer)
    if epsilon > front.epsilon + slack * scale:
        raise FrontError(
            f"front claims epsilon {front.epsilon:.6g}; its points and half-spaces prove {epsilon:.6g} only, "
            f"at weight {weight.round(6).tolist()}"
        )
    return epsilon

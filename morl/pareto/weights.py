"""Weight vectors on the simplex: spread evenly, drawn at random, or the corner weights of a front.

Every set has shape ``(m, K)``, rows non-negative and summing to 1.
"""

from __future__ import annotations

import math

import moocore
import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.arrays import as_points
from morl.spec import FloatArray, FrontError, SpecError


def das_dennis(k: int, partitions: int | None = None, *, number: int | None = None) -> FloatArray:
    """The lattice of weights that are multiples of 1 / partitions (Das & Dennis, 1998), by pymoo.

    Args:
        k: the number of objectives, K.
        partitions: steps per edge; the lattice has C(K + partitions − 1, K − 1) weights.
        number: instead of ``partitions``: the finest lattice of at most this many weights.

    Returns:
        ``(m, K)`` weights, in lexicographic order; all corners of the simplex are among them.

    Raises:
        SpecError: neither or both are given, or ``number`` is less than K.

    >>> das_dennis(2, 2).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    >>> len(das_dennis(3, number=10)), len(das_dennis(3, number=14))
    (10, 10)
    """
    from pymoo.util.ref_dirs import get_reference_directions

    _check_k(k)
    if (partitions is None) == (number is None):
        raise SpecError(f"partitions is {partitions} and number is {number}; expected exactly one of them")
    if number is not None:
        if number < k:
            raise SpecError(f"number of weights is {number}; expected at least {k}, one per objective")
        partitions = 1
        while k > 1 and math.comb(k + partitions, k - 1) <= number:
            partitions += 1
    if partitions is None or partitions < 1:
        raise SpecError(f"partitions is {partitions}; expected at least 1")
    if k == 1:
        return np.ones((1, 1))
    return np.asarray(get_reference_directions("das-dennis", k, n_partitions=partitions), dtype=np.float64)


def riesz(k: int, number: int, rng: np.random.Generator) -> FloatArray:
    """Exactly ``number`` weights, spread by minimal Riesz s-energy (Hardin & Saff, 2005), by pymoo.

    Raises:
        SpecError: ``number`` lies between 2 and K − 1: the corners of the simplex are always included.

    >>> riesz(3, 7, np.random.default_rng(0)).shape
    (7, 3)
    """
    from pymoo.util.ref_dirs.energy import RieszEnergyReferenceDirectionFactory

    _check_k(k)
    if number == 1:
        return np.full((1, k), 1.0 / k)
    if number < k or k == 1:
        raise SpecError(f"number of weights is {number}; expected 1, or at least K = {k} (for K = 1 only 1)")
    if number == k:
        return np.eye(k)[::-1].copy()
    spread = np.asarray(RieszEnergyReferenceDirectionFactory(k, number).do(random_state=rng), dtype=np.float64)
    spread = np.maximum(spread, 0.0)
    return np.asarray(spread / spread.sum(axis=1, keepdims=True))


def uniform_weights(k: int, number: int, rng: np.random.Generator) -> FloatArray:
    """``number`` weights drawn uniformly from the simplex."""
    return dirichlet_weights(k, number, rng)


def dirichlet_weights(k: int, number: int, rng: np.random.Generator, alpha: ArrayLike = 1.0) -> FloatArray:
    """``number`` weights from a Dirichlet distribution.

    Args:
        alpha: concentration, one number or ``(K,)``; 1 is uniform, below 1 favours the corners, above 1 the middle.

    >>> dirichlet_weights(3, 2, np.random.default_rng(0)).sum(axis=1).round(12).tolist()
    [1.0, 1.0]
    """
    _check_k(k)
    if number < 0:
        raise SpecError(f"number of weights is {number}; expected 0 or more")
    try:
        concentration = np.broadcast_to(np.asarray(alpha, dtype=np.float64), (k,))
    except (TypeError, ValueError):
        raise SpecError(f"alpha is {alpha!r}; expected one positive number or {k}") from None
    if not np.all(concentration > 0) or not np.isfinite(concentration).all():
        raise SpecError(f"alpha is {alpha!r}; expected positive numbers")
    drawn = rng.dirichlet(concentration, size=number).reshape(number, k)
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))


def weight_set(k: int, number: int, method: str = "das-dennis", rng: np.random.Generator | None = None) -> FloatArray:
    """About ``number`` weights by name: ``das-dennis`` (at most), ``riesz``, ``uniform`` (exactly).

    Raises:
        SpecError: the method is unknown, or is random and has no generator.
    """
    if method == "das-dennis":
        return das_dennis(k, number=number)
    if method not in ("riesz", "uniform"):
        raise SpecError(f"weight method is {method!r}; expected das-dennis, riesz or uniform")
    if rng is None:
        raise SpecError(f"weight method {method!r} draws at random; give rng=numpy.random.default_rng(seed)")
    return riesz(k, number, rng) if method == "riesz" else uniform_weights(k, number, rng)


def _check_k(k: int) -> None:
    if k < 1:
        raise SpecError(f"number of objectives is {k}; expected at least 1")


# ---- corner weights ----------------------------------------------------------------------------------------


def corner_weights(points: ArrayLike) -> FloatArray:
    """Corner weights: where the best of the points changes, vertices of the envelope max over x of w·x (Roijers, 2016).

    The envelope is convex and linear between these weights, so any convex function that touches it, such as
    the optimal scalarised value, departs from it most at one of them: optimistic linear support asks there.
    The corners of the simplex are always included. Computed on coordinates scaled to the range of each
    objective, so units of 1e-6 and 1e6 may stand side by side, and nothing is rounded.

    Args:
        points: ``(n, K)``, at least one.

    Returns:
        ``(m, K)`` distinct weights, in lexicographic order.

    Raises:
        FrontError: no points, or the geometry fails (qhull's message is given).

    >>> corner_weights([[3, 0], [0, 1]]).tolist()
    [[0.0, 1.0], [0.25, 0.75], [1.0, 0.0]]
    """
    values = as_points(points)
    if len(values) == 0:
        raise FrontError("corner weights of no points are undefined; expected at least one point")
    values = values[moocore.is_nondominated(values, maximise=True)]
    k = values.shape[1]
    if k == 1 or len(values) == 1:
        return np.eye(k)[::-1].copy()
    low = values.min(axis=0)
    scale = values.max(axis=0) - low
    scale = np.where(scale > 0, scale, 1.0)
    unit = (values - low) / scale
    found = _corners_of_two(unit) if k == 2 else _corners_by_qhull(unit)
    # a weight w on the raw scale acts as w·scale on the unit scale; rays map to rays, so corners to corners
    raw = found / scale
    raw = raw / raw.sum(axis=1, keepdims=True)
    return np.asarray(raw[np.lexsort(np.round(raw, 12).T[::-1])])  # rounded to sort only: noise must not decide


def _corners_of_two(unit: FloatArray) -> FloatArray:
    """K = 2: the normals of the edges of the upper right hull, from the hull itself."""
    chain = upper_hull(unit)
    step = np.abs(np.diff(unit[chain], axis=0))  # an edge (−Δa, Δb) has the normal (Δb, Δa)
    normals = step[:, ::-1] / step.sum(axis=1, keepdims=True)
    return _distinct(np.vstack([np.eye(2), normals]))


def upper_hull(points: FloatArray) -> list[int]:
    """Rows of the upper right convex hull of mutually non-dominated points ``(n, 2)``, by descending objective 0.

    Monotone chain (Andrew, 1979), O(n log n). Points on an edge, between its ends, are left out.
    """
    chain: list[int] = []
    for i in np.lexsort((-points[:, 1], -points[:, 0])):
        while len(chain) > 1:
            a, b, c = points[chain[-2]], points[chain[-1]], points[i]
            if (a[0] - b[0]) * (c[1] - a[1]) < (a[0] - c[0]) * (b[1] - a[1]):
                break
            chain.pop()
        chain.append(int(i))
    return chain


def _corners_by_qhull(unit: FloatArray) -> FloatArray:
    """K >= 3: vertices of {(w, u): u >= w·x for all x, w in the simplex}, by half-space intersection.

    Variables are w_1 … w_{K−1} and the height u above the envelope; a lid at u = 3 closes the polytope.
    """
    from scipy.spatial import HalfspaceIntersection, QhullError

    n, k = unit.shape
    last = unit[:, -1]
    envelope = np.column_stack([unit[:, :-1] - last[:, None], -np.ones(n), last])
    positive = np.column_stack([-np.eye(k - 1), np.zeros(k - 1), np.zeros(k - 1)])
    remainder = np.append(np.ones(k - 1), [0.0, -1.0])[None]
    lid = np.append(np.zeros(k - 1), [1.0, -3.0])[None]
    half = np.vstack([envelope, positive, remainder, lid])
    inside = np.append(np.full(k - 1, 1.0 / k), 2.0)
    try:
        vertices = HalfspaceIntersection(half, inside).intersections
    except QhullError as error:
        raise FrontError(
            f"corner weights of {n} points, K = {k}: qhull failed ({str(error).splitlines()[0]})"
        ) from None
    vertices = vertices[np.isfinite(vertices).all(axis=1)]
    vertices = vertices[vertices[:, -1] < 2.5]
    polished = np.array([_polish(half[:-1], v) for v in vertices]).reshape(-1, k)
    w = np.column_stack([polished[:, :-1], 1.0 - polished[:, :-1].sum(axis=1)])
    w = np.where(w < 1e-13, 0.0, w)
    w = np.vstack([np.eye(k), w / w.sum(axis=1, keepdims=True)])
    return _distinct(w)


def _polish(half: FloatArray, vertex: FloatArray) -> FloatArray:
    """Solve the active constraints again: qhull's duality costs digits that one least-squares step restores."""
    residual = half[:, :-1] @ vertex + half[:, -1]
    active = half[np.abs(residual) < 1e-8]
    if np.linalg.matrix_rank(active[:, :-1], tol=1e-9) < len(vertex):
        return vertex
    exact = np.linalg.lstsq(active[:, :-1], -active[:, -1], rcond=None)[0]
    worst = float((half[:, :-1] @ exact + half[:, -1]).max())
    return np.asarray(exact) if worst <= max(float(residual.max()), 1e-12) else vertex


def _distinct(weights: FloatArray, tolerance: float = 1e-11) -> FloatArray:
    """Rows that differ by more than the tolerance somewhere; of near-equal rows the first."""
    from scipy.spatial import cKDTree

    keep = np.ones(len(weights), dtype=bool)
    for i, j in sorted(cKDTree(weights).query_pairs(tolerance, p=np.inf)):
        if keep[i]:
            keep[j] = False
    return weights[keep]

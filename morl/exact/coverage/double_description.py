"""Incremental double description of a polyhedral cone: its constraints and its extreme rays, kept in step.

Two cones describe a convex coverage set. The *inner* one, ``{(w, u): w >= 0, u >= w·x for every point x}``, has
the corner weights of the points as its rays. The *outer* one, ``{(x, t): t >= 0, w·x <= b·t for every cut}``,
has the vertices of the outer polytope. Both grow by one constraint at a time (Motzkin et al. 1953; adjacency
as in Fukuda & Prodon 1996). Edges are kept, so that a constraint costs one product with all rays and work on the
new facet only. Degenerate input (ties, collinear points, identical objectives) is handled: a ray knows all of
its tight constraints, and two rays are adjacent where no third ray is tight wherever both are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from morl.compiled import jit
from morl.spec import FloatArray, FrontError, IntArray

TOLERANCE = 1e-11
"""Values within this distance of 0, for rays and constraints of size about 1, count as 0."""


@jit
def _signs(rays, a, tolerance, value, sign):  # type: ignore[no-untyped-def]
    """Value of the constraint on every ray and its sign up to a tolerance; returns the number of negative ones."""
    negative = 0
    for i in range(len(rays)):
        total = 0.0
        for k in range(len(a)):
            total += rays[i, k] * a[k]
        value[i] = total
        sign[i] = 0
        if total > tolerance[i]:
            sign[i] = 1
        elif total < -tolerance[i]:
            sign[i] = -1
            negative += 1
    return negative


@jit
def _adjacent(tight, members, count, p, q, least):  # type: ignore[no-untyped-def]
    """True where rays p and q share at least ``least`` tight constraints and no third member has all of those."""
    words = tight.shape[1]
    zero, one = np.uint64(0), np.uint64(1)
    shared = 0
    for b in range(words):
        bits = tight[p, b] & tight[q, b]
        while bits != zero and shared < least:
            bits &= bits - one
            shared += 1
    if shared < least:
        return False
    for i in range(count):
        r = members[i]
        if r == p or r == q:  # noqa: SIM109 - a tuple takes longer to compile
            continue
        inside = True
        for b in range(words):
            bits = tight[p, b] & tight[q, b]
            if bits & tight[r, b] != bits:
                inside = False
                break
        if inside:
            return False
    return True


@jit
def _count(sign, edges, where):  # type: ignore[no-untyped-def]
    """How many rays stay and how many edges are cut; ``where`` receives the new number of each ray, −1 for none."""
    kept = crossing = 0
    for i in range(len(sign)):
        where[i] = -1
        if sign[i] >= 0:
            where[i] = kept
            kept += 1
    for e in range(len(edges)):
        if sign[edges[e, 0]] * sign[edges[e, 1]] < 0:
            crossing += 1
    return kept, crossing


@jit
def _with_facet(edges, edge_count, tight, members, count, least):  # type: ignore[no-untyped-def]
    """The first ``edge_count`` edges, then those between ``count`` rays of a new facet."""
    room = edge_count + max(16, 2 * (least + 2) * count)
    more = edge_count
    out = np.empty((room, 2), np.int64)
    for e in range(edge_count):
        out[e, 0], out[e, 1] = edges[e, 0], edges[e, 1]
    for x in range(count):
        for y in range(x):
            if _adjacent(tight, members, count, members[x], members[y], least):
                if more == len(out):
                    wider = np.empty((2 * more, 2), np.int64)
                    for e in range(more):
                        wider[e, 0], wider[e, 1] = out[e, 0], out[e, 1]
                    out = wider
                out[more, 0], out[more, 1] = members[x], members[y]
                more += 1
    exact = np.empty((more, 2), np.int64)
    for e in range(more):
        exact[e, 0], exact[e, 1] = out[e, 0], out[e, 1]
    return exact


@jit
def _cut(rays, tight, edges, value, sign, number):  # type: ignore[no-untyped-def]
    """Rays, tight sets and edges after a constraint, and for each ray the old one it is (−1 for new rays).

    Written in loops over numbers: numba takes seconds to compile the copying of slices.
    """
    n, d = rays.shape
    words = tight.shape[1]
    where = np.empty(n, np.int64)
    kept, crossing = _count(sign, edges, where)
    total = kept + crossing
    out_rays, origin = np.empty((total, d)), np.empty(total, np.int64)
    out_tight = np.empty((total, words), np.uint64)
    word, bit = number // 64, np.uint64(1) << np.uint64(number % 64)
    members, count = np.empty(total, np.int64), np.int64(0)  # a literal 0 would compile the callees twice
    for i in range(n):
        j = where[i]
        if j >= 0:
            origin[j] = i
            for k in range(d):
                out_rays[j, k] = rays[i, k]
            for b in range(words):
                out_tight[j, b] = tight[i, b]
            if sign[i] == 0:
                out_tight[j, word] |= bit
                members[count] = j
                count += 1
    stay = np.empty((len(edges) + crossing, 2), np.int64)
    edge_count, fresh = np.int64(0), kept
    for e in range(len(edges)):
        p, q = edges[e, 0], edges[e, 1]
        if sign[p] * sign[q] < 0:
            if sign[p] < 0:
                p, q = q, p
            size = 0.0
            for k in range(d):
                out_rays[fresh, k] = value[p] * rays[q, k] - value[q] * rays[p, k]
                size = max(size, abs(out_rays[fresh, k]))
            for k in range(d):
                out_rays[fresh, k] /= size
            for b in range(words):
                out_tight[fresh, b] = tight[p, b] & tight[q, b]
            out_tight[fresh, word] |= bit
            origin[fresh] = -1
            stay[edge_count, 0], stay[edge_count, 1] = where[p], fresh
            edge_count += 1
            members[count] = fresh
            count += 1
            fresh += 1
        elif where[p] >= 0 and where[q] >= 0 and (sign[p] != 0 or sign[q] != 0):
            stay[edge_count, 0], stay[edge_count, 1] = where[p], where[q]
            edge_count += 1
    out_edges = _with_facet(stay, edge_count, out_tight, members, count, d - 2)
    return out_rays, out_tight, out_edges, origin


class Cone:
    """A pointed cone ``{z: a·z >= 0}`` in d dimensions, begun from d constraints whose d rays are known.

    Args:
        constraints: ``(d, d)``, linearly independent.
        rays: ``(d, d)``; ray i is tight in every constraint but the i-th.
    """

    def __init__(self, constraints: FloatArray, rays: FloatArray) -> None:
        d = len(rays)
        self.constraints: list[FloatArray] = [np.asarray(a, dtype=np.float64) for a in constraints]
        tight = np.zeros((d, 1), np.uint64)
        tight[:, 0] = [((1 << d) - 1) & ~(1 << i) for i in range(d)]
        edges = np.array([(i, j) for i in range(d) for j in range(i)], dtype=np.int64).reshape(-1, 2)
        # one attribute, so that an interrupt never leaves a half-changed cone
        scaled = np.asarray(rays / np.abs(rays).max(axis=1, keepdims=True))
        self._state: tuple[FloatArray, np.ndarray, IntArray] = (scaled, tight, edges)

    @property
    def rays(self) -> FloatArray:
        """Extreme rays ``(n, d)``, the largest entry of each of size 1."""
        return self._state[0]

    @property
    def tight(self) -> np.ndarray:
        """Bits of the constraints that are tight on each ray, ``(n, words)`` uint64."""
        return self._state[1]

    @property
    def edges(self) -> IntArray:
        """Pairs of adjacent rays, ``(m, 2)``."""
        return self._state[2]

    def __len__(self) -> int:
        return len(self.rays)

    def cut(self, a: FloatArray, noise: FloatArray | float = 0.0) -> IntArray | None:
        """Add the constraint ``a·z >= 0``.

        Args:
            noise: how far ``a·z`` may be off for each ray; less than that, or :data:`TOLERANCE`, is 0. What has an
                error larger than the tolerance needs it, or rays that are one become several, whose edges get lost.

        Returns:
            For each ray now, the number it had before or −1 where it is new; ``None`` where the constraint cuts
            nothing off (it is then forgotten).
        """
        size = max(1.0, float(np.abs(a).max()))
        a = np.ascontiguousarray(a / size)
        value, sign = np.empty(len(self.rays)), np.empty(len(self.rays), np.int64)
        tolerance = np.maximum(TOLERANCE, np.broadcast_to(noise, value.shape) / size)
        if not _signs(self.rays, a, tolerance, value, sign):
            return None
        number = len(self.constraints)
        tight = self.tight
        if number >= 64 * tight.shape[1]:
            tight = np.hstack([tight, np.zeros_like(tight)])
        rays, tight, edges, origin = _cut(self.rays, tight, self.edges, value, sign, number)
        self.constraints.append(a)
        self._state = (rays, tight, edges)
        return np.asarray(origin)

    @property
    def whole(self) -> bool:
        """False where edges are known to be missing: every ray of a cone in d dimensions has at least d − 1."""
        degree = np.bincount(self.edges.ravel(), minlength=len(self.rays))
        return bool(degree.min() >= self.rays.shape[1] - 1)

    def on(self, number: int) -> IntArray:
        """Rays on which constraint ``number`` is tight."""
        bit = np.uint64(1) << np.uint64(number % 64)
        return np.flatnonzero(self.tight[:, number // 64] & bit)

    def tight_on(self, ray: int) -> list[int]:
        """Constraints that are tight on a ray."""
        bits = self.tight[ray].view(np.uint8)
        return np.flatnonzero(np.unpackbits(bits, bitorder="little")).tolist()

    def irredundant(self, number: int) -> bool:
        """True where a constraint is a facet: its rays span a hyperplane."""
        rays = self.rays[self.on(number)]
        d = self.rays.shape[1]
        if len(rays) < d - 1 or d <= 3:  # two different rays always span a plane
            return bool(len(rays) >= d - 1)
        return bool(np.linalg.matrix_rank(rays, tol=1e-9) >= d - 1)  # rounding may lift them out of the plane


def then(first: IntArray | None, second: IntArray | None) -> IntArray | None:
    """What two changes of a cone, one after the other, make of its rays (see :meth:`Cone.cut`)."""
    if first is None or second is None:
        return second if first is None else first
    return np.where(second >= 0, first[second], -1)


def inner_cone(point: FloatArray) -> Cone:
    """``{(w, u): w >= 0, u >= w·point}`` in K + 1 dimensions."""
    k = len(point)
    eye = np.eye(k + 1)
    constraints = eye.copy()
    constraints[k, :k] = -point
    rays = eye.copy()
    rays[:k, k] = point
    return Cone(constraints, rays)


def outer_cone(top: FloatArray) -> Cone:
    """``{(x, t): t >= 0, x <= t·top}`` in K + 1 dimensions."""
    k = len(top)
    constraints = -np.eye(k + 1)
    constraints[:k, k] = top
    constraints[k, k] = 1.0
    rays = -np.eye(k + 1)
    rays[k, :k] = top
    rays[k, k] = 1.0
    return Cone(constraints, rays)


def corner_weights(points: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """The simplex weights at which the best of some points changes, and the simplex' own corners.

    Args:
        points: ``(n, K)``, maximised.

    Returns:
        ``weights (m, K)`` and the best ``w·x`` at each, ``(m,)``. The largest loss of any convex function that
        is bounded below by the points is found at one of these weights.

    >>> weights, best = corner_weights([[0.0, 1.0], [1.0, 0.0]])
    >>> sorted(weights.round(12).tolist())
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or not len(values):
        raise FrontError(f"points have shape {values.shape}; expected (n, K) with n >= 1")
    low, span = values.min(axis=0), np.ptp(values, axis=0)
    span = np.where(span > 0, span, np.maximum(np.abs(low), 1.0))
    scaled = (values - low) / span
    cone = inner_cone(scaled[0])
    for point in scaled[1:]:
        cone.cut(np.append(-point, 1.0))
    weights = ray_weights(cone.rays, span)
    return weights, np.asarray((weights @ values.T).max(axis=1))


def ray_weights(rays: FloatArray, span: FloatArray) -> FloatArray:
    """Simplex weights in the original units of the inner cone's rays, without the ray that has none."""
    weights = np.maximum(rays[:, :-1], 0.0) / span
    total = weights.sum(axis=1)
    some = rays[:, :-1].max(axis=1) > TOLERANCE
    return np.asarray(weights[some] / total[some, None])

"""The convex coverage set: every trade-off that mixtures of policies can reach, with a certificate.

Optimistic linear support (Roijers 2016) with a bound at every step: the weight where the hull of the points
found and the polytope of the proven half-spaces are furthest apart is solved next, a few weights at a time.
Each solve adds a point (a real policy) and a half-space (an upper bound on every policy). The largest distance
left is the certified ε, at any moment; so an interrupted run is still an answer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from morl.exact.coverage.certificate import certified_epsilon, proven_bounds, support
from morl.exact.coverage.double_description import TOLERANCE, Cone, inner_cone, outer_cone, then
from morl.exact.coverage.prepared import Prepared
from morl.exact.coverage.solver import Solved
from morl.exact.coverage.vertices import distinct_vertices
from morl.exact.coverage.weights import make_solver, prepare
from morl.exact.deadline import OutOfTime, until
from morl.momdp import MOMDP
from morl.pareto.front import Front
from morl.spec import FloatArray, IntArray, ModelError

_SHARE = 0.05  # of ε that the bounds of a single solve may leave open
_WARM_BYTES = 512 * 2**20  # value tables kept to start later weights from


def convex_coverage_set(momdp: MOMDP, epsilon: float, time_limit: float | None = None) -> Front:
    """Points whose mixtures are at least as good as every policy up to ``epsilon`` in every objective.

    Args:
        epsilon: additive, in the unit of the returns; 0 asks for every vertex, up to the floor of
            floating-point arithmetic (about 1e-11 of the largest value).
        time_limit: seconds. Out of time, or interrupted from the keyboard, the sets found so far are
            returned, with the (larger) ε that they prove. The first solve of each objective always runs.

    With γ = 1 and no horizon the policies meant are those that come to an end (terminal, or at rest without reward):
    :mod:`morl.exact.ending` proves that the others are no loss, for their totals are −∞ in some objective or do not
    exist, and refuses models in which an objective has no bound.

    Returns:
        A front of deterministic policies (stationary, or ``(T, S)`` with a horizon), the vertices of the set.
        ``outer`` holds the half-spaces that contain every policy's value, ``epsilon`` the certified gap,
        ``complete`` whether it is at most the one asked for; ``provenance`` also has the ``error`` of the points
        and the ``corner_weights`` of the hull.

    Raises:
        ModelError: ε is negative; or γ = 1, no horizon, and an objective is unbounded or no policy comes to an end.

    >>> m = MOMDP.from_arrays([[[1.0], [1.0]]], [[[1.0, 0.0], [0.0, 3.0]]], discount=0.5)
    >>> convex_coverage_set(m, 0.0).points.round(9).tolist()
    [[2.0, 0.0], [0.0, 6.0]]
    """
    begun = time.monotonic()
    if not epsilon >= 0.0:
        raise ModelError(f"epsilon is {epsilon}; expected a number >= 0")
    deadline = until(time_limit)
    search = Coverage(prepare(momdp), float(epsilon))
    reason = search.run(deadline)
    return search.front(time.monotonic() - begun, reason)


class Coverage:
    """The state of the search: points and half-spaces, and the two cones that compare them."""

    def __init__(self, prepared: Prepared, epsilon: float) -> None:
        self.p, self.epsilon = prepared, epsilon
        self.batch = 1 if prepared.k == 1 else 4 if prepared.k <= 8 else 2
        self.solver = make_solver(prepared, self.batch)
        self.points: list[FloatArray] = []
        self.weights: list[FloatArray] = []
        self.policies: list[np.ndarray] = []
        self.tables: dict[int, FloatArray] = {}
        self.cuts: list[FloatArray] = []
        self.error = 0.0
        self.noise = max(1e-4 * epsilon, prepared.floor)  # errors of points and bounds to be taken for none
        self.inner: Cone | None = None
        self.outer: Cone | None = None
        self.origin = self.span = np.zeros(prepared.k)
        self.solves = 0
        self.measured = False
        none = np.zeros(0, dtype=np.int64)
        self.corner = np.zeros((0, prepared.k))  # corner weights, and for each:
        self.corner_ray, self.outer_vertex = none, none  # the inner cone's ray, the outer vertex that attains the bound
        self.exhausted = none.astype(bool)  # solved, and nothing more can be gained there
        self.lower, self.upper = np.zeros(0), np.zeros(0)  # best value found, bound on all
        self.vertices, self.vertex_ray_of = np.zeros((0, prepared.k)), none
        self.inner_rays = self.vertex_rays = 0

    # ---- the search ------------------------------------------------------------------------------------

    def run(self, deadline: float) -> str:
        """Search until ε is reached or the deadline passes; says which of ``done|floor|time|interrupt`` it was."""
        self._first(deadline)
        try:
            return self._improve(deadline)
        except KeyboardInterrupt:
            return "interrupt"
        except OutOfTime:
            return "time"

    def _first(self, deadline: float) -> None:
        """Solve each objective alone (and the middle where the batch has room), and begin both cones."""
        k = self.p.k
        weights = np.eye(k)
        if k > 1 and k % self.batch:
            weights = np.vstack([weights, np.full((1, k), 1.0 / k)])
        solved: list[Solved] = []
        limit = deadline if self.solver.anytime else math.inf  # the others have no answer in between
        for i in range(0, len(weights), self.batch):
            solved += self._solve(weights[i : i + self.batch], [()] * len(weights[i : i + self.batch]), limit)
        found = np.array([x.point for x in solved])
        top = np.array([x.upper for x in solved[:k]])
        unsure = top - found[:k].diagonal()  # an objective far smaller than the others is not seen finer than this
        self.origin, self.span = found.min(axis=0), np.maximum(self._span(found), unsure)
        self.outer = outer_cone((top - self.origin) / self.span)
        self.cuts = [*np.column_stack([np.eye(k), top])]
        self.inner = inner_cone((found[0] - self.origin) / self.span)
        self._keep(solved[0])
        for x in solved[1:k]:
            self._add_point(x)
        for x in solved[k:]:
            self._add_cut(x.weight, x.upper)
            self._add_point(x)
        self._measure(None, None)

    def _span(self, found: FloatArray) -> FloatArray:
        """A size for each objective, by which the cones' coordinates are divided."""
        rewards = self.p.rewards
        crude = np.zeros(self.p.k)
        if len(rewards):
            crude = np.maximum(rewards.max(axis=0), 0.0) - np.minimum(rewards.min(axis=0), 0.0)
        span = np.maximum(np.ptp(found, axis=0), 1e-3 * crude * self.p.life)
        return np.where(span > 0.0, span, 1.0)

    @property
    def resolution(self) -> float:
        """A point that stands out of the others' hull by less may as well be in it."""
        return 2.0 * max(self.error, self.noise) + 4.0 * TOLERANCE * float(self.span.max())

    @property
    def slack(self) -> float:
        """Errors of the points and what the cones' tolerances can hide."""
        return self.error + 2.0 * self.noise + 4.0 * TOLERANCE * float(self.span.max())

    def _improve(self, deadline: float) -> str:
        while True:
            slack = self.slack + self.resolution
            target = max(self.epsilon - slack, 16.0 * self.p.floor + slack - self.error)
            gaps = np.where(self.exhausted, -np.inf, self.upper - self.lower)
            best = np.argsort(-gaps, kind="stable")[: self.batch]
            best = best[gaps[best] > target]
            if not len(best) and self._prove() > target:
                continue
            if not len(best):
                return "floor" if self.exhausted.any() and (self.upper - self.lower).max() > target else "done"
            if time.monotonic() > deadline:
                return "time"
            weights = self.corner[best]
            starts = [self._near(int(ray)) for ray in self.corner_ray[best]]
            cut: IntArray | None = None
            point: IntArray | None = None
            for x in self._solve(weights, starts, deadline):
                cut = then(cut, self._add_cut(x.weight, x.upper))
                point = then(point, self._add_point(x))
            self._measure(point, cut)
            same = (np.abs(self.corner[:, None, :] - weights[None]).max(axis=2) == 0.0).any(axis=1)
            self.exhausted |= same

    def _solve(self, weights: FloatArray, starts: Sequence[Sequence[FloatArray]], deadline: float) -> list[Solved]:
        self.solves += len(weights)
        return self.solver.solve(weights, starts, _SHARE * self.epsilon, 1e-4 * self.epsilon, deadline)

    def _near(self, ray: int) -> list[FloatArray]:
        """Value tables of the points that meet at a corner; without any, those of the latest point."""
        assert self.inner is not None
        k = self.p.k
        points = [i - k for i in self.inner.tight_on(ray) if i >= k]
        tables = [self.tables[i] for i in points if i in self.tables]
        return tables[: k + 1] if tables else [*self.tables.values()][-1:]

    # ---- the two sets ----------------------------------------------------------------------------------

    # Lists are extended before their cone and shortened again where the cone did not change: an interrupt in
    # between leaves a point or half-space too many in the answer, never one that the certificate relies on too few.

    def _add_point(self, x: Solved) -> IntArray | None:
        assert self.inner is not None
        self._keep(x)
        noise = self.noise * (self.inner.rays[:, :-1] @ (1.0 / self.span))
        change = self.inner.cut(np.append(-(x.point - self.origin) / self.span, 1.0), noise)
        if change is None:
            self.tables.pop(len(self.points) - 1, None)
            for entries in (self.points, self.weights, self.policies):
                entries.pop()
        return change

    def _keep(self, x: Solved) -> None:
        """Remember a point. Point i is constraint K + i of the inner cone."""
        if x.values is not None:
            self.tables[len(self.points)] = x.values
            while len(self.tables) > 2 and len(self.tables) * x.values.nbytes > _WARM_BYTES:
                del self.tables[next(iter(self.tables))]
        self.points.append(x.point)
        self.weights.append(x.weight)
        self.policies.append(self.solver.policy(x.rows))
        self.error = max(self.error, x.error)

    def _add_cut(self, weight: FloatArray, upper: float) -> IntArray | None:
        assert self.outer is not None
        scaled = weight * self.span
        self.cuts.append(np.append(weight, upper))
        change = self.outer.cut(np.append(-scaled, upper - weight @ self.origin) / max(float(scaled.max()), 1e-300))
        if change is None:
            self.cuts.pop()
        return change

    # ---- the gap ---------------------------------------------------------------------------------------

    def _measure(self, point: IntArray | None, cut: IntArray | None) -> None:
        """Corner weights with the best value found (``lower``) and the bound (``upper``) at each.

        What a change of a cone leaves as it was is not computed again: a bound changes only where the outer vertex
        that attained it is gone.
        """
        assert self.inner is not None
        assert self.outer is not None
        fresh, self.measured = not self.measured, True
        if fresh or cut is not None:
            vertices = self.outer.rays[:, -1] > TOLERANCE * np.abs(self.outer.rays).max(axis=1)
            self.vertices = self._vertices(vertices)
            number = np.full(len(self.outer), -1, dtype=np.int64)
            number[vertices] = np.arange(int(vertices.sum()))
            if not fresh:
                moved = np.full(self.vertex_rays, -1, dtype=np.int64)
                assert cut is not None
                moved[cut[cut >= 0]] = number[cut >= 0]
                self.outer_vertex = moved[self.vertex_ray_of[self.outer_vertex]]
            self.vertex_rays, self.vertex_ray_of = len(self.outer), np.flatnonzero(vertices)
        if fresh or point is not None:
            some = self.inner.rays[:, :-1].max(axis=1) > TOLERANCE
            ray = np.flatnonzero(some)
            corner = np.maximum(self.inner.rays[ray, :-1], 0.0) / self.span
            corner /= corner.sum(axis=1, keepdims=True)
            lower, upper = np.empty(len(ray)), np.full(len(ray), -np.inf)
            outer_vertex, exhausted = np.full(len(ray), -1, dtype=np.int64), np.zeros(len(ray), dtype=bool)
            kept = exhausted.copy()
            if not fresh:
                assert point is not None
                back = np.full(self.inner_rays, -1, dtype=np.int64)
                back[self.corner_ray] = np.arange(len(self.corner_ray))
                old = np.where(point[ray] >= 0, back[point[ray]], -1)
                kept = old >= 0
                old = old[kept]
                lower[kept], upper[kept], outer_vertex[kept] = self.lower[old], self.upper[old], self.outer_vertex[old]
                exhausted[kept], corner[kept] = self.exhausted[old], self.corner[old]
            lower[~kept], _ = support(corner[~kept], np.array(self.points))
            self.inner_rays, self.corner_ray, self.corner = len(self.inner), ray, corner
            self.lower, self.upper, self.outer_vertex, self.exhausted = lower, upper, outer_vertex, exhausted
        lost = self.outer_vertex < 0
        if lost.any():
            self.upper[lost], self.outer_vertex[lost] = support(self.corner[lost], self.vertices)

    def _prove(self) -> float:
        """Put bounds in the place of those that only the enumeration of outer vertices vouches for; the largest gap.

        Rounding may lose a vertex where many half-spaces meet almost in a point. Corners that were solved keep the
        bound of their solve.
        """
        assert self.outer is not None
        cuts, k = np.array(self.cuts), self.p.k
        tight = [np.array(self.outer.tight_on(int(ray))) for ray in self.vertex_ray_of]
        tight = [np.where(x > k, x - 1, x)[x != k] for x in tight]  # constraint k says that vertices are finite
        found = proven_bounds(self.corner, cuts, [tight[i] for i in self.outer_vertex])
        self.upper = np.maximum(self.upper, found)
        return float(np.where(self.exhausted, -np.inf, self.upper - self.lower).max())

    def _distinct(self) -> tuple[list[int], float]:
        """The points of the answer: vertices of their hull, whatever errors they were computed with.

        And by how much at most the others raise the support function.
        """
        assert self.inner is not None
        k = self.p.k
        known = min(len(self.points), len(self.inner.constraints) - k)  # an interrupt may have left one more
        keep = [i for i in range(known) if self.inner.irredundant(k + i)]
        if k == 1 or not keep:
            return [int(np.argmax([x.sum() for x in self.points]))], 0.0
        number = np.full(len(self.inner), -1, dtype=np.int64)
        number[self.corner_ray] = np.arange(len(self.corner_ray))
        corners = [number[self.inner.on(k + i)] for i in keep]
        chosen, lost = distinct_vertices(
            np.array([self.points[i] for i in keep]),
            [self.corner[x[x >= 0]] for x in corners],
            self.resolution,
            self.span,
        )
        return [keep[i] for i in chosen], lost

    def _vertices(self, which: np.ndarray) -> FloatArray:
        """Vertices of the outer polytope in the original units."""
        assert self.outer is not None
        rays = self.outer.rays[which]
        return np.asarray(self.origin + self.span * rays[:, :-1] / rays[:, -1:])

    # ---- the answer ------------------------------------------------------------------------------------

    def front(self, seconds: float, reason: str) -> Front:
        """The points that matter, the half-spaces, and what they prove."""
        assert self.inner is not None
        assert self.outer is not None
        m = self.p.momdp
        self.measured = False  # measured afresh: an interrupt may have come between two updates
        self._measure(None, None)
        self._prove()
        keep, lost = self._distinct()
        epsilon = max(float((self.upper - self.lower).max()), 0.0) + self.slack + lost
        if not self.inner.whole:  # rounding has lost corner weights as well: compare the sets afresh
            epsilon = max(epsilon, certified_epsilon([self.points[i] for i in keep], self.cuts)[0] + self.slack)
        floor = 16.0 * self.p.floor + 2.0 * (self.slack + self.resolution)
        provenance: dict[str, Any] = {
            "algorithm": "optimistic linear support",
            "policy_class": "mixture",
            "criterion": "SER",
            "error": self.error,
            "stopped": reason,
            "solves": self.solves,
            "seconds": seconds,
            "corner_weights": self.corner.tolist(),
        }
        return Front(
            np.array([self.points[i] for i in keep]),
            m.objectives,
            discount=m.discount,
            policies=[self.policies[i] for i in keep],
            weights=np.array([self.weights[i] for i in keep]),
            supported=np.ones(len(keep), dtype=bool),
            epsilon=epsilon,
            complete=epsilon <= max(self.epsilon, floor),
            outer=np.array(self.cuts),
            provenance=provenance,
        )

"""Branch and bound over stationary deterministic policies, for any number of objectives.

A node allows some actions in each state. Its mixtures fill a convex set, whose supporting half-spaces (one
policy iteration each) bound what its policies can reach. A local corner of the points found so far is *closed*
in a node if a half-space shows that nothing of the node lies above it; a node with all corners closed is done.
A corner that lies inside the convex set cannot be closed: two policies bracket it, and the node is split where
they differ. Actions whose regret closes every corner are removed on the way, states with one action left are
eliminated, and a node with few policies left is enumerated.

Every policy met on the way is a candidate, so the answer is usable at any time, and the gaps of the open
nodes say how far it may be from complete.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from morl.exact.deterministic.corners import Corners
from morl.exact.deterministic.enumeration import policy_blocks
from morl.exact.deterministic.restricted import Dense
from morl.spec import BoolArray, FloatArray, IntArray

LEAF = 4096
"""Nodes with at most this many policies are enumerated."""
REFINE = 0.05
"""A node is split once the convex set above a corner is known to this share of the corner's depth."""
_SAME = 1e-8
"""Points closer than this share of an objective's range are one, however coarse the ε that is asked for."""


@dataclass
class Cut:
    """A half-space ``w·x <= height`` of a node, and the policy that attains it: its root rows and its value."""

    weight: FloatArray
    height: float
    rows: IntArray
    value: FloatArray


@dataclass
class Result:
    """Values (scaled) with their policies as root rows, the certified ε (raw), and whether the search ended."""

    points: FloatArray
    policies: list[IntArray]
    epsilon: float
    finished: bool
    nodes: int


class Search:
    """The state of one search. ``root`` has rewards scaled so that each objective's range is 1.

    Args:
        unit: ``(K,)`` raw size of one scaled unit.
        low: ``(K,)`` below every achievable point, scaled.
        slack: ``(K,)`` what may be missed, scaled.
        life: the largest expected discounted number of decisions.
        deadline: ``time.perf_counter()`` at which to stop.
    """

    def __init__(
        self, root: Dense, low: FloatArray, slack: FloatArray, unit: FloatArray, life: float, deadline: float
    ) -> None:
        self.root, self.slack, self.unit, self.life, self.deadline = root, slack, unit, life, deadline
        self.archive = Corners(low, np.minimum(slack, _SAME))
        self.nodes = 0
        self.ceiling: FloatArray | None = None
        """Points ``(m, K)`` of which every policy's value is dominated by one, where such are known."""

    def run(self) -> Result:
        """Search until nothing is open or time is up."""
        allowed = np.ones(len(self.root.owner), dtype=bool)
        k = len(self.slack)
        weights = np.vstack([np.eye(k), np.full((1, k), 1.0 / k)])
        cuts = [self._solve(self.root, w, None, allowed)[0] for w in weights]
        sequence = 0
        heap: list[tuple[float, int, BoolArray, list[Cut]]] = [(-np.inf, 0, allowed, cuts)]
        while heap:
            if time.perf_counter() > self.deadline:
                return self._result(max(self._gap(cuts) for *_, cuts in heap), False)
            _, _, allowed, cuts = heapq.heappop(heap)
            for child, child_cuts, margin in self._expand(allowed, cuts):
                sequence += 1
                heapq.heappush(heap, (-margin, sequence, child, child_cuts))
        return self._result(float((self.slack * self.unit).max(initial=0.0)), True)

    # ---- one node ----------------------------------------------------------------------------------

    def _expand(self, allowed: BoolArray, cuts: list[Cut]) -> list[tuple[BoolArray, list[Cut], float]]:
        """Bound a node; its children, each with the half-spaces it inherits and its largest margin."""
        if not self._alive(cuts)[0].size:
            return []
        self.nodes += 1
        node = self.root.narrow(allowed)
        bounded = self._bound(node, allowed, cuts)
        if bounded is None:
            return []
        fresh, regrets, stale, shares = bounded
        everything = fresh + stale
        fixed = self._fix(node, allowed, fresh, regrets, everything)
        if fixed is not allowed:
            allowed, node = fixed, self.root.narrow(fixed)
        if node.n_policies <= LEAF:
            self._enumerate(node, allowed)
            return []
        usable = [i for i, cut in enumerate(fresh) if allowed[cut.rows].all()]
        split = self._split(node, allowed, fresh, [i for i in usable if shares[i] > 0] or usable)
        index, margins = self._alive(everything)
        if not index.size:
            return []
        keep = self._useful(everything)
        margin = float(margins.max())
        return [(part, keep, margin) for part in split]

    def _bound(
        self, node: Dense, allowed: BoolArray, inherited: list[Cut]
    ) -> tuple[list[Cut], list[FloatArray], list[Cut], FloatArray] | None:
        """Close corners until none is left (``None``) or one lies inside the node's convex set.

        Returns:
            Cuts of this node, the regrets of its rows under each, cuts still inherited, and the shares of
            this node's cuts whose policies bracket the corner.
        """
        fresh: list[Cut] = []
        regrets: list[FloatArray] = []
        stale = list(inherited)
        while True:
            index, margins = self._alive(fresh + stale)
            if not index.size:
                return None
            worst = int(np.argmax(margins))
            u = self.archive.corners[index[worst]] + self.slack
            tight = [cut.weight @ u - cut.height for cut in stale]
            if tight and max(tight) >= max((cut.weight @ u - cut.height for cut in fresh), default=-np.inf):
                old = stale.pop(int(np.argmax(tight)))
                w, hint = old.weight, old.rows
            else:
                values = np.array([cut.value for cut in fresh])
                above = u + margins[worst]  # on the best cut: where the convex set would end if the cut were tight
                direction, shares = separate(above, values)
                if direction is None or direction @ above - (values @ direction).max() <= REFINE * margins[worst]:
                    return fresh, regrets, stale, shares
                w, hint = direction, fresh[int(np.argmax(values @ direction))].rows
            cut, regret = self._solve(node, w, hint, allowed)
            if any(np.array_equal(cut.rows, other.rows) and np.allclose(cut.weight, other.weight) for other in fresh):
                return fresh, regrets, stale, np.ones(len(fresh))
            fresh.append(cut)
            regrets.append(regret)

    def _solve(self, node: Dense, w: FloatArray, hint: IntArray | None, allowed: BoolArray) -> tuple[Cut, FloatArray]:
        """One half-space by policy iteration, and the regret of each row; its policy is offered to the archive."""
        rows = node.first.copy()
        if hint is not None and node.n:
            wanted = self._position(node)[hint]
            wanted = wanted[wanted >= 0]
            rows[node.owner[wanted]] = wanted
        rows, value, regret = node.best(w, rows)
        cut = Cut(w, float(w @ value) + max(-regret.min(initial=0.0), 0.0) * self.life, np.zeros(0, np.int64), value)
        cut.rows = self._full_rows(node, rows, allowed)
        self.archive.add(value, cut.rows)
        return cut, regret

    def _position(self, node: Dense) -> IntArray:
        """Where each root row is in a node; −1 if it is not."""
        position = np.full(len(self.root.owner), -1, dtype=np.int64)
        position[node.label] = np.arange(len(node.label))
        return position

    def _full_rows(self, node: Dense, rows: IntArray, allowed: BoolArray) -> IntArray:
        """A policy of a node as rows of the root, ``(n_root,)``: eliminated states have one allowed row left."""
        left = np.flatnonzero(allowed)
        full = left[np.searchsorted(self.root.owner[left], np.arange(self.root.n))]
        chosen = node.label[rows]
        full[self.root.owner[chosen]] = chosen
        return np.asarray(full)

    # ---- corners -----------------------------------------------------------------------------------

    def _alive(self, cuts: list[Cut]) -> tuple[IntArray, FloatArray]:
        """Corners that no cut closes, and by how much the best cut misses."""
        weights = np.array([cut.weight for cut in cuts])
        heights = np.array([cut.height for cut in cuts])
        margins = (heights - (self.archive.corners + self.slack) @ weights.T).min(axis=1)
        index = np.flatnonzero(margins > 0)
        if self.ceiling is not None and index.size:
            corners = self.archive.corners[index] + self.slack
            below: BoolArray = np.all(self.ceiling[None] > corners[:, None], axis=2)
            index = index[below.any(axis=1)]
        return index, margins[index]

    def _useful(self, cuts: list[Cut]) -> list[Cut]:
        """The cuts that close some corner, or come closest to it."""
        weights = np.array([cut.weight for cut in cuts])
        heights = np.array([cut.height for cut in cuts])
        gaps = heights - (self.archive.corners + self.slack) @ weights.T
        return [cuts[i] for i in np.unique(gaps.argmin(axis=1))]

    def _gap(self, cuts: list[Cut]) -> float:
        """Raw ε that would close every corner of an open node."""
        weights = np.array([cut.weight for cut in cuts])
        heights = np.array([cut.height for cut in cuts])
        needed = (heights - self.archive.corners @ weights.T) / (weights @ (1.0 / self.unit))
        return max(float(needed.min(axis=1).max()), float((self.slack * self.unit).max()))

    # ---- splitting ---------------------------------------------------------------------------------

    def _fix(
        self, node: Dense, allowed: BoolArray, fresh: list[Cut], regrets: list[FloatArray], cuts: list[Cut]
    ) -> BoolArray:
        """Remove actions that no policy above an open corner can use.

        A policy that uses a row loses at least its regret at each visit of the state, and every policy of the
        node visits the state at least ``least`` times.
        """
        index, _ = self._alive(cuts)
        if not index.size or not fresh:
            return allowed
        weights = np.array([cut.weight for cut in fresh])
        heights = np.array([cut.height for cut in fresh])
        gaps = heights - (self.archive.corners[index] + self.slack) @ weights.T  # (corners, cuts)
        losses = np.array(regrets) * node.least_visits()[node.owner]  # (cuts, rows)
        closed = np.ones(losses.shape[1], dtype=bool)
        for row_gaps in gaps:
            closed &= (losses >= row_gaps[:, None]).any(axis=0)
            if not closed.any():
                return allowed
        out = allowed.copy()
        out[node.label[closed]] = False
        empty = np.bincount(self.root.owner[out], minlength=self.root.n) == 0
        return allowed if empty.any() else out

    def _split(self, node: Dense, allowed: BoolArray, fresh: list[Cut], bracket: list[int]) -> list[BoolArray]:
        """Two or three disjoint parts of a node, split at the state where bracketing policies differ most."""
        position = self._position(node)
        best_state, best_rows, best_score = -1, np.zeros(0, dtype=np.int64), -1.0
        states = np.unique(self.root.owner[node.label])
        policies = [position[fresh[i].rows[states]] for i in bracket]
        if len(policies) >= 2:
            a = policies[0]
            values, _ = node.value(a)
            for b in policies[1:]:
                differ = np.flatnonzero(a != b)
                if not differ.size:
                    continue
                visits = node.visits(b)
                steps = node.reward[b] + node.move[b] @ values - values
                score = np.abs(visits[:, None] * steps).max(axis=1)
                s = int(differ[np.argmax(score[differ])])
                if score[s] > best_score:
                    best_state, best_rows, best_score = s, np.array([a[s], b[s]]), float(score[s])
        if best_state < 0:
            counts = np.bincount(node.owner, minlength=node.n)
            best_state = int(np.argmax(counts * node.start))
            best_rows = np.array([node.first[best_state]])
        mine = node.owner == best_state
        parts = []
        for row in best_rows:
            part = allowed.copy()
            part[node.label[mine]] = False
            part[node.label[row]] = True
            parts.append(part)
        rest = allowed.copy()
        rest[node.label[best_rows]] = False
        if rest[node.label[mine]].any():
            parts.append(rest)
        return parts

    def _enumerate(self, node: Dense, allowed: BoolArray) -> None:
        """Offer every policy of a small node to the archive."""
        table = node.condensed()
        for values, codes, _ in policy_blocks(table):
            points = values.T

            def rows(i: int, codes: IntArray = codes) -> IntArray:
                chosen, code = np.empty(node.n, dtype=np.int64), int(codes[i])
                for s, count in enumerate(table.actions):
                    code, action = divmod(code, int(count))
                    chosen[s] = node.first[s] + action
                return self._full_rows(node, chosen, allowed)

            self.archive.add_all(points, rows)

    def _result(self, epsilon: float, finished: bool) -> Result:
        return Result(self.archive.points, list(self.archive.tags), epsilon, finished, self.nodes)


def separate(u: FloatArray, values: FloatArray) -> tuple[FloatArray | None, FloatArray]:
    """A weight under which ``u`` beats every row of ``values``, or shares of a mixture that is at least ``u``.

    The least-distance problem of Lawson & Hanson (1974): non-negative least squares of
    ``[(X − u)ᵀ, −I; 1, 0] (λ, s) = (0, 1)``; its residual is the separating direction.
    """
    n, k = values.shape
    system = np.zeros((k + 1, n + k))
    system[:k, :n] = (values - u).T
    system[:k, n:] = -np.eye(k)
    system[k, :n] = 1.0
    target = np.zeros(k + 1)
    target[k] = 1.0
    solution, distance = nnls(system, target)
    shares = solution[:n]
    if distance <= 1e-9:
        return None, shares / max(float(shares.sum()), 1e-300)
    residual = target - system @ solution
    direction = np.maximum(residual[:k], 0.0)
    if residual[k] <= 0 or direction.sum() <= 0:
        return None, shares
    w = direction / direction.sum()
    if (values @ w).max() >= u @ w:
        return None, shares
    return w, shares

"""Storage for conditional plans while they grow, and the compact :class:`Plan` of those that are used."""

from __future__ import annotations

import numpy as np

from morl.exact.policy import HistoryPolicy, Plan
from morl.spec import IntArray


class PlanBuilder:
    """Nodes in blocks; all nodes of a block share their state, action and successors.

    Node numbers only grow, and children are older than parents. A child of −1 is an ended episode.
    """

    def __init__(self, tails: tuple[IntArray, ...] = ()) -> None:
        self.tails = tails
        self._first: list[int] = []
        self._blocks: list[tuple[int, int, IntArray, IntArray, int]] = []
        self._ended: list[bool] = []

    def __len__(self) -> int:
        return len(self._ended)

    def leaf(self, state: int, tail: int = -1) -> int:
        """A node that decides nothing itself: the stationary policy ``tail`` goes on (−1: nobody does)."""
        return int(self._add(state, -1, np.zeros(0, np.int64), np.zeros((1, 0), np.int64), tail, tail >= 0)[0])

    def add(self, state: int, action: int, successors: IntArray, children: IntArray) -> IntArray:
        """One node per row of ``children`` ``(n, successors)``; returns their numbers."""
        return self._add(state, action, successors, children, -1, None)

    def _add(
        self, state: int, action: int, successors: IntArray, children: IntArray, tail: int, ended: bool | None
    ) -> IntArray:
        first = len(self)
        self._first.append(first)
        self._blocks.append((state, action, successors, children, tail))
        if ended is None:
            self._ended.extend(all(c < 0 or self._ended[c] for c in row) for row in children.tolist())
        else:
            self._ended.append(ended)
        return np.arange(first, len(self))

    def ended(self, nodes: IntArray) -> bool:
        """True where all these plans end the episode in the model, however it goes."""
        return all(self._ended[node] for node in nodes.tolist())

    def policies(self, roots: list[dict[int, int]]) -> list[HistoryPolicy]:
        """History policies that begin at the given nodes, sharing one plan without unused nodes."""
        starts = np.array(self._first)
        needed: set[int] = set()
        stack = [node for root in roots for node in root.values() if node >= 0]
        while stack:
            node = stack.pop()
            if node in needed:
                continue
            needed.add(node)
            stack.extend(int(c) for c in self._children(starts, node) if c >= 0)
        order = sorted(needed)
        number = {node: i for i, node in enumerate(order)}
        number[-1] = -1
        state, action, tail, ptr = [], [], [], [0]
        successors: list[int] = []
        children: list[int] = []
        for node in order:
            block = self._blocks[int(np.searchsorted(starts, node, side="right")) - 1]
            state.append(block[0])
            action.append(block[1])
            tail.append(block[4])
            successors.extend(block[2].tolist())
            children.extend(number[int(c)] for c in self._children(starts, node))
            ptr.append(len(children))
        plan = Plan(
            np.array(state, dtype=np.int64),
            np.array(action, dtype=np.int64),
            np.array(ptr, dtype=np.int64),
            np.array(successors, dtype=np.int64),
            np.array(children, dtype=np.int64),
            np.array(tail, dtype=np.int64),
            self.tails,
        )
        return [HistoryPolicy(plan, {s: number[node] for s, node in root.items()}) for root in roots]

    def _children(self, starts: IntArray, node: int) -> IntArray:
        block = int(np.searchsorted(starts, node, side="right")) - 1
        return np.asarray(self._blocks[block][3][node - starts[block]])

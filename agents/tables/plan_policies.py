"""Policies that follow conditional plans learned from counts, one node per decision."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.agents.core.policies import Array, Decision, Memory, PolicySet
from morl.agents.tables.pareto_sets import Counts, Plans, Sets
from morl.agents.tables.tabular import TabularProblem
from morl.momdp import MOMDP
from morl.spec import BoolArray, FloatArray, IntArray


class PlanPolicies(PolicySet):
    """One policy per root of a forest of plans (see :mod:`morl.agents.tables.pareto_sets`).

    Where the environment does something that was never seen while learning, the first vector of the new state's set
    is followed, or, in a state never visited, action 0.

    Args:
        tables: numbering of observations.
        counts: what was seen.
        sets: the sets behind the plans.
        plans: the plans.
        roots: ``(m,)`` node of each policy.
        preferences: ``(m, K)`` or ``None``.
    """

    has_memory = True

    def __init__(
        self,
        tables: TabularProblem,
        counts: Counts,
        sets: Sets,
        plans: Plans,
        roots: IntArray,
        preferences: FloatArray | None = None,
    ) -> None:
        self.tables, self.counts, self.sets, self.plans = tables, counts, sets, plans
        self.roots, self.preferences = np.asarray(roots, dtype=np.int64), preferences

    def __len__(self) -> int:
        return len(self.roots)

    def start(self, which: IntArray, rng: np.random.Generator) -> Memory:
        """The root of each policy, whose action is to begin."""
        return {"node": self.roots[which].copy()}

    def next_node(self, node: int, state: int) -> int:
        """The node that continues ``node`` in the numbered ``state``; −1 where nothing is planned."""
        if node >= 0:
            successors = self.counts.successor[self.plans.state[node], self.plans.action[node]]
            found = np.flatnonzero(successors == state)
            if len(found):
                child = int(self.plans.child[node, found[0]])
                if child >= 0:
                    return child
        return int(self.sets.node[state, 0]) if 0 <= state < len(self.sets.size) and self.sets.size[state] else -1

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """Move each plan on to the state that was reached, and act."""
        states = self.tables.index.lookup(decision.observations, grow=False)
        nodes = np.array([self.next_node(int(n), int(s)) for n, s in zip(decision.memory["node"], states, strict=True)])
        actions = np.where(nodes >= 0, self.plans.action[np.maximum(nodes, 0)], 0)
        return actions.astype(np.int64), {"node": nodes}

    def content(self, number: int) -> tuple[Any, ...]:
        """The node of its plan that it begins with."""
        return (int(self.roots[number]),)

    def exact_values(self, model: MOMDP) -> FloatArray | None:
        """Exact values ``(m, K)``: plans and model together are one Markov chain. ``None`` where it never ends."""
        if not self.tables.visible():
            return None
        return chain_values(self, model)


def chain_values(policies: PlanPolicies, model: MOMDP) -> FloatArray | None:
    """Solve the Markov chain on (model state, plan node) for the value of every root.

    Pairs after which nothing is earned any more are worth 0, whether or not they ever end. ``None`` where γ = 1 and
    what is earned has no end.
    """
    from scipy import sparse
    from scipy.sparse.linalg import splu

    world = policies.tables.world
    assert world is not None
    indptr, indices, data = model.transitions.indptr, model.transitions.indices, model.transitions.data
    actions_in, first_row, seen = model.n_actions.tolist(), model.row_ptr.tolist(), world.seen.tolist()
    index: dict[tuple[int, int], int] = {}
    pairs: list[tuple[int, int]] = []

    def number(state: int, node: int) -> int:
        key = (state, node)
        if key not in index:
            index[key] = len(pairs)
            pairs.append(key)
        return index[key]

    starts = np.flatnonzero(model.start > 0)
    first = [
        [(float(model.start[s]), number(int(s), policies.next_node(int(root), seen[s]))) for s in starts]
        for root in policies.roots
    ]
    rows, columns, chances, gains = [], [], [], []
    head = 0
    while head < len(pairs):
        state, node = pairs[head]
        if actions_in[state]:
            action = int(policies.plans.action[node]) if node >= 0 else 0
            row = first_row[state] + min(action, actions_in[state] - 1)
            gains.append(model.rewards[row])
            for i in range(indptr[row], indptr[row + 1]):
                target = int(indices[i])
                if actions_in[target]:
                    rows.append(head)
                    columns.append(number(target, policies.next_node(node, seen[target])))
                    chances.append(float(data[i]))
        else:
            gains.append(np.zeros(model.k))
        head += 1
    n, earned = len(pairs), np.array(gains)
    chain = sparse.csr_array((chances, (rows, columns)), shape=(n, n))
    alive = _before(chain, np.asarray(earned.any(axis=1)))
    values = np.zeros((n, model.k))
    system = sparse.eye_array(len(alive), format="csc") - model.discount * chain[alive][:, alive]
    try:
        values[alive] = splu(sparse.csc_array(system)).solve(earned[alive])
    except RuntimeError:
        return None
    totals = np.array([sum(p * values[i] for p, i in branch) for branch in first])
    return totals if np.isfinite(values).all() else None


def _before(chain: Any, wanted: BoolArray) -> IntArray:
    """The wanted states of a chain and all that may lead to them, in order."""
    from scipy import sparse
    from scipy.sparse.csgraph import breadth_first_order

    n, links = len(wanted), chain.tocoo()
    ends = np.flatnonzero(wanted)  # reached against the arrows, from an extra state
    rows, columns = np.concatenate([links.col, np.full(len(ends), n)]), np.concatenate([links.row, ends])
    back = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(n + 1, n + 1))
    return np.sort(breadth_first_order(back, n, return_predecessors=False))[:-1].astype(np.int64)

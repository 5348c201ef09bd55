"""Which states a model can reach, and where it need never end: the questions behind γ = 1.

Without discounting a policy has a finite value only if it stops collecting reward. A set of states that
some policy never leaves is an *end component* (de Alfaro 1997); a model without any (reachable) one ends
under every policy, so every total is finite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse import linalg as sparse_linalg

from morl.momdp import MOMDP
from morl.spec import BoolArray, FloatArray, IntArray, ModelError


@dataclass(frozen=True)
class EndComponents:
    """Maximal end components: ``label`` ``(S,)`` is −1 outside of all, ``rows`` ``(rows,)`` marks their actions."""

    label: IntArray
    rows: BoolArray
    count: int


def reachable_states(momdp: MOMDP, allowed: BoolArray | None = None) -> BoolArray:
    """States that some policy reaches from the start with positive probability, shape ``(S,)``.

    Args:
        allowed: rows ``(rows,)`` that may be used; ``None`` for all.
    """
    graph, n = state_graph(momdp, allowed), momdp.n_states
    first = np.flatnonzero(momdp.start > 0)
    indices, indptr = np.append(graph.indices, first), np.append(graph.indptr, len(graph.indices) + len(first))
    with_source = sparse.csr_array((np.ones(len(indices)), indices, indptr), shape=(n + 1, n + 1))
    seen = np.zeros(n + 1, dtype=bool)
    seen[csgraph.breadth_first_order(with_source, n, return_predecessors=False)] = True
    return np.asarray(seen[:n])


def state_graph(momdp: MOMDP, allowed: BoolArray | None = None) -> sparse.csr_array:
    """Adjacency ``(S, S)`` of "an allowed action leads from s to s' with positive probability", an entry for each.

    The rows of a state lie one after the other, so its successors do as well: nothing is sorted.
    """
    matrix, n = momdp.transitions, momdp.n_states
    keep = matrix.data > 0
    if allowed is not None:
        keep &= np.repeat(allowed, np.diff(matrix.indptr))
    before = np.concatenate([[0], np.cumsum(keep)])
    indices = matrix.indices[keep]
    return sparse.csr_array((np.ones(len(indices)), indices, before[matrix.indptr[momdp.row_ptr]]), shape=(n, n))


def strong_classes(graph: sparse.csr_array) -> tuple[int, IntArray]:
    """Number of strongly connected classes, and the one of each node ``(S,)``: those of its successors come first."""
    if not graph.has_canonical_format:  # scipy's search may never end where an entry is listed twice
        graph = graph.copy()
        graph.sum_duplicates()
    count, label = csgraph.connected_components(graph, directed=True, connection="strong")
    return int(count), np.asarray(label, dtype=np.int64)


def end_components(momdp: MOMDP, allowed: BoolArray | None = None) -> EndComponents:
    """Maximal end components among the reachable states, by repeated strongly connected components.

    Complexity O(S · nnz) in the worst case; two or three passes in practice (de Alfaro 1997).
    """
    owner, matrix = momdp.row_state, momdp.transitions.tocoo()
    positive = matrix.data > 0
    row, col = matrix.row[positive], matrix.col[positive]
    rows = np.ones(momdp.n_rows, dtype=bool) if allowed is None else np.array(allowed, dtype=bool)
    states = reachable_states(momdp) & ~momdp.terminal
    rows &= states[owner]
    label = np.full(momdp.n_states, -1, dtype=np.int64)
    while True:
        edge = rows[row]
        graph = sparse.csr_array((np.ones(int(edge.sum())), (owner[row[edge]], col[edge])), shape=(len(label),) * 2)
        label = strong_classes(graph)[1]
        leaves = np.zeros(len(rows), dtype=bool)
        out = edge & ((label[owner[row]] != label[col]) | ~states[col])
        leaves[row[out]] = True
        kept_rows = rows & ~leaves
        alive = np.zeros_like(states)
        alive[owner[kept_rows]] = True
        kept_rows &= alive[owner]
        if np.array_equal(kept_rows, rows) and np.array_equal(alive, states):
            break
        rows, states = kept_rows, alive
    label = np.where(states, label, -1)
    names, dense = np.unique(label[states], return_inverse=True)
    label[states] = dense
    return EndComponents(label, rows, len(names))


def ends_under_every_policy(momdp: MOMDP) -> bool:
    """True where no policy stays among the reachable states: then γ = 1 needs no care."""
    return end_components(momdp).count == 0


def longest_mean_life(momdp: MOMDP, tolerance: float = 1e-3) -> FloatArray:
    """Upper bound on the largest expected discounted number of decisions from each state, shape ``(S,)``.

    Computed by Howard's policy iteration on a reward of 1 per step and multiplied by ``1 + tolerance``;
    infinite where some policy never ends and γ = 1.
    """
    gamma = momdp.discount
    if momdp.horizon is not None:
        life = np.zeros(momdp.n_states)
        for _ in range(momdp.horizon):
            life = _best(momdp, 1.0 + gamma * (momdp.transitions @ life))
        return np.asarray(life)
    if gamma < 1.0:
        bound = np.where(momdp.terminal, 0.0, 1.0 / (1.0 - gamma))
        life = bound
    else:
        inside = end_components(momdp).label >= 0
        if inside.any():
            return np.where(momdp.terminal, 0.0, np.inf)
        life = _proper_life(momdp)
    for _ in range(50):  # each sweep of a decreasing bound stays a bound
        new = np.minimum(life, _best(momdp, 1.0 + gamma * (momdp.transitions @ life)))
        if np.max(life - new, initial=0.0) <= tolerance * max(1.0, float(new.max(initial=0.0))):
            return np.asarray(new)
        life = new
    return np.asarray(life)


def _best(momdp: MOMDP, per_row: FloatArray) -> FloatArray:
    """Largest entry among each state's rows, 0 for terminal states."""
    result = np.zeros(momdp.n_states)
    live = ~momdp.terminal
    if live.any():
        result[live] = np.maximum.reduceat(per_row, momdp.row_ptr[:-1][live])
    return result


def _proper_life(momdp: MOMDP) -> FloatArray:
    """Largest expected number of decisions where every policy ends, by policy iteration; a safe upper bound."""
    seen = reachable_states(momdp)
    live = seen & ~momdp.terminal
    index = np.flatnonzero(live)
    rows = momdp.row_ptr[:-1][index].copy()
    life = np.zeros(momdp.n_states)
    for _ in range(1000):
        matrix = sparse.csc_array(sparse.identity(len(index), format="csr") - momdp.transitions[rows][:, index])
        life[index] = sparse_linalg.spsolve(matrix, np.ones(len(index)))
        per_row = 1.0 + momdp.transitions @ life
        improved = False
        for i, s in enumerate(index):
            first, last = momdp.row_ptr[s], momdp.row_ptr[s + 1]
            best = first + int(np.argmax(per_row[first:last]))
            if per_row[best] > per_row[rows[i]] * (1 + 1e-9):
                rows[i], improved = best, True
        if not improved:
            break
    return life * (1.0 + 1e-6)


def proper_policy(momdp: MOMDP) -> tuple[IntArray, BoolArray]:
    """A policy that ends, or comes to rest without reward, with probability 1 wherever some policy can.

    Returns:
        ``(policy (S,), sure (S,))``: the mask holds the states from which it does.
    """
    resting, rest_rows = resting_states(momdp)
    rows, sure = almost_surely(momdp, momdp.terminal | resting)
    stay = np.flatnonzero(rest_rows)[::-1]
    rows[momdp.row_state[stay]] = stay
    return np.where(rows >= 0, rows - momdp.row_ptr[:-1], 0), sure


def almost_surely(momdp: MOMDP, goal: BoolArray) -> tuple[IntArray, BoolArray]:
    """A way to ``goal`` ``(S,)`` with probability 1: a row per state, −1 for none, and where it succeeds.

    Almost-sure reachability (de Alfaro 1997): drop states that cannot reach the goal and actions that may leave the
    rest; repeat. Each state takes an action that may lead nearer, so nothing else is ever settled in.
    """
    owner, matrix, n = momdp.row_state, momdp.transitions, momdp.n_states
    positive = matrix.data > 0
    row, col = np.repeat(np.arange(momdp.n_rows), np.diff(matrix.indptr))[positive], matrix.indices[positive]
    inside = np.ones(n, dtype=bool)
    while True:
        safe = np.ones(momdp.n_rows, dtype=bool)
        safe[row[~inside[col]]] = False
        used, goals = safe[row], np.flatnonzero(goal & inside)
        source = np.concatenate([col[used], np.full(len(goals), n)])
        target = np.concatenate([owner[row[used]], goals])
        backwards = sparse.csr_array((np.ones(len(source)), (source, target)), shape=(n + 1, n + 1))
        found, nearer = csgraph.breadth_first_order(backwards, n)
        reached = np.zeros(n + 1, dtype=bool)
        reached[found] = True
        reached = reached[:n]
        if np.array_equal(reached, inside):
            leads = row[used & (col == nearer[owner[row]])][::-1]  # the first of a state's rows is written last
            chosen = np.full(n, -1, dtype=np.int64)
            chosen[owner[leads]] = leads
            chosen[goal] = -1
            return chosen, inside
        inside = reached


def resting_states(momdp: MOMDP) -> tuple[BoolArray, BoolArray]:
    """States in which one need never leave and gain nothing, and the rows that do, masks ``(S,)``, ``(rows,)``."""
    free = ~np.any(momdp.rewards != 0, axis=1)
    if not free.any():
        return np.zeros(momdp.n_states, dtype=bool), free
    parts = end_components(momdp, None if free.all() else free)
    return np.asarray(parts.label >= 0), parts.rows


def refuse_unbounded(momdp: MOMDP, parts: EndComponents) -> None:
    """With γ = 1 and no horizon: refuse objectives whose total can grow without bound.

    Where an end component holds a positive reward, its largest mean reward is found by a linear program. A mean below
    1e-9 of the component's largest reward counts as zero.

    Raises:
        ModelError: there is one, with the objective and a state.
    """
    label = parts.label[momdp.row_state]
    gaining = parts.rows & np.any(momdp.rewards > 0, axis=1)
    for component in np.unique(label[gaining]):
        rows = np.flatnonzero(parts.rows & (label == component))
        for k in range(momdp.k):
            rewards = momdp.rewards[rows, k]
            if rewards.max() > 0 and _largest_mean(momdp, rows, rewards) > 1e-9 * np.abs(rewards).max():
                s = int(momdp.row_state[rows[int(np.argmax(rewards))]])
                raise ModelError(
                    f"with discount 1 the total of objective {momdp.objectives[k].name!r} is unbounded "  # type: ignore[index]
                    f"(positive reward can be collected without end around state {momdp.label(s)}); "
                    "give a discount below 1 or a horizon"
                )


def _largest_mean(momdp: MOMDP, rows: IntArray, rewards: FloatArray) -> float:
    """Largest long-run mean reward within an end component (all of it communicates)."""
    if rewards.min() >= 0:
        return float(rewards.max())  # the best row can be visited again and again
    from scipy.optimize import linprog  # slow to import

    scale = float(np.abs(rewards).max())
    states, owner = np.unique(momdp.row_state[rows], return_inverse=True)
    out = sparse.csr_array((np.ones(len(rows)), (owner, np.arange(len(rows)))), shape=(len(states), len(rows)))
    balance = out - momdp.transitions[rows][:, states].T
    result = linprog(
        -rewards / scale,
        A_eq=sparse.vstack([balance, sparse.csr_array(np.ones((1, len(rows))))]),
        b_eq=np.append(np.zeros(len(states)), 1.0),
        method="highs",
    )
    if result.status != 0:
        raise ModelError(f"mean reward of an end component: HiGHS stopped with {result.message!r}")
    return -float(result.fun) * scale


def certain_rows(momdp: MOMDP) -> BoolArray:
    """Rows with a single successor, mask ``(rows,)``; successors that are listed twice count once."""
    merged = sparse.csr_array(momdp.transitions, copy=True)  # merging in place would break outcome_rewards
    merged.sum_duplicates()
    sure = np.zeros(momdp.n_rows, dtype=bool)
    row = np.repeat(np.arange(momdp.n_rows), np.diff(merged.indptr))
    sure[row[merged.data >= 1.0 - 1e-12]] = True
    return sure

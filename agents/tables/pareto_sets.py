"""Sets of non-dominated vectors backed up through a learned model, with the plan behind each vector. Compiled.

What has been seen of the environment is counted: for each (state, action) its successors, how often each came, and
the sum of rewards. The vectors achievable from a state are then (White 1982; Van Moffaert & Nowé 2014)::

    V(s) = ND ∪_a  r̄(s, a) + γ ⊕_{s'} P̂(s' | s, a) V(s')

where ⊕ adds one vector per successor: what is done later may depend on where the environment went. Each vector
remembers its action and, for each successor, the vector it continues with: a conditional plan.

From a state where no plan surely ends within a bounded number of steps (chance that may lead round in a cycle, episodes
that only a time limit ends), sets begin as {0} instead of empty: what is earned after the last backup is left out.
With γ < 1 that is a tail of at most γⁿ of the largest return after n backups, below ``precision`` when they stop.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from morl.agents.core.errors import NoPolicyError
from morl.agents.core.memory import require
from morl.agents.tables.pareto_rows import gather, nondominated, spread
from morl.compiled import inlined, jit
from morl.spec import BoolArray, FloatArray, IntArray

ENDED = -2
"""Successor number of "the episode ended"."""

TOLERANCE = 1e-9
"""Vectors closer than this fraction of the scale differ by rounding only."""


class Counts(NamedTuple):
    """What has been seen. ``successor (S, A, B)`` (−1 is empty), ``seen (S, A, B)``, ``reward (S, A, K)`` summed,
    ``visits (S, A)``, ``n_actions (S,)``."""

    successor: IntArray
    seen: IntArray
    reward: FloatArray
    visits: IntArray
    n_actions: IntArray


class Sets(NamedTuple):
    """Non-dominated vectors of each state: ``value (S, M, K)``, ``node (S, M)``, ``size (S,)``."""

    value: FloatArray
    node: IntArray
    size: IntArray


class Plans(NamedTuple):
    """Conditional plans: node i acts ``action[i]`` in ``state[i]``; its children, by successor, are
    ``child[i, j]`` for ``successor[state, action, j]`` (−1 where the episode ends). ``length`` holds the count."""

    state: IntArray
    action: IntArray
    child: IntArray
    length: IntArray


def new_counts(n_actions: IntArray, width: int, branches: int, k: int) -> Counts:
    """Nothing seen yet."""
    s = len(n_actions)
    require(8.0 * s * width * (2 * branches + k + 1), f"counts of {s:,} states", "lower max_states or branches")
    return Counts(
        np.full((s, width, branches), -1, dtype=np.int64),
        np.zeros((s, width, branches), dtype=np.int64),
        np.zeros((s, width, k)),
        np.zeros((s, width), dtype=np.int64),
        n_actions,
    )


def new_sets(states: int, size: int, k: int) -> Sets:
    """Empty sets of at most ``size`` vectors per state."""
    require(8.0 * states * size * (k + 1), f"{size:,} vectors for each of {states:,} states", "lower max_points")
    return Sets(
        np.zeros((states, size, k)), np.full((states, size), -1, dtype=np.int64), np.zeros(states, dtype=np.int64)
    )


def new_plans(capacity: int, branches: int) -> Plans:
    """No nodes yet."""
    return Plans(
        np.zeros(capacity, dtype=np.int64),
        np.zeros(capacity, dtype=np.int64),
        np.full((capacity, branches), -1, dtype=np.int64),
        np.zeros(1, dtype=np.int64),
    )


def grow(plans: Plans) -> Plans:
    """The same plans with twice the room."""
    n = len(plans.state)
    bigger = new_plans(2 * n, plans.child.shape[1])
    for old, new in zip(plans[:3], bigger[:3], strict=True):
        new[:n] = old
    bigger.length[0] = plans.length[0]
    return bigger


@inlined
def count(counts, s, a, r, s2):  # type: ignore[no-untyped-def]
    """Count one transition; ``s2`` is :data:`ENDED` at an end. False where (s, a) has too many successors."""
    for j in range(counts.successor.shape[2]):
        known = counts.successor[s, a, j]
        if known == s2 or known == -1:
            counts.successor[s, a, j] = s2
            counts.seen[s, a, j] += 1
            counts.visits[s, a] += 1
            for i in range(len(r)):
                counts.reward[s, a, i] += r[i]
            return True
    return False


@jit
def action_set(counts, sets, s, a, gamma, scale, tolerance):  # type: ignore[no-untyped-def]
    """Vectors achievable by ``a`` in ``s`` and the vector chosen at each successor: ``(n, K)``, ``(n, B)``."""
    limit, k = sets.value.shape[1], sets.value.shape[2]
    branches = counts.successor.shape[2]
    visits = counts.visits[s, a]
    values = np.empty((1, k))
    picks = np.full((1, branches), -1, dtype=np.int64)
    if visits == 0:
        return values[:0], picks[:0]
    for i in range(k):
        values[0, i] = counts.reward[s, a, i] / visits
    for j in range(branches):
        target = counts.successor[s, a, j]
        if target == -1:
            break
        if target == ENDED:
            continue
        m = sets.size[target]
        if m == 0:
            return values[:0], picks[:0]
        weight = gamma * counts.seen[s, a, j] / visits
        n = len(values)
        summed = np.empty((n * m, k))
        chosen = np.empty((n * m, branches), dtype=np.int64)
        for x in range(n):
            for y in range(m):
                at = x * m + y
                for i in range(k):
                    summed[at, i] = values[x, i] + weight * sets.value[target, y, i]
                for b in range(branches):
                    chosen[at, b] = picks[x, b]
                chosen[at, j] = y
        if n == 1:
            values, picks = summed, chosen
        else:
            rows = spread(summed, nondominated(summed, n * m, tolerance * scale), limit, scale)
            values, picks = gather(summed, chosen, rows)
    return values, picks


@jit
def backup(counts, sets, plans, s, gamma, scale, tolerance):  # type: ignore[no-untyped-def]
    """Recompute V(s). Returns (changed, how far it moved); −1 for the second where ``plans`` is full.

    Plans without any room are not kept: the values are all that is wanted then.
    """
    limit, k = sets.value.shape[1], sets.value.shape[2]
    branches = counts.successor.shape[2]
    actions = counts.n_actions[s]
    pool = np.empty((actions * limit, k))
    picks = np.empty((actions * limit, branches), dtype=np.int64)
    sizes = np.zeros(actions + 1, dtype=np.int64)
    total = 0
    for a in range(actions):
        values, chosen = action_set(counts, sets, s, a, gamma, scale, tolerance)
        for i in range(len(values)):
            for j in range(k):
                pool[total, j] = values[i, j]
            for j in range(branches):
                picks[total, j] = chosen[i, j]
            total += 1
        sizes[a + 1] = total
    if total == 0:
        return False, 0.0
    rows = spread(pool, nondominated(pool, total, tolerance * scale), limit, scale)
    if len(plans.state) > 0 and plans.length[0] + len(rows) > len(plans.state):
        return False, -1.0
    return _store(counts, sets, plans, s, pool, picks, rows, sizes, scale)


@jit
def _store(counts, sets, plans, s, pool, picks, rows, sizes, scale):  # type: ignore[no-untyped-def]
    """Write the chosen vectors as V(s); a vector that was there already keeps its node."""
    k, branches = pool.shape[1], picks.shape[1]
    old, n_old = sets.value[s].copy(), sets.size[s]
    old_node = sets.node[s].copy()
    fresh_node = np.empty(len(rows), dtype=np.int64)
    moved = 0.0
    changed = len(rows) != n_old
    for m in range(len(rows)):
        near, same = np.inf, -1
        for i in range(n_old):
            distance = 0.0
            for j in range(k):
                distance = max(distance, abs(old[i, j] - pool[rows[m], j]) / scale[j])
            if distance < near:
                near, same = distance, i
        moved = max(moved, near)
        if near == 0.0 or (near <= TOLERANCE and len(plans.state) == 0):
            fresh_node[m] = old_node[same]
            for j in range(k):  # what rounding alone tells apart stays as it was, or news of it would go round for ever
                pool[rows[m], j] = old[same, j]
            continue
        changed = True
        if len(plans.state) == 0:
            fresh_node[m] = -1
            continue
        a = 0
        while sizes[a + 1] <= rows[m]:
            a += 1
        node = plans.length[0]
        plans.length[0] += 1
        plans.state[node], plans.action[node] = s, a
        for j in range(branches):
            pick = picks[rows[m], j]
            plans.child[node, j] = -1 if pick < 0 else sets.node[counts.successor[s, a, j], pick]
        fresh_node[m] = node
    for m in range(len(rows)):
        for j in range(k):
            sets.value[s, m, j] = pool[rows[m], j]
        sets.node[s, m] = fresh_node[m]
    sets.size[s] = len(rows)
    return changed, moved


@jit
def back_up_path(counts, sets, plans, changed, backed, path, length, gamma, scale, tolerance):  # type: ignore[no-untyped-def]
    """Back up the states of a path from its last to its first, where out of date or after a change of the next one.

    ``path (T, 2)`` holds (state, out of date); only the first ``length`` count. ``changed[s]`` is the time of V(s)'s
    last change, ``backed[s]`` that of its last backup; the last entry of ``changed`` is the clock. Returns the largest
    move, or −1 where ``plans`` is full.
    """
    largest, news = 0.0, False
    for t in range(length - 1, -1, -1):
        s = path[t, 0]
        if path[t, 1] == 0 and not news:
            continue
        news, moved = backup(counts, sets, plans, s, gamma, scale, tolerance)
        if moved < 0:
            return -1.0
        changed[-1] += 1
        backed[s] = changed[-1]
        if news:
            changed[s] = changed[-1]
            largest = max(largest, moved)
    return largest


def surely_ends(counts: Counts) -> BoolArray:
    """States ``(S,)`` from which some plan ends every episode within a bounded number of steps, as far as was seen.

    The least set that holds a state as soon as one of its actions leads, whatever happens, to ends or into the set.
    """
    known = counts.successor >= 0
    tried = counts.visits > 0
    target = np.where(known, counts.successor, 0)
    sure: BoolArray = np.zeros(len(counts.n_actions), dtype=bool)
    while True:
        now: BoolArray = np.asarray((tried & (~known | sure[target]).all(axis=2)).any(axis=1))
        if (now == sure).all():
            return sure
        sure = now


def solve(
    counts: Counts,
    size: int,
    gamma: float,
    scale: FloatArray,
    *,
    start: int,
    tolerance: float = TOLERANCE,
    precision: float = 1e-3,
    max_sweeps: int = 500,
) -> tuple[Sets, Plans]:
    """Sets and plans of what has been counted, from scratch.

    Args:
        counts: what has been seen; states without visits stay empty.
        size: vectors kept per state.
        gamma: discount.
        scale: ``(K,)`` typical range of each objective, for distances.
        start: the pseudo-state whose only action leads to the start states, without discount.
        tolerance: vectors that others reach within this fraction of the scale are dropped.
        precision: stop when no vector moves by more than this fraction of the scale.
        max_sweeps: stop anyway.

    Raises:
        NoPolicyError: nothing has been seen yet.
    """
    sure = surely_ends(counts)
    visited = np.flatnonzero(counts.visits.sum(axis=1) > 0)
    states = visited[visited != start]
    if len(states) == 0:
        raise NoPolicyError("nothing has been learned yet; call learn first")
    n, k, branches = len(counts.n_actions), counts.reward.shape[2], counts.successor.shape[2]
    sets, plans = new_sets(n, size, k), new_plans(max(1024, 4 * len(states) * size), branches)
    sets.size[states[~sure[states]]] = 1  # {0}, without a plan
    clock = np.zeros(n + 1, dtype=np.int64), np.zeros(n, dtype=np.int64)

    def back_up(order: IntArray, discount: float) -> float:
        nonlocal plans
        path = np.column_stack([order, np.ones_like(order)])
        moved = -1.0
        while moved < 0:
            moved = back_up_path(counts, sets, plans, *clock, path, len(path), discount, scale, tolerance)
            plans = plans if moved >= 0 else grow(plans)
        return moved

    for _ in range(max_sweeps):
        if back_up(states, gamma) <= precision:
            break
    back_up(np.array([start]), 1.0)
    return sets, plans

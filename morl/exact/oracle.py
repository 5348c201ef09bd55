"""The best policy for one weight, by Howard's policy iteration: the plain oracle of the exact solvers.

It favours being right on any model of moderate size (dense or sparse linear solves); large discounted
models belong to :func:`morl.exact.inner.solve_weight`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from morl.exact.bellman import Value, chain_value, evaluate
from morl.exact.graph import end_components, proper_policy, reachable_states, unbounded_objective
from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray, ModelError, check_vector

_ROUNDS = 10_000


def best_policy(momdp: MOMDP, weights: ArrayLike, initial: IntArray | None = None) -> tuple[IntArray, Value]:
    """A deterministic policy that maximises the weighted return, and its value.

    Args:
        weights: ``(K,)``, any signs; they need not sum to 1.
        initial: a policy ``(S,)`` to start from.

    Returns:
        Integers ``(S,)``, or ``(T, S)`` where the model has a horizon, and the :class:`Value`.

    Raises:
        ModelError: γ = 1 and the best total does not exist.
    """
    w = check_vector(weights, momdp.k, "weights")
    if momdp.horizon is not None:
        return _backward(momdp, w)
    if momdp.discount == 1.0 and end_components(momdp).count:
        return _undiscounted(momdp, w)
    policy = np.zeros(momdp.n_states, dtype=np.int64) if initial is None else np.array(initial, dtype=np.int64)
    reward = momdp.rewards @ w
    useful = ~momdp.terminal if momdp.discount < 1.0 else reachable_states(momdp) & ~momdp.terminal
    live = np.flatnonzero(useful)  # with γ = 1 an unreachable loop must not spoil the rest
    rows = momdp.row_ptr[:-1][live] + policy[live]
    scale = max(float(np.abs(reward).max(initial=0.0)), 1e-300)
    for _ in range(_ROUNDS):
        values, error = _values(momdp, live, rows)
        scalar = values @ w
        per_row = reward + momdp.discount * (momdp.transitions @ scalar)
        best = _greedy(momdp, live, per_row)
        tiny = 1e-13 * scale + 4e-15 * float(np.abs(scalar).max(initial=0.0))
        better = per_row[best] > per_row[rows] + tiny
        if not better.any():
            break
        rows = np.where(better, best, rows)
    policy[live] = rows - momdp.row_ptr[:-1][live]
    states = np.where((useful | momdp.terminal)[:, None], values, np.nan)
    return policy, Value(momdp.start @ values, states, error)


def _values(momdp: MOMDP, live: IntArray, rows: IntArray) -> tuple[FloatArray, float]:
    n = momdp.n_states
    pick = sparse.csr_array((np.ones(len(rows)), (live, rows)), shape=(n, momdp.n_rows))
    return chain_value(momdp, sparse.csr_array(pick @ momdp.transitions), np.asarray(pick @ momdp.rewards))


def _greedy(momdp: MOMDP, live: IntArray, per_row: FloatArray) -> IntArray:
    """The first best row of each live state."""
    if not len(live):
        return np.zeros(0, dtype=np.int64)
    counts = momdp.n_actions[live]
    starts = np.cumsum(counts) - counts
    rows = np.arange(int(counts.sum())) + np.repeat(momdp.row_ptr[:-1][live] - starts, counts)
    values = per_row[rows]
    top = np.maximum.reduceat(values, starts)
    owner = np.repeat(np.arange(len(live)), counts)
    hit = np.flatnonzero(values >= top[owner])
    first_hit = np.unique(owner[hit], return_index=True)[1]
    return np.asarray(rows[hit[first_hit]])


def _backward(momdp: MOMDP, w: FloatArray) -> tuple[IntArray, Value]:
    """Backward induction over the horizon."""
    horizon = momdp.horizon or 0
    live = np.flatnonzero(~momdp.terminal)
    values = np.zeros((momdp.n_states, momdp.k))
    table = np.zeros((horizon, momdp.n_states), dtype=np.int64)
    for t in reversed(range(horizon)):
        q = momdp.rewards + momdp.discount * (momdp.transitions @ values)
        rows = _greedy(momdp, live, q @ w)
        table[t, live] = rows - momdp.row_ptr[:-1][live]
        values = np.zeros_like(values)
        values[live] = q[rows]
    return table, evaluate(momdp, table)


def _undiscounted(momdp: MOMDP, w: FloatArray) -> tuple[IntArray, Value]:
    """γ = 1 where some policy never ends: an occupancy LP, then the shortest of its optimal solutions.

    The second program matters: flow that circulates for nothing costs nothing in the first, but would be a
    policy that never ends.
    """
    from morl.exact.occupancy import Flow

    k = unbounded_objective(momdp)
    if k is not None:
        raise ModelError(
            f"with discount 1 the total of objective {momdp.objectives[k].name!r} is unbounded "  # type: ignore[index]
            "(positive reward can be collected for ever); give a discount below 1 or a horizon"
        )
    flow = Flow(momdp)
    visits = flow.shortest_best(w)
    policy, _sure = proper_policy(momdp)
    policy = flow.policy(visits, policy)
    return policy, evaluate(momdp, policy)

"""Occupancy measures: how often each state-action pair is used, and linear programs over them.

With x(s, a) the expected discounted number of uses of a row, every achievable return is ``Σ x · reward`` for an x
that satisfies the flow equations, and every such x is a stochastic policy (Puterman 1994, section 6.9). The
program has one variable per row: an independent check of the other solvers, good for about 1e5 rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from morl.exact.deterministic.unroll import Unrolled, unroll
from morl.exact.ending import find_ending
from morl.exact.graph import reachable_states, resting_states
from morl.exact.passes import Passes
from morl.exact.policy import as_stochastic
from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray, ModelError


class Flow:
    """The flow equations of an infinite-horizon model: ``matrix @ x == start``, x >= 0.

    The columns are the rows of reachable live states, then (γ = 1) the states in which one may rest without end; states
    from which no policy comes to an end are left out (see :mod:`morl.exact.ending`).
    """

    def __init__(self, momdp: MOMDP) -> None:
        self.momdp = momdp
        kept = reachable_states(momdp)
        if momdp.discount == 1.0:
            kept = find_ending(momdp).state >= 0
        live = kept & ~momdp.terminal
        self.states = np.flatnonzero(live)
        self.rows = np.flatnonzero(live[momdp.row_state] & (momdp.transitions @ (~kept).astype(np.float64) <= 0.0))
        rest = np.zeros(0, dtype=np.int64)
        if momdp.discount == 1.0:
            rest = np.flatnonzero(resting_states(momdp)[0] & live)
        self.rest = rest
        number = np.full(momdp.n_states, -1)
        number[self.states] = np.arange(len(self.states))
        out = sparse.csr_array(
            (np.ones(len(self.rows)), (number[momdp.row_state[self.rows]], np.arange(len(self.rows)))),
            shape=(len(self.states), len(self.rows)),
        )
        into = momdp.transitions[self.rows][:, self.states].T
        stop = sparse.csr_array(
            (np.ones(len(rest)), (number[rest], np.arange(len(rest)))), shape=(len(self.states), len(rest))
        )
        self.matrix = sparse.csr_array(sparse.hstack([out - momdp.discount * into, stop]))
        self.start = momdp.start[self.states]
        self.rewards = np.vstack([momdp.rewards[self.rows], np.zeros((len(rest), momdp.k))])


def average_policy(momdp: MOMDP, policies: Sequence[Any], probabilities: FloatArray) -> FloatArray:
    """One stochastic policy with the expected return of a mixture of deterministic ones.

    Its probability of a row is the row's share in the mixture's uses of the state: floats ``(rows,)``, or
    ``(T, rows)`` with a horizon.
    """
    if momdp.horizon is not None:
        unrolled = unroll(momdp)
        flat = [_flatten(unrolled, policy) for policy in policies]
        return unrolled.timed_stochastic(momdp, _average(unrolled.model, flat, probabilities))
    return _average(momdp, policies, probabilities)


def stationary(momdp: MOMDP, policy: FloatArray, value: FloatArray) -> FloatArray | None:
    """``policy``, or ``None`` where γ = 1 and it is not worth ``value``.

    Plays that rest in a state without end beside others that leave it have no stationary policy: whoever leaves with
    positive probability at every visit leaves at last.
    """
    if momdp.discount < 1.0 or momdp.horizon is not None:
        return policy
    from morl.exact.bellman import evaluate

    try:
        reached = evaluate(momdp, policy).start
    except ModelError:
        return None
    return policy if np.allclose(reached, value, rtol=1e-6, atol=1e-6 * (1.0 + np.abs(value).max())) else None


def _flatten(unrolled: Unrolled, policy: IntArray) -> IntArray:
    return np.append(np.asarray(policy)[unrolled.decision, unrolled.state], 0)


def _average(momdp: MOMDP, policies: Sequence[Any], probabilities: FloatArray) -> FloatArray:
    total, passes = np.zeros(momdp.n_rows), Passes.of(momdp)
    for policy, p in zip(policies, probabilities, strict=True):
        total += p * row_visits(momdp, policy, passes)
    base = as_stochastic(momdp, policies[0])
    return policy_of(momdp, np.arange(momdp.n_rows), total, base)


def row_visits(momdp: MOMDP, policy: ArrayLike, passes: Passes | None = None) -> FloatArray:
    """Expected discounted uses of each row, ``(rows,)``, under a stationary policy (states of rest: once)."""
    from morl.exact.bellman import endless_classes, induced_chain, solve_chain

    used = as_stochastic(momdp, policy)
    quick = None if passes is None else passes.visits(momdp.start, used)
    if quick is not None:
        return np.asarray(quick[momdp.row_state] * used)
    chain, rewards = induced_chain(momdp, used)
    stop = np.array(momdp.terminal)
    if momdp.discount == 1.0:
        stop |= endless_classes(chain, rewards, momdp.terminal)[0]
    reached = np.array(momdp.start > 0)
    frontier = np.flatnonzero(reached & ~stop)
    while len(frontier):
        targets = np.unique(chain[frontier].indices)
        fresh = targets[~reached[targets]]
        reached[fresh] = True
        frontier = fresh[~stop[fresh]]
    live = np.flatnonzero(reached & ~stop)
    visits = np.where(stop & (momdp.start > 0), momdp.start, 0.0)
    if len(live):
        inner = sparse.csr_array(chain[live][:, live].T)
        visits[live] = solve_chain(inner, momdp.discount, momdp.start[live][:, None])[:, 0]
        into = momdp.discount * (visits[live] @ chain[live])
        visits = np.where(stop, visits + into, visits)
    visits[momdp.terminal] = 0.0
    return np.asarray(visits[momdp.row_state] * used)


def policy_of(momdp: MOMDP, rows: IntArray, visits: FloatArray, otherwise: FloatArray | None = None) -> FloatArray:
    """Probabilities ``(rows,)`` in proportion to visits; ``otherwise``, or the first action, where there are none."""
    uses = np.zeros(momdp.n_rows)
    uses[rows] = np.maximum(visits, 0.0)
    owner = momdp.row_state
    sums = np.bincount(owner, weights=uses, minlength=momdp.n_states)
    if otherwise is None:
        otherwise = np.zeros(momdp.n_rows)
        otherwise[momdp.row_ptr[:-1][~momdp.terminal]] = 1.0
    some = sums[owner] > 1e-14
    return np.where(some, uses / np.where(some, sums[owner], 1.0), otherwise)

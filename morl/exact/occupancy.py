"""Occupancy measures: how often each state-action pair is used, and linear programs over them.

With x(s, a) the expected discounted number of uses of a row, every achievable return is ``Σ x · reward`` for an x
that satisfies the flow equations, and every such x is a stochastic policy (Puterman 1994, section 6.9). The
program has one variable per row: an independent check of the other solvers, good for about 1e5 rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from morl.exact.graph import end_components, reachable_states, resting_states
from morl.exact.policy import as_stochastic
from morl.exact.unroll import Unrolled, unroll
from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray, ModelError

if TYPE_CHECKING:
    from morl.exact.columns import Maximum
    from morl.exact.programs import Constraint
    from morl.utility import Utility


class Flow:
    """The flow equations of an infinite-horizon model: ``matrix @ x == start``, x >= 0.

    The columns are the rows of reachable live states, then (γ = 1) the states in which one may rest for ever.
    """

    def __init__(self, momdp: MOMDP) -> None:
        self.momdp = momdp
        live = reachable_states(momdp) & ~momdp.terminal
        self.states = np.flatnonzero(live)
        self.rows = np.flatnonzero(live[momdp.row_state])
        rest = np.zeros(0, dtype=np.int64)
        if momdp.discount == 1.0 and end_components(momdp).count:
            rest = np.flatnonzero(resting_states(momdp)[0])
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

    def solve(self, cost: FloatArray, columns: IntArray | None = None) -> Any:
        """Minimise ``cost · x`` over flows that use only some columns."""
        from scipy.optimize import linprog  # slow to import

        matrix = self.matrix if columns is None else self.matrix[:, columns]
        result = linprog(
            cost if columns is None else cost[columns],
            A_eq=matrix,
            b_eq=self.start,
            bounds=(0, None),
            method="highs-ds",
        )
        if result.status == 3:
            raise ModelError("with discount 1 the total is unbounded; give a discount below 1 or a horizon")
        if result.status == 2:
            raise ModelError(
                "with discount 1 every policy collects reward for ever from some start; "
                "give a discount below 1 or a horizon"
            )
        if result.status != 0:
            raise ModelError(f"occupancy program: HiGHS stopped with {result.message!r}")
        return result

    def shortest_best(self, w: FloatArray) -> FloatArray:
        """A best flow for the weights ``w`` that takes the fewest steps: a second program on the optimal face."""
        cost = -(self.rewards @ w)
        scale = max(float(np.abs(cost).max(initial=0.0)), 1e-300)
        first = self.solve(cost / scale)
        reduced = cost / scale - self.matrix.T @ first.eqlin.marginals
        columns = np.flatnonzero(reduced <= 1e-8)
        second = self.solve(np.ones(len(cost)), columns)
        visits = np.zeros(len(cost))
        visits[columns] = second.x
        return visits

    def policy(self, visits: FloatArray, otherwise: IntArray) -> IntArray:
        """The most used action of every visited state; ``otherwise`` elsewhere, and where the flow rests."""
        policy = np.array(otherwise)
        used = visits[: len(self.rows)]
        owner = self.momdp.row_state[self.rows]
        best = np.zeros(self.momdp.n_states)
        rested = np.zeros(self.momdp.n_states)
        rested[self.rest] = visits[len(self.rows) :]
        for i in np.flatnonzero(used > 1e-9):
            s = owner[i]
            if used[i] > max(best[s], rested[s]):
                best[s] = used[i]
                policy[s] = self.rows[i] - self.momdp.row_ptr[s]
        return policy


def occupancy_lp(momdp: MOMDP, objective: Utility | ArrayLike, constraints: Iterable[Constraint] | str = ()) -> Maximum:
    """The best stochastic policy for a utility of the expected return, as one linear program.

    Args:
        objective: a :class:`~morl.utility.Utility`, or weights ``(K,)``.
        constraints: as for :func:`~morl.exact.columns.maximise`, which scales further.

    Raises:
        ModelError: infeasible constraints, an unbounded total, or more than 3 million copies of states.
    """
    from morl.exact.columns import Maximum
    from morl.exact.policy import Mixture
    from morl.exact.programs import Block, parse_constraints, utility_blocks
    from morl.utility import Utility

    unrolled = None if momdp.horizon is None else unroll(momdp)
    model = momdp if unrolled is None else unrolled.model
    bounds = parse_constraints(constraints, momdp)
    if isinstance(objective, Utility):
        blocks = utility_blocks(objective, momdp.k)
    else:
        gain = np.asarray(objective, dtype=np.float64)
        blocks = [Block(gain, np.zeros(0), np.zeros((0, 0)), np.zeros((0, momdp.k)), np.zeros(0))]
    flow = Flow(model)
    solved = [_block_program(flow, block, bounds.matrix, bounds.bound) for block in blocks]
    visits, score = max(solved, key=lambda pair: pair[1])
    value = visits @ flow.rewards
    policy = _policy_of(model, flow.rows, visits[: len(flow.rows)])
    if unrolled is not None:
        policy = unrolled.timed_stochastic(momdp, policy)
    utility = float(objective(value)) if isinstance(objective, Utility) else float(blocks[0].gain @ value)
    return Maximum(Mixture([policy], [1.0]), policy, value, utility, max(score - utility, 0.0), len(blocks))


def _block_program(flow: Flow, block: Any, matrix: FloatArray, bound: FloatArray) -> tuple[FloatArray, float]:
    """Maximise one block over flows: visits ``(columns,)`` and the optimum."""
    from scipy.optimize import linprog  # slow to import

    y, n = len(block.cost), flow.matrix.shape[1]
    upper = sparse.csr_array(
        np.vstack(
            [
                np.hstack([block.on_x @ flow.rewards.T, block.on_y]),
                np.hstack([-matrix @ flow.rewards.T, np.zeros((len(bound), y))]),
            ]
        )
    )
    limit = np.concatenate([block.bound, -bound])
    result = linprog(
        -np.concatenate([flow.rewards @ block.gain, block.cost]),
        A_ub=upper if len(limit) else None,
        b_ub=limit if len(limit) else None,
        A_eq=sparse.hstack([flow.matrix, sparse.csr_array((len(flow.start), y))]),
        b_eq=flow.start,
        bounds=[(0, None)] * n + [(None, None)] * y,
        method="highs",
    )
    if result.status != 0:
        raise ModelError(f"occupancy program: HiGHS stopped with {result.message!r}; maximise() explains infeasibility")
    return np.asarray(result.x[:n]), block.constant - float(result.fun)


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


def _flatten(unrolled: Unrolled, policy: IntArray) -> IntArray:
    return np.append(np.asarray(policy)[unrolled.decision, unrolled.state], 0)


def _average(momdp: MOMDP, policies: Sequence[Any], probabilities: FloatArray) -> FloatArray:
    total = np.zeros(momdp.n_rows)
    for policy, p in zip(policies, probabilities, strict=True):
        total += p * row_visits(momdp, policy)
    base = as_stochastic(momdp, policies[0])
    return _policy_of(momdp, np.arange(momdp.n_rows), total, base)


def row_visits(momdp: MOMDP, policy: ArrayLike) -> FloatArray:
    """Expected discounted uses of each row, ``(rows,)``, under a stationary policy (states of rest: once)."""
    from morl.exact.bellman import endless_classes, induced_chain, solve_chain

    used = as_stochastic(momdp, policy)
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


def _policy_of(momdp: MOMDP, rows: IntArray, visits: FloatArray, otherwise: FloatArray | None = None) -> FloatArray:
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

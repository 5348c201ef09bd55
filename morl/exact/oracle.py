"""The best policy for one weight, by Howard's policy iteration: the plain oracle of the exact solvers.

It favours being right on any model of moderate size (dense or sparse linear solves); large discounted
models belong to :func:`morl.exact.coverage.weights.solve_weight`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from morl.exact.bellman import Value, chain_value, evaluate, policy_value
from morl.exact.deadline import check
from morl.exact.ending import Ending, find_ending
from morl.exact.passes import Passes
from morl.momdp import MOMDP
from morl.spec import BoolArray, FloatArray, IntArray, ModelError, check_vector

_ROUNDS = 10_000
_SWEEPS = 400  # at most, between evaluations
_KEPT = 40  # policies from which a search may begin


class Unbounded(ModelError):
    """γ = 1, and the weighted total of policies that come to an end has no upper bound."""


class Oracle:
    """Best policies of one model, for one weight after another: each search begins at the best policy known.

    Args:
        deadline: ``time.monotonic()`` from which every question is answered by :class:`~morl.exact.deadline.OutOfTime`.

    Raises:
        ModelError: γ = 1 and totals do not exist (see :mod:`morl.exact.ending`).
    """

    def __init__(self, momdp: MOMDP, deadline: float = math.inf) -> None:
        self.momdp, self.deadline = momdp, deadline
        self.ending: Ending | None = None
        self.model = momdp
        if momdp.horizon is None and momdp.discount == 1.0:
            self.ending = find_ending(momdp)
            self.model = self.ending.model
        self.passes = Passes.of(self.model) if momdp.horizon is None else None
        self.known: list[Known] = []

    def ask(self, w: FloatArray) -> tuple[IntArray, FloatArray]:
        """A best policy for weights ``w (K,)`` of any signs, and its start value ``(K,)``.

        Raises:
            Unbounded: with discount 1 there is none for these weights.
            OutOfTime: the deadline has passed.
        """
        if self.momdp.horizon is not None:
            policy, value = _backward(self.momdp, w, self.deadline)
            return policy, value.start
        found = self.search(w)
        return self.policy(found.rows), self.model.start @ found.values

    def search(self, w: FloatArray) -> Known:
        """The same without a horizon, as rows of the reduced model."""
        start = self.model.start
        if not self.known:
            self.begin()
        begin = max(self.known, key=lambda x: float(start @ x.values @ w))
        found = improve(self.model, w, begin, self.deadline, self.passes)
        self.known = [*self.known[-_KEPT:], found]
        return found

    def begin(self) -> Known:
        """A first policy; with γ = 1 one that comes to an end."""
        live = np.flatnonzero(~self.model.terminal)
        proper = self.ending is not None and not self.ending.always
        rows = self.ending.first()[live] if self.ending is not None and proper else self.model.row_ptr[:-1][live]
        self.known = [Known.evaluate(self.model, live, rows, self.passes)]
        return self.known[0]

    def policy(self, rows: IntArray) -> IntArray:
        """The policy ``(S,)`` of the model asked about, for rows of the reduced one."""
        actions = np.zeros(self.model.n_states, dtype=np.int64)
        live = ~self.model.terminal
        actions[live] = rows - self.model.row_ptr[:-1][live]
        return actions if self.ending is None else self.ending.lift(actions)


@dataclass(frozen=True, eq=False)
class Known:
    """A policy and what it is worth.

    Args:
        rows: of the live states, ``values (S, K)``, with a bound on their error.
        life: the longest expected number of decisions from any state.
        short: where it is the best for some weights: no policy is better by more, in units of ``w · value``. This is
            the largest rise that a change of one action still promises, for each decision of the life.
    """

    rows: IntArray
    values: FloatArray
    error: float
    life: float
    short: float = math.inf

    @classmethod
    def evaluate(cls, model: MOMDP, live: IntArray, rows: IntArray, passes: Passes | None = None) -> Known:
        """The policy with these rows, one per live state; NaN where it does not come to an end."""
        if passes is not None:
            used = np.zeros(model.n_rows)
            used[rows] = 1.0
            found = policy_value(passes, model, used)
            if found is not None:
                return cls(rows, *found)
        chain = _pick(model.transitions, live, rows, model.n_states)
        rewards = np.zeros((model.n_states, model.k))
        rewards[live] = model.rewards[rows]
        return cls(rows, *chain_value(model, chain, rewards))


def _pick(matrix: sparse.csr_array, live: IntArray, rows: IntArray, n: int) -> sparse.csr_array:
    """Rows of a matrix as the rows ``live`` of a square one."""
    chosen = matrix[rows]
    counts = np.zeros(n, dtype=chosen.indptr.dtype)
    counts[live] = np.diff(chosen.indptr)
    square = sparse.csr_array((chosen.data, chosen.indices, np.concatenate([[0], np.cumsum(counts)])), shape=(n, n))
    square.eliminate_zeros()
    return square


def best_policy(momdp: MOMDP, weights: ArrayLike, deadline: float = math.inf) -> tuple[IntArray, Value]:
    """A deterministic policy that maximises the weighted return, and its value.

    Args:
        weights: ``(K,)``, any signs; they need not sum to 1.
        deadline: ``time.monotonic()`` at which to give up.

    Returns:
        Integers ``(S,)``, or ``(T, S)`` where the model has a horizon, and the :class:`Value`; with γ = 1 the best
        among policies that come to an end (see :mod:`morl.exact.ending`).

    Raises:
        ModelError: γ = 1 and the best total does not exist.
        OutOfTime: the deadline has passed.
    """
    w = check_vector(weights, momdp.k, "weights")
    if momdp.horizon is not None:
        return _backward(momdp, w, deadline)
    oracle = Oracle(momdp, deadline)
    found = oracle.search(w)
    if oracle.ending is None:
        return oracle.policy(found.rows), Value(momdp.start @ found.values, found.values, found.error)
    states = np.full((momdp.n_states, momdp.k), np.nan)
    states[momdp.terminal] = 0.0
    kept = oracle.ending.state >= 0
    states[kept] = found.values[oracle.ending.state[kept]]
    return oracle.policy(found.rows), Value(oracle.model.start @ found.values, states, found.error)


def improve(
    model: MOMDP, w: FloatArray, begin: Known, deadline: float = math.inf, passes: Passes | None = None
) -> Known:
    """Modified policy iteration (Puterman & Shin 1978) from a policy, until no change of one action is better.

    With γ = 1 the first policy must come to an end. Then every later one does. Sweeps of all states together, or passes
    over one state after the other, only raise values, and a state that rises takes the action that raised it. On a
    class of states that the new policy never leaves the mean of w · reward is the mean of what another sweep would add,
    which is not negative; where no total is unbounded it is 0. Then each state of the class rose later than all its
    successors (in a pass: but itself), or never; so none did, and the old policy never left the class either.

    Raises:
        Unbounded: γ = 1, and such a class was found: its weighted total grows without bound.
        OutOfTime: the deadline has passed.
    """
    live = np.flatnonzero(~model.terminal)
    reward = model.rewards @ w
    tiny = 1e-13 * max(float(np.abs(reward).max(initial=0.0)), 1e-300)
    now = begin
    for _ in range(_ROUNDS):
        scalar = now.values @ w
        noise = tiny + 4e-15 * float(np.abs(scalar).max(initial=0.0))
        rows, most = (
            _sweep_up(model, reward, scalar, now.rows, noise)
            if passes is None
            else _pass_up(passes, live, reward, scalar, now.rows, noise)
        )
        if rows is None:
            break
        check(deadline, "improving a policy")
        fresh = Known.evaluate(model, live, rows, passes)
        if np.isnan(fresh.values).any():
            if (w < 0).any():
                names = ", ".join(repr(o.name) for o, x in zip(model.objectives or (), w, strict=True) if x < 0)
                raise Unbounded(
                    f"with discount 1 low totals of {names} are asked for, and there are policies that fall below any "
                    "bound; give a discount below 1 or a horizon, or no upper bound on it"
                )
            tiny = 100.0 * tiny  # only rounding can have done that
            continue
        now = fresh
    return replace(now, short=most * (1.0 + now.life))


def _sweep_up(
    model: MOMDP, reward: FloatArray, values: FloatArray, rows: IntArray, noise: float
) -> tuple[IntArray | None, float]:
    """Rows of a better policy after sweeps until actions settle, ``None`` if there is none, and the first rise left."""
    live, owner = ~model.terminal, model.row_state
    starts = model.row_ptr[:-1][live]
    first, most, quiet = rows, 0.0, 0
    v = np.array(values)
    for sweep in range(_SWEEPS if len(starts) else 0):
        per_row = reward + model.discount * (model.transitions @ v)
        top = np.maximum.reduceat(per_row, starts)
        if sweep == 0:
            most = max(float((top - v[live]).max()), 0.0)
        rises = top > v[live] + noise
        if not rises.any():
            break
        rises &= per_row[rows] < top
        best = _first_best(per_row, top, owner, live)
        v[live] = np.where(top > v[live] + noise, top, v[live])
        quiet = 0 if rises.any() else quiet + 1
        rows = np.where(rises, best, rows)
        if quiet > 2:
            break
    return (None if rows is first else rows), most


def _pass_up(
    passes: Passes, live: IntArray, reward: FloatArray, values: FloatArray, rows: IntArray, noise: float
) -> tuple[IntArray | None, float]:
    """The same by passes over the states in their order."""
    full = np.full(len(passes.order), -1, dtype=np.int64)
    full[live] = rows
    v = np.array(values)
    any_changed, most, quiet = False, 0.0, 0
    for count in range(_SWEEPS):
        rose, changed, step = passes.improve(reward, v, full, noise)
        most = step if count == 0 else most
        any_changed |= changed
        quiet = 0 if changed else quiet + 1
        if not rose or quiet > 2:
            break
    return (full[live] if any_changed else None), most


def _first_best(per_row: FloatArray, top: FloatArray, owner: IntArray, live: BoolArray) -> IntArray:
    """The first best row of each live state."""
    best = np.zeros(len(live))
    best[live] = top
    hit = np.flatnonzero(per_row >= best[owner])
    new = np.ones(len(hit), dtype=bool)
    new[1:] = owner[hit[1:]] != owner[hit[:-1]]
    return hit[new]


def _backward(momdp: MOMDP, w: FloatArray, deadline: float = math.inf) -> tuple[IntArray, Value]:
    """Backward induction over the horizon."""
    horizon = momdp.horizon or 0
    live = ~momdp.terminal
    starts, owner = momdp.row_ptr[:-1][live], momdp.row_state
    values = np.zeros((momdp.n_states, momdp.k))
    table = np.zeros((horizon, momdp.n_states), dtype=np.int64)
    for t in reversed(range(horizon)):
        check(deadline, "improving a policy")
        q = momdp.rewards + momdp.discount * (momdp.transitions @ values)
        if not len(starts):
            break
        scalar = q @ w
        rows = _first_best(scalar, np.maximum.reduceat(scalar, starts), owner, live)
        table[t, live] = rows - starts
        values = np.zeros_like(values)
        values[live] = q[rows]
    return table, evaluate(momdp, table)

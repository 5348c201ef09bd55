"""A MOMDP made ready for the sweeps: reachable states only, compact arrays, and the constants of the error bounds.

The bounds rest on one number, the *life* h(s): an upper bound on the expected discounted number of decisions
from s, under any policy. If a table V satisfies TV − V <= c then V* <= TV + c·(h − 1) (MacQueen 1966 for
h = 1/(1 − γ); for γ = 1 the function h is found by policy iteration and proves that every policy ends).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from morl.compiled import enabled, jit
from morl.exact.graph import reachable_states
from morl.momdp import MOMDP
from morl.spec import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from morl.exact.ending import Ending
    from morl.exact.oracle import Oracle

_ROUNDING = 8e-16


@dataclass(frozen=True, eq=False)
class Prepared:
    """A reduced model, without states that no policy reaches; with γ = 1 the one of :mod:`morl.exact.ending`.

    Args:
        states: ``(S',)`` number of each kept state in the original model, ``None`` where all are kept.
        live: ``(S',)`` false for terminal states.
        start_states: states of positive start probability, ``start`` their probabilities.
        tail: Σ μ(s)·(h(s) − 1) over live states: decisions after the first, at most.
        life: the largest h(s).
        clip: true where some state is terminal: then bounds on a change must include 0.
        rounding: relative size of floating-point noise in one sweep, and of row sums that miss 1.
        ending: how the model was made from one with γ = 1 and no horizon; then ``momdp`` is its result.
        oracle: set where policies of that model may never come to an end: ``life`` is then that of one that does.
    """

    momdp: MOMDP
    indptr: IntArray
    indices: np.ndarray
    data: FloatArray
    rewards: FloatArray
    row_ptr: IntArray
    discount: float
    horizon: int | None
    live: BoolArray
    states: IntArray | None
    start_states: IntArray
    start: FloatArray
    tail: float
    life: float
    clip: bool
    rounding: float
    ending: Ending | None = None
    oracle: Oracle | None = None

    def __post_init__(self) -> None:
        # Like the model's own arrays, which these may be: compiled code is compiled once for both.
        for array in (self.indptr, self.indices, self.data, self.rewards, self.row_ptr):
            array.flags.writeable = False

    @property
    def n(self) -> int:
        """Number of kept states."""
        return len(self.live)

    @property
    def k(self) -> int:
        """Number of objectives."""
        return int(self.rewards.shape[1])

    @functools.cached_property
    def largest(self) -> float:
        """Bound on the size of any value."""
        return float(np.abs(self.rewards).max(initial=0.0)) * self.life

    @property
    def floor(self) -> float:
        """What floating-point arithmetic may add to the error of a start value."""
        return self.rounding * self.largest * (1.0 + self.tail)

    def at_start(self, values: FloatArray) -> FloatArray:
        """Expectation over the start distribution of ``values (S', …)``."""
        if len(self.start) == 1:
            return np.asarray(self.start[0] * values[self.start_states[0]])
        return np.asarray(self.start @ values[self.start_states])

    def lift(self, rows: np.ndarray) -> np.ndarray:
        """Action numbers for the original states ``(S,)`` (0 where unreachable) from rows ``(S',)``."""
        actions = np.where(self.live, rows - self.row_ptr[:-1], 0)
        most = int(self.momdp.n_actions.max(initial=1))
        small = np.int8 if most < 128 else np.int16 if most < 32768 else np.int32
        if self.states is None:
            actions = actions.astype(small)
            return np.asarray(actions) if self.ending is None else self.ending.lift(actions)
        full = np.zeros(self.momdp.n_states, dtype=small)
        full[self.states] = actions
        return full


def reduce_model(m: MOMDP, keep: BoolArray) -> Prepared:
    """The model on the states ``keep``; transitions that leave them lead to states worth zero."""
    matrix = m.transitions
    gamma = m.discount
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    off = float(np.abs(sums - 1.0).max(initial=0.0))
    longest = int(np.diff(matrix.indptr).max(initial=0))
    if m.horizon is not None:
        life = float(m.horizon)
    else:
        life = 1.0 / (1.0 - gamma) if gamma < 1.0 else np.inf
    states = None
    row_ptr, rewards = m.row_ptr, m.rewards
    if not keep.all():
        states = np.flatnonzero(keep)
        rows = keep[m.row_state]
        matrix = sparse.csr_array(matrix[rows][:, states])
        rewards = np.ascontiguousarray(rewards[rows])
        row_ptr = np.concatenate([[0], np.cumsum(m.n_actions[keep])])
    live = np.diff(row_ptr) > 0
    start = m.start if states is None else m.start[states]
    used = np.flatnonzero(start > 0)
    return Prepared(
        momdp=m,
        indptr=np.ascontiguousarray(matrix.indptr, dtype=np.int64),
        indices=np.ascontiguousarray(matrix.indices, dtype=np.int32),
        data=np.ascontiguousarray(matrix.data),
        rewards=rewards,
        row_ptr=np.ascontiguousarray(row_ptr, dtype=np.int64),
        discount=gamma,
        horizon=m.horizon,
        live=live,
        states=states,
        start_states=used,
        start=start[used],
        tail=(life - 1.0) * float(start[used][live[used]].sum()),
        life=life,
        clip=gamma == 1.0 or not live.all(),
        rounding=_ROUNDING * (1.0 + 0.25 * longest) + off,
    )


def reachable(m: MOMDP) -> BoolArray:
    if not enabled():
        return reachable_states(m)
    seen = m.start > 0
    _spread(m.transitions.indptr, m.transitions.indices, m.transitions.data, m.row_ptr, seen)
    return np.asarray(seen)


@jit
def _spread(indptr, indices, data, row_ptr, seen):  # type: ignore[no-untyped-def]
    """Mark every state that the marked ones reach."""
    stack = np.empty(len(seen), np.int64)
    top = 0
    for s in range(len(seen)):
        if seen[s]:
            stack[top] = s
            top += 1
    while top > 0:
        top -= 1
        s = stack[top]
        for i in range(indptr[row_ptr[s]], indptr[row_ptr[s + 1]]):
            t = indices[i]
            if data[i] > 0.0 and not seen[t]:
                seen[t] = True
                stack[top] = t
                top += 1

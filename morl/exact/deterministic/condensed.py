"""A small dense form of a model in which states can be eliminated exactly, one after the other.

Eliminating a state whose action is chosen replaces every step into it by what follows from it: what remains
is again a (sub-stochastic) decision process with the same values. The subtraction ``1 − p(s, s)`` is done as
the sum of the other probabilities (Grassmann, Taksar & Heyman 1985), so nothing cancels, however close γ is
to 1, and a closed class shows as an exact zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from morl.exact.graph import end_components, reachable_states
from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray, ModelError


@dataclass(frozen=True)
class Condensed:
    """Reachable, non-terminal states of an infinite-horizon model, with the start as one more row.

    Args:
        states: the states kept, ``(n,)``, in the order in which they are to be eliminated.
        actions: the actions of each, ``(n,)``.
        table: ``(rows + 1, n + sinks + K (+ K))``: discounted probabilities of the kept states, of the sinks,
            then rewards (then absolute rewards where γ = 1 and a policy may never end). The rows of state i
            follow those of state i − 1; the last row is the start.
        sinks: 1, or 4 where a policy may never end: ended, minus infinity, plus infinity, no limit.
        k: K.
    """

    states: IntArray
    actions: IntArray
    table: FloatArray
    sinks: int
    k: int

    @property
    def endless(self) -> bool:
        """True where γ = 1 and some policy may never end."""
        return self.sinks == 4

    @property
    def n_policies(self) -> float:
        """The number of choices over the kept states."""
        return float(np.prod(self.actions.astype(np.float64)))


def condense(momdp: MOMDP, max_entries: float = 2e8) -> Condensed:
    """The condensed form; states with one action come first, then by number of actions.

    Raises:
        ModelError: the model has a horizon, or the table would exceed ``max_entries`` numbers.
    """
    if momdp.horizon is not None:
        raise ModelError(
            f"stationary policies of a model with horizon {momdp.horizon} are not its natural class; "
            "use policies='markov', or momdp.with_horizon(None)"
        )
    kept = np.flatnonzero(reachable_states(momdp) & ~momdp.terminal)
    kept = kept[np.argsort(momdp.n_actions[kept], kind="stable")]
    endless = momdp.discount == 1.0 and end_components(momdp).count > 0
    sinks = 4 if endless else 1
    n, k = len(kept), momdp.k
    rows = np.concatenate([np.arange(momdp.row_ptr[s], momdp.row_ptr[s + 1]) for s in kept] or [np.zeros(0, int)])
    rows = rows.astype(np.int64)
    width = n + sinks + k * (2 if endless else 1)
    if (len(rows) + 1.0) * width > max_entries:
        raise ModelError(
            f"a dense table of {len(rows) + 1} x {width} numbers is needed; more than {max_entries:.0e} are refused"
        )
    table = np.zeros((len(rows) + 1, width))
    if n:
        transitions = momdp.transitions[rows]
        table[:-1, :n] = momdp.discount * transitions[:, kept].toarray()
        ended = transitions[:, np.flatnonzero(momdp.terminal)].sum(axis=1)
        table[:-1, n] = (1.0 - momdp.discount) + momdp.discount * np.asarray(ended).ravel()
        if momdp.discount == 0.0:
            table[:-1, n] = 1.0
        rewards = momdp.rewards[rows]
        table[:-1, n + sinks : n + sinks + k] = rewards
        if endless:
            table[:-1, n + sinks + k :] = np.abs(rewards)
        table[-1, :n] = momdp.start[kept]
    return Condensed(kept, momdp.n_actions[kept], table, sinks, k)


def eliminate(table: FloatArray, first: int, count: int, action: int, sinks: int, k: int) -> FloatArray:
    """Eliminate the first remaining state under one action, for a batch of tables.

    Args:
        table: ``(R, C, B)``: B variants of the remaining rows; column 0 is the state to eliminate.
        first: its first row.
        count: the number of its rows.
        action: the row to use among them.

    Returns:
        ``(R − count, C − 1, B)``.
    """
    chosen = table[first + action]
    others = np.concatenate([table[:first], table[first + count :]]) if first else table[count:]
    width = table.shape[1]
    probabilities = width - k * (2 if sinks == 4 else 1)
    leave = chosen[1:probabilities].sum(axis=0)
    closed = leave == 0.0
    if not closed.any():
        return np.asarray(others[:, 1:] + others[:, :1] * (chosen[1:] / leave))
    step = np.where(closed, 0.0, chosen[1:] / np.where(closed, 1.0, leave))
    sink = _sink(chosen[probabilities : probabilities + k], chosen[probabilities + k :])
    for j in range(4):
        step[probabilities - 1 - sinks + j] += closed & (sink == j)
    return np.asarray(others[:, 1:] + others[:, :1] * step)


def _sink(rewards: FloatArray, sizes: FloatArray) -> IntArray:
    """What never terminating is worth ``(B,)``: 0 nothing, 1 minus infinity, 2 plus infinity, 3 no limit."""
    small = 1e-12 * sizes
    negative = (rewards < -small).any(axis=0)
    positive = (rewards > small).any(axis=0)
    nothing = (sizes == 0).all(axis=0)
    return np.where(nothing, 0, np.where(positive, 2, np.where(negative, 1, 3))).astype(np.int64)

"""Look-up tables of a finite model, in the two shapes that stepping needs: numpy for batches, plain arrays for one."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.momdp import MOMDP
from morl.spec import BoolArray, FloatArray, IntArray

_WIDE = 8
"""Rows with at most this many outcomes are drawn by comparing with every cumulative probability at once."""

_KEPT = 65_536
"""States whose records are kept for stepping single environments; some tens of megabytes."""


@dataclass(frozen=True, eq=False)
class Tables:
    """A model laid out by *outcome*: row r of the model owns the outcomes ``first[r] … first[r + 1] − 1``.

    Where every row has one outcome (``random`` is false), outcome numbers are row numbers.

    Args:
        n_actions: the largest number of actions of any state.
        ragged: whether states differ in their actions.
        random: whether any row has more than one outcome.
        row_ptr: ``(S + 1,)`` first row of each state.
        first: ``(rows + A + 1,)`` first outcome of each row. The A rows at the end are padding, so that looking up
            an action of a last, terminal state (of an environment about to restart) stays inside the table.
        target: ``(outcomes + A,)`` next state.
        rewards: ``(outcomes + A, K)``.
        cumulative: ``(outcomes + A,)`` probability of this outcome or an earlier one of its row; the last one is 2.
        forks: ``(rows + A,)`` whether a row has more than one outcome; random numbers are drawn for these only.
        terminal: ``(S,)``.
        counts: ``(S,)`` actions of each state.
        start_states, start_cumulative: the start distribution.
    """

    n_actions: int
    ragged: bool
    random: bool
    row_ptr: IntArray
    first: IntArray
    target: IntArray
    rewards: FloatArray
    cumulative: FloatArray
    forks: BoolArray
    terminal: BoolArray
    counts: IntArray
    start_states: IntArray
    start_cumulative: FloatArray
    thresholds: FloatArray | None

    def draw_starts(self, n: int, rng: np.random.Generator) -> IntArray:
        """``n`` start states, drawing one number for each where there are several to begin in."""
        if len(self.start_states) == 1:
            return np.repeat(self.start_states, n)
        return self.start_states[np.searchsorted(self.start_cumulative, rng.random(n), side="right")]

    def choose(self, rows: IntArray, rng: np.random.Generator) -> IntArray:
        """The outcome of each row, ``(n,)``, drawing one number for every row that has several."""
        outcomes = self.first[rows]
        forks = self.forks[rows].nonzero()[0]
        if len(forks) == 0:
            return outcomes
        at = rows[forks]
        uniform = rng.random(len(forks))
        if self.thresholds is None:  # the ranges of all rows, one after the other, form one increasing sequence
            found = np.searchsorted(self._increasing(), at + uniform, side="right")
            outcomes[forks] = np.clip(found, self.first[at], self.first[at + 1] - 1)
        elif self.thresholds.shape[1] == 1:
            outcomes[forks] += uniform >= self.thresholds[at, 0]
        else:
            outcomes[forks] += (uniform[:, None] >= self.thresholds[at]).sum(axis=1)
        return outcomes

    def _increasing(self) -> FloatArray:
        cached = self.__dict__.get("_ranges")
        if cached is None:
            row = np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))
            cached = row + np.minimum(self.cumulative, 1.0)
            object.__setattr__(self, "_ranges", cached)
        return np.asarray(cached)


Record = tuple[Any, Any, Any]
"""What an action does: ``(code, observation, reward)``, or ``(None, cumulative probabilities, records)`` at a fork.

``code`` is the next state, or −2 − state where that state is terminal. Arrays are templates, to be copied.
"""


class OutcomeCache:
    """The actions of states as tuples of records, for stepping one environment: entries are made when first needed.

    ``by_state`` is a plain dictionary (a subclass would be looked up four times slower); :meth:`fill` adds to it.

    Args:
        tables: the model's tables.
        observations: ``(S, ...)``.
    """

    def __init__(self, tables: Tables, observations: np.ndarray[Any, Any]) -> None:
        self.by_state: dict[int, tuple[Record, ...]] = {}
        self._tables, self._observations = tables, observations
        self._rewards: dict[bytes, FloatArray] = {}  # equal rewards, and what a state shows, are one array each:
        self._seen: dict[int, Any] = {}  # few arrays stay in the processor's cache

    def fill(self, state: int) -> tuple[Record, ...]:
        """The records of a state that has none yet."""
        if len(self.by_state) >= _KEPT:
            self.by_state.clear()
            self._seen.clear()
        tables = self._tables
        rows = range(int(tables.row_ptr[state]), int(tables.row_ptr[state + 1]))
        entry = tuple(self._record(int(tables.first[row]), int(tables.first[row + 1])) for row in rows)
        self.by_state[state] = entry
        return entry

    def _record(self, first: int, end: int) -> Record:
        if end - first > 1:
            return None, self._tables.cumulative[first:end].tolist(), tuple(self._one(i) for i in range(first, end))
        return self._one(first)

    def _one(self, outcome: int) -> Record:
        tables = self._tables
        target = int(tables.target[outcome])
        seen = self._seen.get(target)
        if seen is None:
            shown = self._observations[target]
            seen = self._seen[target] = shown.item() if self._observations.ndim == 1 else shown.copy()
        reward = tables.rewards[outcome].copy()
        reward = self._rewards.setdefault(reward.tobytes(), reward)
        return (-2 - target if tables.terminal[target] else target), seen, reward


_TABLES: weakref.WeakKeyDictionary[MOMDP, Tables] = weakref.WeakKeyDictionary()
_CACHES: weakref.WeakKeyDictionary[Tables, tuple[np.ndarray[Any, Any], OutcomeCache]] = weakref.WeakKeyDictionary()


def tables_of(model: MOMDP) -> Tables:
    """The tables of a model, built once and shared by all environments of it."""
    if model not in _TABLES:
        _TABLES[model] = _build(model)
    return _TABLES[model]


def outcomes_of(tables: Tables, observations: np.ndarray[Any, Any]) -> OutcomeCache:
    """The records of a model under some observations, shared by the environments that show the same ones."""
    kept = _CACHES.get(tables)
    if kept is None or kept[0] is not observations:
        kept = _CACHES[tables] = (observations, OutcomeCache(tables, observations))
    return kept[1]


def _build(model: MOMDP) -> Tables:
    matrix, counts = model.transitions, model.n_actions
    indptr = matrix.indptr.astype(np.int64)
    per_row = np.diff(indptr)
    live = counts[counts > 0]
    random = bool((per_row > 1).any())
    outcome_rewards = model.outcome_rewards
    rewards = np.repeat(model.rewards, per_row, axis=0) if outcome_rewards is None else outcome_rewards
    cumulative = _cumulative(matrix.data, indptr)
    widest = int(per_row.max()) if len(per_row) else 1
    pad = int(counts.max(initial=1))
    thresholds = None
    if random and widest <= _WIDE:
        thresholds = np.full((len(per_row) + pad, widest - 1), 2.0)
        row = np.repeat(np.arange(len(per_row)), per_row)
        rank = np.arange(len(row)) - indptr[row]
        inner = rank < widest - 1
        thresholds[row[inner], rank[inner]] = cumulative[inner]
    start_states = np.flatnonzero(model.start > 0)
    start_cumulative = np.cumsum(model.start[start_states])
    start_cumulative[-1] = 2.0
    return Tables(
        n_actions=pad,
        ragged=bool(len(live) and live.min() != live.max()),
        random=random,
        row_ptr=model.row_ptr,
        first=np.append(indptr, indptr[-1] + np.arange(1, pad + 1)),
        target=np.append(matrix.indices.astype(np.int64), np.zeros(pad, dtype=np.int64)),
        rewards=np.concatenate([rewards, np.zeros((pad, model.k))]),
        cumulative=np.append(cumulative, np.full(pad, 2.0)),
        forks=np.append(per_row > 1, np.zeros(pad, dtype=bool)),
        terminal=model.terminal,
        counts=counts,
        start_states=start_states,
        start_cumulative=start_cumulative,
        thresholds=thresholds,
    )


def _cumulative(data: FloatArray, indptr: IntArray) -> FloatArray:
    """Cumulative probability within each row; 2 from where it reaches 1, so that rounding never falls off the end."""
    within = data.copy()
    counts = np.diff(indptr)
    for rank in range(1, int(counts.max(initial=1))):  # rank by rank: one running sum over all rows would lose digits
        at = indptr[:-1][counts > rank] + rank
        within[at] += within[at - 1]
    within[within > 1.0 - 1e-12] = 2.0
    within[indptr[1:] - 1] = 2.0
    return within

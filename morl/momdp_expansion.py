"""From a simulator to the arrays of a :class:`~morl.momdp.MOMDP`: every state that can be reached, breadth first."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from morl.momdp_validation import real_array
from morl.spec import FloatArray, IntArray, ModelError

State = Hashable
Outcome = tuple[float, State, Sequence[float], bool]
"""``(probability, next state, reward vector, terminated)``."""


def expand(
    start: State | list[tuple[float, State]],
    n_actions: int | Callable[[Any], int],
    outcomes: Callable[[Any, int], Iterable[Outcome]],
    max_states: int,
) -> tuple[sparse.csr_array, FloatArray, IntArray, FloatArray, list[State]]:
    """Transitions ``(rows, S)``, outcome rewards ``(nnz, K)``, row_ptr, start ``(S,)`` and the states.

    Arguments as for :meth:`morl.momdp.MOMDP.from_simulator`.

    Raises:
        ModelError: more than ``max_states`` states, or outcomes that are not of that form.
    """
    starts = start if isinstance(start, list) else [(1.0, start)]
    found = _Found(max_states)
    first = [(p, found.number(s, False)) for p, s in starts]
    row_ptr, indptr = [0], [0]
    columns: list[int] = []
    data: list[float] = []
    rewards: list[Sequence[float]] = []
    for state, ended in found:
        count = 0 if ended else (n_actions(state) if callable(n_actions) else n_actions)
        if not isinstance(count, int | np.integer) or count < 0:
            raise ModelError(f"state {state!r} has {count!r} actions; expected a whole number")
        for a in range(count):
            for p, target, reward, done in map(as_outcome, outcomes(state, a)):
                columns.append(found.number(target, done))
                data.append(p)
                rewards.append(reward)
            indptr.append(len(columns))
        row_ptr.append(len(indptr) - 1)
    n = len(found.states)
    matrix = sparse.csr_array(
        (real_array("probabilities", data), np.array(columns, np.int64), np.array(indptr, np.int64)),
        shape=(len(indptr) - 1, n),
    )
    table = real_array("rewards", rewards)
    if table.ndim != 2:
        raise ModelError(f"rewards have shape {table.shape}; expected one vector per outcome")
    begin = np.zeros(n)
    for p, i in first:
        begin[i] += p
    return matrix, table, np.array(row_ptr, np.int64), begin, found.states


class _Found:
    """States in the order in which they are met; iterating goes on while more are added."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.states: list[State] = []
        self._keys: list[tuple[State, bool]] = []
        self._index: dict[tuple[State, bool], int] = {}

    def number(self, state: State, ended: bool) -> int:
        """The number of a state; a terminated outcome has a (terminal) state of its own."""
        key = (state, ended)
        try:
            known = key in self._index
        except TypeError as error:
            raise ModelError(f"state {state!r} cannot be looked up ({error}); use numbers or tuples") from None
        if not known:
            if len(self.states) >= self.most:
                raise ModelError(f"more than {self.most} states; raise max_states or coarsen the state")
            self._index[key] = len(self.states)
            self.states.append(state)
            self._keys.append(key)
        return self._index[key]

    def __iter__(self) -> Iterator[tuple[State, bool]]:
        return iter(self._keys)


def as_outcome(outcome: Any) -> tuple[Any, Any, Any, bool]:
    """What a simulator says of one outcome, as it should be."""
    try:
        p, target, reward, done = outcome
        if done not in (0, 1):
            raise ValueError(f"terminated is {done!r}")
    except (TypeError, ValueError) as error:
        form = "(probability, next state, reward vector, terminated)"
        raise ModelError(f"outcome {outcome!r} is not understood ({error}); expected {form}") from None
    return p, target, reward, bool(done)


Table = Mapping[int, Mapping[int, Iterable[tuple[float, int, Any, bool]]]]
"""``table[state][action]`` lists ``(probability, next state, reward, terminated)``."""


def table_simulator(
    table: Table, reward: Callable[[int, int, int, float], Any] | None
) -> tuple[Callable[[Any], int], Callable[[Any, int], list[Outcome]]]:
    """The ``n_actions`` and ``outcomes`` of :meth:`morl.momdp.MOMDP.from_simulator` for a dictionary of transitions.

    Args:
        table: the transitions.
        reward: ``reward(s, a, s', r)`` gives the reward vector; ``None`` where the table holds vectors.
    """

    def n_actions(s: Any) -> int:
        if s not in table or set(table[s]) != set(range(len(table[s]))):
            what = f"its actions are {list(table[s])[:8]}" if s in table else "it is not in the table"
            raise ModelError(f"state {s!r}: {what}; expected table[state] with actions 0, 1, …")
        return len(table[s])

    def outcomes(s: Any, a: int) -> list[Outcome]:
        out: list[Outcome] = []
        for p, target, r, done in map(as_outcome, table[s][a]):
            vector = r if reward is None else reward(s, a, target, r)
            out.append((p, target, np.atleast_1d(real_array("reward", vector)).tolist(), done))
        return out

    return n_actions, outcomes

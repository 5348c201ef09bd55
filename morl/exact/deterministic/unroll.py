"""A model with a horizon as a model without: every state is copied for each decision it can be reached at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray, ModelError

_LIMIT = 3_000_000


@dataclass(frozen=True)
class Unrolled:
    """Args:
    model: the acyclic model, without a horizon; its last state stands for every end.
    decision: which decision each of its states (but the last) belongs to, ``(n,)``.
    state: the original state of each, ``(n,)``.
    row: the original row of each of its rows.
    """

    model: MOMDP
    decision: IntArray
    state: IntArray
    row: IntArray

    def timed(self, momdp: MOMDP, policy: IntArray) -> IntArray:
        """A policy ``(n + 1,)`` of the unrolled model as integers ``(T, S)``; 0 where it is never needed."""
        table = np.zeros((momdp.horizon or 0, momdp.n_states), dtype=np.int64)
        table[self.decision, self.state] = policy[:-1]
        return table

    def timed_stochastic(self, momdp: MOMDP, probabilities: FloatArray) -> FloatArray:
        """A stochastic policy of the unrolled model as floats ``(T, rows)``; the first action elsewhere."""
        default = np.zeros(momdp.n_rows)
        default[momdp.row_ptr[:-1][~momdp.terminal]] = 1.0
        table = np.tile(default, (momdp.horizon or 0, 1))
        for decision, state in zip(self.decision, self.state, strict=True):
            table[decision, momdp.row_ptr[state] : momdp.row_ptr[state + 1]] = 0.0
        owner = np.repeat(self.decision, momdp.n_actions[self.state])
        table[owner, self.row] = probabilities
        return table


def unroll(momdp: MOMDP) -> Unrolled:
    """Layers of the states that are reachable at each decision.

    Raises:
        ModelError: no horizon, or more than 3 million copies (with the number).
    """
    if momdp.horizon is None:
        raise ModelError("the model has no horizon to unroll; give horizon=T")
    live = ~momdp.terminal
    graph = momdp.transitions
    layers: list[IntArray] = []
    now = np.flatnonzero((momdp.start > 0) & live)
    total = 0
    for _ in range(momdp.horizon):
        if not len(now):
            break
        layers.append(now)
        total += len(now)
        if total > _LIMIT:
            raise ModelError(f"more than {_LIMIT:.0e} copies of states in a horizon of {momdp.horizon} are refused")
        part = graph[_rows(momdp, now)].tocoo()
        targets = np.unique(part.col[part.data > 0])
        now = targets[live[targets]]
    decision = np.repeat(np.arange(len(layers)), [len(x) for x in layers])
    state = np.concatenate(layers) if layers else np.zeros(0, dtype=np.int64)
    rows = [_rows(momdp, layer) for layer in layers]
    blocks, offset = [], 0
    for t, layer_rows in enumerate(rows):
        part = graph[layer_rows].tocoo()
        offset += len(layers[t])
        column = np.full(momdp.n_states, total, dtype=np.int64)
        if t + 1 < len(layers):
            column[layers[t + 1]] = offset + np.arange(len(layers[t + 1]))
        blocks.append(sparse.csr_array((part.data, (part.row, column[part.col])), shape=(len(layer_rows), total + 1)))
    all_rows = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    matrix = sparse.csr_array(sparse.vstack(blocks)) if blocks else sparse.csr_array((0, total + 1))
    counts = np.append(momdp.n_actions[state], 0)
    start = np.zeros(total + 1)
    if layers:
        start[: len(layers[0])] = momdp.start[layers[0]]
    start[-1] = momdp.start[momdp.terminal].sum()
    model = MOMDP(
        matrix,
        momdp.rewards[all_rows],
        np.concatenate([[0], np.cumsum(counts)]),
        momdp.discount,
        start,
        None,
        momdp.objectives,
    )
    return Unrolled(model, decision, state, all_rows)


def _rows(momdp: MOMDP, states: IntArray) -> IntArray:
    first, count = momdp.row_ptr[states], momdp.n_actions[states]
    total = int(count.sum())
    return np.asarray(np.arange(total) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count))

"""Passes over the states of a large model in the order of its strongly connected classes, successors first.

Values flow backwards from where a model ends. Gauss–Seidel passes in that order (Bertsekas & Tsitsiklis 1989) carry
them all the way at once, where sweeps of all states together take as many rounds as the longest path has steps. A
model whose only cycles are loops of single states, such as most schedules, is solved outright by one pass: optimal
values, the value of a policy and the visits to its states. The loops are solved as they stand.

All of it is compiled. Without a compiler, and for small models, for which compiling would take longer than it saves,
:mod:`morl.exact.oracle` and :mod:`morl.exact.bellman` have other ways to the same answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from morl.compiled import enabled, jit
from morl.exact.graph import state_graph, strong_classes
from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray

_LARGE = 1000  # states from which passes are worth their compilation
_LOOP = 1e-9  # a loop left with less probability than this is not divided by it


@dataclass(frozen=True, eq=False)
class Passes:
    """A model made ready for passes.

    Args:
        order: ``(S,)`` states, each after its successors, except inside of strongly connected classes.
        acyclic: no class has several states, so that each state comes after all its successors but itself.
    """

    indptr: IntArray
    indices: np.ndarray
    data: FloatArray
    row_ptr: IntArray
    discount: float
    order: IntArray
    acyclic: bool

    @classmethod
    def of(cls, momdp: MOMDP) -> Passes | None:
        """Those of a model; ``None`` where it is small, or nothing can be compiled."""
        if momdp.n_states < _LARGE or not enabled():
            return None
        count, label = strong_classes(state_graph(momdp))
        order = np.argsort(label, kind="stable")  # labels are numbered from the successors on
        matrix = momdp.transitions
        return cls(  # arrays of one kind, so that everything is compiled once
            np.array(matrix.indptr, dtype=np.int64),
            np.array(matrix.indices, dtype=np.int32),
            np.array(matrix.data, dtype=np.float64),
            np.array(momdp.row_ptr, dtype=np.int64),
            momdp.discount,
            np.array(order, dtype=np.int64),
            count == momdp.n_states,
        )

    def improve(self, reward: FloatArray, values: FloatArray, rows: IntArray, noise: float) -> tuple[bool, bool, float]:
        """Raise ``values (S,)`` in place to the best of what one decision promises, and note the rows that did.

        Args:
            reward: ``(rows,)``.
            rows: of all states, changed where another one is better; −1 for terminal states.
            noise: smaller rises are left alone.

        Returns:
            Whether some value rose, whether some row changed, and the largest rise that one more decision promised.
        """
        rose, changed, most = _improve(*self.arrays, reward, self.discount, self.order, values, rows, noise)
        return bool(rose), bool(changed), float(most)

    def evaluate(self, rewards: FloatArray, probabilities: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """Values of a policy ``(rows,)`` for ``rewards (rows, K)``, and of a reward of 1 for each decision.

        Returns:
            ``(S, K + 1)``, NaN where reward is collected without end, and the largest residual of each column; ``None``
            where cycles stand in the way.
        """
        if not self.acyclic:
            return None
        values = np.zeros((len(self.order), rewards.shape[1] + 1))
        residual = np.zeros(values.shape[1])
        ok = _evaluate(*self.arrays, rewards, probabilities, self.discount, self.order, values, residual)
        return (values, residual) if ok else None

    def visits(self, start: FloatArray, probabilities: FloatArray) -> FloatArray | None:
        """Expected discounted visits ``(S,)`` under a policy ``(rows,)``, one to states that it never leaves.

        ``None`` where cycles stand in the way.
        """
        if not self.acyclic:
            return None
        visits = np.array(start)
        return visits if _visit(*self.arrays, probabilities, self.discount, self.order, visits) else None

    @property
    def arrays(self) -> tuple[IntArray, np.ndarray, FloatArray, IntArray]:
        """The transitions, and the rows of each state."""
        return self.indptr, self.indices, self.data, self.row_ptr


@jit
def _improve(indptr, indices, data, row_ptr, reward, discount, order, values, rows, noise):  # type: ignore[no-untyped-def]
    rose, changed, most = 0, 0, 0.0
    for s in order:
        old = values[s]
        best, now, rise, where = -np.inf, -np.inf, 0.0, -1
        for r in range(row_ptr[s], row_ptr[s + 1]):
            total, own = reward[r], 0.0
            for e in range(indptr[r], indptr[r + 1]):
                if indices[e] == s:
                    own += discount * data[e]
                else:
                    total += discount * data[e] * values[indices[e]]
            one_more = total + own * old - old
            total = total / (1.0 - own) if 1.0 - own > _LOOP else old + one_more
            if r == rows[s]:
                now = total
            most = max(most, one_more)
            if total > best:
                best, rise, where = total, one_more, r
        if rise > noise:
            values[s] = best
            rose += 1
            if now < best:
                rows[s] = where
                changed += 1
    return rose, changed, most


@jit
def _evaluate(indptr, indices, data, row_ptr, rewards, probabilities, discount, order, values, residual):  # type: ignore[no-untyped-def]
    K = rewards.shape[1]
    for s in order:
        own, leaves = 0.0, False
        for k in range(K + 1):
            values[s, k] = 0.0
        for r in range(row_ptr[s], row_ptr[s + 1]):
            p = probabilities[r]
            if p > 0.0:
                for k in range(K):
                    values[s, k] += p * rewards[r, k]
                values[s, K] += p
                for e in range(indptr[r], indptr[r + 1]):
                    t, x = indices[e], discount * p * data[e]
                    if t == s:
                        own += x
                    elif x > 0.0:
                        leaves = True
                        for k in range(K + 1):
                            values[s, k] += x * values[t, k]
        if discount == 1.0 and not leaves and own > 0.0:  # it stays, at rest or collecting without end
            value = 0.0
            for k in range(K):
                if values[s, k] != 0.0:
                    value = np.nan
            for k in range(K + 1):
                values[s, k] = value
        elif 1.0 - own <= _LOOP:
            return False
        else:
            for k in range(K + 1):
                total = values[s, k]
                values[s, k] = total / (1.0 - own)
                off = abs(total + own * values[s, k] - values[s, k])
                if off > residual[k]:  # not where it is NaN
                    residual[k] = off
    return True


@jit
def _visit(indptr, indices, data, row_ptr, probabilities, discount, order, visits):  # type: ignore[no-untyped-def]
    for i in range(len(order) - 1, -1, -1):
        s = order[i]
        own, leaves = 0.0, False
        for r in range(row_ptr[s], row_ptr[s + 1]):
            for e in range(indptr[r], indptr[r + 1]):
                x = discount * probabilities[r] * data[e]
                if indices[e] == s:
                    own += x
                elif x > 0.0:
                    leaves = True
        if discount == 1.0 and not leaves:
            continue
        if 1.0 - own <= _LOOP:
            return False
        visits[s] /= 1.0 - own
        for r in range(row_ptr[s], row_ptr[s + 1]):
            for e in range(indptr[r], indptr[r + 1]):
                if indices[e] != s:
                    visits[indices[e]] += discount * probabilities[r] * data[e] * visits[s]
    return True

"""Sets of values per state, and one backup of them: what set-valued iteration repeats."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from morl.exact.deadline import OutOfTime, check
from morl.exact.deterministic.minkowski import cover, new_points, sum_sets
from morl.exact.deterministic.plans import PlanBuilder
from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray, ModelError

LARGEST_BACKUP = 3e7
"""Sums of sets with more pairs than this are refused: several seconds of work each."""
_THIN = 64


@dataclass
class Sets:
    """What is known while the sets grow.

    Args:
        values: per state ``(m, K)`` real values; ``nodes``: the plan behind each.
        bound: ``(S,)`` no achievable value exceeds some known value of its state by more than this.
        drop: δ ``(K,)``: vectors covered up to this are dropped.
        deadline: ``time.monotonic()`` at which sets stop growing; ``last`` at which thinned ones are given up as well.
    """

    momdp: MOMDP
    matrix: sparse.csr_array
    plans: PlanBuilder
    drop: FloatArray
    deadline: float
    last: float
    values: list[FloatArray] = field(default_factory=list)
    nodes: list[IntArray] = field(default_factory=list)
    bound: FloatArray = field(default_factory=lambda: np.zeros(0))

    def check(self) -> None:
        """Raise :class:`~morl.exact.deadline.OutOfTime` once time is up."""
        check(self.deadline, "computing sets of values")

    def successors(self, row: int) -> tuple[IntArray, FloatArray]:
        """Distinct successors of a row and their probabilities, zero probabilities left out."""
        first, last = self.matrix.indptr[row], self.matrix.indptr[row + 1]
        positive = self.matrix.data[first:last] > 0
        return (
            self.matrix.indices[first:last][positive].astype(np.int64),
            self.matrix.data[first:last][positive],
        )


def backup(
    sets: Sets, state: int, values: list[FloatArray], nodes: list[IntArray], known: FloatArray
) -> tuple[FloatArray, IntArray]:
    """New values of a state and their plans, given its successors' sets: those that ``known`` does not cover."""
    momdp = sets.momdp
    found: list[FloatArray] = []
    choices: list[tuple[int, IntArray, IntArray]] = []
    for action, row in enumerate(range(momdp.row_ptr[state], momdp.row_ptr[state + 1])):
        targets, probabilities = sets.successors(row)
        result = _row_sums(sets, row, targets, probabilities, values)
        if result is None:
            continue
        vectors, picks = result
        fresh = new_points(vectors, known, sets.drop)
        found.append(vectors[fresh])
        live = ~momdp.terminal[targets]
        children = np.full((len(fresh), len(targets)), -1, dtype=np.int64)
        for column, target, pick in zip(np.flatnonzero(live), targets[live], picks, strict=True):
            children[:, column] = nodes[target][pick[fresh]]
        choices.append((action, targets, children))
    if not found:
        return np.zeros((0, momdp.k)), np.zeros(0, dtype=np.int64)
    joined = np.concatenate(found)
    owner = np.repeat(np.arange(len(found)), [len(x) for x in found])
    offset = np.concatenate([[0], np.cumsum([len(x) for x in found])])
    keep = cover(joined, sets.drop)
    numbers = np.empty(len(keep), dtype=np.int64)
    for i, (action, targets, children) in enumerate(choices):
        mine = owner[keep] == i
        if mine.any():
            numbers[mine] = sets.plans.add(state, action, targets, children[keep[mine] - offset[i]])
    return joined[keep], numbers


def _row_sums(
    sets: Sets, row: int, targets: IntArray, probabilities: FloatArray, values: list[FloatArray]
) -> tuple[FloatArray, list[IntArray]] | None:
    """Covered sums of a row: values and, per live successor, which of its values is used. ``None`` if empty."""
    momdp = sets.momdp
    total = momdp.rewards[row][None].copy()
    picks: list[IntArray] = []
    live = [(t, p) for t, p in zip(targets.tolist(), probabilities.tolist(), strict=True) if not momdp.terminal[t]]
    if any(not len(values[t]) for t, _ in live):
        return None
    slack = sets.drop * (0.0 if not len(live) > 1 else 0.5 / len(live))
    for target, p in live:
        pairs = float(len(total)) * len(values[target])
        if pairs > LARGEST_BACKUP:
            s = int(np.searchsorted(momdp.row_ptr, row, side="right")) - 1
            raise ModelError(
                f"state {momdp.label(s)}, action {row - int(momdp.row_ptr[s])}: a sum of sets of {len(total)} and "
                f"{len(values[target])} values has {pairs:.2g} pairs, and later ones more; give epsilon "
                "(sets then have about (range / epsilon)^(K-1) values), a shorter horizon or a time_limit"
            )
        total, i, j = sum_sets(total, momdp.discount * p * values[target], slack, check=sets.check)
        picks = [pick[i] for pick in picks] + [j]
    return total, picks


def layer_backup(
    sets: Sets, s: int, values: list[FloatArray], nodes: list[IntArray], known: FloatArray, late: bool
) -> tuple[FloatArray, IntArray, float]:
    """One backup; once time is up, on thinned successors, with the loss that the thinning adds."""
    loss = float(sets.drop.max())
    if not late:
        try:
            return *backup(sets, s, values, nodes, known), loss
        except OutOfTime:
            pass
    thin_values, thin_nodes = dict[int, FloatArray](), dict[int, IntArray]()
    extra = 0.0
    for x in targets_of(sets, s):
        thin_values[x], thin_nodes[x], lost = _thinned(values[x], nodes[x], _THIN if late else 16)
        extra = max(extra, lost)
    deadline, sets.deadline = sets.deadline, sets.last
    got, numbers = backup(sets, s, _View(thin_values), _View(thin_nodes), known)  # type: ignore[arg-type]
    sets.deadline = deadline
    return got, numbers, loss + sets.momdp.discount * extra


class _View(dict[int, Any]):
    """Sets of some states, indexed like a list of all."""


def _thinned(values: FloatArray, nodes: IntArray, size: int) -> tuple[FloatArray, IntArray, float]:
    """At most ``size`` of the values, and the δ up to which they cover the others."""
    if len(values) <= size:
        return values, nodes, 0.0
    slack = float(np.ptp(values, axis=0).max()) / size
    while True:
        keep = cover(values, np.full(values.shape[1], slack))
        if len(keep) <= size:
            return values[keep], nodes[keep], slack
        slack *= 1.5


def targets_of(sets: Sets, s: int) -> list[int]:
    rows = range(sets.momdp.row_ptr[s], sets.momdp.row_ptr[s + 1])
    return sorted({int(t) for row in rows for t in sets.successors(row)[0]})


def next_bound(sets: Sets, s: int, bound: FloatArray) -> float:
    """max over actions of γ Σ p · bound(successor)."""
    momdp = sets.momdp
    best = 0.0
    for row in range(momdp.row_ptr[s], momdp.row_ptr[s + 1]):
        targets, p = sets.successors(row)
        live = ~momdp.terminal[targets]
        if live.any():
            best = max(best, momdp.discount * float(p[live] @ bound[targets[live]]))
    return best

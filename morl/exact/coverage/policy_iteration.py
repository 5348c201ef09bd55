"""The best policy for one weight vector (or a few at once), with a lower and an upper bound on its value.

Modified policy iteration (Puterman & Shin 1978): an optimal backup of all weights together improves the
policies and bounds the optimum from above (MacQueen 1966); then each policy is evaluated, by sweeps where its
chain forgets quickly, by factorising where states are few, and else by :mod:`morl.exact.coverage.krylov`. Bounds hold
whatever the numerics did before, because each is computed from one fresh sweep.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from morl.exact.coverage.direct import SMALL, Direct
from morl.exact.coverage.prepared import Prepared
from morl.exact.coverage.solver import Solved, load_kernels
from morl.spec import FloatArray, ModelError

_SLOW = 60  # predicted sweeps beyond which a linear solver is cheaper
_BACKUPS = 6  # optimal backups between evaluations by linear solves
_COARSE = 0.2  # share of its last change to which a policy is evaluated before the next backup
_FAST = 48  # optimal backups between evaluations by sweeps, divided by the actions per state
_FAST_COARSE = 0.04  # the same where sweeps do the evaluation
_TOO_SLOW = 4000  # sweeps after which an evaluation settles for a wider bound


class PolicyIteration:
    """Solver for batches of up to ``batch`` weights in one prepared, infinite-horizon model; owns its memory."""

    anytime = True

    def __init__(self, prepared: Prepared, batch: int) -> None:
        self.p, self.batch = prepared, batch
        self.kernels, width = load_kernels(batch, prepared.k)
        n, k = prepared.n, prepared.k
        self.edge = 0.0 if prepared.clip else math.inf
        self.table, self.out = np.zeros((n, width)), np.zeros((n, width))
        self.rows = np.zeros((n, batch), np.int32)
        self.values, self.spare = np.zeros((n, k)), np.zeros((n, k))
        rows = np.diff(prepared.indptr)
        most = int(np.maximum.reduceat(rows, prepared.row_ptr[:-1][prepared.live]).sum()) if prepared.live.any() else 0
        self.chain = (np.zeros(n + 1, np.int64), np.zeros(most, np.int32), np.zeros(most))
        self.chain_rewards = np.zeros((n, k))
        self.low, self.high = np.zeros((2, k + 1)), np.zeros((2, k + 1))  # per objective, then scalarised
        self.slow = False
        self.linear: Any = None
        self.sweeps_done = 0
        self.backups_done = 0
        self.backups = max(1, round(_FAST * prepared.n / max(1, len(prepared.rewards))))

    @property
    def model(self) -> tuple[Any, ...]:
        """The model's arrays, in the order that the kernels take them."""
        p = self.p
        return p.indptr, p.indices, p.data, p.rewards, p.row_ptr, p.discount, self.edge

    def solve(
        self,
        weights: FloatArray,
        starts: Sequence[Sequence[FloatArray]],
        gap: float,
        error: float,
        deadline: float = math.inf,
    ) -> list[Solved]:
        """Best policies for ``weights (m, K)``, m at most ``batch``.

        Args:
            starts: value tables ``(S, K)`` to start each weight from; the best of them in every state is used.
            gap: difference between upper and lower bound to reach.
            error: error of the returned points to reach.
            deadline: ``time.monotonic()`` at which improvement stops; the policies at hand are still evaluated.
        """
        p = self.p
        m, k = weights.shape
        padded = np.zeros(self.table.shape[1])
        padded[: self.batch * k] = np.concatenate([weights, np.repeat(weights[-1:], self.batch - m, axis=0)]).T.ravel()
        for j in range(self.batch):
            first = True
            for values in starts[min(j, m - 1)]:
                self.kernels.best_of(self.table, j, weights[min(j, m - 1)], values, first)
                first = False
            if first:
                self.kernels.put(self.table, j, np.zeros((p.n, k)))
        gap, error = max(gap, 4.0 * p.floor), max(error, p.floor)
        upper = np.full(m, math.inf)
        least = np.full(m, math.inf)
        stuck = np.zeros(m, dtype=int)
        found: list[Solved | None] = [None] * m
        low, high = np.zeros(self.batch), np.zeros(self.batch)
        while True:
            for repeat in range(_BACKUPS if self.slow else self.backups):
                if repeat:
                    if all(p.tail * (high[j] - low[j]) <= gap for j in range(m) if found[j] is None):
                        break
                    self.table, self.out = self.out, self.table
                self.kernels.greedy(*self.model, padded, self.table, self.out, self.rows, low, high)
                self.backups_done += 1
            late = time.monotonic() > deadline
            bound = self._scalar_start(padded) + p.tail * high + p.floor
            upper = np.minimum(upper, bound[:m])
            for j in range(m):
                if found[j] is not None:
                    continue
                spread = float(high[j] - low[j])
                stuck[j] = stuck[j] + 1 if spread > 0.9 * least[j] else 0
                least[j] = min(least[j], spread)
                last = late or p.tail * spread <= gap or stuck[j] > 8
                found[j] = self._evaluate(j, weights[j], float(upper[j]), spread, gap, error, last)
            if all(x is not None for x in found):
                return [x for x in found if x is not None]
            self.table, self.out = self.out, self.table

    def policy(self, rows: np.ndarray) -> np.ndarray:
        """Action numbers ``(S,)`` for the original states."""
        return self.p.lift(rows)

    def _scalar_start(self, padded: FloatArray) -> FloatArray:
        """Scalarised start values ``(batch,)`` of the table just backed up."""
        used = self.batch * self.p.k
        at_start = self.p.at_start(self.out)[:used] * padded[:used]
        return np.asarray(np.add.reduce(at_start.reshape(self.p.k, self.batch)))

    def _evaluate(
        self, j: int, weight: FloatArray, upper: float, spread: float, gap: float, error: float, last: bool
    ) -> Solved | None:
        """Evaluate the policy in column j, roughly or (when ``last``, or good enough) finely; put its values back."""
        p = self.p
        self.kernels.gather(
            p.indptr, p.indices, p.data, p.rewards, self.rows, j, p.live, *self.chain, self.chain_rewards
        )
        self.kernels.take(self.out, j, self.values)
        fine = (1.0 if p.clip else 2.0) * error / max(p.tail, 1e-300)
        if not last:
            self._run(weight, max(fine, (_COARSE if self.slow else _FAST_COARSE) * spread), rough=True)
            point, off = self._bounded()
            last = upper - (float(weight @ point) - off) <= gap
        if not last:
            self.kernels.put(self.out, j, self.values)
            return None
        self._run(weight, fine)
        point, off = self._bounded()
        return Solved(weight, point, off + p.floor, upper, self.rows[:, j].copy(), self.values.copy())

    def _bounded(self) -> tuple[FloatArray, float]:
        """Start values by the last sweep, shifted to the middle of their bounds, and the largest error left."""
        p = self.p
        low, high = self.low[0, : p.k].tolist(), self.high[0, : p.k].tolist()
        if p.clip:  # the change may stay 0 in some states: nothing to shift by
            return p.at_start(self.values), p.tail * max(map(max, (-x for x in low), high))
        shift = [0.5 * p.tail * (x + y) for x, y in zip(low, high, strict=True)]
        return p.at_start(self.values) + shift, 0.5 * p.tail * max(y - x for x, y in zip(low, high, strict=True))

    def _spread(self, which: int, rough: bool) -> float:
        """Spread of the last change (0) or the one four sweeps before (1)."""
        low, high = self.low[which].tolist(), self.high[which].tolist()
        if rough:
            return float(high[-1] - low[-1])
        return float(max(y - x for x, y in zip(low[:-1], high[:-1], strict=True)))

    def _run(self, weight: FloatArray, target: float, rough: bool = False) -> None:
        """Evaluate the gathered policy until a sweep changes its values by no more than ``target`` apart.

        ``rough`` asks that of the scalarised values only, which is all that the next improvement needs.
        """
        done, limit = 0, 10
        while not self.slow:
            done += self._sweep(weight, target, limit, rough)
            span = self._spread(0, rough)
            if span <= target or done > _TOO_SLOW:
                return
            before = self._spread(1, rough)
            rate = min((span / before) ** 0.25 if before > 0.0 else 0.0, 0.999999)
            ahead = math.log(target / span) / math.log(rate) if rate > 0.0 and target > 0.0 else math.inf
            self.slow = done + ahead > _SLOW
            limit = int(min(max(ahead + 2, 6), _SLOW))
        if self.linear is None:
            evaluator = Direct if self.p.n <= SMALL else self.kernels.linear
            self.linear = evaluator(self.p.n, self.p.k, len(self.chain[1]))
        self.linear.refine(self.chain, self.chain_rewards, self.p.discount, self.values, 0.25 * target)
        self._sweep(weight, target, 1, rough)
        if not math.isfinite(self._spread(0, rough)):  # the linear solver broke down: start over by plain sweeps
            self.values[:] = 0.0
            self._sweep(weight, target, _TOO_SLOW, rough)

    def _sweep(self, weight: FloatArray, target: float, limit: int, rough: bool) -> int:
        """At most ``limit`` sweeps on ``self.values``; returns how many were done."""
        count = int(
            self.kernels.sweeps(
                *self.chain,
                self.chain_rewards,
                self.p.discount,
                self.edge,
                weight,
                self.values,
                self.spare,
                self.low,
                self.high,
                target,
                limit,
                rough,
            )
        )
        if count % 2:
            self.values, self.spare = self.spare, self.values
        self.sweeps_done += count
        return count


def longest_life(prepared: Prepared) -> FloatArray:
    """Upper bound ``(S,)`` on the expected number of decisions under any policy, for γ = 1 and rewards of 1.

    A table h with T h − h <= ρ < 1 everywhere proves that h / (1 − ρ) is such a bound.

    Raises:
        ModelError: lives are too long for floating-point arithmetic.
    """
    solver = PolicyIteration(prepared, 1)
    one = np.zeros(solver.table.shape[1])
    one[0] = 1.0
    low, high = np.zeros(1), np.zeros(1)
    for _ in range(500):
        solver.kernels.greedy(*solver.model, one, solver.table, solver.out, solver.rows, low, high)
        if high[0] <= 1e-3:
            solver.kernels.take(solver.table, 0, solver.values)
            return np.asarray(np.maximum(solver.values[:, 0], 1.0) / (1.0 - max(high[0], 0.0) - 1e-9))
        solver.kernels.gather(
            prepared.indptr,
            prepared.indices,
            prepared.data,
            prepared.rewards,
            solver.rows,
            0,
            prepared.live,
            *solver.chain,
            solver.chain_rewards,
        )
        solver.kernels.take(solver.out, 0, solver.values)
        solver._run(one[:1], 1e-4)
        solver.kernels.put(solver.table, 0, solver.values)
    raise ModelError(
        f"some policy takes more than {float(solver.values.max()):.3g} decisions on average to end; "
        "give a discount below 1 or a horizon"
    )

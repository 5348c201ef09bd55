"""The best policies for a model with a horizon: one pass backwards, exact up to rounding."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from morl.exact.coverage.prepared import Prepared
from morl.exact.coverage.solver import Solved, load_kernels
from morl.exact.deadline import check
from morl.spec import FloatArray, ModelError


class Backward:
    """Backward induction for batches of up to ``batch`` weights: a :class:`~.solver.WeightSolver`."""

    anytime = False

    def __init__(self, prepared: Prepared, batch: int) -> None:
        self.p, self.batch = prepared, batch
        self.kernels, width = load_kernels(batch, prepared.k)
        self.table, self.out = np.zeros((prepared.n, width)), np.zeros((prepared.n, width))
        self.rows = np.zeros((prepared.n, batch), np.int32)
        self.backups_done = self.sweeps_done = 0
        most = int(np.diff(prepared.row_ptr).max(initial=1))
        self.kind = np.int8 if most < 128 else np.int16 if most < 32768 else np.int32

    def solve(
        self,
        weights: FloatArray,
        starts: Sequence[Sequence[FloatArray]],
        gap: float,
        error: float,
        deadline: float = math.inf,
    ) -> list[Solved]:
        """Best policies for ``weights (m, K)``; the other arguments do not matter to an exact method.

        Raises:
            OutOfTime: ``deadline`` passed before the first decision was reached; there is no bound then.
        """
        p = self.p
        if p.horizon is None:
            raise ModelError("backward induction needs a model with a horizon")
        m, k = weights.shape
        padded = np.zeros(self.table.shape[1])
        padded[: self.batch * k] = np.concatenate([weights, np.repeat(weights[-1:], self.batch - m, axis=0)]).T.ravel()
        first = p.row_ptr[:-1]
        policies = np.zeros((m, p.horizon, p.n), self.kind)
        self.table[:] = 0.0
        low, high = np.zeros(self.batch), np.zeros(self.batch)
        for t in range(p.horizon - 1, -1, -1):
            check(deadline, "going backwards through the decisions")
            self.kernels.greedy(
                p.indptr,
                p.indices,
                p.data,
                p.rewards,
                p.row_ptr,
                p.discount,
                0.0,
                padded,
                self.table,
                self.out,
                self.rows,
                low,
                high,
            )
            self.backups_done += 1
            for j in range(m):
                policies[j, t] = np.where(p.live, self.rows[:, j] - first, 0)
            self.table, self.out = self.out, self.table
        start = p.at_start(self.table)[: self.batch * k].reshape(k, self.batch)
        floor = p.rounding * p.largest
        return [
            Solved(weights[j], start[:, j].copy(), floor, float(weights[j] @ start[:, j]) + floor, policies[j], None)
            for j in range(m)
        ]

    def policy(self, rows: np.ndarray) -> np.ndarray:
        """Action numbers ``(T, S)`` for the original states."""
        if self.p.states is None:
            return rows
        full = np.zeros((len(rows), self.p.momdp.n_states), dtype=rows.dtype)
        full[:, self.p.states] = rows
        return full

"""The best policies for weights where γ = 1 and some policies never come to an end: exact policy iteration.

Sweeps and their bounds need a life, the largest expected number of decisions under *any* policy; there is none here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from morl.exact.coverage.prepared import Prepared
from morl.exact.coverage.solver import Solved
from morl.exact.oracle import Oracle
from morl.spec import FloatArray, IntArray


class Proper:
    """Policy iteration among policies that come to an end: a :class:`~.solver.WeightSolver`."""

    anytime = False

    def __init__(self, prepared: Prepared) -> None:
        assert prepared.oracle is not None
        self.oracle: Oracle = prepared.oracle
        self.floor = prepared.floor

    def solve(
        self,
        weights: FloatArray,
        starts: Sequence[Sequence[FloatArray]],
        gap: float,
        error: float,
        deadline: float = math.inf,
    ) -> list[Solved]:
        """Best policies for ``weights (m, K)``, as good as floating-point arithmetic allows.

        Raises:
            OutOfTime: ``deadline`` passed before the last improvement; there is no bound then.
        """
        self.oracle.deadline = deadline
        solved = []
        for w in weights:
            best = self.oracle.search(w)
            point = self.oracle.model.start @ best.values
            off = best.error + self.floor
            solved.append(Solved(w, point, off, float(w @ point) + off + best.short, best.rows, None))
        return solved

    def policy(self, rows: IntArray) -> np.ndarray:
        """Action numbers ``(S,)`` for the original states."""
        return self.oracle.policy(rows)

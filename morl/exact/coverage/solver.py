"""What the search asks of a solver for single weights, and what it gets.

Three methods answer: :class:`~morl.exact.coverage.policy_iteration.PolicyIteration` without a horizon,
:class:`~morl.exact.coverage.backward.Backward` with one, and :class:`~morl.exact.coverage.proper.Proper` where γ = 1
and some policies never terminate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from morl.compiled import enabled
from morl.spec import FloatArray


@dataclass
class Solved:
    """One weight's result inside the solvers.

    Args:
        point: start value ``(K,)`` of the policy found, up to ``error`` in every objective.
        upper: no policy's ``weight · value`` exceeds it.
        rows: the policy, as its solver writes policies (see :meth:`WeightSolver.policy`).
        values: value table ``(S, K)`` from which a later weight may start, ``None`` where that helps nobody.
    """

    weight: FloatArray
    point: FloatArray
    error: float
    upper: float
    rows: np.ndarray
    values: FloatArray | None


class WeightSolver(Protocol):
    """The best policies for a few weights at once, in one prepared model."""

    anytime: bool
    """True where a deadline only widens the bounds; else :meth:`solve` raises once it has passed."""

    def solve(
        self,
        weights: FloatArray,
        starts: Sequence[Sequence[FloatArray]],
        gap: float,
        error: float,
        deadline: float = math.inf,
    ) -> list[Solved]:
        """Best policies for ``weights (m, K)``.

        Args:
            starts: value tables ``(S, K)`` to start each weight from; exact methods need none.
            gap: difference between upper and lower bound to reach.
            error: error of the returned points to reach.
            deadline: ``time.monotonic()`` at which to stop.

        Raises:
            OutOfTime: the deadline passed in a method that is not :attr:`anytime`; there is no bound then.
        """

    def policy(self, rows: np.ndarray) -> np.ndarray:
        """Action numbers for the original states, ``(S,)`` or ``(T, S)``."""


def load_kernels(w: int, k: int) -> tuple[Any, int]:
    """The compiled kernels or the plain ones, and the width of their tables."""
    if enabled():
        from morl.exact.coverage import kernels
    else:
        from morl.exact.coverage import kernels_numpy as kernels  # type: ignore[no-redef]
    return kernels.kernels(w, k), kernels.width(w, k)

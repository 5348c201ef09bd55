"""Policy evaluation by factorising: in small models, and where nothing is compiled."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from morl.spec import FloatArray

SMALL = 100
"""States up to which a dense factorisation takes less time than anything sparse."""


class Direct:
    """Evaluation by LU factors, in the place of :class:`morl.exact.coverage.krylov.Krylov`."""

    def __init__(self, n: int, k: int, nonzeros: int) -> None:
        self.n = n

    def refine(
        self, matrix: tuple[Any, ...], rewards: FloatArray, discount: float, values: FloatArray, tolerance: float
    ) -> None:
        """Bring ``values (S, K)`` to the solution of ``V = r + γPV``, refined once; NaN where there is none.

        Args:
            matrix: ``(indptr, indices, data)`` of the policy's transitions.
        """
        indptr, indices, data = matrix
        used = int(indptr[-1])
        chain = sparse.csr_array((data[:used], indices[:used], indptr), shape=(self.n, self.n))
        try:
            if self.n <= SMALL:
                solve = functools.partial(np.linalg.solve, np.eye(self.n) - discount * chain.toarray())
            else:
                eye = sparse.eye_array(self.n, format="csr")
                solve = linalg.splu(sparse.csc_array(eye - discount * chain)).solve
            for _ in range(2):
                values += solve(rewards + discount * (chain @ values) - values)
        except (np.linalg.LinAlgError, RuntimeError):  # singular; the caller looks for NaN
            values[:] = np.nan

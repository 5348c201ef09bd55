"""Policies of small models are evaluated by factorising: the equation itself, and chains without an answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from morl.exact.coverage.direct import SMALL, Direct


def chain(n: int, seed: int) -> tuple[sparse.csr_array, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """A random chain, and its arrays with room to spare, as the solvers keep them."""
    rng = np.random.default_rng(seed)
    move = sparse.random_array((n, n), density=min(1.0, 4 / n), rng=rng, format="lil")
    move[np.arange(n), rng.integers(n, size=n)] = 1.0
    matrix = sparse.csr_array(sparse.csr_array(move) / move.sum(axis=1)[:, None])
    spare = np.zeros(3)
    indices = np.concatenate([matrix.indices, spare.astype(matrix.indices.dtype)])
    return matrix, (matrix.indptr, indices, np.concatenate([matrix.data, spare]))


@pytest.mark.parametrize("n", [1, 7, SMALL, SMALL + 1])
@pytest.mark.parametrize("discount", [0.5, 0.999])
def test_values_solve_the_equation(n: int, discount: float) -> None:
    matrix, arrays = chain(n, n)
    rewards = np.random.default_rng(0).normal(size=(n, 3))
    values = np.full((n, 3), 100.0)  # whatever was there before
    Direct(n, 3, len(arrays[1])).refine(arrays, rewards, discount, values, 1e-9)
    assert rewards + discount * (matrix @ values) == pytest.approx(values, abs=1e-9)


@pytest.mark.parametrize("n", [2, SMALL + 1])
def test_a_chain_that_never_ends_has_no_values_without_a_discount(n: int) -> None:
    stay = sparse.csr_array(sparse.eye_array(n, format="csr"))
    values = np.zeros((n, 1))
    Direct(n, 1, n).refine((stay.indptr, stay.indices, stay.data), np.ones((n, 1)), 1.0, values, 1e-9)
    assert not np.isfinite(values).any()

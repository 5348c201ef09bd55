"""The models that the benchmarks share, built from a seed."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from morl.momdp import MOMDP


def random_momdp(n: int, actions: int, k: int, *, branching: int = 5, discount: float = 0.95, seed: int = 0) -> MOMDP:
    """Uniform successors, Dirichlet(1) probabilities, rewards U[0, 1], start in state 0."""
    rng = np.random.default_rng(seed)
    rows = n * actions
    indices = rng.integers(0, n, rows * branching, dtype=np.int32)
    data = rng.standard_exponential((rows, branching))
    data /= data.sum(axis=1, keepdims=True)
    indptr = np.arange(0, rows * branching + 1, branching, dtype=np.int64)
    if indptr[-1] < 2**31:
        indptr = indptr.astype(np.int32)
    start = np.zeros(n)
    start[0] = 1.0
    return MOMDP(
        sparse.csr_array((data.ravel(), indices, indptr), shape=(rows, n)),
        rng.random((rows, k)),
        np.arange(0, rows + 1, actions),
        discount,
        start,
    )


def slippery_grid(side: int, k: int = 2, *, discount: float = 0.99, slip: float = 0.2, seed: int = 0) -> MOMDP:
    """Four moves on a square grid; with probability ``slip`` the move goes to one of the two sides instead.

    Walls keep the walker where it is. Rewards U[0, 1] for each state and move; start in a corner.
    """
    rng = np.random.default_rng(seed)
    n = side * side
    x, y = np.divmod(np.arange(n), side)
    moves = np.array([[-1, 0], [0, 1], [1, 0], [0, -1]])
    columns = np.empty((n, 4, 3), np.int32)
    for a in range(4):
        for i, turn in enumerate((0, 1, 3)):
            dx, dy = moves[(a + turn) % 4]
            columns[:, a, i] = np.clip(x + dx, 0, side - 1) * side + np.clip(y + dy, 0, side - 1)
    data = np.tile([1.0 - slip, slip / 2, slip / 2], n * 4)
    indptr = np.arange(0, 12 * n + 1, 3, dtype=np.int32)
    start = np.zeros(n)
    start[0] = 1.0
    return MOMDP(
        sparse.csr_array((data, columns.ravel(), indptr), shape=(4 * n, n)),
        rng.random((4 * n, k)),
        np.arange(0, 4 * n + 1, 4),
        discount,
        start,
    )

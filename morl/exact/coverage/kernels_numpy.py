"""The functions of :mod:`morl.exact.coverage.kernels` in plain numpy and scipy: same answers, no compiler."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import sparse

from morl.exact.coverage.direct import Direct


def width(w: int, k: int) -> int:
    """Columns of a table for ``w`` weights and ``k`` objectives."""
    return w * k


@functools.cache
def kernels(w: int, k: int) -> SimpleNamespace:
    """The functions for tables of ``w`` weights × ``k`` objectives."""
    return SimpleNamespace(
        greedy=functools.partial(_greedy, w, k),
        sweeps=_sweeps,
        gather=_gather,
        best_of=functools.partial(_best_of, w),
        put=functools.partial(_put, w),
        take=functools.partial(_take, w),
        linear=Direct,
    )


def _matrix(indptr: Any, indices: Any, data: Any, n: int) -> sparse.csr_array:
    used = int(indptr[-1])
    return sparse.csr_array((data[:used], indices[:used], indptr), shape=(len(indptr) - 1, n))


def _greedy(
    w: int,
    k: int,
    indptr: Any,
    indices: Any,
    data: Any,
    rewards: Any,
    row_ptr: Any,
    discount: float,
    edge: float,
    weights: Any,
    table: Any,
    out: Any,
    rows: Any,
    low: Any,
    high: Any,
) -> None:
    """One optimal Bellman backup; see :func:`morl.exact.coverage.kernels._greedy`."""
    n = len(row_ptr) - 1
    live = np.flatnonzero(np.diff(row_ptr) > 0)
    low[:], high[:] = edge, -edge
    if not len(live):
        return
    backed = np.repeat(rewards, w, axis=1) + discount * (_matrix(indptr, indices, data, n) @ table)
    score = (backed * weights).reshape(-1, k, w).sum(axis=1)
    first = row_ptr[:-1][live]
    owner = np.repeat(np.arange(len(live)), np.diff(row_ptr)[live])
    best = np.maximum.reduceat(score, first, axis=0)
    number = np.arange(len(score))[:, None]
    rows[live] = np.minimum.reduceat(np.where(score == best[owner], number, len(score)), first, axis=0)
    change = best - (table[live] * weights).reshape(-1, k, w).sum(axis=1)
    low[:] = np.minimum(low, change.min(axis=0))
    high[:] = np.maximum(high, change.max(axis=0))
    for j in range(w):
        out[live, j::w] = backed[rows[live, j], j::w]


def _sweeps(
    indptr: Any,
    indices: Any,
    data: Any,
    rewards: Any,
    discount: float,
    edge: float,
    weight: Any,
    table: Any,
    spare: Any,
    low: Any,
    high: Any,
    tolerance: float,
    limit: int,
    rough: bool,
) -> int:
    """Evaluate one policy by Jacobi sweeps; see :func:`morl.exact.coverage.kernels._sweeps`."""
    matrix = _matrix(indptr, indices, data, len(table))
    old, new = table, spare
    for count in range(1, limit + 1):
        new[:] = rewards + discount * (matrix @ old)
        change = np.column_stack([new - old, (new - old) @ weight])
        low[0] = np.minimum(edge, change.min(axis=0))
        high[0] = np.maximum(-edge, change.max(axis=0))
        old, new = new, old
        if count == limit - 4:
            low[1], high[1] = low[0], high[0]
        if np.all((high[0] - low[0])[-1 if rough else 0 :] <= tolerance):
            break
    return count


def _gather(
    indptr: Any,
    indices: Any,
    data: Any,
    rewards: Any,
    rows: Any,
    column: int,
    live: Any,
    out_indptr: Any,
    out_indices: Any,
    out_data: Any,
    out_rewards: Any,
) -> int:
    """The rows that one policy uses; see :func:`morl.exact.coverage.kernels.gather`."""
    used = np.where(live, rows[:, column], 0)
    length = np.where(live, indptr[used + 1] - indptr[used], 0) if len(rewards) else np.zeros(len(live), np.int64)
    out_indptr[0] = 0
    np.cumsum(length, out=out_indptr[1:])
    count = int(out_indptr[-1])
    where = np.repeat(indptr[used] - out_indptr[:-1], length) + np.arange(count)
    out_indices[:count], out_data[:count] = indices[where], data[where]
    out_rewards[:] = np.where(live[:, None], rewards[used], 0.0) if len(rewards) else 0.0
    return count


def _best_of(w: int, table: Any, column: int, weight: Any, values: Any, fresh: bool) -> None:
    """Keep the better of two value tables, state by state."""
    better = np.full(len(values), True) if fresh else (values - table[:, column::w]) @ weight > 0
    table[better, column::w] = values[better]


def _put(w: int, table: Any, column: int, values: Any) -> None:
    """Copy values into a column."""
    table[:, column::w] = values


def _take(w: int, table: Any, column: int, values: Any) -> None:
    """Copy a column out."""
    values[:] = table[:, column::w]

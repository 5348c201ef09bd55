"""Policy evaluation for models that mix slowly: BiCGSTAB preconditioned by Gauss–Seidel in the policy's own order.

Value sweeps need about 1/(1 − γ) passes when the chain of a policy forgets slowly (grids, long corridors).
Here BiCGSTAB (van der Vorst 1992) works on (I − L)⁻¹ (I − L − U) (I − U)⁻¹: one forward and one backward
Gauss–Seidel pass carry values far along paths, and with t = (I − U)⁻¹ v the product is t + (I − L)⁻¹ (v − t),
no dearer than one pass over the plain matrix (Eisenstat 1981). Where the model's own numbering does not help,
states are renumbered so that each comes after its likeliest successor: a pass then follows the whole path that
a policy takes, and solves a deterministic model outright.

Nothing here is trusted: the caller certifies the result by a sweep of its own.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from morl.compiled import REASSOCIATE, jit
from morl.exact.coverage.vectors import add_scaled, load, store, subtract

_PATIENCE = 60
"""Iterations in the model's own numbering (kind to the caches) before the states are renumbered along paths."""


@jit
def path_order(indptr, indices, data, order):  # type: ignore[no-untyped-def]
    """Number states so that each follows its likeliest successor, cycles broken once. ``order (S,)`` is filled.

    Breadth first over the reversed graph of likeliest successors, from its sinks and one state of each cycle.
    """
    n = len(indptr) - 1
    parent = np.full(n, -1, np.int32)
    for s in range(n):
        most = 0.0
        for i in range(indptr[s], indptr[s + 1]):
            if data[i] > most and indices[i] != s:
                most, parent[s] = data[i], indices[i]
    child, sibling = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    for s in range(n):
        if parent[s] >= 0:
            sibling[s], child[parent[s]] = child[parent[s]], s
    mark = np.zeros(n, np.int32)
    head, tail = 0, 0
    for phase in range(2):
        for s in range(n):
            if mark[s] < 0 or (phase == 0 and parent[s] >= 0):
                continue
            root = s
            if phase == 1:  # walk to the cycle that s leads into
                while mark[root] != s + 1:
                    mark[root] = s + 1
                    root = parent[root]
            mark[root] = -1
            order[tail] = root
            tail += 1
            while head < tail:
                u = order[head]
                head += 1
                c = child[u]
                while c >= 0:
                    if mark[c] >= 0:
                        mark[c] = -1
                        order[tail] = c
                        tail += 1
                    c = sibling[c]


@jit
def split(indptr, indices, data, discount, order, rank, low_ptr, low_idx, low, up_ptr, up_idx, up, diagonal):  # type: ignore[no-untyped-def]
    """Renumber I − γP by ``order``, divide by its diagonal and split it into 1 − L − U."""
    n = len(order)
    for i in range(n):
        rank[order[i]] = i
    a, b = 0, 0
    for i in range(n):
        s = order[i]
        low_ptr[i], up_ptr[i] = a, b
        own = 1.0
        for e in range(indptr[s], indptr[s + 1]):
            if indices[e] == s:
                own -= discount * data[e]
        diagonal[i] = 1.0 / own
        scale = discount / own
        for e in range(indptr[s], indptr[s + 1]):
            j = rank[indices[e]]
            if j < i:
                low_idx[a], low[a] = j, scale * data[e]
                a += 1
            elif j > i:
                up_idx[b], up[b] = j, scale * data[e]
                b += 1
    low_ptr[n], up_ptr[n] = a, b


def _dot(a, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


def _advance(x, r, p_hat, s_hat, t, shadow, alpha, omega):  # type: ignore[no-untyped-def]
    """Update solution and residual; returns ``shadow·r``, ``r·r`` and the largest entry of r."""
    rho = square = most = 0.0
    for i in range(len(x)):
        x[i] += alpha * p_hat[i] + omega * s_hat[i]
        value = r[i] - omega * t[i]
        r[i] = value
        rho += shadow[i] * value
        square += value * value
        most = max(most, abs(value))
    return rho, square, most


dot = jit(_dot, fastmath=REASSOCIATE)
advance = jit(_advance, fastmath=REASSOCIATE)


@functools.cache
def _passes(K: int):  # type: ignore[no-untyped-def]
    """Gauss–Seidel passes over flat tables with K objectives."""

    @jit
    def forward(ptr, idx, value, x):  # type: ignore[no-untyped-def]
        """``x = (1 − L)⁻¹ x``."""
        for i in range(len(ptr) - 1):
            total = load(x, i * K, K)
            for e in range(ptr[i], ptr[i + 1]):
                total = add_scaled(total, value[e], x, np.intp(idx[e]) * K)
            store(x, i * K, total)

    @jit
    def product(low_ptr, low_idx, low, up_ptr, up_idx, up, given, z, out):  # type: ignore[no-untyped-def]
        """``z = (1 − U)⁻¹ given`` and ``out = z + (1 − L)⁻¹ (given − z)``."""
        rows = len(low_ptr) - 1
        for i in range(rows - 1, -1, -1):
            total = load(given, i * K, K)
            for e in range(up_ptr[i], up_ptr[i + 1]):
                total = add_scaled(total, up[e], z, np.intp(up_idx[e]) * K)
            store(z, i * K, total)
        for i in range(rows):  # without z at first
            total = subtract(load(given, i * K, K), load(z, i * K, K))
            for e in range(low_ptr[i], low_ptr[i + 1]):
                total = add_scaled(total, low[e], out, np.intp(low_idx[e]) * K)
            store(out, i * K, total)
        for i in range(len(z)):
            out[i] += z[i]

    return forward, product


@jit
def _copy(source, target):  # type: ignore[no-untyped-def]
    for i in range(len(source)):  # numba takes seconds to compile the copying of slices
        target[i] = source[i]


@jit
def _largest(x):  # type: ignore[no-untyped-def]
    most = 0.0
    for i in range(len(x)):
        most = max(most, abs(x[i]))
    return most


@functools.cache
def solver(K: int):  # type: ignore[no-untyped-def]
    """The compiled BiCGSTAB for value tables with K objectives."""
    forward, product = _passes(K)

    @jit
    def bicgstab(low_ptr, low_idx, low, up_ptr, up_idx, up, r, x, tolerance, limit, work):  # type: ignore[no-untyped-def]
        """Solve ``(1 − L − U) x = r`` from x = 0 until the residual is at most ``tolerance`` everywhere.

        All K right-hand sides share the recurrences. ``r`` is overwritten, ``work`` is (6, S·K).
        Returns the number of iterations, −1 where the recurrences broke down, ``limit`` where it took too many.
        """
        shadow, p, p_hat, v, s_hat, t = work[0], work[1], work[2], work[3], work[4], work[5]
        n = len(r)
        for i in range(n):
            x[i] = 0.0
        forward(low_ptr, low_idx, low, r)
        _copy(r, shadow)
        rho, alpha, omega = 1.0, 1.0, 1.0
        new_rho = square = dot(r, r)
        size = max(tolerance * 2.0, _largest(r))
        fresh = True
        for count in range(limit):
            if not 2.0 * size > tolerance:  # |1 − L| is at most 2
                return count
            if fresh or abs(new_rho) < 1e-14 * square or omega == 0.0:
                _copy(r, shadow)
                _copy(r, p)
                rho = square
                fresh = False
            else:
                beta = (new_rho / rho) * (alpha / omega)
                rho = new_rho
                for i in range(n):
                    p[i] = r[i] + beta * (p[i] - omega * v[i])
            product(low_ptr, low_idx, low, up_ptr, up_idx, up, p, p_hat, v)
            slope = dot(shadow, v)
            if not np.isfinite(slope):
                return -1
            if slope == 0.0:  # a step of minimal residual, and start again
                fresh, slope = True, dot(v, v)
                alpha = dot(v, r) / slope if slope > 0.0 else 0.0
            else:
                alpha = rho / slope
            for i in range(n):
                r[i] -= alpha * v[i]
            product(low_ptr, low_idx, low, up_ptr, up_idx, up, r, s_hat, t)
            length = dot(t, t)
            omega = dot(t, r) / length if length > 0.0 else 0.0
            new_rho, square, size = advance(x, r, p_hat, s_hat, t, shadow, alpha, omega)
        return limit

    return bicgstab


@jit
def defect(indptr, indices, data, rewards, discount, values, order, diagonal, residual):  # type: ignore[no-untyped-def]
    """``(r + γPV − V) / diagonal`` in the new numbering, flat; returns its largest size in the old scale."""
    K = values.shape[1]
    most = 0.0
    for i in range(len(order)):
        s = order[i]
        for k in range(K):
            total = 0.0
            for e in range(indptr[s], indptr[s + 1]):
                total += data[e] * values[indices[e], k]
            change = rewards[s, k] + discount * total - values[s, k]
            most = max(most, abs(change))
            residual[i * K + k] = change * diagonal[i]
    return most


@jit
def correct(values, order, x):  # type: ignore[no-untyped-def]
    """Add the flat correction ``x`` in the new numbering to ``values (S, K)``."""
    K = values.shape[1]
    for i in range(len(order)):
        for k in range(K):
            values[order[i], k] += x[i * K + k]


class Krylov:
    """Working memory for the evaluation of one policy after another in a model of ``n`` states.

    Args:
        n: number of states.
        k: number of objectives.
        nonzeros: most nonzeros that a policy's matrix can have.
    """

    def __init__(self, n: int, k: int, nonzeros: int) -> None:
        self.order, self.rank = np.empty(n, np.int32), np.empty(n, np.int32)
        self.diagonal = np.empty(n)
        self.parts: tuple[Any, ...] = tuple(
            np.empty(size, kind)
            for _ in range(2)
            for size, kind in ((n + 1, np.int64), (nonzeros, np.int32), (nonzeros, np.float64))
        )
        self.residual, self.x, self.work = np.empty(n * k), np.empty(n * k), np.empty((6, n * k))
        self.run = solver(k)
        self.along_paths = False

    def refine(self, matrix: tuple[Any, ...], rewards: Any, discount: float, values: Any, tolerance: float) -> None:
        """Bring ``values (S, K)`` close to the solution of ``V = r + γPV``: a residual of about ``tolerance``.

        Args:
            matrix: ``(indptr, indices, data)`` of the policy's transitions.
        """
        for _ in range(4):  # the recurrences drift from the true residual; a restart or two removes that
            if not self.along_paths:
                self.order[:] = np.arange(len(self.order))
            else:
                path_order(*matrix, self.order)
            split(*matrix, discount, self.order, self.rank, *self.parts, self.diagonal)
            size = defect(*matrix, rewards, discount, values, self.order, self.diagonal, self.residual)
            if not size > tolerance:
                return
            limit = 400 if self.along_paths else _PATIENCE
            done = self.run(*self.parts, self.residual, self.x, tolerance, limit, self.work)
            if done >= 0 and np.isfinite(self.x).all():
                correct(values, self.order, self.x)
            if done < 0 or done == limit:
                self.along_paths = True

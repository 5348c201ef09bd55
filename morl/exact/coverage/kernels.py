"""Compiled loops over a sparse MOMDP, generated for W weights × K objectives.

A *table* ``(S, width(W, K))`` holds value vectors of K objectives under W weights (element ``k·W + j``, padded
to a power of two); plain values are ``(S, K)``. The loops optimise scalarised values while they carry the whole
vector, so that a sweep yields the scalar backup, its policy and the value vector of that policy at once. One
gather from the table serves all W weights, and everything inside a row of the model happens in registers.

:mod:`morl.exact.coverage.kernels_numpy` has the same functions in plain numpy, and the same answers.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np

from morl.compiled import jit
from morl.exact.coverage.krylov import Krylov
from morl.exact.coverage.vectors import (
    add_scaled,
    choose,
    fill,
    larger,
    load,
    load_spread,
    scalarise,
    scale_add,
    smaller,
    store,
    store_int,
    subtract,
)


@functools.cache
def kernels(w: int, k: int) -> SimpleNamespace:
    """The compiled functions for tables of ``w`` weights × ``k`` objectives (see :func:`_greedy`, :func:`_sweeps`)."""
    return SimpleNamespace(
        greedy=_greedy(w, k),
        sweeps=_sweeps(k),
        gather=gather,
        best_of=_best_of(w, k),
        put=_put(w, k),
        take=_take(w, k),
        linear=Krylov,
    )


def width(w: int, k: int) -> int:
    """Lanes of a table row for ``w`` weights and ``k`` objectives: the next power of two.

    >>> width(4, 2), width(4, 3)
    (8, 16)
    """
    return 1 << (w * k - 1).bit_length()


@functools.cache
def _greedy(W: int, K: int):  # type: ignore[no-untyped-def]
    n = width(W, K)

    @jit
    def greedy(indptr, indices, data, rewards, row_ptr, discount, edge, weights, table, out, rows, low, high):  # type: ignore[no-untyped-def]
        """One optimal Bellman backup of ``table`` into ``out``.

        ``weights (n,)`` in table order; ``rows (S, W)`` int32 receives the best row of each state;
        ``low, high (W,)`` the smallest and largest change of the scalarised values over live states,
        and 0 where ``edge`` is 0 instead of infinity.
        """
        wide = load(weights, 0, n)
        least, most = fill(edge, W), fill(-edge, W)
        for s in range(len(row_ptr) - 1):
            first, last = row_ptr[s], row_ptr[s + 1]
            if first == last:
                continue
            best, value, where = fill(-np.inf, W), fill(0.0, n), fill(float(first), W)
            for r in range(first, last):
                total = fill(0.0, n)
                for i in range(indptr[r], indptr[r + 1]):
                    total = add_scaled(total, data[i], table, np.intp(indices[i]) * n)
                total = scale_add(discount, total, load_spread(rewards, r * K, W, K, n))
                score = scalarise(total, wide, W, K)
                value = choose(score, best, total, value)
                where = choose(score, best, fill(float(r), W), where)
                best = choose(score, best, score, best)
            change = subtract(best, scalarise(load(table, s * n, n), wide, W, K))
            least, most = smaller(change, least), larger(change, most)
            store(out, s * n, value)
            store_int(rows, s * W, where)
        store(low, 0, least)
        store(high, 0, most)

    return greedy


@functools.cache
def _sweeps(K: int):  # type: ignore[no-untyped-def]
    @jit
    def sweeps(  # type: ignore[no-untyped-def]
        indptr, indices, data, rewards, discount, edge, weight, table, spare, low, high, tolerance, limit, rough
    ):
        """Evaluate one policy by at most ``limit`` Jacobi sweeps, ping-pong between ``table`` and ``spare`` (S, K).

        Stops when the spread of the change is at most ``tolerance``: in every objective, or when ``rough`` only
        after scalarisation by ``weight (K,)``. Returns the number of sweeps done; the newest values are in
        ``spare`` where it is odd. ``low, high (2, K + 1)`` receive the extremes of the last change (row 0; the
        scalarised change last) and of the change four sweeps before (row 1).
        """
        wide = load(weight, 0, K)
        count = 0
        old, new = table, spare
        while count < limit:
            least, most = fill(edge, K), fill(-edge, K)
            low_score, high_score = fill(edge, 1), fill(-edge, 1)
            for s in range(len(indptr) - 1):
                total = fill(0.0, K)
                for i in range(indptr[s], indptr[s + 1]):
                    total = add_scaled(total, data[i], old, np.intp(indices[i]) * K)
                total = scale_add(discount, total, load(rewards, s * K, K))
                change = subtract(total, load(old, s * K, K))
                least, most = smaller(change, least), larger(change, most)
                score = scalarise(change, wide, 1, K)
                low_score, high_score = smaller(score, low_score), larger(score, high_score)
                store(new, s * K, total)
            store(low, 0, least)
            store(high, 0, most)
            store(low, K, low_score)
            store(high, K, high_score)
            old, new = new, old
            count += 1
            if count == limit - 4:
                for k in range(K + 1):  # numba takes seconds to compile the copying of rows
                    low[1, k], high[1, k] = low[0, k], high[0, k]
            done = high[0, K] - low[0, K] <= tolerance
            if not rough:
                for k in range(K):
                    done = done and high[0, k] - low[0, k] <= tolerance
            if done:
                break
        return count

    return sweeps


@jit
def gather(indptr, indices, data, rewards, rows, column, live, out_indptr, out_indices, out_data, out_rewards):  # type: ignore[no-untyped-def]
    """Copy the rows that one policy uses (``rows[:, column]``) into a matrix of its own; returns its nonzeros.

    ``live (S,)`` is false for terminal states, whose rows stay empty.
    """
    count = 0
    for s in range(len(rows)):
        out_indptr[s] = count
        if live[s]:
            r = rows[s, column]
            for i in range(indptr[r], indptr[r + 1]):
                out_indices[count] = indices[i]
                out_data[count] = data[i]
                count += 1
            for k in range(rewards.shape[1]):
                out_rewards[s, k] = rewards[r, k]
        else:
            for k in range(rewards.shape[1]):
                out_rewards[s, k] = 0.0
    out_indptr[len(rows)] = count
    return count


@functools.cache
def _best_of(W: int, K: int):  # type: ignore[no-untyped-def]
    @jit
    def best_of(table, column, weight, values, fresh):  # type: ignore[no-untyped-def]
        """Under ``weight (K,)``, raise column ``column`` of ``table`` to ``values (S, K)`` where these are better."""
        for s in range(len(values)):
            gain = 0.0
            for k in range(K):
                gain += weight[k] * (values[s, k] - table[s, k * W + column])
            if fresh or gain > 0.0:
                for k in range(K):
                    table[s, k * W + column] = values[s, k]

    return best_of


@functools.cache
def _put(W: int, K: int):  # type: ignore[no-untyped-def]
    @jit
    def put(table, column, values):  # type: ignore[no-untyped-def]
        """Copy ``values (S, K)`` to column ``column`` of ``table``."""
        for s in range(len(values)):
            for k in range(K):
                table[s, k * W + column] = values[s, k]

    return put


@functools.cache
def _take(W: int, K: int):  # type: ignore[no-untyped-def]
    @jit
    def take(table, column, values):  # type: ignore[no-untyped-def]
        """Copy column ``column`` of ``table`` to ``values (S, K)``."""
        for s in range(len(values)):
            for k in range(K):
                values[s, k] = table[s, k * W + column]

    return take

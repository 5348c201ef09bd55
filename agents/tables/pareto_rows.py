"""Which rows of a table of vectors are non-dominated, and which few of them are evenly spread. Compiled."""

from __future__ import annotations

import numpy as np

from morl.compiled import jit


@jit
def sift_down(heap, total, position, n):  # type: ignore[no-untyped-def]
    """Let the row at ``position`` sink below rows of larger ``total``, in a heap of ``n`` rows."""
    row = heap[position]
    child = 2 * position + 1
    while child < n:
        if child + 1 < n and total[heap[child + 1]] > total[heap[child]]:
            child += 1
        if total[row] >= total[heap[child]]:
            break
        heap[position] = heap[child]
        position = child
        child = 2 * position + 1
    heap[position] = row


@jit
def nondominated(values, n, slack):  # type: ignore[no-untyped-def]
    """Rows (of the first n) that no other reaches up to ``slack (K,)``; of equal rows one is kept.

    Rows are visited by falling sum: a row cannot be dominated by one whose sum is smaller (Kung et al. 1975). They come
    from a heap, since ``np.argsort`` takes seconds to compile.
    """
    k = values.shape[1]
    total = np.empty(n)
    heap = np.empty(n, dtype=np.int64)
    for i in range(n):
        heap[i] = i
        total[i] = 0.0
        for j in range(k):
            total[i] += values[i, j]
    kept = np.empty(n, dtype=np.int64)
    m = 0
    for position in range(n // 2 - 1, -1, -1):
        sift_down(heap, total, position, n)
    for left in range(n - 1, -1, -1):
        i = heap[0]
        heap[0] = heap[left]
        sift_down(heap, total, 0, left)
        beaten = False
        for q in range(m):
            other = kept[q]
            beaten = True
            for j in range(k):
                if values[other, j] < values[i, j] - slack[j]:
                    beaten = False
                    break
            if beaten:
                break
        if not beaten:
            kept[m] = i
            m += 1
    return kept[:m]


@jit
def spread(values, rows, limit, scale):  # type: ignore[no-untyped-def]
    """At most ``limit`` of ``rows``: the best in each objective, then always the one farthest from those chosen."""
    n, k = len(rows), values.shape[1]
    if n <= limit:
        return rows
    gap = np.full(n, np.inf)
    chosen = np.zeros(n, dtype=np.bool_)
    for m in range(limit):
        pick = 0
        if m < k:
            for i in range(1, n):
                if values[rows[i], m] > values[rows[pick], m]:
                    pick = i
        else:
            for i in range(1, n):
                if gap[i] > gap[pick]:
                    pick = i
        chosen[pick] = True
        for i in range(n):
            distance = 0.0
            for j in range(k):
                distance += ((values[rows[i], j] - values[rows[pick], j]) / scale[j]) ** 2
            gap[i] = min(gap[i], distance)
    kept = np.empty(limit, dtype=np.int64)
    m = 0
    for i in range(n):
        if chosen[i]:
            kept[m] = rows[i]
            m += 1
    return kept[:m]


@jit
def gather(values, picks, rows):  # type: ignore[no-untyped-def]
    """The given rows of both tables (a loop: fancy indexing takes seconds to compile)."""
    some, chosen = np.empty((len(rows), values.shape[1])), np.empty((len(rows), picks.shape[1]), dtype=np.int64)
    for i in range(len(rows)):
        for j in range(values.shape[1]):
            some[i, j] = values[rows[i], j]
        for j in range(picks.shape[1]):
            chosen[i, j] = picks[rows[i], j]
    return some, chosen

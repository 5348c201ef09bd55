"""Dominance between computed numbers: two values that differ by rounding are the same value.

Thousands of policies may share a return exactly, and differ in the last bit once computed. Without care one
of two equal numbers "dominates" the other, or a dominated point survives because of 1e-16.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.indicators import nondominated_mask
from morl.spec import FloatArray, IntArray

RELATIVE = 1e-11


def tolerance(values: FloatArray, rewards: FloatArray | None = None) -> FloatArray:
    """What counts as equal, per objective ``(K,)``: 1e-11 of the largest value or reward."""
    size = np.abs(values).max(axis=0, initial=0.0)
    if rewards is not None:
        size = np.maximum(size, np.abs(rewards).max(axis=0, initial=0.0))
    return np.asarray(RELATIVE * size)


def ranks(values: FloatArray, slack: FloatArray) -> IntArray:
    """Ranks ``(n, K)`` per objective; runs of values with gaps of at most ``slack`` share a rank."""
    result = np.empty(values.shape, dtype=np.int64)
    for j in range(values.shape[1]):
        order = np.argsort(values[:, j], kind="stable")
        jumps = np.diff(values[order, j]) > slack[j]
        result[order, j] = np.concatenate([[0], np.cumsum(jumps)])
    return result


def tolerant_front(points: ArrayLike, slack: FloatArray) -> IntArray:
    """Indices of the non-dominated points ``(n, K)``, one for each group of equal ones."""
    values = np.asarray(points, dtype=np.float64)
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    levels = ranks(values, slack)
    _, first = np.unique(levels, axis=0, return_index=True)
    first = np.sort(first)
    return np.asarray(first[nondominated_mask(levels[first].astype(np.float64))])

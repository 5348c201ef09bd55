"""The non-dominated policies found so far, by their estimated values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.spec import AgentError, FloatArray


@dataclass
class Candidate:
    """One policy (or episode) with the value it is thought to have."""

    value: FloatArray
    payload: Any
    born: int = 0


class Archive:
    """Keeps candidates that no other dominates, at most ``capacity`` of them.

    Where more fit the front than the archive holds, the most crowded ones leave (crowding distance of Deb 2002, on
    objectives scaled to the archive's own range); extremes stay.

    Args:
        k: the number of objectives.
        capacity: candidates kept.
    """

    def __init__(self, k: int, capacity: int = 1000) -> None:
        if capacity < 1:
            raise AgentError(f"archive capacity is {capacity}; expected at least 1")
        self.k, self.capacity = k, int(capacity)
        self.items: list[Candidate] = []

    def __len__(self) -> int:
        return len(self.items)

    @property
    def values(self) -> FloatArray:
        """Estimated values ``(n, K)``."""
        return np.array([item.value for item in self.items]).reshape(-1, self.k)

    def add(self, value: FloatArray, payload: Any, born: int = 0) -> bool:
        """Offer a candidate; true where it stays."""
        vector = np.asarray(value, dtype=np.float64)
        if vector.shape != (self.k,) or not np.isfinite(vector).all():
            raise AgentError(f"archive value is {vector.tolist()}; expected {self.k} finite numbers")
        known = self.values
        if len(known) and np.any((known >= vector).all(axis=1)):
            return False
        stays = np.logical_not((vector >= known).all(axis=1)).tolist() if len(known) else []
        self.items = [item for item, keep in zip(self.items, stays, strict=True) if keep]
        fresh = Candidate(vector, payload, born)
        self.items.append(fresh)
        if len(self.items) > self.capacity:
            del self.items[int(np.argmin(crowding(self.values)))]
        return any(item is fresh for item in self.items)


def crowding(values: FloatArray) -> FloatArray:
    """Crowding distance ``(n,)`` of each row of ``(n, K)``; infinite at the extremes (Deb et al. 2002)."""
    n, k = values.shape
    distance = np.zeros(n)
    for j in range(k):
        order = np.argsort(values[:, j], kind="stable")
        span = values[order[-1], j] - values[order[0], j]
        distance[order[0]] = distance[order[-1]] = np.inf
        if span > 0 and n > 2:
            distance[order[1:-1]] += (values[order[2:], j] - values[order[:-2], j]) / span
    return distance

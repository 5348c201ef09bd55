"""Pareto archive: candidates that no other dominates, with what stands behind each, up to a capacity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.front import Front
from morl.spec import FloatArray, FrontError, Objective, SpecError, check_vector


@dataclass
class Candidate:
    """A value vector ``(K,)`` with what stands behind it (a policy, an episode) and when it came."""

    value: FloatArray
    payload: Any
    born: int = 0


class ParetoArchive:
    """An incremental non-dominated archive of bounded size: offer candidates, and the dominated ones leave.

    Where more fit the front than the archive holds, the most crowded one leaves (crowding distance of Deb et al. 2002,
    on objectives scaled to the archive's own range); extremes stay. Of equal values the first is kept. One offer
    costs O(n K).

    Args:
        k: the number of objectives.
        capacity: candidates kept; all of them by default.

    Attributes:
        items: the candidates, in the order in which they came. Their values may be replaced by better estimates.

    Raises:
        SpecError: ``k`` or ``capacity`` is less than 1.

    >>> archive = ParetoArchive(2)
    >>> [archive.add(p, name) for p, name in [([1, 3], "a"), ([3, 1], "b"), ([0, 0], "c"), ([3, 2], "d")]]
    [True, True, False, True]
    >>> archive.payloads
    ['a', 'd']
    """

    def __init__(self, k: int, capacity: int | None = None) -> None:
        if k < 1:
            raise SpecError(f"number of objectives is {k}; expected at least 1")
        if capacity is not None and capacity < 1:
            raise SpecError(f"archive capacity is {capacity}; expected at least 1")
        self.k, self.capacity = k, capacity
        self.items: list[Candidate] = []

    def __len__(self) -> int:
        return len(self.items)

    @property
    def values(self) -> FloatArray:
        """The candidates' values, a copy, ``(n, K)``."""
        return np.array([item.value for item in self.items], dtype=np.float64).reshape(-1, self.k)

    @property
    def payloads(self) -> list[Any]:
        """What stands behind each candidate, aligned with :attr:`values`."""
        return [item.payload for item in self.items]

    def add(self, value: ArrayLike, payload: Any, born: int = 0) -> bool:
        """Offer a candidate; true where it stays. What it dominates leaves with its payload.

        Args:
            value: ``(K,)``, maximised.
            payload: what stands behind it.
            born: when it came, such as a generation; not used here.

        Raises:
            FrontError: NaN, inf or the wrong number of objectives.
        """
        try:
            vector = check_vector(value, self.k, "value")
        except SpecError as error:
            raise FrontError(str(error)) from None
        known = self.values
        if np.any((known >= vector).all(axis=1)):
            return False
        stays = np.logical_not((vector >= known).all(axis=1)).tolist()
        self.items = [item for item, keep in zip(self.items, stays, strict=True) if keep]
        fresh = Candidate(vector, payload, born)
        self.items.append(fresh)
        if self.capacity is not None and len(self.items) > self.capacity:
            del self.items[int(np.argmin(crowding(self.values)))]
        return any(item is fresh for item in self.items)

    def front(self, objectives: Sequence[Objective | str] | None = None, **fields: Any) -> Front:
        """The archive as a :class:`Front`, payloads as its policies; ``fields`` are further Front arguments."""
        fields.setdefault("policies", self.payloads)
        names = [f"r{i}" for i in range(self.k)] if objectives is None else objectives
        return Front(self.values, names, **fields)


def crowding(values: FloatArray) -> FloatArray:
    """Crowding distance ``(n,)`` of each row of ``(n, K)``; infinite at the extremes (Deb et al. 2002).

    >>> crowding(np.array([[0.0, 3.0], [1.0, 2.0], [3.0, 0.0]])).tolist()
    [inf, 2.0, inf]
    """
    n, k = values.shape
    distance = np.zeros(n)
    for j in range(k):
        order = np.argsort(values[:, j], kind="stable")
        span = values[order[-1], j] - values[order[0], j]
        distance[order[0]] = distance[order[-1]] = np.inf
        if span > 0 and n > 2:
            distance[order[1:-1]] += (values[order[2:], j] - values[order[:-2], j]) / span
    return distance

"""A set that keeps only what nothing else dominates, with whatever stands behind each point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.front import Front
from morl.pareto.indicators import nondominated_mask
from morl.spec import FloatArray, FrontError, Objective, SpecError, check_vector

P = TypeVar("P")


class ParetoArchive(Generic[P]):
    """An incremental non-dominated archive: offer points one at a time, keep the best, forget the dominated.

    One offer costs O(n K), vectorised. Of equal points the first is kept.

    Args:
        k: the number of objectives.
        tolerance: a newcomer must exceed every kept point by more than this in some objective, in the unit of
            that objective (one number or ``(K,)``); 0 keeps everything non-dominated.

    Raises:
        SpecError: K < 1 or a negative tolerance.

    >>> archive = ParetoArchive(2)
    >>> [archive.add(p, name) for p, name in [([1, 3], "a"), ([3, 1], "b"), ([0, 0], "c"), ([3, 2], "d")]]
    [True, True, False, True]
    >>> archive.payloads
    ['a', 'd']
    """

    def __init__(self, k: int, tolerance: ArrayLike = 0.0) -> None:
        if k < 1:
            raise SpecError(f"number of objectives is {k}; expected at least 1")
        self.k = k
        self.tolerance = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), (k,)).copy()
        if not np.all(self.tolerance >= 0):
            raise SpecError(f"tolerance is {tolerance!r}; expected 0 or more")
        self._points: FloatArray = np.empty((16, k))
        self._payloads: list[P] = []

    def __len__(self) -> int:
        return len(self._payloads)

    def __iter__(self) -> Iterator[tuple[FloatArray, P]]:
        return iter(zip(self.points, self.payloads, strict=True))

    @property
    def points(self) -> FloatArray:
        """The points, a copy, shape ``(n, K)``, in the order in which they came."""
        return self._points[: len(self)].copy()

    @property
    def payloads(self) -> list[P]:
        """What stands behind each point, aligned with :attr:`points`."""
        return list(self._payloads)

    def covers(self, point: ArrayLike) -> bool:
        """True where some kept point is at least as good as ``point`` ``(K,)`` everywhere, up to the tolerance."""
        kept = self._points[: len(self)]
        return bool((kept + self.tolerance >= self._check(point)).all(axis=1).any())

    def add(self, point: ArrayLike, payload: P) -> bool:
        """Offer a point ``(K,)``; true where it was kept. What it dominates is dropped with its payload.

        Raises:
            FrontError: NaN, inf or the wrong number of objectives.
        """
        value = self._check(point)
        if self.covers(value):
            return False
        n = len(self)
        keep = np.asarray(~np.all(self._points[:n] <= value, axis=1))
        if not keep.all():
            kept = self._points[:n][keep]
            self._payloads = [p for p, stays in zip(self._payloads, keep.tolist(), strict=True) if stays]
            n = len(kept)
            self._points[:n] = kept
        if n == len(self._points):
            self._points = np.concatenate([self._points, np.empty_like(self._points)])
        self._points[n] = value
        self._payloads.append(payload)
        return True

    def extend(self, points: ArrayLike, payloads: Sequence[P]) -> int:
        """Offer many points ``(n, K)``; returns how many were kept at the time of their offer."""
        values = np.asarray(points, dtype=np.float64).reshape(-1, self.k)
        if len(payloads) != len(values):
            raise FrontError(f"{len(payloads)} payloads for {len(values)} points; expected one per point")
        if np.any(self.tolerance > 0) or len(values) < 2:
            return sum(self.add(p, payload) for p, payload in zip(values, payloads, strict=True))
        # the dominated among the newcomers can be dropped at once: it is what adding them in turn ends with
        return sum(self.add(values[i], payloads[int(i)]) for i in np.flatnonzero(nondominated_mask(values)))

    def front(self, objectives: Sequence[Objective | str] | None = None, **fields: Any) -> Front:
        """The archive as a :class:`Front`, payloads as its policies; ``fields`` are further Front arguments."""
        fields.setdefault("policies", self._payloads)
        names = [f"r{i}" for i in range(self.k)] if objectives is None else objectives
        return Front(self.points, names, **fields)

    def _check(self, point: ArrayLike) -> FloatArray:
        try:
            return check_vector(point, self.k, "point")
        except SpecError as error:
            raise FrontError(str(error)) from None

"""The region that a growing set of points does not dominate, as a union of boxes.

For a set of points there are finitely many *local corners* u such that x is dominated by no point exactly if
``x > u`` in every objective for some u (the "local upper bounds" of Klamroth, Lacour & Vanderpooten 2015,
here for maximisation). A search is over once no corner has an achievable point above it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.pareto.indicators import nondominated_mask
from morl.spec import BoolArray, FloatArray


class Corners:
    """Points and the corners between them.

    Args:
        low: ``(K,)``, below every achievable point.
        slack: ``(K,)``: a point that is not above a corner by more than this is not new.
    """

    def __init__(self, low: FloatArray, slack: FloatArray) -> None:
        self.slack = slack
        self.corners: FloatArray = np.array(low, dtype=np.float64)[None]
        self.points: FloatArray = np.zeros((0, len(low)))
        self.tags: list[Any] = []

    def is_new(self, points: FloatArray) -> BoolArray:
        """True for points ``(n, K)`` above some corner by more than the slack."""
        if len(points) == 1:
            return np.array([bool(np.all(points[0] > self.corners + self.slack, axis=1).any())])
        new = np.zeros(len(points), dtype=bool)
        step = max(1, 2_000_000 // max(1, len(self.corners)))
        for first in range(0, len(points), step):
            part = points[first : first + step]
            above: BoolArray = np.all(part[:, None] > self.corners + self.slack, axis=2)
            new[first : first + step] = above.any(axis=1)
        return new

    def add(self, point: FloatArray, tag: Any) -> bool:
        """Insert a point with what is behind it; false if it is not new."""
        hit = (point > self.corners).all(axis=1)
        if not (point > self.corners[hit] + self.slack).all(axis=1).any():
            return False
        split = self.corners[hit]
        k = len(point)
        children = np.repeat(split[None], k, axis=0)
        for j in range(k):
            children[j, :, j] = point[j]
        fresh = np.concatenate([self.corners[~hit], children.reshape(-1, k)])
        self.corners = fresh[nondominated_mask(-fresh)]
        keep: BoolArray = ~np.all(self.points <= point, axis=1)
        self.points = np.concatenate([self.points[keep], point[None]])
        self.tags = [t for t, good in zip(self.tags, keep, strict=True) if good] + [tag]
        return True

    def add_all(self, points: FloatArray, tags: Any) -> None:
        """Insert many points ``(n, K)``; ``tags(i)`` names what is behind point i."""
        for i in np.flatnonzero(self.is_new(points)):
            self.add(points[i], tags(int(i)))

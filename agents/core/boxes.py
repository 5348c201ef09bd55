"""The scale on which the bounds of a box are −1 and 1: of observations for networks, and of continuous actions."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

Array = np.ndarray[Any, Any]

ENDLESS = 1e6
"""Bounds of this size and more say nothing of where observations are."""


class UnitScale:
    """Brings the entries of a box, flattened, to [−1, 1] and back; entries without bounds stay as they are.

    Args:
        box: the space.
        endless: bounds of this size and more count as none.

    Attributes:
        bounded: ``(size,)`` entries that have both bounds.
        centre: ``(size,)`` what 0 stands for.
        half: ``(size,)`` what 1 adds to it; 0 where both bounds are equal.

    >>> scale = UnitScale(spaces.Box(np.array([0.0, -np.inf]), np.array([4.0, np.inf]), dtype=np.float64))
    >>> scale.to_unit(np.array([[3.0, 3.0]])).tolist(), scale.from_unit(np.array([[-1.0, -1.0]])).tolist()
    ([[0.5, 3.0]], [[0.0, -1.0]])
    """

    def __init__(self, box: spaces.Box, endless: float = ENDLESS) -> None:
        low, high = (np.asarray(bound, dtype=np.float64).ravel() for bound in (box.low, box.high))
        self.bounded = (np.abs(low) < endless) & (np.abs(high) < endless)
        low, high = np.where(self.bounded, low, -1.0), np.where(self.bounded, high, 1.0)
        self.centre, self.half = (low + high) / 2.0, (high - low) / 2.0
        self._factor = 1.0 / np.where(self.half > 0, self.half, 1.0)

    def to_unit(self, values: Array) -> Array:
        """Values ``(n, size)`` on the scale, float64."""
        return np.asarray((values - self.centre) * self._factor)

    def from_unit(self, values: Array) -> Array:
        """The inverse of :meth:`to_unit`."""
        return np.asarray(self.centre + self.half * values)

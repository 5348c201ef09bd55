"""Running statistics of observations that an agent owns.

One set of statistics for all parallel environments, saved with the agent, and frozen whenever it is only acting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from morl.agents.core.boxes import UnitScale
from morl.agents.core.rows import Rows
from morl.agents.core.running import merge_moments
from morl.agents.neural.features import Parts
from morl.spec import FloatArray

Array = np.ndarray[Any, Any]


class ObservationNormaliser:
    """Standardises boxes of numbers by their running mean and variance; images and one-hot rows pass as they are.

    Args:
        rows: say which of their numbers are of boxes, which they bring to [−1, 1] where there are bounds.
        clip: largest size of a standardised number.
        prior: observations that the first guess counts for: the uniform distribution where there are bounds, mean 0
            and variance 1 elsewhere. It keeps the first observations, which are all alike, from being blown up.

    Attributes:
        mean, var: of the boxes' numbers, in their order.
    """

    def __init__(self, rows: Rows, clip: float = 10.0, prior: float = 100.0) -> None:
        self.rows, self.clip, self.count = rows, clip, prior
        boxes = {name: part for name, part in rows.parts.items() if isinstance(part, spaces.Box)}
        scales = [UnitScale(box) for name, box in boxes.items() if name in rows.columns]
        places = [np.arange(rows.numbers)[rows.columns[name]] for name in boxes if name in rows.columns]
        nothing: list[Array] = [np.zeros(0)]
        known = np.concatenate([scale.bounded & (scale.half > 0) for scale in scales] or nothing).astype(bool)
        self._entries = np.concatenate(places or nothing).astype(np.int64)
        self.mean: FloatArray = np.zeros(len(known))
        self.var: FloatArray = np.where(known, 1 / 3, 1.0)
        self._use()

    def _use(self) -> None:
        """What standardises in float32, made once for many calls."""
        self._shift = self.mean.astype(np.float32)
        self._factor = (1 / np.sqrt(self.var + 1e-8)).astype(np.float32)

    def observe(self, rows: Array) -> None:
        """Learn from rows ``(n, size)``."""
        numbers = self.rows.numbers_of(rows)[:, self._entries].astype(np.float64)
        self.mean, self.var, self.count = merge_moments(self.mean, self.var, self.count, numbers)
        self._use()

    def __call__(self, rows: Array) -> Array:
        """Rows ``(n, size)`` standardised by what is known so far."""
        if not len(self._entries):
            return rows
        done = rows.copy()
        numbers = self.rows.numbers_of(done)
        standard = (numbers[:, self._entries] - self._shift) * self._factor
        numbers[:, self._entries] = np.clip(standard, -self.clip, self.clip)
        return done

    def in_tensors(self, seen: Tensor | Parts) -> Tensor | Parts:
        """The same as calling it, for what :func:`~morl.agents.neural.deployed.encoded_rows` makes."""
        shift, factor = np.zeros(self.rows.numbers, np.float32), np.ones(self.rows.numbers, np.float32)
        clip = np.full(self.rows.numbers, np.inf, np.float32)
        shift[self._entries], factor[self._entries], clip[self._entries] = self._shift, self._factor, self.clip
        numbers = seen if isinstance(seen, Tensor) else seen.numbers
        limit = torch.from_numpy(clip)
        standard = (numbers - torch.from_numpy(shift)) * torch.from_numpy(factor)
        standard = torch.minimum(torch.maximum(standard, -limit), limit)
        return standard if isinstance(seen, Tensor) else seen._replace(numbers=standard)

    def arrays(self) -> dict[str, Array]:
        """The statistics as named arrays."""
        return {"count": np.array([self.count]), "mean": self.mean.copy(), "var": self.var.copy()}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        self.count, self.mean, self.var = float(arrays["count"][0]), np.array(arrays["mean"]), np.array(arrays["var"])
        self._use()

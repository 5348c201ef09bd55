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
from morl.agents.core.running import merge_moments
from morl.agents.neural.extractors import Arrays, Inputs
from morl.spec import FloatArray

Array = np.ndarray[Any, Any]


class ObservationNormaliser:
    """Standardises boxes of numbers by their running mean and variance; images and one-hot rows pass as they are.

    Args:
        inputs: says which parts are boxes.
        clip: largest size of a standardised number.
        prior: observations that the first guess counts for: the bounds' uniform distribution where there are bounds,
            mean 0 and variance 1 elsewhere. It keeps the first observations, which are all alike, from being blown up.
    """

    def __init__(self, inputs: Inputs, clip: float = 10.0, prior: float = 100.0) -> None:
        self.clip, self.count = clip, prior
        self.mean: dict[str, FloatArray] = {}
        self.var: dict[str, FloatArray] = {}
        for name in inputs.boxes:
            space = inputs.parts[name]
            assert isinstance(space, spaces.Box)
            scale = UnitScale(space)
            self.mean[name] = scale.centre.reshape(space.shape)
            self.var[name] = np.where(scale.bounded & (scale.half > 0), scale.half**2 / 3, 1.0).reshape(space.shape)
        self._use()

    def _use(self) -> None:
        """What standardises in float32, made once for many calls."""
        self._shift = {name: mean.astype(np.float32) for name, mean in self.mean.items()}
        self._factor = {name: (1 / np.sqrt(var + 1e-8)).astype(np.float32) for name, var in self.var.items()}

    def observe(self, arrays: Arrays) -> None:
        """Learn from a batch of observations ``(n, ...)``."""
        count = self.count
        for name in self.mean:
            rows = arrays[name].astype(np.float64)
            self.mean[name], self.var[name], self.count = merge_moments(self.mean[name], self.var[name], count, rows)
        self._use()

    def __call__(self, arrays: Arrays) -> Arrays:
        """A batch standardised by what is known so far."""
        done = dict(arrays)
        for name, shift in self._shift.items():
            done[name] = np.clip((arrays[name] - shift) * self._factor[name], -self.clip, self.clip)
        return done

    def in_tensors(self, name: str, values: Tensor) -> Tensor:
        """One part of a batch in tensors, standardised as calling it does."""
        if name not in self._shift:
            return values
        shift, factor = torch.as_tensor(self._shift[name]), torch.as_tensor(self._factor[name])
        return ((values - shift) * factor).clamp(-self.clip, self.clip)

    def arrays(self) -> dict[str, Array]:
        """The statistics as named arrays."""
        out = {"count": np.array([self.count])}
        for name in self.mean:
            out[f"mean.{name}"], out[f"var.{name}"] = self.mean[name].copy(), self.var[name].copy()
        return out

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        self.count = float(arrays["count"][0])
        for name in self.mean:
            self.mean[name], self.var[name] = np.array(arrays[f"mean.{name}"]), np.array(arrays[f"var.{name}"])
        self._use()

"""Running statistics that an agent owns: of observations, and of returns per objective.

One set of statistics for all parallel environments, saved with the agent, and frozen whenever it is only acting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

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
            low, high = (np.asarray(x, dtype=np.float64) for x in (space.low, space.high))  # type: ignore[attr-defined]
            known = (np.maximum(np.abs(low), np.abs(high)) < 1e6) & (high > low)
            self.mean[name] = np.where(known, (np.where(known, low, 0) + np.where(known, high, 0)) / 2, 0.0)
            self.var[name] = np.where(known, np.where(known, high - low, 1.0) ** 2 / 12, 1.0)
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


class ReturnHead(nn.Module):
    """A linear head for the K expected returns whose outputs are in units of their running mean and deviation.

    When the units move, weights and biases are rescaled so that values in the unit of the returns stay what they were
    (PopArt: van Hasselt et al. 2016). An objective whose rewards are 100 times larger then learns just the same.

    Args:
        inputs: features.
        k: objectives.
        beta: step size of the running moments; the first ones are averaged exactly.

    Attributes:
        mean: what an output of 0 stands for, ``(K,)``.
        std: what an output of 1 adds, ``(K,)``.
    """

    mean: Tensor
    std: Tensor
    moments: Tensor
    count: Tensor

    def __init__(self, inputs: int, k: int, beta: float = 0.05) -> None:
        super().__init__()
        self.beta = beta
        self.linear = nn.Linear(inputs, k)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("mean", torch.zeros(k))
        self.register_buffer("std", torch.ones(k))
        self.register_buffer("moments", torch.zeros(2, k, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(1, dtype=torch.float64))

    def forward(self, features: Tensor) -> Tensor:
        """Normalised values ``(n, K)``."""
        values: Tensor = self.linear(features)
        return values

    def denormalise(self, values: Tensor) -> Tensor:
        """Values ``(..., K)`` in the unit of the returns."""
        return values * self.std + self.mean

    def normalise(self, returns: Tensor) -> Tensor:
        """Returns ``(..., K)`` in the head's units."""
        return (returns - self.mean) / self.std

    @torch.no_grad()
    def observe(self, returns: FloatArray) -> None:
        """Take in returns ``(n, K)``; what is predicted in the unit of the returns stays the same."""
        seen = np.stack([returns.mean(axis=0), (returns**2).mean(axis=0)])
        self.count += 1
        step = max(self.beta, 1.0 / float(self.count))
        self.moments += step * (torch.from_numpy(seen).to(self.moments.device) - self.moments)
        mean, square = self.moments.cpu().numpy()
        var = square - mean**2
        std = np.where(var > 1e-12 * np.maximum(1e-12, square), np.sqrt(np.maximum(var, 0.0)), 1.0)
        new_mean = torch.from_numpy(mean.astype(np.float32)).to(self.mean.device)
        new_std = torch.from_numpy(std.astype(np.float32)).to(self.std.device).clamp(min=1e-8)
        if self.count > 1:  # before, nothing was predicted
            self.linear.weight *= (self.std / new_std)[:, None]
            self.linear.bias.copy_((self.linear.bias * self.std + self.mean - new_mean) / new_std)
        self.mean.copy_(new_mean)
        self.std.copy_(new_std)

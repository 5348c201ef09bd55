"""Observations and rewards brought to a common size while they come in (as stable-baselines3's VecNormalize does)."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from morl.agents.core.boxes import UnitScale
from morl.spec import BoolArray, FloatArray

Array = np.ndarray[Any, Any]
_CLIP = 10.0


def unscaled(space: spaces.Space[Any]) -> BoolArray | None:
    """Which entries ``(size,)`` of a flat box have no bounds to be scaled by; ``None`` for other spaces."""
    if not isinstance(space, spaces.Box) or len(space.shape) > 1:
        return None
    return np.asarray(~UnitScale(space).bounded)


class Normaliser:
    """Divides rewards by the standard deviation of the returns so far, and standardises observations without bounds.

    Args:
        entries: ``(size,)`` entries of an observation that are standardised; ``None`` for none.
        n_envs: parallel environments.
        discount: γ of the returns.
    """

    def __init__(self, entries: BoolArray | None, n_envs: int, discount: float) -> None:
        self.entries = entries if entries is not None and entries.any() else None
        size = 0 if self.entries is None else len(self.entries)
        self.discount = discount
        self.mean, self.var, self.count = np.zeros(size), np.ones(size), 1e-4
        self.return_mean, self.return_var, self.return_count = np.zeros(1), np.ones(1), 1e-4
        self._running: FloatArray = np.zeros(n_envs)

    def begin(self) -> None:
        """Episodes begin anew in all environments."""
        self._running[:] = 0.0

    def observe(self, rows: Array) -> None:
        """Learn from observations ``(n, size)``."""
        if self.entries is not None:
            self.mean, self.var, self.count = merge_moments(self.mean, self.var, self.count, rows.astype(np.float64))

    def __call__(self, rows: Array) -> Array:
        """Observations ``(n, size)`` standardised by what is known so far."""
        if self.entries is None:
            return rows
        standard = np.clip((rows - self.mean) / np.sqrt(self.var + 1e-8), -_CLIP, _CLIP)
        return np.where(self.entries, standard, rows).astype(np.float32)

    def in_tensors(self, rows: Any) -> Any:
        """The same as calling it, for tensors."""
        import torch

        mean, spread = torch.as_tensor(self.mean), torch.as_tensor(np.sqrt(self.var + 1e-8))
        standard = ((rows.double() - mean) / spread).clamp(-_CLIP, _CLIP)
        return torch.where(torch.as_tensor(self.entries), standard, rows.double()).float()

    def rewards(self, rewards: FloatArray, done: BoolArray) -> FloatArray:
        """Rewards ``(n,)`` of a step in units of the standard deviation of discounted returns."""
        self._running = self._running * self.discount + rewards
        self.return_mean, self.return_var, self.return_count = merge_moments(
            self.return_mean, self.return_var, self.return_count, self._running[:, None]
        )
        self._running[done] = 0.0
        return np.asarray(np.clip(rewards / np.sqrt(self.return_var[0] + 1e-8), -_CLIP, _CLIP))

    def arrays(self, prefix: str) -> dict[str, Array]:
        """What is known, as named arrays."""
        known = {"mean": self.mean, "var": self.var, "return_mean": self.return_mean, "return_var": self.return_var}
        counts = np.array([self.count, self.return_count])
        return {f"{prefix}.{key}": value.copy() for key, value in {**known, "counts": counts}.items()}

    def restore(self, arrays: Any, prefix: str) -> None:
        """The inverse of :meth:`arrays`."""
        self.mean, self.var = arrays[f"{prefix}.mean"].copy(), arrays[f"{prefix}.var"].copy()
        self.return_mean = arrays[f"{prefix}.return_mean"].copy()
        self.return_var = arrays[f"{prefix}.return_var"].copy()
        self.count, self.return_count = (float(x) for x in arrays[f"{prefix}.counts"])


def merge_moments(
    mean: FloatArray, var: FloatArray, count: float, rows: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Mean, variance and number of all rows, those seen before and new ones ``(n, size)`` (Chan et al. 1979)."""
    n = len(rows)
    total = count + n
    delta = rows.mean(axis=0) - mean
    squares = var * count + rows.var(axis=0) * n + delta**2 * (count * n / total)
    return mean + delta * (n / total), squares / total, total

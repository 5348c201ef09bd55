"""Preferences to train on: over the whole simplex, with a share on those that can gain most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from morl.agents.core.preferences import sample_simplex, simplex_grid
from morl.spec import FloatArray

Array = np.ndarray[Any, Any]


class PreferenceSampler:
    """Draws preferences, and remembers what episodes under them earned.

    Preferences and returns are in one unit: each objective divided by the same positive number. Of every grid point g
    the running mean of the returns R(g) of episodes under preferences nearest to it is kept. What g can gain at least
    is what other points' policies would earn for it, ``max_j g · R(j) − g · R(g)``; a point not tried yet comes first.

    Args:
        k: objectives.
        focus: share of the draws that goes to grid points in proportion to their gain; the rest is uniform.
        points: grid points, about.
        beta: step size of the running means.
    """

    def __init__(self, k: int, focus: float, points: int = 24, beta: float = 0.2) -> None:
        self.k, self.focus, self.beta = k, focus, beta
        self.grid = simplex_grid(k, max(points, k))
        self.returns: FloatArray = np.zeros((len(self.grid), k))
        self.episodes: FloatArray = np.zeros(len(self.grid))

    def draw(self, n: int, rng: np.random.Generator, unit: FloatArray | None) -> FloatArray:
        """``n`` preferences ``(n, K)``; ``unit`` ``(K,)`` divides raw returns, ``None`` while it is not known."""
        drawn = sample_simplex(n, self.k, rng)
        focused = rng.random(n) < self.focus
        gain = np.zeros(len(self.grid)) if unit is None else self.gain(unit)
        if focused.any() and gain.sum() > 0:
            chosen = rng.choice(len(gain), size=n, p=gain / gain.sum())
            drawn[focused] = self.grid[chosen][focused]
        return drawn

    def gain(self, unit: FloatArray) -> FloatArray:
        """What each grid point can gain at least ``(m,)``, given what was earned so far."""
        tried = self.episodes > 0
        if not tried.any():
            return np.zeros(len(self.grid))
        values = self.grid @ (self.returns / unit).T
        gain = np.maximum(values[:, tried].max(axis=1) - np.diag(values), 0.0)
        gain[~tried] = max(float(gain[tried].max()), 1e-12)
        return np.asarray(gain)

    def record(self, preferences: FloatArray, returns: FloatArray) -> None:
        """Raw returns ``(n, K)`` of episodes that ended under preferences ``(n, K)``."""
        nearest = np.abs(preferences[:, None] - self.grid).sum(axis=2).argmin(axis=1)
        for i, earned in zip(nearest, returns, strict=True):
            self.episodes[i] += 1
            self.returns[i] += max(self.beta, 1 / self.episodes[i]) * (earned - self.returns[i])

    def arrays(self) -> dict[str, Array]:
        """What is remembered, as named arrays."""
        return {"returns": self.returns.copy(), "episodes": self.episodes.copy()}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        self.returns, self.episodes = np.array(arrays["returns"]), np.array(arrays["episodes"])

"""Exploration that persists: random actions held for a random number of steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from morl.agents.core.collector import random_actions
from morl.spec import AgentError, BoolArray

Array = np.ndarray[Any, Any]


class Persistent:
    """Random actions of n environments, each held for a while (Dabney, Ostrovski & Barreto 2021, "εz-greedy").

    Single random actions undo one another: a cart that must accelerate four times and turn five times the same way
    almost never does so by coin flips. Durations follow a zeta law, ``P(n) ∝ n^-power``, cut at ``longest``, so most
    are short and some are long. ``longest = 1`` is plain ε-greedy.

    Args:
        space: the action space of one environment.
        n: environments.
        power: exponent of the law of durations, above 1.
        longest: longest duration.

    Raises:
        AgentError: a power of at most 1 or a longest duration below 1.
    """

    def __init__(self, space: spaces.Space[Any], n: int, power: float = 2.0, longest: int = 16) -> None:
        if not power > 1.0 or longest < 1:
            raise AgentError(
                f"durations n^-{power} up to {longest}: expected a power above 1 and a length of at least 1"
            )
        self.space, self.n = space, n
        chances = np.arange(1, longest + 1, dtype=np.float64) ** -power
        self._edges = np.cumsum(chances / chances.sum())
        self.left = np.zeros(n, dtype=np.int64)
        self.held: Array = random_actions(space, n, np.random.default_rng(0))

    def step(self, greedy: Array | None, epsilon: float | Array, rng: np.random.Generator) -> tuple[Array, BoolArray]:
        """The actions to take.

        Args:
            greedy: ``(n, ...)`` what the policy would do; ``None`` explores everywhere.
            epsilon: probability of beginning to explore, a number or ``(n,)``.
            rng: draws.

        Returns:
            Actions ``(n, ...)`` and where they are exploratory, ``(n,)``.
        """
        begin = self.left == 0
        if greedy is not None:
            begin &= rng.random(self.n) < epsilon
        if begin.any():
            count = int(begin.sum())
            self.left[begin] = np.searchsorted(self._edges, rng.random(count)) + 1
            self.held[begin] = random_actions(self.space, count, rng)
        exploring = self.left > 0
        self.left[exploring] -= 1
        if greedy is None:
            return self.held.copy(), exploring
        shape = (self.n,) + (1,) * (greedy.ndim - 1)
        return np.where(exploring.reshape(shape), self.held, greedy).astype(greedy.dtype), exploring

    def stop(self, rows: Array) -> None:
        """Let go of held actions where episodes have ended."""
        self.left[rows] = 0

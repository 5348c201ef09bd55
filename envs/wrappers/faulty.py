"""A corrupted objective: what one broken reward signal does to the others."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from morl.envs.wrappers.arguments import not_negative, position
from morl.envs.wrappers.base import DrawnReward, DrawnTransform, VectorDrawnReward
from morl.spec import EnvError, FloatArray, MOSpec

MODES = ("noise", "zero", "flip")
TRUE_REWARD = "true_reward"
"""Info key of the reward as it really was."""


class FaultTransform(DrawnTransform):
    """Noise on, absence of, or a flipped sign of one objective.

    Args:
        objective: its name or number.
        mode: ``"noise"`` adds N(0, σ²), ``"zero"`` silences it, ``"flip"`` negates it.
        sigma: σ of the noise, in the unit of the reward.
    """

    kept_as = TRUE_REWARD
    name = "FaultyReward"

    def __init__(self, objective: str | int, mode: str, sigma: float) -> None:
        if not isinstance(mode, str) or mode not in MODES:
            raise EnvError(f"fault mode is {mode!r}; expected one of {', '.join(map(repr, MODES))}")
        self.objective, self.mode, self.sigma = objective, mode, not_negative(sigma, "sigma")
        self.index = 0
        self.rng = np.random.default_rng()

    def spec(self, spec: MOSpec) -> MOSpec:
        """The corrupted objective keeps its name; its bounds become what the fault can make of them."""
        from dataclasses import replace

        self.index = position(spec, self.objective)
        sound = spec.objectives[self.index]
        low, high = sound.low, sound.high
        if self.mode == "noise" and self.sigma > 0:
            low, high = -np.inf, np.inf
        elif self.mode == "zero":
            low, high = 0.0, 0.0
        elif self.mode == "flip":
            low, high = -high, -low
        broken = replace(sound, low=low, high=high)
        objectives = tuple(broken if i == self.index else o for i, o in enumerate(spec.objectives))
        return replace(spec, objectives=objectives)

    def apply(self, rewards: FloatArray) -> FloatArray:
        """Corrupt one column of a fresh array."""
        column = rewards[..., self.index]
        if self.mode == "noise":
            rewards[..., self.index] = column + self.sigma * self.rng.standard_normal(column.shape)
        else:
            rewards[..., self.index] = 0.0 if self.mode == "zero" else -column + 0.0
        return rewards


class FaultyReward(DrawnReward):
    """One objective is corrupted; the true reward stays in ``info["true_reward"]``.

    The noise has a generator of its own that follows the seed of ``reset``, so the episode itself is that of the sound
    environment.

    Args:
        env: an environment with vector rewards.
        objective: the one to corrupt, by name or number.
        mode: ``"noise"``, ``"zero"`` or ``"flip"``.
        sigma: standard deviation of the noise.
    """

    def __init__(self, env: gym.Env[Any, Any], objective: str | int, mode: str = "noise", sigma: float = 1.0) -> None:
        fault = FaultTransform(objective, mode, sigma)
        super().__init__(env, fault, objective=objective, mode=mode, sigma=sigma)


class VectorFaultyReward(VectorDrawnReward):
    """The vector form of :class:`FaultyReward`."""

    def __init__(
        self, env: VectorEnv[Any, Any, Any], objective: str | int, mode: str = "noise", sigma: float = 1.0
    ) -> None:
        super().__init__(env, FaultTransform(objective, mode, sigma))

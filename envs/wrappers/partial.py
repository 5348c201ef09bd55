"""Objectives that are measured now and then: labels that cost money, tests that are seldom made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from morl.envs.wrappers.arguments import numbers
from morl.envs.wrappers.base import DrawnReward, DrawnTransform, VectorDrawnReward
from morl.envs.wrappers.faulty import TRUE_REWARD
from morl.spec import EnvError, FloatArray, MOSpec


class PartialTransform(DrawnTransform):
    """Each objective's reward is seen with its own probability, and weighs as much more as it is seen less.

    Args:
        probability: p, one number or ``(K,)``, in (0, 1].
        weighted: divide what is seen by p, which keeps its expectation (Horvitz & Thompson 1952).
    """

    kept_as = TRUE_REWARD
    name = "PartialReward"

    def __init__(self, probability: Any, weighted: bool) -> None:
        self.given, self.weighted = probability, bool(weighted)
        self.probability: FloatArray = np.ones(1)
        self.rng = np.random.default_rng()

    def spec(self, spec: MOSpec) -> MOSpec:
        """Bounds contain 0, which stands for a reward that is not seen, and grow with the weight.

        Raises:
            EnvError: a probability outside (0, 1], or not one per objective.
        """
        p = np.broadcast_to(numbers(self.given, spec.k, "probability"), (spec.k,)).astype(np.float64)
        if not ((p > 0) & (p <= 1)).all():
            raise EnvError(
                f"probability is {self.given!r}; expected numbers in (0, 1]: what is never seen teaches nothing"
            )
        self.probability = p
        factor = 1.0 / p if self.weighted else np.ones(spec.k)
        objectives = [
            replace(o, low=min(0.0, o.low * f), high=max(0.0, o.high * f)) if q < 1 else o
            for o, f, q in zip(spec.objectives, factor, p, strict=True)
        ]
        return replace(spec, objectives=tuple(objectives))

    def apply(self, rewards: FloatArray) -> FloatArray:
        """What is seen of a fresh array."""
        seen = self.rng.random(rewards.shape) < self.probability
        return np.where(seen, rewards / self.probability if self.weighted else rewards, 0.0)


class PartialReward(DrawnReward):
    """Objective k is seen with probability p_k, weighted by 1/p_k; the whole reward is ``info["true_reward"]``.

    Expected returns stay what they are, so that every value that is learned has the same meaning; they only become
    noisier, by the factor (1/p − 1) of a reward's square. What is drawn follows the seed of ``reset`` and leaves the
    episode alone.

    Args:
        env: an environment with vector rewards.
        probability: p in (0, 1], one number or one per objective.
        weighted: false leaves what is seen as it is: an objective that is seldom seen then counts less.
    """

    def __init__(self, env: gym.Env[Any, Any], probability: Any, weighted: bool = True) -> None:
        seen = PartialTransform(probability, weighted)
        super().__init__(env, seen, probability=probability, weighted=weighted)


class VectorPartialReward(VectorDrawnReward):
    """The vector form of :class:`PartialReward`."""

    def __init__(self, env: VectorEnv[Any, Any, Any], probability: Any, weighted: bool = True) -> None:
        super().__init__(env, PartialTransform(probability, weighted))

"""Episode statistics: vector return, discounted vector return and length, right across every autoreset mode."""

from __future__ import annotations

import time
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from morl.envs.core import Info
from morl.envs.wrappers.arguments import discount_or
from morl.envs.wrappers.base import MOVectorWrapper, MOWrapper

KEY = "episode"
"""Info key of the statistics: ``r`` return, ``dr`` discounted return, ``l`` length, ``t`` seconds since the start."""


class RecordStatistics(MOWrapper):
    """At the end of an episode, ``info["episode"]`` holds ``r`` (K,), ``dr`` (K,), ``l`` and ``t``.

    Args:
        env: an environment with vector rewards.
        discount: γ for ``dr``; the environment's own by default. The first reward counts with γ⁰ = 1.
    """

    def __init__(self, env: gym.Env[Any, Any], discount: float | None = None) -> None:
        super().__init__(env, discount=discount)
        self.discount = discount_or(discount, self.inner_spec.discount)
        self._clear()

    def _clear(self) -> None:
        self._return = np.zeros(self.inner_spec.k)
        self._discounted = np.zeros(self.inner_spec.k)
        self._length, self._weight = 0, 1.0
        self._begun = time.perf_counter()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start an episode."""
        out = self.env.reset(seed=seed, options=options)
        self._clear()
        return out

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Info]:
        """One step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        vector = self._read(reward)
        self._return += vector
        self._discounted += self._weight * vector
        self._weight *= self.discount
        self._length += 1
        if terminated or truncated:
            seconds = time.perf_counter() - self._begun
            record = {"r": self._return.copy(), "dr": self._discounted.copy(), "l": self._length, "t": seconds}
            info = {**info, KEY: record}
        return observation, vector, terminated, truncated, info


class VectorRecordStatistics(MOVectorWrapper):
    """The vector form: ``info["episode"]`` holds arrays, and ``info["_episode"]`` says whose have just ended.

    The entries of the others are zero. The step that ends an episode is counted in it, and the step that restarts an
    environment (``NEXT_STEP``) in none.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], discount: float | None = None) -> None:
        super().__init__(env)
        self.discount = discount_or(discount, self.inner_spec.discount)
        n, k = self.num_envs, self.inner_spec.k
        self._return, self._discounted = np.zeros((n, k)), np.zeros((n, k))
        self._length = np.zeros(n, dtype=np.int64)
        self._begun = np.full(n, time.perf_counter())
        self._done = np.zeros(n, dtype=bool)

    def _clear(self, which: Any) -> None:
        self._return[which] = 0.0
        self._discounted[which] = 0.0
        self._length[which] = 0
        self._begun[which] = time.perf_counter()

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start the episodes (of the reset mask)."""
        mask = (options or {}).get("reset_mask")
        out = self.env.reset(seed=seed, options=options)
        which = slice(None) if mask is None else np.asarray(mask)
        self._clear(which)
        self._done[which] = False
        return out

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """One step."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        vectors = self._read(rewards)
        self._return += vectors
        self._discounted += self.discount ** self._length[:, None] * vectors
        self._length += 1
        if self._done.any():
            self._clear(self._done)
        done = terminated | truncated
        if done.any():
            info = {**info, KEY: self._record(done), f"_{KEY}": done.copy()}
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            self._clear(done)
        elif self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._done = done
        return observations, vectors, terminated, truncated, info

    def _record(self, done: Any) -> Info:
        seconds = time.perf_counter() - self._begun
        out: Info = {}
        columns = (("r", self._return), ("dr", self._discounted), ("l", self._length), ("t", seconds))
        for key, values in columns:
            out[key] = np.where(done[:, None] if values.ndim == 2 else done, values, np.zeros_like(values))
            out[f"_{key}"] = done.copy()
        return out

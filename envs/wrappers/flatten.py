"""Observations of any space as flat float vectors, one environment or a whole batch at a time."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.spaces.utils import flatten, flatten_space
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space, iterate

from morl.envs.core import Info
from morl.envs.wrappers.base import MOVectorWrapper, MOWrapper
from morl.spec import EnvError

Array = np.ndarray[Any, Any]


def flat_space(space: spaces.Space[Any]) -> spaces.Box:
    """The box that flattened observations lie in: numbers as they are, discrete ones one-hot.

    Raises:
        EnvError: a space without a flat form (sequences, graphs).
    """
    try:
        flat: spaces.Space[Any] = flatten_space(space)
    except NotImplementedError:
        flat = space
    if not isinstance(flat, spaces.Box) or len(flat.shape) != 1:
        raise EnvError(f"observation space {space} has no flat form; expected boxes, discrete spaces, or both nested")
    return flat


def flatten_one(space: spaces.Space[Any], observation: Any) -> Array:
    """One observation as a fresh vector."""
    return np.array(flatten(space, observation))


def flatten_batch(space: spaces.Space[Any], observations: Any, n: int) -> Array:
    """n observations as a fresh array ``(n, d)``; ``space`` is that of one of them."""
    if isinstance(space, spaces.Box):
        return np.array(observations).reshape(n, -1)
    if isinstance(space, spaces.Discrete):
        hot = np.zeros((n, int(space.n)), dtype=np.int64)
        hot[np.arange(n), np.asarray(observations) - space.start] = 1
        return hot
    one_by_one = iterate(batch_space(space, n), observations)
    return np.stack([np.asarray(flatten(space, observation)) for observation in one_by_one])


class FlattenObservation(MOWrapper):
    """Observations as flat vectors (discrete ones one-hot)."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.observation_space = flat_space(env.observation_space)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return flatten_one(self.env.observation_space, observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Info]:
        """One step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        flat = flatten_one(self.env.observation_space, observation)
        return flat, self._read(reward), terminated, truncated, info


class VectorFlattenObservation(MOVectorWrapper):
    """The vector form of :class:`FlattenObservation`; ``final_obs`` is flattened too."""

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        self.single_observation_space = flat_space(env.single_observation_space)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start the episodes."""
        observations, info = self.env.reset(seed=seed, options=options)
        return flatten_batch(self.env.single_observation_space, observations, self.num_envs), info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """One step."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        space = self.env.single_observation_space
        if "final_obs" in info:
            info = {**info, "final_obs": map_final(info["final_obs"], lambda _, seen: flatten_one(space, seen))}
        flat = flatten_batch(space, observations, self.num_envs)
        return flat, self._read(rewards), terminated, truncated, info


def map_final(final: Array, change: Any) -> Array:
    """``final_obs`` with ``change(copy, observation)`` applied to the observations that are there, a fresh array."""
    out = np.full(len(final), None, dtype=object)
    for i, observation in enumerate(final):
        if observation is not None:
            out[i] = change(i, observation)
    return out

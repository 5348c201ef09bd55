"""What all wrappers of vector rewards share: they know the objectives, refuse scalars and touch nothing they wrap."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from morl.envs.core import Info, mo_spec, real_array, reward_space
from morl.spec import EnvError, FloatArray, MOSpec


def vector_reward(reward: Any, shape: tuple[int, ...], who: str) -> FloatArray:
    """A reward as a fresh float64 array, so that neither mutation nor an integer dtype can leak either way.

    Raises:
        EnvError: it is a scalar or of another shape.
    """
    array = real_array(reward, shape)
    if array is None:
        raise EnvError(f"{who} got the reward {reward!r}; expected shape {shape}, one entry per objective")
    return array


def scalar_space(low: float = -np.inf, high: float = np.inf) -> spaces.Box:
    """The reward space of a wrapper that turns vectors into numbers."""
    return spaces.Box(low, high, (), np.float64)


class MOWrapper(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Base of the single-environment wrappers.

    Args:
        env: an environment with vector rewards.
        kwargs: the arguments of the wrapper's constructor, kept so that ``env.spec`` can make it again.

    Raises:
        EnvError: the environment's rewards are scalar.
    """

    mo_spec: MOSpec | None
    reward_space: spaces.Box

    def __init__(self, env: gym.Env[Any, Any], **kwargs: Any) -> None:
        RecordConstructorArgs.__init__(self, **kwargs)
        if isinstance(env, VectorEnv):
            raise EnvError(f"{type(self).__name__} got a vector environment; use Vector{type(self).__name__}")
        super().__init__(env)
        self.inner_spec = mo_spec(env)
        self.mo_spec = self.inner_spec
        self.reward_space = reward_space(self.inner_spec)

    @property
    def reward_dim(self) -> int:
        """How many numbers a reward has here: K, or 1 where it has become scalar."""
        return int(np.prod(self.reward_space.shape))

    def _read(self, reward: Any) -> FloatArray:
        return vector_reward(reward, (self.inner_spec.k,), type(self).__name__)


class MOVectorWrapper(VectorWrapper):  # not subscripted: before Gymnasium 1.4 it is not generic
    """Base of the vector-environment wrappers; see :class:`MOWrapper`."""

    mo_spec: MOSpec | None
    reward_space: spaces.Box

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        if not isinstance(env, VectorEnv):
            name = type(self).__name__
            raise EnvError(f"{name} got a single environment; use {name.removeprefix('Vector')}")
        super().__init__(env)
        self.inner_spec = mo_spec(env)
        self.mo_spec = self.inner_spec
        self.reward_space = reward_space(self.inner_spec)
        self.autoreset_mode = env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)

    @property
    def reward_dim(self) -> int:
        """How many numbers a reward has here: K, or 1 where it has become scalar."""
        return int(np.prod(self.reward_space.shape))

    def _read(self, rewards: Any) -> FloatArray:
        return vector_reward(rewards, (self.num_envs, self.inner_spec.k), type(self).__name__)


class Transform(ABC):
    """A pure map of reward vectors ``(..., K)``, and what it makes of the objectives."""

    kept_as: str | None = None
    """Info key under which the untransformed reward stays available; ``None`` drops it."""

    @abstractmethod
    def spec(self, spec: MOSpec) -> MOSpec | None:
        """The objectives afterwards; ``None`` where rewards become scalar.

        Raises:
            EnvError or SpecError: the transform does not fit these objectives.
        """

    @abstractmethod
    def apply(self, rewards: FloatArray) -> FloatArray:
        """The map itself; its argument is a fresh array."""

    def space(self, spec: MOSpec) -> spaces.Box:
        """Reward space afterwards."""
        after = self.spec(spec)
        return scalar_space() if after is None else reward_space(after)


class TransformReward(MOWrapper):
    """A single environment whose rewards go through a :class:`Transform`."""

    def __init__(self, env: gym.Env[Any, Any], transform: Transform, **kwargs: Any) -> None:
        super().__init__(env, **kwargs)
        self.mo_spec = transform.spec(self.inner_spec)
        self.reward_space = transform.space(self.inner_spec)
        self.transform = transform

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Info]:
        """One step; the transformed reward."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        before = self._read(reward)
        if self.transform.kept_as is not None:
            info = {**info, self.transform.kept_as: before.copy()}
        after = self.transform.apply(before)
        return observation, (float(after) if after.ndim == 0 else after), terminated, truncated, info


class VectorTransformReward(MOVectorWrapper):
    """A vector environment whose rewards go through a :class:`Transform`."""

    def __init__(self, env: VectorEnv[Any, Any, Any], transform: Transform) -> None:
        super().__init__(env)
        self.mo_spec = transform.spec(self.inner_spec)
        self.reward_space = transform.space(self.inner_spec)
        self.transform = transform

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """One step; the transformed rewards."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        before = self._read(rewards)
        if self.transform.kept_as is not None:
            mask = np.ones(self.num_envs, dtype=bool)
            info = {**info, self.transform.kept_as: before.copy(), f"_{self.transform.kept_as}": mask}
        return observations, self.transform.apply(before), terminated, truncated, info


class DrawnTransform(Transform):
    """A transform that draws, from a generator of its own.

    Attributes:
        name: of the wrapper, part of the generator's seed.
        rng: the generator.
    """

    name: str
    rng: np.random.Generator


class DrawnReward(TransformReward):
    """A single environment whose rewards go through a transform that draws; it follows the seed of ``reset``."""

    transform: DrawnTransform

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start an episode."""
        if seed is not None:
            self.transform.rng = private_generator(seed, self.transform.name)
        return super().reset(seed=seed, options=options)


class VectorDrawnReward(VectorTransformReward):
    """The vector form of :class:`DrawnReward`."""

    transform: DrawnTransform

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start the episodes."""
        if isinstance(seed, int | np.integer):
            self.transform.rng = private_generator(int(seed), self.transform.name)
        return super().reset(seed=seed, options=options)


def private_generator(seed: int | None, who: str) -> np.random.Generator:
    """A wrapper's own generator: it follows the seed of ``reset`` and leaves the environment's stream alone."""
    if seed is None:
        return np.random.default_rng()
    return np.random.default_rng(np.random.SeedSequence([int(seed), zlib.crc32(who.encode())]))

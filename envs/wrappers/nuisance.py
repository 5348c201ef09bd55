"""An observation that hints at the goal where it should not: a "speaker" whose voice goes with what they ask for.

In training, a per-episode nuisance s ∈ {0, 1} agrees with the hidden goal g with probability ρ; its code is appended to
every observation. An agent that listens to the voice instead of the words does well until ρ changes. It is the setting
of domain-adversarial training (Ganin et al. 2016) with a known amount of leakage.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from morl.envs.core import Info
from morl.envs.wrappers.arguments import not_negative, number
from morl.envs.wrappers.base import MOVectorWrapper, MOWrapper, private_generator
from morl.spec import EnvError, IntArray

DIMENSION, STRENGTH = 8, 3.0


def draw_speaker(goal: Any, rho: float, rng: np.random.Generator) -> IntArray:
    """Nuisances ``(n,)``, each equal to its goal ``(n,)`` in {0, 1} with probability ρ."""
    goals = np.asarray(goal, dtype=np.int64)
    return np.where(rng.random(goals.shape) < rho, goals, 1 - goals)


def draw_code(speaker: Any, rng: np.random.Generator, dimension: int = DIMENSION, strength: float = STRENGTH) -> Any:
    """Codes ``(n, dimension)``: (2s − 1)·strength/√dimension + N(0, 1) in every coordinate."""
    sign = 2.0 * np.asarray(speaker, float) - 1.0
    return sign[..., None] * (strength / np.sqrt(dimension)) + rng.standard_normal((*sign.shape, dimension))


def check_rho(rho: Any) -> float:
    """ρ as a float in [0, 1].

    Raises:
        EnvError: it is not.
    """
    return number(rho, "rho", 0.0, 1.0, "a probability in [0, 1] that the nuisance agrees with the goal")


class _Code:
    """What the single and the vector wrapper share: parameters, a generator of its own, the widened space."""

    def __init__(self, space: Any, rho: Any, dimension: int, strength: float, goal: str) -> None:
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise EnvError(f"observation space is {space}; NuisanceObservation expects a Box of one dimension")
        if isinstance(dimension, bool) or not isinstance(dimension, int | np.integer) or dimension < 1:
            raise EnvError(f"dimension is {dimension!r}; expected a positive integer")
        if not isinstance(goal, str):
            raise EnvError(f"goal is {goal!r}; expected the key in info that holds the hidden goal")
        self.rho, self.dimension, self.goal = check_rho(rho), int(dimension), goal
        self.strength = not_negative(strength, "strength")
        wide = np.full(dimension, np.inf)
        self.dtype = np.result_type(space.dtype or np.float32, np.float32)
        low, high = np.concatenate([space.low, -wide]), np.concatenate([space.high, wide])
        self.space = spaces.Box(low.astype(self.dtype), high.astype(self.dtype), dtype=self.dtype.type)
        self.rng: np.random.Generator | None = None

    def seed(self, seed: int | None, fallback: np.random.Generator) -> None:
        """A stream of its own, so that the environment behaves as it would without the nuisance."""
        if seed is not None:
            self.rng = private_generator(int(seed), "NuisanceObservation")
        elif self.rng is None:
            self.rng = np.random.default_rng(fallback.integers(2**63))

    def goals(self, info: Any) -> IntArray:
        """The goals of ``info``, checked."""
        if self.goal not in info:
            raise EnvError(f"info has no {self.goal!r}; NuisanceObservation needs the hidden goal, 0 or 1, in info")
        goals = np.asarray(info[self.goal])
        if not np.isin(goals, (0, 1)).all():
            raise EnvError(f"info[{self.goal!r}] is {info[self.goal]}; expected 0 or 1")
        return goals.astype(np.int64)

    def draw(self, goals: IntArray) -> IntArray:
        """A speaker for each goal."""
        assert self.rng is not None
        return draw_speaker(goals, self.rho, self.rng)

    def append(self, observation: Any, speaker: IntArray) -> Any:
        """Observations with a fresh code of the speaker behind them."""
        assert self.rng is not None
        code = draw_code(speaker, self.rng, self.dimension, self.strength)
        return np.concatenate([np.asarray(observation), code], axis=-1).astype(self.dtype)


class NuisanceObservation(MOWrapper):
    """Append the code of a per-episode nuisance to the observations of an environment with a hidden binary goal.

    Args:
        env: vector rewards, observations in a one-dimensional Box; ``info["goal"]`` in {0, 1} after reset.
        rho: probability that the nuisance agrees with the goal (0.95 to train; 0.5 and 1 − ρ to test).
        dimension: length of the code.
        strength: distance of the code's mean from zero.
        goal: key of the goal in ``info``.

    ``info["speaker"]`` is the nuisance of the episode.

    Raises:
        EnvError: ρ outside [0, 1], another kind of observation, or (at reset) no goal in ``info``.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        rho: float = 0.95,
        *,
        dimension: int = DIMENSION,
        strength: float = STRENGTH,
        goal: str = "goal",
    ) -> None:
        super().__init__(env, rho=rho, dimension=dimension, strength=strength, goal=goal)
        self._code = _Code(env.observation_space, rho, dimension, strength, goal)
        self.observation_space = self._code.space
        self._speaker = np.zeros((), np.int64)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start an episode with a new nuisance."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._code.seed(seed, self.np_random)
        self._speaker = self._code.draw(self._code.goals(info))
        return self._code.append(observation, self._speaker), info | {"speaker": int(self._speaker)}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Info]:
        """One step; the code has fresh noise, the nuisance stays."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        shown = self._code.append(observation, self._speaker)
        return shown, self._read(reward), terminated, truncated, info | {"speaker": int(self._speaker)}


class VectorNuisanceObservation(MOVectorWrapper):
    """:class:`NuisanceObservation` for vector environments; ``info["goal"]`` must be an array at every reset and step.

    Args:
        env: a vector environment.
        rho, dimension, strength, goal: as in :class:`NuisanceObservation`.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        rho: float = 0.95,
        *,
        dimension: int = DIMENSION,
        strength: float = STRENGTH,
        goal: str = "goal",
    ) -> None:
        super().__init__(env)
        self._code = _Code(env.single_observation_space, rho, dimension, strength, goal)
        self.single_observation_space = self._code.space
        self.observation_space = batch_space(self._code.space, env.num_envs)
        self._speaker = np.zeros(env.num_envs, np.int64)
        self._ended = np.zeros(env.num_envs, bool)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start all episodes, or those of ``options["reset_mask"]``, with new nuisances."""
        which = np.ones(self.num_envs, bool)
        if options and "reset_mask" in options:
            which = np.array(options["reset_mask"], bool)
        observation, info = self.env.reset(seed=seed, options=options)
        self._code.seed(seed, self.np_random)
        self._renew(info, which)
        self._ended = np.zeros(self.num_envs, bool)
        return self._code.append(observation, self._speaker), info | {"speaker": self._speaker.copy()}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """One step of all; episodes that begin in it get new nuisances."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        ended = np.asarray(terminated) | np.asarray(truncated)
        mode = self.autoreset_mode
        if mode is AutoresetMode.SAME_STEP and ended.any() and "final_obs" in info:
            final = info["final_obs"]
            for i in np.flatnonzero(ended):
                final[i] = self._code.append(final[i], self._speaker[i])
        self._renew(info, ended if mode is AutoresetMode.SAME_STEP else self._ended)
        self._ended = ended
        shown = self._code.append(observation, self._speaker)
        return shown, self._read(reward), terminated, truncated, info | {"speaker": self._speaker.copy()}

    def _renew(self, info: Any, which: Any) -> None:
        if which.any():
            fresh = self._code.draw(self._code.goals(info))
            self._speaker = np.where(which, fresh, self._speaker)

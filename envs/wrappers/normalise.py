"""Rewards brought to a common size, each objective by the spread of its own running return."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from morl.envs.core import Info, reward_space
from morl.envs.wrappers.arguments import discount_or, not_negative
from morl.envs.wrappers.base import MOVectorWrapper, MOWrapper
from morl.spec import FloatArray, MOSpec, Objective

RAW_REWARD = "raw_reward"
"""Info key of the reward before normalisation."""


class RunningSpread:
    """Standard deviation per objective of a running discounted return, over all of them (Welford, 1962; in batches).

    Args:
        n: parallel environments.
        k: objectives.
        discount: γ of the running return.
    """

    def __init__(self, n: int, k: int, discount: float) -> None:
        self.discount = discount
        self.running = np.zeros((n, k))
        self.count, self.mean, self.square = 0, np.zeros(k), np.zeros(k)

    def update(self, rewards: FloatArray, moving: Any) -> None:
        """Take in the rewards ``(n, K)`` of the environments that moved."""
        self.running = np.where(moving[:, None], self.discount * self.running + rewards, self.running)
        batch = self.running[moving]
        if len(batch) == 0:
            return
        total = self.count + len(batch)
        delta = batch.mean(axis=0) - self.mean
        self.square += ((batch - batch.mean(axis=0)) ** 2).sum(axis=0) + delta**2 * self.count * len(batch) / total
        self.mean = self.mean + delta * len(batch) / total
        self.count = total

    def scale(self, epsilon: float) -> FloatArray:
        """What to divide by, ``(K,)``: one where too little is known to tell."""
        if self.count < 2:
            return np.ones_like(self.mean)
        spread = np.sqrt(self.square / self.count)
        return np.where(spread > epsilon, spread, 1.0)


def _spec(spec: MOSpec) -> MOSpec:
    objectives = tuple(
        Objective(o.name, "normalised", -np.inf if o.low < 0 else 0.0, np.inf if o.high > 0 else 0.0, o.description)
        for o in spec.objectives
    )
    return replace(spec, objectives=objectives, ref_point=None, return_scale=None)


class NormaliseReward(MOWrapper):
    """Each objective divided by the standard deviation of its running discounted return.

    Signs are kept and nothing is shifted, so no trade-off is turned round; but the *weights* between objectives change
    as the scales settle, so measure on ``info["raw_reward"]``. Set ``updating = False`` to freeze the scales.

    Args:
        env: an environment with vector rewards.
        discount: γ of the running return; the environment's own by default.
        epsilon: spreads below this count as none, and the objective is left as it is.
    """

    def __init__(self, env: gym.Env[Any, Any], discount: float | None = None, epsilon: float = 1e-8) -> None:
        super().__init__(env, discount=discount, epsilon=epsilon)
        spec = self.inner_spec
        self.spread = RunningSpread(1, spec.k, discount_or(discount, spec.discount))
        self.epsilon, self.updating = not_negative(epsilon, "epsilon"), True
        self.mo_spec = _spec(spec)
        self.reward_space = reward_space(self.mo_spec)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start an episode; scales are kept, the running return starts over."""
        self.spread.running[:] = 0.0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Info]:
        """One step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        raw = self._read(reward)
        if self.updating:
            self.spread.update(raw[None], np.ones(1, dtype=bool))
        info = {**info, RAW_REWARD: raw}
        return observation, raw / self.spread.scale(self.epsilon), terminated, truncated, info


class VectorNormaliseReward(MOVectorWrapper):
    """The vector form of :class:`NormaliseReward`; one set of scales for all environments."""

    def __init__(self, env: VectorEnv[Any, Any, Any], discount: float | None = None, epsilon: float = 1e-8) -> None:
        super().__init__(env)
        spec = self.inner_spec
        self.spread = RunningSpread(self.num_envs, spec.k, discount_or(discount, spec.discount))
        self.epsilon, self.updating = not_negative(epsilon, "epsilon"), True
        self.mo_spec = _spec(spec)
        self.reward_space = reward_space(self.mo_spec)
        self._done = np.zeros(self.num_envs, dtype=bool)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start the episodes (of the reset mask)."""
        mask = (options or {}).get("reset_mask")
        which = slice(None) if mask is None else np.asarray(mask)
        out = self.env.reset(seed=seed, options=options)
        self.spread.running[which] = 0.0
        self._done[which] = False
        return out

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """One step."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        raw = self._read(rewards)
        if self.updating:
            self.spread.update(raw, ~self._done)
        done = terminated | truncated
        self.spread.running[done | self._done] = 0.0
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._done = done
        info = {**info, RAW_REWARD: raw, f"_{RAW_REWARD}": np.ones(self.num_envs, dtype=bool)}
        return observations, raw / self.spread.scale(self.epsilon), terminated, truncated, info

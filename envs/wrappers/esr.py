"""Expected scalarised return as an ordinary reward: remember what was earned, pay what it adds to the utility."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from morl.envs.core import Info
from morl.envs.wrappers.arguments import discount_or
from morl.envs.wrappers.base import MOVectorWrapper, MOWrapper, scalar_space
from morl.envs.wrappers.flatten import flat_space, flatten_batch, flatten_one, map_final
from morl.envs.wrappers.rewards import VECTOR_REWARD, UtilityFunction, UtilityTransform
from morl.spec import EnvError, FloatArray, IntArray, MOSpec

Array = np.ndarray[Any, Any]


@dataclass
class Accrual:
    """What n episodes have earned so far: ρ_t = Σ γᵏ r_k, first reward undiscounted.

    Args:
        spec: objectives, horizon and scale.
        utility: u over returns ``(..., K)``.
        discount: γ.
        n: episodes followed at once.
    """

    spec: MOSpec
    utility: UtilityFunction
    discount: float
    n: int

    def __post_init__(self) -> None:
        if not np.isfinite(np.asarray(self.utility(np.zeros((1, self.spec.k))), dtype=np.float64)).all():
            raise EnvError("the utility of a return of 0 is not finite; expected one that rewards can add up to")
        self.returns = np.zeros((self.n, self.spec.k))
        self.steps: IntArray = np.zeros(self.n, dtype=np.int64)
        bounds = self.spec.return_scale
        size = np.ones(self.spec.k) if bounds is None else np.maximum(*np.abs(bounds))
        self.size = np.where(size > 0, size, 1.0)
        self.clock = float(self.spec.horizon or 1)

    def clear(self, which: Any = slice(None)) -> None:
        """Forget finished episodes."""
        self.returns[which] = 0.0
        self.steps[which] = 0

    def add(self, rewards: FloatArray) -> FloatArray:
        """Take in rewards ``(n, K)``; returns u(ρ′) − u(ρ), shape ``(n,)``."""
        before = np.asarray(self.utility(self.returns), dtype=np.float64)
        self.returns = self.returns + self.discount ** self.steps[:, None] * rewards
        self.steps = self.steps + 1
        return np.asarray(np.asarray(self.utility(self.returns), dtype=np.float64) - before)

    def features(self) -> Array:
        """``(n, K + 1)``: scaled accrued return, and time as a share of the horizon (steps where there is none)."""
        return np.concatenate([self.returns / self.size, self.steps[:, None] / self.clock], axis=1)

    def space(self, inner: spaces.Box) -> spaces.Box:
        """Space of an inner flat observation with the features behind it."""
        k = self.spec.k
        low = np.concatenate([inner.low.ravel(), np.full(k, -np.inf), [0.0]])
        high = np.concatenate([inner.high.ravel(), np.full(k, np.inf), [1.0 if self.spec.horizon else np.inf]])
        return spaces.Box(low.astype(np.float32), high.astype(np.float32), low.shape, np.float32)


def _join(flat: Array, features: Array) -> Array:
    return np.concatenate([flat, features], axis=-1).astype(np.float32)


class ESRReward(MOWrapper):
    """Scalar rewards u(ρ′) − u(ρ) whose sum over an episode is the utility of its return, less u(0).

    The observation grows by what such a reward depends on: the accrued return (over the larger absolute end of
    ``return_scale`` where there is one) and the time (over the horizon). Optimising the expected sum of these rewards
    is optimising E[u(return)] (Roijers, Steckelmacher and Nowé 2018).

    Args:
        env: an environment with vector rewards.
        utility: u, from :mod:`morl.utility` or any function of returns ``(..., K)``.
        discount: γ of the accrued return; the environment's own by default.
    """

    def __init__(self, env: gym.Env[Any, Any], utility: UtilityFunction, discount: float | None = None) -> None:
        super().__init__(env, utility=utility, discount=discount)
        spec = self.inner_spec
        UtilityTransform(utility).spec(spec)
        self._accrual = Accrual(spec, utility, discount_or(discount, spec.discount), 1)
        self._inner = flat_space(env.observation_space)
        self.observation_space = self._accrual.space(self._inner)
        self.mo_spec, self.reward_space = None, scalar_space()

    def _observe(self, observation: Any) -> Array:
        return _join(flatten_one(self.env.observation_space, observation), self._accrual.features()[0])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start an episode with nothing accrued."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._accrual.clear()
        return self._observe(observation), info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Info]:
        """One step; ``info["vector_reward"]`` and ``info["accrued"]`` hold the vectors behind the reward."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        vector = self._read(reward)
        gain = float(self._accrual.add(vector[None])[0])
        info = {**info, VECTOR_REWARD: vector, "accrued": self._accrual.returns[0].copy()}
        return self._observe(observation), gain, terminated, truncated, info


class VectorESRReward(MOVectorWrapper):
    """The vector form of :class:`ESRReward`, right across every autoreset mode."""

    def __init__(self, env: VectorEnv[Any, Any, Any], utility: UtilityFunction, discount: float | None = None) -> None:
        super().__init__(env)
        spec = self.inner_spec
        UtilityTransform(utility).spec(spec)
        gamma = discount_or(discount, spec.discount)
        self._accrual = Accrual(spec, utility, gamma, self.num_envs)
        self.single_observation_space = self._accrual.space(flat_space(env.single_observation_space))
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.mo_spec, self.reward_space = None, scalar_space()
        self._done = np.zeros(self.num_envs, dtype=bool)

    def _observe(self, observations: Any) -> Array:
        flat = flatten_batch(self.env.single_observation_space, observations, self.num_envs)
        return _join(flat, self._accrual.features())

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start the episodes (of the reset mask) with nothing accrued."""
        mask = (options or {}).get("reset_mask")
        observations, info = self.env.reset(seed=seed, options=options)
        which = slice(None) if mask is None else np.asarray(mask)
        self._accrual.clear(which)
        self._done[which] = False
        return self._observe(observations), info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """One step; see :meth:`ESRReward.step`."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        vectors = self._read(rewards)
        gains = self._accrual.add(vectors)
        if self._done.any():  # NEXT_STEP: these environments were restarted by this step, and earned nothing in it
            self._accrual.clear(self._done)
            gains[self._done] = 0.0
        accrued = self._accrual.returns.copy()
        done = terminated | truncated
        everyone = np.ones(self.num_envs, dtype=bool)
        info = {**info, VECTOR_REWARD: vectors, f"_{VECTOR_REWARD}": everyone}
        info |= {"accrued": accrued, "_accrued": everyone.copy()}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and done.any():
            features, space = self._accrual.features(), self.env.single_observation_space
            info["final_obs"] = map_final(
                info["final_obs"], lambda i, seen: _join(flatten_one(space, seen), features[i])
            )
            self._accrual.clear(done)
        elif self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._done = done
        return self._observe(observations), gains, terminated, truncated, info

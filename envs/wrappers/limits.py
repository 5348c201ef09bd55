"""Time changed: a limit on the steps of an episode, and actions that last for several steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from morl.envs.core import Info, reward_space
from morl.envs.vector.native import refuse_ended
from morl.envs.wrappers.base import MOVectorWrapper, MOWrapper
from morl.spec import EnvError, MOSpec


def _positive(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise EnvError(f"{what} is {value!r}; expected a positive integer")
    return int(value)


def _shorter(spec: MOSpec, max_steps: int) -> MOSpec:
    return replace(spec, horizon=max_steps if spec.horizon is None else min(spec.horizon, max_steps))


class TimeLimit(MOWrapper):
    """Episodes truncated after ``max_steps``; ``truncated`` is never set in a step that terminates.

    Args:
        env: an environment with vector rewards.
        max_steps: the limit; a shorter one of the environment's own still applies.
    """

    def __init__(self, env: gym.Env[Any, Any], max_steps: int) -> None:
        super().__init__(env, max_steps=max_steps)
        self._max_episode_steps = _positive(max_steps, "max_steps")
        self.mo_spec = _shorter(self.inner_spec, self._max_episode_steps)
        self._steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start an episode."""
        self._steps = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Info]:
        """One step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._steps += 1
        over = not terminated and self._steps >= self._max_episode_steps
        return observation, self._read(reward), bool(terminated), bool(truncated) or over, info


class VectorTimeLimit(MOVectorWrapper):
    """The vector form; what is cut short is restarted through ``reset_mask``, so any vector environment will do."""

    def __init__(self, env: VectorEnv[Any, Any, Any], max_steps: int) -> None:
        super().__init__(env)
        self.max_steps = _positive(max_steps, "max_steps")
        self.mo_spec = _shorter(self.inner_spec, self.max_steps)
        self._steps = np.zeros(self.num_envs, dtype=np.int64)
        self._cut = np.zeros(self.num_envs, dtype=bool)  # truncated here, while the environment itself would go on
        self._done = np.zeros(self.num_envs, dtype=bool)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start the episodes (of the reset mask)."""
        mask = (options or {}).get("reset_mask")
        which = slice(None) if mask is None else np.asarray(mask)
        out = self.env.reset(seed=seed, options=options)
        self._steps[which], self._cut[which], self._done[which] = 0, False, False
        return out

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """One step."""
        if self.autoreset_mode is AutoresetMode.DISABLED:
            refuse_ended(self._cut)
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        vectors = self._read(rewards)
        terminated, truncated = np.array(terminated), np.array(truncated)
        self._steps += 1
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._steps[self._done] = 0
            if self._cut.any():  # cut in the last step: this step is their restart
                observations, _ = self.env.reset(options={"reset_mask": self._cut})
                vectors[self._cut] = 0.0
                terminated[self._cut] = truncated[self._cut] = False
        over = (self._steps >= self.max_steps) & ~terminated & ~truncated
        truncated = truncated | over
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            self._steps[terminated | truncated] = 0
            if over.any():
                info = _with_final(info, observations, over)
                observations, _ = self.env.reset(options={"reset_mask": over})
        else:
            self._cut, self._done = over, terminated | truncated
        return observations, vectors, terminated, truncated, info


def _with_final(info: Info, observations: Any, over: Any) -> Info:
    """Gymnasium's ``final_obs`` with the last observations of the environments that the limit ended added."""
    n = len(over)
    final = info.get("final_obs")
    final = np.full(n, None, dtype=object) if final is None else final.copy()
    for i in over.nonzero()[0]:
        final[i] = np.array(observations[i])
    before = info.get("_final_obs", np.zeros(n, dtype=bool))
    told = info.get("final_info", {})
    return {
        **info,
        "final_obs": final,
        "_final_obs": before | over,
        "final_info": told,
        "_final_info": info.get("_final_info", np.zeros(n, dtype=bool)) | over,
    }


class MaxAndSkip(MOWrapper):
    """Each action is repeated ``skip`` times; rewards add up, and the observation is the maximum of the last two.

    Args:
        env: an environment with vector rewards and box observations.
        skip: repetitions, at least 1.
    """

    def __init__(self, env: gym.Env[Any, Any], skip: int = 4) -> None:
        super().__init__(env, skip=skip)
        self.skip = _positive(skip, "skip")
        _check_box(env.observation_space)
        self.mo_spec = _skipped(self.inner_spec, self.skip)
        self.reward_space = reward_space(self.mo_spec)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Info]:
        """Up to ``skip`` steps, fewer where the episode ends."""
        total = np.zeros(self.inner_spec.k)
        seen: list[Any] = []
        for _ in range(self.skip):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += self._read(reward)
            seen.append(np.array(observation))
            if terminated or truncated:
                break
        return np.max(seen[-2:], axis=0), total, bool(terminated), bool(truncated), info


class VectorMaxAndSkip(MOVectorWrapper):
    """The vector form. One that ends during the repetitions sits out the rest of them, as a single environment would.

    Whatever the wrapped environment makes of it meanwhile is thrown away: it is restarted through
    ``reset_mask`` when its turn comes, in the way that the autoreset mode says.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], skip: int = 4) -> None:
        super().__init__(env)
        self.skip = _positive(skip, "skip")
        _check_box(env.single_observation_space)
        self.mo_spec = _skipped(self.inner_spec, self.skip)
        self.reward_space = reward_space(self.mo_spec)
        self._done = np.zeros(self.num_envs, dtype=bool)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start the episodes (of the reset mask)."""
        mask = (options or {}).get("reset_mask")
        out = self.env.reset(seed=seed, options=options)
        self._done[slice(None) if mask is None else np.asarray(mask)] = False
        return out

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """Up to ``skip`` steps of every environment."""
        if self.autoreset_mode is AutoresetMode.DISABLED:
            refuse_ended(self._done)
        waiting = self._done.copy()
        total, last, terminated, truncated, info = self._repeat(actions, waiting)
        ended = terminated | truncated
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            if ended.any():
                info = _with_final({}, last, ended)
                last = _replace(last, self.env.reset(options={"reset_mask": ended})[0], ended)
            return last, total, terminated, truncated, info
        if waiting.any():
            last = _replace(last, self.env.reset(options={"reset_mask": waiting})[0], waiting)
        self._done = ended
        return last, total, terminated, truncated, info

    def _repeat(self, actions: Any, waiting: Any) -> tuple[Any, Any, Any, Any, Info]:
        """Rewards added up, maximum of the last two frames, and flags, of each; ``waiting`` ones stay put."""
        n = self.num_envs
        held = waiting.copy()
        total = np.zeros((n, self.inner_spec.k))
        terminated, truncated = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        last: Any = None
        before: Any = None
        for _ in range(self.skip):
            if self.autoreset_mode is AutoresetMode.DISABLED and held.any():
                self.env.reset(options={"reset_mask": held})
            observations, rewards, ends, cuts, info = self.env.step(actions)
            move = ~held
            total[move] += self._read(rewards)[move]
            seen = np.array(observations)
            if self.autoreset_mode is AutoresetMode.SAME_STEP:
                for i in np.flatnonzero(move & (ends | cuts)):
                    seen[i] = info["final_obs"][i]
            if last is None:
                before, last = seen.copy(), seen.copy()
            else:
                before[move], last[move] = last[move], seen[move]
            terminated |= move & ends
            truncated |= move & cuts
            held |= ends | cuts
            if held.all():
                break
        return total, np.maximum(before, last), terminated, truncated, {}


def _replace(observations: Any, fresh: Any, which: Any) -> Any:
    out = np.array(observations)
    out[which] = fresh[which]
    return out


def _check_box(space: Any) -> None:
    if not isinstance(space, spaces.Box):
        raise EnvError(f"observation space is {space}; a maximum of frames needs a Box")


def _skipped(spec: MOSpec, skip: int) -> MOSpec:
    objectives = tuple(
        replace(o, low=min(o.low, o.low * skip), high=max(o.high, o.high * skip)) for o in spec.objectives
    )
    horizon = None if spec.horizon is None else -(-spec.horizon // skip)
    return replace(spec, objectives=objectives, horizon=horizon, discount=spec.discount**skip)

"""Steps many environments at once and hands over transitions whose ends are right.

Whatever the autoreset mode of the vector environment, a transition holds the true successor of its state, keeps
*terminated* (worth nothing from then on) apart from *truncated* (the episode was cut: bootstrap), and knows the
discounted reward accrued before it. A reward that is not a finite vector stops everything at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from morl.spec import AgentError, BoolArray, EnvError, FloatArray, IntArray, MOSpec

Array = np.ndarray[Any, Any]
Actor = Callable[[Any, FloatArray, IntArray], Array]
"""``actor(observations (n, ...), accrued (n, K), time (n,)) -> actions (n, ...)``."""


@dataclass(frozen=True)
class Transitions:
    """One step of every environment that was in an episode; row i belongs to environment ``env[i]``."""

    env: IntArray
    obs: Any
    actions: Array
    rewards: FloatArray
    next_obs: Any
    terminated: BoolArray
    truncated: BoolArray
    accrued: FloatArray
    """Discounted reward before this step, ``(n, K)``: Σ γᵗ rₜ."""
    time: IntArray
    """Steps before this one, ``(n,)``."""

    def __len__(self) -> int:
        return len(self.env)


@dataclass(frozen=True)
class Rollout:
    """T steps of n environments, time first. Rows where ``valid`` is false are resets, not steps."""

    obs: Any
    actions: Array
    rewards: FloatArray
    next_obs: Any
    terminated: BoolArray
    truncated: BoolArray
    accrued: FloatArray
    time: IntArray
    valid: BoolArray


def check_rewards(rewards: Any, n: int, spec: MOSpec, name: str, step: int) -> FloatArray:
    """Rewards as float64 ``(n, K)``, or an :class:`EnvError` naming the environment, the step and the objective."""
    try:
        values = np.asarray(rewards, dtype=np.float64)
    except (TypeError, ValueError):
        raise EnvError(f"{name}, step {step}: reward is {rewards!r}; expected ({n}, {spec.k}) numbers") from None
    if values.shape != (n, spec.k):
        raise EnvError(
            f"{name}, step {step}: rewards have shape {values.shape}; expected ({n}, {spec.k}), one per objective "
            f"({', '.join(spec.names)})"
        )
    if not np.isfinite(values.sum()):
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            i, j = (int(x) for x in bad[0])
            raise EnvError(
                f"{name}, step {step}, copy {i}: reward of objective {spec.names[j]!r} is {values[i, j]}; "
                "expected a finite number"
            )
    return values


def take(observations: Any, rows: Any) -> Any:
    """Rows of a batch of observations, also where they are dictionaries."""
    if isinstance(observations, dict):
        return {key: value[rows] for key, value in observations.items()}
    return observations[rows]


class Collector:
    """Steps a vector environment.

    Args:
        env: any Gymnasium vector environment with rewards ``(n, K)``.
        spec: its objectives.
        discount: γ for the accrued reward.
        name: the environment's name, for errors.

    Attributes:
        steps: environment steps taken (resets are not steps).
        obs: the observations from which the next step starts.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], spec: MOSpec, discount: float, name: str) -> None:
        self.env, self.spec, self.discount, self.name = env, spec, float(discount), name
        self.n = int(env.num_envs)
        self.mode = AutoresetMode(env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP))
        self.steps = 0
        self.obs: Any = None
        self.accrued = np.zeros((self.n, spec.k))
        self.time = np.zeros(self.n, dtype=np.int64)
        self._gamma = np.ones(self.n)
        self._ended = np.zeros(self.n, dtype=bool)
        self._everyone = np.arange(self.n)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin an episode in every environment; returns the observations."""
        self.obs, _ = self.env.reset(seed=seed, options=options)
        self.accrued = np.zeros((self.n, self.spec.k))
        self.time = np.zeros(self.n, dtype=np.int64)
        self._gamma = np.ones(self.n)
        self._ended = np.zeros(self.n, dtype=bool)
        return self.obs

    def step(self, actions: Array) -> Transitions:
        """One step of every environment; those that merely begin again are left out of the result.

        Raises:
            EnvError: rewards that are not finite ``(n, K)`` numbers.
            AgentError: called before :meth:`reset`.
        """
        if self.obs is None:
            raise AgentError("Collector.step was called before reset; call reset(seed) first")
        obs, accrued, time, began = self.obs, self.accrued, self.time, self._ended
        try:
            after, raw, terminated, truncated, info = self.env.step(actions)
        except (BrokenPipeError, EOFError, ConnectionResetError) as error:
            raise EnvError(f"{self.name}, step {self.steps}: an environment process died ({error!r})") from None
        except EnvError as error:
            raise EnvError(f"{self.name}, step {self.steps}: {error}") from error
        rewards = check_rewards(raw, self.n, self.spec, self.name, self.steps)
        terminated, truncated = np.asarray(terminated, dtype=bool), np.asarray(truncated, dtype=bool)
        truncated = truncated & ~terminated
        ended = terminated | truncated
        next_obs, self.obs = self._successors(after, ended, info)
        live = self._everyone if not began.any() else np.flatnonzero(~began)
        whole = len(live) == self.n
        self.accrued = accrued + self._gamma[:, None] * rewards
        self.time = time + 1
        self._gamma = self._gamma * self.discount
        fresh = began | ended if self.mode is not AutoresetMode.NEXT_STEP else began
        if fresh.any():
            self.accrued = np.where(fresh[:, None], 0.0, self.accrued)
            self.time = np.where(fresh, 0, self.time)
            self._gamma = np.where(fresh, 1.0, self._gamma)
        self._ended = ended if self.mode is AutoresetMode.NEXT_STEP else np.zeros(self.n, dtype=bool)
        self.steps += len(live)
        if whole:
            return Transitions(live, obs, actions, rewards, next_obs, terminated, truncated, accrued, time)
        return Transitions(
            live,
            take(obs, live),
            actions[live],
            rewards[live],
            take(next_obs, live),
            terminated[live],
            truncated[live],
            accrued[live],
            time[live],
        )

    def _successors(self, after: Any, ended: BoolArray, info: dict[str, Any]) -> tuple[Any, Any]:
        """``(true successors, observations to act on next)`` under the autoreset mode."""
        if self.mode is AutoresetMode.NEXT_STEP or not ended.any():
            return after, after
        if self.mode is AutoresetMode.DISABLED:
            true = _copy(after)
            restarted, _ = self.env.reset(options={"reset_mask": ended})
            return true, restarted
        final = info.get("final_obs")
        if final is None:
            raise EnvError(f"{self.name} resets in the same step but gives no info['final_obs']; it must")
        true = _copy(after)
        for i in np.flatnonzero(ended):
            if isinstance(true, dict):
                for key in true:
                    true[key][i] = final[i][key] if not isinstance(final, dict) else final[key][i]
            else:
                true[i] = final[i]
        return true, after

    def rollout(self, actor: Actor, steps: int) -> Rollout:
        """``steps`` steps of every environment under ``actor``, as arrays ``(T, n, ...)``."""
        n, k = self.n, self.spec.k
        rewards = np.zeros((steps, n, k))
        terminated = np.zeros((steps, n), dtype=bool)
        truncated = np.zeros((steps, n), dtype=bool)
        valid = np.zeros((steps, n), dtype=bool)
        accrued = np.zeros((steps, n, k))
        time = np.zeros((steps, n), dtype=np.int64)
        obs: list[Any] = []
        successors: list[Any] = []
        actions: list[Array] = []
        for t in range(steps):
            obs.append(self.obs)
            chosen = actor(self.obs, self.accrued, self.time)
            before = self.obs
            out = self.step(chosen)
            actions.append(chosen)
            rows = out.env
            rewards[t, rows] = out.rewards
            terminated[t, rows], truncated[t, rows], valid[t, rows] = out.terminated, out.truncated, True
            accrued[t, rows], time[t, rows] = out.accrued, out.time
            if len(rows) == n:
                successors.append(out.next_obs)
            else:
                full = _copy(before)
                _put(full, rows, out.next_obs)
                successors.append(full)
        return Rollout(
            _stack(obs), np.stack(actions), rewards, _stack(successors), terminated, truncated, accrued, time, valid
        )


def random_actions(space: spaces.Space[Any], n: int, rng: np.random.Generator) -> Array:
    """``n`` uniformly random actions drawn from ``rng`` (an unbounded box gives standard normals)."""
    if isinstance(space, spaces.Discrete):
        return rng.integers(int(space.n), size=n) + int(space.start)
    if isinstance(space, spaces.MultiDiscrete):
        return rng.integers(space.nvec, size=(n, *space.nvec.shape)) + space.start
    if isinstance(space, spaces.Box):
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        bounded = np.isfinite(low) & np.isfinite(high)
        uniform = rng.random((n, *space.shape))
        spread = np.where(bounded, low, 0.0) + uniform * np.where(bounded, high - low, 0.0)
        normal = rng.standard_normal((n, *space.shape))
        return np.where(bounded, spread, np.clip(normal, low, high)).astype(space.dtype)
    raise AgentError(f"action space {space} is not supported; expected Discrete, MultiDiscrete or Box")


def _copy(observations: Any) -> Any:
    if isinstance(observations, dict):
        return {key: np.array(value) for key, value in observations.items()}
    return np.array(observations)


def _put(target: Any, rows: IntArray, values: Any) -> None:
    if isinstance(target, dict):
        for key in target:
            target[key][rows] = values[key]
    else:
        target[rows] = values


def _stack(items: list[Any]) -> Any:
    if isinstance(items[0], dict):
        return {key: np.stack([item[key] for item in items]) for key in items[0]}
    return np.stack(items)

"""Preferences as part of the observation, drawn anew for every episode or held fixed."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike

from morl.envs.core import Info
from morl.envs.wrappers.arguments import number, plain_numbers
from morl.envs.wrappers.base import MOVectorWrapper, MOWrapper, private_generator
from morl.envs.wrappers.flatten import flat_space, flatten_batch, flatten_one, map_final
from morl.spec import FloatArray, check_weights

PREFERENCE = "preference"
"""Info key of the preference in force, and reset option that sets one."""

Array = np.ndarray[Any, Any]


def _space(inner: spaces.Box, k: int) -> spaces.Box:
    low = np.concatenate([inner.low.ravel(), np.zeros(k)]).astype(np.float32)
    high = np.concatenate([inner.high.ravel(), np.ones(k)]).astype(np.float32)
    return spaces.Box(low, high, low.shape, np.float32)


def _concentration(value: Any) -> float:
    least = float(np.finfo(np.float64).tiny)
    return number(value, "concentration", least, np.inf, "a positive number (1 is uniform on the simplex)")


class PreferenceObservation(MOWrapper):
    """Observations followed by a preference on the simplex, ``(d + K,)`` float32.

    A preference is drawn from a symmetric Dirichlet distribution at every reset, unless ``weights`` fix it or
    ``reset(options={"preference": w})`` gives one. It is also in ``info["preference"]``. Rewards stay vectors.

    Args:
        env: an environment with vector rewards.
        weights: ``(K,)`` a fixed preference.
        concentration: of the Dirichlet distribution; 1 is uniform.
    """

    def __init__(self, env: gym.Env[Any, Any], weights: ArrayLike | None = None, concentration: float = 1.0) -> None:
        weights = plain_numbers(weights)
        super().__init__(env, weights=weights, concentration=concentration)
        k = self.inner_spec.k
        self._fixed = None if weights is None else check_weights(weights, k, "preference")
        self._concentration = _concentration(concentration)
        self.observation_space = _space(flat_space(env.observation_space), k)
        self._rng = np.random.default_rng()
        self.preference: FloatArray = np.full(k, 1.0 / k)

    def _observe(self, observation: Any) -> Array:
        flat = flatten_one(self.env.observation_space, observation)
        return np.concatenate([flat, self.preference]).astype(np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start an episode under a preference."""
        rest = dict(options or {})
        given = rest.pop(PREFERENCE, None)
        if seed is not None:
            self._rng = private_generator(seed, "PreferenceObservation")
        k = self.inner_spec.k
        drawn = self._rng.dirichlet(np.full(k, self._concentration))
        chosen = given if given is not None else self._fixed
        self.preference = drawn if chosen is None else check_weights(chosen, k, "preference")
        observation, info = self.env.reset(seed=seed, options=rest or None)
        return self._observe(observation), {**info, PREFERENCE: self.preference.copy()}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Info]:
        """One step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        info = {**info, PREFERENCE: self.preference.copy()}
        return self._observe(observation), self._read(reward), terminated, truncated, info


class VectorPreferenceObservation(MOVectorWrapper):
    """The vector form: every environment has a preference of its own, drawn anew whenever it restarts.

    Args:
        env: a vector environment.
        weights: ``(K,)`` one for all, or ``(n, K)``; drawn where ``None``.
        concentration: of the Dirichlet distribution.
    """

    def __init__(
        self, env: VectorEnv[Any, Any, Any], weights: ArrayLike | None = None, concentration: float = 1.0
    ) -> None:
        super().__init__(env)
        n, k = self.num_envs, self.inner_spec.k
        self._fixed = None if weights is None else self._check(weights, np.arange(n))
        self._concentration = _concentration(concentration)
        self.single_observation_space = _space(flat_space(env.single_observation_space), k)
        self.observation_space = batch_space(self.single_observation_space, n)
        self._rng = np.random.default_rng()
        self.preference: FloatArray = np.full((n, k), 1.0 / k)
        self._done = np.zeros(n, dtype=bool)

    def _check(self, weights: Any, which: Any) -> FloatArray:
        array = np.asarray(plain_numbers(weights))
        if array.ndim == 2 and array.shape[0] == len(which):
            return np.array([check_weights(w, self.inner_spec.k, "preference") for w in array])
        return np.tile(check_weights(array, self.inner_spec.k, "preference"), (len(which), 1))

    def _renew(self, which: Any, given: Any = None) -> None:
        drawn = self._rng.dirichlet(np.full(self.inner_spec.k, self._concentration), size=len(which))
        if given is not None:
            self.preference[which] = self._check(given, which)
        else:
            self.preference[which] = drawn if self._fixed is None else self._fixed[which]

    def _observe(self, observations: Any) -> Array:
        flat = flatten_batch(self.env.single_observation_space, observations, self.num_envs)
        return np.concatenate([flat, self.preference], axis=1).astype(np.float32)

    def _told(self, info: Info, preference: FloatArray) -> Info:
        return {**info, PREFERENCE: preference.copy(), f"_{PREFERENCE}": np.ones(self.num_envs, dtype=bool)}

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start the episodes (of the reset mask) under new preferences."""
        rest = dict(options or {})
        given = rest.pop(PREFERENCE, None)
        mask = rest.get("reset_mask")
        which = np.arange(self.num_envs) if mask is None else np.flatnonzero(mask)
        if isinstance(seed, int | np.integer):
            self._rng = private_generator(int(seed), "PreferenceObservation")
        observations, info = self.env.reset(seed=seed, options=rest or None)
        self._renew(which, given)
        self._done[which] = False
        return self._observe(observations), self._told(info, self.preference)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """One step; ``info["preference"]`` is the one that the action was taken under."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        vectors = self._read(rewards)
        if self._done.any():
            self._renew(self._done.nonzero()[0])
        info = self._told(info, self.preference)
        done = terminated | truncated
        if self.autoreset_mode is AutoresetMode.SAME_STEP and done.any():
            held, space = self.preference.copy(), self.env.single_observation_space

            def join(i: int, seen: Any) -> Array:
                return np.concatenate([flatten_one(space, seen), held[i]]).astype(np.float32)

            info["final_obs"] = map_final(info["final_obs"], join)
            self._renew(done.nonzero()[0])
        elif self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._done = done
        return self._observe(observations), vectors, terminated, truncated, info

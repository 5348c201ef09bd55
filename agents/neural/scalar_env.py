"""A vector-reward environment as stable-baselines3 sees it: one weighted reward, scaled observations and rewards."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv

from morl.agents.core.collector import take
from morl.agents.core.problem import Problem
from morl.agents.core.running import Normaliser, unscaled
from morl.agents.core.sb3_observations import sb3_encoder, sb3_space
from morl.spec import AgentError, FloatArray

Array = np.ndarray[Any, Any]


class ScalarVecEnv(VecEnv):
    """Parallel environments with vector rewards as SB3 sees them: reward ``w · r``, the vector kept in ``info``.

    Args:
        problem: the environment.
        n_envs: parallel environments.
        weight: ``(K,)``; may be changed between steps.
        scaled: flatten observations and scale bounded ones to [−1, 1].
        normalised: bring rewards and unbounded observations to a common size (see :mod:`morl.agents.core.running`).
    """

    def __init__(
        self, problem: Problem, n_envs: int, weight: FloatArray, scaled: bool = True, normalised: bool = False
    ) -> None:
        own = problem.env if problem.is_vector and problem.recipe is None else problem.vector(n_envs)
        self.collector = problem.collector(own)
        if self.collector.mode is AutoresetMode.NEXT_STEP:
            raise AgentError(
                f"{problem.id} resets in the step after the end of an episode, which stable-baselines3 cannot follow; "
                "give an id, a single environment, or a vector environment with autoreset mode SAME_STEP"
            )
        self.weight = np.asarray(weight, dtype=np.float64)
        space = problem.observation_space
        self._encoder = sb3_encoder(space, scaled)
        self.normaliser: Normaliser | None = None
        if normalised:
            entries = unscaled(problem.observation_space) if scaled else None
            self.normaliser = Normaliser(entries, self.collector.n, problem.discount)
        self._next_seed: int | None = None
        self._actions: Array | None = None
        self._no_info: list[dict[str, Any]] = [{} for _ in range(n_envs)]
        chosen = problem.action_space if problem.actions is None else problem.actions.space
        # A copy, because SB3 draws from the space itself and it has to be seeded.
        super().__init__(self.collector.n, sb3_space(space, self._encoder), copy.deepcopy(chosen))

    def _see(self, observations: Any, learn: bool = False) -> Any:
        if self._encoder is None:
            return observations
        rows = self._encoder(observations)
        if self.normaliser is None:
            return rows
        if learn:
            self.normaliser.observe(rows)
        return self.normaliser(rows)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed the next reset."""
        self._next_seed = seed
        return [seed] * self.num_envs

    def reset(self) -> Any:
        """Begin episodes in all environments."""
        if self.normaliser is not None:
            self.normaliser.begin()
        observations = self._see(self.collector.reset(self._next_seed), learn=True)
        self._next_seed = None
        return observations

    def step_async(self, actions: Array) -> None:
        """Remember the actions."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Step: observations, scalar rewards, dones, infos with ``vector_reward``."""
        assert self._actions is not None
        out = self.collector.step(np.asarray(self._actions))
        done = out.terminated | out.truncated
        infos: list[dict[str, Any]] = [{"vector_reward": r} for r in out.rewards]
        ended = done.nonzero()[0]
        if len(ended):  # encoded together: where episodes are short this is called in every step
            last = self._see(take(out.next_obs, ended))
            for row, i in enumerate(ended.tolist()):
                infos[i]["terminal_observation"] = take(last, row)
                infos[i]["TimeLimit.truncated"] = bool(out.truncated[i])
        rewards = out.rewards @ self.weight
        if self.normaliser is not None:
            rewards = self.normaliser.rewards(rewards, done)
        return self._see(self.collector.obs, learn=True), rewards.astype(np.float32), done, infos

    def close(self) -> None:
        """Close the environments."""
        self.collector.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of the vector environment, once per environment asked for."""
        if attr_name == "render_mode":
            return [None] * len(list(self._get_indices(indices)))
        return [getattr(self.collector.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the vector environment."""
        setattr(self.collector.env, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Call a method of the vector environment."""
        return [getattr(self.collector.env, method_name)(*args, **kwargs)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No environment is wrapped."""
        return [False] * len(list(self._get_indices(indices)))

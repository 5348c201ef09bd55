"""The environment as an agent sees it: objectives, spaces, and parallel environments to learn in and to measure in."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from morl.agents.core.actions import ActionMap, action_map
from morl.agents.core.collector import Collector
from morl.agents.core.info import AlgoInfo
from morl.agents.core.memory import require
from morl.agents.core.observations import plain_parts
from morl.envs.core import mo_spec
from morl.envs.registration import recipe
from morl.momdp import MOMDP
from morl.spec import AgentError, EnvError, MOSpec, UnknownNameError

Array = np.ndarray[Any, Any]


class Problem:
    """One environment, whatever it was given as.

    Args:
        env: an id, a Gymnasium env with vector rewards, or a vector env.
        discount: γ that replaces the environment's own.
        info: the algorithm that is to act in it; without one, actions are the environment's own.

    Attributes:
        actions: what the algorithm chooses from; ``None`` without one.

    Raises:
        EnvError: no vector reward, or not an environment.
        AgentError: the algorithm cannot act in the action space.
    """

    def __init__(self, env: Any, discount: float | None = None, info: AlgoInfo | None = None) -> None:
        if isinstance(env, str):
            from morl.envs import make

            env = make(env)
        if not isinstance(env, gym.Env | VectorEnv):
            raise EnvError(f"env is {env!r}; expected an environment, a vector environment or an id")
        self.env: Any = env
        self.spec: MOSpec = mo_spec(env)
        self.is_vector = isinstance(env, VectorEnv)
        prefix = "single_" if self.is_vector else ""
        self.observation_space: spaces.Space[Any] = getattr(env, prefix + "observation_space")
        self.action_space: spaces.Space[Any] = getattr(env, prefix + "action_space")
        self.discount = self.spec.discount if discount is None else float(discount)
        self.horizon = self._horizon()
        self.recipe = recipe(env)
        self.actions: ActionMap | None = None if info is None else action_map(self.action_space, info, self.id)
        self._model: MOMDP | None = None
        self._model_known = False

    @property
    def id(self) -> str:
        """The registered id, or the class name where there is none."""
        return self.registered or type(self.env.unwrapped).__name__

    @property
    def registered(self) -> str | None:
        """The registered id, or ``None``."""
        spec = getattr(self.env, "spec", None)
        return None if spec is None else str(spec.id)

    def _horizon(self) -> int | None:
        for layer in (self.env, getattr(self.env, "unwrapped", None)):
            for name in ("_max_episode_steps", "max_steps"):
                limit = getattr(layer, name, None)
                if isinstance(limit, int) and limit > 0:
                    return limit
        spec = getattr(self.env, "spec", None)
        limit = None if spec is None else spec.max_episode_steps
        return self.spec.horizon if limit is None else int(limit)

    # ---- the exact model, where there is one -----------------------------------------------------------

    @property
    def model(self) -> MOMDP | None:
        """The finite model under this problem's discount, or ``None`` (also where a wrapper changes the problem)."""
        if not self._model_known:
            self._model_known = True
            base = self.env.unwrapped
            known = hasattr(base, "momdp") and hasattr(base, "observations")
            # A model numbers its actions; only a Discrete space says which number is which action.
            if known and isinstance(self.action_space, spaces.Discrete) and not self._changed():
                model: MOMDP = base.momdp(self.discount)
                self._model = model.with_discount(self.discount)
        return self._model

    @property
    def model_observations(self) -> Array:
        """Observation of every state of :attr:`model`, ``(S, ...)``."""
        return np.asarray(self.env.unwrapped.observations)

    def _changed(self) -> bool:
        """True where wrappers alter observations, actions or rewards, so that the inner model is another problem."""
        if self.is_vector:
            return self.env is not self.env.unwrapped
        harmless = (gym.wrappers.TimeLimit, gym.wrappers.OrderEnforcing, gym.wrappers.PassiveEnvChecker)
        layer = self.env
        while isinstance(layer, gym.Wrapper):
            passes = getattr(layer, "keeps_model", False)
            if not (isinstance(layer, harmless) or passes):
                return True
            layer = layer.env
        return False

    # ---- parallel environments ------------------------------------------------------------------------

    def vector(self, num_envs: int) -> VectorEnv[Any, Any, Any]:
        """Fresh parallel environments, native where the environment has a vector form.

        They share nothing with the environment that was given, so measuring never changes training.
        """
        row = sum(float(np.prod(part.shape or ())) * 8 for part in plain_parts(self.observation_space)) + 512
        require(num_envs * row, f"{num_envs:,} parallel environments of {self.id}", "lower n_envs (or eval_envs)")
        if self.recipe is not None:
            from morl.envs import make_vec

            more: dict[str, Any] = {}
            if self.recipe.vector_entry_point is None or self.recipe.id.startswith("morl/"):
                more["autoreset_mode"] = AutoresetMode.SAME_STEP  # no step is spent on resets
            try:
                made: VectorEnv[Any, Any, Any] = make_vec(self.recipe, num_envs, **more)
                return made
            except (gym.error.Error, UnknownNameError):
                pass
        if self.is_vector:
            if num_envs == self.env.num_envs:
                copied: VectorEnv[Any, Any, Any] = copy.deepcopy(self.env)
                return copied
            raise AgentError(
                f"{self.id} was given as {self.env.num_envs} environments and has no id to make {num_envs} from; "
                f"set n_envs and eval_envs to {self.env.num_envs}, or give a registered id"
            )
        from morl.envs.vector import SyncVectorEnv

        synchronous: VectorEnv[Any, Any, Any] = SyncVectorEnv(
            [self.single for _ in range(num_envs)], autoreset_mode=AutoresetMode.SAME_STEP
        )
        return synchronous

    def measuring(self, wanted: int) -> VectorEnv[Any, Any, Any]:
        """Fresh environments to measure in: ``wanted``, or as many as were given where no other number can be made."""
        fixed = self.is_vector and self.recipe is None
        return self.vector(self.env.num_envs if fixed else wanted)

    @contextmanager
    def training(self, n_envs: int) -> Iterator[VectorEnv[Any, Any, Any]]:
        """Environments to learn in: the given vector environment, or ``n_envs`` fresh ones, closed at the end."""
        if self.is_vector:
            yield self.env
        else:
            with closing(self.vector(n_envs)) as fresh:
                yield fresh

    def collector(self, env: VectorEnv[Any, Any, Any]) -> Collector:
        """Steps parallel environments with the algorithm's actions, and checks what they report."""
        return Collector(env, self.spec, self.discount, self.id, self.actions)

    @contextmanager
    def collecting(self, n_envs: int, seed: int) -> Iterator[Collector]:
        """The environments of :meth:`training`, at the beginning of their episodes."""
        with self.training(n_envs) as env:
            collector = self.collector(env)
            collector.reset(seed)
            yield collector

    def single(self) -> gym.Env[Any, Any]:
        """One fresh copy."""
        if self.is_vector:
            raise AgentError(f"{self.id} was given as a vector environment; give a single one")
        from morl.envs import make

        spec = getattr(self.env, "spec", None)
        if self.recipe is not None:
            try:
                made: gym.Env[Any, Any] = make(self.recipe)
                return made
            except (gym.error.Error, UnknownNameError):
                pass
        elif spec is not None:
            return gym.make(spec)  # with the wrappers that it lists
        twin: gym.Env[Any, Any] = copy.deepcopy(self.env)
        return twin

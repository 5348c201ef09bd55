"""What is wrong with an environment, a config or a seed for an agent, in one line, before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from morl.agents.core.actions import one_line
from morl.agents.core.info import AlgoInfo
from morl.agents.core.observations import is_integer_valued, unreadable
from morl.agents.core.problem import Problem
from morl.spec import AgentError


def check_arguments(name: str, env: Any, config: Any) -> None:
    """Refuse arguments in another library's order.

    Raises:
        AgentError: they are; the message says how to write it here.
    """
    is_env = isinstance(config, gym.Env | VectorEnv)
    if isinstance(env, str) and (env.endswith("Policy") or is_env):
        raise AgentError(f"{name}({env!r}, ...): the environment comes first and no policy is named; write {name}(env)")
    if isinstance(env, type):
        raise AgentError(f"env is the class {env.__name__}; give an environment, {env.__name__}(), or an id")
    if config is not None and not isinstance(config, Mapping):
        kind = "a second environment" if is_env else repr(config)
        raise AgentError(
            f"config of {name} is {kind}; expected options by name, {name}(env, n_envs=4), or a mapping of them"
        )


def check_observations(info: AlgoInfo, problem: Problem) -> None:
    """Refuse an environment that the algorithm cannot read.

    Raises:
        AgentError: its observations, or that it has no finite model.
    """
    space = problem.observation_space
    unread = unreadable(space)
    if unread is not None:
        raise AgentError(
            f"{info.name} cannot read {type(unread).__name__} observations; {problem.id} has {one_line(space)}; use "
            "Box, Discrete, MultiDiscrete, MultiBinary, or Dicts and Tuples of them"
        )
    if "vector" not in info.observations and not is_integer_valued(space):
        raise AgentError(
            f"{info.name} is tabular and needs discrete (integer-valued) observations; {problem.id} has "
            f"{one_line(space)}"
        )
    if info.needs_model and problem.model is None:
        raise AgentError(f"{info.name} needs a finite model; {problem.id} has no momdp()")


def check_seed(seed: Any) -> int:
    """The seed as a number; ``None`` draws one.

    Raises:
        AgentError: not a non-negative integer.
    """
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise AgentError(f"seed is {seed!r}; expected a non-negative integer or None")
    return int(seed)

"""Copies of an environment are copies of what was given: its arguments, its time limit and its wrappers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import morl
from morl.agents import registry
from morl.agents.core.problem import Problem
from morl.envs import wrappers
from morl.envs.core import mo_spec
from morl.spec import AgentError
from morl.testing import problems


def copies_of(env: Any) -> tuple[Any, Any]:
    """Three copies stepped together, and a single one."""
    problem = Problem(env)
    return problem.vector(3), problem.single()


def steps_to_the_end(env: Any, action: Any) -> int:
    env.reset(seed=0)
    for t in range(1, 300):
        _, _, terminated, truncated, _ = env.step(action)
        if np.any(terminated) or np.any(truncated):
            return t
    raise AssertionError("the episode does not end")


@pytest.mark.parametrize("id", ["morl/MountainCar-v0", "morl/DeepSeaTreasure-v0"])
def test_copies_keep_the_time_limit_of_the_environment_given(id: str) -> None:
    many, one = copies_of(morl.make(id, max_episode_steps=7))
    assert steps_to_the_end(many, np.zeros(3, dtype=int)) == steps_to_the_end(one, 0) == 7


def test_copies_of_a_native_vector_environment_have_its_arguments() -> None:
    problem = Problem(morl.make_vec("morl/MountainCar-v0", 4, max_episode_steps=7, objectives=("time", "move")))
    copies = problem.vector(5)
    assert copies.num_envs == 5
    assert mo_spec(copies).k == 2
    assert steps_to_the_end(copies, np.zeros(5, dtype=int)) == 7


def test_copies_of_a_wrapped_vector_environment_are_wrapped() -> None:
    env = wrappers.VectorSelectObjectives(morl.make_vec("morl/MountainCar-v0", 4), ["forward", "time"])
    copies = Problem(env).vector(4)
    copies.reset(seed=0)
    assert copies.step(np.full(4, 2))[1].tolist() == [[-1.0, -1.0]] * 4
    assert copies is not env
    with pytest.raises(AgentError, match="eval_envs to 4"):
        Problem(env).vector(5)


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_agent_learns_in_a_vector_environment_and_is_measured_in_copies(wrapped: bool) -> None:
    env: Any = morl.make_vec("morl/MountainCar-v0", 4, max_episode_steps=20)
    if wrapped:
        env = wrappers.VectorSelectObjectives(env, ["time", "forward"])
    agent = registry.get("VectorQLambda")(env, seed=0)
    agent.learn(200)
    front = agent.front(episodes=2)
    assert front.points.shape[1] == (2 if wrapped else 3)
    assert front.points[:, 0].min() >= -20.0


def test_stable_baselines_leaves_no_folder_of_its_own_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    options = {"n_weights": 2, "sb3": {"n_steps": 16, "batch_size": 64}}
    registry.get("LinearScalarization")("morl/DeepSeaTreasureConcave-v0", options, seed=0).learn(300)
    left = [path.name for path in tmp_path.iterdir()]
    assert [name for name in left if not name.startswith("torchinductor")] == []  # torch's own cache, once a process


@pytest.mark.parametrize("name", sorted(set(registry.BUILT_IN) - {"ExactPlanner", "LinearScalarization"}))
def test_environments_to_learn_in_are_closed_also_where_learning_fails(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ExactPlanner opens none, and those of LinearScalarization belong to a model that outlives the call."""
    from morl.testing.spaces import SMALL

    opened: list[Any] = []
    fresh = Problem.vector
    monkeypatch.setattr(Problem, "vector", lambda self, n: opened.append(fresh(self, n)) or opened[-1])
    discrete = "discrete" in registry.info(name).actions
    env = problems.Plain(problems.deterministic()) if discrete else problems.Target()
    agent = registry.get(name)(env, seed=0, **SMALL.get(name, {}))

    def fail(agent: Any) -> bool:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        agent.learn(600, callback=fail)
    assert opened
    assert all(env.closed for env in opened)

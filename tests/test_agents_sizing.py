"""Agents fit the steps that they are given: never more is played, and enough updates are made, or a warning says so."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.agents import LinearScalarization, ParetoEvolution, VectorQLambda, WorstCase
from morl.envs.core import MOEnv
from morl.spec import MOSpec


class Counting(MOEnv[Any, Any]):
    """Costs nothing to step, counts the steps of all its instances, and ends by a time limit alone.

    Args:
        limit: steps of an episode.
        noise: standard deviation of rewards.
        continuous: actions are a box, else one of three.
        said: whether the time limit is known beforehand.
    """

    steps = 0

    def __init__(self, limit: int, noise: float = 0.0, continuous: bool = False, said: bool = True) -> None:
        self.limit, self.noise, self.continuous = limit, noise, continuous
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = spaces.Box(-2.0, 5.0, (1,), np.float32) if continuous else spaces.Discrete(3)
        horizon, scale = limit if said else None, ((-50.0, -50.0), (50.0, 50.0))
        self.mo_spec = MOSpec(("one", "other"), 0.9, horizon, ref_point=(-50.0, -50.0), return_scale=scale)
        self.reward_space = spaces.Box(-np.inf, np.inf, (2,))
        self._time = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self._time = 0
        return np.zeros(2), {}

    def step(self, action: Any) -> Any:
        Counting.steps += 1
        self._time += 1
        x = float(np.ravel(action)[0])
        reward = np.array([x, -x]) + self.noise * self.np_random.normal(size=2)
        return np.array([self._time, x]), reward, False, self._time >= self.limit, {}


def played(agent: Any, steps: int) -> tuple[int, list[str]]:
    """Environment steps that an agent takes when it is asked for ``steps``, and what it warns of."""
    before = Counting.steps
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        agent.learn(steps)
    return Counting.steps - before, [str(one.message) for one in caught]


@given(
    limit=st.sampled_from([1, 7, 300]),
    n_envs=st.integers(1, 30),
    steps=st.integers(1, 1500),
    noise=st.sampled_from([0.0, 1.0]),
    said=st.booleans(),
)
@settings(max_examples=15, deadline=None)
def test_evolution_plays_what_it_is_asked_for_and_selects(
    limit: int, n_envs: int, steps: int, noise: float, said: bool
) -> None:
    agent = ParetoEvolution(Counting(limit, noise, said=said), seed=0, n_envs=n_envs)
    _, told = played(agent, steps)
    assert agent.num_timesteps == steps
    assert agent.generation >= 2 or any("generations" in one for one in told)
    assert len(agent.front(episodes=2)) >= 1


def test_evolution_keeps_the_sizes_that_the_caller_chose() -> None:
    agent = ParetoEvolution(Counting(50), seed=0, population=40)
    _, told = played(agent, 3000)
    assert agent.population is not None
    assert len(agent.population) == 40
    assert any("generations" in one for one in told)
    free = ParetoEvolution(Counting(50), seed=0)
    assert played(free, 3000)[1] == []
    assert free.population is not None
    assert len(free.population) < 40
    assert free.generation >= 4


@pytest.mark.parametrize("env", ["morl/Minecart-v0", "morl/MinecartDeterministic-v0", "morl/DeepSeaTreasureConcave-v0"])
def test_sequences_in_batches_play_what_they_are_asked_for(env: str) -> None:
    agent = ParetoEvolution(env, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent.learn(60_000)
    assert agent.num_timesteps == 60_000
    assert agent.generation >= 4
    assert len(agent.archive) >= 1


def test_a_larger_budget_enlarges_what_a_small_one_had_begun() -> None:
    agent = ParetoEvolution(Counting(20), seed=0)
    with pytest.warns(UserWarning, match="generations"):
        agent.learn(200)
    agent.learn(40_000)
    assert agent.num_timesteps == 40_200
    assert agent.population is not None
    assert len(agent.population) == 100


FAST = {"n_epochs": 1}


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize(("steps", "n_envs"), [(1, 4), (97, 4), (1300, 3), (2500, 8)])
def test_every_weight_is_learned_within_the_steps(steps: int, n_envs: int, continuous: bool) -> None:
    """Steps come in whole steps of all parallel environments: less than one of them is rounded up."""
    env = Counting(20, continuous=continuous)
    agent = LinearScalarization(env, seed=0, n_envs=n_envs, sb3=FAST)
    taken, told = played(agent, steps)
    assert steps <= agent.num_timesteps < steps + n_envs
    assert taken == agent.num_timesteps
    assert len(agent.weights) == agent.n_weights
    assert all(agent.solved)
    updates = [int(arrays["model.counters"][1]) for arrays in agent.solved]
    assert min(updates) >= 20 or any("fewer than 20 updates" in one for one in told)


def test_weights_that_the_caller_chose_are_all_learned() -> None:
    agent = LinearScalarization(Counting(20), seed=0, n_envs=2, n_weights=5, steps_per_weight=100, sb3=FAST)
    _, told = played(agent, 200)
    assert 200 <= agent.num_timesteps < 202
    assert len(agent.weights) == 5
    assert told


def test_learning_on_keeps_to_its_steps_too() -> None:
    agent = LinearScalarization(Counting(20), seed=0, n_envs=4, n_weights=2, sb3=FAST)
    played(agent, 1600)
    for more in (10, 333):
        before = agent.num_timesteps
        played(agent, more)
        assert more <= agent.num_timesteps - before < more + 4


@pytest.mark.parametrize(("steps", "n_envs", "limit"), [(90, 1, 20), (700, 2, 7), (1500, 3, 300)])
def test_worst_case_plays_rounds_within_its_steps(steps: int, n_envs: int, limit: int) -> None:
    agent = WorstCase(Counting(limit), seed=0, n_envs=n_envs, sb3=FAST)
    _, told = played(agent, steps)
    assert steps <= agent.num_timesteps < steps + n_envs
    assert len(agent.members) >= 2 or told
    assert agent.eval_steps <= max(steps, agent.rounds * 2 * limit)


def test_worst_case_says_where_its_game_does_not_begin() -> None:
    agent = WorstCase(Counting(20), seed=0, warm_up_rounds=10, n_steps=50, sb3=FAST)
    assert any("begin to move" in one for one in played(agent, 200)[1])


@pytest.mark.parametrize(
    ("steps", "n_envs", "n_epochs"), [(200_000, 31, 4), (3_000_000, 256, 2), (100_000_000, 256, 1), (100, 16, 4)]
)
def test_vector_q_makes_rounds_and_updates_enough(steps: int, n_envs: int, n_epochs: int) -> None:
    agent = VectorQLambda(Counting(20), seed=0)
    agent.target_timesteps = steps
    assert (agent.parallel_envs, agent.n_epochs) == (n_envs, n_epochs)
    given = VectorQLambda(Counting(20), seed=0, n_envs=100, n_epochs=2)
    given.target_timesteps = steps
    assert (given.parallel_envs, given.n_epochs) == (100, 2)

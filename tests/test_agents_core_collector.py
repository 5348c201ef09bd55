"""Collecting steps: ends told apart in every autoreset mode, and what environments report checked first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from strategies import walk

import morl
from morl.agents import registry
from morl.agents.core.collector import (
    LARGEST,
    Collector,
    check_flags,
    check_observations,
    check_rewards,
    random_actions,
)
from morl.agents.core.problem import Problem
from morl.envs.core import MOEnv, MOVectorEnv
from morl.envs.finite.tabular import TabularVectorEnv
from morl.spec import EnvError, MOSpec, Objective
from morl.testing import problems
from morl.testing.spaces import OBSERVATIONS, SMALL


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("limit", [None, 2])
def test_collector_tells_ends_apart_in_every_autoreset_mode(mode, limit) -> None:
    model, spec = walk()
    env = TabularVectorEnv(model, spec, 3, max_steps=limit, autoreset_mode=mode)
    collector = Collector(env, spec, 0.5, "walk")
    collector.reset(0)
    seen = []
    while len(seen) < 12:
        out = collector.step(np.zeros(3, dtype=np.int64))
        seen += [
            (int(out.obs[i]), int(out.next_obs[i]), bool(out.terminated[i]), bool(out.truncated[i]), int(out.time[i]),
             tuple(out.accrued[i]))
            for i in range(len(out))
        ]  # fmt: skip
    expected = [
        (0, 1, False, False, 0, (0.0, 0.0)),
        (1, 2, False, limit == 2, 1, (1.0, 0.0)),
        (2, 3, True, False, 2, (1.5, 0.5)),
    ][: 3 if limit is None else 2]
    assert set(seen) == set(expected)
    assert collector.steps == len(seen)


def test_rollout_marks_resets_as_invalid() -> None:
    model, spec = walk()
    env = TabularVectorEnv(model, spec, 2, autoreset_mode=AutoresetMode.NEXT_STEP)
    collector = Collector(env, spec, 0.5, "walk")
    collector.reset(0)
    out = collector.rollout(lambda o, a, t: np.zeros(2, dtype=np.int64), 8)
    assert out.valid[:, 0].tolist() == [True, True, True, False] * 2
    assert out.rewards[3].tolist() == [[0.0, 0.0]] * 2
    assert out.terminated[2].all()


def test_rollout_without_observations_says_what_happened_after_each_step() -> None:
    model, spec = walk()
    env = TabularVectorEnv(model, spec, 2, autoreset_mode=AutoresetMode.NEXT_STEP)
    collector = Collector(env, spec, 0.5, "walk")
    whole = [collector.reset(0), collector.rollout(lambda o, a, t: np.zeros(2, dtype=np.int64), 8)][1]
    steps: list[Any] = []
    collector.reset(0)
    bare = collector.rollout(lambda o, a, t: np.zeros(2, dtype=np.int64), 8, steps.append, observations=False)
    assert (bare.obs, bare.next_obs) == (None, None)
    assert [len(out) for out in steps] == whole.valid.sum(axis=1).tolist()
    for name in ("actions", "rewards", "terminated", "truncated", "accrued", "time", "valid", "ended"):
        assert np.array_equal(getattr(bare, name), getattr(whole, name)), name


def test_rewards_are_checked_with_names() -> None:
    spec = MOSpec((Objective("gain"), Objective("cost")))
    with pytest.raises(EnvError, match=r"lab, step 7, copy 1: reward of objective 'cost' is inf"):
        check_rewards([[0.0, 0.0], [1.0, np.inf]], 2, spec, "lab", 7)
    with pytest.raises(EnvError, match=r"rewards have shape \(2,\); expected \(2, 2\)"):
        check_rewards([0.0, 1.0], 2, spec, "lab", 7)
    with pytest.raises(EnvError, match="expected"):
        check_rewards("text", 2, spec, "lab", 7)


def test_random_actions_stay_in_their_space() -> None:
    rng = np.random.default_rng(0)
    for space in (
        spaces.Discrete(3, start=2),
        spaces.MultiDiscrete([2, 5]),
        spaces.Box(np.array([-1.0, -np.inf]), np.array([2.0, np.inf]), dtype=np.float32),
    ):
        for action in random_actions(space, 50, rng):
            assert space.contains(np.asarray(action, dtype=space.dtype)[()])


SPEC = MOSpec((Objective("speed"), Objective("comfort")), 0.9, 10, (-1.0, -1.0), ((0.0, 0.0), (10.0, 10.0)))
AGENTS = [
    "EUPG", "Envelope", "GPILS", "LinearScalarization", "PCN", "ParetoEvolution", "QuantileDQN", "VectorQLambda",
    "WorstCase",
]  # fmt: skip


class Lab(MOEnv[Any, Any]):
    """Ten steps; from one of them on, it reports something else."""

    def __init__(self, when: int = 5, **wrong: Any) -> None:
        self.mo_spec = SPEC
        self.reward_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float64)
        self.action_space = spaces.Discrete(2)
        self.max_steps, self.when, self.wrong, self.total, self.time = 10, when, wrong, 0, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        gym.Env.reset(self, seed=seed)
        self.time = 0
        return np.zeros(3), {}

    def step(self, action: Any) -> Any:
        self.time, self.total = self.time + 1, self.total + 1
        answer: dict[str, Any] = {
            "observation": np.zeros(3),
            "reward": np.array([action, 1.0]),
            "over": self.time >= 10,
        }
        if self.total >= self.when:
            if "failure" in self.wrong:
                raise self.wrong["failure"]
            answer |= self.wrong
        return answer["observation"], answer["reward"], answer["over"], False, {}


class Many(MOVectorEnv):
    """Four copies that report what they are told to."""

    def __init__(self, **wrong: Any) -> None:
        super().__init__()
        lab = Lab()
        self.mo_spec, self.reward_space, self.num_envs, self.wrong = lab.mo_spec, lab.reward_space, 4, wrong
        self.single_observation_space, self.single_action_space = lab.observation_space, lab.action_space
        self.metadata = {"autoreset_mode": gym.vector.AutoresetMode.NEXT_STEP}
        self.time = 0

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return np.zeros((4, 3)), {}

    def step(self, actions: Any) -> Any:
        self.time += 1
        answer: dict[str, Any] = {
            "observation": np.zeros((4, 3)), "reward": np.ones((4, 2)), "over": np.full(4, self.time % 5 == 0),
            "cut": np.zeros(4, dtype=bool),
        } | (self.wrong if self.time >= 3 else {})  # fmt: skip
        if "result" in answer:
            return answer["result"]
        return answer["observation"], answer["reward"], answer["over"], answer["cut"], {}


def stopped(name: str, env: Any) -> str:
    """The one line with which an agent stops learning."""
    agent = registry.get(name)(env, seed=0, **SMALL.get(name, {}))
    with pytest.raises(EnvError) as caught:
        agent.learn(2000)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"observation": np.array([0.0, np.nan, 0.0])}, ["Lab", "step", "copy", "nan"]),
        ({"observation": np.array([0.0, 1e300, 0.0])}, ["Lab", "step", "copy", "1e+300"]),
        ({"reward": np.array([1e300, 0.0])}, ["Lab", "step", "copy", "speed", "1e+300"]),
    ],
)
def test_numbers_that_networks_cannot_hold_stop_at_once(name: str, wrong: dict[str, Any], words: list[str]) -> None:
    text = stopped(name, Lab(**wrong))
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"reward": np.ones(4)}, r"rewards have shape \(4,\); expected \(4, 2\)"),
        ({"reward": np.ones((4, 2), dtype=complex)}, "real numbers"),
        ({"reward": [["1", "2"]] * 4}, "real numbers"),
        ({"reward": np.full((4, 2), None)}, "real numbers"),
        ({"reward": [[1.0, 2.0], [1.0]]}, "real numbers"),
        ({"observation": np.zeros((3, 3))}, r"observations have shape \(3, 3\).*expected \(4, 3\)"),
        ({"observation": np.zeros(3)}, r"observations have shape \(3,\)"),
        ({"observation": None}, "observations have shape"),
        ({"observation": np.full((4, 3), "0")}, "type <U1"),
        ({"over": np.zeros(3, dtype=bool)}, "terminated is .*expected 4 booleans"),
        ({"over": ["no"] * 4}, "terminated is .*'no'.*expected 4 booleans"),
        ({"over": False}, "terminated is False"),
        ({"cut": np.full(4, 0.5)}, "truncated is .*expected 4 booleans"),
        ({"cut": np.full(4, 2)}, "truncated is "),
        ({"result": (np.zeros((4, 3)), np.ones((4, 2)), np.zeros(4, bool), {})}, "expected .observations, rewards"),
        ({"result": None}, "step returned None"),
    ],
)
def test_wrong_shapes_and_types_of_vector_environments_give_one_line(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(EnvError, match=f"Many, step .*{words}") as caught:
        registry.get("Envelope")(Many(**wrong), seed=0, net_arch=(8,)).learn(100)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_failure_names_environment_step_and_line_and_keeps_its_cause() -> None:
    agent = registry.get("Envelope")(Lab(failure=KeyError("valve")), seed=0, net_arch=(8,), n_envs=2)
    with pytest.raises(
        EnvError, match=r"Lab, step \d+.*KeyError: 'valve'.*test_agents_core_collector.py:\d+, in step"
    ) as caught:
        agent.learn(100)
    causes, error = [], caught.value
    while error is not None:
        causes.append(type(error))
        error = error.__cause__  # type: ignore[assignment]
    assert KeyError in causes


def test_zero_and_one_are_flags_and_integers_are_rewards() -> None:
    assert check_flags([0, 1], 2, "terminated", "lab", 0).tolist() == [False, True]
    assert check_rewards([[1, 2]], 1, SPEC, "lab", 0).tolist() == [[1.0, 2.0]]
    assert check_rewards(np.array([[LARGEST, -LARGEST]]), 1, SPEC, "lab", 0).shape == (1, 2)


@pytest.mark.parametrize("label", [label for label in OBSERVATIONS if label not in ("Text", "Sequence")])
def test_good_batches_pass_and_bad_parts_are_named(label: str) -> None:
    space = OBSERVATIONS[label]
    space.seed(0)
    batch = gym.vector.utils.concatenate(
        space, [space.sample() for _ in range(3)], gym.vector.utils.create_empty_array(space, 3)
    )
    assert check_observations(space, batch, 3, "lab", "step 1") is not None
    with pytest.raises(EnvError, match="lab, step 1"):
        check_observations(space, batch, 4, "lab", "step 1")


def test_the_bad_part_of_a_nested_observation_is_named() -> None:
    space = OBSERVATIONS["Dict, nested"]
    batch = {"place": np.zeros((2, 2), np.float32), "rest": {"mode": np.array([1, 3])}}
    with pytest.raises(EnvError, match=r"copy 1: the observation\['rest'\]\['mode'\] is 3, not of"):
        check_observations(space, batch, 2, "lab", "step 1")
    batch["place"][0, 1] = np.inf
    with pytest.raises(EnvError, match=r"copy 0: the observation\['place'\] holds inf"):
        check_observations(space, batch, 2, "lab", "step 1")


def test_catalogued_environments_stay_within_what_is_accepted() -> None:
    env = morl.make_vec("morl/MoleculeRelaxationLJ-v0", 8)
    assert np.abs(env.reset(seed=0)[0]).max() < LARGEST


class Endless(problems.AnySpaces):
    """One reward a step for ever, cut every five steps; with ``terminates`` the action 1 ends it."""

    def __init__(self, discount: float, terminates: bool = False) -> None:
        super().__init__(spaces.Discrete(2), spaces.Discrete(2))
        self.mo_spec = replace(self.mo_spec, discount=discount, return_scale=None, horizon=5)
        self.terminates, self.max_steps = terminates, 5

    def reset(self, **how: Any) -> Any:
        self._left = 5
        return super().reset(**how)

    def step(self, action: Any) -> Any:
        obs, *_ = super().step(action)
        self._left -= 1
        over = self.terminates and int(action) == 1
        return obs, np.array([1.0, -1.0]), over, self._left == 0 and not over, {}


def flags(discount: float, terminates: bool, actions: list[int]) -> list[tuple[bool, bool]]:
    """(terminated, truncated) of each step of one environment."""
    found = []
    with Problem(Endless(discount, terminates)).collecting(1, seed=0) as collector:
        for action in actions:
            out = collector.step(np.array([action]))
            found += list(zip(out.terminated.tolist(), out.truncated.tolist(), strict=True))
    return found


def test_without_a_discount_the_time_limit_of_an_endless_task_is_its_end() -> None:
    assert flags(0.9, False, [0] * 5)[-1] == (False, True)
    assert flags(1.0, False, [0] * 5)[-1] == (True, False)
    found = flags(1.0, True, [0] * 5 + [1] + [0] * 5)  # once an episode has ended by itself, a limit is a limit
    assert [x for x in found if any(x)] == [(True, False), (True, False), (False, True)]


@pytest.mark.parametrize("name", ["Envelope", "MultiWeightQLearning", "ConditionedPPO"])
def test_values_of_an_endless_task_stay_within_its_time_limit(name: str) -> None:
    """They used to grow with every update: 5 steps of reward 1 are worth at most 5."""
    options: dict[str, Any] = {}
    if name != "MultiWeightQLearning":
        options = {"n_envs": 4, "device": "cpu"}
    if name == "Envelope":
        options |= {"net_arch": (16,), "learning_starts": 50, "learning_rate": 5e-3, "tau": 0.1}
    agent = registry.get(name)(Endless(1.0), seed=0, **options).learn(3000)
    seen, weights = np.eye(2, dtype=np.float32), np.full((2, 2), 0.5, np.float32)
    if name == "MultiWeightQLearning":
        values = agent.q
    elif name == "ConditionedPPO":
        values = agent._values(seen, weights)
    else:
        values = agent.values(seen, weights)
    assert np.abs(values).max() < 8.0

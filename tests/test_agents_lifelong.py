"""Tasks in sequence: a trunk that is held forgets nothing, and what is forgotten adds up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from morl.agents import Envelope
from morl.agents.lifelong import Lifelong, Retention
from morl.spec import AgentError, UnknownNameError

TASKS = ["morl/DeepSeaTreasure-v0", "morl/DeepSeaTreasureConcave-v0"]
SMALL = {"learning_starts": 20, "net_arch": (16, 16), "n_envs": 2, "batch_size": 16, "front_weights": 5}


def test_a_trunk_that_is_held_forgets_nothing_bit_for_bit():
    lifelong = Lifelong(Envelope, TASKS, seed=0, pull=math.inf, **SMALL)
    found = lifelong.learn(150, score=lambda front: float(front.points.sum()))
    assert found.scores[1, 0] == found.scores[0, 0]
    assert found.forgetting == found.backward_transfer == 0.0
    assert math.isnan(found.scores[0, 1])
    arrays = [agent._state()[0] for agent in lifelong.agents]
    for name, value in lifelong.common.items():
        np.testing.assert_array_equal(arrays[0][name], value)
        np.testing.assert_array_equal(arrays[1][name], value)


def test_the_trunk_goes_on_and_each_task_keeps_its_head():
    lifelong = Lifelong("Envelope", TASKS, seed=0, **SMALL)
    lifelong.learn(150, score=len)
    first, second = (agent._state()[0] for agent in lifelong.agents)
    name = next(iter(lifelong.common))
    assert not np.array_equal(first[name], second[name])  # each agent keeps the trunk that it ended with
    np.testing.assert_array_equal(lifelong.common[name], second[name])
    before = lifelong.agents[0].front().points
    lifelong.front(0)  # measuring on the present trunk puts the old one back
    np.testing.assert_array_equal(lifelong.agents[0].front().points, before)


def test_a_curriculum_hands_its_heads_on_too():
    lifelong = Lifelong(Envelope, TASKS, seed=0, share="all", **SMALL)
    lifelong.learn(150, score=len)
    first, second = lifelong.agents
    obs, weights = first.rows(np.array([[0, 0], [3, 2]])), np.float32([[0.5, 0.5], [0.9, 0.1]])
    before = first.values(obs, weights)
    assert not np.allclose(before, second.values(obs, weights), rtol=1e-3)
    assert "net.head.linear.weight" in lifelong.common
    lifelong.front(0)
    np.testing.assert_allclose(first.values(obs, weights), before, rtol=1e-3, atol=1e-3)


def test_a_strong_pull_keeps_the_trunk_near():
    def moved(pull: float) -> float:
        lifelong = Lifelong(Envelope, TASKS, seed=0, pull=pull, **SMALL)
        lifelong.learn(150, score=len)
        first = lifelong.agents[0]._state()[0]
        return sum(float(np.abs(value - first[name]).sum()) for name, value in lifelong.common.items())

    assert moved(100.0) < 0.7 * moved(0.0)


def test_what_is_forgotten_is_counted_from_the_best():
    nan = math.nan
    found = Retention(np.array([[1.0, nan, nan], [3.0, 2.0, nan], [2.0, 4.0, 5.0]]))
    assert found.learned.tolist() == [1.0, 2.0, 5.0]
    assert found.backward_transfer == pytest.approx(((2 - 1) + (4 - 2)) / 2)
    assert found.forgetting == pytest.approx(((3 - 2) + (2 - 4)) / 2)
    assert Retention(np.ones((1, 1))).forgetting == 0.0


@pytest.mark.parametrize(
    ("tasks", "options", "words"),
    [
        ([], {}, "no tasks"),
        (TASKS, {"pull": -1.0}, "μ is -1.0"),
        ([TASKS[0], "morl/FruitTree-v0"], {}, "task 1 has objectives"),
        (TASKS, {"share": "trunks"}, "did you mean trunk"),
    ],
)
def test_wrong_input_is_refused(tasks, options, words):
    with pytest.raises((AgentError, UnknownNameError), match=words):
        Lifelong(Envelope, tasks, **options)

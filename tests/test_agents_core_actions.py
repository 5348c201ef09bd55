"""Between what agents choose and what environments take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.agents.core.actions import ActionMap, action_map
from morl.agents.core.info import AlgoInfo
from morl.agents.core.problem import Problem
from morl.spec import AgentError
from morl.testing.problems import AnySpaces

BOTH = ("discrete", "continuous")


def info(*actions: str, several: bool = False) -> AlgoInfo:
    return AlgoInfo("Some", "x", ("SER",), "x", actions, ("vector",), "x", "x", several_actions=several)


shapes = st.sampled_from([(1,), (3,), (2, 2)])


@st.composite
def action_spaces(draw: Any) -> spaces.Space[Any]:
    kind = draw(st.sampled_from(["discrete", "several", "bits", "box", "whole"]))
    if kind == "discrete":
        return spaces.Discrete(draw(st.integers(1, 9)), start=draw(st.integers(-50, 50)))
    shape = draw(shapes)
    n = int(np.prod(shape))
    first = np.array(draw(st.lists(st.integers(-50, 50), min_size=n, max_size=n))).reshape(shape)
    size = np.array(draw(st.lists(st.integers(1, 5), min_size=n, max_size=n))).reshape(shape)
    if kind == "several":
        return spaces.MultiDiscrete(size, start=first)
    if kind == "bits":
        return spaces.MultiBinary(shape)
    if kind == "whole":
        return spaces.Box(first, first + size, dtype=draw(st.sampled_from([np.int8, np.int64])))
    low = first * draw(st.sampled_from([1e-3, 0.37, 1e6]))
    return spaces.Box(low, low + size * draw(st.sampled_from([1e-3, 1.0, 1e5])), dtype=draw(
        st.sampled_from([np.float32, np.float64])
    ))  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(action_spaces(), st.booleans(), st.integers(0, 2**31))
def test_every_choice_is_an_action_and_comes_back(space: spaces.Space[Any], several: bool, seed: int) -> None:
    actions = action_map(space, info(*BOTH, several=several), "env")
    actions.space.seed(seed)
    chosen = np.stack([np.asarray(actions.space.sample()) for _ in range(5)])
    native = actions.to_env(chosen)
    for action in native:
        assert space.contains(action)
    again = actions.from_env(native)
    np.testing.assert_array_equal(
        actions.to_env(again), native
    ) if not actions.continuous else np.testing.assert_allclose(
        actions.to_env(again), native, rtol=1e-4, atol=1e-4 * np.abs(native).max()
    )
    if not actions.continuous:
        np.testing.assert_array_equal(again, chosen)


@settings(max_examples=60, deadline=None)
@given(action_spaces())
def test_every_discrete_action_can_be_chosen(space: spaces.Space[Any]) -> None:
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return
    actions = action_map(space, info("discrete"), "env")
    assert isinstance(actions.space, spaces.Discrete)
    native = actions.to_env(np.arange(actions.space.n))
    assert len(np.unique(native.reshape(len(native), -1), axis=0)) == actions.space.n


def test_the_ends_of_a_box_are_reached_and_not_left() -> None:
    box = spaces.Box(np.array([-3.0, 0.0, -1e9]), np.array([0.1, 5000.0, 1e9]), dtype=np.float32)
    actions = action_map(box, info("continuous"), "env")
    np.testing.assert_array_equal(
        actions.to_env(np.array([[-1.0] * 3, [1.0] * 3, [7.0] * 3])), [box.low, box.high, box.high]
    )
    wide = action_map(spaces.Box(0, 255, (1,), np.uint8), info("continuous"), "env")
    values = wide.to_env(np.linspace(-1, 1, 25_601)[:, None])
    assert np.unique(values).tolist() == list(range(256))
    assert np.bincount(values.ravel()).min() >= 100 - 1  # bins of one size


@pytest.mark.parametrize(
    ("space", "who", "words"),
    [
        (spaces.Box(0.0, np.inf, (1,)), info(*BOTH), "needs bounded actions"),
        (spaces.Box(-np.finfo(np.float32).max, 1.0, (1,)), info("continuous"), "needs bounded actions"),
        (spaces.MultiDiscrete([20] * 6), info(*BOTH), "at most 4,096 combinations"),
        (spaces.MultiBinary(9000), info("discrete", several=True), "at most 4,096 components"),
        (spaces.Discrete(3, start=1), info("continuous"), "needs continuous actions"),
        (spaces.Box(-1.0, 1.0, (2,)), info("discrete"), "needs discrete actions"),
        (spaces.Dict(a=spaces.Discrete(2)), info(*BOTH), "needs discrete or continuous actions"),
        (spaces.Text(3), info(*BOTH), "needs discrete or continuous actions"),
    ],
)
def test_spaces_that_do_not_suit_are_refused_in_one_line(space: Any, who: AlgoInfo, words: str) -> None:
    with pytest.raises(AgentError, match=f"Some .*{words}.*; lab has") as caught:
        action_map(space, who, "lab")
    assert "\n" not in str(caught.value)


def test_collectors_of_a_problem_take_the_algorithms_actions() -> None:
    space = spaces.MultiDiscrete([[2, 3]], start=[[5, -1]])
    problem = Problem(AnySpaces(space, spaces.Discrete(2)), info=info("discrete"))
    collector = problem.collector(problem.vector(6))
    collector.reset(0)
    heights = np.array([0.0, 0.25, 0.5, 0.5, 0.75, 1.0])
    turned = np.asarray(collector.obs) == problem.env.shown[1]
    rewards = collector.step(np.arange(6)).rewards[:, 0]
    np.testing.assert_allclose(rewards, np.where(turned, 1 - heights, heights))


def test_without_an_algorithm_actions_are_the_environments_own() -> None:
    problem = Problem(AnySpaces(spaces.Discrete(2, start=4), spaces.Discrete(2)))
    collector = problem.collector(problem.vector(2))
    collector.reset(0)
    assert len(collector.step(np.array([4, 5]))) == 2
    assert isinstance(ActionMap(spaces.Discrete(2), spaces.Discrete(2)).to_env(np.array([1])), np.ndarray)

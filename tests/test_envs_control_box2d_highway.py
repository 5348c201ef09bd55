"""Lunar lander and motorway: parts of the reward, the simulators' own scalar, and the reference suite."""

from __future__ import annotations

import importlib.util
import math
import pickle
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import morl
from morl.spec import EnvError, MissingExtraError

_NEEDS_BOX2D = pytest.mark.skipif(importlib.util.find_spec("Box2D") is None, reason="Box2D is not installed")
_NEEDS_HIGHWAY = pytest.mark.skipif(importlib.util.find_spec("highway_env") is None, reason="no highway-env")
LANDERS = ("LunarLander-v3", "LunarLanderContinuous-v3")


def actions_for(env: Any, n: int, seed: int) -> list[Any]:
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(n)]


@_NEEDS_BOX2D
@pytest.mark.parametrize("name", LANDERS)
def test_lander_weights_recover_gymnasium_s_reward_but_for_the_last_step(name: str) -> None:
    ours, theirs = morl.make(f"morl/{name}").unwrapped, gym.make(name)
    ours.reset(seed=0)
    theirs.reset(seed=0)
    ends = 0
    for action in actions_for(theirs, 600, 0):
        seen, rewards, terminated, truncated, info = ours.step(action)
        expected = theirs.step(action)
        np.testing.assert_array_equal(seen, expected[0])
        assert info["original_reward"] == expected[1]
        assert ours.reward_space.contains(rewards)
        assert ours.observation_space.contains(seen)
        assert (terminated, truncated) == (expected[2], False)
        if terminated:
            ends += 1
            assert rewards[0] == expected[1]
            seed = 1000 + ends
            ours.reset(seed=seed)
            theirs.reset(seed=seed)
        else:
            assert rewards[0] == 0
            assert rewards @ ours.scalar_weights == pytest.approx(expected[1], abs=1e-6)
    assert ends >= 3


@_NEEDS_BOX2D
def test_lander_fuel_follows_from_the_action() -> None:
    env = morl.make("morl/LunarLander-v3")
    env.reset(seed=0)
    fuel = [env.step(action)[1][2:].tolist() for action in range(4)]
    assert fuel == [[0, 0], [0, -1], [-1, 0], [0, -1]]
    env = morl.make("morl/LunarLanderContinuous-v3")
    env.reset(seed=0)
    for (throttle, sideways), spent in {
        (-1.0, 0.5): (0, 0),
        (0.0, -0.6): (0, -0.6),
        (0.5, 1.0): (-0.75, -1),
        (1.0, 0.2): (-1, 0),
    }.items():
        rewards = env.step(np.array([throttle, sideways], np.float32))[1]
        np.testing.assert_allclose(rewards[2:], spent, atol=1e-7)


@_NEEDS_BOX2D
def test_lander_refuses_invalid_actions_and_late_steps() -> None:
    env = morl.make("morl/LunarLanderContinuous-v3", max_steps=2)
    with pytest.raises(EnvError, match="before reset"):
        env.step(np.zeros(2, np.float32))
    env.reset(seed=0)
    for action in ([0.0, 1.5], [math.nan, 0.0], [0.0]):
        with pytest.raises(EnvError, match=r"expected numbers of shape \(2,\)"):
            env.step(action)
    assert env.step([0.0, 0.0])[2:4] == (False, False)
    assert env.step([0.0, 0.0])[2:4] == (False, True)
    with pytest.raises(EnvError, match="after the episode ended"):
        env.step([0.0, 0.0])


@_NEEDS_BOX2D
def test_lander_pictures_and_copies() -> None:
    env = morl.make("morl/LunarLander-v3", render_mode="ansi", gravity=-5.0)
    env.reset(seed=0)
    first = env.render()
    assert first.count("⚑") == 2
    assert "legs on the ground 0" in first
    for _ in range(20):
        env.step(0)
    assert env.render() != first
    twin = pickle.loads(pickle.dumps(env.unwrapped))  # noqa: S301
    assert twin.simulator.gravity == -5
    pictures = morl.make("morl/LunarLander-v3", render_mode="rgb_array")
    pictures.reset(seed=0)
    assert pictures.render().shape == (400, 600, 3)
    with pytest.raises(EnvError, match="render_mode is 'svg'"):
        morl.make("morl/LunarLander-v3", render_mode="svg")


@_NEEDS_HIGHWAY
@pytest.mark.parametrize("name", [pytest.param("Highway-v0", marks=pytest.mark.slow), "HighwayFast-v0"])
def test_motorway_rewards_and_scalar(name: str) -> None:
    env = morl.make(f"morl/{name}").unwrapped
    env.reset(seed=2)
    steps = crashes = 0
    for action in actions_for(env, 40, 1):
        seen, rewards, terminated, truncated, info = env.step(action)
        steps += 1
        assert env.observation_space.contains(seen)
        assert env.reward_space.contains(rewards)
        on_road = info["rewards"]["on_road_reward"]
        assert info["original_reward"] == pytest.approx(on_road * (rewards @ env.scalar_weights + 1) / 1.5)
        assert rewards[2] == -float(terminated)
        crashes += terminated
        if terminated or truncated:
            break
    assert crashes or steps == env.mo_spec.horizon


@_NEEDS_HIGHWAY
def test_motorway_is_fixed_by_its_seed_and_ends_on_time() -> None:
    first, second = (morl.make("morl/HighwayFast-v0", config={"duration": 3}) for _ in range(2))
    (one, facts), (two, same) = first.reset(seed=5), second.reset(seed=5)
    np.testing.assert_array_equal(one, two)
    assert facts == same
    assert "action" not in facts  # highway-env draws one without a seed
    np.random.seed(3)  # noqa: NPY002  # disturbed on purpose
    for _ in range(3):
        one, two = first.step(1), second.step(1)
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
    assert one[2:4] == (False, True)
    with pytest.raises(EnvError, match="after the episode ended"):
        first.step(1)
    first.reset()
    with pytest.raises(EnvError, match="expected an integer from 0 to 4"):
        first.step(5)


@_NEEDS_HIGHWAY
def test_motorway_pictures() -> None:
    env = morl.make("morl/HighwayFast-v0", render_mode="ansi")
    env.reset(seed=0)
    text = env.render()
    assert text.count("▶") == 1
    assert "»" in text
    assert len(text.splitlines()) == 2 * 3 + 2
    pictures = morl.make("morl/HighwayFast-v0", render_mode="rgb_array")
    pictures.reset(seed=0)
    assert pictures.render().ndim == 3


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("LunarLander-v3", "gymnasium.envs.box2d.lunar_lander", "box2d"),
        ("Highway-v0", "highway_env.envs.highway_env", "highway"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'morl-suite\[{extra}\]'"):
        morl.make(f"morl/{name}")


# ---- the reference suite --------------------------------------------------------------------------------------


@pytest.mark.peers
@_NEEDS_BOX2D
@pytest.mark.parametrize("continuous", [False, True])
def test_same_landings_as_mo_gymnasium(continuous: bool) -> None:
    mo_gymnasium = pytest.importorskip("mo_gymnasium")
    name = "LunarLanderContinuous-v3" if continuous else "LunarLander-v3"
    theirs = mo_gymnasium.make("mo-lunar-lander-continuous-v3" if continuous else "mo-lunar-lander-v3")
    ours = morl.make(f"morl/{name}")
    theirs.action_space.seed(0)
    for episode in range(60):
        np.testing.assert_array_equal(ours.reset(seed=episode)[0], theirs.reset(seed=episode)[0])
        while True:
            action = theirs.action_space.sample()
            seen, rewards, terminated, _, info = ours.step(action)
            expected = theirs.step(action)
            np.testing.assert_array_equal(seen, expected[0])
            np.testing.assert_allclose(rewards, expected[1], rtol=1e-6, atol=1e-4)
            assert info["original_reward"] == expected[4]["original_reward"]
            assert terminated == expected[2]
            if terminated:
                break


@pytest.mark.peers
@_NEEDS_HIGHWAY
@pytest.mark.parametrize("fast", [False, True])
def test_same_drives_as_mo_gymnasium(fast: bool) -> None:
    mo_gymnasium = pytest.importorskip("mo_gymnasium")
    theirs = mo_gymnasium.make("mo-highway-fast-v0" if fast else "mo-highway-v0")
    ours = morl.make("morl/HighwayFast-v0" if fast else "morl/Highway-v0")
    theirs.action_space.seed(0)
    for episode in range(10 if fast else 2):
        np.testing.assert_array_equal(ours.reset(seed=episode)[0], theirs.reset(seed=episode)[0])
        while True:
            action = theirs.action_space.sample()
            seen, rewards, terminated, truncated, _ = ours.step(action)
            expected = theirs.step(action)
            np.testing.assert_array_equal(seen, expected[0])
            np.testing.assert_allclose(rewards, expected[1], atol=1e-6)
            assert (terminated, truncated) == (expected[2], expected[3] and not expected[2])
            if terminated or truncated:
                break

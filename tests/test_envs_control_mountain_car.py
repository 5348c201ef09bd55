"""The mountain cars: physics by hand, objectives, options, vector form, and the reference suite step by step."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import morl
from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.control.mountain_car import OBJECTIVES, MountainCarDynamics
from morl.envs.control.mountain_car_continuous import MountainCarContinuousDynamics
from morl.spec import EnvError, UnknownNameError

MountainCar = partial(BatchedEnv.of, MountainCarDynamics)
MountainCarVector = partial(BatchedVectorEnv.of, MountainCarDynamics)
MountainCarContinuous = partial(BatchedEnv.of, MountainCarContinuousDynamics)
MountainCarContinuousVector = partial(BatchedVectorEnv.of, MountainCarContinuousDynamics)


def put(env: MountainCar | MountainCarContinuous, position: float, velocity: float) -> None:
    env.reset(seed=0)
    env._state["car"][0] = [position, velocity]


def test_one_step_by_hand() -> None:
    env = MountainCar(("time", "reverse", "forward", "move", "speed"))
    put(env, -0.5, 0.01)
    seen, rewards, terminated, truncated, _ = env.step(2)
    velocity = 0.01 + 0.001 - 0.0025 * math.cos(-1.5)
    np.testing.assert_allclose(seen, [-0.5 + velocity, velocity], rtol=1e-6)
    np.testing.assert_allclose(rewards, [-1, 0, -1, -1, 15 * velocity])
    assert (terminated, truncated) == (False, False)
    assert env.step(0)[1][:4].tolist() == [-1, -1, 0, -1]
    assert env.step(1)[1][:4].tolist() == [-1, 0, 0, 0]


def test_continuous_step_by_hand() -> None:
    env = MountainCarContinuous()
    put(env, -0.5, 0.01)
    seen, rewards, *_ = env.step(np.array([0.5], np.float32))
    velocity = 0.01 + 0.5 * 0.0015 - 0.0025 * math.cos(-1.5)
    np.testing.assert_allclose(seen, [-0.5 + velocity, velocity], rtol=1e-6)
    np.testing.assert_allclose(rewards, [-1, -0.25])


@pytest.mark.parametrize(("env", "action"), [(MountainCar(), 2), (MountainCarContinuous(), np.ones(1, np.float32))])
def test_reaching_the_goal_costs_no_time_and_stays_in_the_reward_space(env: MountainCar, action: object) -> None:
    put(env, 0.449, 0.06)
    _, rewards, terminated, truncated, _ = env.step(action)
    assert terminated
    assert not truncated
    assert rewards[0] == 0
    assert env.reward_space.contains(rewards)
    with pytest.raises(EnvError, match="after the episode ended"):
        env.step(action)


def test_a_goal_velocity_must_be_reached_too() -> None:
    env = MountainCar(goal_velocity=0.065)
    put(env, 0.45, 0.06)
    assert not env.step(1)[2]


def test_the_left_wall_stops_the_car() -> None:
    env = MountainCar()
    put(env, -1.19, -0.05)
    assert env.step(0)[0].tolist() == pytest.approx([-1.2, 0])


def test_energy_is_kept_while_coasting() -> None:
    """Without pushes, v²/2 + (0.0025 / 3) sin 3x stays near its start (the integrator is symplectic)."""
    env = MountainCar()
    put(env, -0.8, 0.0)
    energies = []
    for _ in range(190):
        position, velocity = (float(x) for x in env.step(1)[0])
        energies.append(velocity**2 / 2 + 0.0025 / 3 * math.sin(3 * position))
    assert max(energies) - min(energies) < 0.1 * 0.0025 / 3


def test_time_limit_is_a_truncation() -> None:
    env = morl.make("morl/MountainCar-v0")
    env.reset(seed=0)
    flags = [env.step(1)[2:4] for _ in range(200)]
    assert flags[-1] == (False, True)
    assert flags[-2] == (False, False)


def test_registered_variants() -> None:
    names = {
        "MountainCar-v0": ("time", "reverse", "forward"),
        "MountainCarTimeSpeed-v0": ("time", "speed"),
        "MountainCarTimeMove-v0": ("time", "move"),
        "MountainCarContinuous-v0": ("time", "fuel"),
    }
    for name, objectives in names.items():
        env = morl.make(f"morl/{name}")
        assert env.unwrapped.mo_spec.names == objectives
        vector = morl.make_vec(f"morl/{name}", 3)
        vector.reset(seed=0)
        assert vector.step(vector.action_space.sample())[1].shape == (3, len(objectives))


def test_start_options() -> None:
    env = MountainCar()
    assert env.reset(seed=0, options={"low": 0.1, "high": 0.2})[0][0] == pytest.approx(0.15, abs=0.05)
    assert -0.6 <= env.reset()[0][0] <= -0.4
    for low, high in ((0.3, 0.2), (-2, 0), ("a", 0), (math.nan, 0)):
        with pytest.raises(EnvError, match="start positions"):
            env.reset(options={"low": low, "high": high})
    with pytest.raises(EnvError, match="no reset option 'speed'"):
        env.reset(options={"speed": 1})


def test_unknown_objectives_suggest_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean speed"):
        MountainCar(("time", "sped"))


@pytest.mark.parametrize("action", [3, -1, 0.5, math.nan, None])
def test_invalid_actions_are_refused(action: object) -> None:
    env = MountainCar()
    env.reset(seed=0)
    with pytest.raises(EnvError, match="expected an integer from 0 to 2"):
        env.step(action)


@pytest.mark.parametrize("action", [[1.5], [math.nan], 0.5, [0.1, 0.1], "a"])
def test_invalid_throttles_are_refused(action: object) -> None:
    env = MountainCarContinuous()
    env.reset(seed=0)
    with pytest.raises(EnvError, match="expected numbers of shape"):
        env.step(action)


def test_observations_are_not_the_state() -> None:
    env = MountainCarContinuous()
    seen, _ = env.reset(seed=0)
    expected = env.state["car"].copy()
    seen[:] = 0.3
    np.testing.assert_array_equal(env.state["car"], expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.integers(0, 2), min_size=1, max_size=200))
def test_spaces_contain_everything(seed: int, actions: list[int]) -> None:
    env = MountainCar(tuple(OBJECTIVES))
    assert env.observation_space.contains(env.reset(seed=seed)[0])
    for action in actions:
        seen, rewards, terminated, *_ = env.step(action)
        assert env.observation_space.contains(seen)
        assert env.reward_space.contains(rewards)
        if terminated:
            break


@pytest.mark.parametrize("kind", ["discrete", "continuous"])
def test_vector_env_moves_every_copy_like_the_single_one(kind: str) -> None:
    vector = MountainCarVector(5) if kind == "discrete" else MountainCarContinuousVector(5)
    single = MountainCar() if kind == "discrete" else MountainCarContinuous()
    vector.reset(seed=1)
    cars = vector.state["car"]
    actions = [vector.action_space.sample() for _ in range(50)]
    steps = [vector.step(action) for action in actions]
    for i in range(5):
        put(single, *cars[i])
        for action, (observation, rewards, *_) in zip(actions, steps, strict=True):
            expected = single.step(action[i])
            np.testing.assert_array_equal(observation[i], expected[0])
            np.testing.assert_array_equal(rewards[i], expected[1])


def test_pictures_follow_the_car() -> None:
    env = MountainCar(render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    put(env, 0.3, 0.02)
    assert (env.render() != before).any()
    assert before.shape == (400, 640, 3)
    text = MountainCarContinuous(render_mode="ansi")
    text.reset(seed=0)
    assert "■" in text.render()
    put(text, 0.0, 0.05)
    assert "▶" in text.render()


# ---- the reference suite ----------------------------------------------------------------------------------

_SAME = [
    ("mo-mountaincar-v0", ("time", "reverse", "forward")),
    ("mo-mountaincar-3d-v0", ("time", "move", "speed")),
    ("mo-mountaincar-timemove-v0", ("time", "move")),
    ("mo-mountaincar-timespeed-v0", ("time", "speed")),
]


@pytest.mark.peers
@pytest.mark.parametrize(("theirs_id", "objectives"), _SAME)
def test_same_trajectories_as_mo_gymnasium(theirs_id: str, objectives: tuple[str, ...]) -> None:
    """500 episodes, seed by seed: random ones, and energy pumping ones that reach the goal."""
    mo_gymnasium = pytest.importorskip("mo_gymnasium")
    theirs, ours = mo_gymnasium.make(theirs_id), MountainCar(objectives)
    rng, goals = np.random.default_rng(0), 0
    for episode in range(500):
        seen, _ = theirs.reset(seed=episode)
        np.testing.assert_array_equal(seen, ours.reset(seed=episode)[0])
        noise = rng.choice([0.0, 0.2, 1.0])
        for _ in range(200):
            action = int(rng.integers(3)) if rng.random() < noise else 2 * int(seen[1] >= 0)
            expected = theirs.step(action)
            seen, rewards, terminated, truncated, _ = ours.step(action)
            np.testing.assert_array_equal(seen, expected[0])
            np.testing.assert_allclose(rewards, expected[1], rtol=0, atol=1e-6)
            assert (terminated, truncated) == (expected[2], expected[3] and not expected[2])
            if terminated or truncated:
                goals += terminated
                break
    assert goals > 200


@pytest.mark.peers
def test_same_continuous_trajectories_as_mo_gymnasium_up_to_rounding() -> None:
    """The reference rounds its state to float32 after each step; until the goal the two stay within 2e-5."""
    mo_gymnasium = pytest.importorskip("mo_gymnasium")
    theirs, ours = mo_gymnasium.make("mo-mountaincarcontinuous-v0"), MountainCarContinuous()
    rng, goals = np.random.default_rng(0), 0
    for episode in range(200):
        theirs.reset(seed=episode)
        seen, _ = ours.reset(seed=episode)
        noise = rng.choice([0.0, 0.3, 1.0])
        for _ in range(300):
            pumping = np.float32(1.0 if seen[1] >= 0 else -1.0)
            action = np.array([rng.uniform(-1, 1) if rng.random() < noise else pumping], np.float32)
            expected = theirs.step(action)
            seen, rewards, terminated, *_ = ours.step(action)
            np.testing.assert_allclose(seen, expected[0], rtol=0, atol=2e-5)
            on_the_line = abs(seen[0] - 0.45) < 2e-5
            assert terminated == expected[2] or on_the_line
            if terminated or expected[2]:
                goals += 1
                break
            np.testing.assert_allclose(rewards, expected[1], rtol=0, atol=1e-6)
    assert goals > 50

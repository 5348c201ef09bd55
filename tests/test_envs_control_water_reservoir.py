"""The reservoir: flows by hand, options, bounds, vector form, and the reference suite seed by seed."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import morl
from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.control.water_reservoir import WaterReservoirDynamics
from morl.spec import EnvError

WaterReservoir = partial(BatchedEnv.of, WaterReservoirDynamics)
WaterReservoirVector = partial(BatchedVectorEnv.of, WaterReservoirDynamics)


def test_one_day_by_hand() -> None:
    env = WaterReservoir(4)
    env.reset(seed=0, options={"level": 80.0})
    seen, rewards, terminated, truncated, info = env.step(np.array([45.0]))
    level = 80 + info["inflow"] - 45
    assert info["release"] == 45
    np.testing.assert_allclose(seen, [level], rtol=1e-6)
    power = 9.81 * 1000 * level * 45 / 3.6e6
    np.testing.assert_allclose(rewards, [-max(level - 50, 0), -5, -max(4.36 - power, 0), -15])
    assert (terminated, truncated) == (False, False)


@pytest.mark.parametrize(
    ("level", "wish", "release"), [(150.0, 0.0, 50.0), (150.0, 200.0, 150.0), (30.0, 40.0, 30.0), (30.0, 10.0, 10.0)]
)
def test_releases_are_limited_by_spill_and_by_what_there_is(level: float, wish: float, release: float) -> None:
    plain, strict = WaterReservoir(2), WaterReservoir(2, penalise=True)
    rewards = []
    for env in (plain, strict):
        env.reset(seed=0, options={"level": level})
        _, reward, _, _, info = env.step([wish])
        assert info["release"] == release
        rewards.append(reward)
    np.testing.assert_allclose(rewards[0] - rewards[1], abs(wish - release))


def test_normalised_actions_are_shares_of_what_can_be_released() -> None:
    env = WaterReservoir(normalised=True)
    env.reset(seed=0, options={"level": 150.0})
    assert env.step([0.25])[4]["release"] == pytest.approx(50 + 0.25 * 100)
    with pytest.raises(EnvError, match="from 0 to 1"):
        env.step([2.0])


def test_inflow_has_the_stated_mean_and_deviation() -> None:
    dynamics = WaterReservoirDynamics()
    n, rng = 20_000, np.random.default_rng(0)
    inflow = dynamics.step(dynamics.initial(n, rng), np.zeros((n, 1)), rng).info["inflow"]
    assert inflow.mean() == pytest.approx(40, abs=4 * 10 / math.sqrt(n))
    assert inflow.std() == pytest.approx(10, rel=0.03)


def test_water_is_conserved() -> None:
    env = WaterReservoir()
    seen, _ = env.reset(seed=3)
    level = float(seen[0])
    for action in np.random.default_rng(0).uniform(0, 100, (100, 1)):
        seen, _, _, _, info = env.step(action)
        level += info["inflow"] - info["release"]
        assert seen[0] == pytest.approx(level, rel=1e-5)


def test_time_limit_is_a_truncation() -> None:
    env = morl.make("morl/WaterReservoir-v0")
    env.reset(seed=0)
    flags = [env.step([20.0])[2:4] for _ in range(100)]
    assert flags[-1] == (False, True)
    assert flags[-2] == (False, False)


@pytest.mark.parametrize(
    ("name", "k"), [("WaterReservoir-v0", 2), ("WaterReservoir3Obj-v0", 3), ("WaterReservoir4Obj-v0", 4)]
)
def test_registered_variants(name: str, k: int) -> None:
    env = morl.make(f"morl/{name}")
    env.reset(seed=0)
    assert env.step([20.0])[1].shape == (k,)
    vector = morl.make_vec(f"morl/{name}", 3)
    vector.reset(seed=0)
    seen, rewards, _, _, info = vector.step(np.full((3, 1), 20.0))
    assert seen.shape == (3, 1)
    assert rewards.shape == (3, k)
    assert info["release"].shape == (3,)


@settings(max_examples=40, deadline=None)
@given(
    st.booleans(), st.booleans(), st.integers(0, 2**31), st.lists(st.floats(0, 1, width=32), min_size=1, max_size=100)
)
def test_spaces_contain_everything(normalised: bool, penalise: bool, seed: int, shares: list[float]) -> None:
    env = WaterReservoir(4, normalised, penalise)
    assert env.observation_space.contains(env.reset(seed=seed)[0])
    for share in shares:
        seen, rewards, *_ = env.step(share * env.action_space.high)
        assert env.observation_space.contains(seen)
        assert env.reward_space.contains(rewards)


@pytest.mark.parametrize("action", [[-1.0], [201.0], [math.nan], "wet", [1.0, 2.0]])
def test_invalid_releases_are_refused(action: object) -> None:
    env = WaterReservoir()
    env.reset(seed=0)
    with pytest.raises(EnvError, match="expected numbers of shape"):
        env.step(action)
    env.step([0.0])


def test_wrong_parameters_are_refused() -> None:
    for objectives in (1, 5, True, "2"):
        with pytest.raises(EnvError, match="expected 2, 3 or 4"):
            WaterReservoir(objectives)
    for level in (-1, 201, math.nan, "high", [1, 2]):
        with pytest.raises(EnvError, match="start level is"):
            WaterReservoir(level=level)
        with pytest.raises(EnvError, match="start level is"):
            WaterReservoir().reset(options={"level": level})


def test_observations_are_not_the_state() -> None:
    env = WaterReservoir()
    seen, _ = env.reset(seed=0)
    before = env.state["level"].copy()
    seen[:] = 0
    assert env.state["level"] == before


def test_vector_env_moves_every_copy_like_the_single_one() -> None:
    """With one copy the random streams agree; with more, each copy follows from its own inflow."""
    single, vector = WaterReservoir(4), WaterReservoirVector(1, 4)
    np.testing.assert_array_equal(single.reset(seed=5)[0], vector.reset(seed=5)[0][0])
    many = WaterReservoirVector(8, 4)
    many.reset(seed=1)
    for action in np.random.default_rng(0).uniform(0, 200, (60, 8, 1)):
        one, several = single.step(action[0]), vector.step(action[:1])
        np.testing.assert_array_equal(one[0], several[0][0])
        np.testing.assert_array_equal(one[1], several[1][0])
        before = many.state["level"]
        seen, rewards, _, _, info = many.step(action)
        level = np.maximum(before + info["inflow"] - info["release"], 0)
        np.testing.assert_allclose(seen[:, 0], level, rtol=1e-6)
        np.testing.assert_allclose(rewards[:, 0], -np.maximum(level - 50, 0))


def test_pictures_follow_the_water() -> None:
    env = WaterReservoir(render_mode="rgb_array")
    env.reset(seed=0, options={"level": 20})
    before = env.render()
    env.step([0.0])
    assert (env.render() != before).any()
    text = WaterReservoir(render_mode="ansi")
    text.reset(seed=0, options={"level": 20})
    assert "level 20.0" in text.render()
    assert "release" not in text.render()
    text.step([5.0])
    assert "release 5.0" in text.render()


@pytest.mark.peers
@pytest.mark.parametrize("objectives", [2, 3, 4])
@pytest.mark.parametrize(("normalised", "penalise"), [(False, False), (True, False), (False, True)])
def test_same_trajectories_as_mo_gymnasium(objectives: int, normalised: bool, penalise: bool) -> None:
    """100 episodes of each kind, seed by seed, to the rounding of the reference's float32 state."""
    mo_gymnasium = pytest.importorskip("mo_gymnasium")
    theirs = mo_gymnasium.make(
        "water-reservoir-v0", nO=objectives, normalized_action=normalised, penalize=penalise
    ).unwrapped
    ours = WaterReservoir(objectives, normalised, penalise)
    rng = np.random.default_rng(0)
    for episode in range(100):
        np.testing.assert_allclose(ours.reset(seed=episode)[0], theirs.reset(seed=episode)[0], rtol=1e-6)
        for _ in range(100):
            action = rng.uniform(0, 1 if normalised else 150, 1).astype(np.float32)
            expected = theirs.step(action)
            seen, rewards, terminated, truncated, _ = ours.step(action)
            np.testing.assert_allclose(seen, expected[0], rtol=1e-5, atol=1e-3)
            np.testing.assert_allclose(rewards, expected[1], rtol=1e-4, atol=1e-3)
            assert (terminated, truncated) == (expected[2], expected[3])


# ---- seasons ----------------------------------------------------------------------------------------------


def test_the_season_swings_the_inflow_and_is_observed() -> None:
    """Averaged over many dams, the inflow of day t is 40 + 40 sin(2π t / 25), cut to its range."""
    env = WaterReservoirVector(4000, season=40.0)
    observation, _ = env.reset(seed=0)
    assert env.single_observation_space.contains(observation[0])
    for t in range(30):
        phase = 2 * np.pi * t / 25
        np.testing.assert_allclose(observation[:, 1:], [[np.sin(phase), np.cos(phase)]] * 4000, atol=1e-5)
        observation, *_, info = env.step(np.full((4000, 1), 50.0))
        mean = np.clip(40 + 40 * np.sin(phase) + 10 * np.random.default_rng(t).standard_normal(20_000), -20, 100).mean()
        assert abs(info["inflow"].mean() - mean) < 1.0


def test_without_a_season_nothing_changes() -> None:
    plain, zero = WaterReservoir(), WaterReservoir(season=0.0)
    np.testing.assert_array_equal(plain.reset(seed=3)[0], zero.reset(seed=3)[0])
    for _ in range(20):
        np.testing.assert_array_equal(plain.step([30.0])[1], zero.step([30.0])[1])
    assert "day" not in plain.state


@pytest.mark.parametrize("season", [-1.0, 41.0, float("nan"), "wet", True])
def test_seasons_that_make_no_sense(season: object) -> None:
    with pytest.raises(EnvError, match=r"season is .*expected a number from 0 to 40"):
        WaterReservoir(season=season)


def test_knowing_the_season_pays() -> None:
    """A release that follows the season floods much less than the constant one of the same mean."""
    totals = []
    for follow in (0.0, 30.0):
        env = WaterReservoirVector(2000, season=40.0)
        observation, _ = env.reset(seed=1)
        total = np.zeros(2)
        for t in range(100):
            wish = np.clip(40.0 + follow * observation[:, 1:2], 0.0, 200.0)
            observation, rewards, *_ = env.step(wish.astype(np.float32))
            total += 0.99**t * rewards.mean(axis=0)
        totals.append(total)
    assert totals[1][0] > totals[0][0] + 100

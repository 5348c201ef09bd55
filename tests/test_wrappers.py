"""Wrappers of vector rewards: what they compute, what they promise, and what they leave alone."""

from __future__ import annotations

import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode
from scipy.stats import binom

import morl
import morl.envs.wrappers as w
from morl import MOSpec, Objective
from morl.envs.core import mo_spec
from morl.envs.vector import SyncVectorEnv
from morl.envs.wrappers.normalise import RunningSpread
from morl.spec import EnvError, SpecError, UnknownNameError
from morl.utility import Linear, WorstCase

SPEC = MOSpec(
    (Objective("gain", low=0, high=4), Objective("cost", low=-2, high=0)),
    discount=0.5,
    horizon=4,
    ref_point=(0, -9),
    return_scale=((0, -8), (10, 0)),
)


class Steps(gym.Env[Any, Any]):
    """Four steps: rewards (t, -2), kept in an array of its own that wrappers must not touch."""

    metadata = {"render_modes": []}  # noqa: RUF012
    mo_spec = SPEC

    def __init__(self, length: int = 4, dtype: Any = np.float64) -> None:
        self.reward_space = spaces.Box(SPEC.reward_low, SPEC.reward_high, (2,), np.float64)
        self.observation_space = spaces.Box(0.0, 9.0, (2,), np.float64)
        self.action_space = spaces.Discrete(2)
        self.pay = np.zeros(2, dtype=dtype)
        self.length, self.t = length, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return np.array([0.0, 1.0]), {}

    def step(self, action: int) -> Any:
        self.t += 1
        self.pay[:] = self.t, -2
        return np.array([self.t, 0.0]), self.pay, self.t >= self.length, False, {"t": self.t}


def vec(n: int = 2, mode: Any = AutoresetMode.NEXT_STEP, length: int = 4) -> SyncVectorEnv:
    return SyncVectorEnv([lambda i=i: Steps(length + i) for i in range(n)], mode)


def run(env: Any, steps: int = 4) -> list[Any]:
    env.reset(seed=0)
    return [env.step(0) for _ in range(steps)]


PAIRS = {
    "linear": (w.LinearReward, w.VectorLinearReward, {"weights": [0.25, 0.75]}),
    "utility": (w.UtilityReward, w.VectorUtilityReward, {"utility": WorstCase()}),
    "clip": (w.ClipReward, w.VectorClipReward, {"low": -1, "high": [2.0, 3.0]}),
    "select": (w.SelectObjectives, w.VectorSelectObjectives, {"objectives": ["cost", "gain"]}),
    "one": (w.SelectObjectives, w.VectorSelectObjectives, {"objectives": [1]}),
    "negate": (w.NegateObjectives, w.VectorNegateObjectives, {"objectives": ["cost"]}),
    "flip": (w.FaultyReward, w.VectorFaultyReward, {"objective": "gain", "mode": "flip"}),
    "zero": (w.FaultyReward, w.VectorFaultyReward, {"objective": 1, "mode": "zero"}),
    "partial": (w.PartialReward, w.VectorPartialReward, {"probability": 1.0}),
    "esr": (w.ESRReward, w.VectorESRReward, {"utility": WorstCase()}),
    "statistics": (w.RecordStatistics, w.VectorRecordStatistics, {}),
    "flatten": (w.FlattenObservation, w.VectorFlattenObservation, {}),
    "limit": (w.TimeLimit, w.VectorTimeLimit, {"max_steps": 3}),
    "skip": (w.MaxAndSkip, w.VectorMaxAndSkip, {"skip": 3}),
    "normalise": (w.NormaliseReward, w.VectorNormaliseReward, {}),
    "preference": (w.PreferenceObservation, w.VectorPreferenceObservation, {"weights": [0.5, 0.5]}),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_vector_forms_do_copy_by_copy_what_single_ones_do(name: str, mode: AutoresetMode) -> None:
    """Three copies of different lengths through several episodes against three single environments."""
    if name == "normalise":
        pytest.skip("its scales are shared by the copies; tested below")
    single, vector, options = PAIRS[name]
    alone = [single(Steps(4 + i), **options) for i in range(3)]
    many = vector(vec(3, mode), **options)
    seen = [env.reset(seed=i)[0] for i, env in enumerate(alone)]
    both, _ = many.reset(seed=0)
    np.testing.assert_allclose(both, seen)
    assert many.single_observation_space == alone[0].observation_space
    assert many.observation_space.contains(both)
    over = [False] * 3
    for _ in range(17):
        observations, rewards, terminated, truncated, info = many.step(np.zeros(3, dtype=int))
        for i, env in enumerate(alone):
            final = None
            if over[i]:  # NEXT_STEP
                expected: Any = (env.reset()[0], rewards[i] * 0, False, False)
                over[i] = False
            else:
                expected = env.step(0)[:4]
                ended = expected[2] or expected[3]
                if ended and mode is AutoresetMode.SAME_STEP:
                    final = expected[0]
                    expected = (env.reset()[0], *expected[1:])
                over[i] = ended and mode is AutoresetMode.NEXT_STEP
                if ended and mode is AutoresetMode.DISABLED:
                    env.reset()
            np.testing.assert_allclose(observations[i], expected[0])
            np.testing.assert_allclose(rewards[i], expected[1])
            assert (terminated[i], truncated[i]) == expected[2:]
            if final is not None:
                np.testing.assert_allclose(info["final_obs"][i], final)
        done = terminated | truncated
        if mode is AutoresetMode.DISABLED and done.any():
            with pytest.raises(EnvError, match=r"have|has"):
                many.step(np.zeros(3, dtype=int))
            many.reset(options={"reset_mask": done})


@pytest.mark.parametrize("name", PAIRS)
def test_no_wrapper_touches_what_it_wraps(name: str) -> None:
    single, _, options = PAIRS[name]
    for dtype in (np.float64, np.float32, np.int64):
        inner = Steps(dtype=dtype)
        env = single(inner, **options)
        env.reset(seed=0)
        for t in range(1, 3):
            reward = env.step(0)[1]
            if name != "skip":
                assert inner.pay.tolist() == [t, -2]
            if isinstance(reward, np.ndarray):
                assert reward.dtype == np.float64
                reward[:] = 99
                assert inner.pay.tolist() != [99, 99]


@pytest.mark.parametrize("name", PAIRS)
def test_scalars_and_the_wrong_form_are_refused(name: str) -> None:
    single, vector, options = PAIRS[name]
    scalar = w.LinearReward(Steps(), [1, 0])
    with pytest.raises(EnvError, match="scalar"):
        single(scalar, **options)
    with pytest.raises(EnvError, match="use Vector"):
        single(vec(), **options)
    with pytest.raises(EnvError, match="got a single environment"):
        vector(Steps(), **options)
    with pytest.raises(EnvError, match="scalar"):
        vector(w.VectorLinearReward(vec(), [1, 0]), **options)
    with pytest.raises(EnvError, match="declares no vector reward"):
        single(gym.make("CartPole-v1"), **options)


@pytest.mark.parametrize("name", PAIRS)
def test_rewards_stay_in_the_space_that_is_announced(name: str) -> None:
    single, vector, options = PAIRS[name]
    env = single(Steps(), **options)
    for moved in run(env, 1 if name == "skip" else 3):
        low, high = env.reward_space.low, env.reward_space.high
        assert (np.asarray(moved[1]) >= low - 1e-12).all()
        assert (np.asarray(moved[1]) <= high + 1e-12).all()
        assert env.observation_space.contains(moved[0])
    if env.mo_spec is not None:
        assert mo_spec(env) == env.mo_spec
        assert mo_spec(vector(vec(), **options)).names == env.mo_spec.names
        assert env.reward_space.shape == (env.mo_spec.k,)
    else:
        assert env.reward_space.shape == ()


@pytest.mark.parametrize("name", [n for n in PAIRS if n not in ("utility", "esr")])
def test_specs_survive_json_with_the_wrapper_on(name: str) -> None:
    single, _, options = PAIRS[name]
    options = {k: (["time"] if k == "objectives" else v) for k, v in options.items()}
    if name == "flip":
        options["objective"] = "time"
    env = single(morl.make("morl/DeepSeaTreasure-v0"), **options)
    again = gym.make(EnvSpec.from_json(json.loads(json.dumps(env.spec.to_json()))))
    assert type(again) is type(env)
    assert again.observation_space == env.observation_space


def test_linear_reward_by_hand() -> None:
    env = w.LinearReward(Steps(), [0.25, 0.75])
    moved = run(env)
    assert [m[1] for m in moved] == [0.25 * t - 1.5 for t in (1, 2, 3, 4)]
    assert moved[2][4]["vector_reward"].tolist() == [3.0, -2.0]
    assert (env.reward_space.low, env.reward_space.high) == (-1.5, 1.0)
    with pytest.raises(SpecError, match="sum to 2"):
        w.LinearReward(Steps(), [1, 1])
    with pytest.raises(SpecError, match="has 3 numbers"):
        w.LinearReward(Steps(), [1, 0, 0])
    many = w.VectorLinearReward(vec(), [1, 0])
    many.reset(seed=0)
    assert many.step(np.zeros(2, int))[1].shape == (2,)


def test_clip_select_negate_by_hand() -> None:
    env = w.ClipReward(Steps(), -1, [2.0, 3.0])
    assert [m[1].tolist() for m in run(env)] == [[1, -1], [2, -1], [2, -1], [2, -1]]
    assert mo_spec(env).reward_low.tolist() == [0, -1]
    env = w.SelectObjectives(Steps(), ["cost", "gain"])
    assert run(env)[2][1].tolist() == [-2, 3]
    assert mo_spec(env).ref_point == (-9, 0)
    assert mo_spec(env).return_scale == ((-8, 0), (0, 10))
    env = w.NegateObjectives(Steps(), ["cost"])
    assert run(env)[2][1].tolist() == [3, 2]
    assert mo_spec(env).reward_high.tolist() == [4, 2]
    assert mo_spec(env).return_scale == ((0, 0), (10, 8))
    with pytest.raises(UnknownNameError, match="did you mean gain"):
        w.SelectObjectives(Steps(), ["gian"])
    with pytest.raises(EnvError, match="twice"):
        w.SelectObjectives(Steps(), ["gain", 0])
    with pytest.raises(EnvError, match="low <= high"):
        w.ClipReward(Steps(), 1, 0)
    with pytest.raises(EnvError, match="one per objective"):
        w.ClipReward(Steps(), [1, 2, 3], 9)


def test_esr_rewards_add_up_to_the_utility_of_the_return() -> None:
    """u = min over objectives of ρ = Σ γᵗ r_t, checked against the definition."""
    env = w.ESRReward(Steps(), WorstCase())
    moved = run(env)
    total = sum(0.5**t * np.array([t + 1, -2.0]) for t in range(4))
    assert sum(m[1] for m in moved) == pytest.approx(total.min() - 0.0)
    assert moved[-1][4]["accrued"] == pytest.approx(total)
    observation = moved[1][0]
    accrued = np.array([1.0, -2.0]) + 0.5 * np.array([2.0, -2.0])
    assert observation == pytest.approx([2, 0, accrued[0] / 10, accrued[1] / 8, 0.5])
    plain = w.ESRReward(Steps(), Linear([0.5, 0.5]), discount=1.0)
    assert [m[1] for m in run(plain)] == pytest.approx([(t - 2) / 2 for t in (1, 2, 3, 4)])


def test_esr_on_fishwood_learns_the_day_and_not_the_step() -> None:
    from morl.envs.classic.fishwood import utility

    env = w.ESRReward(morl.make("morl/Fishwood-v0"), utility)
    env.reset(seed=1)
    total, accrued = 0.0, np.zeros(2)
    rng = np.random.default_rng(0)
    for _ in range(200):
        *_, truncated, info = (moved := env.step(int(rng.integers(2))))
        total += moved[1]
        accrued += info["vector_reward"]
    assert truncated
    assert total == pytest.approx(float(utility(accrued)))


def test_faulty_reward_keeps_the_truth_and_the_episode() -> None:
    env = w.FaultyReward(morl.make("morl/ResourceGathering-v0"), "gold", "noise", sigma=2.0)
    sound = morl.make("morl/ResourceGathering-v0")
    noise = []
    rng = np.random.default_rng(3)
    env.reset(seed=4)
    sound.reset(seed=4)
    for _ in range(3000):
        action = int(rng.integers(4))
        a, b = env.step(action), sound.step(action)
        assert a[4]["true_reward"].tolist() == b[1].tolist()
        assert a[0].tolist() == b[0].tolist()
        assert a[1][[0, 2]].tolist() == b[1][[0, 2]].tolist()
        noise.append(a[1][1] - b[1][1])
        if a[2] or a[3]:
            env.reset()
            sound.reset()
    assert np.std(noise) == pytest.approx(2.0, rel=0.06)
    assert abs(np.mean(noise)) < 0.15
    again = w.FaultyReward(morl.make("morl/ResourceGathering-v0"), "gold", "noise", sigma=2.0)
    again.reset(seed=4)
    assert again.step(0)[1][1] == pytest.approx(noise[0])
    for bad in ({"mode": "loud"}, {"sigma": -1.0}):
        with pytest.raises(EnvError):
            w.FaultyReward(Steps(), 0, **bad)


@pytest.mark.parametrize("vector", [False, True])
def test_partial_rewards_are_unbiased(vector: bool) -> None:
    """p = (1, 1, .2): what is seen is 5 times what was true, so often that the mean is the true one.

    The number seen is binomial: once in a million seeds it is outside its interval.
    """
    p = np.array([1.0, 1.0, 0.2])
    made = morl.make_vec("morl/ResourceGathering-v0", 50) if vector else morl.make("morl/ResourceGathering-v0")
    kind: Any = w.VectorPartialReward if vector else w.PartialReward
    env, rng = kind(made, p), np.random.default_rng(0)
    env.reset(seed=1)
    seen, true = [], []
    for _ in range(400 if vector else 20_000):
        out = env.step(rng.integers(4, size=50) if vector else int(rng.integers(4)))
        seen.append(np.atleast_2d(out[1]))
        true.append(np.atleast_2d(out[4]["true_reward"]))
        if not vector and (out[2] or out[3]):
            env.reset()
    got, whole = np.concatenate(seen), np.concatenate(true)
    np.testing.assert_array_equal(got[:, :2], whole[:, :2])
    seen_at, there = got[:, 2] != 0, whole[:, 2] != 0
    np.testing.assert_allclose(got[seen_at, 2], whole[seen_at, 2] / p[2])
    least, most = binom.interval(1 - 1e-6, there.sum(), p[2])
    assert 0 < least <= seen_at.sum() <= most
    if not vector:
        assert all(env.reward_space.contains(row) for row in got)


def test_a_private_draw_leaves_the_episode_alone_and_repeats() -> None:
    first, second = (w.PartialReward(morl.make("morl/ResourceGathering-v0"), 0.5) for _ in range(2))
    sound = morl.make("morl/ResourceGathering-v0")
    for env in (first, second, sound):
        env.reset(seed=9)
    for action in [0, 1, 2, 3, 1, 1, 0, 2]:
        a, b, c = first.step(action), second.step(action), sound.step(action)
        assert a[0].tolist() == b[0].tolist() == c[0].tolist()
        assert a[1].tolist() == b[1].tolist()
        assert a[4]["true_reward"].tolist() == c[1].tolist()
        if c[2] or c[3]:
            break


def test_statistics_by_hand_in_every_mode() -> None:
    record = run(w.RecordStatistics(Steps()))[-1][4]["episode"]
    assert (record["r"].tolist(), record["l"]) == ([10.0, -8.0], 4)
    assert record["dr"].tolist() == [1 + 2 / 2 + 3 / 4 + 4 / 8, -2 * (1 + 0.5 + 0.25 + 0.125)]
    for mode in AutoresetMode:
        env = w.VectorRecordStatistics(vec(2, mode), discount=1.0)
        env.reset(seed=0)
        lengths: list[tuple[int, int]] = []
        for _ in range(24):
            *_, terminated, truncated, info = env.step(np.zeros(2, dtype=int))
            if "episode" in info:
                for i in info["_episode"].nonzero()[0]:
                    lengths.append((int(i), int(info["episode"]["l"][i])))
                    n = 4 + i
                    assert info["episode"]["r"][i].tolist() == [n * (n + 1) / 2, -2 * n]
            if mode is AutoresetMode.DISABLED and (terminated | truncated).any():
                env.reset(options={"reset_mask": terminated | truncated})
        assert {(0, 4), (1, 5)} == set(lengths)
        assert len(lengths) >= 8


def test_time_limit_and_skip_by_hand() -> None:
    env = w.TimeLimit(Steps(), 3)
    assert [(m[2], m[3]) for m in run(env, 3)] == [(False, False), (False, False), (False, True)]
    assert mo_spec(env).horizon == 3
    assert run(w.TimeLimit(Steps(3), 3), 3)[-1][2:4] == (True, False)
    env = w.MaxAndSkip(Steps(), 3)
    moved = run(env, 2)
    assert [m[1].tolist() for m in moved] == [[6, -6], [4, -2]]
    assert [m[0].tolist() for m in moved] == [[3, 0], [4, 0]]
    assert mo_spec(env).reward_low.tolist() == [0, -6]
    assert mo_spec(env).discount == 0.5**3
    for bad in (0, 1.5, True):
        with pytest.raises(EnvError, match="expected a positive integer"):
            w.TimeLimit(Steps(), bad)


def test_normalised_rewards_have_unit_spread_and_keep_their_signs() -> None:
    rng = np.random.default_rng(0)
    rewards = rng.normal(size=(400, 5, 2)) * [100.0, 0.01]
    spread = RunningSpread(5, 2, 0.9)
    returns, path = np.zeros((5, 2)), []
    for batch in rewards:
        spread.update(batch, np.ones(5, dtype=bool))
        returns = 0.9 * returns + batch
        path.append(returns)
    assert spread.scale(1e-8) == pytest.approx(np.std(np.concatenate(path), axis=0), rel=1e-9)
    env = w.NormaliseReward(Steps())
    for moved in run(env):
        assert np.sign(moved[1]).tolist() == np.sign(moved[4]["raw_reward"]).tolist()
    env.updating = False
    scale = env.spread.scale(1e-8)
    assert run(env)[0][1] == pytest.approx(np.array([1.0, -2.0]) / scale)
    many = w.VectorNormaliseReward(vec(2, "same_step"))
    many.reset(seed=0)
    for _ in range(10):
        out = many.step(np.zeros(2, int))
        assert out[1] == pytest.approx(out[4]["raw_reward"] / many.spread.scale(1e-8))


def test_preferences_are_observed_drawn_and_set() -> None:
    env = w.PreferenceObservation(Steps())
    observation, info = env.reset(seed=3)
    assert observation[2:] == pytest.approx(info["preference"], abs=1e-6)
    assert info["preference"].sum() == pytest.approx(1.0)
    assert env.reset(seed=3)[1]["preference"].tolist() == info["preference"].tolist()
    assert env.reset()[1]["preference"].tolist() != info["preference"].tolist()
    assert env.reset(options={"preference": [1, 0]})[0].tolist() == [0, 1, 1, 0]
    with pytest.raises(SpecError, match="sum to 2"):
        env.reset(options={"preference": [1, 1]})
    drawn = np.array([env.reset()[1]["preference"] for _ in range(4000)])
    assert drawn.mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.02)  # uniform on the simplex
    assert np.quantile(drawn[:, 0], [0.25, 0.75]) == pytest.approx([0.25, 0.75], abs=0.03)
    many = w.VectorPreferenceObservation(vec(2))
    many.reset(seed=0)
    before = many.preference.copy()
    for _ in range(4):
        many.step(np.zeros(2, int))
    assert many.preference.tolist() == before.tolist()
    many.step(np.zeros(2, int))
    assert many.preference[0].tolist() != before[0].tolist()
    assert many.preference[1].tolist() == before[1].tolist()


def test_flattening_of_every_kind_of_observation() -> None:
    env = w.FlattenObservation(morl.make("morl/ScientificDiscovery-v0"))
    assert env.reset(seed=0)[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    many = w.VectorFlattenObservation(morl.make_vec("morl/ScientificDiscovery-v0", 2, autoreset_mode="same_step"))
    many.reset(seed=0)
    out = many.step(np.array([0, 3]))
    assert out[4]["final_obs"][0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert out[0].shape == (2, 9)


def test_gymnasium_wrappers_work_on_top_and_below() -> None:
    env = gym.wrappers.TimeAwareObservation(w.RecordStatistics(gym.wrappers.TimeLimit(Steps(), 2)))
    env.reset(seed=0)
    env.step(0)
    info = env.step(0)[4]
    assert info["episode"]["r"].tolist() == [3.0, -4.0]
    scalar = gym.wrappers.NormalizeReward(w.LinearReward(Steps(), [0.5, 0.5]))
    assert np.isscalar(run(scalar)[0][1]) or np.ndim(run(scalar)[0][1]) == 0
    assert mo_spec(env).names == ("gain", "cost")


def test_wrappers_stack_and_the_outermost_describes_the_rewards() -> None:
    env = w.SelectObjectives(w.ClipReward(w.NegateObjectives(Steps(), ["cost"]), 0, 1.5), ["cost"])
    assert mo_spec(env).names == ("cost",)
    assert mo_spec(env).reward_high.tolist() == [1.5]
    assert run(env)[0][1].tolist() == [1.5]

"""stable-baselines3 learns in these environments through one line, and its own checks are content with all of them."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.env_checker import check_env as sb3_check
from stable_baselines3.common.env_util import make_vec_env as their_make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

import morl
from morl.envs.catalog import BUILTIN, EnvEntry
from morl.envs.core import mo_spec
from morl.envs.wrappers import LinearReward, VectorLinearReward
from morl.sb3 import VecEnvAdapter, make_vec_env
from morl.spec import EnvError, MissingExtraError, SpecError, UnknownNameError

SEA = "morl/DeepSeaTreasure-v0"
MODES = [None, "sync", "async"]


def scalarised(entry: EnvEntry) -> LinearReward:
    try:
        env = morl.make(entry.id)
    except MissingExtraError as missing:
        pytest.skip(str(missing))
    k = mo_spec(env).k
    return LinearReward(env, np.full(k, 1 / k))


@pytest.mark.parametrize("entry", [e for e in BUILTIN if e.extra != "highway"], ids=lambda entry: entry.id)
def test_both_checkers_are_content_with_every_environment(entry: EnvEntry) -> None:
    """Gymnasium's and stable-baselines3's own checks, on the environment with its rewards weighted."""
    env = scalarised(entry)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gymnasium_check(env, skip_render_check=True)
        sb3_check(env, skip_render_check=True)
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("entry", [e for e in BUILTIN if e.extra == "highway"], ids=lambda entry: entry.id)
def test_both_checkers_are_content_with_slow_ones(entry: EnvEntry) -> None:
    test_both_checkers_are_content_with_every_environment(entry)


@pytest.mark.parametrize("id", ["morl/Hopper-v5", "morl/LunarLander-v3", "morl/Highway-v0", "morl/Reacher-v5"])
def test_simulators_say_what_they_were_seeded_with(id: str) -> None:
    try:
        env = morl.make(id)
    except MissingExtraError as missing:
        pytest.skip(str(missing))
    for seed in (3, 17):
        env.reset(seed=seed)
        assert env.np_random_seed == env.unwrapped.np_random_seed == seed
        drawn = env.np_random.random()
        env.reset(seed=seed)
        assert env.np_random.random() == drawn
    env.unwrapped.np_random = np.random.default_rng(0)
    assert env.np_random_seed == -1
    assert env.np_random.random() == np.random.default_rng(0).random()
    env.close()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("id", "algorithm", "options"),
    [
        (SEA, DQN, {"learning_starts": 8, "train_freq": 4}),
        ("morl/MountainCarContinuous-v0", PPO, {"n_steps": 8, "batch_size": 16}),
        ("morl/HPFolding-v0", A2C, {"n_steps": 4}),
    ],
)
def test_one_line_makes_copies_to_learn_in(id: str, algorithm: Any, options: dict[str, Any], mode: str | None) -> None:
    k = mo_spec(morl.make(id)).k
    env = make_vec_env(id, n_envs=2, weights=np.eye(k)[0], seed=1, vectorization_mode=mode)
    model = algorithm("MlpPolicy", env, seed=0, device="cpu", **options).learn(64)
    mean, spread = evaluate_policy(model, env, n_eval_episodes=2)
    assert np.isfinite([mean, spread]).all()
    assert isinstance(env, VecMonitor)
    env.close()


@pytest.mark.parametrize("mode", MODES)
def test_steps_are_those_of_the_single_environment(mode: str | None) -> None:
    """Observations, weighted rewards, the last observation of an episode, its vector return, time limits."""
    weights = [0.25, 0.75]
    env = make_vec_env(SEA, 2, weights=weights, vectorization_mode=mode, max_steps=6)
    alone = morl.make(SEA, max_steps=6)
    seen, total = alone.reset(seed=0)[0], np.zeros(2)
    np.testing.assert_equal(env.reset()[0], seen)
    ends = []
    for t in range(40):
        action = [1, 3, 3, 1][t % 4]
        seen, reward, terminated, truncated, _ = alone.step(action)
        observations, rewards, dones, infos = env.step(np.array([action, 3]))
        total += reward
        assert rewards[0] == pytest.approx(reward @ weights)
        assert rewards.dtype == np.float32
        np.testing.assert_equal(infos[0]["vector_reward"], reward)
        assert dones[0] == (terminated or truncated)
        if dones[0]:
            ends.append(truncated)
            np.testing.assert_equal(infos[0]["terminal_observation"], seen)
            np.testing.assert_equal(infos[0]["vector_return"], total)
            assert infos[0]["TimeLimit.truncated"] == truncated
            assert infos[0]["episode"]["r"] == pytest.approx(total @ weights)
            seen, total = alone.reset()[0], np.zeros(2)
        np.testing.assert_equal(observations[0], seen)
    assert set(ends) == {False, True} or mode is not None or len(ends) > 3
    env.close()


@pytest.mark.parametrize("mode", MODES)
def test_the_same_seed_gives_the_same_episodes(mode: str | None) -> None:
    def play() -> list[Any]:
        env = make_vec_env("morl/ResourceGathering-v0", 3, weights=[1, 0, 0], seed=4, vectorization_mode=mode)
        out = [env.reset().tolist()]
        out += [env.step(np.full(3, t % 4))[0].tolist() for t in range(20)]
        env.close()
        return out

    assert play() == play()


def test_a_utility_of_the_return_in_place_of_weights() -> None:
    env = make_vec_env(SEA, 1, utility=lambda r: r.min(axis=-1))
    assert env.reset().shape[1] == 2 + 3
    total = 0.0
    for _ in range(20):
        _, rewards, dones, infos = env.step(np.array([1]))
        total += float(rewards[0])
        if dones[0]:
            assert total == pytest.approx(min(infos[0]["vector_return"]), abs=1e-5)
            break
    env.close()


def test_misuse_is_one_line() -> None:
    with pytest.raises(EnvError, match="neither of weights and utility is given"):
        make_vec_env(SEA, 2)
    with pytest.raises(EnvError, match="both of weights and utility are given"):
        make_vec_env(SEA, 2, weights=[0.5, 0.5], utility=lambda r: r[..., 0])
    with pytest.raises(SpecError, match="expected 2, one per objective"):
        make_vec_env(SEA, 2, weights=[1.0])
    with pytest.raises(EnvError, match="num_envs is 0"):
        make_vec_env(SEA, 0, weights=[0.5, 0.5])
    with pytest.raises(UnknownNameError, match="DeepSeaTreasure"):
        make_vec_env("morl/DeepSeeTreasure-v0", 2, weights=[0.5, 0.5])
    vector = morl.make_vec(SEA, 2, autoreset_mode="same_step")
    with pytest.raises(EnvError, match=r"rewards are vectors of shape \(2,\).*VectorLinearReward"):
        VecEnvAdapter(vector)
    with pytest.raises(EnvError, match=r"autoreset mode is NEXT_STEP.*same_step"):
        VecEnvAdapter(VectorLinearReward(morl.make_vec(SEA, 2), [1, 0]))
    with pytest.raises(EnvError, match="is no vector environment"):
        VecEnvAdapter(morl.make(SEA))  # type: ignore[arg-type]


def test_a_vector_environment_of_ones_own_wrappers() -> None:
    inner = morl.envs.wrappers.VectorTimeLimit(morl.make_vec(SEA, 3, autoreset_mode="same_step"), 5)
    env = VecNormalize(VecEnvAdapter(VectorLinearReward(inner, [0.5, 0.5])))
    env.reset()
    done = [env.step(np.zeros(3, dtype=int))[2].tolist() for _ in range(5)]
    assert done == [[False] * 3] * 4 + [[True] * 3]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_attributes_of_the_copies(mode: str) -> None:
    env = make_vec_env("morl/MountainCar-v0", 3, weights=[1, 0, 0], vectorization_mode=mode)
    assert env.get_attr("render_mode") == [None] * 3
    env.set_attr("max_steps", 7)
    assert env.get_attr("max_steps") == [7, 7, 7]
    env.set_attr("max_steps", 9, indices=[1])
    assert env.get_attr("max_steps") == [7, 9, 7]
    assert env.get_attr("max_steps", indices=[1]) == [9]
    assert env.has_attr("dynamics")
    assert not env.has_attr("no_such_thing")
    with pytest.raises(AttributeError, match="no_such_thing"):
        env.get_attr("no_such_thing")
    assert len(env.env_method("reset", indices=[0, 2])) == 2
    assert env.env_is_wrapped(Monitor) == [False] * 3
    env.close()


def test_attributes_of_a_native_batch() -> None:
    env = make_vec_env("morl/MountainCar-v0", 3, weights=[1, 0, 0])
    env.set_attr("max_steps", 7)
    assert env.get_attr("max_steps") == [7] * 3
    with pytest.raises(EnvError, match="share their attributes"):
        env.set_attr("max_steps", 9, indices=[1])
    with pytest.raises(AttributeError):
        env.get_attr("no_such_thing")
    assert not env.has_attr("no_such_thing")
    env.close()


def test_pictures_of_the_copies() -> None:
    env = make_vec_env(SEA, 2, weights=[1, 0], render_mode="rgb_array")
    env.reset()
    assert [frame.shape for frame in env.get_images()] == [(484, 484, 3)] * 2
    assert env.render().ndim == 3
    env.close()


def test_their_function_makes_copies_from_ours() -> None:
    env = their_make_vec_env(lambda: LinearReward(morl.make(SEA), [0.5, 0.5]), n_envs=2, seed=0)
    PPO("MlpPolicy", env, n_steps=8, batch_size=8, device="cpu").learn(16)


# ---- action masks ------------------------------------------------------------------------------------------------

MASKED = ["morl/HPFolding-v0", "morl/HPFolding3D-v0", "morl/ExperimentDesign-v0"]


@pytest.mark.parametrize("id", MASKED)
@pytest.mark.parametrize("mode", MODES)
def test_masks_are_those_of_info(id: str, mode: str | None) -> None:
    k = mo_spec(morl.make(id)).k
    env = make_vec_env(id, 3, weights=np.eye(k)[0], vectorization_mode=mode, monitor=False)
    assert env.has_attr("action_masks")
    env.reset()
    single = morl.make(id)
    seen = [info["action_mask"] for info in env.reset_infos]
    rng = np.random.default_rng(0)
    for _ in range(40):
        masks = np.stack(env.env_method("action_masks"))
        assert masks.dtype == bool
        assert masks.shape == (3, single.action_space.n)  # type: ignore[attr-defined]
        assert masks.any(axis=1).all()
        np.testing.assert_array_equal(masks, np.array(seen, dtype=bool))
        actions = np.array([rng.choice(np.flatnonzero(mask)) for mask in masks])
        _, _, dones, infos = env.step(actions)
        seen = [(env.reset_infos if dones[i] else infos)[i]["action_mask"] for i in range(3)]
    env.close()


@pytest.mark.parametrize("id", MASKED)
def test_masks_of_a_single_environment_pass_through_wrappers(id: str) -> None:
    env = Monitor(LinearReward(morl.make(id), np.eye(mo_spec(morl.make(id)).k)[0]))
    with pytest.raises(EnvError, match=r"call reset\(\) first"):
        env.get_wrapper_attr("action_masks")()
    _, info = env.reset(seed=0)
    for _ in range(20):
        mask = env.get_wrapper_attr("action_masks")()
        np.testing.assert_array_equal(mask, info["action_mask"])
        *_, terminated, truncated, info = env.step(int(np.flatnonzero(mask)[-1]))
        if terminated or truncated:
            _, info = env.reset()


def test_where_all_actions_are_valid_there_are_no_masks() -> None:
    for id in (SEA, "morl/MountainCar-v0"):
        assert not hasattr(morl.make(id).unwrapped, "action_masks")
        assert not hasattr(morl.make_vec(id, 2), "action_masks")


def test_masks_of_a_model_whose_states_differ_in_their_actions() -> None:
    from morl.envs.finite.tabular import TabularEnv, TabularVectorEnv
    from morl.momdp import MOMDP

    table = {
        0: {0: [(1.0, 1, [1.0, 0.0], False)], 1: [(1.0, 2, [0.0, 1.0], True)]},
        1: {0: [(1.0, 2, [1.0, 1.0], True)]},
    }
    model = MOMDP.from_dict(table, discount=1.0, start=0) if hasattr(MOMDP, "from_dict") else None
    if model is None:
        pytest.skip("models are built in another way")
    spec = morl.MOSpec(model.objectives)
    env, vec = TabularEnv(model, spec), TabularVectorEnv(model, spec, 2)
    env.reset()
    vec.reset()
    assert env.action_masks().tolist() == [True, True]
    env.step(0)
    vec.step(np.array([0, 0]))
    assert env.action_masks().tolist() == [True, False]
    assert vec.action_masks().tolist() == [[True, False]] * 2


@pytest.mark.peers
@pytest.mark.parametrize("id", MASKED)
def test_maskable_ppo_learns_with_masks(id: str) -> None:
    contrib = pytest.importorskip("sb3_contrib")
    k = mo_spec(morl.make(id)).k
    single = LinearReward(morl.make(id), np.eye(k)[0])
    for env in (single, make_vec_env(id, 2, weights=np.eye(k)[0])):
        model = contrib.MaskablePPO("MlpPolicy", env, n_steps=32, batch_size=32, device="cpu", seed=0)
        model.learn(64)
    with pytest.raises(ValueError, match="action masking"):
        contrib.MaskablePPO("MlpPolicy", make_vec_env(SEA, 2, weights=[1, 0]), n_steps=8, device="cpu").learn(8)
    assert isinstance(gym.make(id), gym.Env)

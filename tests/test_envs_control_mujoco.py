"""MuJoCo tasks: Gymnasium's episodes and scalar reward recovered, the reacher's geometry, and the reference suite."""

from __future__ import annotations

import copy
import math
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import morl
from morl.spec import EnvError, MissingExtraError

pytest.importorskip("mujoco")

TASKS = {
    "Hopper-v5": (("forward", "height", "control"), (1, 0, 1e-3)),
    "Hopper2Obj-v5": (("forward", "height"), (1, 0)),
    "HalfCheetah-v5": (("forward", "control"), (1, 0.1)),
    "Walker2d-v5": (("forward", "control"), (1, 1e-3)),
    "Ant-v5": (("forward", "sideways", "control"), (1, 0, 0.5)),
    "Ant2Obj-v5": (("forward", "sideways"), (1, 0)),
    "Swimmer-v5": (("forward", "control"), (1, 1e-4)),
    "Humanoid-v5": (("forward", "control"), (1.25, 0.1)),
}


def actions_for(env: Any, n: int, seed: int) -> list[Any]:
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(n)]


@pytest.mark.parametrize("name", TASKS)
def test_documented_weights_recover_gymnasium_s_reward(name: str) -> None:
    ours = morl.make(f"morl/{name}")
    theirs = gym.make(name.replace("2Obj", ""))
    names, weights = TASKS[name]
    assert ours.unwrapped.mo_spec.names == names
    np.testing.assert_array_equal(ours.unwrapped.scalar_weights, weights)
    np.testing.assert_array_equal(ours.reset(seed=1)[0], theirs.reset(seed=1)[0])
    for action in actions_for(theirs, 300, 0):
        seen, rewards, terminated, truncated, info = ours.step(action)
        expected = theirs.step(action)
        np.testing.assert_array_equal(seen, expected[0])
        assert rewards @ weights == pytest.approx(expected[1], abs=1e-6)
        assert info["original_reward"] == expected[1]
        assert (terminated, truncated) == (expected[2], False)
        assert ours.unwrapped.reward_space.contains(rewards)
        if terminated:
            ours.reset()
            theirs.reset()


def test_objectives_by_hand() -> None:
    env = morl.make("morl/Hopper-v5").unwrapped
    env.reset(seed=0)
    action = np.array([0.5, -0.25, 1.0], np.float32)
    _, rewards, _, _, info = env.step(action)
    assert rewards[0] == pytest.approx(info["x_velocity"] + 1)
    assert rewards[1] == pytest.approx(10 * info["z_distance_from_origin"] + 1)
    assert rewards[2] == pytest.approx(-(0.25 + 0.0625 + 1))


def test_the_bonus_can_be_given_to_all_objectives() -> None:
    plain, everywhere = morl.make("morl/Walker2d-v5").unwrapped, morl.make("morl/Walker2d-v5", bonus="all").unwrapped
    for env in (plain, everywhere):
        env.reset(seed=0)
    action = np.full(6, 0.5, np.float32)
    np.testing.assert_allclose(everywhere.step(action)[1] - plain.step(action)[1], [0, 1])
    assert not hasattr(everywhere, "scalar_weights")
    with pytest.raises(EnvError, match="expected 'speed' or 'all'"):
        morl.make("morl/Walker2d-v5", bonus="some")
    with pytest.raises(EnvError, match="two objectives"):
        morl.make("morl/Walker2d-v5", control=False)


@pytest.mark.parametrize("name", ["HalfCheetah-v5", "Walker2d-v5", "Reacher-v5", "PGMORLHalfCheetah-v2"])
def test_reference_points_are_discounted_as_fronts_are(name: str) -> None:
    """The worst that can be earned in every step, to the end, is a return: the reference point lies no lower."""
    spec = morl.make(f"morl/{name}").unwrapped.mo_spec
    steps = sum(spec.discount**t for t in range(spec.horizon))
    worst = np.array([steps * o.reward_low for o in spec.objectives])
    known = np.isfinite(worst) & (np.array(spec.ref_point) != 0)
    np.testing.assert_allclose(np.array(spec.ref_point)[known], worst[known], rtol=1e-6)


def test_the_effort_can_have_another_price() -> None:
    """MO-Gymnasium's ``mo-halfcheetah-v4`` has Gymnasium's own cost of control as its second objective."""
    priced = morl.make("morl/HalfCheetah-v5", effort=0.1).unwrapped
    priced.reset(seed=0)
    _, rewards, _, _, info = priced.step(np.full(6, 0.5, np.float32))
    assert rewards[1] == pytest.approx(info["reward_ctrl"])
    np.testing.assert_allclose(priced.scalar_weights, [1, 1])
    assert copy.deepcopy(priced).mo_spec == priced.mo_spec
    with pytest.raises(EnvError, match="effort is 0; expected a positive number"):
        morl.make("morl/HalfCheetah-v5", effort=0)


def test_tasks_of_pgmorl_by_hand() -> None:
    """Xu et al. (2020): speed is capped and carries a bonus, efficiency is what is saved, starts are without noise."""
    cheetah = morl.make("morl/PGMORLHalfCheetah-v2").unwrapped
    first = cheetah.reset(seed=0)[0]
    np.testing.assert_array_equal(first, cheetah.reset(seed=1)[0])
    _, rewards, _, _, info = cheetah.step(np.full(6, 0.5, np.float32))
    np.testing.assert_allclose(rewards, [info["x_velocity"] + 1, 5 - 6 * 0.25])
    cheetah.simulator.data.qpos[2] = np.deg2rad(80)
    assert cheetah.step(np.zeros(6, np.float32))[2]
    cheetah.reset()
    cheetah.simulator.data.qvel[0] = 30.0
    assert cheetah.step(np.zeros(6, np.float32))[1][0] == 5.0
    ant = morl.make("morl/PGMORLAnt-v2")
    ant.reset(seed=0)
    over = [ant.step(np.full(8, 1.0, np.float32)) for _ in range(500)]
    assert [any(step[2] for step in over), over[-1][3], over[0][0].shape] == [False, True, (27,)]
    info = over[3][4]
    np.testing.assert_allclose(over[3][1], [info["x_velocity"] - 3, info["y_velocity"] - 3])


def test_the_largest_torques_stay_in_the_reward_space() -> None:
    env = morl.make("morl/Humanoid-v5").unwrapped
    env.reset(seed=0)
    for sign in (1, -1):
        assert env.reward_space.contains(env.step(sign * env.action_space.high)[1])


def test_arguments_of_gymnasium_reach_the_simulator() -> None:
    env = morl.make("morl/HalfCheetah-v5", ctrl_cost_weight=0.5, forward_reward_weight=2.0).unwrapped
    np.testing.assert_array_equal(env.scalar_weights, [2, 0.5])
    env.reset(seed=0)
    _, rewards, _, _, info = env.step(np.ones(6, np.float32))
    assert rewards[1] == -6
    assert rewards @ env.scalar_weights == pytest.approx(info["original_reward"])
    with pytest.raises(EnvError, match="unexpected keyword argument"):
        morl.make("morl/HalfCheetah-v5", speed=3)


def test_time_limit_is_a_truncation_and_ends_the_episode() -> None:
    env = morl.make("morl/HalfCheetah-v5", max_steps=3)
    action = np.zeros(6, np.float32)
    with pytest.raises(EnvError, match="before reset"):
        env.step(action)
    env.reset(seed=0)
    assert [env.step(action)[2:4] for _ in range(3)] == [(False, False)] * 2 + [(False, True)]
    with pytest.raises(EnvError, match="after the episode ended"):
        env.step(action)
    env.reset()


@pytest.mark.parametrize(
    "action", [np.full(6, 1.1), np.full(6, math.nan), np.zeros(5), "jump", np.array([0, 0, 0, 0, 0, np.nan])]
)
def test_invalid_torques_are_refused(action: Any) -> None:
    env = morl.make("morl/HalfCheetah-v5")
    env.reset(seed=0)
    with pytest.raises(EnvError, match=r"expected numbers of shape \(6,\) from -1 to 1"):
        env.step(action)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])  # noqa: S301
def test_copies_start_without_an_episode(copied: Any) -> None:
    env = morl.make("morl/Hopper2Obj-v5", max_steps=7).unwrapped
    env.reset(seed=0)
    twin = copied(env)
    assert twin.max_steps == 7
    assert twin.mo_spec == env.mo_spec
    with pytest.raises(EnvError, match="before reset"):
        twin.step(np.zeros(3, np.float32))
    np.testing.assert_array_equal(twin.reset(seed=5)[0], env.reset(seed=5)[0])


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from morl.envs.control.mujoco_tasks import Hopper

    monkeypatch.setitem(sys.modules, "gymnasium.envs.mujoco.hopper_v5", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'morl-suite\[mujoco\]'"):
        Hopper()
    with pytest.raises(MissingExtraError, match=r"pip install 'morl-suite\[mujoco\]'"):
        morl.make("morl/Hopper-v5")


@pytest.mark.parametrize("name", [*TASKS, "Reacher-v5"])
def test_text_pictures(name: str) -> None:
    env = morl.make(f"morl/{name}", render_mode="ansi")
    env.reset(seed=0)
    first = env.render()
    assert "O" in first
    for _ in range(20):  # one step may move nothing by a whole character
        _, _, terminated, _, _ = env.step(env.action_space.sample())
        changed = env.render() != first
        if changed or terminated:
            break
    assert changed


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Hopper-v5", "Reacher-v5"])
def test_camera_pictures(name: str) -> None:
    env = morl.make(f"morl/{name}", render_mode="rgb_array")
    env.reset(seed=0)
    try:
        picture = env.render()
    except EnvError as error:
        assert "MUJOCO_GL" in str(error)  # noqa: PT017
        pytest.skip("no OpenGL here")
    assert picture.shape == (480, 480, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 5
    env.close()


# ---- reacher ------------------------------------------------------------------------------------------------


def test_reacher_rewards_follow_from_the_angles_after_the_action() -> None:
    env = morl.make("morl/Reacher-v5")
    seen, _ = env.reset(seed=0)
    np.testing.assert_allclose(seen[:4], [1, 0, 0, 1], atol=1e-12)
    for action in actions_for(env, 50, 0):
        seen, rewards, terminated, truncated, _ = env.step(action)
        first, second = math.atan2(seen[2], seen[0]), math.atan2(seen[3], seen[1])
        tip = np.array([0.1 * math.cos(first) + 0.11 * math.cos(first + second)])
        tip = np.append(tip, 0.1 * math.sin(first) + 0.11 * math.sin(first + second))
        targets = np.array([[0.14, 0], [-0.14, 0], [0, 0.14], [0, -0.14]])
        np.testing.assert_allclose(rewards, 1 - 4 * np.hypot(*(tip - targets).T), atol=1e-9)
        assert env.unwrapped.reward_space.contains(rewards)
        assert env.observation_space.contains(seen)
    assert (terminated, truncated) == (False, True)


def test_reacher_actions_turn_the_joints() -> None:
    env = morl.make("morl/Reacher-v5")
    speeds = {}
    for action in range(9):
        env.reset(seed=0)
        speeds[action] = env.step(action)[0][4:]
    for shoulder in range(3):
        elbow = [speeds[3 * shoulder + j][1] for j in range(3)]
        assert elbow[0] < elbow[1] < elbow[2]
    for j in range(3):
        shoulder_speeds = [speeds[3 * i + j][0] for i in range(3)]
        assert shoulder_speeds[0] < shoulder_speeds[1] < shoulder_speeds[2]
    for action in (-1, 9, 0.5):
        env.reset()
        with pytest.raises(EnvError, match="expected an integer from 0 to 8"):
            env.step(action)


# ---- the reference suite --------------------------------------------------------------------------------------

_EQUAL = {
    "mo-hopper-v5": "Hopper-v5",
    "mo-hopper-2obj-v5": "Hopper2Obj-v5",
    "mo-halfcheetah-v5": "HalfCheetah-v5",
    "mo-walker2d-v5": "Walker2d-v5",
    "mo-ant-v5": "Ant-v5",
    "mo-ant-2obj-v5": "Ant2Obj-v5",
    "mo-swimmer-v5": "Swimmer-v5",
    "mo-humanoid-v5": "Humanoid-v5",
}


@pytest.mark.peers
@pytest.mark.parametrize("theirs_id", _EQUAL)
def test_same_episodes_as_mo_gymnasium(theirs_id: str) -> None:
    """2000 steps; with ``bonus="all"`` rewards are equal, but for the humanoid's differently scaled bonus."""
    mo_gymnasium = pytest.importorskip("mo_gymnasium")
    theirs = mo_gymnasium.make(theirs_id)
    ours = morl.make(f"morl/{_EQUAL[theirs_id]}", bonus="all")
    plain = morl.make(f"morl/{_EQUAL[theirs_id]}")
    for env in (theirs, ours, plain):
        seen, _ = env.reset(seed=3)
    for action in actions_for(theirs, 2000, 1):
        expected = theirs.step(action)
        seen, rewards, terminated, _, info = ours.step(action)
        split = plain.step(action)[1]
        np.testing.assert_array_equal(seen, expected[0])
        shared = info.get("reward_survive", 0.0) + info.get("reward_contact", 0.0)
        if theirs_id == "mo-humanoid-v5":
            rewards[0] += shared * (1 - 1 / 1.25)
        np.testing.assert_allclose(rewards, expected[1], rtol=1e-5, atol=1e-5)
        if "control" in plain.unwrapped.mo_spec.names:
            assert split[-1] + shared == pytest.approx(expected[1][-1], abs=1e-5)
        assert terminated == expected[2]
        if expected[2] or expected[3]:
            for env in (theirs, ours, plain):
                env.reset()


@pytest.mark.peers
def test_same_arm_as_mo_gymnasium_with_rewards_after_the_action() -> None:
    """Their reward of a step is ours of the step before, once their bodies are brought up to date with the joints."""
    mo_gymnasium = pytest.importorskip("mo_gymnasium")
    import mujoco

    theirs = mo_gymnasium.make("mo-reacher-v5").unwrapped
    ours = morl.make("morl/Reacher-v5").unwrapped
    rng = np.random.default_rng(0)
    for episode in range(40):
        theirs.reset(seed=episode)
        ours.reset(seed=episode)
        ours.simulator.set_state(theirs.data.qpos[:2].copy(), theirs.data.qvel[:2].copy())
        before = None
        for _ in range(50):
            action = int(rng.integers(9))
            mujoco.mj_kinematics(theirs.model, theirs.data)
            expected = theirs.step(action)
            seen, rewards, *_ = ours.step(action)
            np.testing.assert_allclose(seen, expected[0], atol=1e-9)
            if before is not None:
                np.testing.assert_allclose(before, expected[1], atol=1e-6)
            before = rewards


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_the_class_names_its_render_modes(mode: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # Gymnasium warns of modes that the class does not name
        env = morl.make("morl/Hopper-v5", render_mode=mode)
    assert mode in env.metadata["render_modes"]
    env.close()


def test_making_one_prints_nothing_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    mujoco = pytest.importorskip("mujoco")
    monkeypatch.chdir(tmp_path)
    before = mujoco.get_mju_user_warning()
    for name in ("HalfCheetah-v5", "Hopper-v5", "Reacher-v5"):
        env = morl.make(f"morl/{name}")
        env.reset(seed=0)
        env.close()
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
    assert mujoco.get_mju_user_warning() is before

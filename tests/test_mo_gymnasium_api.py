"""What clients of MO-Gymnasium look for is there: ``reward_space``, ``reward_dim``, ``pareto_front(gamma=…)``."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import morl
import morl.envs.wrappers as w
from morl.envs.catalog import BUILTIN, EnvEntry
from morl.pareto import Front
from morl.spec import EnvError, MissingExtraError

FRONTS: dict[str, dict[str, Any]] = {
    "DeepSeaTreasure": {},
    "CarFollowingLQ": {},
    "MinecartDeterministic": {},
    "Portfolio": {"turnover": False, "max_steps": 3},
    "SpeakerCommand": {"nuisance": False},
    "HPFolding": {"sequence": "HPPHH"},
}


def made(entry: EnvEntry) -> Any:
    try:
        return gym.make(entry.id)
    except MissingExtraError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("entry", [e for e in BUILTIN if e.extra != "highway"], ids=lambda entry: entry.id)
def test_the_size_of_the_reward_is_told(entry: EnvEntry) -> None:
    env = made(entry)
    base = env.unwrapped
    assert base.reward_dim == base.reward_space.shape[0] == base.mo_spec.k
    for mode in ("sync", "native"):
        if mode == "native" and entry.vector_entry_point is None:
            continue
        vec = morl.make_vec(entry.id, 2, vectorization_mode=mode)
        assert vec.reward_dim == vec.unwrapped.reward_dim == base.reward_dim  # type: ignore[attr-defined]
        assert vec.reward_space.shape == (base.reward_dim,)
        vec.close()
    env.close()


def test_wrappers_tell_the_size_of_their_own_rewards() -> None:
    env = morl.make("morl/Minecart-v0")
    assert w.SelectObjectives(env, [0, 2]).reward_dim == 2
    assert w.LinearReward(env, [1, 0, 0]).reward_dim == 1
    assert w.RecordStatistics(env).reward_dim == 3
    vec = morl.make_vec("morl/Minecart-v0", 2)
    assert w.VectorSelectObjectives(vec, [1]).reward_dim == 1
    assert w.VectorRecordStatistics(vec).reward_dim == 3


def test_registered_environments_of_ones_own_tell_it_too() -> None:
    @morl.register("lab/Dimension-v0", objectives=["a", "b", "c"], max_steps=3)
    class Dimension(gym.Env[int, int]):
        observation_space, action_space = gym.spaces.Discrete(2), gym.spaces.Discrete(2)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            return 0, {}

        def step(self, action: int) -> Any:
            return 1, np.zeros(3), False, False, {}

    base: Any = gym.make("lab/Dimension-v0").unwrapped
    assert base.reward_dim == 3
    assert base.reward_space.shape == (3,)


@pytest.mark.parametrize("name", FRONTS)
def test_fronts_take_their_discount_by_either_name(name: str) -> None:
    base: Any = gym.make(f"morl/{name}-v0", **FRONTS[name]).unwrapped
    front = base.pareto_front(gamma=0.9)
    assert isinstance(front, Front)
    np.testing.assert_array_equal(front.points, base.pareto_front(discount=0.9).points)
    np.testing.assert_array_equal(front.points, base.pareto_front(0.9).points)
    with pytest.raises(EnvError, match="both discount and gamma"):
        base.pareto_front(discount=0.9, gamma=0.9)


def test_a_front_stands_for_its_list_of_points() -> None:
    """What morl-baselines' indicators do with one."""
    front = gym.make("morl/DeepSeaTreasureConcave-v0").unwrapped.pareto_front(gamma=1.0)  # type: ignore[attr-defined]
    listed = list(front)
    assert len(listed) == len(front)
    np.testing.assert_array_equal(np.array(listed), np.array(front))
    assert max(np.dot([0.5, 0.5], point) for point in front) == pytest.approx((front.points @ [0.5, 0.5]).max())


@pytest.mark.peers
def test_mo_gymnasiums_own_tools_take_ours() -> None:
    mo_gym = pytest.importorskip("mo_gymnasium")
    wrappers = pytest.importorskip("mo_gymnasium.wrappers")
    vectors = pytest.importorskip("mo_gymnasium.wrappers.vector")
    inner = wrappers.MONormalizeReward(mo_gym.make("morl/MountainCar-v0", max_steps=5), 0)
    env = wrappers.MORecordEpisodeStatistics(wrappers.MOClipReward(inner, 0, -1, 1), gamma=0.9)
    env.reset(seed=0)
    for _ in range(5):
        *_, truncated, info = env.step(0)
    assert truncated
    assert info["episode"]["r"].shape == (3,)
    vec = vectors.MOSyncVectorEnv([lambda: mo_gym.make("morl/MountainCar-v0")] * 2)
    vec.reset(seed=0)
    assert vec.step(np.zeros(2, dtype=int))[1].shape == (2, 3)


@pytest.mark.peers
def test_morl_baselines_learns_in_ours() -> None:
    """Pareto Q-learning with our exact front as its reference, and CAPQL, which reads ``reward_dim``."""
    CAPQL = pytest.importorskip("morl_baselines.multi_policy.capql.capql", exc_type=ImportError).CAPQL
    PQL = pytest.importorskip("morl_baselines.multi_policy.pareto_q_learning.pql", exc_type=ImportError).PQL

    env = gym.make("morl/DeepSeaTreasureConcave-v0")
    front = env.unwrapped.pareto_front(gamma=0.99)  # type: ignore[attr-defined]
    ref = np.array([0.0, -50.0])
    PQL(env, ref, log=False, seed=0).train(1000, eval_env=env, ref_point=ref, known_pareto_front=front)
    agent = CAPQL(gym.make("morl/MountainCarContinuous-v0"), learning_starts=20, batch_size=16, log=False, seed=0)
    assert agent.reward_dim == 2

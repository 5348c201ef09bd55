"""The finite benchmarks against mo-gymnasium, action by action, and its algorithms and others on our environments."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import morl
from morl.envs.checker import find_faults
from morl.envs.wrappers import LinearReward

pytestmark = pytest.mark.peers

warnings.simplefilter("ignore")


def identity(observation: Any) -> list[int]:
    return [int(x) for x in np.ravel(observation)]


def bottles(observation: Any) -> list[int]:
    """Theirs counts bottles without bound; ours says whether there are any."""
    if isinstance(observation, dict):
        flags = [int(x > 0) for x in observation["bottles_dropped"]]
        return [observation["location"], observation["bottles_carrying"], observation["bottles_delivered"], *flags]
    return identity(observation)


DETERMINISTIC = [
    ("morl/DeepSeaTreasure-v0", "deep-sea-treasure-v0", {}),
    ("morl/DeepSeaTreasureConcave-v0", "deep-sea-treasure-concave-v0", {}),
    ("morl/DeepSeaTreasureMirrored-v0", "deep-sea-treasure-mirrored-v0", {}),
    ("morl/FruitTree-v0", "fruit-tree-v0", {"depth": 5}),
    ("morl/FruitTree-v0", "fruit-tree-v0", {"depth": 6}),
    ("morl/FruitTree-v0", "fruit-tree-v0", {"depth": 7}),
    ("morl/FourRoom-v0", "four-room-v0", {}),
]


@pytest.mark.parametrize(("ours", "theirs", "options"), DETERMINISTIC)
def test_deterministic_dynamics_agree(ours: str, theirs: str, options: dict[str, Any]) -> None:
    """Thousands of random episodes: observations, rewards (to float32), terminations and time limits."""
    import mo_gymnasium

    a, b = morl.make(ours, **options), mo_gymnasium.make(theirs, **options)
    rng = np.random.default_rng(0)
    episodes = 0
    assert identity(a.reset(seed=0)[0]) == identity(b.reset(seed=0)[0])
    for _ in range(40_000):
        action = int(rng.integers(a.action_space.n))
        x, y = a.step(action), b.step(action)
        assert identity(x[0]) == identity(y[0])
        np.testing.assert_allclose(x[1], y[1], rtol=1e-6)
        assert x[2] == bool(y[2])
        assert x[3] == (bool(y[3]) and not y[2])
        if x[2] or x[3]:
            episodes += 1
            assert identity(a.reset()[0]) == identity(b.reset()[0])
    assert episodes > 150


STOCHASTIC = [
    ("morl/ResourceGathering-v0", "resource-gathering-v0", {}, {}, identity),
    ("morl/BreakableBottles-v0", "breakable-bottles-v0", {}, {}, bottles),
    ("morl/BreakableBottles-v0", "breakable-bottles-v0", {"drop": 0.0}, {"prob_drop": 0.0}, bottles),
    ("morl/Fishwood-v0", "fishwood-v0", {}, {}, identity),
]


@pytest.mark.parametrize(("ours", "theirs", "mine", "yours", "see"), STOCHASTIC)
def test_stochastic_dynamics_agree(ours: str, theirs: str, mine: Any, yours: Any, see: Any) -> None:
    """Every step of theirs is an outcome of our model, and they occur with the model's frequencies (χ²)."""
    import mo_gymnasium

    env, peer = morl.make(ours, **mine), mo_gymnasium.make(theirs, **yours)
    model, seen = env.momdp(), [identity(o) for o in env.observations]
    number = {(tuple(o), bool(t)): i for i, (o, t) in enumerate(zip(seen, model.terminal, strict=True))}
    rng = np.random.default_rng(1)
    counts: dict[int, np.ndarray] = {}
    alike: set[int] = set()
    state = number[tuple(see(peer.reset(seed=0)[0])), False]
    matrix = model.transitions
    for _ in range(60_000):
        action = int(rng.integers(env.action_space.n))
        row = int(model.row_ptr[state]) + action
        observation, reward, terminated, truncated, _ = peer.step(action)
        ended = bool(terminated) and "ishwood" not in ours  # theirs sets both flags at the time limit
        span = slice(matrix.indptr[row], matrix.indptr[row + 1])
        pay = model.outcome_rewards[span] if model.outcome_rewards is not None else model.rewards[[row]]
        pay = np.broadcast_to(pay, (span.stop - span.start, model.k))
        target = number[tuple(see(observation)), ended]
        hits = (matrix.indices[span] == target) & np.isclose(pay, np.asarray(reward, float)).all(axis=1)
        assert hits.any(), (seen[state], action, observation, reward)
        counts.setdefault(row, np.zeros(len(hits)))[np.flatnonzero(hits)[0]] += 1
        if hits.sum() > 1:
            alike.add(row)  # outcomes that look the same say nothing about their frequencies
        state = target
        if terminated or truncated:
            state = number[tuple(see(peer.reset()[0])), False]
    chi, freedom = 0.0, 0
    for row, seen_counts in counts.items():
        p = matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]]
        n = seen_counts.sum()
        if len(p) > 1 and row not in alike and n * p.min() >= 5:
            chi += float(((seen_counts - n * p) ** 2 / (n * p)).sum())
            freedom += len(p) - 1
    if freedom:
        assert abs(chi - freedom) < 5 * np.sqrt(2 * freedom) + 5


@pytest.mark.parametrize(
    ("id", "check"),
    [
        ("breakable-bottles-v0", "reward"),
        ("breakable-bottles-v0", "invalid-actions"),
        ("fishwood-v0", "step"),
        ("deep-sea-treasure-v0", "front"),
        ("four-room-v0", "global-generators"),
        ("minecart-v0", "global-generators"),
        ("minecart-v0", "invalid-actions"),
        ("water-reservoir-v0", "aliasing"),
        ("mo-mountaincarcontinuous-v0", "aliasing"),
    ],
)
def test_known_faults_of_the_reference_suite_are_found(id: str, check: str) -> None:
    assert find_faults(id, only=[check], steps=400), f"{check} finds nothing in {id}"


def test_a_published_front_is_beaten_by_the_exact_one() -> None:
    """Three of the points typed in for resource gathering at γ = 1 are dominated by the achievable (0, 1, 1)."""
    import mo_gymnasium

    truth = morl.make("morl/ResourceGathering-v0").pareto_front(1.0).points[0]
    typed = mo_gymnasium.make("resource-gathering-v0").unwrapped.pareto_front(1.0)
    assert sum(bool((truth >= p).all() and (truth > p).any()) for p in typed) >= 3


def test_their_ids_run_through_make_and_the_vector_forms() -> None:
    env = morl.make("resource-gathering-v0")
    env.reset(seed=0)
    assert np.asarray(env.step(0)[1]).shape == (3,)
    for mode in ("sync", "async"):
        vec = morl.make_vec("breakable-bottles-v0", 2, vectorization_mode=mode)
        vec.reset(seed=0)
        assert vec.step(np.zeros(2, int))[1].shape == (2, 3)
        vec.close()


def test_gymnasiums_own_checker_passes_once_scalarised() -> None:
    from gymnasium.utils.env_checker import check_env

    for id in ("morl/DeepSeaTreasure-v0", "morl/ScientificDiscovery-v0", "morl/ResourceGathering-v0"):
        k = morl.make(id).mo_spec.k
        check_env(LinearReward(morl.make(id), np.full(k, 1 / k)), skip_render_check=True)


def test_stable_baselines_learns_through_the_linear_wrapper() -> None:
    from stable_baselines3 import A2C
    from stable_baselines3.common.env_checker import check_env

    env = LinearReward(morl.make("morl/DeepSeaTreasureConcave-v0"), [0.5, 0.5])
    check_env(env)
    A2C("MlpPolicy", env, seed=0, device="cpu").learn(200)


def test_morl_baselines_pareto_q_learning_runs_on_ours() -> None:
    from morl_baselines.multi_policy.pareto_q_learning.pql import PQL

    env = morl.make("morl/DeepSeaTreasureConcave-v0")
    agent = PQL(env, np.array([0.0, -25.0]), gamma=0.99, seed=1, log=False)
    agent.train(total_timesteps=3_000, eval_env=env, ref_point=np.array([0.0, -25.0]), log_every=10_000)
    assert len(agent.get_local_pcs(state=0)) >= 1


def test_morl_baselines_envelope_runs_on_ours() -> None:
    from morl_baselines.multi_policy.envelope.envelope import Envelope

    env = morl.make("morl/DeepSeaTreasure-v0")
    agent = Envelope(env, log=False, seed=0, learning_starts=32, batch_size=16, net_arch=[16], device="cpu")
    agent.train(
        total_timesteps=120,
        eval_env=morl.make("morl/DeepSeaTreasure-v0"),
        ref_point=np.array([0.0, -50.0]),
        eval_freq=10_000,
        num_eval_weights_for_front=2,
    )
    assert int(agent.eval(np.array([0, 0]), np.array([0.5, 0.5]))) in range(4)


def test_gymnasium_vector_wrappers_take_ours() -> None:
    vec = gym.make_vec("morl/ScientificDiscovery-v0", 3)
    wrapped = gym.wrappers.vector.TransformAction(vec, lambda actions: actions, vec.action_space)
    wrapped.reset(seed=0)
    assert wrapped.step(np.zeros(3, int))[1].shape == (3, 3)
    assert morl.envs.mo_spec(wrapped).names == ("accuracy", "money", "interpretability")

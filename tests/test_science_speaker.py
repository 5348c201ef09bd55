"""The speaker: accuracies in closed form, the exact listener against simulation, and the nuisance as a wrapper."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from scipy.stats import norm

from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.science.speaker import Listener, SpeakerDynamics, listener_value, listening_gain, pareto_front
from morl.envs.wrappers.nuisance import NuisanceObservation, VectorNuisanceObservation, draw_code, draw_speaker
from morl.spec import EnvError

SpeakerCommand = partial(BatchedEnv.of, SpeakerDynamics)
SpeakerCommandVector = partial(BatchedVectorEnv.of, SpeakerDynamics)

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def episode_returns(policy, n=40_000, seed=1, **options):
    env = SpeakerCommandVector(n, **options)
    obs, _ = env.reset(seed=seed)
    total, alive = np.zeros((n, 2)), np.ones(n, bool)
    for _ in range(2):
        obs, reward, terminated, *_ = env.step(policy(obs))
        total += reward * alive[:, None]
        alive &= ~terminated
    assert not alive.any()
    return total


# ---- validation facts ---------------------------------------------------------------------------------------


def test_content_supports_80_percent_and_two_samples_88_3():
    assert norm.cdf(0.8416) == pytest.approx(0.80, abs=1e-4)
    assert listener_value(0.0) == pytest.approx([0.800, 0.0], abs=5e-5)
    assert listener_value(40.0) == pytest.approx([norm.cdf(0.8416 * np.sqrt(2)), -0.1], abs=1e-6)
    assert listener_value(40.0)[0] == pytest.approx(0.883, abs=5e-4)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0, 50.0])
def test_listener_earns_what_quadrature_says(threshold):
    total = episode_returns(Listener(threshold))
    error = 4.5 * total.std(0) / np.sqrt(len(total)) + 1e-12
    assert (np.abs(total.mean(0) - listener_value(threshold)) < error).all()


def test_front_is_certified_and_the_rule_is_optimal():
    front = pareto_front()
    assert front.complete
    assert front.epsilon < 1e-3
    for i in (3, 12, 20):  # brute force: no other threshold is better for the weight of this one
        weight = front.weights[i]
        others = max(weight @ listener_value(c) for c in np.linspace(0, 4, 81))
        assert weight @ front.points[i] >= others - 1e-9


def test_gain_of_listening_by_monte_carlo():
    rng = np.random.default_rng(0)
    goal = rng.integers(2, size=400_000)
    sign = 2 * goal - 1
    y, again = (sign * 0.8416 + rng.standard_normal(goal.size) for _ in range(2))
    near = np.abs(np.abs(y) - 0.4) < 0.05
    once, twice = (y > 0) == (goal == 1), (y + again > 0) == (goal == 1)
    assert (twice[near].mean() - once[near].mean()) == pytest.approx(listening_gain(0.4), abs=0.012)
    assert listening_gain(10.0) == pytest.approx(0.0, abs=1e-6)


def test_speaker_agrees_with_probability_rho_and_the_code_has_its_moments():
    rng = np.random.default_rng(0)
    goal = rng.integers(2, size=50_000)
    for rho in (0.0, 0.05, 0.5, 0.95, 1.0):
        assert (draw_speaker(goal, rho, rng) == goal).mean() == pytest.approx(rho, abs=0.01)
    code = draw_code(np.ones(50_000), rng)
    assert code.mean(0) == pytest.approx(np.full(8, 3 / np.sqrt(8)), abs=0.03)
    assert np.cov(code.T) == pytest.approx(np.eye(8), abs=0.03)


def test_following_the_voice_pays_in_training_and_not_in_the_test():
    def voice(obs):
        return (np.asarray(obs)[:, 17:].sum(1) > 0).astype(int)

    accuracy = [episode_returns(voice, rho=rho)[:, 0].mean() for rho in (0.95, 0.5, 0.05)]
    assert accuracy == pytest.approx([0.95, 0.5, 0.05], abs=0.01)
    honest = [episode_returns(Listener(0.0), rho=rho)[:, 0].mean() for rho in (0.95, 0.5, 0.05)]
    assert honest == pytest.approx([0.8] * 3, abs=0.01)


@pytest.mark.slow
def test_only_conditional_reversal_survives_the_change_of_speakers():
    """At ρ = .95 plain training follows the voice, conditional reversal the words, and marginal reversal loses both."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import study_speaker
    finally:
        sys.path.remove(str(BENCHMARKS))
    table = {name: study_speaker.train(name, seed=0) for name in ("plain", "marginal", "conditional")}
    assert study_speaker.bayes(0.95, 0.5) == pytest.approx(0.589, abs=5e-4)  # no plain agent can end above this
    assert table["plain"]["train"] > 0.93
    assert table["plain"]["test"] <= 0.56
    assert table["plain"]["reversed"] < 0.2
    assert table["conditional"]["test"] >= 0.74
    assert table["conditional"]["reversed"] > 0.6
    assert table["marginal"]["train"] < table["conditional"]["train"]  # it purges the words, too


# ---- the environment ----------------------------------------------------------------------------------------


def test_listening_is_possible_once():
    env = SpeakerCommand()
    obs, info = env.reset(seed=0)
    assert (obs[8:17] == 0).all()
    obs, reward, terminated, *_ = env.step(2)
    assert reward.tolist() == [0.0, -0.1]
    assert not terminated
    assert obs[16] == 1.0
    assert (obs[8:16] != 0).all()
    _, reward, terminated, *_ = env.step(2)
    assert terminated
    assert reward.tolist() == [0.0, -0.1]
    for answer in (0, 1):
        _, info = env.reset()
        _, reward, terminated, *_ = env.step(answer)
        assert terminated
        assert reward.tolist() == [float(answer == info["goal"]), 0.0]


def test_random_and_hand_written_policies_lie_inside_the_reference_box():
    ref = np.array(SpeakerCommand().mo_spec.ref_point)
    rng = np.random.default_rng(0)
    for policy in (lambda obs: rng.integers(3, size=len(obs)), Listener()):
        assert (episode_returns(policy, n=2000).mean(0) > ref).all()


def test_front_is_known_only_where_the_voice_says_nothing():
    assert len(SpeakerCommand(nuisance=False).pareto_front()) == len(pareto_front())
    assert len(SpeakerCommandVector(2, rho=0.5).pareto_front()) == len(pareto_front())
    with pytest.raises(EnvError, match=r"rho is 0\.95"):
        SpeakerCommand().pareto_front()
    assert not hasattr(SpeakerCommand(), "pareto_front")


@pytest.mark.parametrize("discount", [0.97, 0.5])
def test_discounted_front_by_brute_force_over_thresholds(discount):
    front = SpeakerCommand(nuisance=False).pareto_front(discount)
    values = np.array([listener_value(c, discount) for c in np.linspace(0, 4, 81)])
    assert (front.outer[:, :2] @ values.T <= front.outer[:, 2:] + 1e-9).all()
    assert len(front) == (33 if discount > 0.9 else 1)  # half the reward is not worth waiting for


# ---- the wrapper --------------------------------------------------------------------------------------------


def test_wrapper_around_the_bare_environment_is_the_environment_with_the_nuisance():
    bare = NuisanceObservation(SpeakerCommand(nuisance=False), rho=0.9)
    full = SpeakerCommand(rho=0.9)
    assert bare.observation_space == full.observation_space
    agree, codes = [], []
    for seed in range(1500):
        obs, info = bare.reset(seed=seed)
        agree.append(info["goal"] == info["speaker"])
        codes.append(obs[17:] * (2 * info["speaker"] - 1))
    assert np.mean(agree) == pytest.approx(0.9, abs=0.03)
    assert np.mean(codes) == pytest.approx(3 / np.sqrt(8), abs=0.04)


def test_wrapper_leaves_the_environment_as_it_was():
    plain, wrapped = SpeakerCommand(nuisance=False), NuisanceObservation(SpeakerCommand(nuisance=False))
    one, _ = plain.reset(seed=4)
    two, _ = wrapped.reset(seed=4)
    assert np.array_equal(one, two[:17])
    assert np.array_equal(plain.step(2)[0], wrapped.step(2)[0][:17])
    assert np.array_equal(wrapped.reset(seed=4)[0], two)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_vector_wrapper_renews_the_speaker_with_the_episode(mode):
    env = VectorNuisanceObservation(SpeakerCommandVector(400, nuisance=False, autoreset_mode=mode), rho=1.0)
    obs, info = env.reset(seed=0)
    for step in range(6):
        assert np.array_equal(info["speaker"], info["goal"])
        assert obs.shape == (400, 25)
        obs, _, terminated, _, info = env.step(np.full(400, 2 if step % 3 == 0 else 0))
        if mode is AutoresetMode.SAME_STEP and terminated.any():
            assert all(len(final) == 25 for final in info["final_obs"][terminated])


@pytest.mark.parametrize("rho", [-0.1, 1.5, float("nan"), "often"])
def test_rho_outside_0_1_is_refused(rho):
    with pytest.raises(EnvError, match="rho is"):
        SpeakerCommand(rho=rho)
    with pytest.raises(EnvError, match="rho is"):
        NuisanceObservation(SpeakerCommand(nuisance=False), rho=rho)


def test_wrapper_says_what_it_needs():
    class Silent(gym.Env):
        observation_space = spaces.Box(-1, 1, (2,), np.float32)
        action_space = spaces.Discrete(2)
        reward_space = spaces.Box(0, 1, (2,), np.float64)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return np.zeros(2, np.float32), {}

    with pytest.raises(EnvError, match="info has no 'goal'"):
        NuisanceObservation(Silent()).reset(seed=0)
    flat = Silent()
    flat.observation_space = spaces.Discrete(3)
    with pytest.raises(EnvError, match="Box of one dimension"):
        NuisanceObservation(flat)
    with pytest.raises(EnvError, match="dimension is 0"):
        NuisanceObservation(Silent(), dimension=0)
    with pytest.raises(EnvError, match="goal"):
        SpeakerCommand().reset(options={"goal": 3})


def test_dynamics_do_not_touch_their_arguments():
    dynamics = SpeakerDynamics()
    rng = np.random.default_rng(0)
    state = dynamics.initial(6, rng)
    copy = {key: value.copy() for key, value in state.items()}
    dynamics.step(state, np.array([0, 1, 2, 0, 1, 2]), rng)
    assert all(np.array_equal(state[key], copy[key]) for key in state)


def test_drawing():
    env = SpeakerCommand(render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    env.step(2)
    assert before.shape == (250, 520, 3)
    assert np.abs(env.render().astype(int) - before).sum() > 1000
    text = SpeakerCommand(render_mode="ansi")
    text.reset(seed=0)
    text.step(0)
    assert "answer 0" in text.render()

"""Experimental design: posteriors against the closed form, submodularity, optimal designs, and the end of a project."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import morl
from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.science.experiment import (
    COST,
    GRID,
    HORIZON,
    MEASUREMENTS,
    NOISE,
    ExperimentDynamics,
    GreedyDesigner,
    features,
    optimal_design,
)
from morl.spec import EnvError, SpecError

ExperimentDesign = partial(BatchedEnv.of, ExperimentDynamics)
ExperimentDesignVec = partial(BatchedVectorEnv.of, ExperimentDynamics)


def run(env: ExperimentDesign, actions: Any) -> tuple[np.ndarray, bool]:
    env.reset(seed=0)
    total = np.zeros(3)
    for action in actions:
        _, reward, ended, truncated, _ = env.step(int(action))
        assert not truncated
        total += reward
        if ended:
            break
    return total, ended


@given(degree=st.integers(1, 6), actions=st.lists(st.integers(0, MEASUREMENTS - 1), min_size=1, max_size=19))
@settings(max_examples=40, deadline=None)
def test_the_posterior_is_the_textbook_one(degree: int, actions: list[int]) -> None:
    """Σ = (V⁻¹ + Σ φφᵀ/σ²)⁻¹, in any order of measurements, and the rewards are its fall and the cost."""
    env = ExperimentDesign(degree, prior_variance=2.0)
    total, _ = run(env, actions)
    phi = features(degree)
    precision = np.eye(degree + 1) / 2.0
    for action in actions:
        row = phi[action // 3]
        precision += np.outer(row, row) / NOISE[action % 3] ** 2
    expected = np.linalg.inv(precision)
    np.testing.assert_allclose(env.state["covariance"], expected, atol=1e-10)
    moment = phi.T @ phi / len(GRID)
    assert total[0] == pytest.approx(2.0 * np.trace(moment) - np.trace(moment @ expected))
    assert total[1] == -sum(COST[a % 3] for a in actions)


def test_the_covariance_does_not_depend_on_what_is_read() -> None:
    """Regression on simulated readings: the error of the posterior mean has the covariance the environment reports."""
    rng = np.random.default_rng(0)
    env = ExperimentDesign(2)
    actions = [0, 31, 62, 30, 14, 61]
    run(env, actions)
    phi, n = features(2), 40_000
    theta = rng.normal(size=(n, 3))
    rows, sigma = phi[[a // 3 for a in actions]], NOISE[[a % 3 for a in actions]]
    reading = theta @ rows.T + rng.normal(size=(n, len(actions))) * sigma
    covariance = env.state["covariance"]
    mean = (reading / sigma**2) @ rows @ covariance
    np.testing.assert_allclose(np.cov((theta - mean).T), covariance, atol=0.012)


@pytest.mark.parametrize("degree", [1, 2])
def test_greedy_information_is_within_1_minus_1_over_e_of_the_best(degree: int) -> None:
    """log det gain is monotone and submodular, so three greedy steps earn at least 63 % of the best three."""
    phi = features(degree)
    rows = np.repeat(phi, 3, axis=0) / np.tile(NOISE, len(GRID))[:, None]

    def gain(chosen: tuple[int, ...]) -> float:
        picked = rows[list(chosen)]
        return float(np.linalg.slogdet(np.eye(degree + 1) + picked.T @ picked)[1])

    candidates = range(0, MEASUREMENTS, 4)
    best = max(gain(c) for c in itertools.combinations_with_replacement(candidates, 3))
    chosen: tuple[int, ...] = ()
    steps = []
    for _ in range(3):
        chosen = max(((*chosen, i) for i in candidates), key=gain)
        steps.append(gain(chosen))
    assert (1 - 1 / np.e) * best <= steps[-1] <= best + 1e-12
    increments = np.diff([0.0, *steps])
    assert np.all(increments > 0)  # monotone
    assert np.all(np.diff(increments) < 0)  # diminishing returns


def test_d_and_a_optimal_quadratic_designs() -> None:
    phi = features(2)
    for criterion, expected in (("D", [1 / 3, 1 / 3, 1 / 3]), ("A", [1 / 4, 1 / 2, 1 / 4])):
        weights = optimal_design(phi, criterion)
        np.testing.assert_allclose(weights[[0, 10, 20]], expected, atol=2e-3)
        assert weights.sum() == pytest.approx(1)
    # Kiefer–Wolfowitz: at the D-optimum the standardised variance nowhere exceeds the number of parameters
    weights = optimal_design(phi, "D")
    inverse = np.linalg.inv(phi.T @ (weights[:, None] * phi))
    assert np.einsum("ij,jk,ik->i", phi, inverse, phi).max() == pytest.approx(3, abs=1e-3)


def test_dropping_a_feature_gives_its_prior_variance_back() -> None:
    env = ExperimentDesign(3)
    total, _ = run(env, [0, 62, 30, MEASUREMENTS + 2])
    covariance, moment = env.state["covariance"], env.dynamics.moment
    assert covariance[2, 2] == 1.0
    assert np.count_nonzero(covariance[2]) == 1
    assert total[0] == pytest.approx(np.trace(moment) - np.sum(moment * covariance))
    before = covariance.copy()
    env.step(15)  # later measurements leave the dropped feature alone
    assert env.state["covariance"][2, 2] == 1.0
    assert np.all(np.diag(env.state["covariance"])[[0, 1, 3]] < np.diag(before)[[0, 1, 3]])


def test_stopping_pays_for_the_features_that_are_left() -> None:
    env = ExperimentDesign(3)
    total, ended = run(env, [MEASUREMENTS + 3, MEASUREMENTS, env.dynamics.stop])
    assert ended
    np.testing.assert_allclose(total, [0, 0, -0.5], atol=1e-12)


def test_running_out_of_time_pays_the_same_as_stopping() -> None:
    env = ExperimentDesign(3)
    total, ended = run(env, [0] * HORIZON)
    assert ended
    assert total[2] == -1.0


def test_action_masks_tell_what_is_left_to_drop() -> None:
    env = ExperimentDesign(2)
    _, info = env.reset()
    assert info["action_mask"].all()
    _, _, _, _, info = env.step(MEASUREMENTS + 1)
    assert np.flatnonzero(info["action_mask"] == 0).tolist() == [MEASUREMENTS + 1]


def test_baselines_lie_inside_the_reference_box() -> None:
    env = ExperimentDesign(3)
    ref = np.array(env.mo_spec.ref_point)
    for budget, keep in itertools.product((0, 5, 20, 100), range(5)):
        designer = GreedyDesigner(env.dynamics, budget, keep)
        env.reset()
        total, ended = np.zeros(3), False
        while not ended:
            _, reward, ended, _, _ = env.step(designer.act(env.state))
            total += reward
        assert np.all(total > ref)
        assert total[1] >= -budget
        assert total[2] == -keep / 4
    venv = ExperimentDesignVec(32)
    venv.reset(seed=0)
    totals = np.zeros((32, 3))
    alive = np.ones(32, dtype=bool)
    for _ in range(HORIZON):
        _, rewards, ended, _, _ = venv.step(venv.action_space.sample())
        totals += rewards * alive[:, None]
        alive &= ~ended
    assert np.all(totals > ref)


def test_ill_conditioned_posteriors_never_become_nan() -> None:
    env = ExperimentDesign(6, prior_variance=1e6)
    total, _ = run(env, [2] * 10 + [62] * 9)
    assert np.isfinite(total).all()
    assert np.isfinite(env.state["covariance"]).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"degree": 7}, "1 to 6"),
        ({"degree": 2.5}, "1 to 6"),
        ({"prior_variance": -1.0}, "positive"),
        ({"prior_variance": [1.0, 2.0]}, "expected one number or 4"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(EnvError, match=words):
        ExperimentDesign(**options)


def test_covariances_that_are_not_positive_definite_are_refused() -> None:
    env = morl.make("morl/ExperimentDesign-v0")
    for matrix, words in [
        (np.diag([1.0, 1.0, 1.0, -1e-3]), "positive definite"),
        (np.eye(3), "shape"),
        (np.triu(np.ones((4, 4))), "symmetric"),
    ]:
        with pytest.raises(EnvError, match=words):
            env.reset(options={"covariance": matrix})
    dynamics = ExperimentDynamics(1)
    rng = np.random.default_rng(0)
    broken = dynamics.initial(2, rng)
    broken["covariance"][1] = [[1.0, 0.0], [0.0, -5.0]]
    with pytest.raises(EnvError, match="project 1 is not positive definite after step 1"):
        dynamics.step(broken, np.array([0, 0]), rng)


def test_bad_designs_are_refused() -> None:
    with pytest.raises(SpecError, match="'D' or 'A'"):
        optimal_design(features(2), "G")
    with pytest.raises(SpecError, match="rank"):
        optimal_design(np.ones((5, 2)))
    with pytest.raises(EnvError, match="features"):
        GreedyDesigner(ExperimentDynamics(2), 10.0, 4)


def test_pictures_and_text() -> None:
    env = ExperimentDesign(3, render_mode="rgb_array")
    run(env, [0, 31, MEASUREMENTS + 1])
    assert env.render().shape == (420, 640, 3)
    env.render_mode = "ansi"
    assert "spent 4" in env.render()
    assert "1 + x^2 + x^3" in env.render()

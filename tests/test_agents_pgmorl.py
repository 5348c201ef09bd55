"""PGMORL: buffers, the hyperbolic model, greedy choice by hypervolume and sparsity against brute force; conformance."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morl.agents import PGMORL
from morl.agents.pgmorl import (
    Gains,
    choose_points,
    fit_hyperbola,
    hyperbola,
    in_buffers,
    predicted_gain,
    sparsity,
    within,
)
from morl.pareto.indicators import hypervolume
from morl.testing import check_agent, problems

SMALL: dict[str, Any] = {
    "n_envs": 4, "n_steps": 16, "batch_size": 32, "n_epochs": 1, "generations": 2, "device": "cpu", "front_policies": 4,
    "policy_kwargs": {"net_arch": [8]},
}  # fmt: skip


def test_the_model_is_the_paper_s_and_is_found_again() -> None:
    x, parameters = np.linspace(0, 1, 9), np.array([2.0, 6.0, 0.4, 1.0])
    height, slope, middle, offset = parameters
    e = np.exp(slope * (x - middle))
    y = hyperbola(parameters, x)
    assert y == pytest.approx(height * (e - 1) / (e + 1) + offset)
    found = fit_hyperbola(x, y, np.ones(9))
    assert hyperbola(found, x) == pytest.approx(y, abs=0.05)


def test_one_outlier_moves_the_model_little() -> None:
    x = np.tile(np.linspace(0, 1, 9), 3)
    y = np.tanh(3 * (x - 0.5))
    y[4] += 5.0
    found = hyperbola(fit_hyperbola(x, y, np.ones(27)), x)
    assert np.abs(np.delete(found - np.tanh(3 * (x - 0.5)), 4)).mean() < 0.15


def test_gains_are_predicted_from_generations_that_began_near() -> None:
    """Here learning for w gains w; elsewhere ten times as much."""
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(2), 40)
    here = rng.normal([1.0, 1.0], 0.01, (20, 2))
    there = rng.normal([5.0, 0.0], 0.01, (20, 2))
    before = np.concatenate([here, there])
    gain = np.concatenate([weights[:20], 10 * weights[20:]])
    past = Gains(before, weights, before + gain)
    asked = np.array([[0.2, 0.8], [0.7, 0.3]])
    assert predicted_gain(past, np.array([1.0, 1.0]), asked) == pytest.approx(asked, abs=0.1)
    assert predicted_gain(past, np.array([5.0, 0.0]), asked) == pytest.approx(10 * asked, abs=1.0)


def test_nothing_is_predicted_from_nothing() -> None:
    none = Gains(*np.zeros((3, 0, 2)))
    assert predicted_gain(none, np.ones(2), np.full((3, 2), 0.5)).tolist() == [[0.0, 0.0]] * 3


@given(st.integers(1, 3), st.integers(0, 10_000))
def test_buffers_hold_the_farthest_of_each_direction(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, directions = rng.random((30, 3)), rng.random((6, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    stays = in_buffers(points, directions, size)
    nearest = np.array([max(range(6), key=lambda d: float(point @ directions[d])) for point in points])
    for buffer in range(6):
        inside = [i for i in range(30) if nearest[i] == buffer]
        ranked = sorted(inside, key=lambda i: -float(np.linalg.norm(points[i])))
        assert set(ranked[:size]) == set(stays) & set(inside)


def test_sparsity_is_the_mean_square_of_gaps_on_the_front() -> None:
    front = np.array([[3.0, 0.0], [0.0, 3.0], [1.0, 2.0]])
    assert sparsity(front) == pytest.approx(((1 + 1) + (4 + 4)) / 2)
    assert sparsity(np.vstack([front, [[0.5, 0.5]]])) == sparsity(front)  # dominated
    assert sparsity(front[:1]) == 0.0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [2, 3])
def test_the_first_choice_is_the_best_one(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    front, candidates = rng.random((4, k)), rng.random((9, k)) * 1.2
    alpha = 0.5
    score = [
        hypervolume(np.vstack([front, c]), np.zeros(k)) - alpha * sparsity(np.vstack([front, c])) for c in candidates
    ]
    assert choose_points(front, candidates, 1, alpha) == [int(np.argmax(score))]


@pytest.mark.parametrize("seed", range(5))
def test_greedy_choice_has_most_of_the_best_hypervolume(seed: int) -> None:
    """Hypervolume is submodular: greedy choice reaches 1 − 1/e of the best gain at least (Nemhauser et al. 1978)."""
    rng = np.random.default_rng(seed)
    candidates = rng.random((8, 2))
    chosen = choose_points(np.zeros((1, 2)), candidates, 3, 0.0)
    best = max(hypervolume(candidates[list(some)], np.zeros(2)) for some in combinations(range(8), 3))
    assert len(set(chosen)) == 3
    assert hypervolume(candidates[chosen], np.zeros(2)) >= (1 - 1 / np.e) * best


def test_fewer_candidates_than_members_are_chosen_again() -> None:
    assert choose_points(np.zeros((1, 2)), np.ones((1, 2)), 3, 1.0) == [0, 0, 0]


def test_weights_that_tasks_are_chosen_from_point_the_same_way() -> None:
    weights = np.array([[1.0, 0.0], [0.75, 0.25], [0.5, 0.5], [0.0, 1.0]])
    assert within(weights, np.array([1.0, 0.0]), np.pi / 4).tolist() == [True, True, True, False]
    assert within(weights, np.array([0.6, 0.4]), 0.01).sum() == 1  # the nearest


@pytest.mark.filterwarnings("ignore:.*too few")
@pytest.mark.parametrize("k", [2, 3])
def test_generations_begin_from_the_population(k: int) -> None:
    agent = PGMORL(problems.many(k), seed=0, **SMALL).learn(1200)
    assert len(agent.population) == len(agent.earned) == len(agent.learned_for) > 0
    assert len(agent.past.before) >= 2 * k
    assert np.allclose(agent.past.weights.sum(axis=1), 1.0)
    assert agent.before == pytest.approx(agent.before)
    assert set(agent.kept.numbers) <= set(range(agent.kept.next))


# ---- conformance ------------------------------------------------------------------------------------------

QUICK = ("resume", "save_and_load", "broken_rewards", "wrong_inputs", "preferences", "describes_itself")
SLOWER = ("same_seed", "autoreset_modes", "evaluation_is_harmless")


@pytest.mark.filterwarnings("ignore:.*too few", "ignore:.*no episode")
@pytest.mark.parametrize("check", QUICK)
def test_conformance(check: str) -> None:
    check_agent("PGMORL", SMALL, only=[check], steps=400)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*too few", "ignore:.*no episode")
@pytest.mark.parametrize(
    ("check", "actions"), [*((x, "discrete") for x in SLOWER), *((x, "continuous") for x in QUICK)]
)
def test_conformance_with_either_kind_of_action(check: str, actions: str) -> None:
    check_agent("PGMORL", SMALL, only=[check], steps=400, actions=actions)


@pytest.mark.slow
@pytest.mark.parametrize("actions", ["discrete", "continuous"])
def test_optima_of_tiny_problems(actions: str) -> None:
    names = ["optimum_deterministic", "optimum_stochastic", "truncation"]
    options = {"device": "cpu", "n_envs": 16, "n_steps": 16, "generations": 6, "n_policies": 3}
    check_agent("PGMORL", options, only=names, actions=actions, tolerance=0.05)

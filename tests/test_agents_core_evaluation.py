"""Evaluation of policies: exact and sampled means agree, with seeds of its own."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from strategies import walk

from morl.agents.core.evaluation import Evaluator
from morl.agents.core.observations import StateIndex
from morl.agents.core.policies import Mixtures, TablePolicies
from morl.agents.core.problem import Problem
from morl.envs.finite.tabular import TabularEnv
from morl.momdp import MOMDP
from morl.spec import MOSpec
from morl.testing import problems


def _evaluator(env: gym.Env, seed: int = 0) -> Evaluator:
    return Evaluator(Problem(env), np.random.SeedSequence(seed), 16)


def test_exact_and_sampled_evaluation_agree() -> None:
    env = problems.stochastic()
    evaluator = _evaluator(env)
    index = StateIndex(env.observation_space, env.observations)
    policies = TablePolicies(index, np.array([[0] * len(index), [1] * len(index), [2] * len(index)]))
    exact = evaluator.evaluate(policies)
    assert exact.exact
    assert evaluator.steps == 0
    np.testing.assert_allclose(exact.mean, [[0, 0], [4, -2], [1.5, -0.5]], atol=1e-9)
    sampled = evaluator.evaluate(policies, 4000, exact=False)
    assert evaluator.steps == sampled.steps > 4000
    error = np.sqrt(np.einsum("mkk->mk", sampled.covariance))
    assert np.all(np.abs(sampled.mean - exact.mean) <= 4 * error + 1e-12)
    # The covariance of the mean: try once pays (3, -0.5) or (0, -0.5), so its variance is 9/4 over the episodes.
    assert sampled.covariance[2, 0, 0] == pytest.approx(2.25 / 4000, rel=0.05)


def test_discounted_and_undiscounted_means() -> None:
    model, spec = walk()
    env = TabularEnv(model, spec)
    policies = TablePolicies(StateIndex(env.observation_space, env.observations), np.zeros((1, 4), dtype=np.int64))
    sampled = _evaluator(env).evaluate(policies, 3, exact=False)
    np.testing.assert_allclose(sampled.mean, [[1.75, 1.0]])
    np.testing.assert_allclose(sampled.undiscounted, [[3.0, 3.0]])
    np.testing.assert_allclose(_evaluator(env).evaluate(policies, discount=1.0).mean, [[3.0, 3.0]])


def test_evaluation_has_its_own_seeds_and_repeats_with_one() -> None:
    env = problems.stochastic()
    index = StateIndex(env.observation_space, env.observations)
    policies = TablePolicies(index, np.ones((1, len(index)), dtype=np.int64))
    first, second = _evaluator(env), _evaluator(env)
    a = first.evaluate(policies, 20, exact=False)
    assert np.array_equal(a.mean, second.evaluate(policies, 20, exact=False).mean)
    assert not np.array_equal(a.mean, first.evaluate(policies, 20, exact=False).mean)
    b = first.evaluate(policies, 20, exact=False, seed=9)
    assert np.array_equal(b.mean, first.evaluate(policies, 20, exact=False, seed=9).mean)


def test_a_policy_that_never_ends_is_worth_what_the_time_limit_leaves() -> None:
    model = MOMDP.from_arrays(
        [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]], [[[1.0, -1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]],
        discount=1.0, terminal=[False, True], objectives=["a", "b"],
    )  # fmt: skip
    env = TabularEnv(model, MOSpec(model.objectives), max_steps=7)
    index = StateIndex(env.observation_space, env.observations)
    value = _evaluator(env).evaluate(TablePolicies(index, np.array([[0, 0], [1, 0]]))).mean
    np.testing.assert_allclose(value, [[7.0, -7.0], [0.0, 0.0]])


def test_mixtures_are_drawn_per_episode_and_evaluated_exactly() -> None:
    env = problems.stochastic()
    index = StateIndex(env.observation_space, env.observations)
    inner = TablePolicies(index, np.array([[0] * len(index), [1] * len(index)]))
    mixed = Mixtures(inner, np.array([[0.25, 0.75]]))
    np.testing.assert_allclose(_evaluator(env).evaluate(mixed).mean, [[3.0, -1.5]])
    sampled = _evaluator(env).evaluate(mixed, 3000, exact=False)
    assert np.all(np.abs(sampled.mean - [[3.0, -1.5]]) < 5 * np.sqrt(np.einsum("mkk->mk", sampled.covariance)))
    assert set(np.unique(sampled.distributions[0][0][:, 0])) <= {0.0, 4.0}

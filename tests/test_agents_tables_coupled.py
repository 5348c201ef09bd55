"""Coupled linear models: descent equals the closed form, the two couplings are one, fitted Q finds the fixed point."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.agents.tables.coupled import Batch, fit, fitted_q, pairwise, solve
from morl.explain.stability import plot_stability, stability
from morl.spec import AgentError, SpecError


def tasks(seed: int, t: int = 3, d: int = 4, n: int = 30):
    rng = np.random.default_rng(seed)
    common = rng.standard_normal(d)
    xs = [rng.standard_normal((n + 3 * i, d)) + rng.standard_normal(d) for i in range(t)]
    ys = [
        x @ (common + 0.3 * rng.standard_normal(d)) + rng.standard_normal() + 0.1 * rng.standard_normal(len(x))
        for x in xs
    ]
    return xs, ys


penalties = st.floats(1e-3, 1e3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 5), penalties, penalties)
def test_descent_finds_the_closed_form_and_never_climbs(seed, t, d, shared, specific):
    xs, ys = tasks(seed, t, d)
    exact, found = solve(xs, ys, shared, specific), fit(xs, ys, shared, specific)
    np.testing.assert_allclose(found.weights, exact.weights, atol=1e-5)
    np.testing.assert_allclose(found.shared, exact.shared, atol=1e-5)
    np.testing.assert_allclose(found.intercept, exact.intercept, atol=1e-4)
    steps = np.array(found.objective)
    assert (np.diff(steps) <= 1e-9 * np.abs(steps[:-1])).all()
    assert steps[-1] == pytest.approx(exact.objective[0], rel=1e-8)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("specific", [0.1, 10.0])
def test_shared_and_specific_parts_are_pairwise_coupling(seed, specific):
    xs, ys = tasks(seed)
    theta, intercept = pairwise(xs, ys, specific / (2 * len(xs)))
    exact = solve(xs, ys, 0.0, specific)
    np.testing.assert_allclose(theta, exact.weights, atol=1e-9)
    np.testing.assert_allclose(intercept, exact.intercept, atol=1e-8)


def test_the_ends_are_separate_models_and_one_model():
    xs, ys = tasks(0)
    theta, _ = pairwise(xs, ys, 0.0, 1e-3)
    alone = [pairwise([x], [y], 0.0, 1e-3)[0][0] for x, y in zip(xs, ys, strict=True)]
    np.testing.assert_array_equal(theta, np.stack(alone))  # bit for bit
    together, _ = pairwise(xs, ys, 1e8)
    assert np.ptp(together, axis=0).max() < 1e-5


def test_one_drug_helps_another_with_few_patients():
    """Dose regression on a shared pathway: the drug with three patients is better off with the other's forty."""
    better = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        effect = rng.standard_normal(4)  # of genotype, age, weight and the interaction
        xs = [rng.standard_normal((40, 4)), rng.standard_normal((5, 4))]
        own = [effect, effect + 0.2 * rng.standard_normal(4)]
        ys = [x @ e + 0.3 * rng.standard_normal(len(x)) for x, e in zip(xs, own, strict=True)]
        coupled, separate = fit(xs, ys, 1e-3, 2.0), pairwise(xs, ys, 0.0, 1e-3)[0]
        better += np.linalg.norm(coupled.weights[1] - own[1]) < np.linalg.norm(separate[1] - own[1])
    assert better >= 15  # 19 of 20 where it was measured


def chain() -> tuple[Batch, np.ndarray, float]:
    """Two states, two actions (stay, go), every transition once; features tell all pairs apart."""
    gamma, eye = 0.8, np.eye(4)  # (s, a) -> 2 s + a
    rewards = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    following = [0, 1, 1, 0]
    next_features = np.stack([eye[[2 * s, 2 * s + 1]] for s in following])
    return Batch(eye, rewards, next_features, np.zeros(4, dtype=bool)), rewards, gamma


@pytest.mark.parametrize("weights", [[1.0, 0.0], [0.0, 1.0], [0.3, 0.7]])
def test_fitted_q_solves_the_vector_bellman_equations(weights):
    batch, rewards, gamma = chain()
    w, following = np.array(weights), np.array([0, 1, 1, 0])
    q = np.zeros((4, 2))
    for _ in range(300):
        best = [max((2 * s, 2 * s + 1), key=lambda i: q[i] @ w) for s in following]
        q = rewards + gamma * q[best]
    found = fitted_q(batch, weights, gamma, 1e-7, 1e-7, rounds=300)
    np.testing.assert_allclose(found.predict(batch.features), q, atol=1e-3)


def test_a_terminated_step_is_worth_its_reward():
    batch, rewards, gamma = chain()
    over = Batch(batch.features, rewards, batch.next_features, np.ones(4, dtype=bool))
    np.testing.assert_allclose(fitted_q(over, [1, 1], gamma, 1e-7, 1e-7).predict(over.features), rewards, atol=1e-4)


def test_a_sample_reaches_other_objectives_in_proportion_to_the_coupling(tmp_path):
    xs, ys = tasks(1, t=3, d=3, n=40)
    strengths = np.array([0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 1e3, 1e6])
    found = stability(xs, ys, strengths, samples=10)
    assert found.cross[0] == 0.0
    small = slice(1, 4)
    slope = np.polyfit(np.log(strengths[small]), np.log(found.ratio[small]), 1)[0]
    assert slope == pytest.approx(1.0, abs=0.1)
    assert found.ratio[-1] == pytest.approx(1.0, abs=1e-3)
    assert (np.diff(found.ratio) > 0).all()
    assert plot_stability(found, tmp_path / "stability.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, y: fit(x, y, 1.0, 0.0), "λ_v > 0"),
        (lambda x, y: fit(x, y, -1.0, 1.0), "λ_w ≥ 0"),
        (lambda x, y: fit([], [], 1.0, 1.0), "one per task"),
        (lambda x, y: fit([x[0], x[1][:, :2]], y[:2]), r"task 1 .*expected \(n, 4\)"),
        (lambda x, y: fit([x[0], x[1][:0]], [y[0], y[1][:0]]), "n ≥ 1"),
        (lambda x, y: pairwise(x, y, -0.1), "γ is -0.1; expected a number ≥ 0"),
        (lambda x, y: stability(x, y, [-1.0]), "γ is -1.0"),
    ],
)
def test_wrong_input_is_refused(call, words):
    with pytest.raises(AgentError, match=words):
        call(*tasks(0))


def test_stability_of_what_is_not_there_is_refused():
    xs, ys = tasks(0)
    with pytest.raises(SpecError, match="objective is 3; expected 0 to 2"):
        stability(xs, ys, [1.0], objective=3)
    with pytest.raises(SpecError, match="at least two"):
        stability([xs[0][:1], xs[1]], [ys[0][:1], ys[1]], [1.0])

"""Convex coverage sets against independent answers: fractions, occupancy programs, enumeration, loops."""

from __future__ import annotations

import numpy as np
import pytest
from ccs_oracles import hull_loss, occupancy_optimum, random_model, rational_values, timed_optimum

from morl.exact import convex_coverage_set, enumerate_policies, evaluate, solve_weight
from morl.exact.coverage.certificate import certified_epsilon, check
from morl.momdp import MOMDP

SHAPES = [(1, 3, 2), (2, 2, 2), (3, 3, 2), (4, 2, 3), (5, 2, 2), (3, 3, 4), (4, 2, 5), (4, 2, 6), (4, 2, 1)]


@pytest.mark.parametrize("discount", [0.0, 0.5, 0.97])
@pytest.mark.parametrize("shape", SHAPES)
def test_vertices_are_those_of_rational_enumeration(shape: tuple[int, int, int], discount: float) -> None:
    n, actions, k = shape
    m = random_model(np.random.default_rng([n, actions, k]), n, actions, k, discount=discount, ragged=True)
    truth = np.array([[float(x) for x in value] for value in rational_values(m)])
    front = convex_coverage_set(m, 0.0)
    scale = max(1.0, float(np.abs(truth).max()))
    assert front.complete
    assert hull_loss(front.points, truth) <= front.epsilon + 1e-12 * scale
    assert front.epsilon <= 1e-9 * scale
    for point in front.points:  # each is the value of some policy
        assert np.abs(truth - point).max(axis=1).min() <= 1e-9 * scale
    assert (truth @ front.outer[:, :-1].T <= front.outer[:, -1] + 1e-12 * scale).all()


@pytest.mark.parametrize("seed", range(8))
def test_bounds_hold_at_random_weights_by_occupancy_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k = 2 + seed % 3
    m = random_model(rng, 25, 3, k, discount=0.95, terminals=seed % 3, ragged=True, spread_start=True)
    epsilon = 0.05
    front = convex_coverage_set(m, epsilon)
    assert front.complete
    assert front.epsilon <= epsilon
    for w in rng.dirichlet(np.ones(k), 12):
        best = occupancy_optimum(m, w)
        assert (front.points @ w).max() <= best + front.provenance["error"] + 1e-7
        assert best <= (front.points @ w).max() + front.epsilon + 1e-7
    for i, cut in enumerate(front.outer):
        assert occupancy_optimum(m, cut[:-1]) <= cut[-1] + 1e-7, i


@pytest.mark.parametrize("seed", range(4))
def test_policies_earn_their_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = random_model(rng, 40, 3, 3, discount=0.9, terminals=2, ragged=True, spread_start=True)
    front = convex_coverage_set(m, 1e-3)
    for point, policy in zip(front.points, front.policies, strict=True):
        assert np.abs(evaluate(m, policy).start - point).max() <= front.provenance["error"] + 1e-9
    assert front.provenance["error"] <= 1.001e-4 * 1e-3


@pytest.mark.parametrize("k", [2, 3])
def test_hull_of_all_enumerated_policies(k: int) -> None:
    m = random_model(np.random.default_rng(5), 9, 2, k, discount=0.8)
    everything = enumerate_policies(m)
    front = convex_coverage_set(m, 0.0)
    assert hull_loss(front.points, everything.points) <= 1e-9
    assert hull_loss(everything.points, front.points) <= 1e-9


@pytest.mark.parametrize("horizon", [1, 2, 7])
@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_horizon(horizon: int, discount: float) -> None:
    rng = np.random.default_rng(horizon)
    m = random_model(rng, 6, 3, 2, discount=discount, terminals=1, ragged=True, horizon=horizon, spread_start=True)
    front = convex_coverage_set(m, 1e-4)
    assert front.complete
    for w in rng.dirichlet(np.ones(2), 20):
        best = timed_optimum(m, w)
        assert best - front.epsilon - 1e-12 <= (front.points @ w).max() <= best + 1e-12
    for point, policy in zip(front.points, front.policies, strict=True):
        assert policy.shape == (horizon, 6)
        assert np.abs(evaluate(m, policy).start - point).max() <= 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_undiscounted_where_every_policy_ends(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = random_model(rng, 20, 3, 2, discount=1.0, terminals=1)
    front = convex_coverage_set(m, 1e-4)
    assert front.complete
    for w in rng.dirichlet(np.ones(2), 10):
        best = occupancy_optimum(m, w)
        assert best - front.epsilon - 1e-7 <= (front.points @ w).max() <= best + front.provenance["error"] + 1e-7


@pytest.mark.parametrize("seed", range(5))
def test_solve_weight_brackets_the_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = random_model(rng, 30, 3, 3, discount=0.95, terminals=seed % 2, spread_start=True)
    w = rng.random(3) * 10
    best = occupancy_optimum(m, w)
    solved = solve_weight(m, w)
    assert solved.lower <= best + 1e-7
    assert best <= solved.upper + 1e-7
    assert solved.upper - solved.lower <= 1e-8
    assert np.abs(evaluate(m, solved.policy).start - solved.value).max() <= solved.error + 1e-10
    rough = solve_weight(m, w, precision=0.5)
    assert rough.lower <= best + 1e-7
    assert best <= rough.upper + 1e-7
    assert rough.upper - rough.lower <= 0.5


@pytest.mark.parametrize("k", [2, 3, 4, *(pytest.param(k, marks=pytest.mark.slow) for k in (5, 6))])
def test_certificate_is_confirmed_by_linear_programs(k: int) -> None:
    m = random_model(np.random.default_rng(k), 12, 3, k, discount=0.8)
    front = convex_coverage_set(m, {2: 1e-3, 3: 0.1, 4: 0.4, 5: 1.2, 6: 2.2}[k])
    assert front.complete
    proved, _ = certified_epsilon(front.points, front.outer)
    assert proved <= front.epsilon + 1e-9
    assert check(front) == pytest.approx(proved)


def test_slow_chain_against_occupancy_programs() -> None:
    """A long noisy corridor with γ near 1: the linear solver's path."""
    n = 60
    dense, rewards = np.zeros((n, 2, n)), np.zeros((n, 2, 2))
    for s in range(n):
        for a, step in enumerate((-1, 1)):
            dense[s, a, min(max(s + step, 0), n - 1)] += 0.7
            dense[s, a, min(max(s - step, 0), n - 1)] += 0.3
    rewards[0, :, 0], rewards[-1, :, 1], rewards[n // 2] = 1.0, 1.5, 0.2
    m = MOMDP.from_arrays(dense, rewards, start=n // 3, discount=0.999)
    front = convex_coverage_set(m, 1e-3)
    assert front.complete
    for w in ([1, 0], [0, 1], [0.5, 0.5], [0.2, 0.8], [0.55, 0.45]):
        best = occupancy_optimum(m, w)
        assert best - front.epsilon - 1e-6 <= (front.points @ w).max() <= best + front.provenance["error"] + 1e-6

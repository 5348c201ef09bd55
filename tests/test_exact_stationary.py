"""Fronts of stationary deterministic policies: enumeration and branch and bound against brute force."""

import numpy as np
import pytest
from exact_models import (
    RETURN_SCALE,
    all_policies,
    random_momdp,
    rational_front,
    rational_value,
    same_front,
    scientific_discovery,
)

import morl.exact.deterministic.stationary as stationary
from morl.exact import enumerate_policies, evaluate, evaluate_batch, pareto_deterministic, policy_values
from morl.exact.deterministic.branch import separate
from morl.exact.deterministic.corners import Corners
from morl.exact.deterministic.tolerant import tolerant_front
from morl.momdp import MOMDP
from morl.pareto.convexity import supported_mask
from morl.pareto.indicators import hypervolume
from morl.spec import ModelError, UnknownNameError


@pytest.fixture
def search_only(monkeypatch):
    """Never enumerate at the root, whatever the size."""
    monkeypatch.setattr(stationary, "ENUMERATE", dict.fromkeys(range(1, 9), 0.0))


def brute_force(m):
    values = evaluate_batch(m, np.array(list(all_policies(m))))
    return values[tolerant_front(values, np.full(m.k, 1e-10))]


def check_policies(m, front):
    for policy, point in zip(front.policies, front.points, strict=True):
        assert evaluate(m, policy).start == pytest.approx(point, abs=1e-9 * (1 + np.abs(point).max()))


def test_scientific_discovery():
    m = scientific_discovery()
    front = enumerate_policies(m)
    assert front.provenance["policies"] == 4**9
    assert len(front) == 15
    assert int(supported_mask(front.points).sum()) == 7
    low, high = RETURN_SCALE
    worst = ((front.points - low) / (high - low)).min(axis=1)
    assert worst.max() == pytest.approx(0.4063, abs=1e-4)
    assert worst[supported_mask(front.points)].max() == pytest.approx(0.2499, abs=1e-4)
    ref = np.array([-0.05, -12.0, -0.05])
    assert hypervolume(front.points, ref) == pytest.approx(2.23206, abs=1e-5)
    assert hypervolume(front.points[supported_mask(front.points)], ref) == pytest.approx(1.82607, abs=1e-5)
    values = policy_values(m)
    assert len(values) == 4**9
    assert len(np.unique(values.round(9), axis=0)) == 163
    check_policies(m, front)


def test_scientific_discovery_by_search(search_only):
    front = pareto_deterministic(scientific_discovery(), "stationary")
    assert front.provenance["algorithm"] == "branch and bound"
    assert same_front(front.points, enumerate_policies(scientific_discovery()).points)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_enumeration_against_fractions(k):
    rng = np.random.default_rng(k)
    for _ in range(4):
        m = random_momdp(rng, 4, 2, k, discount=0.5)
        exact = rational_front([rational_value(m, p) for p in all_policies(m)])
        points = np.array([[float(x) for x in v] for v in exact])
        assert same_front(enumerate_policies(m).points, points, atol=1e-12)


def test_ties_are_one_point():
    # action 1 repeats action 0 except in the last bit of its probabilities
    p = np.array([[[0.1, 0.2, 0.7], [0.7, 0.2, 0.1][::-1]], [[1 / 3, 1 / 3, 1 / 3]] * 2, [[0.2, 0.3, 0.5]] * 2])
    r = np.repeat(np.random.default_rng(0).random((3, 1, 2)), 2, axis=1)
    assert len(enumerate_policies(MOMDP.from_arrays(p, r, discount=0.9))) == 1


@pytest.mark.parametrize(
    ("s", "a", "k"), [(6, 2, 2), (8, 3, 2), (7, 3, 2), (14, 2, 2), (8, 2, 3), (7, 2, 4), (6, 3, 1)]
)
def test_search_equals_brute_force(search_only, monkeypatch, s, a, k):
    monkeypatch.setattr("morl.exact.deterministic.branch.LEAF", 16)  # so that small models are searched, too
    rng = np.random.default_rng(100 * s + 10 * a + k)
    for _ in range(3):
        m = random_momdp(rng, s, a, k)
        front = pareto_deterministic(m, "stationary")
        assert front.complete
        assert same_front(front.points, brute_force(m))
        check_policies(m, front)


@pytest.mark.slow
def test_search_equals_enumeration_on_many_models(search_only):
    rng = np.random.default_rng(2024)
    shapes = [(14, 2, 2), (12, 2, 2), (7, 4, 2), (9, 3, 2), (10, 2, 3)]
    for i in range(60):
        s, a, k = shapes[i % len(shapes)]
        m = random_momdp(rng, s, a, k, discount=rng.choice([0.5, 0.9, 0.95, 0.99]), branching=int(rng.integers(1, 6)))
        front = pareto_deterministic(m, "stationary")
        truth = enumerate_policies(m)
        assert front.complete
        assert same_front(front.points, truth.points, atol=1e-8), (i, s, a, k)


def test_epsilon_and_time_limit_are_certified(search_only, monkeypatch):
    monkeypatch.setattr("morl.exact.deterministic.branch.LEAF", 16)
    m = random_momdp(np.random.default_rng(5), 14, 2, 2)
    truth = enumerate_policies(m).points
    for options in ({"epsilon": 0.3}, {"time_limit": 0.0}, {"time_limit": 0.02}):
        front = pareto_deterministic(m, "stationary", **options)
        assert front.epsilon is not None
        missed = (truth[:, None] - front.points[None]).max(axis=2).min(axis=1).max()
        assert missed <= front.epsilon + 1e-9
        check_policies(m, front)
    assert front.epsilon >= 0


def test_large_models_are_within_reach():
    m = random_momdp(np.random.default_rng(0), 20, 4, 2)
    front = pareto_deterministic(m, "stationary")
    assert front.complete
    assert len(front) > 100
    rng = np.random.default_rng(1)
    values = evaluate_batch(m, rng.integers(0, 4, (5000, 20)))  # none of these may beat the front
    assert ((values[:, None] <= front.points[None] + 1e-9).all(axis=2).any(axis=1)).all()


def test_too_many_policies_are_refused_with_the_number():
    m = random_momdp(np.random.default_rng(0), 40, 2, 2)
    with pytest.raises(ModelError, match=r"1\.1e\+12"):
        enumerate_policies(m)
    with pytest.raises(UnknownNameError, match="stationary"):
        pareto_deterministic(m, "stationry")
    with pytest.raises(ModelError, match="epsilon"):
        pareto_deterministic(m, "stationary", epsilon=-1.0)


def test_undiscounted_models():
    # 0: wait at a cost, or leave for 1 or the end; 1: back, or the end
    move = np.zeros((3, 3, 3))
    move[0, 0, 0] = move[0, 1, 1] = move[0, 2, 2] = 1.0
    move[1, 0, 0] = move[1, 1, 2] = move[1, 2, 2] = 1.0
    move[2, :, 2] = 1.0
    r = np.zeros((3, 3, 2))
    r[:2, :, 1] = -1.0
    r[1, 1, 0] = 5.0
    m = MOMDP.from_arrays(move, r, discount=1.0, terminal=[False, False, True])
    front = pareto_deterministic(m, "stationary")
    assert front.points.tolist() == [[5.0, -2.0], [0.0, -1.0]]
    gain = r.copy()
    gain[0, 0, 0] = 1.0
    with pytest.raises(ModelError, match="unbounded"):
        pareto_deterministic(MOMDP.from_arrays(move, gain, discount=1.0, terminal=[False, False, True]))
    with pytest.raises(ModelError, match="without end"):
        pareto_deterministic(MOMDP.from_arrays([[[1.0]]], [[[-1.0]]], discount=1.0))


def test_stationary_policies_over_a_horizon():
    m = random_momdp(np.random.default_rng(8), 5, 2, 2).with_horizon(4)
    front = pareto_deterministic(m, "stationary")
    values = np.array([evaluate(m, p).start for p in all_policies(m)])
    assert same_front(front.points, values[tolerant_front(values, np.full(2, 1e-10))])
    check_policies(m, front)


def test_corners_describe_what_is_not_dominated():
    rng = np.random.default_rng(9)
    for k in (1, 2, 3, 4):
        corners = Corners(np.zeros(k), np.zeros(k))
        points = rng.integers(1, 6, (40, k)).astype(float)
        for i, point in enumerate(points):
            corners.add(point, i)
        probes = rng.integers(1, 7, (500, k)).astype(float)
        dominated = (probes[:, None] <= points[None]).all(axis=2).any(axis=1)
        assert np.array_equal(corners.is_new(probes), ~dominated)


def test_separate_finds_a_weight_or_a_mixture():
    values = np.array([[0.0, 1.0], [1.0, 0.0]])
    w, _ = separate(np.array([0.8, 0.8]), values)
    assert w is not None
    assert (values @ w).max() < np.array([0.8, 0.8]) @ w
    w, shares = separate(np.array([0.4, 0.5]), values)
    assert w is None
    assert (shares @ values >= [0.4 - 1e-9, 0.5 - 1e-9]).all()

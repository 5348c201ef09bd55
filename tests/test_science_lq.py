"""Car following: the exact front against simulation, brute force over gains, and the published point."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.science.convex_front import sandwich
from morl.envs.science.lq import (
    HORIZON,
    LinearDriver,
    LinearPolicy,
    LQDynamics,
    exact_return,
    pareto_front,
    riccati,
    stationary,
)
from morl.spec import EnvError

CarFollowingLQ = partial(BatchedEnv.of, LQDynamics)
CarFollowingLQVector = partial(BatchedVectorEnv.of, LQDynamics)


def simulate(policy, n=20_000, seed=0, clip=3.0):
    env = CarFollowingLQVector(n)
    env.reset(seed=seed)
    total = np.zeros((n, 2))
    for t in range(HORIZON):
        total += env.step(np.clip(policy(env.state["x"], t), -clip, clip)[:, None])[1]
    return total


def test_stationary_point_at_equal_weights():
    assert stationary(0.5) == pytest.approx((0.00886, 0.02652), abs=5e-6)


def test_stationary_variances_by_long_simulation():
    gain = riccati(0.5, 600).gains[0]
    rng = np.random.default_rng(0)
    x, gaps, accels = np.zeros((4000, 2)), [], []
    for t in range(900):
        a = x @ gain
        x = np.stack([x[:, 0] + 0.1 * x[:, 1] - 0.005 * a, x[:, 1] - 0.1 * a + 0.05 * rng.standard_normal(4000)], 1)
        if t > 300:
            gaps.append(np.mean(x[:, 0] ** 2)), accels.append(np.mean(a**2))
    assert (np.mean(gaps), np.mean(accels)) == pytest.approx(stationary(0.5), rel=0.01)


@pytest.mark.parametrize("i", [0, 16, 30, 48])
def test_front_points_are_what_their_policies_earn(i):
    front = pareto_front()
    total = simulate(front.policies[i])
    error = 4.5 * total.std(0) / np.sqrt(len(total)) + 1e-9
    assert (np.abs(total.mean(0) - front.points[i]) < error).all()


def test_no_linear_policy_beats_the_front():
    """Random time-invariant gains, evaluated exactly, never cross any supporting line of the front."""
    front = pareto_front()
    rng = np.random.default_rng(1)
    for _ in range(300):
        gains = np.array([[rng.uniform(0, 6), rng.uniform(0, 6)]]) * rng.choice([0.1, 0.5, 1.0])
        value, _ = exact_return(LinearPolicy(gains))
        assert (front.outer[:, :2] @ value <= front.outer[:, 2] + 1e-9).all()


def test_perturbing_the_optimal_gains_only_makes_it_worse():
    weight = np.array([0.4, 0.6])
    best = riccati(0.4)
    value = weight @ exact_return(best)[0]
    rng = np.random.default_rng(0)
    for _ in range(50):
        other = LinearPolicy(best.gains + 0.1 * rng.standard_normal(best.gains.shape))
        assert weight @ exact_return(other)[0] < value


def test_discount_zero_and_one_step_by_hand():
    """One step: minimise w·E(x₁')² + (1 − w)a², so a = w·b·x₁⁺/(1 − w + w·b²) with b = 0.005, x₁⁺ = x₁ + 0.1·x₂."""
    gain = riccati(0.9, 1).gains[0]
    assert gain == pytest.approx(0.9 * 0.005 / (0.1 + 0.9 * 0.005**2) * np.array([1.0, 0.1]))
    assert riccati(0.9, 5, discount=0.0).gains[0] == pytest.approx(gain)


def test_front_is_certified_convex_and_tight():
    front = pareto_front()
    assert len(front.nondominated()) == len(front)
    assert front.complete
    assert front.epsilon < 0.1
    dense = pareto_front(points=400)
    for value in dense.points:  # every true point has a mixture of two neighbours at least as good up to ε
        a, b = front.points[:-1], front.points[1:]
        share = np.linspace(0, 1, 201)[:, None, None]
        mixed = share * a + (1 - share) * b
        assert np.min(np.max(value - mixed, axis=2)) <= front.epsilon + 1e-9
    assert sandwich(dense.points, dense.weights) < 0.2 * sandwich(front.points, front.weights)
    assert dense.epsilon <= front.epsilon


def test_sandwich_of_a_circle_is_the_sagitta():
    angles = np.linspace(0, np.pi / 2, 10)
    points = np.column_stack([np.cos(angles), np.sin(angles)])
    weights = points / points.sum(1, keepdims=True)
    step = np.pi / 18
    corner_above_chord = 1 / np.cos(step / 2) - np.cos(step / 2)
    assert sandwich(points, weights) == pytest.approx(corner_above_chord, rel=0.5)
    assert sandwich(points, weights) >= corner_above_chord / np.sqrt(2) - 1e-12


def test_actions_of_the_front_never_meet_their_bounds():
    assert max(exact_return(policy)[1] for policy in pareto_front().policies) < 3.0 / 6


def test_env_front_follows_the_env():
    assert CarFollowingLQ().pareto_front().points == pytest.approx(pareto_front().points)
    assert CarFollowingLQ(max_steps=20).pareto_front(0.9).discount == 0.9
    assert (CarFollowingLQ(max_steps=20).pareto_front().points >= pareto_front().points).all()


def test_policies_lie_inside_the_reference_box_and_random_is_dominated():
    rng = np.random.default_rng(0)
    chance = simulate(lambda x, t: rng.uniform(-3, 3, len(x)), n=2000).mean(0)
    driver = simulate(lambda x, t: x @ LinearDriver().gain, n=2000).mean(0)
    ref = np.array(CarFollowingLQ().mo_spec.ref_point)
    assert (chance > ref).all()
    assert (driver > chance).all()


@pytest.mark.parametrize("weight", [-0.1, 1.0, float("nan")])
def test_impossible_weights_are_refused(weight):
    with pytest.raises(EnvError, match="weight of the gap"):
        riccati(weight)
    with pytest.raises(EnvError, match="weight of the gap"):
        stationary(weight)


def test_bad_starts_and_discounts_are_refused():
    with pytest.raises(EnvError, match="state"):
        CarFollowingLQ().reset(options={"state": [1.0]})
    with pytest.raises(EnvError, match="discount"):
        CarFollowingLQ().pareto_front(1.5)


def test_drawing():
    env = CarFollowingLQ(render_mode="rgb_array")
    env.reset(seed=0, options={"state": [1.0, 0.0]})
    assert env.render().shape == (220, 640, 3)
    text = CarFollowingLQ(render_mode="ansi")
    text.reset(seed=0, options={"state": [1.0, -0.5]})
    assert "+1.000 m" in text.render()

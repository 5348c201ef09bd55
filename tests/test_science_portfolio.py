"""Portfolio: Markowitz against the textbook's closed form and a general solver, the market against its moments."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.science.portfolio import ConstantPortfolio, PortfolioDynamics
from morl.envs.science.portfolio_market import (
    COVARIANCE,
    DRIFT,
    MONTHS,
    best_constant,
    frontier,
    minimum_variance,
    monthly_mean,
)
from morl.spec import EnvError

Portfolio = partial(BatchedEnv.of, PortfolioDynamics)
PortfolioVector = partial(BatchedVectorEnv.of, PortfolioDynamics)


def episode_returns(policy, n=4000, seed=1, **options):
    env = PortfolioVector(n, **options)
    obs, _ = env.reset(seed=seed)
    total = 0.0
    for _ in range(MONTHS):
        obs, reward, _, truncated, _ = env.step(policy(obs))
        assert env.observation_space.contains(obs)
        assert ((reward >= env.reward_space.low) & (reward <= env.reward_space.high)).all()
        total = total + reward
    assert truncated.all()
    return total


def test_global_minimum_variance_portfolio():
    w = minimum_variance()
    assert w.sum() == pytest.approx(1.0)
    assert w @ DRIFT == pytest.approx(0.04216, abs=5e-6)
    assert w @ COVARIANCE @ w == pytest.approx(0.003448, abs=5e-7)
    assert COVARIANCE @ w == pytest.approx(np.full(3, w @ COVARIANCE @ w))  # the first-order condition


@given(st.floats(0.02, 0.15))
def test_frontier_has_the_mean_asked_for_and_no_better_portfolio_nearby(mean):
    w = frontier(mean)
    assert w.sum() == pytest.approx(1.0)
    assert w @ DRIFT == pytest.approx(mean)
    direction = np.cross(np.ones(3), DRIFT)  # keeps budget and mean
    for step in (-0.1, 0.1):
        other = w + step * direction / np.linalg.norm(direction)
        assert other @ COVARIANCE @ other > w @ COVARIANCE @ w


@settings(max_examples=20, deadline=None)
@given(st.floats(0.0, 1.0), st.lists(st.floats(0.0, 0.2), min_size=3, max_size=3))
def test_long_only_optimum_agrees_with_a_general_solver(weight, drift):
    mean, covariance = monthly_mean(np.array(drift)), COVARIANCE / 12

    def loss(x):
        return -(weight * mean @ x - (1 - weight) * 50 * x @ covariance @ x)

    ours = best_constant(weight, mean, covariance)
    assert ours.min() >= 0
    assert ours.sum() == pytest.approx(1.0)
    start = [np.full(3, 1 / 3), *np.eye(3)]
    budget = {"type": "eq", "fun": lambda x: x.sum() - 1}
    theirs = min(minimize(loss, x, bounds=[(0, 1)] * 3, constraints=budget, tol=1e-12).fun for x in start)
    assert loss(ours) <= theirs + 1e-7


def test_front_points_are_what_constant_portfolios_earn():
    front = Portfolio(turnover=False).pareto_front()
    for i in (0, 20, len(front) - 1):
        total = episode_returns(ConstantPortfolio(front.policies[i]), turnover=False, n=20_000)
        error = 4.5 * total[:, 0].std() / np.sqrt(len(total)) + 0.01
        assert abs(total[:, 0].mean() - front.points[i, 0]) < error
        assert total[:, 1].mean() == pytest.approx(front.points[i, 1], abs=2e-3)


def test_front_is_certified_and_nothing_crosses_it():
    front = Portfolio(turnover=False).pareto_front()
    assert front.complete
    assert front.epsilon < 0.03
    assert len(front.nondominated()) == len(front)
    assert front.points[0, 0] == pytest.approx(MONTHS * monthly_mean()[2])
    assert front.points[-1, 1] == pytest.approx(-MONTHS * 50 * 0.003448 / 12, rel=1e-3)
    rng = np.random.default_rng(0)
    for w in rng.dirichlet(np.ones(3), 300):
        value = MONTHS * np.array([monthly_mean() @ w, -50 * w @ COVARIANCE @ w / 12])
        assert (front.outer[:, :2] @ value <= front.outer[:, 2] + 1e-9).all()


def test_timing_the_market_does_not_beat_the_front():
    """A policy that follows last month's winner stays under every supporting line: months are independent."""
    front = Portfolio(turnover=False).pareto_front()

    def chase(obs):
        return np.clip(3.0 * np.asarray(obs)[:, 3:6], -5, 5)

    total = episode_returns(chase, turnover=False, n=20_000)
    noise = 4.5 * total.std(0) / np.sqrt(len(total))
    assert (front.outer[:, :2] @ total.mean(0) <= front.outer[:, 2] + noise.max()).all()


def test_market_moments():
    dynamics = PortfolioDynamics()
    rng = np.random.default_rng(0)
    state = dynamics.initial(200_000, rng)
    moved = dynamics.step(state, np.zeros((200_000, 3)), rng)
    logs = np.log1p(moved.state["returns"])
    assert np.cov(logs.T) == pytest.approx(COVARIANCE / 12, rel=0.03, abs=1e-5)
    assert moved.state["returns"].mean(0) == pytest.approx(monthly_mean() / 100, abs=6e-4)


def test_turnover_counts_from_the_weights_the_market_left():
    env = Portfolio()
    env.reset(seed=0, options={"weights": [0.5, 0.5, 0.0]})
    _, reward, *_ = env.step(np.array([-5.0, -5.0, 5.0]))
    assert reward[2] == pytest.approx(-2.0, abs=1e-3)
    state = env.state
    before = 0.9999 * np.array([0, 0, 1]) + 5e-5
    assert state["weights"] == pytest.approx(before, abs=1e-4)
    assert state["weights"].sum() == pytest.approx(1.0)


def test_random_and_hand_written_policies_lie_inside_the_reference_box():
    ref = np.array(Portfolio().mo_spec.ref_point)
    rng = np.random.default_rng(0)
    chance = episode_returns(lambda obs: rng.uniform(-5, 5, (len(obs), 3)).astype(np.float32)).mean(0)
    calm = episode_returns(ConstantPortfolio()).mean(0)
    assert (chance > ref).all()
    assert (calm > ref).all()
    assert calm[2] > chance[2]


def test_bad_input():
    for options, words in (
        ({"volatility": (0.1, 0.0, 0.1)}, "above 0"),
        ({"drift": (0.1, float("nan"), 0.1)}, "drift"),
        ({"drift": (0.1, 0.2)}, "three"),
        ({"drift": "up"}, "drift is 'up'"),
    ):
        with pytest.raises(EnvError, match=words):
            Portfolio(**options)
    with pytest.raises(EnvError, match="sum to"):
        Portfolio().reset(options={"weights": [0.5, 0.1, 0.1]})
    with pytest.raises(EnvError, match="turnover=False"):
        Portfolio().pareto_front()
    assert not hasattr(Portfolio(), "pareto_front")
    assert Portfolio(turnover=False).pareto_front(0.9).discount == 0.9
    with pytest.raises(EnvError, match="positive definite"):
        minimum_variance(np.ones((3, 3)))


def test_drawing():
    env = Portfolio(render_mode="rgb_array")
    env.reset(seed=0)
    env.step(np.zeros(3, np.float32))
    assert env.render().shape == (420, 760, 3)
    text = Portfolio(render_mode="ansi")
    text.reset(seed=0)
    assert "month 0 of 24" in text.render()

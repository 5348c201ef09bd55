"""Pareto Q-learning where no plan surely ends, and empty fronts, which no agent may report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from morl.agents import ParetoQLearning
from morl.agents.core.errors import NoPolicyError
from morl.agents.core.evaluation import Evaluator
from morl.agents.core.policies import TablePolicies
from morl.agents.core.problem import Problem
from morl.agents.tables.pareto_sets import ENDED, Counts, surely_ends
from morl.envs.finite.tabular import TabularEnv
from morl.momdp import MOMDP
from morl.spec import EnvError, MOSpec
from morl.testing import problems


def environment(outcomes: Any, gamma: float, low: Any, high: Any, max_steps: int | None = None) -> TabularEnv:
    model, _ = MOMDP.from_simulator(0, 2, outcomes, discount=gamma, objectives=["a", "b"])
    spec = MOSpec(model.objectives, gamma, max_steps, tuple(np.subtract(low, 1.0)), (tuple(low), tuple(high)))
    return TabularEnv(model, spec, max_steps=max_steps)


def ring(n: int = 4, slip: float = 0.2, gamma: float = 0.9, max_steps: int | None = None) -> TabularEnv:
    """Left is cheap, right pays more at the goal; both slip, so no plan surely ends in a bounded number of steps."""

    def outcomes(state: int, action: int) -> list[tuple[float, Any, tuple[float, float], bool]]:
        out: list[tuple[float, Any, tuple[float, float], bool]] = []
        for chance, move in ((1 - slip, 2 * action - 1), (slip, 1 - 2 * action)):
            target, cost = (state + move) % n, (-0.3, -1.0)[action]
            over = target == n // 2
            out.append((chance, "end" if over else target, (float(1 + action) * over, cost), over))
        return out

    return environment(outcomes, gamma, (0.0, -5.0), (2.0, 0.0), max_steps)


def short_of(front: Any, wanted: Any, span: Any) -> float:
    """How much of an objective's range a front lacks, at worst, to weakly dominate every wanted point."""
    gaps = (wanted[:, None] - front[None]) / span
    return float(gaps.max(axis=2).min(axis=1).max())


@pytest.mark.parametrize(("n", "slip", "gamma"), [(4, 0.2, 0.9), (6, 0.05, 0.8), (3, 0.5, 0.95)])
def test_chance_and_a_cycle(n: int, slip: float, gamma: float) -> None:
    env = ring(n, slip, gamma)
    agent = ParetoQLearning(env, seed=0).learn(20_000)
    assert agent.endless
    front = agent.front()
    exact = env.pareto_front(policies="stationary")
    assert short_of(front.points, exact.points, np.array([2.0, 5.0])) < 0.03
    assert "backups" in front.provenance["approximation"]
    # What the sets promise is what policies then do, up to the rest after the last backup and learned chances.
    assert short_of(front.points, agent.claims(), np.array([2.0, 5.0])) < 0.05
    action, _ = agent.predict(env.reset(seed=0)[0], preference=[0.5, 0.5])
    assert env.action_space.contains(action)


def test_an_episode_that_only_a_time_limit_ends() -> None:
    """Staying earns (.1, .3), moving (.3, .1), for ever: values of the extremes in closed form, Σ γᵗ r."""

    def outcomes(state: int, action: int) -> list[tuple[float, Any, tuple[float, float], bool]]:
        return [(1.0, (state + action) % 3, ((0.1, 0.3), (0.3, 0.1))[action], False)]

    env = environment(outcomes, 0.9, (0.0, 0.0), (3.0, 3.0), max_steps=200)
    agent = ParetoQLearning(problems.Plain(env), seed=0, max_points=24).learn(3_000)
    points = agent.front(episodes=4).points
    for extreme in ([3.0, 1.0], [1.0, 3.0], [2.0, 2.0]):
        assert short_of(points, np.array([extreme]), np.array([3.0, 3.0])) < 0.02


def test_resting_for_nothing_is_an_end_at_gamma_one() -> None:
    """Two states and a third that pays nothing for ever without ending the episode: the chain is solved."""

    def outcomes(state: int, action: int) -> list[tuple[float, Any, tuple[float, float], bool]]:
        if state == 2:
            return [(1.0, 2, (0.0, 0.0), False)]
        return [(0.5, 1 - state, ((1.0, 0.0), (0.0, 1.0))[action], False), (0.5, 2, (0.0, 0.0), False)]

    env = environment(outcomes, 1.0, (0.0, 0.0), (2.0, 2.0), None)
    agent = ParetoQLearning(env, seed=0, discount=1.0, max_points_random=8, max_sweeps=30).learn(2_000)
    front = agent.front()
    assert front.covariance is None or not front.covariance.any()
    # Staying earns one of either kind, with probability 1/2, 1/4, 1/8 …
    assert front.points.sum(axis=1) == pytest.approx(np.full(len(front), 1.0))


def test_episodes_that_never_end_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def outcomes(state: int, action: int) -> list[tuple[float, Any, tuple[float, float], bool]]:
        return [(1.0, (state + action) % 3, (1.0, float(action)), False)]

    monkeypatch.setattr("morl.agents.core.evaluation.LONGEST", 300)
    for gamma, wrapper in ((1.0, lambda env: env), (0.9, problems.Plain)):
        env = wrapper(environment(outcomes, gamma, (0.0, 0.0), (10.0, 10.0), None))
        agent = ParetoQLearning(env, seed=0, discount=gamma, max_sweeps=20).learn(300)
        with pytest.raises(EnvError, match="did not end within 300 steps; give it a time limit"):
            agent.front(episodes=2)


def test_a_cycle_behind_a_sure_end_counts_too() -> None:
    """Leaving at once pays (.5, .5); an endless room behind pays (1, 1) in all: it must not be left out."""

    def outcomes(state: int, action: int) -> list[tuple[float, Any, tuple[float, float], bool]]:
        if state == 0 and action == 0:
            return [(1.0, "end", (0.5, 0.5), True)]
        return [(1.0, 1 if state in (0, 2) else 2, (0.1, 0.1), False)]

    env = environment(outcomes, 0.9, (0.0, 0.0), (1.0, 1.0), max_steps=300)
    points = ParetoQLearning(env, seed=0).learn(3_000).front().points
    np.testing.assert_allclose(points, [[1.0, 1.0]], atol=0.01)


def test_sure_ends_are_the_least_set() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        s, a, b = 6, 2, 2
        successor = rng.integers(-2, s, (s, a, b))
        successor[successor[:, :, 0] == -1, 1] = -1
        visits = (successor[:, :, 0] != -1).astype(np.int64)
        counts = Counts(successor, np.ones((s, a, b), dtype=np.int64), np.zeros((s, a, 1)), visits, np.full(s, a))
        depth = np.full(s, np.inf)  # longest episode under the plan that makes it shortest, by value iteration
        for _ in range(s + 1):
            for i in range(s):
                every = [
                    1 + max((0 if t == ENDED else depth[t] for t in successor[i, j] if t != -1), default=np.inf)
                    for j in range(a)
                    if visits[i, j]
                ]
                depth[i] = min(every, default=np.inf)
        assert (surely_ends(counts) == np.isfinite(depth)).all()


def test_no_policy_is_an_error_that_says_why_and_never_an_exact_front() -> None:
    agent = ParetoQLearning(ring(), seed=0)
    with pytest.raises(NoPolicyError, match="nothing has been learned yet"):
        agent.front()
    assert len(agent.learn(1).front()) == 1  # one policy, valued exactly: action 0 for ever
    sets, plans = agent._plans()
    agent._measured = None
    agent._solved = (int(agent.counts.visits.sum()), sets._replace(size=0 * sets.size), plans)
    for ask in (agent.front, lambda: agent.predict(0), lambda: agent.evaluate([0.5, 0.5])):
        with pytest.raises(NoPolicyError, match=r"ParetoQLearning has no policy yet.*learn for longer"):
            ask()
    evaluator = Evaluator(Problem(ring()), np.random.SeedSequence(0))
    with pytest.raises(NoPolicyError, match="no policy to measure"):
        evaluator.evaluate(TablePolicies(None, np.zeros((0, 4), dtype=np.int64)))


def test_callbacks_wait_for_a_first_policy() -> None:
    from morl.agents.core.callbacks import FrontCallback

    watch = FrontCallback(10, episodes=2)
    ParetoQLearning(problems.Plain(ring(max_steps=10)), seed=0).learn(40, callback=watch)
    assert watch.history
    assert all(row["points"] >= 1 for row in watch.history)

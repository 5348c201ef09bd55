"""CMORL: the barrier against its closed form, what is extended, conformance, and a non-convex front."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from morl.agents import CMORL
from morl.agents.core.identity import policy_identities
from morl.testing import check_agent, problems

SMALL: dict[str, Any] = {
    "n_envs": 4, "n_steps": 16, "batch_size": 32, "n_epochs": 1, "rounds": 2, "device": "cpu", "front_policies": 4,
    "policy_kwargs": {"net_arch": [8]},
}  # fmt: skip


def agent_with(returns: Any, floor: Any, improved: list[int], **options: Any) -> CMORL:
    agent = CMORL(problems.many(len(returns[0])), seed=0, **{**SMALL, **options})
    agent.members = len(returns)
    agent.returns, agent.floor = np.array(returns, dtype=float), np.array(floor, dtype=float)
    agent.improved = np.array(improved)
    return agent


def test_the_barrier_pulls_as_its_derivative_says() -> None:
    """Weights are proportional to the gradient of G_l + Σ ψ(G_i − d_i), found here by finite differences."""
    t, gains = 10.0, np.array([2.0, 0.5, 0.03, 0.004, -0.7])
    floors = np.zeros(5)
    agent = agent_with([gains], [floors], [0], barrier=t, n_envs=8)

    def psi(x: float) -> float:  # the logarithm, and its tangent from 1/t² on
        edge = 1 / t**2
        return float(np.log(x) / t if x > edge else np.log(edge) / t + (x - edge) / (t * edge))

    def whole(g: Any) -> float:
        return float(g[0] + sum(psi(x) for x in g[1:]))

    step = 1e-7
    gradient = np.array([(whole(gains + step * e) - whole(gains - step * e)) / (2 * step) for e in np.eye(5)])
    assert agent.barrier_weights()[0] == pytest.approx(gradient / gradient.sum(), rel=1e-4)


def test_the_barrier_is_in_units_of_the_returns() -> None:
    agent = agent_with([[1.0, 50.0], [1.0, 50.0]], [[0.0, 40.0], [0.0, 40.0]], [0, 1])
    agent.net.values_of = lambda name: torch.full((2, 2), 0.0 if name == "mean" else 1.0) * torch.tensor([1.0, 100.0])  # type: ignore[method-assign]
    first, second = agent.barrier_weights()
    assert first == pytest.approx(np.array([1.0, 1 / (20 * 0.1)]) / 1.5)  # a margin of 10 is a tenth of a deviation
    assert second == pytest.approx(np.array([1 / 20, 1.0]) / 1.05)


def test_a_constraint_that_is_broken_pulls_with_weight_t() -> None:
    agent = agent_with([[5.0, -1.0]], [[0.0, 0.0]], [0], barrier=7.0)
    assert agent.barrier_weights()[0] == pytest.approx([1 / 8, 7 / 8])


def test_the_loneliest_policies_are_extended_once_for_each_objective() -> None:
    agent = CMORL(problems.deterministic(), seed=0, n_policies=4, **{**SMALL, "n_envs": 8})
    agent._grow(4)
    size = agent.net.row(0).size
    agent._first_stage, agent.num_timesteps, agent.target_timesteps = 10, 10, 1000
    agent._member, agent._whole = np.arange(8) // 2, np.ones(8, dtype=bool)
    for i, point in enumerate([(0.0, 10.0), (4.0, 9.0), (4.5, 8.5), (5.0, 8.0), (10.0, -1.0)]):
        agent.kept.offer(np.array(point), np.full(size, float(i), dtype=np.float32))
    agent._extend()
    started = [int(agent.net.row(i)[0]) for i in range(4)]
    assert sorted(set(started)) == [0, 4]  # the ends of the front
    assert sorted(zip(started, agent.improved.tolist(), strict=True)) == [(0, 0), (0, 1), (4, 0), (4, 1)]
    low = agent.floor[started.index(4)]
    assert low == pytest.approx([10.0 - 0.1 * 10.0, -1.0 - 0.1 * 11.0])  # of a negative return: a tenth of the spread
    assert agent.episodes.tolist() == [0] * 4
    assert not agent._whole.any()
    assert agent._round_end > 10


def test_episodes_that_began_under_another_policy_do_not_count() -> None:
    agent = CMORL(problems.deterministic(), seed=0, **SMALL)
    agent._member, agent._whole = np.array([0, 0, 1, 1]), np.array([True, True, True, False])
    earned = np.array([[4.0, 0.0], [2.0, 0.0], [9.0, 9.0]])
    agent._episodes_ended(np.array([0, 1, 3]), np.array([0, 0, 1]), earned)
    assert agent.episodes.tolist()[:2] == [2, 0]
    assert agent.returns[0] == pytest.approx([3.0, 0.0])
    agent._draw(np.array([3]), np.random.default_rng(0))
    agent._episodes_ended(np.array([3]), np.array([1]), earned[:1])
    assert agent.episodes.tolist()[:2] == [2, 1]


def test_kept_policies_stay_what_they_were() -> None:
    agent = CMORL(problems.Target(), seed=0, **SMALL).learn(800)
    assert len(agent.kept)
    statistics = agent.normaliser.arrays()
    number, row = int(agent.kept.numbers[0]), agent.kept.rows[0].copy()
    kept, everyone = np.arange(len(agent.kept)), agent._policies(None)
    identities = dict(zip(agent.kept.numbers.tolist(), policy_identities(agent, everyone, kept), strict=True))
    agent.learn(300)
    assert all(np.array_equal(value, statistics[name]) for name, value in agent.normaliser.arrays().items())
    again = agent.kept.numbers.tolist()
    for i, name in zip(again, policy_identities(agent, agent._policies(None), np.arange(len(again))), strict=True):
        assert identities.get(i, name) == name
    assert number not in again or np.array_equal(agent.kept.rows[again.index(number)], row)
    assert len(set(again)) == len(again)


def test_too_few_steps_are_said_and_what_would_do() -> None:
    with pytest.warns(UserWarning, match="600 steps are too few for 2 policies and a second stage.*at least 10,240"):
        CMORL(problems.Target(), seed=0, **SMALL).learn(600)


@pytest.mark.filterwarnings("ignore:.*too few")
def test_no_episode_in_the_first_stage_is_said() -> None:
    class Long(problems.Target):
        def __init__(self) -> None:
            super().__init__()
            self.mo_spec = self.mo_spec.__class__(**{**vars(self.mo_spec), "horizon": None})

        def step(self, action: Any) -> Any:
            obs, reward, _, _, info = super().step(action)
            return obs, reward, False, False, info

    with pytest.warns(UserWarning, match="no episode has ended in"):
        agent = CMORL(Long(), seed=0, discount=0.9, **SMALL).learn(400)
    assert agent.in_first_stage


# ---- conformance ------------------------------------------------------------------------------------------

QUICK = ("resume", "save_and_load", "broken_rewards", "wrong_inputs", "preferences", "describes_itself")
SLOWER = ("same_seed", "autoreset_modes", "evaluation_is_harmless")


@pytest.mark.filterwarnings("ignore:.*too few", "ignore:.*no episode")
@pytest.mark.parametrize("check", QUICK)
def test_conformance(check: str) -> None:
    check_agent("CMORL", SMALL, only=[check], steps=400)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*too few", "ignore:.*no episode")
@pytest.mark.parametrize(
    ("check", "actions"), [*((x, "discrete") for x in SLOWER), *((x, "continuous") for x in QUICK)]
)
def test_conformance_with_either_kind_of_action(check: str, actions: str) -> None:
    check_agent("CMORL", SMALL, only=[check], steps=400, actions=actions)


@pytest.mark.slow
@pytest.mark.parametrize("actions", ["discrete", "continuous"])
def test_optima_of_tiny_problems(actions: str) -> None:
    names = ["optimum_deterministic", "optimum_stochastic", "truncation"]
    options = {"device": "cpu", "n_envs": 16, "n_steps": 16, "rounds": 6, "n_policies": 3}
    check_agent("CMORL", options, only=names, actions=actions, tolerance=0.05)

"""CAPQL: conformance, the squashed density against numerical integration, and what the concave term does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from morl.agents.capql import CAPQL
from morl.agents.neural.actors import GaussianActor
from morl.agents.neural.networks import Trunk
from morl.agents.neural.training import follow
from morl.testing import problems
from morl.testing.agents import CHECKS, Case

OPTIONS = {
    "n_envs": 8,
    "learning_starts": 100,
    "net_arch": (32,),
    "batch_size": 32,
    "front_weights": 12,
    "train_freq": 8,
}
CASE = Case(CAPQL, OPTIONS, optimum_steps=5000, optimum_options={"train_freq": 4, "learning_rate": 2e-3, "tau": 0.02})


@pytest.mark.parametrize("name", CHECKS)
def test_conforms(name: str) -> None:
    CHECKS[name](CASE)


def test_density_of_squashed_actions_integrates_to_one() -> None:
    torch.manual_seed(0)
    actor = GaussianActor(Trunk(3, (8,), preference=2), 1)
    raw = torch.linspace(-12, 12, 20001)
    obs, weights = torch.ones(1, 3), torch.tensor([[0.3, 0.7]])
    with torch.no_grad():
        mean, log_std = actor(obs, weights)
        noise = ((raw[:, None] - mean) / log_std.exp()).float()
        n = len(raw)
        actions, log_prob = actor.sample(obs.expand(n, -1), weights.expand(n, -1), noise)
    order = torch.argsort(actions[:, 0])
    area = torch.trapezoid(log_prob[:, 0].exp()[order].double(), actions[order, 0].double())
    assert float(area) == pytest.approx(1.0, abs=5e-3)


def test_more_concavity_means_more_entropy() -> None:
    spreads = []
    for alpha in (0.001, 1.0):
        agent = CAPQL(problems.Target(), seed=0, **OPTIONS, alpha=alpha)
        agent.learn(6000)
        with torch.no_grad():
            obs = torch.zeros(1, agent.rows.size)
            spreads.append(float(agent.actor(obs, torch.tensor([[0.5, 0.5]]))[1].mean()))
    assert spreads[1] > spreads[0] + 0.5


def test_reports_the_running_average_of_the_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = CAPQL(problems.Target(), seed=0, **{**OPTIONS, "tau": 0.25, "policy_delay": 3})
    actors, averages = [], []

    def weights_of(module: torch.nn.Module) -> torch.Tensor:
        return torch.nn.utils.parameters_to_vector(module.parameters()).detach()

    def spy(target: torch.nn.Module, source: torch.nn.Module, tau: float) -> None:
        follow(target, source, tau)
        if target is agent.actor_average:
            actors.append(weights_of(source))
            averages.append(weights_of(target))

    monkeypatch.setattr("morl.agents.capql.follow", spy)
    before = weights_of(agent.actor_average)
    agent.learn(400)
    assert len(actors) == -(-agent.updates // 3)  # the first update improves the actor, then every third
    for actor, average in zip(actors, averages, strict=True):
        before = 0.75 * before + 0.25 * actor
        torch.testing.assert_close(average, before)
    observation, weights = np.zeros(1, dtype=np.float32), np.array([0.2, 0.8])
    encoded, w = agent.rows(observation[None]), weights[None].astype(np.float32)
    reported, _ = agent.predict(observation, preference=weights, deterministic=True)
    assert reported == pytest.approx(agent.mean_actions(agent.actor_average, encoded, w)[0], abs=1e-6)
    assert reported != pytest.approx(agent.mean_actions(agent.actor, encoded, w)[0], abs=1e-4)


def test_entropy_is_tuned_to_the_one_wanted() -> None:
    """After learning a little the policy's entropy is nearer to what is aimed at than without tuning."""
    gaps = []
    for alpha in (None, 20.0):
        agent = CAPQL(problems.Target(), seed=0, **OPTIONS, alpha=alpha, target_entropy=-1.5)
        agent.learn(6000)
        rng = np.random.default_rng(0)
        obs, weights = (
            agent._tensor(np.zeros((500, agent.rows.size), np.float32)),
            agent._tensor(agent._draw(500, rng)),
        )
        with torch.no_grad():
            _, log_prob = agent.actor.sample(obs, weights, agent._noise(500, rng))
        gaps.append(abs(-float(log_prob.mean()) - -1.5 * agent.size))
    assert gaps[0] < 1.0 < gaps[1]


def test_alpha_is_shared_out_over_the_steps_of_an_episode() -> None:
    class Short(problems.Target):
        _max_episode_steps = 5

    assert CAPQL(problems.Target(), seed=0, discount=0.99).per_step(0.5) == 0.5
    assert CAPQL(Short(), seed=0, discount=0.9).per_step(0.5) == pytest.approx(0.1)
    assert CAPQL(Short(), seed=0, discount=0.5).per_step(0.5) == pytest.approx(0.25)
    assert CAPQL(Short(), seed=0, discount=1.0).per_step(0.5) == pytest.approx(0.1)

"""CAPQL: conformance, the squashed density against numerical integration, and what the concave term does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from morl.agents.capql import CAPQL, GaussianActor
from morl.testing import problems
from morl.testing.agents import CHECKS, Case

OPTIONS = {"n_envs": 8, "start": 100, "hidden": (32,), "batch": 32, "front_weights": 12, "train_every": 8}
CASE = Case(CAPQL, OPTIONS, optimum_steps=5000, optimum_options={"train_every": 4, "lr": 2e-3, "tau": 0.02})


@pytest.mark.parametrize("name", CHECKS)
def test_conforms(name: str) -> None:
    CHECKS[name](CASE)


def test_density_of_squashed_actions_integrates_to_one() -> None:
    torch.manual_seed(0)
    actor = GaussianActor(3, 2, 1, (8,), "concat")
    raw = torch.linspace(-12, 12, 20001)
    obs, weights = torch.ones(1, 3), torch.tensor([[0.3, 0.7]])
    with torch.no_grad():
        mean, log_std = actor(obs, weights)
        noise = ((raw[:, None] - mean) / log_std.exp()).float()
        n = len(raw)
        actions, log_prob = actor.sample(obs.expand(n, -1), weights.expand(n, -1), noise)
    order = torch.argsort(actions[:, 0])
    area = torch.trapezoid(log_prob.exp()[order].double(), actions[order, 0].double())
    assert float(area) == pytest.approx(1.0, abs=5e-3)


def test_more_concavity_means_more_entropy() -> None:
    spreads = []
    for alpha in (0.001, 1.0):
        agent = CAPQL(problems.Target(), seed=0, **OPTIONS, alpha=alpha)
        agent.learn(6000)
        with torch.no_grad():
            obs = torch.zeros(1, agent.encoder.size)
            spreads.append(float(agent.actor(obs, torch.tensor([[0.5, 0.5]]))[1].mean()))
    assert spreads[1] > spreads[0] + 0.5


def test_reports_the_running_average_of_the_actor() -> None:
    agent = CAPQL(problems.Target(), seed=0, **{**OPTIONS, "tau": 0.25, "actor_every": 3})
    steps, averages = [], []
    follow = agent.average.follow

    def spy(tau: float) -> None:
        steps.append(agent.optimizer.values.clone())
        follow(tau)
        averages.append(agent.average.values.clone())

    agent.average.follow = spy  # type: ignore[method-assign]
    before = agent.average.values.clone()
    agent.learn(400)
    assert len(steps) == -(-agent.updates // 3)  # the first update improves the actor, then every third
    for actor, average in zip(steps, averages, strict=True):
        before = 0.75 * before + 0.25 * actor
        torch.testing.assert_close(average, before)
    observation, weights = np.zeros(1, dtype=np.float32), np.array([0.2, 0.8])
    encoded, w = agent.encoder(observation[None]), weights[None].astype(np.float32)
    reported, _ = agent.predict(observation, preference=weights, deterministic=True)
    assert reported == pytest.approx(agent.average.net.act(encoded, w, None)[0], abs=1e-6)
    assert reported != pytest.approx(agent.actor.act(encoded, w, None)[0], abs=1e-4)

"""CAPQL: conformance, the squashed density against numerical integration, and what the concave term does."""

from __future__ import annotations

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

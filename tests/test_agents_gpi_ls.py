"""GPI with linear support: conformance for both kinds of actions, GPI by brute force, corners measured once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from morl.agents.gpi_ls import GPILS, TD3, DoubleQ
from morl.agents.neural.actors import Actor
from morl.agents.neural.networks import Trunk
from morl.agents.neural.off_policy import Batch
from morl.agents.neural.training import seeded
from morl.testing import problems
from morl.testing.agents import CHECKS, Case

OPTIONS = {
    "n_envs": 8, "learning_starts": 100, "net_arch": (32,), "batch_size": 32, "front_weights": 12, "train_freq": 8,
    "iteration": 300,
}  # fmt: skip
MORE = {"train_freq": 4, "learning_rate": 2e-3, "learning_rate_continuous": 2e-3, "tau": 0.02}
CASES = {
    "discrete": Case(GPILS, OPTIONS, optimum_steps=8000, optimum_options=MORE),
    "continuous": Case(GPILS, OPTIONS, optimum_steps=5000, optimum_options=MORE, actions="continuous"),
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("kind", CASES)
def test_conforms(kind: str, name: str) -> None:
    CHECKS[name](CASES[kind])


def test_gpi_by_brute_force() -> None:
    agent = GPILS(problems.many(3), seed=0, net_arch=(16,))
    learner = agent.learner
    assert isinstance(learner, DoubleQ)
    rng = np.random.default_rng(0)
    encoded = rng.normal(size=(6, agent.rows.size)).astype(np.float32)
    weights = rng.dirichlet(np.ones(3), 6).astype(np.float32)
    support = rng.dirichlet(np.ones(3), 4).astype(np.float32)
    chosen = learner.act(encoded, weights, support)
    for i in range(6):
        best = np.stack(
            [learner.values(encoded[i : i + 1], w[None])[0] @ weights[i] for w in [weights[i], *support]]
        ).max(axis=0)
        assert chosen[i] == best.argmax()


def test_the_loss_is_clipped_double_q() -> None:
    """Goals row by row: of the action whose smaller utility is largest, the vector of the smaller critic."""
    agent = GPILS(problems.many(3), seed=0, net_arch=(16, 24))
    learner, rng, n = agent.learner, np.random.default_rng(0), 7
    assert isinstance(learner, DoubleQ)
    with torch.no_grad():
        for parameter in learner.targets.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)) * 0.1)
    obs, next_obs = (torch.from_numpy(rng.normal(size=(n, agent.rows.size)).astype(np.float32)) for _ in range(2))
    actions, rewards = (
        torch.from_numpy(rng.integers(learner.n_actions, size=n)),
        torch.from_numpy(rng.normal(size=(n, 3)).astype(np.float32)),
    )
    batch = Batch(obs, actions, rewards, next_obs, torch.tensor([1.0, 0.0] * 3 + [1.0])[:, None])
    weights = torch.from_numpy(rng.dirichlet(np.ones(3), n).astype(np.float32))
    with torch.no_grad():
        first, second = learner.targets.values(next_obs, weights)
        goal = rewards.clone()
        for i in range(n):
            one, two = first[i] @ weights[i], second[i] @ weights[i]
            a = int(torch.minimum(one, two).argmax())
            ahead = first[i, a] if one[a] <= two[a] else second[i, a]
            goal[i] += agent.discount * float(batch.not_terminated[i]) * ahead
    losses = learner.losses(batch, weights).detach()  # also takes the goal's units
    torch.testing.assert_close(losses, learner.critics.squared_errors(obs, weights, goal, actions).detach())


def test_every_corner_is_measured_once() -> None:
    agent = GPILS(problems.deterministic(), seed=0, **{**OPTIONS, "iteration": 200})
    measured: list[bytes] = []
    measure = agent._measure

    def spy(weights: np.ndarray) -> np.ndarray:
        if weights is not agent.weights:
            measured.extend(w.round(3).tobytes() for w in weights)
        return measure(weights)

    agent._measure = spy  # type: ignore[method-assign]
    agent.learn(3000)
    assert len(measured) == len(set(measured)) == len(agent.corners)
    assert agent.eval_steps > 0


def test_measuring_weights_keeps_to_its_share_of_the_steps() -> None:
    """Choices of weights wait where episodes are long; the last one may go beyond by an episode of each policy."""
    agent = GPILS(problems.deterministic(), seed=0, **{**OPTIONS, "iteration": 100, "measure_share": 0.05})
    agent.learn(3000)
    assert 0 < agent.measuring_steps == agent.eval_steps
    few = agent.measuring_steps
    assert few <= 0.05 * 3000 + 20 * len(agent.weights)
    agent = GPILS(problems.deterministic(), seed=0, **{**OPTIONS, "iteration": 100, "measure_share": 10.0})
    assert agent.learn(3000).measuring_steps > 2 * few


def test_the_newest_weight_gets_its_share() -> None:
    agent = GPILS(problems.deterministic(), seed=0, **{**OPTIONS, "share": 0.5})
    agent.weights = np.array([[0.3, 0.7], [1.0, 0.0], [0.0, 1.0]])
    drawn = agent._draw(6000, np.random.default_rng(0))
    assert np.isclose(drawn[:, 0], 0.3).mean() == pytest.approx(0.5 + 0.5 / 3, abs=0.02)


def test_some_weights_are_drawn_over_the_whole_simplex() -> None:
    agent = GPILS(problems.deterministic(), seed=0, **{**OPTIONS, "spread": 0.4})
    drawn = agent._draw(6000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0, rtol=1e-6)
    inside = (drawn > 0).all(axis=1)  # the support weights are the corners of the simplex
    assert inside.mean() == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize("size", [1, 4])
def test_an_actor_plays_its_ends_and_comes_back(size: int) -> None:
    """Pushed up by a linear critic for long, then down for as short: all components turn over."""
    obs = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    weights = torch.full((50, 2), 0.5)
    with seeded(0):
        actor = Actor(Trunk(3, (8,), preference=2), size)
    steps = torch.optim.Adam(actor.parameters(), lr=1e-2)
    for direction, rounds in ((1.0, 1000), (-1.0, 200)):
        for _ in range(rounds):
            actions, excess = actor.actions_and_excess(obs, weights)
            steps.zero_grad()
            (TD3.EXCESS * excess - direction * actions.mean()).backward()
            steps.step()
        assert (direction * actor(obs, weights)).min() > 0.95


def test_continuous_actions_are_those_of_the_slow_actor_for_the_weight_itself() -> None:
    agent = GPILS(problems.Target(), seed=0, **OPTIONS)
    agent.learn(600)
    learner = agent.learner
    assert isinstance(learner, TD3)
    encoded, weights = np.zeros((1, agent.rows.size), np.float32), np.array([[0.2, 0.8]], np.float32)
    reported = learner.act(encoded, weights, np.eye(2, dtype=np.float32))
    assert reported == pytest.approx(learner._actions(learner.actor_target, encoded, weights))
    assert reported != pytest.approx(learner._actions(learner.actor, encoded, weights), abs=1e-4)

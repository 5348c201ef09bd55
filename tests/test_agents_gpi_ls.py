"""GPI with linear support: conformance for both kinds of actions, GPI by brute force, corners measured once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from morl.agents.conditioned_td3 import Actor, BoxLearner
from morl.agents.gpi_learners import DiscreteLearner
from morl.agents.gpi_ls import GPILS
from morl.agents.neural.twins import smaller
from morl.testing import problems
from morl.testing.agents import CHECKS, Case

OPTIONS = {
    "n_envs": 8, "start": 100, "hidden": (32,), "batch": 32, "front_weights": 12, "train_every": 8, "iteration": 300,
}  # fmt: skip
MORE = {"train_every": 4, "lr": 2e-3, "box_lr": 2e-3, "tau": 0.02}
CASES = {
    "discrete": Case(GPILS, OPTIONS, optimum_steps=8000, optimum_options=MORE),
    "continuous": Case(GPILS, OPTIONS, optimum_steps=5000, optimum_options=MORE, actions="continuous"),
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("kind", CASES)
def test_conforms(kind: str, name: str) -> None:
    CHECKS[name](CASES[kind])


def test_gpi_by_brute_force() -> None:
    agent = GPILS(problems.many(3), seed=0, hidden=(16,))
    learner = agent.learner
    assert isinstance(learner, DiscreteLearner)
    rng = np.random.default_rng(0)
    encoded = rng.normal(size=(6, agent.encoder.size)).astype(np.float32)
    weights = rng.dirichlet(np.ones(3), 6).astype(np.float32)
    practised = rng.dirichlet(np.ones(3), 4).astype(np.float32)
    chosen = learner.gpi(encoded, weights, practised)
    for i in range(6):
        best = np.stack(
            [learner.values(encoded[i : i + 1], w[None])[0] @ weights[i] for w in [weights[i], *practised]]
        ).max(axis=0)
        assert chosen[i] == best.argmax()


def test_the_update_is_clipped_double_q() -> None:
    """Goals and gradients that are written out are those of the definition, by autograd."""
    agent = GPILS(problems.many(3), seed=0, hidden=(16, 24))
    learner = agent.learner
    assert isinstance(learner, DiscreteLearner)
    twins, rng, n = learner.twins, np.random.default_rng(0), 7
    twins.target.values.add_(torch.randn(twins.target.values.shape, generator=torch.Generator().manual_seed(0)) * 0.1)
    batch = {
        "obs": torch.from_numpy(rng.normal(size=(n, agent.encoder.size)).astype(np.float32)),
        "action": torch.from_numpy(rng.integers(learner.n_actions, size=n)),
        "reward": torch.from_numpy(rng.normal(size=(n, 3)).astype(np.float32)),
        "after": torch.from_numpy(rng.normal(size=(n, agent.encoder.size)).astype(np.float32)),
        "going": torch.tensor([1.0, 0.0] * 3 + [1.0]),
    }
    weights = torch.from_numpy(rng.dirichlet(np.ones(3), n).astype(np.float32))
    with torch.no_grad():
        first, second = twins.targets.values(batch["after"], weights)
        asked = weights[:, :, None]
        best, row = torch.minimum(first @ asked, second @ asked)[:, :, 0].argmax(dim=1), torch.arange(n)
        ahead = smaller(first[row, best], second[row, best], weights)
        goal = batch["reward"] + agent.discount * batch["going"][:, None] * ahead
    twins.optimizer.lr = 0.0
    learner.update(batch, weights, rng)  # also takes the goal's units
    parameters = list(twins.nets.requires_grad_().parameters())
    wanted, loss = twins.nets.first.head.normalise(goal), torch.zeros(())
    for net in (twins.nets.first, twins.nets.second):
        loss = loss + ((net(batch["obs"], weights)[row, batch["action"]] - wanted) ** 2).mean()
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)


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


def test_the_newest_weight_gets_its_share() -> None:
    agent = GPILS(problems.deterministic(), seed=0, **{**OPTIONS, "share": 0.5})
    agent.weights = np.array([[0.3, 0.7], [1.0, 0.0], [0.0, 1.0]])
    drawn = agent._draw(6000, np.random.default_rng(0))
    assert np.isclose(drawn[:, 0], 0.3).mean() == pytest.approx(0.5 + 0.5 / 3, abs=0.02)


def test_some_weights_are_drawn_over_the_whole_simplex() -> None:
    agent = GPILS(problems.deterministic(), seed=0, **{**OPTIONS, "spread": 0.4})
    drawn = agent._draw(6000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0, rtol=1e-6)
    inside = (drawn > 0).all(axis=1)  # the practised weights are the corners of the simplex
    assert inside.mean() == pytest.approx(0.4, abs=0.02)


def test_large_outputs_do_not_drive_actions_to_the_bounds() -> None:
    actor = Actor(3, 2, 4, (8,), "concat")
    with torch.no_grad():
        actor.head.weight.mul_(1000.0)
        actions = actor(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), torch.full((50, 2), 0.5))
    assert torch.atanh(actions.double().clamp(-1 + 1e-7, 1 - 1e-7)).abs().mean(dim=1).max() < 1.01


def test_smaller_takes_whole_vectors() -> None:
    first, second = torch.tensor([[1.0, 9.0], [5.0, 5.0]]), torch.tensor([[4.0, 0.0], [0.0, 20.0]])
    weights = torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    assert smaller(first, second, weights).tolist() == [[1.0, 9.0], [5.0, 5.0]]


def test_continuous_actions_are_those_of_the_slow_actor() -> None:
    agent = GPILS(problems.Target(), seed=0, **OPTIONS)
    agent.learn(600)
    learner = agent.learner
    assert isinstance(learner, BoxLearner)
    encoded, weights = np.zeros((1, agent.encoder.size), np.float32), np.array([[0.2, 0.8]], np.float32)
    reported = learner.gpi(encoded, weights, weights)
    assert reported == pytest.approx(learner.target.net.act(encoded, weights))
    assert reported != pytest.approx(learner.actor.act(encoded, weights), abs=1e-4)

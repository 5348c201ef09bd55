"""Envelope and vector Q(λ): conformance, the envelope by brute force, λ-returns by definition, weights, statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from morl.agents.envelope import Envelope
from morl.agents.neural.conditioned import greedy, reported_weights, training_weights
from morl.agents.neural.networks import PopArt
from morl.agents.vector_q_lambda import VectorQLambda, lambda_returns
from morl.spec import MOSpec, Objective
from morl.testing import problems
from morl.testing.agents import CHECKS, Case

CASES = {
    "envelope": Case(
        Envelope,
        {"n_envs": 8, "start": 100, "hidden": (32,), "batch": 32, "front_weights": 12, "train_every": 8},
        optimum_steps=8000,
        optimum_options={"train_every": 4, "lr": 2e-3, "tau": 0.02},
    ),
    "q_lambda": Case(
        VectorQLambda,
        {"n_envs": 16, "steps": 16, "hidden": (32,), "front_weights": 12},
        optimum_options={"lr": 2e-3},
    ),
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("agent", CASES)
def test_conforms(agent: str, name: str) -> None:
    CHECKS[name](CASES[agent])


def test_deduplicated_envelope_is_the_envelope() -> None:
    agent = Envelope(problems.many(3), seed=0, hidden=(16,), batch=5, batch_weights=4)
    rng = np.random.default_rng(0)
    weights = torch.from_numpy(rng.dirichlet(np.ones(3), 4).astype(np.float32))
    states = torch.from_numpy(rng.normal(size=(5, agent.encoder.size)).astype(np.float32))
    with torch.no_grad():
        for parameter in agent.target.net.parameters():
            parameter.add_(0.1)
        rows = agent.dense.join(states.numpy()[:, None], weights.numpy())
        fast = torch.from_numpy(agent._envelope(rows, agent.dense.features(rows), weights.numpy()))
        for i in range(5):
            for j in range(4):
                best, value = -np.inf, None
                for w in weights:
                    online = agent.net.values(states[i : i + 1], w[None])[0]
                    frozen = agent.target.net.values(states[i : i + 1], w[None])[0]
                    for a in range(agent.n_actions):
                        if float(weights[j] @ online[a]) > best:
                            best, value = float(weights[j] @ online[a]), frozen[a]
                assert value is not None
                torch.testing.assert_close(fast[i, j], value)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_the_update_descends_the_papers_loss(layer_norm: bool) -> None:
    """The gradient that is written out is that of L = (1 − β) ‖y − Q‖² + β (w·y − w·Q)² by autograd."""
    agent = Envelope(problems.many(3), seed=0, hidden=(16, 24), layer_norm=layer_norm, homotopy=0.4)
    agent.num_timesteps = agent.target_timesteps = 10  # β is what it is at the end
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(3), 4).astype(np.float32)
    obs, goal = rng.normal(size=(5, agent.encoder.size)).astype(np.float32), rng.normal(size=(5, 4, 3))
    action = rng.integers(agent.n_actions, size=5)
    head = agent.net.head
    head.update(torch.from_numpy(2 + 5 * rng.normal(size=(50, 3)).astype(np.float32)))
    agent.optimizer.lr = 0.0
    w = torch.from_numpy(weights).repeat(5, 1)
    out = head(agent.net.trunk(torch.from_numpy(obs).repeat_interleave(4, dim=0), w))
    chosen = out[torch.arange(20), torch.from_numpy(action).repeat_interleave(4)]
    error = head.normalise(torch.from_numpy(goal.astype(np.float32)).view(20, 3)) - chosen
    unit = torch.nn.functional.normalize(w * head.std, dim=1)
    loss = 0.6 * (error**2).mean() + 0.4 * ((unit * error).sum(dim=1) ** 2).mean()
    wanted = torch.autograd.grad(loss, list(agent.net.parameters()))
    kept: list[object] = []
    features = agent.dense.features(agent.dense.join(obs[:, None], weights), kept)
    agent._fit(features, kept, action, weights, goal.astype(np.float32))
    for parameter, gradient in zip(agent.net.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)


def test_lambda_returns_by_definition() -> None:
    """λ-returns are the weighted mean of all n-step returns, cut where an episode ends."""
    rng = np.random.default_rng(0)
    steps, gamma, lam = 6, 0.9, 0.7
    rewards, values = rng.normal(size=(steps, 1, 2)), rng.normal(size=(steps, 1, 2))
    cut = rng.normal(size=(steps, 1, 2))
    follows = np.ones((steps, 1), bool)
    follows[3] = False  # truncated: bootstraps from its own value
    out = lambda_returns(rewards, values, cut, follows, gamma, lam)

    def n_step(t: int, n: int) -> np.ndarray:
        total = np.zeros(2)
        for i in range(n):
            total += gamma**i * rewards[t + i, 0]
            if not follows[t + i, 0]:
                return np.asarray(total + gamma ** (i + 1) * cut[t + i, 0])
        return np.asarray(total + gamma**n * values[t + n - 1, 0])

    for t in range(steps):
        longest = steps - t
        expected = sum((1 - lam) * lam ** (n - 1) * n_step(t, n) for n in range(1, longest))
        expected = expected + lam ** (longest - 1) * n_step(t, longest)
        np.testing.assert_allclose(out[t, 0], expected)


def test_watkins_stops_before_a_stray_action() -> None:
    rewards, values = np.ones((3, 1, 1)), np.array([[[10.0]], [[20.0]], [[30.0]]])
    strays = np.array([[False], [True], [False]])
    out = lambda_returns(rewards, values, 0 * values, np.ones((3, 1), bool), 1.0, 1.0, strays)
    assert out.ravel().tolist() == [11.0, 32.0, 31.0]


def spec(scale: tuple[tuple[float, ...], tuple[float, ...]] | None) -> MOSpec:
    objectives = tuple(Objective(f"r{i}", "1", -1.0, 1.0) for i in range(3))
    return MOSpec(objectives, discount=0.9, ref_point=(0.0,) * 3, return_scale=scale)


def test_weights_cover_the_simplex_in_both_units() -> None:
    rng = np.random.default_rng(0)
    plain = training_weights(4000, spec(None), rng)
    np.testing.assert_allclose(plain.sum(axis=1), 1)
    np.testing.assert_allclose(plain.mean(axis=0), 1 / 3, atol=0.02)
    scaled = training_weights(4000, spec(((0.0, 0.0, 0.0), (1.0, 1.0, 100.0))), rng)
    np.testing.assert_allclose(scaled.sum(axis=1), 1)
    assert 0.35 < (scaled[:, 2] < 0.05).mean() < 0.65  # half of them mean something for the large objective
    grid = reported_weights(60, spec(((0.0, 0.0, 0.0), (1.0, 1.0, 100.0))))
    assert len(np.unique(grid.round(9), axis=0)) == len(grid) <= 62


def test_greedy_by_hand() -> None:
    values = np.array([[[1.0, 0.0], [0.0, 3.0]]] * 2)
    assert greedy(values, np.array([[0.9, 0.1], [0.5, 0.5]])).tolist() == [0, 1]


def test_followers_keep_units_and_outputs() -> None:
    torch.manual_seed(0)
    leader, follower = PopArt(4, 2, 3), PopArt(4, 2, 3)
    features = torch.randn(5, 4)
    before = follower.denormalise(follower(features)).detach()
    leader.update(torch.tensor([[100.0, -3.0], [300.0, 5.0]]), [follower])
    torch.testing.assert_close(follower.denormalise(follower(features)).detach(), before, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(follower.mean, leader.mean)
    torch.testing.assert_close(follower.std, leader.std)
    torch.testing.assert_close(leader.std, torch.tensor([100.0, 4.0]))

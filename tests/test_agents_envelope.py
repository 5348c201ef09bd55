"""Envelope and vector Q(λ): conformance, the envelope by brute force, λ-returns by definition, weights, statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from morl.agents.envelope import Envelope
from morl.agents.neural.conditioned import greedy, reported_weights, training_weights
from morl.agents.neural.off_policy import Batch
from morl.agents.vector_q_lambda import VectorQLambda, lambda_returns
from morl.spec import MOSpec, Objective
from morl.testing import problems
from morl.testing.agents import CHECKS, Case

CASES = {
    "envelope": Case(
        Envelope,
        {
            "n_envs": 8,
            "learning_starts": 100,
            "net_arch": (32,),
            "batch_size": 32,
            "front_weights": 12,
            "train_freq": 8,
        },
        optimum_steps=8000,
        optimum_options={"train_freq": 4, "learning_rate": 2e-3, "tau": 0.02},
    ),
    "q_lambda": Case(
        VectorQLambda,
        {"n_envs": 16, "n_steps": 16, "net_arch": (32,), "front_weights": 12},
        optimum_options={"learning_rate": 2e-3},
    ),
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("agent", CASES)
def test_conforms(agent: str, name: str) -> None:
    CHECKS[name](CASES[agent])


def batch_of(agent: Envelope, n: int) -> Batch:
    """n transitions of random numbers, every second one the last of its episode."""
    rng = np.random.default_rng(0)
    obs, next_obs = (torch.from_numpy(rng.normal(size=(n, agent.rows.size)).astype(np.float32)) for _ in range(2))
    rewards = torch.from_numpy(rng.normal(size=(n, agent.k)).astype(np.float32))
    actions = torch.from_numpy(rng.integers(agent.n_actions, size=n))
    return Batch(obs, actions, rewards, next_obs, (torch.arange(n) % 2)[:, None].float())


def weights_of(agent: Envelope, m: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).dirichlet(np.ones(agent.k), m).astype(np.float32))


def test_targets_are_the_envelope() -> None:
    """y = r + γ Q⁻(s', a*, w*) where a* and w* maximise w · Q(s', a, w'), one transition and weight at a time."""
    agent = Envelope(problems.many(3), seed=0, net_arch=(16,))
    batch, weights = batch_of(agent, 5), weights_of(agent, 4)
    with torch.no_grad():
        for parameter in agent.target.parameters():
            parameter.add_(0.1)
        targets = agent.envelope_target(batch, weights)
        for i in range(5):
            for j in range(4):
                best, value = -np.inf, torch.zeros(3)
                for w in weights:
                    online = agent.net.values(batch.next_obs[i : i + 1], w[None])[0]
                    slow = agent.target.values(batch.next_obs[i : i + 1], w[None])[0]
                    for a in range(agent.n_actions):
                        if float(weights[j] @ online[a]) > best:
                            best, value = float(weights[j] @ online[a]), slow[a]
                expected = batch.rewards[i] + agent.discount * batch.not_terminated[i] * value
                torch.testing.assert_close(targets[i, j], expected)


@pytest.mark.parametrize("beta", [0.0, 0.4])
def test_the_loss_is_the_papers(beta: float) -> None:
    """L = (1 − β) ‖y − Q‖² + β (w·y − w·Q)², in units of the returns' deviation, summed pair by pair."""
    agent = Envelope(problems.many(3), seed=0, net_arch=(16, 24))
    batch, weights = batch_of(agent, 5), weights_of(agent, 4)
    per_objective, rest = agent.losses(batch, weights, beta)  # also takes the targets' units
    loss = float((per_objective.sum() + rest).detach())
    targets, vector, scalar = agent.envelope_target(batch, weights), [], []
    with torch.no_grad():
        for i in range(5):
            for j in range(4):
                q = agent.net(batch.obs[i : i + 1], weights[j : j + 1])[0, batch.actions[i]]
                error = (targets[i, j] - agent.net.head.mean) / agent.net.head.std - q
                w = weights[j] * agent.net.head.std
                vector.append(float(error @ error) / 3)
                scalar.append(float(w @ error / w.norm()) ** 2)
    assert loss == pytest.approx((1 - beta) * np.mean(vector) + beta * np.mean(scalar), rel=1e-4)


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

"""Balanced gradients: the axioms of each direction, GradNorm's goal, and that only what is shared is balanced."""

from __future__ import annotations

import numpy as np
import pytest

from morl.agents import CAPQL, GPILS, ConditionedPPO
from morl.spec import AgentError, MissingExtraError, UnknownNameError

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from morl.agents.core.errors import DivergedError  # noqa: E402
from morl.agents.neural.balance import BALANCES, Balance, lowest_cosine  # noqa: E402
from morl.agents.neural.directions import mgda, nash  # noqa: E402

TORCHJD = ("pcgrad", "cagrad", "upgrad", "imtl_g")
SEA, CAR = "morl/DeepSeaTreasure-v0", "morl/CarFollowingLQ-v0"
OFF = {"learning_starts": 16, "net_arch": (16, 16), "n_envs": 2, "batch_size": 16}
AGENTS = {
    "CAPQL": (CAPQL, CAR, OFF),
    "GPILS": (GPILS, SEA, {**OFF, "iteration": 100}),
    "GPILS-continuous": (GPILS, CAR, {**OFF, "iteration": 100}),
    "ConditionedPPO": (ConditionedPPO, SEA, {"n_envs": 4, "n_steps": 8, "batch_size": 16, "n_epochs": 2}),
}


def direction(kind: str, rows: np.ndarray) -> np.ndarray:
    """Where a balance moves a shared vector θ whose K losses are g_k·θ: minus its step, for a step size of 1."""
    jacobian = torch.as_tensor(rows, dtype=torch.float32)
    theta = nn.Parameter(torch.zeros(jacobian.shape[1]))
    balance = Balance(kind, len(jacobian), weights=[1.0] * len(jacobian) if kind == "weights" else None)
    balance.step(jacobian @ theta, torch.optim.SGD([theta], lr=1.0), [theta], max_grad_norm=1e9)
    return -theta.detach().numpy().astype(np.float64)


def jacobians(n: int, k: int = 3, size: int = 6):
    rng = np.random.default_rng(n + k)
    return [rng.standard_normal((k, size)) * np.exp(rng.normal(0, 1, (k, 1))) for _ in range(n)]


@pytest.mark.parametrize("kind", ["mgda", "upgrad"])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_no_objective_loses(kind, k):
    if kind in TORCHJD:
        pytest.importorskip("torchjd")
    for rows in jacobians(340, k):  # 1,020 Jacobians over the three K
        d = direction(kind, rows)
        scale = np.linalg.norm(rows, axis=1).max() * max(np.linalg.norm(d), 1e-9)
        assert (rows @ d).min() >= -1e-5 * scale  # single precision


def test_pcgrad_lets_an_objective_lose_with_three():
    pytest.importorskip("torchjd")
    assert any((rows @ direction("pcgrad", rows)).min() < -1e-3 for rows in jacobians(100, 3))


@pytest.mark.parametrize("kind", [kind for kind in BALANCES if kind not in ("nash", "uncertainty")])
def test_equal_gradients_give_the_sum(kind):
    if kind in TORCHJD:
        pytest.importorskip("torchjd")
    row = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(direction(kind, np.stack([row] * 3)), 3 * row, rtol=2e-3)


def test_mgda_is_the_shortest_vector_of_the_hull():
    for rows in jacobians(40, 2):
        a, b = rows
        share = np.clip(((b - a) @ b) / ((a - b) @ (a - b)), 0, 1)  # the closed form of two gradients
        np.testing.assert_allclose(direction("mgda", rows), 2 * (share * a + (1 - share) * b), atol=1e-4)


def test_pcgrad_of_two_by_its_formula():
    pytest.importorskip("torchjd")
    a, b = np.array([1.0, 0.0]), np.array([-1.0, 1.0])
    expected = (a - (a @ b) / (b @ b) * b) + (b - (a @ b) / (a @ a) * a)
    np.testing.assert_allclose(direction("pcgrad", np.stack([a, b])), expected, atol=1e-5)


def test_imtl_g_projects_equally_on_every_gradient():
    pytest.importorskip("torchjd")
    for rows in jacobians(20, 3):
        d = direction("imtl_g", rows)
        projections = rows @ d / np.linalg.norm(rows, axis=1)
        assert np.ptp(projections) <= 1e-2 * np.abs(projections).max() + 1e-3


def test_nash_solves_its_equation():
    """With d = Σ α_k g_k, the bargaining solution has g_k·d = 1/α_k."""
    for rows in jacobians(40, 3):
        alpha = nash(rows @ rows.T)
        np.testing.assert_allclose((rows @ rows.T @ alpha) * alpha, 1.0, atol=1e-4)
        np.testing.assert_allclose(direction("nash", rows), alpha @ rows, rtol=1e-4, atol=1e-5)


def test_nash_does_not_care_for_the_unit_of_an_objective():
    rows = jacobians(1, 3)[0]
    scaled = rows * np.array([[1.0], [100.0], [0.01]])
    np.testing.assert_allclose(direction("nash", scaled), direction("nash", rows), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("rows", [np.zeros((3, 2)), np.array([[1.0, 0], [-1.0, 0], [0, 0]]), np.ones((2, 1)) * 1e-20])
@pytest.mark.parametrize("weights", [mgda, nash])
def test_gradients_that_vanish_or_oppose_are_no_trouble(rows, weights):
    found = weights(rows @ rows.T)
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def test_gradnorm_makes_norms_alike():
    big, small = torch.tensor([30.0, 0.0]), torch.tensor([0.0, 0.3])
    theta = nn.Parameter(torch.zeros(2))
    balance = Balance("gradnorm", 2, asymmetry=0.0)
    optimizer = torch.optim.SGD([theta], lr=0.0)
    for _ in range(300):
        balance.step(torch.stack([big @ theta, small @ theta]) + 1.0, optimizer, [theta])
    norms = balance.weights.numpy() * np.array([30.0, 0.3])
    assert norms.max() / norms.min() < 1.2  # 100 at the beginning; one step changes it by 5 %
    assert float(balance.weights.sum()) == pytest.approx(2.0, abs=1e-5)


def test_gradnorm_favours_the_objective_that_lags():
    theta = nn.Parameter(torch.zeros(2))
    balance = Balance("gradnorm", 2, asymmetry=1.0)
    optimizer = torch.optim.SGD([theta], lr=0.0)
    for losses in (torch.tensor([1.0, 1.0]), *[torch.tensor([0.2, 0.8])] * 300):  # the first falls to a fifth
        balance.step(theta + losses, optimizer, [theta])
    assert float(balance.weights[1] / balance.weights[0]) == pytest.approx(4.0, rel=0.1)  # (.8 / .2) to the power α


def test_uncertainty_weights_are_the_inverse_of_the_losses():
    theta = nn.Parameter(torch.zeros(2))
    balance = Balance("uncertainty", 2)
    for _ in range(600):
        balance.step(theta + torch.tensor([4.0, 0.1]), torch.optim.SGD([theta], lr=0.0), [theta])
    np.testing.assert_allclose(balance.weights.numpy(), [0.25, 10.0], rtol=0.1)
    assert "loss_weight_1" in balance.report()


def test_only_what_is_shared_is_balanced():
    pytest.importorskip("torchjd")
    torch.manual_seed(0)
    trunk, heads, policy = nn.Linear(4, 5), nn.Linear(5, 2), nn.Linear(5, 1)
    inputs, goal = torch.randn(32, 4), torch.randn(32, 2) * torch.tensor([10.0, 0.1])

    def losses():
        return (heads(torch.tanh(trunk(inputs))) - goal).square().mean(dim=0)

    def rest():
        return policy(torch.tanh(trunk(inputs))).square().mean()

    parameters = [*trunk.parameters(), *heads.parameters(), *policy.parameters()]
    plain = torch.autograd.grad(losses().sum() + rest(), parameters)
    own = torch.autograd.grad(rest(), list(trunk.parameters()))
    balance = Balance("mgda", 2)
    optimizer = torch.optim.SGD(parameters, lr=0.0)
    balance.step(losses(), optimizer, list(trunk.parameters()), rest(), max_grad_norm=1e9)
    for parameter, expected in zip(parameters[2:], plain[2:], strict=True):  # heads and policy: their own gradients
        torch.testing.assert_close(parameter.grad, expected)
    shared = list(trunk.parameters())
    found = [torch.autograd.grad(loss, shared, retain_graph=True) for loss in losses()]
    rows = torch.stack([torch.cat([g.flatten() for g in one]) for one in found])
    moved = torch.cat([p.grad.flatten() for p in trunk.parameters()]) - torch.cat([g.flatten() for g in own])
    assert float((rows @ moved).min()) >= -1e-4
    assert balance.report()["conflict_cosine"] == pytest.approx(lowest_cosine(rows), abs=1e-5)


@pytest.mark.parametrize("kind", ["none", "gradnorm", "pcgrad"])
def test_steps_repeat_and_leave_the_global_generator_alone(kind):
    if kind in TORCHJD:
        pytest.importorskip("torchjd")
    rows = jacobians(1, 4)[0]
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = direction(kind, rows)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    np.testing.assert_array_equal(direction(kind, rows), first)


@pytest.mark.parametrize("name", AGENTS)
def test_agents_with_a_vector_critic_balance_it_and_go_on_bit_for_bit(name, tmp_path):
    algorithm, env, options = AGENTS[name]
    agent = algorithm(env, seed=0, balance="gradnorm", **options).learn(64)
    again = algorithm.load(agent.save(tmp_path / "saved"), env)
    for one in (agent, again):
        one.learn(64)
    first, second = agent._state()[0], again._state()[0]
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key], err_msg=key)
    said = agent.status()
    assert -1.0001 <= said["conflict_cosine"] <= 1.0001
    assert said["loss_weight_0"] != 1.0


@pytest.mark.parametrize("name", AGENTS)
def test_equal_loss_weights_are_the_plain_sum(name):
    algorithm, env, options = AGENTS[name]
    equal = {"balance": "weights", "loss_weights": (1.0, 1.0)}
    plain, weighted = (algorithm(env, seed=0, **options, **more).learn(40)._state()[0] for more in ({}, equal))
    for key in (key for key in plain if key.split(".")[0] in ("net", "critics", "actor")):
        np.testing.assert_allclose(weighted[key], plain[key], rtol=2e-3, atol=2e-4, err_msg=key)


def test_the_policy_beside_a_balanced_critic_follows_its_own_gradient():
    rows, seen = {}, torch.rand(20, generator=torch.Generator().manual_seed(0)) < 0.5
    for balance in ("none", "mgda"):
        agent = ConditionedPPO(SEA, seed=0, balance=balance, max_grad_norm=1e9)
        with torch.no_grad():  # from_mean begins with a head of zeros, whose gradients say nothing to the trunk
            agent.net.values.linear.weight.normal_(generator=torch.Generator().manual_seed(1))
        obs = torch.rand(20, agent.rows.size, generator=torch.Generator().manual_seed(2))
        goal = torch.stack([100.0 * seen, 1.0 - 0.5 * seen], dim=1)
        losses, rest = agent.losses(obs, torch.full((20, 2), 0.5), 1 * seen, torch.zeros(20), goal[:, 1], goal)
        agent.balance.step(losses, agent.optimizer, agent._shared, rest, 1e9)
        rows[balance] = {name: p.grad for name, p in agent.net.named_parameters()}
    for name, gradient in rows["none"].items():
        same = torch.allclose(gradient, rows["mgda"][name], rtol=1e-4, atol=1e-6)
        assert same != name.startswith("critic"), name


def test_gradients_that_are_not_finite_are_not_followed():
    theta = nn.Parameter(torch.ones(2))
    for kind in ("none", "gradnorm"):
        with pytest.raises(DivergedError):
            Balance(kind, 2).step(theta / 0.0, torch.optim.SGD([theta], lr=1.0), [theta])
    assert torch.equal(theta.detach(), torch.ones(2))


@pytest.mark.parametrize(
    ("kind", "weights", "error", "words"),
    [
        ("mgad", None, UnknownNameError, "did you mean 'mgda'|did you mean mgda"),
        ("weights", None, AgentError, "give both"),
        ("mgda", [1.0, 1.0], AgentError, "give both"),
        ("weights", [1.0], AgentError, "expected 2 numbers"),
        ("weights", [1.0, -1.0], AgentError, "expected 2 numbers"),
        ("weights", [0.0, 0.0], AgentError, "not all 0"),
    ],
)
def test_what_cannot_be_balanced_is_refused(kind, weights, error, words):
    with pytest.raises(error, match=words):
        Balance(kind, 2, weights)


def test_a_missing_library_is_named(monkeypatch):
    import importlib

    real = importlib.import_module

    def without(name, *more):
        if name.startswith("torchjd"):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingExtraError, match=r"balance 'upgrad' needs the extra 'balance'"):
        Balance("upgrad", 2)

"""What objectives share: separate runs at γ = 0, one trunk at large γ, attention that finds entries, resumed runs."""

from __future__ import annotations

import numpy as np
import pytest

from morl.agents import Envelope, VectorQLambda
from morl.spec import AgentError, UnknownNameError

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from morl.agents.neural.networks import VectorNet  # noqa: E402
from morl.agents.neural.sharing import SHARINGS, ObjectiveAttention, SplitNet, shared_parameters  # noqa: E402

SEA = "morl/DeepSeaTreasure-v0"
OPTIONS = {"learning_starts": 50, "net_arch": (16, 16), "n_envs": 2, "batch_size": 16, "train_freq": 4}


def made(kind: str, k: int = 3, seed: int = 0, **how):
    torch.manual_seed(seed)
    return SplitNet(kind, 5, k, 4, (16, 12), **how)


@pytest.mark.parametrize("kind", SHARINGS[1:])
def test_shapes_and_units_are_those_of_one_network(kind):
    net = made(kind)
    x, w = torch.randn(7, 5), torch.rand(2, 3)
    assert net(x, torch.rand(7, 3)).shape == (7, 4, 3)
    pairs = net.of_pairs(x, w)
    assert pairs.shape == (14, 4, 3)
    torch.testing.assert_close(pairs[3], net(x[1:2], w[1:2])[0])
    before = net.values(x, torch.rand(7, 3).fill_(0.3))
    net.update_units(torch.randn(50, 4, 3) * torch.tensor([1.0, 100.0, 0.01]) + 5)
    torch.testing.assert_close(net.values(x, torch.rand(7, 3).fill_(0.3)), before, rtol=1e-3, atol=1e-3)
    assert net.head.std.shape == (3,)
    assert float(net.head.std[1] / net.head.std[2]) > 1000


def descend(nets, losses, steps=60, lr=1e-2, pull=0.0):
    optimizers = [torch.optim.Adam(net.parameters(), lr=lr) for net in nets]
    for step in range(steps):
        rng = torch.Generator().manual_seed(step)
        x, w = torch.randn(32, 5, generator=rng), torch.rand(32, 3, generator=rng)
        for net, optimizer, loss in zip(nets, optimizers, losses, strict=True):
            optimizer.zero_grad()
            loss(net(x, w), x).backward()
            optimizer.step()
            net.pull(pull * lr)


def goal(x):
    return torch.stack([x[:, 0], x[:, 1] * x[:, 2], -x[:, 3].abs()], dim=1)


def test_without_a_pull_objectives_learn_as_they_would_alone_bit_for_bit():
    joint = made("soft")
    descend([joint], [lambda q, x: (q[:, 0] - goal(x)).square().mean(dim=0).sum()])
    for k in range(3):
        alone = made("soft")
        descend([alone], [lambda q, x, k=k: (q[:, 0, k] - goal(x)[:, k]).square().mean()])
        for a, b in zip(joint.private[k].parameters(), alone.private[k].parameters(), strict=True):
            assert torch.equal(a, b)
        for a, b in zip(joint.head.heads[k].parameters(), alone.head.heads[k].parameters(), strict=True):
            assert torch.equal(a, b)


def test_a_strong_pull_leaves_one_trunk():
    spreads = []
    for pull in (0.0, 1.0, 1e3):
        net = made("soft")
        descend([net], [lambda q, x: (q[:, 0] - goal(x)).square().mean(dim=0).sum()], steps=300, pull=pull)
        spreads.append(net.spread())
    assert spreads[0] > spreads[1] > spreads[2]
    assert spreads[2] < 0.01 * spreads[0]


def test_private_layers_share_what_is_below():
    net = made("private")
    shared = {id(p) for p in shared_parameters(net)}
    assert shared
    assert not shared & {id(p) for trunk in net.private for p in trunk.parameters()}
    q = net(torch.randn(9, 5), torch.rand(9, 3))
    for k in range(3):
        grads = torch.autograd.grad(
            q[..., k].sum(), list(net.private.parameters()), retain_graph=True, allow_unused=True
        )
        per = len(grads) // 3
        assert [g is not None and bool(g.any()) for g in grads] == [i // per == k for i in range(len(grads))]
    assert isinstance(made("soft").shared(), list)
    assert shared_parameters(made("soft")) == []
    hard = VectorNet(5, 3, 4, (16,))
    assert len(shared_parameters(hard)) == len(list(hard.trunk.parameters()))


def test_attention_finds_the_entry_that_an_objective_depends_on():
    torch.manual_seed(0)
    attend = ObjectiveAttention(6, 2, 16)
    heads = nn.ModuleList([nn.Linear(16, 1) for _ in range(2)])
    optimizer = torch.optim.Adam([*attend.parameters(), *heads.parameters()], 1e-2)
    w = torch.full((64, 2), 0.5)
    for step in range(400):
        x = torch.randn(64, 6, generator=torch.Generator().manual_seed(step))
        parts = attend(x, w)
        wanted = (x[:, 1], x[:, 4])
        loss = sum((h(p)[:, 0] - y).square().mean() for h, p, y in zip(heads, parts, wanted, strict=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    mass = attend.mass(torch.randn(500, 6, generator=torch.Generator().manual_seed(1))).mean(dim=0)
    torch.testing.assert_close(mass.sum(dim=1), torch.ones(2))
    assert mass.argmax(dim=1).tolist() == [1, 4]


@pytest.mark.parametrize("kind", SHARINGS)
@pytest.mark.parametrize("algorithm", [Envelope, VectorQLambda])
def test_agents_learn_save_and_go_on_bit_for_bit(algorithm, kind, tmp_path):
    options = OPTIONS if algorithm is Envelope else {"net_arch": (16, 16), "n_envs": 4, "n_steps": 8}
    if kind == "soft":
        options = {**options, "pull": 1.0}
    elif kind != "hard":
        options = {**options, "balance": "mgda"}
    agent = algorithm(SEA, seed=0, sharing=kind, **options)
    agent.learn(128)
    agent.save(tmp_path / "saved")
    again = algorithm.load(tmp_path / "saved", SEA)
    for one in (agent, again):
        one.learn(128)
    first, second = agent._state()[0], again._state()[0]
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    assert agent.predict(np.array([0, 0]), preference=[0.5, 0.5])[0] in range(4)


@pytest.mark.parametrize("balance", ["gradnorm", "mgda", "nash", "uncertainty"])
def test_balanced_agents_say_how_objectives_conflict(balance):
    agent = Envelope(SEA, seed=0, balance=balance, auxiliary=("reward", "next_obs", "inverse"), **OPTIONS)
    agent.learn(100)
    said = agent.status()
    assert {"auxiliary_reward", "auxiliary_next_obs", "auxiliary_inverse"} <= said.keys()
    assert all(np.isfinite(value) for value in said.values())
    if balance == "uncertainty":
        assert said["loss_weight_0"] > 0
    else:
        assert -1.0001 <= said["conflict_cosine"] <= 1.0001


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"sharing": "soff"}, Exception, "soft"),
        ({"pull": 1.0}, AgentError, "only trunks of 'soft'|only the trunks of 'soft'"),
        ({"pull": -1.0, "sharing": "soft"}, AgentError, "-1"),
        ({"balance": "mgda", "sharing": "soft"}, AgentError, "nothing"),
        ({"balance": "weights"}, AgentError, "give both"),
        ({"auxiliary": ("reward",), "sharing": "private"}, AgentError, "expected 'hard'"),
        ({"auxiliary": ("rewrad",)}, UnknownNameError, "reward"),
        ({"sharing": "attention", "conditioning": "film"}, AgentError, "concat"),
        ({"sharing": "private", "net_arch": ()}, AgentError, "hidden layer"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        Envelope(SEA, seed=0, **{**OPTIONS, **options})

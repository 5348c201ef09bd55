"""Auxiliary heads and the adversary: what they predict, whose gradients they move, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from morl.spec import AgentError, UnknownNameError

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from morl.agents.neural.adversary import Adversary, reverse  # noqa: E402
from morl.agents.neural.auxiliary import AUXILIARIES, Auxiliaries, RotationHead, Step  # noqa: E402


def steps(n: int, trunk: nn.Module, discrete: bool, seed: int = 0) -> Step:
    """A world in which all heads can be right: o' = o + B a, r = C a, one objective a thousand times larger."""
    rng = torch.Generator().manual_seed(seed)
    obs = torch.randn(n, 4, generator=rng)
    obs[:, 0] += 3.0  # what is turned has a top
    chosen = torch.randint(3, (n,), generator=rng)
    actions = chosen if discrete else torch.rand(n, 3, generator=rng) * 2 - 1
    effect = nn.functional.one_hot(chosen, 3).float() if discrete else actions
    moved = obs + effect @ torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 1.0]])
    rewards = effect @ torch.tensor([[1.0, 1000.0], [0.0, -1000.0], [-1.0, 0.0]])
    return Step(trunk(obs), trunk(moved), actions, obs, moved, rewards, trunk)


@pytest.mark.parametrize("discrete", [True, False])
@pytest.mark.parametrize("kind", AUXILIARIES)
def test_every_head_learns_what_can_be_known(kind, discrete):
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(4, 16), nn.Tanh())
    heads = Auxiliaries([kind], 16, 4, 3, discrete, 2, coefficient=1.0, window=2)
    optimizer = torch.optim.Adam([*trunk.parameters(), *heads.parameters()], 1e-2)
    losses = []
    for seed in range(200):
        loss = heads.loss(steps(64, trunk, discrete, seed))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:20])  # at most .31 over seeds, of turns
    assert heads.report()[f"auxiliary_{kind}"] == pytest.approx(losses[-1])


def test_the_coefficient_weighs_what_reaches_the_trunk():
    grads = {}
    for coefficient in (0.0, 1.0, 2.0):
        torch.manual_seed(0)
        trunk = nn.Linear(4, 8)
        heads = Auxiliaries(AUXILIARIES, 8, 4, 3, True, 2, coefficient=coefficient, window=2)
        heads.loss(steps(32, trunk, True)).backward()
        grads[coefficient] = trunk.weight.grad.numpy().copy()
    assert not grads[0.0].any()
    np.testing.assert_allclose(grads[2.0], 2 * grads[1.0], rtol=1e-5)


def test_windows_are_turned_by_quarters_and_the_rest_stays():
    obs = torch.arange(24.0).view(4, 6)
    turned, turns = RotationHead(8, 6, 2, 16).turned(obs)
    assert turns.tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(turned[:, 4:], obs[:, 4:])
    for i in range(4):
        window = turned[i, :4].view(2, 2)
        torch.testing.assert_close(torch.rot90(window, 4 - i), obs[i, :4].view(2, 2))
    assert turned[1, :4].tolist() == [7, 9, 6, 8]  # counter-clockwise


def test_a_head_of_your_own():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(8, 1)

        def loss(self, step):
            return (self.out(step.features)[:, 0] - step.obs.mean(dim=1)).square().mean()

    trunk = nn.Linear(4, 8)
    heads = Auxiliaries([Mean(), "reward"], 8, 4, 3, True, 2)
    assert float(heads.loss(steps(5, trunk, True)).detach()) > 0
    assert set(heads.report()) == {"auxiliary_mean", "auxiliary_reward"}


def test_wrong_heads_are_refused():
    with pytest.raises(UnknownNameError, match="inverse"):
        Auxiliaries(["invrse"], 8, 4, 3, True, 2)
    with pytest.raises(AgentError, match="Linear has no loss"):
        Auxiliaries([nn.Linear(1, 1)], 8, 4, 3, True, 2)
    with pytest.raises(AgentError, match="-1"):
        Auxiliaries(["reward"], 8, 4, 3, True, 2, coefficient=-1)
    with pytest.raises(AgentError, match="a window of 3 × 3 at the beginning of 4 numbers; set auxiliary_window"):
        Auxiliaries(["rotation"], 8, 4, 3, True, 2, window=3)
    with pytest.raises(AgentError, match="no transitions"):
        Auxiliaries(["reward"], 8, 4, 3, True, 2).loss(steps(0, nn.Linear(4, 8), True))


def test_reversal_is_the_identity_with_a_negative_gradient():
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reverse(x, 3.0)
    assert torch.equal(y, x)
    (y * torch.tensor([1.0, 10.0])).sum().backward()
    assert x.grad.tolist() == [-3.0, -30.0]


def test_the_adversary_descends_and_the_features_climb():
    torch.manual_seed(0)
    adversary, features = Adversary(4, condition=2), torch.randn(30, 4, requires_grad=True)
    nuisance, goal = torch.randint(2, (30,)), nn.functional.one_hot(torch.randint(2, (30,)), 2).float()
    plain = nn.functional.cross_entropy(adversary(features, goal), nuisance)
    expected = torch.autograd.grad(plain, [features, *adversary.parameters()])
    adversary.loss(features, nuisance, goal, strength=2.0).backward()
    torch.testing.assert_close(features.grad, -2 * expected[0])
    for parameter, gradient in zip(adversary.parameters(), expected[1:], strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_wrong_adversaries_are_refused():
    with pytest.raises(AgentError, match="at least 2"):
        Adversary(4, classes=1)
    with pytest.raises(AgentError, match="give just these"):
        Adversary(4)(torch.zeros(1, 4), torch.zeros(1, 2))
    with pytest.raises(AgentError, match="give just these"):
        Adversary(4, condition=2)(torch.zeros(1, 4))

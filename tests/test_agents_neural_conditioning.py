"""How a preference enters a network: what it changes, what it does not, and that it can be learned."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from morl.agents.neural.conditioning import CODE, CONDITIONING, HyperLinear
from morl.agents.neural.networks import Trunk, VectorNet
from morl.agents.neural.training import seeded
from morl.spec import AgentError


def trunk(conditioning: str, preference: int = 3, **options: object) -> Trunk:
    with seeded(5):
        return Trunk(4, (16, 8), preference=preference, conditioning=conditioning, **options)  # type: ignore[arg-type]


def test_film_without_weights_is_no_conditioning() -> None:
    with_film, plain = trunk("film", layer_norm=True), trunk("concat", preference=0, layer_norm=True)
    x, w = torch.randn(6, 4), torch.rand(6, 3)
    torch.testing.assert_close(with_film(x, w), plain(x))
    for film in with_film.gates:
        nn.init.normal_(film.gate.weight)
    assert not torch.allclose(with_film(x, w), plain(x))


def test_film_scales_and_shifts_each_hidden_layer() -> None:
    net = trunk("film")
    for film in net.gates:
        nn.init.normal_(film.gate.weight)
        nn.init.normal_(film.gate.bias)
    x, w = torch.randn(1, 4), torch.rand(1, 3)
    h = x[0]
    for layer, film in zip(net.layers, net.gates, strict=True):
        scale, shift = (film.gate.weight @ w[0] + film.gate.bias).chunk(2)
        h = torch.relu((1 + scale) * (layer.weight @ h + layer.bias) + shift)
    torch.testing.assert_close(net(x, w)[0], h)


def test_a_hypernetwork_is_a_network_whose_weights_its_code_makes() -> None:
    """Row by row with explicit weights: what the batched form never makes."""
    net = trunk("hypernetwork")
    x, w = torch.randn(5, 4), torch.rand(5, 3)
    codes = net.code(w)
    assert codes.shape == (5, CODE)
    for i in range(5):
        h = x[i]
        for layer in net.layers:
            assert isinstance(layer, HyperLinear)
            basis = layer.basis.weight.view(CODE, *layer.base.weight.shape)
            weight = layer.base.weight + torch.einsum("i,ioj->oj", codes[i], basis)
            bias = layer.base.bias + codes[i] @ layer.basis.bias.view(CODE, -1)
            h = torch.relu(weight @ h + bias)
        torch.testing.assert_close(net(x, w)[i], h, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("conditioning", CONDITIONING)
def test_gradients_reach_the_preference_and_every_parameter(conditioning: str) -> None:
    with seeded(1):
        net = VectorNet(4, 2, 3, (16,), conditioning=conditioning)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    x, w = torch.randn(32, 4), torch.rand(32, 2).requires_grad_()
    for _ in range(2):  # the gates of FiLM begin at zero: their first step opens the way
        optimizer.zero_grad()
        w.grad = None
        net(x, w).square().mean().backward()
        optimizer.step()
    assert w.grad is not None
    assert float(w.grad.abs().sum()) > 0
    for name, parameter in net.named_parameters():
        assert float(parameter.grad.abs().sum()) > 0, name


@pytest.mark.parametrize("conditioning", CONDITIONING)
def test_each_way_can_learn_what_depends_on_the_preference(conditioning: str) -> None:
    """f(x, w) = w·x is no sum of a part of x and a part of w."""
    with seeded(0):
        net = trunk(conditioning, preference=4)
        head = nn.Linear(net.size, 1)
        x, w = torch.randn(256, 4), torch.rand(256, 4)
    y = (x * w).sum(dim=1, keepdim=True)
    optimizer = torch.optim.Adam([*net.parameters(), *head.parameters()], 1e-2)
    first = None
    for _ in range(150):
        loss = (head(net(x, w)) - y).square().mean()
        first = first or float(loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.1 * first


@pytest.mark.parametrize("conditioning", CONDITIONING)
@pytest.mark.parametrize("layer_norm", [False, True])
def test_members_are_networks_of_their_own(conditioning: str, layer_norm: bool) -> None:
    """Each of two networks side by side is what one network with its parameters is; the first can be had alone."""
    pair = trunk(conditioning, layer_norm=layer_norm, more=2, members=2)
    for parameter in pair.parameters():
        nn.init.normal_(parameter, std=0.5)
    x, w, more = torch.randn(5, 4), torch.rand(5, 3), torch.randn(5, 2)
    both = pair(x, w, more)
    assert both.shape == (2, 5, 8)
    torch.testing.assert_close(pair(x, w, more, alone=True)[0], both[0])
    for member in range(2):
        one = trunk(conditioning, layer_norm=layer_norm, more=2)
        for name, value in one.state_dict().items():
            given = pair.state_dict()[name]
            if not name.startswith("code"):
                given = given[member].T if value.dim() == 2 else given[member, 0]
            value.copy_(given)
        torch.testing.assert_close(one(x, w, more), both[member], rtol=1e-4, atol=1e-5)


def test_wrong_conditioning_is_refused() -> None:
    with pytest.raises(AgentError, match="conditioning is 'filn'; expected one of concat, film, hypernetwork"):
        trunk("filn")
    with pytest.raises(AgentError, match="needs a hidden layer"):
        Trunk(4, (), preference=2, conditioning="film")
    assert Trunk(4, (), preference=2).size == 6


@pytest.mark.parametrize("conditioning", CONDITIONING)
def test_a_task_among_the_features_enters_as_a_further_part_of_the_preference(conditioning: str) -> None:
    net, x, w = trunk(conditioning, task=2), torch.randn(6, 4), torch.rand(6, 3)
    with seeded(5):
        if conditioning == "concat":
            other = Trunk(4, (16, 8), preference=3)
        else:
            other = Trunk(2, (16, 8), preference=5, conditioning=conditioning)
    parts = (x, w) if conditioning == "concat" else (x[:, :2], torch.cat([w, x[:, 2:]], dim=1))
    for gate in (*net.gates, *other.gates):
        nn.init.constant_(gate.gate.weight, 0.3)
    torch.testing.assert_close(net(x, w), other(*parts))


def test_a_task_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(AgentError, match="a task is described by 4 of 4 features; expected 0 to 3"):
        trunk("film", task=4)

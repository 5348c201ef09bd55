"""Networks of value vectors: PopArt, twin critics, values of one action, seeds of their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from morl.agents.neural.layers import ParallelLinear
from morl.agents.neural.networks import (
    PopArt,
    Trunk,
    TwinCritics,
    VectorNet,
    clipped_double,
    of_actions,
)
from morl.agents.neural.training import (
    load_module,
    load_optimizer,
    module_arrays,
    optimizer_arrays,
    seeded,
    target_of,
    to_numpy,
)


def test_popart_keeps_outputs_and_evens_scales() -> None:
    with seeded(0):
        head = PopArt(4, 2, 3)
    features = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    scale = torch.tensor([1.0, 100.0])
    for i in range(20):
        before = head.denormalise(head(features)).detach()
        head.update(torch.randn(64, 2, generator=torch.Generator().manual_seed(i)) * scale + 5 * scale)
        after = head.denormalise(head(features)).detach()
        assert torch.allclose(before, after, rtol=1e-3, atol=1e-3 * 100)
    assert float(head.std[1] / head.std[0]) == pytest.approx(100, rel=0.1)
    assert float(head.mean[1]) == pytest.approx(500, rel=0.05)


def test_networks_are_seeded_without_touching_the_global_generator() -> None:
    state = torch.get_rng_state()
    nets = []
    for _ in range(2):
        with seeded(3):
            nets.append(VectorNet(4, 2, 3, (8,), conditioning="film", layer_norm=True))
    assert torch.equal(state, torch.get_rng_state())
    x, w = torch.ones(1, 4), torch.tensor([[0.3, 0.7]])
    assert torch.equal(nets[0](x, w), nets[1](x, w))
    optimizers = [torch.optim.Adam(n.parameters(), lr=0.1) for n in nets]
    nets[0](x, w).sum().backward()
    optimizers[0].step()
    arrays = {**module_arrays(nets[0], "n"), **optimizer_arrays(optimizers[0], "o")}
    load_module(nets[1], arrays, "n")
    load_optimizer(optimizers[1], arrays, "o")
    for net, optimizer in zip(nets, optimizers, strict=True):
        optimizer.zero_grad()
        net(x, w).sum().backward()
        optimizer.step()
    assert torch.equal(nets[0](x, w), nets[1](x, w))


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


def test_nothing_but_zeros_tell_no_unit() -> None:
    """A first batch without any reward made outputs of order 1 some 1e10 units large, and the gradient infinite."""
    head = PopArt(4, 2, 3)
    features = torch.randn(8, 4)
    before = head.denormalise(head(features))
    targets = torch.zeros(8, 2)
    targets[:, 1] = torch.linspace(0.0, 1.0, 8)
    head.update(targets)
    assert float(head.std[0]) == 1.0
    assert float(head.std[1]) < 0.5
    torch.testing.assert_close(head.denormalise(head(features)), before)
    head.update(torch.ones(8, 2))  # the first reward of the first objective
    assert float(head.std[0]) == pytest.approx(0.5, rel=0.01)


def test_running_moments_are_those_of_all_targets() -> None:
    """While early targets are averaged exactly, mean and deviation are those of everything seen."""
    head, rng = PopArt(2, 3), np.random.default_rng(0)
    batches = [rng.normal([0.0, 5.0, -2.0], [1.0, 10.0, 0.1], size=(64, 3)).astype(np.float32) for _ in range(20)]
    for batch in batches:
        head.update(torch.from_numpy(batch))
    every = np.concatenate(batches)
    np.testing.assert_allclose(to_numpy(head.running_mean), every.mean(axis=0), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(to_numpy(head.running_var), every.var(axis=0), rtol=1e-3)
    np.testing.assert_allclose(to_numpy(head.std), every.std(axis=0), rtol=0.02)


def test_a_head_without_tolerance_has_the_units_of_all_targets_and_begins_with_their_mean() -> None:
    rng = np.random.default_rng(0)
    head = PopArt(5, 2, beta=0.0, tolerance=0.0, from_mean=True)
    features = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    rows = (rng.normal(size=(4, 100, 2)) * [2.0, 0.5] + [1.0, -300.0]).astype(np.float32)
    head.update(torch.from_numpy(rows[0]))
    first = head.denormalise(head(features))[:, 0].detach().numpy()
    np.testing.assert_allclose(first, np.broadcast_to(rows[0].mean(axis=0), first.shape), rtol=1e-5)
    torch.nn.init.normal_(head.linear.weight)
    before = head.denormalise(head(features)).detach()
    for part in rows[1:]:
        head.update(torch.from_numpy(part))
    torch.testing.assert_close(head.denormalise(head(features)).detach(), before, rtol=1e-4, atol=1e-3)
    every = rows.reshape(-1, 2).astype(np.float64)
    np.testing.assert_allclose(to_numpy(head.mean), every.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(to_numpy(head.std), every.std(axis=0), rtol=1e-3)


@pytest.mark.parametrize("activation", [torch.nn.Tanh, torch.nn.ReLU])
def test_an_orthogonal_trunk_is_linear_layers_with_an_activation_after_each(activation: type[torch.nn.Module]) -> None:
    with seeded(0):
        trunk = Trunk(3, (8, 4), activation=activation, orthogonal=True)
    first, second = (layer.weight.detach() for layer in trunk.layers)
    torch.testing.assert_close(first.T @ first, 2 * torch.eye(3))
    torch.testing.assert_close(second @ second.T, 2 * torch.eye(4))
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(trunk(x), activation()(activation()(x @ first.T) @ second.T))


def test_values_of_one_action_per_row() -> None:
    values = torch.arange(12.0).view(2, 3, 2)
    assert of_actions(values, torch.tensor([2, 0])).tolist() == [[4.0, 5.0], [6.0, 7.0]]


def test_clipped_double_takes_whole_vectors() -> None:
    first, second = torch.tensor([[1.0, 9.0], [5.0, 5.0]]), torch.tensor([[4.0, 0.0], [0.0, 20.0]])
    weights = torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    assert clipped_double(torch.stack([first, second]), weights).tolist() == [[1.0, 9.0], [5.0, 5.0]]


def member(critics: TwinCritics, number: int) -> VectorNet:
    """One of two critics as a network of its own, with the same parameters."""
    first = critics.trunk.layers[0]
    assert isinstance(first, ParallelLinear)
    widths = [layer.bias.shape[2] for layer in critics.trunk.layers]
    conditioning, normalised = critics.trunk.conditioning, len(critics.trunk.norms) > 0
    inputs, k = first.weight.shape[1], critics.head.k
    if conditioning == "concat":
        inputs -= k
    net = VectorNet(inputs, k, critics.head.outputs, widths, conditioning=conditioning, layer_norm=normalised)
    net.load_state_dict({**dict(critics.named_buffers()), **of_member(dict(critics.named_parameters()), number)})
    return net


def of_member(tensors: dict[str, torch.Tensor], number: int) -> dict[str, torch.Tensor]:
    """Parameters, or their gradients, of one of several networks, laid out as a single network has them."""
    rows = {name for name in tensors if name.endswith("bias") or ".norms." in name}
    return {name: value[number][0] if name in rows else value[number].T for name, value in tensors.items()}


@pytest.mark.parametrize("conditioning", ["concat", "film"])
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize(
    ("inputs", "k", "outputs", "net_arch"), [(4, 2, 3, (8,)), (1, 4, 1, (5, 7)), (3, 2, 2, (4, 6, 3))]
)
def test_twin_critics_are_two_networks_and_so_are_their_gradients(
    conditioning: str, layer_norm: bool, inputs: int, k: int, outputs: int, net_arch: tuple[int, ...]
) -> None:
    with seeded(5):
        critics = TwinCritics(inputs, k, outputs, net_arch, conditioning=conditioning, layer_norm=layer_norm)
        for parameter in critics.parameters():
            torch.nn.init.normal_(parameter)
        x, w, goal = torch.randn(9, inputs), torch.rand(9, k), 3 * torch.randn(9, k)
        actions = torch.randint(outputs, (9,))
    critics.head.update(goal)
    nets = [member(critics, number) for number in range(2)]
    for number, net in enumerate(nets):
        torch.testing.assert_close(critics.values(x, w)[number], net.values(x, w), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(critics.first_values(x, w), nets[0].values(x, w), rtol=1e-5, atol=1e-5)
    critics.squared_errors(x, w, goal, actions).sum().backward()
    for number, net in enumerate(nets):
        error = net(x, w)[torch.arange(9), actions] - (goal - net.head.mean) / net.head.std
        error.square().mean().backward()
        gradients = of_member({name: p.grad for name, p in critics.named_parameters() if p.grad is not None}, number)
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-5)


def test_twin_critics_begin_apart_and_keep_one_unit() -> None:
    with seeded(0):
        critics = TwinCritics(4, 2, 3, (8,), conditioning="concat", layer_norm=False)
        inputs, weights, goal = torch.randn(6, 4), torch.rand(6, 2), 10 + 5 * torch.randn(6, 2)
    targets = target_of(critics)
    first, second = critics(inputs, weights)
    assert float((first - second).abs().detach().mean()) > 0.01
    before = critics.values(inputs, weights)
    critics.head.update(goal, [targets.head])
    for net in (critics, targets):
        torch.testing.assert_close(net.values(inputs, weights), before, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(net.head.std, critics.head.std)


def test_values_of_pairs_are_those_of_every_input_under_every_preference() -> None:
    with seeded(0):
        net = VectorNet(4, 2, 3, (8,), conditioning="film")
        torch.nn.init.normal_(net.trunk.gates[0].gate.weight)
    inputs, preferences = torch.randn(3, 4), torch.rand(2, 2)
    pairs = net.of_pairs(inputs, preferences)
    for i in range(3):
        for j in range(2):
            torch.testing.assert_close(pairs[2 * i + j], net(inputs[i : i + 1], preferences[j : j + 1])[0])
    some = torch.tensor([5, 0])
    torch.testing.assert_close(net.of_pairs(inputs, preferences, some), pairs[some])

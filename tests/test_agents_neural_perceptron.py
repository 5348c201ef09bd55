"""One operation equals its layers, values and gradients."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("mix", ["concat", "film"])
@pytest.mark.parametrize("rows", [3, 300])
def test_one_operation_equals_its_layers(mix: str, layer_norm: bool, rows: int) -> None:
    """Values and every gradient, small and large enough for either library."""
    torch = pytest.importorskip("torch")
    from morl.agents.neural.networks import VectorNet, seeded

    with seeded(1):
        net = VectorNet(5, 2, 3, (128, 96), mix=mix, layer_norm=layer_norm)
        x, w = torch.randn(rows, 5, requires_grad=True), torch.rand(rows, 2)
        pull = torch.randn(rows, 3, 2)
    one = net(x, w)
    layers = net.head(net.trunk(x, w))
    torch.testing.assert_close(one, layers, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(net(x, w), layers, rtol=1e-4, atol=1e-5)
    wanted = [x, *net.parameters()]
    gradients = torch.autograd.grad(one, wanted, pull)
    for a, b in zip(gradients, torch.autograd.grad(layers, wanted, pull), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
    frozen = net.requires_grad_(False)(x, w)
    torch.testing.assert_close(torch.autograd.grad(frozen, x, pull)[0], gradients[0])

"""Networks of value vectors: scales evened, seeds of their own."""

from __future__ import annotations

import pytest


def test_popart_keeps_outputs_and_evens_scales() -> None:
    torch = pytest.importorskip("torch")
    from morl.agents.neural.networks import PopArt, seeded

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
    torch = pytest.importorskip("torch")
    from morl.agents.neural.networks import VectorNet, seeded
    from morl.agents.neural.parameters import load_module, load_optimizer, module_arrays, optimizer_arrays

    state = torch.get_rng_state()
    nets = []
    for _ in range(2):
        with seeded(3):
            nets.append(VectorNet(4, 2, 3, (8,), mix="film", layer_norm=True))
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

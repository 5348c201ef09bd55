"""Dense networks equal autograd."""

from __future__ import annotations

import copy

import numpy as np
import pytest


@pytest.mark.parametrize("hidden", [(), (24,), (256, 256)])
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("mix", ["concat", "film"])
def test_a_dense_network_is_its_module(mix: str, layer_norm: bool, hidden: tuple[int, ...]) -> None:
    """Values, chosen outputs and every gradient are those of autograd."""
    torch = pytest.importorskip("torch")
    from morl.agents.neural.dense import Dense
    from morl.agents.neural.flat import Adam
    from morl.agents.neural.networks import VectorNet, seeded

    if not hidden and mix == "film":
        pytest.skip("no hidden layer to scale")
    with seeded(1):
        net = VectorNet(4, 2, 3, hidden, mix=mix, layer_norm=layer_norm)
        x, w, pull = torch.randn(150, 4), torch.rand(150, 2), torch.randn(150, 2)
    plain = copy.deepcopy(net)
    adam = Adam(net, 1e-3)
    net.head.update(torch.randn(50, 2) * 3 + 1, [plain.head])
    dense, actions = Dense(net), np.arange(150) % 3
    np.testing.assert_allclose(
        dense.values(x.numpy(), w.numpy()), plain.values(x, w).detach().numpy(), rtol=1e-4, atol=1e-5
    )
    kept: list[object] = []
    features = dense.features(dense.join(x.numpy(), w.numpy()), kept)
    out = plain.head(plain.trunk(x, w))[torch.arange(150), torch.from_numpy(actions)]
    np.testing.assert_allclose(dense.chosen(features, actions), out.detach().numpy(), rtol=1e-4, atol=1e-5)
    adam.gradients.fill_(7.0)  # what was there is overwritten
    dense.backward(pull.numpy(), features, actions, kept)
    (out * pull).sum().backward()
    for mine, theirs in zip(net.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-3, atol=1e-3)

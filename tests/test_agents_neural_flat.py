"""Parameters in one vector learn as their layers do."""

from __future__ import annotations

import copy

import pytest


def test_one_vector_learns_as_its_layers_do() -> None:
    torch = pytest.importorskip("torch")
    from morl.agents.neural.flat import Adam, Target
    from morl.agents.neural.networks import VectorNet, seeded

    with seeded(1):
        plain = VectorNet(4, 2, 3, (8, 8), layer_norm=True)
        x, w, goal = torch.randn(16, 4), torch.rand(16, 2), 100 * torch.randn(16, 3, 2)
    flat = copy.deepcopy(plain)
    adam, reference = Adam(flat, 0.05, clip=1.0), torch.optim.Adam(plain.parameters(), lr=0.05)
    target, slow = Target(flat, adam.values), copy.deepcopy(plain)
    for _ in range(5):
        adam.step(((flat(x, w) - goal) ** 2).mean())
        reference.zero_grad()
        ((plain.head(plain.trunk(x, w)) - goal) ** 2).mean().backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        reference.step()
        target.follow(0.1)
        with torch.no_grad():
            for old, new in zip(slow.parameters(), plain.parameters(), strict=True):
                old.lerp_(new, 0.1)
    torch.testing.assert_close(flat(x, w), plain(x, w), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(target.net(x, w), slow(x, w), rtol=1e-3, atol=1e-4)
    assert not any(p.requires_grad for p in target.net.parameters())

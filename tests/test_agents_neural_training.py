"""Training: devices, gradient steps, target networks."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from morl.agents import registry
from morl.agents.core.errors import DivergedError
from morl.agents.neural.training import adam, follow, gradient_step, resolve_device, seeded, target_of
from morl.spec import AgentError, UnknownNameError
from morl.testing import problems

THERE = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}


def test_a_gradient_step_is_clipped_adam_on_its_own_parameters() -> None:
    with seeded(1):
        actor, critic = nn.Linear(3, 2), nn.Linear(2, 1)
        x = torch.randn(8, 3)
    reference = copy.deepcopy(actor)
    optimizer = adam(actor, 0.05)
    plain = torch.optim.Adam(reference.parameters(), lr=0.05)
    for _ in range(5):
        gradient_step(100 * critic(actor(x)).square().mean(), optimizer, max_grad_norm=1.0)
        plain.zero_grad()
        (100 * critic(reference(x)).square().mean()).backward()
        nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
        plain.step()
    torch.testing.assert_close(actor(x), reference(x), rtol=1e-5, atol=1e-6)
    critic_gradients = [p.grad for p in critic.parameters()]
    optimizer.zero_grad()
    gradient_step(critic(actor(x)).mean(), optimizer)
    assert all(a is b for a, b in zip(critic_gradients, (p.grad for p in critic.parameters()), strict=True))


def test_a_gradient_that_is_no_number_is_not_followed() -> None:
    net = nn.Linear(2, 1)
    before, optimizer = copy.deepcopy(net.state_dict()), adam(net, 0.1)
    with pytest.raises(DivergedError, match="gradient of the loss is nan, and was not followed"):
        gradient_step(net(torch.tensor([[float("nan"), 1.0]])).mean(), optimizer)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_target_follows_and_learns_nothing_by_itself() -> None:
    net = nn.Linear(2, 1)
    target = target_of(net)
    assert not any(p.requires_grad for p in target.parameters())
    with torch.no_grad():
        net.weight.fill_(1.0)
        target.weight.fill_(0.0)
    follow(target, net, 0.1)
    follow(target, net, 0.1)
    torch.testing.assert_close(target.weight, torch.full((1, 2), 0.19))


def test_devices_are_found_or_named() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda")
    with pytest.raises(UnknownNameError, match="device"):
        registry.get("Envelope")(problems.deterministic(), device="gpu")
    for name in (device for device, exists in THERE.items() if not exists):
        for algorithm in ("Envelope", "VectorQLambda", "PCN", "EUPG", "QuantileDQN", "GPILS"):
            with pytest.raises(
                AgentError, match=f"device is '{name}', which torch does not find on this machine"
            ) as one:
                registry.get(algorithm)(problems.deterministic(), device=name)
            assert "\n" not in str(one.value)

"""Devices: everything that networks touch is on theirs, and checkpoints move between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from test_agents_neural_policy_kwargs import BOTH, CASES, PLAIN, made
from torch import nn

from morl.agents import registry
from morl.agents.core.errors import DeviceError
from morl.agents.neural.networks import PopArt
from morl.testing.agents import digest

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.parametrize(("name", "options", "continuous"), CASES)
def test_a_checkpoint_of_another_device_comes_here(
    name: str, options: dict[str, Any], continuous: bool, tmp_path: Any
) -> None:
    agent = made(name, options, continuous, PLAIN, device="cpu").learn(40)
    before = digest(agent)
    object.__setattr__(agent.config, "device", "mps" if torch.cuda.is_available() else "cuda")
    path, env, kind = agent.save(tmp_path / "agent"), agent.problem.env, registry.get(name)
    with pytest.raises(DeviceError, match=r"torch does not find on this machine; .* \(load\(") as error:
        kind.load(path, env).predict(np.zeros(2, np.float32), accrued=np.zeros(2))
    assert "\n" not in str(error.value)
    twin = kind.load(path, env, device="cpu")
    assert (digest(twin), twin.config.device) == (before, "cpu")


LOSSES = ("GPILS", "CAPQL", "VectorQLambda", "PCN", "QuantileDQN", "ConditionedPPO")


@pytest.mark.parametrize("seen", [PLAIN, BOTH], ids=["numbers", "images"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_need_nothing_of_another_device(
    name: str, seen: spaces.Space[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device of shapes without numbers: what stayed on the processor would be refused beside it.

    Envelope is left out: how many pairs its target network answers for depends on numbers.
    """
    options = {case: given for case, given, _ in CASES}[name]
    agent = made(name, options, name == "CAPQL", seen, device="cpu")
    agent.device = torch.device("meta")
    for owner in (agent, getattr(agent, "learner", None)):
        for part in list(vars(owner).values()) if owner is not None else []:
            if isinstance(part, nn.Module):
                part.to("meta")
    monkeypatch.setattr(PopArt, "update", lambda *given: None)  # whether units have moved cannot be known here
    loss = loss_of(agent, name, 6)
    assert (loss.device.type, loss.shape) == ("meta", ())
    loss.backward()


def loss_of(agent: Any, name: str, n: int) -> torch.Tensor:
    """The loss of n rows of zeros."""
    from morl.agents.neural.off_policy import Batch

    rows = agent._tensor(np.zeros((n, agent.rows.size), agent.rows.dtype))
    weights, zeros = agent._tensor(np.full((n, 2), 0.5, np.float32)), agent._tensor(np.zeros(n, np.float32))
    number = agent._tensor(np.zeros(n, np.int64))
    over = agent._tensor(np.ones((n, 1), np.float32))
    if name == "PCN":
        return agent.loss(rows, agent._command(np.zeros((n, 2)), np.ones(n)), number)
    if name == "VectorQLambda":
        return agent.losses(rows, weights, number, weights).sum()
    if name == "ConditionedPPO":
        losses, rest = agent.losses(rows, weights, number, zeros, zeros, weights)
        return losses.sum() + rest
    if name == "QuantileDQN":
        return agent.loss(Batch(rows, number, over, rows, over), np.zeros(n))
    batch = Batch(rows, number, weights, rows, over)
    if name == "CAPQL":
        noise = agent._tensor(np.zeros((n, 1), np.float32))
        critic = agent.critic_losses(batch._replace(actions=noise), weights, noise).sum()
        return critic + agent.actor_loss(rows, weights, noise)[0]
    if name == "GPILS":
        return agent.learner.losses(batch, weights).sum()
    raise KeyError(name)


@pytest.mark.gpu
@GPU
@pytest.mark.parametrize("seen", [PLAIN, BOTH], ids=["numbers", "images"])
@pytest.mark.parametrize(("name", "options", "continuous"), CASES)
def test_agents_learn_on_a_gpu_and_come_back(
    name: str, options: dict[str, Any], continuous: bool, seen: spaces.Space[Any], tmp_path: Any
) -> None:
    agent = made(name, options, continuous, seen, device="cuda").learn(64)
    env, kind = agent.problem.env, registry.get(name)
    here = kind.load(agent.save(tmp_path / "agent"), env, device="cpu")
    there = kind.load(here.save(tmp_path / "back"), env, device="cuda")
    for shown in env.shown:
        chosen = [one.predict(shown, deterministic=True, accrued=np.zeros(2))[0] for one in (agent, here, there)]
        assert np.allclose(chosen[0], chosen[1], atol=1e-3)
        assert np.allclose(chosen[0], chosen[2], atol=1e-3)
    there.learn(64)

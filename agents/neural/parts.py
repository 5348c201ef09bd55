"""The part of an agent's networks that other agents may take over: its trunk, or all. Needs torch; import it lazily.

Clients of federated training exchange it, tasks of a sequence hand it on, and a new agent begins with that of another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from morl.agents.base import Agent
from morl.agents.neural.networks import PopArt, Trunk
from morl.spec import AgentError

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]


def _networks(agent: Agent) -> dict[str, nn.Module]:
    """The agent's networks that learn by gradients; target networks follow them."""
    modules = {name: part for name, part in agent._objects.items() if isinstance(part, nn.Module)}
    return {name: net for name, net in modules.items() if any(p.requires_grad for p in net.parameters())}


def shared_parameters(agent: Agent, share: str = "trunk") -> dict[str, nn.Parameter]:
    """Parameters that other agents may take over, by name.

    Raises:
        AgentError: the agent has no network with a trunk.
    """
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

    found: dict[str, nn.Parameter] = {}
    for name, net in _networks(agent).items():
        for part, module in net.named_modules():
            if share == "all" or isinstance(module, Trunk | BaseFeaturesExtractor):
                prefix = ".".join(filter(None, (name, part)))
                found.update({f"{prefix}.{key}": p for key, p in module.named_parameters() if p.requires_grad})
    # A module inside a shared one is met twice, under the same name.
    if not found:
        raise AgentError(f"{agent.info.name} has no network with a trunk to share; agents that have: Envelope, GPILS, "
                         "CAPQL, VectorQLambda, ConditionedPPO")  # fmt: skip
    return found


def shared_arrays(agent: Agent, share: str) -> Arrays:
    """Copies of the shared parameters; heads in the unit of the returns."""
    with _plain_heads(agent, share):
        return {name: p.detach().cpu().numpy().copy() for name, p in shared_parameters(agent, share).items()}


def load_shared(agent: Agent, arrays: Mapping[str, Array], share: str) -> None:
    """Take over shared parameters.

    Raises:
        AgentError: a parameter that is missing, left over or of another shape.
    """
    mine = shared_parameters(agent, share)
    for name in sorted(mine.keys() ^ arrays.keys()):
        raise AgentError(f"parameter {name} is {'missing' if name in mine else 'none that is shared'}")
    with _plain_heads(agent, share), torch.no_grad():
        for name, parameter in mine.items():
            if arrays[name].shape != tuple(parameter.shape):
                raise AgentError(f"{name} has shape {arrays[name].shape}; expected {tuple(parameter.shape)}")
            parameter.copy_(torch.from_numpy(np.array(arrays[name])))


def warm_start(agent: Agent, source: Agent, share: str = "trunk") -> None:
    """Let an agent that has learned nothing begin with what another one knows, its target networks as well.

    Args:
        agent: begins.
        source: an agent of the same algorithm and architecture, with the same spaces and objectives.
        share: ``"trunk"``, or ``"all"`` for the heads too: what to do for every preference.

    Raises:
        AgentError: agents that differ, or one that has begun to learn.
    """
    if agent.num_timesteps:
        raise AgentError(f"{agent.info.name} has learned from {agent.num_timesteps} steps; warm-start a fresh one")
    if type(agent) is not type(source):
        raise AgentError(f"{agent.info.name} cannot begin as {source.info.name}; expected agents of one algorithm")
    require_alike([source, agent], "agent")
    load_shared(agent, shared_arrays(source, share), share)
    align_targets(agent)


def align_targets(agent: Agent) -> None:
    """Make target networks of an agent equal to those that they follow."""
    learning = _networks(agent)
    for name, part in agent._objects.items():
        if isinstance(part, nn.Module) and name not in learning:
            for net in learning.values():
                if _shapes(net) == _shapes(part):
                    part.load_state_dict(net.state_dict())


def _shapes(net: nn.Module) -> dict[str, torch.Size]:
    return {name: p.shape for name, p in net.named_parameters()}


def made_alike(kind: type[Agent], envs: Sequence[Any], what: str, seed: int, options: Mapping[str, Any]) -> list[Agent]:
    """Agents that can share: one for each environment, of one class and with one set of options.

    Args:
        kind: their class.
        envs: environments, or ids.
        what: they are, for messages.
        seed: agent i gets ``seed + i``.
        options: of every agent.

    Raises:
        AgentError: no environment, or one whose spaces or objectives differ from the first one's.
        UnknownNameError: no such option.
    """
    if not len(envs):
        raise AgentError(f"there are no {what}s; expected at least one environment")
    agents: list[Agent] = [kind(env, seed=seed + i, **options) for i, env in enumerate(envs)]
    require_alike(agents, what)
    return agents


def require_alike(agents: Sequence[Agent], what: str) -> None:
    """Require that all have the objectives and spaces of the first; ``what`` they are is for the message.

    Raises:
        AgentError: one has others.
    """
    first = agents[0]
    for number, agent in enumerate(agents[1:], start=1):
        for part, mine, others in (
            ("objectives", agent.spec.names, first.spec.names),
            ("observations", agent.observation_space, first.observation_space),
            ("actions", agent.action_space, first.action_space),
        ):
            if mine != others:
                raise AgentError(f"{what} {number} has {part} {mine}, {what} 0 {others}; expected the same")


@contextmanager
def _plain_heads(agent: Agent, share: str) -> Iterator[None]:
    """While the block lasts, let shared heads speak in the unit of the returns, which all clients have in common."""
    nets = _networks(agent).values() if share == "all" else ()
    heads = [module for net in nets for module in net.modules() if isinstance(module, PopArt)]
    units = [(head.mean.clone(), head.std.clone()) for head in heads]
    with torch.no_grad():
        for head in heads:
            head._rescale(torch.zeros_like(head.mean), torch.ones_like(head.std))
        yield
        for head, (mean, std) in zip(heads, units, strict=True):
            head._rescale(mean, std)


@contextmanager
def pulled_to(agent: Agent, share: str, proximal: float) -> Iterator[None]:
    """While the block lasts, add μ(θ_c − θ) to gradients of shared parameters, θ as they are now (FedProx).

    At μ = ∞ they stay as they are, and only what is not shared learns.
    """
    if proximal == 0.0 or share == "none":
        yield
        return
    anchors = {p: p.detach().clone() for p in shared_parameters(agent, share).values()}

    def pull(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p in anchors and p.grad is not None:
                    if math.isinf(proximal):
                        p.grad = None  # the optimizer leaves it out
                    else:
                        p.grad.add_(p.detach() - anchors[p], alpha=proximal)

    optimizers = [part for part in agent._objects.values() if isinstance(part, torch.optim.Optimizer)]
    handles = [optimizer.register_step_pre_hook(pull) for optimizer in optimizers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

"""Twin critics for vector returns: two networks, their targets, and the update they share. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from morl.agents.neural.dense import Dense
from morl.agents.neural.flat import Adam, Target
from morl.agents.neural.networks import Array, VectorNet, seeded
from morl.agents.neural.parameters import load_module, module_arrays

if TYPE_CHECKING:
    from morl.agents.base import Agent


def smaller(first: Tensor, second: Tensor, weights: Tensor) -> Tensor:
    """Of two value vectors ``(..., K)`` the one that weights ``(..., K)`` value less (clipped double Q)."""
    less = (weights * first).sum(dim=-1, keepdim=True) <= (weights * second).sum(dim=-1, keepdim=True)
    return torch.where(less, first, second)


class Pair(nn.Module):
    """Two vector-valued networks that answer the same question.

    Args:
        nets: both.
    """

    def __init__(self, nets: Sequence[VectorNet]) -> None:
        super().__init__()
        self.first, self.second = nets

    def values(self, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Values ``(n, outputs, K)`` of both, in the unit of the returns."""
        return self.first.values(inputs, weights), self.second.values(inputs, weights)


class Twins:
    """Two vector-valued networks with targets, one optimizer, and the update they share."""

    def __init__(self, agent: Agent, inputs: int, outputs: int, lr: float, layer_norm: bool) -> None:
        c = agent.config
        self.discount, self.tau = agent.discount, c.tau
        nets = []
        for number in range(2):
            with seeded(agent.integer_seed("network", number)):
                nets.append(VectorNet(inputs, agent.k, outputs, c.hidden, mix=c.mix, layer_norm=layer_norm))
        self.nets = Pair(nets)
        self.optimizer = Adam(self.nets, lr)
        self.target = Target(self.nets, self.optimizer.values)
        self.targets = self.target.net
        self.online = [Dense(net) for net in (self.nets.first, self.nets.second)]
        # Their own gradients are written out, so for autograd, which improves actors, they are functions of the inputs.
        self.nets.requires_grad_(c.mix == "film")
        self.frozen = [Dense(net) for net in (self.targets.first, self.targets.second)]

    @property
    def unit(self) -> Tensor:
        """Standard deviation of each objective's returns ``(K,)``, as both networks use it."""
        return self.nets.first.head.std

    def fit(self, inputs: Tensor, actions: Tensor | None, weights: Tensor, goal: Tensor) -> None:
        """One step towards ``goal`` ``(n, K)`` in both networks, in normalised units."""
        rows = self.online[0].join(inputs.numpy(), weights.numpy())
        chosen = np.zeros(len(rows), dtype=np.int64) if actions is None else actions.numpy()
        self.learn(rows, chosen, goal.numpy())

    def learn(self, rows: Array, actions: Array, goal: Array) -> None:
        """The same for arrays, of joined rows ``(n, inputs + K)`` and numbers of actions ``(n,)``."""
        head = self.nets.first.head
        head.update(torch.from_numpy(goal), [self.nets.second.head, self.targets.first.head, self.targets.second.head])
        wanted = self.online[0].normalised(goal)
        for net in self.online:
            kept: list[Any] = []
            features = net.features(rows, kept)
            error = net.chosen(features, actions) - wanted  # the loss is the mean of its squares
            net.backward(error * (2 / error.size), features, actions, kept)
        self.optimizer.descend()

    def follow(self) -> None:
        """Let the targets follow."""
        self.target.follow(self.tau)

    def arrays(self) -> dict[str, Array]:
        """State for a checkpoint."""
        return {
            **module_arrays(self.nets, "critics"),
            **module_arrays(self.targets, "critic_targets"),
            **self.optimizer.arrays("critics_adam"),
        }

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        load_module(self.nets, arrays, "critics")
        load_module(self.targets, arrays, "critic_targets")
        self.optimizer.restore(arrays, "critics_adam")

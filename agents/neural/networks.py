"""Networks with one output per objective, and their state as plain arrays. Needs torch; import it lazily."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from morl.agents.core.memory import require
from morl.agents.neural.kernels import new_units
from morl.agents.neural.perceptron import perceptron
from morl.spec import AgentError

Array = np.ndarray[Any, Any]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initialise networks from ``seed`` without touching torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


# ---- networks -------------------------------------------------------------------------------------------


class Trunk(nn.Module):
    """A multi-layer perceptron that may take a preference.

    Args:
        inputs: size of an encoded observation.
        hidden: width of each layer.
        preference: size of the preference, 0 for none.
        mix: ``"concat"`` appends the preference to the input; ``"film"`` scales and shifts every hidden layer by it
            (Perez et al. 2018).
        layer_norm: normalise each hidden layer.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int] = (64, 64),
        *,
        preference: int = 0,
        mix: str = "concat",
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        if mix not in ("concat", "film"):
            raise AgentError(f"preference input is {mix!r}; expected 'concat' or 'film'")
        self.film = mix == "film" and preference > 0
        sizes = [inputs + (0 if self.film else preference), *hidden]
        # With their gradients and Adam's two moments, parameters take four times their size.
        require(16.0 * sum(a * b for a, b in pairwise(sizes)), f"a network with layers {sizes}", "lower hidden")
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.LayerNorm(b) if layer_norm else nn.Identity() for b in hidden)
        self.gates = nn.ModuleList(nn.Linear(preference, 2 * b) for b in hidden) if self.film else nn.ModuleList()
        for gate in self.gates:
            assert isinstance(gate, nn.Linear)
            nn.init.zeros_(gate.weight)
            nn.init.zeros_(gate.bias)
        self.preference = preference
        self.size = hidden[-1] if hidden else sizes[0]

    def forward(self, inputs: Tensor, preference: Tensor | None = None) -> Tensor:
        """Features ``(n, size)`` of inputs ``(n, inputs)`` and preferences ``(n, K)``."""
        if self.preference and not self.film:
            assert preference is not None
            inputs = torch.cat([inputs, preference], dim=-1)
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            inputs = norm(layer(inputs))
            if self.film:
                assert preference is not None
                scale, shift = self.gates[i](preference).chunk(2, dim=-1)
                inputs = inputs * (1 + scale) + shift
            inputs = torch.relu(inputs)
        return inputs


class Perceptron:
    """A trunk and a linear output as one operation: the same numbers as ``head(trunk(inputs, preference))``, sooner.

    Args:
        trunk: hidden layers; they stay with the module that owns them.
        head: output layer; likewise.
    """

    def __init__(self, trunk: Trunk, head: nn.Linear) -> None:
        self.trunk, self.head = trunk, head
        layers = zip(trunk.layers, trunk.norms, strict=True)
        self.normed = any(isinstance(norm, nn.LayerNorm) for norm in trunk.norms)
        self.ordered = [p for pair in layers for module in pair for p in module.parameters()]
        self.ordered += list(head.parameters())

    def __call__(self, inputs: Tensor, preference: Tensor | None = None) -> Tensor:
        """Outputs ``(n, outputs)`` for inputs ``(n, inputs)`` and preferences ``(n, K)``."""
        if self.trunk.film:
            filmed: Tensor = self.head(self.trunk(inputs, preference))
            return filmed
        if self.trunk.preference:
            assert preference is not None
            inputs = torch.cat([inputs, preference], dim=-1)
        return perceptron(inputs, self.normed, self.ordered)


class PopArt(nn.Module):
    """A linear head for K objectives whose outputs keep their meaning while targets are normalised per objective.

    Outputs are in units of a standard deviation; when that moves, weights and biases are rescaled so that
    de-normalised outputs stay what they were (van Hasselt et al. 2016; Hessel et al. 2019). An objective that is 100
    times larger than another then pulls no harder. The moments run on with every batch; the units in use follow them
    only once they are a percent off, because rescaling costs more than counting and each time rounds the weights.

    Args:
        inputs: features.
        k: objectives.
        outputs: outputs per objective (actions, quantiles, or 1).
        beta: step size of the running moments; early ones are averaged exactly.

    Attributes:
        mean: what an output of 0 means, ``(K,)``.
        std: what an output of 1 adds to it, ``(K,)``.
    """

    TOLERANCE = 0.01
    mean: Tensor
    std: Tensor
    moments: Tensor
    count: Tensor

    def __init__(self, inputs: int, k: int, outputs: int = 1, beta: float = 3e-4) -> None:
        super().__init__()
        self.k, self.outputs, self.beta = k, outputs, beta
        self.linear = nn.Linear(inputs, outputs * k)
        self.register_buffer("mean", torch.zeros(k))
        self.register_buffer("std", torch.ones(k))
        # First and second moment of the targets so far, (2, K), in the precision that their difference needs.
        self.register_buffer("moments", torch.zeros(2, k, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(1, dtype=torch.float64))

    def forward(self, features: Tensor) -> Tensor:
        """Normalised outputs ``(n, outputs, K)``."""
        out: Tensor = self.linear(features)
        return out.view(*features.shape[:-1], self.outputs, self.k)

    def denormalise(self, outputs: Tensor) -> Tensor:
        """Outputs ``(..., K)`` in the unit of the returns."""
        return torch.addcmul(self.mean, outputs, self.std)

    def normalise(self, targets: Tensor) -> Tensor:
        """Targets ``(..., K)`` in units of the running statistics."""
        return (targets - self.mean) / self.std

    @torch.no_grad()
    def update(self, targets: Tensor, followers: Sequence[PopArt] = ()) -> None:
        """Take in targets ``(..., K)``; where the units move, rescale so that de-normalised outputs stay the same.

        Args:
            targets: what this head is to predict, in the unit of the returns.
            followers: heads that use the same units from the beginning (a twin, a target network): averaging weights
                of heads that normalise differently would change what they say.
        """
        self.count += 1
        rows, step = targets.numpy().reshape(-1, self.k), max(self.beta, 1.0 / float(self.count))
        units = np.stack([self.mean.numpy(), self.std.numpy()])
        if new_units(rows, self.moments.numpy(), step, self.TOLERANCE, units):
            for head in (self, *followers):
                head._rescale(*torch.from_numpy(units))

    def _rescale(self, mean: Tensor, std: Tensor) -> None:
        """Use these units from now on, saying the same as before."""
        ratio, shift = self.std / std, (self.mean - mean) / std
        self.linear.weight.view(self.outputs, self.k, -1).mul_(ratio[:, None])
        self.linear.bias.view(self.outputs, self.k).mul_(ratio).add_(shift)
        self.mean.copy_(mean)
        self.std.copy_(std)


class VectorNet(nn.Module):
    """Trunk and PopArt head: encoded observations (and preferences) to ``(n, outputs, K)``.

    Args:
        inputs: size of an encoded observation.
        k: objectives.
        outputs: outputs per objective.
        hidden: width of each layer.
        preference: whether the network takes a preference.
        mix: how; see :class:`Trunk`.
        layer_norm: see :class:`Trunk`.
    """

    def __init__(
        self,
        inputs: int,
        k: int,
        outputs: int,
        hidden: Sequence[int] = (64, 64),
        *,
        preference: bool = True,
        mix: str = "concat",
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(inputs, hidden, preference=k if preference else 0, mix=mix, layer_norm=layer_norm)
        self.head = PopArt(self.trunk.size, k, outputs)
        self.body = Perceptron(self.trunk, self.head.linear)
        self._shape = (-1, outputs, k)

    def forward(self, inputs: Tensor, preference: Tensor | None = None) -> Tensor:
        """Normalised values ``(n, outputs, K)``: what losses are taken on."""
        out: Tensor = self.body(inputs, preference).view(self._shape)
        return out

    def values(self, inputs: Tensor, preference: Tensor | None = None) -> Tensor:
        """Values ``(n, outputs, K)`` in the unit of the returns: what actions are chosen by."""
        return self.head.denormalise(self.forward(inputs, preference))

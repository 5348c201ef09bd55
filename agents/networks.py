"""Networks with one output per objective, and their state as plain arrays. Needs torch; import it lazily."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from morl.spec import AgentError

Array = np.ndarray[Any, Any]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initialise networks from ``seed`` without touching torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


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


class PopArt(nn.Module):
    """A linear head for K objectives whose outputs keep their meaning while targets are normalised per objective.

    Outputs are in units of the running standard deviation; when the statistics move, weights and biases are rescaled
    so that de-normalised outputs stay what they were (van Hasselt et al. 2016; Hessel et al. 2019). An objective that
    is 100 times larger than another then pulls no harder.

    Args:
        inputs: features.
        k: objectives.
        outputs: outputs per objective (actions, quantiles, or 1).
        beta: step size of the running moments; early ones are averaged exactly.
    """

    mean: Tensor
    square: Tensor
    count: Tensor

    def __init__(self, inputs: int, k: int, outputs: int = 1, beta: float = 3e-4) -> None:
        super().__init__()
        self.k, self.outputs, self.beta = k, outputs, beta
        self.linear = nn.Linear(inputs, outputs * k)
        self.register_buffer("mean", torch.zeros(k, dtype=torch.float64))
        self.register_buffer("square", torch.ones(k, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(1, dtype=torch.float64))

    @property
    def std(self) -> Tensor:
        """Standard deviation per objective ``(K,)``, never below 1e-4 of the typical magnitude."""
        floor = 1e-4 * torch.sqrt(self.square).clamp(min=1e-6)
        return torch.maximum(torch.sqrt((self.square - self.mean**2).clamp(min=0.0)), floor)

    def forward(self, features: Tensor) -> Tensor:
        """Normalised outputs ``(n, outputs, K)``."""
        out: Tensor = self.linear(features)
        return out.view(*features.shape[:-1], self.outputs, self.k)

    def denormalise(self, outputs: Tensor) -> Tensor:
        """Outputs ``(..., K)`` in the unit of the returns."""
        return outputs * self.std.to(outputs.dtype) + self.mean.to(outputs.dtype)

    def normalise(self, targets: Tensor) -> Tensor:
        """Targets ``(..., K)`` in units of the running statistics."""
        return (targets - self.mean.to(targets.dtype)) / self.std.to(targets.dtype)

    @torch.no_grad()
    def update(self, targets: Tensor) -> None:
        """Take in targets ``(..., K)`` and rescale the head so that its de-normalised outputs stay the same."""
        flat = targets.reshape(-1, self.k).double()
        old_mean, old_std = self.mean.clone(), self.std.clone()
        self.count += 1
        step = max(self.beta, 1.0 / float(self.count))
        self.mean += step * (flat.mean(dim=0) - self.mean)
        if float(self.count) == 1:
            self.square.copy_((flat**2).mean(dim=0))
        else:
            self.square += step * ((flat**2).mean(dim=0) - self.square)
        ratio = (old_std / self.std).to(self.linear.weight.dtype)
        shift = ((old_mean - self.mean) / self.std).to(self.linear.bias.dtype)
        weight = self.linear.weight.view(self.outputs, self.k, -1)
        weight *= ratio[None, :, None]
        bias = self.linear.bias.view(self.outputs, self.k)
        bias *= ratio
        bias += shift


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

    def forward(self, inputs: Tensor, preference: Tensor | None = None) -> Tensor:
        """Normalised values ``(n, outputs, K)``: what losses are taken on."""
        out: Tensor = self.head(self.trunk(inputs, preference))
        return out

    def values(self, inputs: Tensor, preference: Tensor | None = None) -> Tensor:
        """Values ``(n, outputs, K)`` in the unit of the returns: what actions are chosen by."""
        return self.head.denormalise(self.forward(inputs, preference))


# ---- state as arrays ------------------------------------------------------------------------------------


def module_arrays(module: nn.Module, prefix: str) -> dict[str, Array]:
    """Parameters and buffers of a module as named arrays."""
    return {f"{prefix}.{key}": value.detach().cpu().numpy().copy() for key, value in module.state_dict().items()}


def load_module(module: nn.Module, arrays: Mapping[str, Array], prefix: str) -> None:
    """The inverse of :func:`module_arrays`."""
    start = len(prefix) + 1
    state = {key[start:]: torch.from_numpy(np.array(v)) for key, v in arrays.items() if key.startswith(prefix + ".")}
    module.load_state_dict(state)


def optimizer_arrays(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Array]:
    """An optimizer's moments and step counts as named arrays (hyperparameters come from the config)."""
    out: dict[str, Array] = {}
    for number, values in optimizer.state_dict()["state"].items():
        for key, value in values.items():
            if value is not None:
                out[f"{prefix}.{number}.{key}"] = np.array(torch.as_tensor(value).cpu().numpy())
    return out


def load_optimizer(optimizer: torch.optim.Optimizer, arrays: Mapping[str, Array], prefix: str) -> None:
    """The inverse of :func:`optimizer_arrays`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in arrays.items():
        if name.startswith(prefix + "."):
            number, _, key = name[len(prefix) + 1 :].partition(".")
            state.setdefault(int(number), {})[key] = torch.from_numpy(np.array(value))
    full = optimizer.state_dict()
    full["state"] = state
    optimizer.load_state_dict(full)


def polyak(target: nn.Module, source: nn.Module, tau: float) -> None:
    """Move ``target`` a fraction ``tau`` towards ``source``; buffers are copied."""
    with torch.no_grad():
        for old, new in zip(target.parameters(), source.parameters(), strict=True):
            old.lerp_(new, tau)
        for kept, fresh in zip(target.buffers(), source.buffers(), strict=True):
            kept.copy_(fresh)

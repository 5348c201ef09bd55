"""Networks with one output per objective. Needs torch; import it lazily."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from morl.agents.core.memory import require
from morl.agents.neural.conditioning import CODE, CONDITIONING, Code, Film, HyperLinear
from morl.agents.neural.features import Features
from morl.spec import AgentError


class Trunk(nn.Module):
    """A multi-layer perceptron that may take a preference.

    Args:
        inputs: size of an encoded observation, or what makes features of rows.
        net_arch: width of each layer.
        preference: size of the preference, 0 for none.
        conditioning: how the preference enters; see :mod:`morl.agents.neural.conditioning`.
        layer_norm: normalise each hidden layer.
        activation: what follows each layer.
        orthogonal: begin with orthogonal weights and no biases (Saxe et al. 2014), as on-policy learners like it.
        more: further inputs beside the features, such as the size of an action.
    """

    def __init__(
        self,
        inputs: int | Features,
        net_arch: Sequence[int] = (64, 64),
        *,
        preference: int = 0,
        conditioning: str = "concat",
        layer_norm: bool = False,
        activation: type[nn.Module] = nn.ReLU,
        orthogonal: bool = False,
        more: int = 0,
    ) -> None:
        super().__init__()
        if conditioning not in CONDITIONING:
            raise AgentError(f"conditioning is {conditioning!r}; expected one of {', '.join(CONDITIONING)}")
        self.conditioning = conditioning if preference else "concat"
        if self.conditioning != "concat" and not net_arch:
            raise AgentError(f"conditioning {conditioning!r} needs a hidden layer; give net_arch one, or use 'concat'")
        self.features: nn.Module = nn.Identity() if isinstance(inputs, int) else inputs
        first = more + (inputs if isinstance(inputs, int) else inputs.size)
        sizes = [first + (preference if self.conditioning == "concat" else 0), *net_arch]
        parameters = sum(a * b for a, b in pairwise(sizes)) * (1 + CODE * (self.conditioning == "hypernetwork"))
        # With their gradients and Adam's two moments, parameters take four times their size.
        require(16.0 * parameters, f"a network with layers {sizes}", "lower net_arch")
        layers: list[nn.Module] = [_linear(a, b, orthogonal) for a, b in pairwise(sizes)]
        self.norms = nn.ModuleList(nn.LayerNorm(b) if layer_norm else nn.Identity() for b in net_arch)
        self.gates = nn.ModuleList(Film(b, preference) for b in net_arch if self.conditioning == "film")
        if self.conditioning == "hypernetwork":
            self.code = Code(preference)
            layers = [HyperLinear(layer) for layer in layers]  # type: ignore[arg-type]
        self.layers = nn.ModuleList(layers)
        self.activation = activation()
        self.preference = preference
        self.size = net_arch[-1] if net_arch else sizes[0]

    def forward(self, inputs: Tensor, preference: Tensor | None = None, more: Tensor | None = None) -> Tensor:
        """Features ``(n, size)`` of inputs ``(n, ...)``, preferences ``(n, K)`` and further inputs ``(n, more)``."""
        x: Tensor = self.features(inputs)
        if more is not None:
            x = torch.cat([x, more], dim=-1)
        if self.preference and self.conditioning == "concat":
            assert preference is not None
            x = torch.cat([x, preference], dim=-1)
        code = (self.code(preference),) if self.conditioning == "hypernetwork" else ()
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            x = norm(layer(x, *code))
            if self.gates:
                x = self.gates[i](x, preference)
            x = self.activation(x)
        return x


def _linear(inputs: int, outputs: int, orthogonal: bool) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    if orthogonal:
        nn.init.orthogonal_(layer.weight, math.sqrt(2))
        nn.init.zeros_(layer.bias)
    return layer


class PopArt(nn.Module):
    """A linear head for K objectives whose outputs keep their meaning while targets are normalised per objective.

    Outputs are in units of a standard deviation; when that moves, weights and biases are rescaled so that
    de-normalised outputs stay what they were (van Hasselt et al. 2016; Hessel et al. 2019)::

        W' = (σ / σ') W,    b' = (σ b + μ − μ') / σ'

    An objective that is 100 times larger than another then pulls no harder. The moments run on with every batch; the
    units in use follow them only once they are a percent off, because each rescaling rounds the weights.

    Args:
        inputs: features.
        k: objectives.
        outputs: outputs per objective (actions, quantiles, or 1).
        beta: step size of the running moments; early ones are averaged exactly.
        tolerance: how far off, in standard deviations, the units in use may be; 0 lets them follow at once.
        from_mean: begin by predicting the mean of the first targets, whatever the features.

    Attributes:
        mean: what an output of 0 means, ``(K,)``.
        std: what an output of 1 adds to it, ``(K,)``.
    """

    mean: Tensor
    std: Tensor
    running_mean: Tensor
    running_var: Tensor
    count: Tensor

    def __init__(
        self,
        inputs: int,
        k: int,
        outputs: int = 1,
        *,
        beta: float = 3e-4,
        tolerance: float = 0.01,
        from_mean: bool = False,
    ) -> None:
        super().__init__()
        self.k, self.outputs, self.beta, self.tolerance, self.from_mean = k, outputs, beta, tolerance, from_mean
        self.linear = nn.Linear(inputs, outputs * k)
        if from_mean:
            nn.init.zeros_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)
        self.register_buffer("mean", torch.zeros(k))
        self.register_buffer("std", torch.ones(k))
        self.register_buffer("running_mean", torch.zeros(k))
        self.register_buffer("running_var", torch.zeros(k))
        self.register_buffer("count", torch.zeros(1, dtype=torch.int64))

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
        step = max(self.beta, 1.0 / int(self.count))
        var, mean = torch.var_mean(targets.float().reshape(-1, self.k), dim=0, correction=0)
        delta = mean - self.running_mean
        self.running_mean.add_(delta, alpha=step)
        self.running_var.lerp_(var, step).addcmul_(delta, delta, value=step * (1 - step))
        # Never below 1e-4 of the typical magnitude: an objective that is constant so far must not be blown up.
        size = (self.running_var + self.running_mean**2).sqrt().clamp(min=1e-6)
        std = torch.maximum(self.running_var.sqrt(), 1e-4 * size)
        off = torch.maximum((self.running_mean - self.mean).abs(), (std - self.std).abs()) > self.tolerance * std
        if bool(off.any()):
            mean = self.running_mean.clone()
            for head in (self, *followers):
                head._rescale(mean, std)
        if self.from_mean and int(self.count) == 1:
            nn.init.zeros_(self.linear.bias)

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
        net_arch: width of each layer.
        preference: whether the network takes a preference.
        conditioning: how; see :class:`Trunk`.
        layer_norm: see :class:`Trunk`.
    """

    def __init__(
        self,
        inputs: int,
        k: int,
        outputs: int,
        net_arch: Sequence[int] = (64, 64),
        *,
        preference: bool = True,
        conditioning: str = "concat",
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(
            inputs, net_arch, preference=k if preference else 0, conditioning=conditioning, layer_norm=layer_norm
        )
        self.head = PopArt(self.trunk.size, k, outputs)

    def forward(self, inputs: Tensor, preference: Tensor | None = None) -> Tensor:
        """Normalised values ``(n, outputs, K)``: what losses are taken on."""
        out: Tensor = self.head(self.trunk(inputs, preference))
        return out

    def values(self, inputs: Tensor, preference: Tensor | None = None) -> Tensor:
        """Values ``(n, outputs, K)`` in the unit of the returns: what actions are chosen by."""
        return self.head.denormalise(self.forward(inputs, preference))


class CommandedNet(nn.Module):
    """A trunk that takes observation and command, and one linear layer.

    Args:
        trunk: takes both.
        outputs: numbers per row.
    """

    def __init__(self, trunk: Trunk, outputs: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(trunk.size, outputs)

    def forward(self, inputs: Tensor, command: Tensor) -> Tensor:
        """Outputs ``(n, outputs)`` for inputs ``(n, ...)`` and commands ``(n, size)``."""
        out: Tensor = self.head(self.trunk(inputs, command))
        return out


class TwinCritics(nn.Module):
    """Two vector-valued networks that answer the same question, in the same units (Fujimoto et al. 2018).

    Args:
        nets: both.
    """

    def __init__(self, nets: Sequence[VectorNet]) -> None:
        super().__init__()
        self.first, self.second = nets

    def forward(self, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised values ``(n, outputs, K)`` of both."""
        return self.first(inputs, weights), self.second(inputs, weights)

    def values(self, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Values ``(n, outputs, K)`` of both, in the unit of the returns."""
        return self.first.values(inputs, weights), self.second.values(inputs, weights)

    def update_units(self, targets: Tensor, target_critics: TwinCritics) -> None:
        """Let all four networks normalise by what targets ``(..., K)`` were so far."""
        others = [self.second.head, target_critics.first.head, target_critics.second.head]
        self.first.head.update(targets, others)

    def squared_error(self, inputs: Tensor, weights: Tensor, goal: Tensor, actions: Tensor | None = None) -> Tensor:
        """Σ over both of the mean of ‖y − Q(s, a, w)‖², in normalised units.

        Args:
            inputs: ``(n, inputs)``.
            weights: ``(n, K)``.
            goal: y, ``(n, K)`` in the unit of the returns.
            actions: ``(n,)`` which output is meant, where there are several.
        """
        goal = self.first.head.normalise(goal)
        first, second = (q[:, 0] if actions is None else of_actions(q, actions) for q in self(inputs, weights))
        return (first - goal).square().mean() + (second - goal).square().mean()


def clipped_double(first: Tensor, second: Tensor, weights: Tensor) -> Tensor:
    """Of two value vectors ``(..., K)`` the one whose utility ``(..., K)`` is smaller (clipped double Q)."""
    less = (weights * first).sum(dim=-1, keepdim=True) <= (weights * second).sum(dim=-1, keepdim=True)
    return torch.where(less, first, second)


def of_actions(values: Tensor, actions: Tensor) -> Tensor:
    """Of values ``(n, A, K)`` those of one action per row ``(n,)``: ``(n, K)``."""
    return values.gather(1, actions[:, None, None].expand(-1, 1, values.shape[2]))[:, 0]

"""Networks with one output per objective. Needs torch; import it lazily."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from morl.agents.core.memory import require
from morl.agents.neural.conditioning import CODE, CONDITIONING, Code, Film, HyperLinear
from morl.agents.neural.features import Features
from morl.agents.neural.layers import ParallelNorm, linear
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
        task: how many of the last features describe the task, and enter as the preference does.
        members: make so many networks side by side, which share what makes features; what comes out is then
            ``(members, n, size)``.
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
        task: int = 0,
        members: int | None = None,
    ) -> None:
        super().__init__()
        if conditioning not in CONDITIONING:
            raise AgentError(f"conditioning is {conditioning!r}; expected one of {', '.join(CONDITIONING)}")
        size = inputs if isinstance(inputs, int) else inputs.size
        if not 0 <= task < size:
            raise AgentError(f"a task is described by {task} of {size} features; expected 0 to {size - 1}")
        self.conditioning = conditioning if preference + task else "concat"
        self.task = 0 if self.conditioning == "concat" else task  # appended, it stays where it is
        if self.conditioning != "concat" and not net_arch:
            raise AgentError(f"conditioning {conditioning!r} needs a hidden layer; give net_arch one, or use 'concat'")
        self.features: nn.Module = nn.Identity() if isinstance(inputs, int) else inputs
        first, given = more + size - self.task, preference + self.task
        sizes = [first + (preference if self.conditioning == "concat" else 0), *net_arch]
        hyper = self.conditioning == "hypernetwork"
        parameters = (members or 1) * (1 + CODE * hyper) * sum(a * b for a, b in pairwise(sizes))
        # With their gradients and Adam's two moments, parameters take four times their size.
        require(16.0 * parameters, f"a network with layers {sizes}", "lower net_arch")
        layer = HyperLinear if hyper else linear
        self.layers = nn.ModuleList(layer(a, b, members, orthogonal) for a, b in pairwise(sizes))
        norms = (nn.LayerNorm(b) if members is None else ParallelNorm(members, b) for b in net_arch)
        self.norms = nn.ModuleList(norms if layer_norm else ())
        self.gates = nn.ModuleList(Film(b, given, members) for b in net_arch if self.conditioning == "film")
        self.code = Code(given) if hyper else None
        self.activation = activation()
        self.preference = preference
        self.size = net_arch[-1] if net_arch else sizes[0]

    def forward(
        self, inputs: Tensor, preference: Tensor | None = None, more: Tensor | None = None, *, alone: bool = False
    ) -> Tensor:
        """What the last layer says, ``(n, size)``.

        Args:
            inputs: ``(n, ...)``.
            preference: ``(n, K)``.
            more: ``(n, more)`` further inputs.
            alone: compute the first of several members only, ``(1, n, size)``.
        """
        return self.of_features(self.features(inputs), preference, more, alone=alone)

    def of_features(
        self, x: Tensor, preference: Tensor | None = None, more: Tensor | None = None, *, alone: bool = False
    ) -> Tensor:
        """The same for features ``(n, ...)`` that :attr:`features` has made."""
        if self.task:
            x, task = x[..., : -self.task], x[..., -self.task :]
            preference = task if preference is None else torch.cat([preference, task], dim=-1)
        if more is not None:
            x = torch.cat([x, more], dim=-1)
        if self.preference and self.conditioning == "concat":
            assert preference is not None
            x = torch.cat([x, preference], dim=-1)
        if alone:
            x = x[None]
        code = () if self.code is None else (self.code(preference),)
        for i, layer in enumerate(self.layers):
            x = layer(x, *code)
            if self.norms:
                x = self.norms[i](x)
            if self.gates:
                assert preference is not None
                x = self.gates[i](x, preference[None] if alone else preference)
            x = self.activation(x)
        return x


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
        members: networks side by side, which share their units; see :class:`Trunk`.

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
        members: int | None = None,
    ) -> None:
        super().__init__()
        self.k, self.outputs, self.beta, self.tolerance, self.from_mean = k, outputs, beta, tolerance, from_mean
        self.linear = linear(inputs, outputs * k, members)
        if from_mean:
            nn.init.zeros_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)
        self.register_buffer("mean", torch.zeros(k))
        self.register_buffer("std", torch.ones(k))
        self.register_buffer("running_mean", torch.zeros(k))
        self.register_buffer("running_var", torch.zeros(k))
        self.register_buffer("count", torch.zeros(1, dtype=torch.int64))

    def forward(self, features: Tensor) -> Tensor:
        """Normalised outputs ``(n, outputs, K)``, of members ``(members, n, outputs, K)``."""
        out: Tensor = self.linear(features)
        return out.view(*out.shape[:-1], self.outputs, self.k)

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
        moments = torch.stack([self.running_mean, self.running_var, self.mean, self.std], dim=1)
        mean_now, std_now, off = zip(*(self._units(*row) for row in moments.tolist()), strict=True)
        if any(off):
            for head in (self, *followers):
                head._rescale(targets.new_tensor(mean_now), targets.new_tensor(std_now))
        if self.from_mean and int(self.count) == 1:
            nn.init.zeros_(self.linear.bias)

    def _units(self, running_mean: float, running_var: float, mean: float, std: float) -> tuple[float, float, bool]:
        """Of one objective, mean and deviation by now, and whether the units in use, ``mean`` and ``std``, are off.

        A few numbers: by themselves they take a tenth of the time that they would take as tensors.
        """
        size = math.sqrt(running_var + running_mean**2)
        if size < 1e-6:  # nothing but zeros so far, which tell no unit
            return mean, std, False
        # Never below 1e-4 of the typical magnitude: an objective that is constant so far must not be blown up.
        now = max(math.sqrt(running_var), 1e-4 * size)
        return running_mean, now, max(abs(running_mean - mean), abs(now - std)) > self.tolerance * now

    def _rescale(self, mean: Tensor, std: Tensor) -> None:
        """Use these units from now on, saying the same as before."""
        ratio, shift = self.std / std, (self.mean - mean) / std
        weight, bias = self.linear.weight, self.linear.bias
        if weight.dim() == 2:  # outputs first
            weight.view(self.outputs, self.k, -1).mul_(ratio[:, None])
        else:
            weight.view(-1, self.k).mul_(ratio)
        bias.view(-1, self.k).mul_(ratio).add_(shift)
        self.mean.copy_(mean)
        self.std.copy_(std)


class VectorNet(nn.Module):
    """Trunk and PopArt head: observations (and preferences) to ``(n, outputs, K)``.

    Args:
        inputs: size of an encoded observation, or what makes features of rows.
        k: objectives.
        outputs: outputs per objective.
        net_arch: width of each layer.
        preference: whether the network takes a preference.
        conditioning, layer_norm, activation, more, task: see :class:`Trunk`.
        members: see :class:`Trunk`; values are then ``(members, n, outputs, K)``.
    """

    def __init__(
        self,
        inputs: int | Features,
        k: int,
        outputs: int,
        net_arch: Sequence[int] = (64, 64),
        *,
        preference: bool = True,
        conditioning: str = "concat",
        layer_norm: bool = False,
        activation: type[nn.Module] = nn.ReLU,
        more: int = 0,
        task: int = 0,
        members: int | None = None,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(
            inputs,
            net_arch,
            preference=k if preference else 0,
            conditioning=conditioning,
            layer_norm=layer_norm,
            activation=activation,
            more=more,
            task=task,
            members=members,
        )
        self.head = PopArt(self.trunk.size, k, outputs, members=members)

    def forward(self, inputs: Tensor, preference: Tensor | None = None, more: Tensor | None = None) -> Tensor:
        """Normalised values ``(n, outputs, K)``: what losses are taken on."""
        out: Tensor = self.head(self.trunk(inputs, preference, more))
        return out

    def values(self, inputs: Tensor, preference: Tensor | None = None, more: Tensor | None = None) -> Tensor:
        """Values ``(n, outputs, K)`` in the unit of the returns: what actions are chosen by."""
        return self.head.denormalise(self.forward(inputs, preference, more))

    def update_units(self, targets: Tensor, *followers: Any) -> None:
        """Normalise by what targets ``(..., K)`` were so far, in step with networks that say the same."""
        self.head.update(targets, [net.head for net in followers])

    def of_pairs(self, inputs: Tensor, preferences: Tensor, which: Tensor | None = None) -> Tensor:
        """Normalised values ``(n·m, outputs, K)`` of every input ``(n, ...)`` under every preference ``(m, K)``.

        Row i·m + j is input i under preference j; features are made once per input.

        Args:
            inputs: ``(n, ...)``.
            preferences: ``(m, K)``.
            which: ``(p,)`` rows that are wanted; all by default.
        """
        pairs = paired(self.trunk.features(inputs), preferences, which)
        out: Tensor = self.head(self.trunk.of_features(*pairs))
        return out


def paired(features: Tensor, preferences: Tensor, which: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Features ``(n, size)`` and preferences ``(m, K)`` side by side, ``(n·m, ...)`` each, or only rows ``which``."""
    n, m = len(features), len(preferences)
    if which is not None:
        return features[which // m], preferences[which % m]
    return (
        features[:, None].expand(n, m, -1).reshape(n * m, -1),
        preferences.expand(n, m, -1).reshape(n * m, -1),
    )


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


class TwinCritics(VectorNet):
    """Two vector-valued networks that answer the same question, in the same units (Fujimoto et al. 2018).

    What they say, both at once, is ``(2, n, outputs, K)``.

    Args:
        inputs, k, outputs, net_arch, how: as for :class:`VectorNet`.
    """

    def __init__(
        self, inputs: int | Features, k: int, outputs: int, net_arch: Sequence[int] = (64, 64), **how: Any
    ) -> None:
        super().__init__(inputs, k, outputs, net_arch, members=2, **how)

    def first_values(self, inputs: Tensor, weights: Tensor, more: Tensor | None = None) -> Tensor:
        """Values ``(n, outputs, K)`` of the first alone, in the unit of the returns."""
        return self.head.denormalise(self.head(self.trunk(inputs, weights, more, alone=True))[0])

    def squared_errors(self, inputs: Tensor, weights: Tensor, goal: Tensor, actions: Tensor) -> Tensor:
        """Σ over both of the mean of (y_k − Q_k(s, a, w))² / K of each objective ``(K,)``, in normalised units.

        Args:
            inputs: ``(n, inputs)``.
            weights: ``(n, K)``.
            goal: y, ``(n, K)`` in the unit of the returns.
            actions: ``(n,)`` which output is meant, or ``(n, size)`` reals that are a further input.
        """
        real = actions.is_floating_point()
        q: Tensor = self(inputs, weights, actions if real else None)
        predicted = q[:, :, 0] if real else of_actions(q, actions)
        return (self.head.normalise(goal) - predicted).square().mean(dim=(0, 1)) * (2 / goal.shape[1])


def clipped_double(values: Tensor, weights: Tensor) -> Tensor:
    """Of two value vectors ``(2, n, K)`` the one whose utility by weights ``(n, K)`` is smaller, ``(n, K)``."""
    first, second = (values * weights).sum(dim=-1, keepdim=True)
    return torch.where(first <= second, values[0], values[1])


def of_actions(values: Tensor, actions: Tensor) -> Tensor:
    """Of values ``(..., n, A, K)`` those of one action per row ``(n,)``: ``(..., n, K)``."""
    shape = (*values.shape[:-2], 1, values.shape[-1])
    return values.gather(-2, actions[:, None, None].expand(shape)).squeeze(-2)

"""Networks with one output per objective. Needs torch; import it lazily."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from morl.agents.core.memory import require
from morl.spec import AgentError


class ParallelLinear(nn.Module):
    """Linear layers of several networks side by side, as one batched product: members of an ensemble.

    Args:
        members: E, how many.
        inputs, outputs: of each.

    >>> layer = ParallelLinear(2, 3, 4)
    >>> layer(torch.zeros(5, 3)).shape, layer(torch.zeros(1, 5, 3)).shape
    (torch.Size([2, 5, 4]), torch.Size([1, 5, 4]))
    """

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        one = [nn.Linear(inputs, outputs) for _ in range(members)]
        # Inputs first: so products need no copies, and gradients are laid out as the parameters are.
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in one]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach()[None] for layer in one]))

    def forward(self, inputs: Tensor) -> Tensor:
        """``(E, n, outputs)`` of inputs ``(n, inputs)``; of inputs ``(e, n, inputs)`` what the first e members say."""
        if inputs.dim() == 2:
            inputs = inputs.expand(len(self.weight), -1, -1)
        return torch.baddbmm(_first(self.bias, inputs), inputs, _first(self.weight, inputs))


class ParallelNorm(nn.Module):
    """Layer normalisation of several networks side by side.

    Args:
        members: E, how many.
        size: of a layer.
    """

    def __init__(self, members: int, size: int) -> None:
        super().__init__()
        self.size = (size,)
        self.weight = nn.Parameter(torch.ones(members, 1, size))
        self.bias = nn.Parameter(torch.zeros(members, 1, size))

    def forward(self, inputs: Tensor) -> Tensor:
        """``(e, n, size)`` of the first e members."""
        even = nn.functional.layer_norm(inputs, self.size)
        return torch.addcmul(_first(self.bias, inputs), even, _first(self.weight, inputs))


def _first(parameter: Tensor, inputs: Tensor) -> Tensor:
    """The parameters of as many members as there are inputs for."""
    return parameter if len(parameter) == len(inputs) else parameter[: len(inputs)]


class Trunk(nn.Module):
    """A multi-layer perceptron that may take a preference.

    Args:
        inputs: size of an encoded observation.
        net_arch: width of each layer.
        preference: size of the preference, 0 for none.
        mix: ``"concat"`` appends the preference to the input; ``"film"`` scales and shifts every hidden layer by it
            (Perez et al. 2018).
        layer_norm: normalise each hidden layer.
        activation: what follows each layer.
        orthogonal: begin with orthogonal weights and no biases (Saxe et al. 2014), as on-policy learners like it.
        members: make so many networks side by side; features are then ``(members, n, size)``.
    """

    def __init__(
        self,
        inputs: int,
        net_arch: Sequence[int] = (64, 64),
        *,
        preference: int = 0,
        mix: str = "concat",
        layer_norm: bool = False,
        activation: type[nn.Module] = nn.ReLU,
        orthogonal: bool = False,
        members: int | None = None,
    ) -> None:
        super().__init__()
        if mix not in ("concat", "film"):
            raise AgentError(f"preference input is {mix!r}; expected 'concat' or 'film'")
        self.film = mix == "film" and preference > 0
        sizes = [inputs + (0 if self.film else preference), *net_arch]
        # With their gradients and Adam's two moments, parameters take four times their size.
        require(16.0 * sum(a * b for a, b in pairwise(sizes)), f"a network with layers {sizes}", "lower net_arch")
        self.layers = nn.ModuleList(linear(a, b, members, orthogonal) for a, b in pairwise(sizes))
        norms = (nn.LayerNorm(b) if members is None else ParallelNorm(members, b) for b in net_arch)
        self.norms = nn.ModuleList(norms if layer_norm else ())
        self.gates = nn.ModuleList(linear(preference, 2 * b, members) for b in net_arch if self.film)
        for parameter in self.gates.parameters():
            nn.init.zeros_(parameter)
        self.activation = activation()
        self.preference = preference
        self.size = net_arch[-1] if net_arch else sizes[0]

    def forward(self, inputs: Tensor, preference: Tensor | None = None) -> Tensor:
        """Features ``(n, size)`` of inputs ``(n, inputs)`` and preferences ``(n, K)``."""
        if self.preference and not self.film:
            assert preference is not None
            inputs = torch.cat([inputs, preference], dim=-1)
        for i, layer in enumerate(self.layers):
            inputs = layer(inputs)
            if self.norms:
                inputs = self.norms[i](inputs)
            if self.film:
                assert preference is not None
                scale, shift = self.gates[i](preference).chunk(2, dim=-1)
                inputs = inputs * (1 + scale) + shift
            inputs = self.activation(inputs)
        return inputs


def linear(
    inputs: int, outputs: int, members: int | None = None, orthogonal: bool = False
) -> nn.Linear | ParallelLinear:
    """A linear layer, or those of several members side by side."""
    if members is not None:
        return ParallelLinear(members, inputs, outputs)
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
        # Never below 1e-4 of the typical magnitude: an objective that is constant so far must not be blown up.
        size = max(math.sqrt(running_var + running_mean**2), 1e-6)
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
    """Trunk and PopArt head: encoded observations (and preferences) to ``(n, outputs, K)``.

    Args:
        inputs: size of an encoded observation.
        k: objectives.
        outputs: outputs per objective.
        net_arch: width of each layer.
        preference: whether the network takes a preference.
        mix: how; see :class:`Trunk`.
        layer_norm: see :class:`Trunk`.
        members: see :class:`Trunk`; values are then ``(members, n, outputs, K)``.
    """

    def __init__(
        self,
        inputs: int,
        k: int,
        outputs: int,
        net_arch: Sequence[int] = (64, 64),
        *,
        preference: bool = True,
        mix: str = "concat",
        layer_norm: bool = False,
        members: int | None = None,
    ) -> None:
        super().__init__()
        width = k if preference else 0
        self.trunk = Trunk(inputs, net_arch, preference=width, mix=mix, layer_norm=layer_norm, members=members)
        self.head = PopArt(self.trunk.size, k, outputs, members=members)

    def forward(self, inputs: Tensor, preference: Tensor | None = None) -> Tensor:
        """Normalised values ``(n, outputs, K)``: what losses are taken on."""
        out: Tensor = self.head(self.trunk(inputs, preference))
        return out

    def values(self, inputs: Tensor, preference: Tensor | None = None) -> Tensor:
        """Values ``(n, outputs, K)`` in the unit of the returns: what actions are chosen by."""
        return self.head.denormalise(self.forward(inputs, preference))


class TwinCritics(VectorNet):
    """Two vector-valued networks that answer the same question, in the same units (Fujimoto et al. 2018).

    What they say, both at once, is ``(2, n, outputs, K)``.

    Args:
        inputs, k, outputs, net_arch, mix, layer_norm: as for :class:`VectorNet`.
    """

    def __init__(
        self, inputs: int, k: int, outputs: int, net_arch: Sequence[int], *, mix: str, layer_norm: bool
    ) -> None:
        super().__init__(inputs, k, outputs, net_arch, mix=mix, layer_norm=layer_norm, members=2)

    def first_values(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Values ``(n, outputs, K)`` of the first alone, in the unit of the returns."""
        return self.values(inputs[None], weights[None])[0]

    def squared_error(self, inputs: Tensor, weights: Tensor, goal: Tensor, actions: Tensor | None = None) -> Tensor:
        """Σ over both of the mean of ‖y − Q(s, a, w)‖², in normalised units.

        Args:
            inputs: ``(n, inputs)``.
            weights: ``(n, K)``.
            goal: y, ``(n, K)`` in the unit of the returns.
            actions: ``(n,)`` which output is meant, where there are several.
        """
        q: Tensor = self(inputs, weights)
        predicted = q[:, :, 0] if actions is None else of_actions(q, actions)
        return 2 * nn.functional.mse_loss(predicted, self.head.normalise(goal).expand_as(predicted))


def clipped_double(values: Tensor, weights: Tensor) -> Tensor:
    """Of two value vectors ``(2, n, K)`` the one whose utility by weights ``(n, K)`` is smaller, ``(n, K)``."""
    first, second = (values * weights).sum(dim=-1, keepdim=True)
    return torch.where(first <= second, values[0], values[1])


def of_actions(values: Tensor, actions: Tensor) -> Tensor:
    """Of values ``(..., n, A, K)`` those of one action per row ``(n,)``: ``(..., n, K)``."""
    shape = (*values.shape[:-2], 1, values.shape[-1])
    return values.gather(-2, actions[:, None, None].expand(shape)).squeeze(-2)

"""Linear layers and layer normalisation of one network, or of several side by side. Needs torch; import it lazily."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


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

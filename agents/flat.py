"""Networks whose parameters are one vector: Adam on it, and slow copies for targets. Needs torch; import it lazily."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from morl.agents.networks import load_optimizer, optimizer_arrays

Array = np.ndarray[Any, Any]
N = TypeVar("N", bound=nn.Module)


def flatten(module: nn.Module) -> Tensor:
    """Move all parameters of a module into one vector, of which they become views.

    What concerns all parameters (averaging, clipping, Adam) is then one operation instead of one per layer. Each
    parameter begins on a 64-byte boundary, so the vector has a few unused entries.
    """
    parameters = list(module.parameters())
    starts = np.cumsum([0] + [-(-p.numel() // 16) * 16 for p in parameters])
    flat = torch.zeros(int(starts[-1]))
    for parameter, start in zip(parameters, starts[:-1], strict=True):
        view = flat[start : start + parameter.numel()].view_as(parameter)
        view.copy_(parameter.detach())
        parameter.data = view
    return flat


class Adam:
    """Adam on all parameters of a module as one vector (Kingma & Ba 2015).

    Args:
        module: its parameters become views of :attr:`values`, their gradients views of :attr:`gradients`.
        lr: step size; may be set again.
        clip: largest norm of the gradient.
    """

    def __init__(self, module: nn.Module, lr: float, clip: float = 10.0) -> None:
        self.values, self.clip = flatten(module), clip
        self.gradients = torch.zeros_like(self.values)
        self._parameters = list(module.parameters())
        for parameter in self._parameters:
            start = parameter.storage_offset()
            parameter.grad = self.gradients[start : start + parameter.numel()].view_as(parameter)
        vector = nn.Parameter(self.values)
        vector.grad = self.gradients
        self._adam = torch.optim.Adam([vector], lr=lr, fused=True)

    @property
    def lr(self) -> float:
        """Step size."""
        return float(self._adam.param_groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        self._adam.param_groups[0]["lr"] = value

    def step(self, loss: Tensor) -> None:
        """One step down the gradient of ``loss``."""
        self.gradients.zero_()
        # Nothing is computed for networks that the gradient merely passes through.
        loss.backward(inputs=self._parameters)  # type: ignore[no-untyped-call]
        norm = float(torch.linalg.vector_norm(self.gradients))
        if norm > self.clip:
            self.gradients.mul_(self.clip / norm)
        self._adam.step()

    def arrays(self, prefix: str) -> dict[str, Array]:
        """Moments and step count for a checkpoint."""
        return optimizer_arrays(self._adam, prefix)

    def restore(self, arrays: Mapping[str, Array], prefix: str) -> None:
        """The inverse of :meth:`arrays`."""
        load_optimizer(self._adam, arrays, prefix)


class Target(Generic[N]):
    """A slow copy of a network, for targets (Lillicrap et al. 2016).

    Args:
        source: the network; flattened by :class:`Adam` already.
        values: its parameters as one vector.

    Attributes:
        net: the copy. It learns nothing by itself.
    """

    def __init__(self, source: N, values: Tensor) -> None:
        self.net: N = copy.deepcopy(source)
        self.net.requires_grad_(False)
        self.values, self._source = flatten(self.net), values

    def follow(self, tau: float) -> None:
        """Move a fraction ``tau`` towards the source."""
        self.values.lerp_(self._source, tau)

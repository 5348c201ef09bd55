"""Networks whose parameters are one vector: Adam on it, and slow copies for targets. Needs torch; import it lazily."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from morl.agents.neural.kernels import adam, squared
from morl.agents.neural.parameters import check_gradient

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

    Raises:
        DivergedError: by :meth:`step` and :meth:`descend`, where a gradient is NaN; parameters stay as they were.
    """

    def __init__(self, module: nn.Module, lr: float, clip: float = 10.0) -> None:
        self.what = type(module).__name__
        self.values, self.lr, self.clip = flatten(module), lr, clip
        self.gradients = torch.zeros_like(self.values)
        self._parameters = list(module.parameters())
        for parameter in self._parameters:
            start = parameter.storage_offset()
            parameter.grad = self.gradients[start : start + parameter.numel()].view_as(parameter)
        self._first, self._second = np.zeros((2, len(self.values)), dtype=np.float32)
        self._count = 0

    def step(self, loss: Tensor) -> None:
        """One step down the gradient of ``loss``."""
        self.gradients.zero_()
        # Nothing is computed for networks that the gradient merely passes through.
        loss.backward(inputs=self._parameters)  # type: ignore[no-untyped-call]
        self.descend()

    def descend(self) -> None:
        """One step down :attr:`gradients`, clipped."""
        values, gradients = self.values.numpy(), self.gradients.numpy()
        norm = math.sqrt(squared(gradients))
        if not math.isfinite(norm) and not np.isfinite(gradients).all():
            check_gradient(math.nan, f"the loss of {self.what}")
        share = self.clip / norm if norm > self.clip else 1.0
        self._count += 1
        rate, unbias = self.lr / (1 - 0.9**self._count), 1 / math.sqrt(1 - 0.999**self._count)
        adam(values, gradients, self._first, self._second, share, rate, unbias)

    def arrays(self, prefix: str) -> dict[str, Array]:
        """Moments and step count for a checkpoint."""
        return {
            f"{prefix}.0.step": np.array(self._count, dtype=np.float32),
            f"{prefix}.0.exp_avg": self._first.copy(),
            f"{prefix}.0.exp_avg_sq": self._second.copy(),
        }

    def restore(self, arrays: Mapping[str, Array], prefix: str) -> None:
        """The inverse of :meth:`arrays`."""
        self._count = int(arrays[f"{prefix}.0.step"])
        self._first[:], self._second[:] = arrays[f"{prefix}.0.exp_avg"], arrays[f"{prefix}.0.exp_avg_sq"]


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

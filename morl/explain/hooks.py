"""Reading the units of a torch module while it runs, and holding one of them still. Needs torch; import it lazily."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from morl.spec import FloatArray


def activations(module: nn.Module, run: Callable[[], Any]) -> FloatArray:
    """Outputs ``(n, U)`` of a module, of all its calls while ``run()`` lasts, one below the other."""
    seen: list[Tensor] = []
    handle = module.register_forward_hook(lambda _module, _inputs, out: seen.append(out.detach().cpu()))
    try:
        run()
    finally:
        handle.remove()
    return np.concatenate([out.reshape(-1, out.shape[-1]).double().numpy() for out in seen])


@contextmanager
def held(module: nn.Module, unit: int, value: float) -> Iterator[None]:
    """Hold one unit of a module's output at a value (its mean, say) while the block lasts."""

    def hold(_module: nn.Module, _inputs: Any, out: Tensor) -> Tensor:
        mask = torch.arange(out.shape[-1], device=out.device) == unit
        return torch.where(mask, torch.as_tensor(value, dtype=out.dtype, device=out.device), out)

    handle = module.register_forward_hook(hold)
    try:
        yield
    finally:
        handle.remove()

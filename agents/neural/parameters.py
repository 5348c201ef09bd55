"""The state of torch modules and optimizers as plain arrays. Needs torch and nothing else; import it lazily."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from morl.agents.core.errors import DivergedError

Array = np.ndarray[Any, Any]


def check_finite(module: nn.Module, what: str) -> None:
    """Require that all parameters are finite.

    Raises:
        DivergedError: one is not.
    """
    for name, value in module.named_parameters():
        if not bool(torch.isfinite(value).all()):
            raise DivergedError(f"{what} has parameters that are not finite ({name}); {REMEDY}")


def check_gradient(norm: float, what: str) -> None:
    """Require that the norm of a gradient is a number, before it is followed.

    Raises:
        DivergedError: it is NaN or infinite.
    """
    if not math.isfinite(norm):
        raise DivergedError(f"the gradient of {what} is {norm}, and was not followed; {REMEDY}")


REMEDY = "are rewards or observations very large? Scale them, or lower the step size"


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

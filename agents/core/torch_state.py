"""Torch modules and optimisers as named arrays. Imports torch where it is used: tables need none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.spec import RunError

if TYPE_CHECKING:
    import torch

Array = np.ndarray[Any, Any]


def module_arrays(module: torch.nn.Module) -> dict[str, Array]:
    """Parameters and buffers by name, copied to the processor."""
    return {name: to_array(value) for name, value in module.state_dict().items()}


def load_module(module: torch.nn.Module, arrays: Mapping[str, Array]) -> None:
    """The inverse of :func:`module_arrays`, onto the device that the module is on.

    Raises:
        RunError: a parameter is missing, left over, or of another dtype or shape.
    """
    import torch

    expected = module.state_dict()
    given = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
    for name in sorted(expected.keys() ^ given.keys()):
        raise RunError(f"parameter {name} is {'missing' if name in expected else 'none of this network'}")
    for name, value in expected.items():
        if given[name].shape != value.shape or given[name].dtype != value.dtype:
            raise RunError(
                f"parameter {name} is {given[name].dtype} {tuple(given[name].shape)}; "
                f"expected {value.dtype} {tuple(value.shape)}"
            )
    module.load_state_dict(given)


def optimizer_arrays(optimizer: torch.optim.Optimizer) -> dict[str, Array]:
    """Moments and step counts by parameter number and name; hyperparameters come from the config."""
    state: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": to_array(value)
        for number, values in state.items()
        for name, value in values.items()
        if value is not None
    }


def load_optimizer(optimizer: torch.optim.Optimizer, arrays: Mapping[str, Array]) -> None:
    """The inverse of :func:`optimizer_arrays`.

    Raises:
        RunError: a moment of a parameter that is not there, or of another shape than its parameter.
    """
    import torch

    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in arrays.items():
        number, _, key = name.partition(".")
        if not number.isdecimal() or int(number) >= len(parameters):
            raise RunError(f"{name} is none of the optimiser's {len(parameters)} parameters")
        shape = tuple(parameters[int(number)].shape)
        if value.shape not in ((), shape):
            raise RunError(f"{name} has shape {value.shape}; expected {shape}")
        state.setdefault(int(number), {})[key] = torch.from_numpy(np.array(value))
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def to_array(value: Any) -> Array:
    """A tensor, or a number, as an array of its own on the processor."""
    import torch

    return np.array(torch.as_tensor(value).detach().cpu().numpy())

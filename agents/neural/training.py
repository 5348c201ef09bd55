"""Devices, gradient steps, target networks and checkpoints of networks. Needs torch; import it lazily."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from morl.agents.core import torch_state
from morl.agents.core.errors import DeviceError, DivergedError
from morl.agents.core.stateful import below

Array = np.ndarray[Any, Any]
M = TypeVar("M", bound=nn.Module)


def resolve_device(name: str) -> torch.device:
    """The device of that name; ``"auto"`` is ``"cuda"`` where there is one, else ``"cpu"``.

    Raises:
        DeviceError: torch finds no such device on this machine.
    """
    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if found["cuda"] else "cpu")
    if not found.get(name, False):
        there = ", ".join(device for device, exists in found.items() if exists)
        raise DeviceError(
            f"device is {name!r}, which torch does not find on this machine; expected auto, {there} "
            "(load(path, env, device='auto') brings a checkpoint here)"
        )
    return torch.device(name)


def to_numpy(tensor: Tensor) -> Array:
    """The values of a tensor of any device, as an array."""
    return np.asarray(tensor.detach().cpu().numpy())


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initialise networks from ``seed`` without touching torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


# ---- gradient steps -------------------------------------------------------------------------------------


def adam(modules: nn.Module | Iterable[nn.Parameter], learning_rate: float, eps: float = 1e-8) -> torch.optim.Adam:
    """Adam (Kingma & Ba 2015), all parameters in one call (``fused``, two to four times as fast as one by one)."""
    parameters = modules.parameters() if isinstance(modules, nn.Module) else modules
    return torch.optim.Adam(parameters, lr=learning_rate, eps=eps, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Step size from now on."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def gradient_step(loss: Tensor, optimizer: torch.optim.Optimizer, max_grad_norm: float = 10.0) -> None:
    """One step of the optimizer down the gradient of ``loss``, clipped to ``max_grad_norm``.

    Only the optimizer's own parameters get a gradient: it may pass through other networks, as an actor's does through
    its critic.

    Raises:
        DivergedError: the gradient is NaN or infinite; parameters stay as they were.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter in parameters:
        parameter.grad = None
    loss.backward(inputs=parameters)  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))
    check_gradient(norm, "the loss")
    if norm > max_grad_norm:
        torch._foreach_mul_(gradients, max_grad_norm / norm)
    optimizer.step()


REMEDY = "are rewards or observations very large? Scale them, or lower the step size"


def check_gradient(norm: float, what: str) -> None:
    """Require that the norm of a gradient is a number, before it is followed.

    Raises:
        DivergedError: it is NaN or infinite.
    """
    if not math.isfinite(norm):
        raise DivergedError(f"the gradient of {what} is {norm}, and was not followed; {REMEDY}")


def check_finite(module: nn.Module, what: str) -> None:
    """Require that all parameters are finite.

    Raises:
        DivergedError: one is not.
    """
    for name, value in module.named_parameters():
        if not bool(torch.isfinite(value).all()):
            raise DivergedError(f"{what} has parameters that are not finite ({name}); {REMEDY}")


# ---- target networks ------------------------------------------------------------------------------------


def target_of(module: M) -> M:
    """A copy of a network for targets (Lillicrap et al. 2016); it learns by :func:`follow` only."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(target: nn.Module, source: nn.Module, tau: float) -> None:
    """Move the parameters of a target network a fraction ``tau`` towards the network it follows."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), tau)


# ---- checkpoints ----------------------------------------------------------------------------------------


def module_arrays(module: nn.Module, prefix: str) -> dict[str, Array]:
    """Parameters and buffers of a module as arrays named ``prefix.…``."""
    return {f"{prefix}.{name}": value for name, value in torch_state.module_arrays(module).items()}


def load_module(module: nn.Module, arrays: Mapping[str, Array], prefix: str) -> None:
    """The inverse of :func:`module_arrays`, onto the module's device."""
    torch_state.load_module(module, below(prefix, arrays))


def optimizer_arrays(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Array]:
    """An optimizer's moments and step counts as arrays named ``prefix.…`` (hyperparameters come from the config)."""
    return {f"{prefix}.{name}": value for name, value in torch_state.optimizer_arrays(optimizer).items()}


def load_optimizer(optimizer: torch.optim.Optimizer, arrays: Mapping[str, Array], prefix: str) -> None:
    """The inverse of :func:`optimizer_arrays`."""
    torch_state.load_optimizer(optimizer, below(prefix, arrays))

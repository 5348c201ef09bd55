"""Saving and restoring by name: an object says once what it keeps, and its state can be written and read back.

    class MyAgent(Agent):
        def _setup(self):
            self.net = torch.nn.Linear(4, 2)
            self.optimizer = torch.optim.Adam(self.net.parameters())
            self.values, self.rounds = np.zeros((10, 2)), 0
            self._keeps("values", "rounds", net=self.net, adam=self.optimizer)

State is arrays (safetensors) and facts (JSON), never code. Every value that comes back has the type of the value that
is there: whoever restores makes a fresh object first.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np

from morl.agents.core import torch_state
from morl.spec import AgentError, RunError

Array = np.ndarray[Any, Any]
State = tuple[dict[str, Array], dict[str, Any]]
_PLAIN = (bool, int, float, str)


class Part(Protocol):
    """An object that names its arrays itself."""

    def arrays(self) -> dict[str, Array]:
        """Everything that it holds, by name."""

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""


class Stateful:
    """An object whose state is what it says that it keeps."""

    _attributes: tuple[str, ...] = ()
    _objects: Mapping[str, Any] = {}

    def _keeps(self, *attributes: str, **objects: Any) -> Self:
        """Name what is saved and restored; several calls add up.

        Args:
            attributes: names of attributes that are assigned anew while learning: arrays, numbers, texts, lists of
                these, ``None``, and named tuples or dataclasses of arrays and numbers. ``"_x"`` is saved as ``x``.
            objects: objects that stay and are restored in place: torch modules and optimisers, other ``Stateful``
                objects, and whatever has ``arrays()`` and ``restore(arrays)`` (:class:`Part`).

        Raises:
            AgentError: an attribute that is not there, something that cannot be saved, or a name given twice.
        """
        owner = type(self).__name__
        for name in attributes:
            if not hasattr(self, name):
                raise AgentError(f"{owner} keeps {name!r} but has no such attribute; assign it before")
            if not _is_value(getattr(self, name)):
                raise AgentError(f"{owner} keeps {name!r}: {_EXPECTED}, not {type(getattr(self, name)).__name__}")
        for name, part in objects.items():
            if _kind(part) is None:
                raise AgentError(
                    f"{owner} keeps {name}={type(part).__name__}; expected a torch module or optimiser, or an object "
                    "with arrays() and restore(arrays); name arrays and numbers by their attribute, as a text"
                )
        names = [*(a.lstrip("_") for a in (*self._attributes, *attributes)), *self._objects, *objects]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise AgentError(f"{owner} keeps {twice[0]!r} twice")
        self._attributes = (*self._attributes, *attributes)
        self._objects = {**self._objects, **objects}
        return self

    def _state(self) -> State:
        """Arrays and JSON-able facts from which :meth:`_restore` rebuilds the object exactly."""
        arrays: dict[str, Array] = {}
        facts: dict[str, Any] = {}
        for name in self._attributes:
            _write(name.lstrip("_"), getattr(self, name), arrays, facts)
        for name, part in self._objects.items():
            more, also = _part_state(part)
            arrays.update({f"{name}.{key}": value for key, value in more.items()})
            facts.update({f"{name}.{key}": value for key, value in also.items()})
        return arrays, facts

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        """The inverse of :meth:`_state`.

        Raises:
            RunError: something is missing, or of another type, dtype or shape.
        """
        for name in self._attributes:
            setattr(self, name, _read(name.lstrip("_"), getattr(self, name), arrays, facts))
        for name, part in self._objects.items():
            _restore_part(name, part, below(name, arrays), below(name, facts))


def below(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is named ``name.…``, without the ``name.``."""
    head = f"{name}."
    return {key[len(head) :]: value for key, value in given.items() if key.startswith(head)}


# ---- objects that are restored in place -------------------------------------------------------------------


def _kind(part: Any) -> str | None:
    torch: Any = sys.modules.get("torch")  # where it is not imported, nothing can be of its types
    if isinstance(part, Stateful):
        return "stateful"
    if torch is not None and isinstance(part, torch.nn.Module):
        return "module"
    if torch is not None and isinstance(part, torch.optim.Optimizer):
        return "optimizer"
    whole = all(callable(getattr(part, method, None)) for method in ("arrays", "restore"))
    return "part" if whole and not isinstance(part, type) else None


def _part_state(part: Any) -> State:
    match _kind(part):
        case "stateful":
            return part._state()  # type: ignore[no-any-return]
        case "module":
            return torch_state.module_arrays(part), {}
        case "optimizer":
            return torch_state.optimizer_arrays(part), {}
    return part.arrays(), {}


def _restore_part(name: str, part: Any, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
    try:
        match _kind(part):
            case "stateful":
                part._restore(arrays, facts)
            case "module":
                torch_state.load_module(part, arrays)
            case "optimizer":
                torch_state.load_optimizer(part, arrays)
            case _:
                part.restore(arrays)
    except RunError as error:
        raise RunError(f"{name}: {error}") from None


# ---- values that are assigned anew -------------------------------------------------------------------------

_EXPECTED = "expected an array, a number, a text, None, a list of these, or a named tuple or dataclass of them"


def _fields(value: Any) -> tuple[str, ...] | None:
    """The fields of a named tuple or a dataclass; ``None`` for anything else."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return tuple(value._fields)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return tuple(f.name for f in dataclasses.fields(value))
    return None


def _is_value(value: Any) -> bool:
    fields = _fields(value)
    if fields is not None:
        return all(_is_value(getattr(value, name)) for name in fields)
    if isinstance(value, list):
        return all(x is None or isinstance(x, _PLAIN) for x in value)
    return value is None or isinstance(value, (np.ndarray, np.generic, *_PLAIN))


def _write(name: str, value: Any, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
    fields = _fields(value)
    if fields is not None:
        for field in fields:
            _write(f"{name}.{field}", getattr(value, field), arrays, facts)
    elif isinstance(value, np.ndarray):
        arrays[name] = value
    else:
        facts[name] = (
            value.item() if isinstance(value, np.generic) else list(value) if isinstance(value, list) else value
        )


def _read(name: str, fresh: Any, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> Any:
    """The saved value of ``name``, of the type of the ``fresh`` one."""
    fields = _fields(fresh)
    if fields is not None:
        return type(fresh)(**{f: _read(f"{name}.{f}", getattr(fresh, f), arrays, facts) for f in fields})
    if name in arrays and (fresh is None or isinstance(fresh, np.ndarray)):
        return arrays[name].copy()
    if isinstance(fresh, np.ndarray) or name not in facts:
        if name in facts and facts[name] is None:
            return None
        raise RunError(f"{name} is missing")
    value = facts[name]
    if not _like(value, fresh):
        raise RunError(f"{name} is {value!r}; expected {_wanted(fresh)}")
    return value if value is None or fresh is None else type(fresh)(value)


def _like(value: Any, fresh: Any) -> bool:
    if value is None or fresh is None:
        return value is None or isinstance(value, (list, *_PLAIN))
    if isinstance(fresh, bool | np.bool_):
        return isinstance(value, bool)
    if isinstance(fresh, float | np.floating):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(fresh, int | np.integer):
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, list if isinstance(fresh, list) else str)


def _wanted(fresh: Any) -> str:
    return "a value" if fresh is None else f"a value like {fresh!r}"

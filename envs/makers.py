"""Entry points: what Gymnasium calls to make an environment from a builder, which no argument can replace.

A builder is a function that returns a finite model, or a class of dynamics. One that is known by name gives strings,
``"morl.envs.batched:BatchedEnv(module.Dynamics)"``, so that specs can be written as JSON.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from morl.spec import EnvError


class Kind(Protocol):
    """A class of environments that are made from builders."""

    metadata: dict[str, Any]

    def of(self, build: Any, /, *arguments: Any, **options: Any) -> Any:
        """The environment of a builder; arguments that the class does not take are the builder's."""


def found(build: str | Callable[..., Any]) -> Callable[..., Any]:
    """A builder, given as itself or as ``"module:name"``.

    Raises:
        EnvError: there is none of that name.
    """
    if not isinstance(build, str):
        return build
    module, _, name = build.partition(":")
    try:
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise EnvError(f"builder {build!r} cannot be found ({error}); expected 'module:name'") from None
    return function


class Maker:
    """Makes the environments of one builder.

    Args:
        kind: the class of the environments.
        build: the builder, or ``"module:name"``.
    """

    def __init__(self, kind: Kind, build: str | Callable[..., Any]) -> None:
        self.kind, self.build, self.metadata = kind, build, kind.metadata

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.kind.of(self.build, *arguments, **options)

    def parameters(self) -> list[inspect.Parameter]:
        """What can be set: the arguments of the builder and of the environment around it."""
        _, *own = inspect.signature(self.kind.__init__).parameters.values()  # type: ignore[misc]
        given = inspect.signature(found(self.build)).parameters.values()
        return [*given, *(p for p in own[1:] if p.kind is not p.VAR_KEYWORD)]


def entry_points(kinds: Mapping[str, Kind], module: str, build: str | Callable[..., Any]) -> tuple[Any, Any]:
    """Gymnasium's entry points of the single and of the vector environment of a builder.

    Args:
        kinds: the two classes by name, the single one first.
        module: where strings are looked up, by :func:`from_name`.
        build: the builder, or ``"module:name"``.
    """
    if not isinstance(build, str):
        single, vector = (Maker(kind, build) for kind in kinds.values())
        return single, vector
    name = build.replace(":", ".")
    single_name, vector_name = (f"{module}:{kind}({name})" for kind in kinds)
    return single_name, vector_name


def from_name(kinds: Mapping[str, Kind], module: str, name: str) -> Maker:
    """What the strings of :func:`entry_points` stand for; a module's ``__getattr__``.

    Raises:
        AttributeError: the name is another one.
    """
    kind, parenthesis, rest = name.partition("(")
    if not parenthesis or not rest.endswith(")") or kind not in kinds:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    where, _, builder = rest[:-1].rpartition(".")
    return Maker(kinds[kind], f"{where}:{builder}")

"""Options of an algorithm: declared once in a dataclass, checked, listed by the command line and saved with a run.

An algorithm's ``Config`` is a frozen dataclass whose fields are made by :func:`option`. From that one
declaration come the defaults, the checks, ``--set name=value``, TOML files and the table of options.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from morl.agents.core.option_names import present_names, suggestion
from morl.counts import as_count
from morl.envs.recorded import check_words
from morl.spec import AgentError, SpecError, UnknownNameError
from morl.storage import read_toml

C = TypeVar("C", bound="AgentConfig")


def option(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] | None = None,
) -> Any:
    """A field of a ``Config`` with its default, its help and what is allowed.

    Args:
        default: the default value; sequences are given as tuples.
        help: one line for people.
        low: smallest allowed number.
        high: largest allowed number.
        choices: allowed strings.
    """
    metadata = {"help": help, "low": low, "high": high, "choices": None if choices is None else tuple(choices)}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class AgentConfig:
    """Options that every algorithm has."""

    discount: float | None = option(None, "γ used in learning; None takes the environment's", low=0.0, high=1.0)
    n_envs: int = option(1, "parallel environments", low=1)
    eval_envs: int = option(64, "parallel environments of the evaluator", low=1)


@dataclass(frozen=True)
class Annealed(AgentConfig):
    """Options of agents whose exploration comes down linearly."""

    epsilon: float = option(1.0, "probability of exploring, at the beginning", low=0.0, high=1.0)
    epsilon_end: float = option(0.05, "the same when exploration has come down", low=0.0, high=1.0)
    exploration: float = option(0.5, "fraction of the steps over which it comes down", low=0.0, high=1.0)

    def epsilon_at(self, progress: float) -> float:
        """The probability of exploring when a fraction ``progress`` of the steps is done."""
        done = min(1.0, progress / self.exploration) if self.exploration > 0 else 1.0
        return float(self.epsilon + (self.epsilon_end - self.epsilon) * done)


@dataclass(frozen=True)
class Option:
    """One option, as the command line shows it."""

    name: str
    type: str
    default: Any
    help: str
    low: float | None
    high: float | None
    choices: tuple[str, ...] | None


def option_names(config: type[AgentConfig]) -> frozenset[str]:
    """The names of the options of a ``Config`` class."""
    return frozenset(f.name for f in dataclasses.fields(config))


def options(config: type[AgentConfig]) -> tuple[Option, ...]:
    """The options of a ``Config`` class, its own before the shared ones."""
    hints = _hints(config)
    shared = {f.name for f in dataclasses.fields(AgentConfig)}
    fields = sorted(dataclasses.fields(config), key=lambda f: f.name in shared)
    return tuple(
        Option(
            f.name,
            _type_name(hints[f.name]),
            f.default,
            f.metadata.get("help", ""),
            f.metadata.get("low"),
            f.metadata.get("high"),
            f.metadata.get("choices"),
        )
        for f in fields
    )


def make_config(cls: type[C], values: Mapping[str, Any] | None = None, algorithm: str = "agent") -> C:
    """A checked ``Config`` from names and values; strings (``--set learning_rate=1e-3``) become the field's type.

    Former names are read as the present ones (:data:`~morl.agents.core.option_names.RENAMED`).

    Raises:
        UnknownNameError: an option that does not exist (the message suggests the nearest).
        AgentError: a value of the wrong type or out of range.
    """
    hints = _hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    checked: dict[str, Any] = {}
    for name, value in present_names(algorithm, fields, values or {}).items():
        if name not in fields:
            raise UnknownNameError(f"option of {algorithm}", name, fields, hint=suggestion(name, fields))
        checked[name] = _checked(f"{algorithm} option {name}", value, hints[name], fields[name].metadata)
    return cls(**checked)


def parse_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """``["learning_rate=1e-3", "net_arch=[64, 64]"]`` as a mapping of strings.

    >>> parse_assignments(["epsilon = 0.1"])
    {'epsilon': '0.1'}
    """
    result: dict[str, str] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise AgentError(f"--set {text!r} cannot be read; expected name=value")
        result[name.strip().replace("-", "_")] = value.strip()
    return result


def load_options(path: str | Path) -> dict[str, Any]:
    """Options from a TOML file: its top-level keys, or those of a table called ``options``.

    Raises:
        AgentError: no such file, or not TOML.
        SpecError: an option that names code.
    """
    data = read_toml(path, "config file", error=AgentError)
    table = data.get("options", data)
    if not isinstance(table, dict):
        raise AgentError(f"config file {str(path)!r} has options = {table!r}; expected a table")
    check_words(table, f"config file {str(path)!r}")
    return dict(table)


@cache
def _tuned() -> dict[str, Any]:
    return tomllib.loads(resources.files("morl.agents").joinpath("defaults.toml").read_text(encoding="utf-8"))


def tuned_options(algorithm: str, env_id: str | None) -> dict[str, Any]:
    """Tuned options that the package ships for an algorithm on an environment; empty where there are none."""
    table = _tuned().get(algorithm, {})
    return dict(table.get(env_id, {})) if env_id else {}


def to_dict(config: AgentConfig) -> dict[str, Any]:
    """A JSON-able description of a config."""

    def plain(value: Any) -> Any:
        return [plain(x) for x in value] if isinstance(value, tuple | list) else value

    return {f.name: plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")


def _checked(what: str, value: Any, hint: Any, limits: Mapping[str, Any]) -> Any:
    try:
        result = _convert(value, hint)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise AgentError(f"{what} is {_short(value)}; expected {_wanted(hint)}") from None
    scheduled = _is_schedule(hint) and isinstance(result, tuple)
    if scheduled and len(result) not in (1, 2):
        raise AgentError(f"{what} is {result!r}; expected one number, or two: first and last")
    for number in result if scheduled else (result,):
        if not isinstance(number, int | float) or isinstance(number, bool):
            continue
        low, high = limits.get("low"), limits.get("high")
        if math.isnan(number) or (low is not None and number < low) or (high is not None and number > high):
            bounds = f"{'-inf' if low is None else low} to {'inf' if high is None else high}"
            raise AgentError(f"{what} is {result!r}; expected {bounds}")
    choices = limits.get("choices")
    if choices is not None and result is not None and result not in choices:
        if isinstance(result, str):
            raise UnknownNameError(what, result, choices)
        raise AgentError(f"{what} is {result!r}; expected one of {', '.join(choices)}")
    return result


def _is_schedule(hint: Any) -> bool:
    """Whether an option may be one number or two, between which it goes while an agent learns."""
    return {float, tuple[float, ...]} <= set(typing.get_args(hint))


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:100]}…"


def _wanted(hint: Any) -> str:
    """What a value of a type looks like, for people."""
    inner = [a for a in typing.get_args(hint) if a is not type(None)]
    if _is_schedule(hint):
        return "a number, or two: first and last" + (", or none" if type(None) in typing.get_args(hint) else "")
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return (
            f"{' or '.join(_wanted(a) for a in inner)}, or none" if type(None) in typing.get_args(hint) else str(hint)
        )
    if typing.get_origin(hint) is tuple:
        return (
            "rows of numbers such as [[0.7, 0.3], [0.5, 0.5]]" if typing.get_args(inner[0]) else "numbers such as 64,64"
        )
    if typing.get_origin(hint) is dict:
        return 'a table such as {"name": 1}'
    plain = {int: "a whole number such as 100000, 1e5 or 100k", float: "a number", bool: "true or false", str: "text"}
    return plain.get(hint) or _type_name(hint)


def _convert(value: Any, hint: Any) -> Any:
    """``value`` as the type ``hint``; raises TypeError or ValueError where it is not one."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if type(None) in arguments and (value is None or value in ("None", "none", "null", "")):
            return None
        for candidate in (a for a in arguments if a is not type(None)):
            try:
                return _convert(value, candidate)
            except (TypeError, ValueError, OverflowError):
                continue
        raise ValueError
    if origin is tuple:
        items = (
            json.loads(value if value.lstrip().startswith("[") else f"[{value}]") if isinstance(value, str) else value
        )
        inner = arguments[0]
        return tuple(_convert(item, inner) for item in items)
    if origin is dict:
        table = json.loads(value) if isinstance(value, str) else value
        if not isinstance(table, Mapping):
            raise TypeError
        return dict(table)
    return _convert_plain(value, hint)


def _convert_plain(value: Any, hint: Any) -> Any:
    if hint is bool:
        table = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
        if isinstance(value, str):
            if value.lower() not in table:
                raise ValueError
            return table[value.lower()]
        if not isinstance(value, bool):
            raise TypeError
        return value
    if hint is int:
        try:
            return as_count(value, "value", low=-(10**18))
        except SpecError as error:
            raise ValueError from error
    if hint is float:
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    if hint is str:
        if not isinstance(value, str):
            raise TypeError
        return value
    return value

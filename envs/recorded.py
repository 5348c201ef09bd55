"""Environments as files name them: run configurations, fronts and option files are data, and data runs no code.

Data names an environment that is registered already, and sets arguments which that environment declares. It cannot
bring a package along (``package:id``), name a function or class, or replace what an environment is made by.
"""

from __future__ import annotations

import difflib
import inspect
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gymnasium.envs.registration import EnvSpec, load_env_creator

from morl.envs.core import MOEnv
from morl.envs.registration import find, make
from morl.spec import EnvError, SpecError

_OF_GYMNASIUM = frozenset({"max_episode_steps", "render_mode"})
"""Arguments of ``gymnasium.make`` that change nothing but how long an episode is and how it is shown."""

_NAMES_CODE = re.compile(r":\s*[A-Za-z_]|\.py\s*$")
"""Found in ``module:function``, ``package:id``, ``file.py:id`` and ``file.py``, not in ``cvar:0.3``."""

_CODE_OPTIONS = frozenset(
    {"build", "builder", "entry_point", "vector_entry_point", "env", "env_id", "env_fn", "id", "wrappers"}
)
"""Arguments that say what is called; data sets none of them, whatever an environment declares."""


def make_recorded(id: Any, options: Any = None, *, where: str = "a file") -> MOEnv[Any, Any]:
    """The environment that a file names, with the arguments that it gives.

    Args:
        id: a registered id; nothing is imported for it beyond plug-ins of installed packages.
        options: arguments that the environment declares: numbers, words, and lists and tables of them.
        where: what names them, for messages.

    Raises:
        EnvError: the id would import something, or an argument is undeclared or names code.
        UnknownNameError: no such id is registered.
    """
    check_id(id, where)
    given = {} if options is None else options
    if not isinstance(given, Mapping):
        raise EnvError(f"{where} gives {id} the arguments {given!r}; expected a table of names and values")
    if given:
        check_options(id, given, where)
    return make(id, **given)


def check_id(id: Any, where: str = "a file") -> None:
    """Refuse what is not a plain id.

    Raises:
        EnvError: it is not text, or it names a package or a file to be imported.
    """
    if not isinstance(id, str):
        raise EnvError(f"{where} names the environment {id!r}; expected an id such as 'morl/DeepSeaTreasure-v0'")
    package, _, name = id.rpartition(":")
    if package or name.endswith(".py"):
        raise EnvError(
            f"{where} names the environment {id!r}, which would import and run {package or name!r}; if you trust that "
            f"code, import it yourself: --import {shlex.quote(package or name)}"
        )


def check_options(id: str, options: Mapping[str, Any], where: str = "a file") -> None:
    """Refuse arguments that the environment does not declare, and those that name code.

    Raises:
        EnvError: naming the argument.
    """
    declared = declared_options(find(id)[0])
    for name, value in options.items():
        if name not in declared or name in _CODE_OPTIONS or _is_callable(declared[name]):
            near = difflib.get_close_matches(str(name), sorted(declared), 1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(sorted(declared)) or 'none'}"
            raise EnvError(
                f"{where} gives {id} the argument {name!r}, which is not one that files may set; {hint} "
                "(if you trust where it comes from: --trust)"
            )
        for inner, leaf in _leaves(value, name):
            if inner in _CODE_OPTIONS or _names_code(leaf):
                raise EnvError(
                    f"{where} sets {inner} of {id} to {leaf!r}, which names code; files may give numbers and plain "
                    "words (if you trust where it comes from: --trust)"
                )


def check_words(options: Mapping[str, Any], where: str = "a file") -> None:
    """Refuse options of an algorithm that name code (``module:function``).

    Raises:
        SpecError: naming the option.
    """
    from morl.utility.text import FORMS

    for name, value in _leaves(options):
        is_utility = name == "utility" and str(value).partition(":")[0].strip() in (*FORMS, "custom")
        if not is_utility and _names_code(value):
            raise SpecError(
                f"{where} sets the option {name} to {value!r}, which names code; files may give numbers and plain words"
            )


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, name)
    else:
        yield name, value


def _names_code(value: Any) -> bool:
    """Whether a value is text that names something to import."""
    return isinstance(value, str) and _NAMES_CODE.search(value) is not None


def declared_options(spec: EnvSpec) -> dict[str, inspect.Parameter | None]:
    """The arguments that an environment declares: of its builder, or of its constructor, and Gymnasium's own.

    A constructor with ``**options`` hands them to its base class, or to what a class attribute ``options_of`` names;
    ``None`` there declares none of them.

    Raises:
        EnvError: its class cannot be imported.
    """
    point: Any = spec.entry_point
    try:
        creator = load_env_creator(point) if isinstance(point, str) else point
    except (ImportError, AttributeError, ValueError) as error:
        raise EnvError(f"environment {spec.id!r} cannot be imported: {error}") from None
    found: dict[str, inspect.Parameter | None] = dict.fromkeys(_OF_GYMNASIUM)
    found |= {p.name: p for p in _parameters(creator) if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return found


def _parameters(creator: Any) -> Iterable[inspect.Parameter]:
    own: Callable[[], list[inspect.Parameter]] | None = getattr(creator, "parameters", None)
    if not isinstance(creator, type) and own is not None:
        return own()
    if not isinstance(creator, type):
        return inspect.signature(creator).parameters.values()
    found: list[inspect.Parameter] = []
    for cls in creator.__mro__[:-1]:
        if "__init__" in vars(cls):
            mine = list(inspect.signature(vars(cls)["__init__"]).parameters.values())[1:]
            found += mine
            if hasattr(cls, "options_of"):
                return [*found, *(_parameters(cls.options_of) if cls.options_of else ())]
            if not any(p.kind is p.VAR_KEYWORD for p in mine):
                break  # nothing is passed on
    return found


def _is_callable(parameter: inspect.Parameter | None) -> bool:
    """Whether an argument is declared as a function or class."""
    if parameter is None or parameter.annotation is inspect.Parameter.empty:
        return False
    return re.search(r"\b(Callable|type|Type)\b", str(parameter.annotation)) is not None

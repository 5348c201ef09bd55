"""Argument types and parsers that several commands share: counts, utilities, preferences."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from tyro.constructors import PrimitiveConstructorSpec

from morl.counts import as_count
from morl.spec import SpecError


def _read(words: list[str]) -> int:
    return as_count(words[0], "count")


Count = Annotated[
    int,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT",
        instance_from_str=_read,
        is_instance=lambda value: isinstance(value, int),
        str_from_instance=lambda value: [str(value)],
    ),
]
"""A whole number that may be written 100000, 1e5, 100k or 2M."""


def load_utility(text: str | None) -> Callable[..., Any] | None:
    """The function that ``--utility module:function`` or ``file.py:function`` names; ``None`` for any other text.

    Only what a person types on the command line is imported here, never what a file or a run says.

    Raises:
        SpecError: no such module or function, or not a function.
    """
    from morl.utility.text import FORMS

    head, colon, name = (text or "").rpartition(":")
    kind = (text or "").partition(":")[0].partition(";")[0].strip()
    if not colon or kind in FORMS or not name.isidentifier():
        return None
    try:
        module = _module(head)
    except Exception as error:
        raise SpecError(
            f"--utility {text!r}: {head!r} cannot be imported ({type(error).__name__}: {error}); expected a utility "
            f"({', '.join(FORMS)}), module:function or file.py:function"
        ) from None
    function = getattr(module, name, None)
    if not callable(function):
        raise SpecError(f"--utility {text!r}: {head!r} has no function {name!r}")
    return function  # type: ignore[no-any-return]


def _module(name: str) -> Any:
    """A module by name (those in the present folder too) or by file."""
    if name.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(name).stem, name)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(here)


def parse_preference(words: Sequence[str], option: str = "--preference") -> list[float] | dict[str, float] | None:
    """Weights in the order of the objectives (``0.7 0.3``) or by name (``time=0.3 treasure=0.7``).

    Raises:
        SpecError: neither.

    >>> parse_preference(["time=0.3", "treasure=0.7"])
    {'time': 0.3, 'treasure': 0.7}
    """
    if not words:
        return None
    pairs = [word.partition("=") for word in words]
    named = [bool(equals) for _, equals, _ in pairs]
    try:
        if all(named):
            return {name.strip(): float(value) for name, _, value in pairs}
        if not any(named):
            return [float(word) for word in words]
    except ValueError:
        pass
    raise SpecError(f"{option} {' '.join(words)!r} cannot be read; expected 0.7 0.3, or time=0.3 treasure=0.7")

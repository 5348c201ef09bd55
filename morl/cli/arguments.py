"""Arguments that several commands read in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

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

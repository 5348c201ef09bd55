"""Whole numbers as people write them."""

from __future__ import annotations

import math
from typing import Any

from morl.spec import MorlError, SpecError

_UNITS = {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}


def as_count(value: Any, what: str, low: int = 0, error: type[MorlError] = SpecError) -> int:
    """A whole number from a number or a text such as ``"100000"``, ``"100_000"``, ``"1e5"``, ``"100k"`` or ``"2M"``.

    Raises:
        error: (a :class:`SpecError` by default) not a whole number, or smaller than ``low``.

    >>> as_count("1.5k", "steps"), as_count(1e5, "steps")
    (1500, 100000)
    """
    number = _number(value)
    if number is None or not math.isfinite(number) or number != int(number):
        raise error(f"{what} is {value!r}; expected a whole number such as 100000, 1e5 or 100k")
    if number < low:
        raise error(f"{what} is {value!r}; expected {'at least ' + str(low) if low != 1 else 'a positive integer'}")
    return int(number)


def _number(value: Any) -> float | int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip().replace("_", "").replace(",", "")
        unit = _UNITS.get(text[-1:].lower(), 1.0)
        digits = text[:-1] if text[-1:].lower() in _UNITS else text
        try:
            return int(digits) if unit == 1.0 and digits.lstrip("+-").isdecimal() else round(float(digits) * unit, 6)
        except ValueError:
            return None
    try:
        return int(value) if int(value) == value else float(value)
    except (TypeError, ValueError, OverflowError):
        return None

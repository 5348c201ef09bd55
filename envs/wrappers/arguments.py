"""Arguments of wrappers, checked when the wrapper is made: each of these returns the value or says what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from morl.envs.core import real_array
from morl.spec import EnvError, FloatArray, IntArray, MOSpec


def number(value: Any, what: str, low: float, high: float, expected: str) -> float:
    """A finite number in ``[low, high]``.

    >>> number(1, "discount", 0.0, 1.0, "a number in [0, 1]")
    1.0

    Raises:
        EnvError: something else: another type, NaN, infinity, or a number outside.
    """
    given = real_array(value, ())
    if isinstance(value, bool | np.bool_) or given is None or not np.isfinite(given) or not low <= given <= high:
        raise EnvError(f"{what} is {value!r}; expected {expected}")
    return float(given)


def discount_or(value: Any, default: float) -> float:
    """γ in [0, 1]; the default where ``None`` is given."""
    return default if value is None else number(value, "discount", 0.0, 1.0, "a number in [0, 1]")


def not_negative(value: Any, what: str) -> float:
    """A finite number of at least 0."""
    return number(value, what, 0.0, np.inf, "a finite number of at least 0")


def numbers(values: Any, k: int, what: str) -> FloatArray:
    """One number, or one per objective, as a float array ``()`` or ``(K,)``; infinite ones are allowed, NaN is not.

    Raises:
        EnvError: something else.
    """
    for shape in ((), (k,)):
        given = real_array(values, shape)
        if given is not None and not np.isnan(given).any():
            return given
    raise EnvError(f"{what} is {values!r}; expected one number, or {k}: one per objective")


def positions(spec: MOSpec, objectives: Any) -> IntArray:
    """Where the objectives are that a list of names or numbers means.

    Raises:
        EnvError: no list, an empty one, one that names an objective twice, or holds something else.
        UnknownNameError, SpecError: an objective that there is not.
    """
    if isinstance(objectives, str | bytes) or not isinstance(objectives, Iterable):
        raise EnvError(f"objectives are {objectives!r}; expected a list of names or numbers")
    wanted = list(objectives)
    if not wanted:
        raise EnvError("objectives are an empty list; expected a list of names or numbers")
    index = np.array([position(spec, one) for one in wanted], dtype=np.int64)
    if len(set(index.tolist())) < len(index):
        raise EnvError(f"objectives {wanted} name one twice; expected distinct ones")
    return index


def position(spec: MOSpec, objective: Any) -> int:
    """Where the objective is that a name or number means.

    Raises:
        EnvError: neither name nor number.
        UnknownNameError, SpecError: there is no such objective.
    """
    if isinstance(objective, bool) or not isinstance(objective, str | int | np.integer):
        raise EnvError(f"objective is {objective!r}; expected a name ({', '.join(spec.names)}) or a number")
    return spec.index(objective if isinstance(objective, str) else int(objective))


def plain_numbers(values: Any) -> Any:
    """Numbers as Python has them, so that a spec can be written as JSON; anything else as it is.

    >>> plain_numbers(np.array([0.5, 0.5])), plain_numbers("half")
    ([0.5, 0.5], 'half')
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        return values
    return array.tolist() if array.dtype.kind in "biuf" else values


def plain_list(values: Any) -> Any:
    """A list of any iterable but a text, and anything else as it is."""
    return list(values) if isinstance(values, Iterable) and not isinstance(values, str | bytes) else values

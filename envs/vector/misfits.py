"""What is wrong with an observation that does not go into the arrays of a vector environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.failures import short
from morl.spec import EnvError

PLAIN = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
"""Spaces whose elements are one array each."""


def require_fit(space: spaces.Space[Any], observation: Any, number: int) -> None:
    """Make sure that an observation has the parts, shapes and types of its space; bounds do not count.

    Args:
        space: that of one environment.
        observation: what it shows.
        number: which environment it is, for the message.

    Raises:
        EnvError: it has not; the part and what it is are named.
    """
    problem = misfit(space, observation)
    if problem:
        raise EnvError(f"environment {number} returned an observation {problem}, as its observation space says")


def misfit(space: spaces.Space[Any], value: Any, where: str = "") -> str:
    """What does not fit, in words; empty where everything does.

    >>> misfit(spaces.Box(0.0, 1.0, (2,)), np.zeros(3))
    'of shape (3,); expected (2,)'
    >>> misfit(spaces.Dict({"mode": spaces.Discrete(2)}), {"mode": 0.5})
    "of type float64 at ['mode']; expected int64"
    """
    place = f" at {where}" if where else ""
    if isinstance(space, PLAIN):
        array = value if isinstance(value, np.ndarray) else _array(value)
        if array.shape != space.shape:
            return f"of shape {array.shape}{place}; expected {space.shape}"
        if array.dtype != space.dtype and not np.can_cast(array.dtype, space.dtype, "same_kind"):
            return f"of type {array.dtype}{place}; expected {space.dtype}"
        return ""
    if isinstance(space, spaces.Dict):
        if not isinstance(value, Mapping) or not space.spaces.keys() <= value.keys():
            return f"{short(value)}{place}; expected a dict with {', '.join(map(repr, space.spaces))}"
        parts: list[tuple[Any, spaces.Space[Any], Any]] = [
            (key, part, value[key]) for key, part in space.spaces.items()
        ]
    elif isinstance(space, spaces.Tuple):
        if not isinstance(value, tuple | list) or len(value) != len(space.spaces):
            return f"{short(value)}{place}; expected a tuple of {len(space.spaces)}"
        parts = [(i, part, value[i]) for i, part in enumerate(space.spaces)]
    else:
        return ""
    return next((found for key, part, one in parts if (found := misfit(part, one, f"{where}[{key!r}]"))), "")


def _array(value: Any) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(value)
    except ValueError:  # lists of different lengths
        return np.empty((), dtype=object)

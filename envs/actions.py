"""Actions from outside: checked for type, shape, range and NaN before they touch any state."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.spec import EnvError

_SLACK = 1e-6
"""Rounding that a box action may carry (a float32 policy on float64 bounds); it is clipped, not refused."""


def describe(space: spaces.Space[Any]) -> str:
    """The valid range of an action space in words."""
    if isinstance(space, spaces.Discrete):
        return f"an integer from {space.start} to {space.start + space.n - 1}"
    if isinstance(space, spaces.MultiDiscrete):
        return f"integers from {space.start.tolist()} to {(space.start + space.nvec - 1).tolist()}"
    if isinstance(space, spaces.Box):
        return f"numbers of shape {space.shape} from {_short(space.low)} to {_short(space.high)}"
    return str(space)


def _short(bound: Any) -> str:
    values = np.unique(bound)
    return f"{values[0]:g}" if len(values) == 1 else str(bound.tolist())


def check_integer(action: Any, n: int) -> int:
    """A discrete action as a plain integer in ``0 … n − 1``.

    >>> check_integer(np.int64(1), 3)
    1

    Raises:
        EnvError: not an integer, or out of range; the value and the valid range are named.
    """
    try:
        number = operator.index(action)
    except TypeError:
        raise EnvError(f"action is {action!r}; expected an integer from 0 to {n - 1}") from None
    if not 0 <= number < n:
        raise EnvError(f"action is {number}; expected an integer from 0 to {n - 1}")
    return number


def check_integers(actions: Any, num_envs: int, n: int) -> np.ndarray[Any, Any]:
    """Discrete actions of a vector environment, shape ``(num_envs,)``, each in ``0 … n − 1``."""
    array = np.asarray(actions)
    if array.shape != (num_envs,) or array.dtype.kind not in "iu":
        raise EnvError(
            f"actions have shape {array.shape} and dtype {array.dtype}; "
            f"expected ({num_envs},) integers, one per environment"
        )
    if num_envs and (array.max() >= n or array.min() < 0):
        i = int(np.argmax((array >= n) | (array < 0)))
        raise EnvError(f"action of environment {i} is {array[i]}; expected an integer from 0 to {n - 1}")
    return array


def check_batch(actions: Any, space: spaces.Space[Any], num_envs: int) -> np.ndarray[Any, Any]:
    """Actions ``(num_envs, ...)`` for one of Discrete, MultiDiscrete or Box, as a fresh array.

    Args:
        actions: one action per environment, stacked.
        space: the space of *one* environment's action.

    Raises:
        EnvError: wrong shape or type, NaN, or out of range; the environment, value and valid range are named.
    """
    if isinstance(space, spaces.Discrete):
        if space.start:
            return np.asarray(check_integers(np.asarray(actions) - space.start, num_envs, int(space.n)) + space.start)
        return check_integers(actions, num_envs, int(space.n)).astype(np.int64)
    if (
        isinstance(space, spaces.Box)
        and isinstance(actions, np.ndarray)
        and actions.dtype.kind == space.low.dtype.kind == "f"
        and actions.shape == (num_envs, *space.shape)
        and ((actions >= space.low) & (actions <= space.high)).all()
    ):
        return actions.astype(np.float64)  # the common case, before looking for slack and for reasons
    try:
        array = np.asarray(actions)
        kind = array.dtype.kind
    except (ValueError, TypeError):
        kind, array = "O", np.zeros(0)
    wanted = (num_envs, *(space.shape or ()))
    continuous = isinstance(space, spaces.Box) and np.issubdtype(space.dtype or np.float64, np.floating)
    if array.shape != wanted or kind not in ("fiu" if continuous else "iu"):
        raise EnvError(
            f"actions have shape {array.shape} and dtype {array.dtype}; expected {wanted}, each {describe(space)}"
        )
    if isinstance(space, spaces.MultiDiscrete):
        low, high = space.start, space.start + space.nvec - 1
        out = (array < low) | (array > high)
    elif isinstance(space, spaces.Box):
        low, high = space.low, space.high
        slack = _SLACK * np.maximum(1.0, np.where(np.isfinite(high - low), high - low, 1.0)) if continuous else 0
        out = ~((array >= low - slack) & (array <= high + slack))  # NaN compares false, so it is out
    else:
        raise EnvError(f"action space {space} is not supported; expected Discrete, MultiDiscrete or Box")
    if out.any():
        i = int(np.argwhere(out)[0][0])
        raise EnvError(f"action of environment {i} is {array[i].tolist()}; expected {describe(space)}")
    return np.asarray(np.clip(array, low, high), dtype=np.float64 if continuous else np.int64)


def check_one(action: Any, space: spaces.Space[Any]) -> np.ndarray[Any, Any]:
    """One action as a batch of one, ``(1, ...)``; see :func:`check_batch`."""
    if isinstance(space, spaces.Discrete):
        return np.array([check_integer(action, int(space.n))], dtype=np.int64)
    try:
        array = np.asarray(action)[None]
        return check_batch(array, space, 1)
    except (EnvError, ValueError, TypeError):
        raise EnvError(f"action is {_flat(action)}; expected {describe(space)}") from None


class OneAction:
    """Checks single actions of one space, like :func:`check_one`, with the bounds looked up beforehand.

    Args:
        space: of the actions.

    >>> OneAction(spaces.Box(-1.0, 1.0, (2,)))(np.array([0.5, -0.25]))
    array([[ 0.5 , -0.25]])
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.space = space
        self._shape, self._low, self._high = space.shape, np.inf, -np.inf
        if isinstance(space, spaces.Box) and len(space.shape) == 1 and space.low.dtype.kind == "f":
            low, high = float(space.low.max()), float(space.high.min())
            if (space.low == low).all() and (space.high == high).all():
                self._low, self._high = low, high

    def fits(self, action: Any) -> bool:
        """True for a valid array of floats in a box whose components share their bounds; else ask :func:`check_one`.

        Plain numbers are compared: on arrays of a few entries NumPy takes several times longer.
        """
        if type(action) is np.ndarray and action.dtype.kind == "f" and action.shape == self._shape:
            low, high = self._low, self._high
            for value in action.tolist():
                if not low <= value <= high:  # NaN is neither
                    return False
            return low <= high
        return False

    def __call__(self, action: Any) -> np.ndarray[Any, Any]:
        """The action as a fresh batch of one, ``(1, ...)``.

        Raises:
            EnvError: it is invalid.
        """
        if self.fits(action):
            fresh: np.ndarray[Any, Any] = action.astype(np.float64)
            return fresh[None]
        return check_one(action, self.space)


def _flat(action: Any) -> str:
    return str(action.tolist()) if isinstance(action, np.ndarray) else repr(action)

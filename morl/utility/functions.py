"""User-defined utility functions: plain functions of one return vector, applied to batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from morl.spec import FloatArray, SpecError
from morl.utility.base import Utility

Function = Callable[[FloatArray], FloatArray]


def as_function(utility: Callable[..., Any], k: int) -> Function:
    """A utility of returns ``(..., K)`` to ``(...)`` from whatever a person writes.

    A :class:`Utility` and a function that works on batches stay as they are; a function of one vector ``(K,)``, such
    as ``lambda r: min(r[0], r[1])``, is called for each vector.

    Args:
        utility: the function.
        k: the number of objectives.

    Raises:
        SpecError: not a function, or one that gives something else than a number (said when it is called).

    >>> worst = as_function(lambda r: min(r), 2)
    >>> worst(np.array([[1.0, 2.0], [4.0, 3.0]])).tolist()
    [1.0, 3.0]
    """
    if isinstance(utility, Utility | VectorByVector):
        return utility
    if not callable(utility):
        raise SpecError(f"utility is {utility!r}; expected a function of a return vector of {k} numbers, or a text")
    return _checked(utility, k) if _takes_batches(utility, k) else VectorByVector(utility, k)


@dataclass(frozen=True)
class VectorByVector:
    """Calls a function of one vector for each vector of a batch."""

    function: Callable[..., Any]
    k: int

    def __call__(self, returns: ArrayLike) -> FloatArray:
        """Utilities ``(...)`` of returns ``(..., K)``."""
        values = np.asarray(returns, dtype=np.float64)
        rows = values.reshape(-1, self.k)
        out = np.empty(len(rows))
        for i, row in enumerate(rows):
            out[i] = _number(self.function(row.copy()), self.function, self.k)
        return out.reshape(values.shape[:-1])


def _number(value: Any, function: Any, k: int) -> float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiub":
        name = getattr(function, "__name__", "utility")
        raise SpecError(f"utility {name} gives {value!r} for one return vector of {k} numbers; expected one number")
    return float(array.reshape(()))


def _checked(function: Callable[..., Any], k: int) -> Function:
    def call(returns: FloatArray) -> FloatArray:
        values = np.asarray(returns, dtype=np.float64)
        return np.asarray(function(values), dtype=np.float64).reshape(values.shape[:-1])

    return call


def _takes_batches(function: Callable[..., Any], k: int) -> bool:
    """Whether a batch of vectors gives what its vectors give one by one."""
    rows = np.random.default_rng(0).uniform(0.1, 0.9, (k + 3, k)) * np.where(np.arange(k + 3) % 2, 1.0, -1.0)[:, None]
    try:
        with np.errstate(all="ignore"):
            together = np.asarray(function(rows.copy()), dtype=np.float64)
            if together.shape != (len(rows),):
                return False
            deep = np.asarray(function(np.stack([rows, rows[::-1]])), dtype=np.float64)
            alone = np.array([_number(function(row.copy()), function, k) for row in rows])
    except Exception:  # a function of one vector may do anything with a batch
        return False
    same = np.array_equal(together, alone, equal_nan=True) or np.allclose(together, alone, equal_nan=True)
    return bool(same and deep.shape == (2, len(rows)))

"""Arrays of points ``(n, K)`` from anything array-like, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from morl.spec import FloatArray, FrontError


def as_points(points: ArrayLike, k: int | None = None, what: str = "points") -> FloatArray:
    """A finite table ``(n, K)`` from an array or a front, or a :class:`FrontError` that names what is wrong.

    >>> as_points([[1, 2]])
    array([[1., 2.]])
    """
    values = as_numbers(points, what)
    if values.size == 0 and (values.ndim < 2 or values.shape[1] == 0):
        values = np.zeros((0, k or 1))
    if values.ndim != 2:
        raise FrontError(f"{what} have shape {values.shape}; expected (n, K)")
    if k is not None and values.shape[1] != k:
        raise FrontError(f"{what} have {values.shape[1]} objectives; expected {k}")
    if not np.isfinite(values).all():
        i, j = (int(x) for x in np.argwhere(~np.isfinite(values))[0])
        raise FrontError(f"{what}: point {i} has {values[i, j]} in objective {j}; expected finite numbers")
    return np.ascontiguousarray(values)


def as_numbers(points: ArrayLike, what: str = "points") -> FloatArray:
    """Real numbers as float64, in any shape: never text that reads like numbers, complex numbers or masked entries.

    Raises:
        FrontError: what NumPy would convert with a loss, or cannot convert.
    """
    parts: Any = points if isinstance(points, list | tuple) else [points]
    for part in (points, *parts):
        if isinstance(part, np.ma.MaskedArray) and np.ma.getmaskarray(part).any():
            first = [int(x) for x in np.argwhere(np.ma.getmaskarray(part))[0]]
            raise FrontError(
                f"{what} are masked at {first}; drop the masked rows first: numpy.ma.compress_rows(points)"
            )
    try:
        raw = np.asarray(points)
        if raw.dtype.kind in "USc":
            kind = "complex numbers" if raw.dtype.kind == "c" else "text"
            raise FrontError(f"{what} are not a table of numbers but {kind}; expected real numbers of shape (n, K)")
        return np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, FrontError):
            raise
        raise FrontError(f"{what} are not a table of numbers; expected shape (n, K)") from None


def frozen(array: Any) -> Any:
    """The array, read-only from now on."""
    array.flags.writeable = False
    return array


def points_of(points: ArrayLike, k: int | None) -> FloatArray:
    """A copy of the points of a front ``(n, K)``; they may be no points where ``k`` says how many objectives there are.

    Raises:
        FrontError: another shape.
    """
    values = as_numbers(points).copy()
    if values.size == 0:
        if values.ndim == 2 and values.shape[1]:
            return values
        if k is None:
            raise FrontError("points are empty and no objectives are named; expected shape (n, K)")
        return np.zeros((0, k))
    if values.ndim != 2:
        raise FrontError(f"points have shape {values.shape}; expected (n, K)")
    return values

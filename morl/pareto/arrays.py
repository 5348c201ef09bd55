"""Tables of points, checked once and in one way."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from morl.spec import FloatArray, FrontError


def as_points(points: ArrayLike, k: int | None = None, what: str = "points") -> FloatArray:
    """A finite table ``(n, K)`` from an array or a front, or a :class:`FrontError` that names what is wrong.

    >>> as_points([[1, 2]])
    array([[1., 2.]])
    """
    try:
        values = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError):
        raise FrontError(f"{what} are not a table of numbers; expected shape (n, K)") from None
    if values.size == 0 and (values.ndim < 2 or values.shape[1] == 0):
        values = np.zeros((0, k or 1))
    if values.ndim != 2:
        raise FrontError(f"{what} have shape {values.shape}; expected (n, K)")
    if k is not None and values.shape[1] != k:
        raise FrontError(f"{what} have {values.shape[1]} objectives; expected {k}")
    if not np.isfinite(values).all():
        i, j = (int(x) for x in np.argwhere(~np.isfinite(values))[0])
        raise FrontError(f"{what}: point {i} has {values[i, j]} in objective {j}; expected finite numbers")
    return values

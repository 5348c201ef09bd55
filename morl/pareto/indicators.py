"""How good a front is. Points are maximised; moocore does the computing."""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import ArrayLike

from morl.spec import BoolArray, FloatArray


def nondominated_mask(points: ArrayLike) -> BoolArray:
    """True for points ``(n, K)`` that no other point dominates; of equal points only the first is kept."""
    values = np.asarray(points, dtype=np.float64)
    if len(values) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(values, maximise=True, keep_weakly=False), dtype=bool)


def hypervolume(points: ArrayLike, ref_point: FloatArray) -> float:
    """Volume between ``ref_point`` ``(K,)`` and the points ``(n, K)`` that exceed it."""
    values = np.asarray(points, dtype=np.float64)
    if len(values) == 0:
        return 0.0
    return float(moocore.hypervolume(values, ref=ref_point, maximise=True))

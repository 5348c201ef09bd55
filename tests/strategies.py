"""Random inputs (hypothesis strategies) and small problems that several test files share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from morl.momdp import MOMDP
from morl.spec import MOSpec

seeds = st.integers(0, 2**32 - 1)
"""Seeds of random instances."""

return_vectors = arrays(np.float64, 3, elements=st.floats(-2, 2, width=32), fill=st.nothing())
"""Returns of three objectives, ``(3,)``."""


@st.composite
def point_sets(draw, low=1, high=7, k=None, grid=True):
    """Points with K = 2 … 4; on a grid, so that ties and duplicates happen, or anywhere in the unit cube."""
    n, k = draw(st.integers(low, high)), k or draw(st.integers(2, 4))
    if grid:
        return draw(arrays(np.float64, (n, k), elements=st.integers(0, 5).map(float), fill=st.nothing()))
    return draw(arrays(np.float64, (n, k), elements=st.floats(0, 1, allow_nan=False, width=32), fill=st.nothing()))


def walk() -> tuple[MOMDP, MOSpec]:
    """Four states in a row, the last terminal; one action; reward (1, s)."""
    p = np.zeros((4, 1, 4))
    for s in range(3):
        p[s, 0, s + 1] = 1
    p[3, 0, 3] = 1
    r = np.array([[[1.0, s]] for s in range(4)])
    model = MOMDP.from_arrays(p, r, discount=0.5, terminal=[False, False, False, True], objectives=["one", "state"])
    return model, MOSpec(model.objectives, 0.5)

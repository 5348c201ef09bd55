"""The scale on which the bounds of a box are −1 and 1."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from morl.agents.core.boxes import UnitScale

BOUND = st.floats(-1e5, 1e5, width=32)


@given(st.lists(st.tuples(BOUND, BOUND), min_size=1, max_size=5))
def test_bounds_are_minus_one_and_one_and_every_value_comes_back(pairs: list[tuple[float, float]]) -> None:
    low, high = np.sort(np.array(pairs), axis=1).T
    scale = UnitScale(spaces.Box(low, high, dtype=np.float64))
    wide = high > low
    size = np.maximum(np.abs(low), np.abs(high))[wide]
    assert scale.bounded.all()
    np.testing.assert_allclose(scale.to_unit(low[None])[0], np.where(wide, -1.0, 0.0), atol=1e-9)
    np.testing.assert_allclose(scale.to_unit(high[None])[0], np.where(wide, 1.0, 0.0), atol=1e-9)
    values = low + np.array([[0.0], [0.3], [1.0]]) * (high - low)
    back = scale.from_unit(scale.to_unit(values))
    assert (np.abs(back - values)[:, wide] <= 1e-9 * (1 + size)).all()


@pytest.mark.parametrize(("low", "high"), [(-np.inf, np.inf), (0.0, np.inf), (-1e7, 1e7), (0.0, 3e38)])
def test_entries_without_bounds_stay_as_they_are(low: float, high: float) -> None:
    scale = UnitScale(spaces.Box(low, high, (2, 2), np.float32))
    values = np.array([[3.0, -2.0, 0.0, 1e9]])
    assert not scale.bounded.any()
    np.testing.assert_array_equal(scale.to_unit(values), values)
    np.testing.assert_array_equal(scale.from_unit(values), values)

"""Preferences: samples of the simplex, grids, linear support."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.agents.core.preferences import LinearSupport, sample_simplex, simplex_grid, to_raw


@given(st.integers(2, 6), st.integers(1, 60), st.floats(0.05, 5))
@settings(max_examples=40, deadline=None)
def test_simplex_samples_and_grids(k, n, concentration) -> None:
    drawn = sample_simplex(n, k, np.random.default_rng(0), concentration)
    assert drawn.shape == (n, k)
    assert np.all(drawn >= 0)
    np.testing.assert_allclose(drawn.sum(axis=1), 1)
    grid = simplex_grid(k, n)
    assert 1 <= len(grid) <= n
    np.testing.assert_allclose(grid.sum(axis=1), 1)
    np.testing.assert_allclose(to_raw(grid, np.arange(1.0, k + 1)).sum(axis=1), 1)


def test_linear_support_finds_the_whole_hull_of_known_values() -> None:
    rng = np.random.default_rng(3)
    points = rng.random((60, 3))
    support = LinearSupport(3)
    for _ in range(200):
        w = support.next()
        if w is None:
            break
        support.add(w, points[(points @ w).argmax()])
    assert support.next() is None
    for w in sample_simplex(300, 3, rng):
        assert (np.array(support.values) @ w).max() == pytest.approx((points @ w).max(), abs=1e-5)

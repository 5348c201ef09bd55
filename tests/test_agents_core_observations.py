"""Observations as numbers and as states."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.agents.core.observations import Encoder, RunningScale, StateIndex
from morl.spec import AgentError


def test_encoder() -> None:
    box = Encoder(spaces.Box(np.array([0, -np.inf]), np.array([10, np.inf]), dtype=np.float64))
    np.testing.assert_allclose(box(np.array([[10.0, 3.0], [0.0, -2.0]])), [[1.0, 3.0], [-1.0, -2.0]])
    several = Encoder(spaces.MultiDiscrete([2, 3]))
    assert several(np.array([[1, 2]])).tolist() == [[0, 1, 0, 0, 1]]
    both = Encoder(spaces.Dict(a=spaces.Discrete(2), b=spaces.Box(-1, 1, (2,))))
    assert both({"a": np.array([1]), "b": np.zeros((1, 2))}).shape == (1, 4)
    with pytest.raises(AgentError, match="not supported"):
        Encoder(spaces.Text(4))


def test_state_index_merges_equal_observations() -> None:
    index = StateIndex(spaces.Box(0, 5, (2,), np.int32), np.array([[0, 1], [2, 3], [0, 1]]))
    assert len(index) == 2
    assert index.lookup(np.array([[2, 3], [9, 9]]), grow=False).tolist() == [1, -1]


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=2), min_size=2, max_size=40))
@settings(max_examples=50, deadline=None)
def test_running_scale_matches_numpy(rows) -> None:
    values = np.array(rows)
    scale = RunningScale(2)
    for part in np.array_split(values, 3):
        scale.update(part)
    np.testing.assert_allclose(scale.mean, values.mean(axis=0), atol=1e-8)
    std = values.std(axis=0)
    big = std > 1e-6 * np.maximum(1, np.abs(values).max())
    np.testing.assert_allclose(scale.std[big], std[big], rtol=1e-5)

"""The replay buffer wraps and restores."""

from __future__ import annotations

import numpy as np
import pytest

from morl.agents.neural.replay import ReplayBuffer
from morl.spec import AgentError


def test_replay_wraps_and_restores() -> None:
    buffer = ReplayBuffer(5, {"x": ((2,), np.float64)})
    for i in range(4):
        buffer.add(x=np.full((2, 2), i, dtype=float))
    assert sorted(buffer.fields["x"][:, 0].tolist()) == [1, 2, 2, 3, 3]
    twin = ReplayBuffer(5, {"x": ((2,), np.float64)})
    twin.restore(buffer.arrays())
    for b in (buffer, twin):
        b.add(x=np.full((1, 2), 9.0))
    assert np.array_equal(buffer.fields["x"], twin.fields["x"])
    draws = [b.sample(8, np.random.default_rng(0))["x"] for b in (buffer, twin)]
    assert np.array_equal(*draws)
    with pytest.raises(AgentError, match="fields"):
        buffer.add(y=np.zeros((1, 2)))

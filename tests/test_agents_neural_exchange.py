"""What clients send: a mean weighted by steps, and masks that cancel and hide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.agents.neural.exchange import Update, combine, masked
from morl.spec import AgentError


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 1000))
def test_masks_cancel_and_hide(clients, seed):
    rng = np.random.default_rng(seed)
    arrays = [{"trunk.weight": rng.standard_normal((3, 4)).astype(np.float32)} for _ in range(clients)]
    steps = rng.integers(1, 1000, clients).tolist()
    seeds = np.random.SeedSequence(seed)
    hidden = [Update(masked(a, n, i, clients, seeds), n) for i, (a, n) in enumerate(zip(arrays, steps, strict=True))]
    plain = combine([Update(a, n) for a, n in zip(arrays, steps, strict=True)])
    np.testing.assert_allclose(combine(hidden, secure=True)["trunk.weight"], plain["trunk.weight"], atol=1e-6)
    if clients > 1:
        for a, n, update in zip(arrays, steps, hidden, strict=True):
            bare = np.rint(a["trunk.weight"].astype(np.float64) * n * 2.0**32).astype(np.int64).view(np.uint64)
            assert not np.array_equal(update.arrays["trunk.weight"], bare)
            # A masked number says nothing: its upper half is uniform, so that small parameters do not stay small.
            assert (update.arrays["trunk.weight"] > 2**62).any()


def test_the_mean_is_weighted_by_steps():
    updates = [
        Update({"a": np.array([1.0, 2.0], np.float32)}, 300),
        Update({"a": np.array([5.0, 6.0], np.float32)}, 100),
    ]
    np.testing.assert_allclose(combine(updates)["a"], [2.0, 3.0])


@pytest.mark.parametrize(
    ("updates", "words"),
    [
        ([Update({"a": np.zeros(1)}, 0)], "nothing to combine"),
        ([Update({"a": np.zeros(1)}, 1), Update({}, 1)], "different parameters"),
    ],
)
def test_updates_that_do_not_fit_are_refused(updates, words):
    with pytest.raises(AgentError, match=words):
        combine(updates)


def test_numbers_that_masks_cannot_hold_are_refused():
    seeds = np.random.SeedSequence(0)
    most = {"a": np.array([-(2.0**31) / 3000], np.float32) * np.float32(0.999)}
    hidden = [Update(masked(most, 1000, i, 3, seeds), 1000) for i in range(3)]
    np.testing.assert_allclose(combine(hidden, secure=True)["a"], most["a"], rtol=1e-6)
    for far in (most["a"] * 1.01, np.array([np.nan], np.float32)):
        with pytest.raises(AgentError, match="a of client 1 is too large to be masked"):
            masked({"a": far}, 1000, 1, 3, seeds)

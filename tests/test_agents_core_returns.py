"""Advantages against their definition, term by term, and against what λ = 0 and λ = 1 must give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.agents.core.returns import advantages


def by_definition(rewards, values, following, terminated, truncated, discount, lam):
    """Σ_l (γλ)^l δ_{t+l} up to the end of the episode, one environment and one objective at a time."""
    out = np.zeros_like(rewards)
    steps, n = terminated.shape
    for t in range(steps):
        for i in range(n):
            for later in range(t, steps):
                rest = 0.0 if terminated[later, i] else following[later, i]
                delta = rewards[later, i] + discount * rest - values[later, i]
                out[t, i] += (discount * lam) ** (later - t) * delta
                if terminated[later, i] or truncated[later, i]:
                    break
    return out


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(), (1,), (3,)]), st.floats(0, 1), st.floats(0, 1))
def test_they_are_what_the_formula_says(seed: int, wide: tuple[int, ...], discount: float, lam: float) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 7)), int(rng.integers(1, 4)))
    arrays = [rng.normal(size=(*shape, *wide)) for _ in range(3)]
    terminated = rng.random(shape) < 0.3
    truncated = (rng.random(shape) < 0.3) & ~terminated
    found = advantages(*arrays, terminated, truncated, discount, lam)
    np.testing.assert_allclose(found, by_definition(*arrays, terminated, truncated, discount, lam), atol=1e-12)


def test_with_lambda_one_they_are_returns_less_values_and_a_cut_episode_is_worth_what_comes_after() -> None:
    rewards = np.array([[1.0], [2.0], [4.0]])
    values, following = np.full((3, 1), 10.0), np.full((3, 1), 100.0)
    over, no = np.array([[False], [False], [True]]), np.zeros((3, 1), dtype=bool)
    assert advantages(rewards, values, 0 * values, over, no, 0.5, 1.0)[0, 0] == pytest.approx(
        # The values in between cancel only where they are consistent: δ₀ + ½ δ₁ + ¼ δ₂ with V(s') = 0.
        (1 - 10) + 0.5 * (2 - 10) + 0.25 * (4 - 10)
    )
    cut = advantages(rewards, values, following, no, over, 0.5, 0.0)
    assert cut[:, 0].tolist() == [41.0, 42.0, 44.0]
    ended = advantages(rewards, values, following, over, no, 0.5, 0.0)
    assert ended[:, 0].tolist() == [41.0, 42.0, -6.0]


def test_shapes_that_do_not_fit_are_refused() -> None:
    one, end = np.ones((2, 3)), np.zeros((2, 3), dtype=bool)
    with pytest.raises(AssertionError):
        advantages(one, one[:1], one, end, end, 1.0, 1.0)
    with pytest.raises(AssertionError):
        advantages(one, one, one, end.T, end, 1.0, 1.0)

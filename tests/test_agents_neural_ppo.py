"""The PPO core: advantages against a sum written out, rollouts in every autoreset mode, equal rollouts, minibatches."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pytest

from morl.agents import ConditionedPPO
from morl.agents.core.collector import Rollout
from morl.agents.neural.ppo import Experience
from morl.testing import problems


def experience(rng: np.random.Generator, steps: int = 9, n: int = 5, k: int = 3) -> Experience:
    """Random numbers, ends of both kinds, and resets after some of them."""
    ended, valid = rng.random((steps, n)) < 0.25, np.ones((steps, n), dtype=bool)
    for t in range(1, steps):  # the step after an end is a reset in half of the environments, as in NEXT_STEP mode
        valid[t, : n // 2] = ~ended[t - 1, : n // 2]
        ended[t] &= valid[t]
    terminated = ended & (rng.random((steps, n)) < 0.5)
    draw = lambda: rng.normal(size=(steps, n, k))  # noqa: E731
    none, time = np.zeros((steps, n)), np.zeros((steps, n), dtype=np.int64)
    played = Rollout(None, none, draw(), None, terminated, ended & ~terminated, draw(), time, valid)
    return Experience(played, none, none, none, draw(), draw())


def by_hand(e: Experience, t: int, i: int, gamma: float, lam: float) -> np.ndarray[Any, Any]:
    """Σ_l (γλ)^l δ_{t+l} up to the end of the episode or of the rollout, one term after the other."""
    r, total, factor = e.rollout, np.zeros(e.values.shape[2]), 1.0
    for s in range(t, len(r.rewards)):
        ahead = np.zeros_like(total) if r.terminated[s, i] else e.next_values[s, i]
        total = total + factor * (r.rewards[s, i] + gamma * ahead - e.values[s, i])
        factor *= gamma * lam
        if r.ended[s, i]:
            break
    return total


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("gamma", "lam"), [(0.9, 0.8), (1.0, 1.0), (0.99, 0.0)])
def test_advantages_are_sums_of_discounted_errors_per_objective(seed: int, gamma: float, lam: float) -> None:
    e = experience(np.random.default_rng(seed))
    found, valid = e.advantages(gamma, lam), e.rollout.valid
    for t, i in np.argwhere(valid):
        assert np.allclose(found[t, i], by_hand(e, t, i, gamma, lam))
    assert not found[~valid].any()
    assert np.array_equal(e.rows, np.flatnonzero(valid.ravel()))


def test_advantages_of_one_objective_do_not_see_the_others() -> None:
    e = experience(np.random.default_rng(1))
    r = replace(e.rollout, rewards=e.rollout.rewards[..., 1:2])
    one = replace(e, rollout=r, values=e.values[..., 1:2], next_values=e.next_values[..., 1:2])
    assert np.array_equal(e.advantages(0.9, 0.8)[..., 1:2], one.advantages(0.9, 0.8))


@pytest.mark.parametrize("left", [1, 37, 400, 1000, 5000])
def test_rollouts_are_equal_and_fit_what_is_left(left: int) -> None:
    agent = ConditionedPPO(problems.deterministic(), seed=0, n_envs=4, n_steps=50, device="cpu")
    played = []
    while left > sum(played):
        played.append(4 * agent._rollout_steps(left - sum(played), 4))
    assert sum(played) < left + 4
    assert max(played) - min(played) <= 4
    assert max(played) <= 300


def test_minibatches_pass_over_every_row_in_every_epoch() -> None:
    agent = ConditionedPPO(problems.deterministic(), seed=0, n_epochs=3, batch_size=8, device="cpu")
    rows = np.arange(5, 45)
    parts = [part.tolist() for part in agent._minibatches(rows, np.random.default_rng(0))]
    assert [len(part) for part in parts] == [8] * 15
    for epoch in range(3):
        assert sorted(chain(*parts[5 * epoch : 5 * epoch + 5])) == rows.tolist()
    assert parts[0] != parts[5]

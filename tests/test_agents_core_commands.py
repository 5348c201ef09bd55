"""Commands: what is left of a wanted return, and what is asked for while exploring."""

from __future__ import annotations

import numpy as np

from morl.agents.core.commands import CommandSampler, remaining
from morl.agents.core.episodes import Episode, ReturnArchive


def test_remaining_is_the_recursion_in_closed_form() -> None:
    rewards, gamma = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]]), 0.9
    wanted = np.array([5.0, 7.0])
    by_hand, accrued = wanted.copy(), np.zeros(2)
    for t, reward in enumerate(rewards):
        left, steps = remaining(wanted[None], np.array([3.0]), accrued[None], np.array([t]), gamma)
        np.testing.assert_allclose(left[0], by_hand)
        assert steps[0] == 3 - t
        by_hand = (by_hand - reward) / gamma
        accrued = accrued + gamma**t * reward


def archive(returns: list[list[float]]) -> ReturnArchive:
    """An archive of one-step episodes of these returns."""
    known = ReturnArchive(2, 10, 4)
    known.extend([Episode(np.zeros((1, 1), np.float32), np.zeros(1, np.int64), np.array([r])) for r in returns], 0)
    known.trim()
    return known


def test_commands_are_known_returns_and_a_bit_more_of_one_objective() -> None:
    best = np.array([[0.0, 4.0], [2.0, 0.0]])
    sampler = CommandSampler(archive(best.tolist()), 500, 1.0, 0.9, np.random.default_rng(0))
    more = sampler.wanted[:, None] - best
    spread = best.std(axis=0)
    fits = ((more >= 0) & (more <= spread)).all(axis=2) & ((more > 0).sum(axis=2) <= 1)
    assert fits.any(axis=1).all()
    plain = CommandSampler(archive(best.tolist()), 500, 0.0, 0.9, np.random.default_rng(0))
    assert {tuple(wanted) for wanted in plain.wanted.tolist()} == {(0.0, 4.0), (2.0, 0.0)}


def test_only_environments_that_begin_get_new_commands() -> None:
    sampler = CommandSampler(archive([[0.0, 4.0], [2.0, 0.0]]), 6, 1.0, 0.9, np.random.default_rng(0))
    before = sampler.wanted.copy()
    sampler.renew(np.array([1, 4]))
    assert np.flatnonzero((sampler.wanted != before).any(axis=1)).tolist() == [1, 4]

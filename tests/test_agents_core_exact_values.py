"""Exact values of policies on finite models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from morl.agents.core.exact_values import deterministic_values, return_distribution
from morl.agents.core.observations import StateIndex
from morl.agents.core.policies import Decision, PolicySet, TablePolicies
from morl.momdp import MOMDP
from morl.testing import problems


def test_return_distribution_is_the_geometric_law() -> None:
    env = problems.stochastic()
    index = StateIndex(env.observation_space, env.observations)
    policies = TablePolicies(index, np.ones((1, len(index)), dtype=np.int64))
    found = return_distribution(policies, env.momdp(), env.observations)
    assert found is not None
    values, chances = found
    for value, chance in zip(values, chances, strict=True):
        assert value[0] == 4.0 or -value[1] > 20
        assert chance == pytest.approx(0.5 ** -value[1], abs=1e-8)


class ByTime(PolicySet):
    """Policy i takes action 0 for i steps, then action 1."""

    needs_accrued = True

    def __len__(self) -> int:
        return 3

    def act(self, decision: Decision) -> tuple[Any, Any]:
        return (decision.time >= decision.which).astype(np.int64), decision.memory


def test_deterministic_values_are_sums_along_the_only_path() -> None:
    """State 0: action 0 stays for (1, 0), action 1 ends for (0, 2). Policy i earns i ones, and then the two."""
    model = MOMDP.from_arrays(
        np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]),
        np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]]),
        discount=0.5,
        terminal=[False, True],
    )
    seen = np.arange(2)
    values = deterministic_values(ByTime(), model, seen, 0.5, None)
    np.testing.assert_allclose(values, [[0, 2], [1, 1], [1.5, 0.5]])
    np.testing.assert_allclose(deterministic_values(ByTime(), model, seen, 0.5, 2), [[0, 2], [1, 1], [1.5, 0]])


def test_deterministic_values_are_none_where_something_is_random() -> None:
    env = problems.stochastic()
    assert deterministic_values(ByTime(), env.momdp(), env.observations, 1.0, None) is None

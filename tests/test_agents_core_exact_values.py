"""Exact values of policies on finite models."""

from __future__ import annotations

import numpy as np
import pytest

from morl.agents.core.exact_values import return_distribution
from morl.agents.core.observations import StateIndex
from morl.agents.core.policies import TablePolicies
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

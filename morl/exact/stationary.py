"""The front of stationary deterministic policies: enumeration where it is quick."""

from __future__ import annotations

from morl.exact.enumeration import enumerate_policies
from morl.momdp import MOMDP
from morl.pareto import Front


def pareto_stationary(momdp: MOMDP, epsilon: float = 0.0, time_limit: float | None = None) -> Front:
    """The front of stationary deterministic policies."""
    return enumerate_policies(momdp)

"""Exact solvers: what the best trade-offs of a finite model *are*, each with its policy and a certificate.

Names load their modules when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from morl.exact.bellman import Value, evaluate, evaluate_batch
    from morl.exact.columns import Maximum, lexicographic, maximise
    from morl.exact.coverage.ccs import convex_coverage_set
    from morl.exact.coverage.weights import WeightSolution, solve_weight
    from morl.exact.deterministic.enumeration import enumerate_policies, policy_values
    from morl.exact.deterministic.pareto import classify, pareto_deterministic
    from morl.exact.dispatch import solve
    from morl.exact.files import from_toy_text, read_drn, read_prism, write_drn
    from morl.exact.occupancy_program import occupancy_lp
    from morl.exact.oracle import best_policy
    from morl.exact.policy import HistoryPolicy, Mixture, Plan
    from morl.exact.risk import Episodic, cvar, expected_utility, quantile, worst_cvar

_WHERE = {
    "Episodic": "risk",
    "HistoryPolicy": "policy",
    "Maximum": "columns",
    "Mixture": "policy",
    "Plan": "policy",
    "Value": "bellman",
    "WeightSolution": "coverage.weights",
    "best_policy": "oracle",
    "classify": "deterministic.pareto",
    "convex_coverage_set": "coverage.ccs",
    "cvar": "risk",
    "enumerate_policies": "deterministic.enumeration",
    "evaluate": "bellman",
    "evaluate_batch": "bellman",
    "expected_utility": "risk",
    "from_toy_text": "files",
    "lexicographic": "columns",
    "maximise": "columns",
    "occupancy_lp": "occupancy_program",
    "pareto_deterministic": "deterministic.pareto",
    "policy_values": "deterministic.enumeration",
    "quantile": "risk",
    "read_drn": "files",
    "read_prism": "files",
    "solve": "dispatch",
    "solve_weight": "coverage.weights",
    "worst_cvar": "risk",
    "write_drn": "files",
}

__all__ = [
    "Episodic",
    "HistoryPolicy",
    "Maximum",
    "Mixture",
    "Plan",
    "Value",
    "WeightSolution",
    "best_policy",
    "classify",
    "convex_coverage_set",
    "cvar",
    "enumerate_policies",
    "evaluate",
    "evaluate_batch",
    "expected_utility",
    "from_toy_text",
    "lexicographic",
    "maximise",
    "occupancy_lp",
    "pareto_deterministic",
    "policy_values",
    "quantile",
    "read_drn",
    "read_prism",
    "solve",
    "solve_weight",
    "worst_cvar",
    "write_drn",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"morl.exact.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'morl.exact' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})

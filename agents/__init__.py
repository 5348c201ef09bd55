"""Agents: algorithms that learn the trade-offs of an environment, one file each, on one shared base.

Every algorithm is an attribute of this module (``morl.agents.ParetoQLearning``), imported when it is first used;
``morl.agents.registry.names()`` lists them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from morl.agents import registry
from morl.agents.base import Agent
from morl.agents.core.config import AgentConfig, option
from morl.agents.core.info import AlgoInfo
from morl.agents.core.observations import Encoder
from morl.agents.core.policies import Decision, PolicySet, WeightedPolicies
from morl.agents.core.training import LearningInterrupted
from morl.agents.registry import load, register

if TYPE_CHECKING:
    from morl.agents.capql import CAPQL
    from morl.agents.cmorl import CMORL
    from morl.agents.conditioned_ppo import ConditionedPPO
    from morl.agents.envelope import Envelope
    from morl.agents.esr_q import ESRQLearning
    from morl.agents.eupg import EUPG
    from morl.agents.evolution import ParetoEvolution
    from morl.agents.exact_planner import ExactPlanner
    from morl.agents.gpi_ls import GPILS
    from morl.agents.linear import LinearScalarization
    from morl.agents.multi_weight_q import MultiWeightQLearning
    from morl.agents.pareto_q import ParetoQLearning
    from morl.agents.pcn import PCN
    from morl.agents.pgmorl import PGMORL
    from morl.agents.quantile_dqn import QuantileDQN
    from morl.agents.vector_q_lambda import VectorQLambda
    from morl.agents.worst_case import WorstCase

__all__ = [
    "CAPQL",
    "CMORL",
    "EUPG",
    "GPILS",
    "PCN",
    "PGMORL",
    "Agent",
    "AgentConfig",
    "AlgoInfo",
    "ConditionedPPO",
    "Decision",
    "ESRQLearning",
    "Encoder",
    "Envelope",
    "ExactPlanner",
    "LearningInterrupted",
    "LinearScalarization",
    "MultiWeightQLearning",
    "ParetoEvolution",
    "ParetoQLearning",
    "PolicySet",
    "QuantileDQN",
    "VectorQLambda",
    "WeightedPolicies",
    "WorstCase",
    "load",
    "option",
    "register",
    "registry",
]


def __getattr__(name: str) -> Any:
    if name in registry.BUILT_IN:
        return registry.get(name)
    raise AttributeError(f"module 'morl.agents' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *registry.names()})

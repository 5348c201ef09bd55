"""Agents: algorithms that learn the trade-offs of an environment, one file each, on one shared base.

Every algorithm is an attribute of this module (``morl.agents.ParetoQLearning``), imported when it is first used;
``morl.agents.registry.names()`` lists them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from morl.agents import registry
from morl.agents.base import Agent, LearningInterrupted, load
from morl.agents.core.config import AgentConfig, option
from morl.agents.core.info import AlgoInfo

if TYPE_CHECKING:
    from morl.agents.conditioned_ppo import ConditionedPPO
    from morl.agents.esr_q import ESRQLearning
    from morl.agents.eupg import EUPG
    from morl.agents.exact_planner import ExactPlanner
    from morl.agents.linear import LinearScalarization
    from morl.agents.multi_weight_q import MultiWeightQLearning
    from morl.agents.pareto_q import ParetoQLearning
    from morl.agents.quantile_dqn import QuantileDQN
    from morl.agents.worst_case import WorstCase

__all__ = [
    "EUPG",
    "Agent",
    "AgentConfig",
    "AlgoInfo",
    "ConditionedPPO",
    "ESRQLearning",
    "ExactPlanner",
    "LearningInterrupted",
    "LinearScalarization",
    "MultiWeightQLearning",
    "ParetoQLearning",
    "QuantileDQN",
    "WorstCase",
    "load",
    "option",
    "registry",
]


def __getattr__(name: str) -> Any:
    if name in registry.BUILT_IN:
        return registry.get(name)
    raise AttributeError(f"module 'morl.agents' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *registry.names()})

"""Fronts of an agent's policies: from evaluations, and to and from the facts of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.agents.core.acting import PolicyHandle
from morl.agents.core.evaluation import Evaluation
from morl.agents.core.identity import policy_identities
from morl.agents.core.policies import PolicySet
from morl.agents.core.preferences import return_range, to_scaled
from morl.pareto.front import Front
from morl.spec import FloatArray, IntArray

if TYPE_CHECKING:
    from morl.agents.base import Agent


def as_front(
    agent: Agent, result: Evaluation, rows: IntArray, policies: PolicySet, numbers: IntArray, spent: int
) -> Front:
    """Rows of an evaluation as a front.

    Args:
        rows: which rows of the evaluation.
        numbers: which of the policies they are of.
        spent: environment steps that the evaluation took.
    """
    return Front(
        result.mean[rows],
        objectives=agent.spec.objectives,
        ref_point=agent.spec.ref_point,
        discount=result.discount,
        policies=[PolicyHandle(agent, policies, int(i)) for i in numbers],
        weights=_reported(agent, policies, numbers),
        covariance=result.covariance[rows],
        episodes=result.episodes[rows],
        scale=agent.spec.return_scale,
        identities=policy_identities(agent, policies, numbers),
        provenance={
            "algorithm": agent.info.name,
            "policy_class": agent.info.policy_class,
            "criterion": agent.info.criterion[0],
            "env": agent.problem.id,
            "seed": agent.seed,
            "steps": agent.num_timesteps,
            "eval_steps": spent,
            "seconds": round(agent.seconds, 6),
            "compile_seconds": round(agent.compile_seconds, 6),
            **agent._provenance(),
        },
    )


def _reported(agent: Agent, policies: PolicySet, numbers: IntArray) -> FloatArray | None:
    """What stands behind each policy, as a caller would ask for it: a preference, or a command."""
    if policies.preferences is None:
        return None
    given = np.asarray(policies.preferences, dtype=np.float64)[numbers]
    span = None if policies.commanded else return_range(agent.spec)
    return given if span is None else to_scaled(given, span)


def to_facts(front: Front | None) -> Mapping[str, Any] | None:
    """A measured front, and which of the agent's policies its points are; ``None`` where there is nothing to keep."""
    if front is None or not front.policies:
        return None
    handles: tuple[PolicyHandle, ...] = front.policies
    numbers = [handle.number for handle in handles]
    return {"front": front.to_dict(), "numbers": numbers, "of": len(handles[0].policies)}


def from_facts(agent: Agent, facts: Mapping[str, Any]) -> Front | None:
    """The inverse of :func:`to_facts`; ``None`` where the front does not fit the agent's policies."""
    policies = agent._policies(None)
    front, numbers = Front.from_dict(facts["front"]), [int(i) for i in facts["numbers"]]
    fits = len(policies) == facts["of"] and all(0 <= i < len(policies) for i in numbers)
    if not fits or len(numbers) != len(front) or front.k != agent.k:
        return None
    ids = front.identities or policy_identities(agent, policies, np.array(numbers, dtype=np.int64))
    return front.replace(policies=tuple(PolicyHandle(agent, policies, i) for i in numbers), identities=ids)

"""Identities of an agent's policies, made of their content: a policy that is measured again keeps its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from morl.agents.core.policies import PolicySet, Subset
from morl.pareto.identity import digest, identity
from morl.spec import IntArray

if TYPE_CHECKING:
    from morl.agents.base import Agent


def policy_identities(agent: Agent, policies: PolicySet, numbers: IntArray) -> list[str]:
    """The identities of some of a set's policies.

    A policy that a table or a vector describes wholly has the identity of that. Of any other, what the agent has
    learned belongs to it: the arrays of its checkpoint, without experience and without the state of optimisers.
    """
    while isinstance(policies, Subset):
        numbers = policies.chosen[numbers]
        policies = policies.inner
    learned = () if policies.whole else (agent.info.name, learned_digest(agent))
    return [identity(*learned, *policies.content(int(number))) for number in numbers]


def learned_digest(agent: Agent) -> str:
    """Digest of what the agent's policies are computed from."""
    left_out = tuple(f"{name}." for name, part in agent._objects.items() if _is_for_learning(part))
    arrays = agent._state()[0]
    parts: list[Any] = []
    for name in sorted(arrays):
        if not name.startswith(left_out):
            parts += [name, arrays[name]]
    return digest(*parts)


def _is_for_learning(part: Any) -> bool:
    """Experience, and the state of optimisers: policies do not look at them."""
    return getattr(part, "experience", False) or (hasattr(part, "zero_grad") and hasattr(part, "step"))

"""From an observation, or a batch of them, to actions of the environment: shapes, memories and accrued rewards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from morl.agents.core.observations import batch_of, count_rows
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.spec import AgentError, FloatArray, IntArray

if TYPE_CHECKING:
    from morl.agents.base import Agent

Array = np.ndarray[Any, Any]
Carried = dict[str, Array] | None
"""What a caller passes from one prediction to the next; ``None`` where policies need nothing."""


class PolicyHandle:
    """One policy of an agent, as found behind a point of its front: acts without being told a preference."""

    def __init__(self, agent: Agent, policies: PolicySet, number: int) -> None:
        self.agent, self.policies, self.number = agent, policies, number

    def predict(
        self,
        observation: Any,
        state: Mapping[str, Array] | None = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = False,
        *,
        accrued: ArrayLike | None = None,
    ) -> tuple[Any, Carried]:
        """As :meth:`morl.agents.Agent.predict`, for this policy."""
        return act(self.agent, self.policies, self.number, observation, state, episode_start, deterministic, accrued)

    def __repr__(self) -> str:
        return f"{self.agent.info.name} policy {self.number}"


def act(
    agent: Agent,
    policies: PolicySet,
    number: int | None,
    observation: Any,
    state: Mapping[str, Array] | None,
    episode_start: ArrayLike | None,
    deterministic: bool,
    accrued: ArrayLike | None,
) -> tuple[Any, Carried]:
    """Actions of a set's policies for one observation or a batch; see :meth:`morl.agents.Agent.predict`.

    Args:
        number: the policy that acts; ``None`` for the only one, or for one policy per observation.
    """
    batch, was_batch = batch_of(agent.observation_space, observation)
    which = _which(policies, number, count_rows(batch))
    total = _accrued(agent, policies, accrued, len(which))
    memory, time = _memory(policies, which, state, episode_start, agent._rng_predict)
    decision = Decision(which, batch, memory, total, time, agent._rng_predict, deterministic)
    chosen, memory = policies.act(decision)
    actions = agent.actions.to_env(chosen)
    carried = {**memory, "time": time + 1} if policies.needs_accrued or policies.has_memory else None
    if was_batch:
        return actions, carried
    return (int(actions[0]) if isinstance(agent.action_space, spaces.Discrete) else actions[0]), carried


def _which(policies: PolicySet, number: int | None, n: int) -> IntArray:
    if number is not None:
        return np.full(n, number, dtype=np.int64)
    if len(policies) not in (1, n):
        raise AgentError(f"{len(policies)} preferences for {n} observations; expected 1 or {n}")
    return np.arange(n, dtype=np.int64) % len(policies)


def _accrued(agent: Agent, policies: PolicySet, accrued: ArrayLike | None, n: int) -> FloatArray:
    if policies.needs_accrued and accrued is None:
        raise AgentError(
            f"{agent.info.name} acts on the reward accrued so far; give predict(accrued=...) the discounted sum of "
            "rewards since the episode began (zeros at its start)"
        )
    total = np.zeros((n, agent.k)) if accrued is None else np.atleast_2d(np.asarray(accrued, dtype=np.float64))
    if total.shape != (n, agent.k):
        raise AgentError(f"accrued has shape {total.shape}; expected ({n}, {agent.k})")
    return total


def _memory(
    policies: PolicySet,
    which: IntArray,
    state: Mapping[str, Array] | None,
    episode_start: ArrayLike | None,
    rng: np.random.Generator,
) -> tuple[Memory, IntArray]:
    """The memory and step number of each row: those carried, or fresh ones where an episode begins."""
    n = len(which)
    if state is None:
        return policies.start(which, rng), np.zeros(n, dtype=np.int64)
    memory = {key: np.array(value) for key, value in state.items() if key != "time"}
    time = np.array(state["time"])
    if len(time) != n:
        raise AgentError(f"state has {len(time)} rows for {n} observations; pass the one returned for them")
    if episode_start is not None:
        fresh = np.flatnonzero(np.broadcast_to(np.asarray(episode_start, dtype=bool), (n,)))
        if len(fresh):
            time[fresh] = 0
            for key, value in policies.start(which[fresh], rng).items():
                memory[key][fresh] = value
    return memory, time

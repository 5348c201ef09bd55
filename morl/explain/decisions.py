"""The vector of values behind a decision of an agent: exact on a finite model, else what its network says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.agents.core.exact_values import action_probabilities
from morl.agents.core.observations import batch_of, count_rows
from morl.agents.core.policies import Decision, PolicySet, Subset
from morl.agents.core.preferences import raw_weights
from morl.momdp import MOMDP
from morl.spec import AgentError, BoolArray, FloatArray, IntArray, ModelError

if TYPE_CHECKING:
    from morl.agents.base import Agent
    from morl.agents.core.acting import PolicyHandle


@dataclass(frozen=True)
class ActionValues:
    """What each action is worth when the policy is followed afterwards.

    Args:
        values: ``(n, A, K)`` expected returns; NaN where an action does not exist.
        weights: ``(K,)`` of raw returns, that the policy was made for.
        chosen: ``(n,)`` the action that the policy takes (its most likely one).
        exact: computed from the model, not learned.
    """

    values: FloatArray
    weights: FloatArray
    chosen: IntArray
    exact: bool


def action_values(agent: Agent, observations: Any, preference: Any = None, *, raw: bool = False) -> ActionValues:
    """What each action is worth to the policy that ``agent.predict`` plays for a preference.

    Args:
        agent: any agent with numbered actions: one of a finite model whose policies have no memory (values are then
            exact), or one with a network of action values.
        observations: one observation or a batch.
        preference: weights as in ``predict``; equal ones by default.
        raw: they are of raw returns.

    Raises:
        AgentError: the agent has no values of single actions, or an observation of the wrong shape.
        SpecError: a preference off the simplex or of the wrong length.
    """
    policies = agent._for_preference(preference, raw)
    if len(policies) != 1:
        raise AgentError(f"{len(policies)} preferences are given; an explanation is of one policy")
    given = np.full((1, agent.k), 1.0 / agent.k) if preference is None else preference
    return _values(agent, policies, raw_weights(given, agent.spec, raw=raw)[0], observations)


def policy_values(agent: Agent, policy: PolicyHandle, observations: Any) -> ActionValues:
    """What each action is worth to one policy of an agent, such as the one behind a point.

    Raises:
        AgentError: the policy was made for no weights, or as for :func:`action_values`.
    """
    known = None if policy.policies.commanded else policy.policies.preferences
    if known is None:
        raise AgentError(
            f"{policy!r} was made for no weights, by which its actions could be weighed; explained are policies made "
            "for weights, such as those of Envelope and MultiWeightQLearning"
        )
    one = Subset(policy.policies, np.array([policy.number]))
    return _values(agent, one, np.asarray(known[policy.number], dtype=np.float64), observations)


def _values(agent: Agent, policies: PolicySet, weights: FloatArray, observations: Any) -> ActionValues:
    """The values of one policy's actions: exact where the model and the policy allow it."""
    batch, _ = batch_of(agent.observation_space, observations)
    model = agent.problem.model
    if model is not None and not policies.has_memory and not policies.needs_accrued:
        table = model_values(agent, policies, model)
        if table is not None:
            states = _states(batch, agent.problem.model_observations, model.terminal, agent.problem.id)
            values, chosen = table
            return ActionValues(values[states], weights, chosen[states], True)
    decision = _decision(agent, policies, batch)
    learned = policies.action_values(decision)
    if learned is None:
        raise AgentError(
            f"{agent.info.name} on {agent.problem.id} has no values of single actions to explain; agents that have: "
            "those with numbered actions and a network of action values (Envelope, GPILS, VectorQLambda), and all "
            "whose policies have no memory, on a finite model"
        )
    actions, _ = policies.act(decision)
    return ActionValues(learned.astype(np.float64), weights, np.asarray(actions), False)


def model_values(agent: Agent, policies: PolicySet, model: MOMDP) -> tuple[FloatArray, IntArray] | None:
    """Exact values ``(S, A, K)`` of one memoryless policy and its actions ``(S,)``; ``None`` where it has none."""
    from morl.exact import evaluate

    n, width = model.n_states, int(model.n_actions.max())
    accrued, time = np.zeros((n, model.k)), np.zeros(n, dtype=np.int64)
    observations = agent.problem.model_observations
    deterministic = agent._evaluates_deterministically
    chances = action_probabilities(policies, 0, model, observations, accrued, time, deterministic)
    if chances is None:
        return None
    action = np.arange(model.n_rows) - model.row_ptr[:-1][model.row_state]
    share = chances[model.row_state, action]
    total = np.bincount(model.row_state, share, n)[model.row_state]
    share = np.divide(share, total, out=1.0 / model.n_actions[model.row_state].astype(float), where=total > 0)
    try:
        states = evaluate(model, share).states
    except ModelError:  # undiscounted, and the policy never comes to an end
        return None
    values = np.full((n, width, model.k), np.nan)
    values[model.row_state, action] = model.rewards + model.discount * (model.transitions @ states)
    return values, chances.argmax(axis=1)


def _decision(agent: Agent, policies: PolicySet, batch: Any) -> Decision:
    n = count_rows(batch)
    which, rng = np.zeros(n, dtype=np.int64), np.random.default_rng(0)
    zeros = np.zeros((n, agent.k)), np.zeros(n, dtype=np.int64)
    return Decision(which, batch, policies.start(which, rng), *zeros, rng, True)


def _states(batch: Any, observations: Any, terminal: BoolArray, name: str) -> IntArray:
    """Number of the model's state behind each observation: the first that goes on, where several look alike."""
    known = np.asarray(observations)
    rows = known.reshape(len(known), -1)
    found = np.asarray(batch).reshape(count_rows(batch), -1)
    if found.shape[1] != rows.shape[1]:
        raise AgentError(f"an observation has {found.shape[1]} numbers; {name} has {rows.shape[1]}")
    numbers = np.empty(len(found), dtype=np.int64)
    for i, row in enumerate(found):
        same = np.flatnonzero((rows == row).all(axis=1))
        if not len(same):
            raise AgentError(f"observation {row.tolist()} is none of the {len(rows):,} states of {name}")
        numbers[i] = same[np.argmin(terminal[same])]
    return numbers

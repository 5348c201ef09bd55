"""Policies of an agent by identity: found, played step by step, measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.agents.core.checks import check_seed
from morl.counts import as_count
from morl.pareto.identity import find_identity
from morl.spec import FloatArray, RunError

if TYPE_CHECKING:
    from morl.agents.base import Agent
    from morl.agents.core.acting import PolicyHandle
    from morl.pareto import Front


@dataclass(frozen=True)
class Step:
    """One step of an episode.

    Args:
        time: steps before it.
        observation: what the policy saw.
        action: what it did.
        reward: ``(K,)`` what it was paid, maximised.
        frame: the picture or text after the step, as the environment renders it; ``None`` where it does not.
        over: the episode ended, or its time was up.
    """

    time: int
    observation: Any
    action: Any
    reward: FloatArray
    frame: Any
    over: bool


class Opened:
    """The policies of one source, ready to act.

    Attributes:
        agent: owner of the policies.
        env: an environment of one's own to play in.
        front: the points and their identities.
    """

    def __init__(self, agent: Agent, env: Any, front: Front) -> None:
        self.agent, self.env, self.front = agent, env, front

    @cached_property
    def _handles(self) -> dict[str, PolicyHandle]:
        """Every policy that the agent would put on a front, by identity; those of the front itself come first."""
        from morl.agents.core.acting import PolicyHandle
        from morl.agents.core.identity import policy_identities

        measured = self.front if self.front.policies else self.agent.measured
        if measured is not None and measured.policies:
            found = dict(zip(measured.ids, measured.policies, strict=True))
            if set(self.front.ids) <= found.keys():
                return found
        else:
            found = {}
        policies = self.agent._policies(None)
        ids = policy_identities(self.agent, policies, np.arange(len(policies)))
        return {**{id: PolicyHandle(self.agent, policies, i) for i, id in enumerate(ids)}, **found}

    def policy(self, id: str) -> PolicyHandle:
        """The policy of a point.

        Raises:
            UnknownNameError: no point has that identity.
            RunError: a point of the front that the agent no longer plays.
        """
        known = list(dict.fromkeys([*self.front.ids, *self._handles]))
        wanted = known[find_identity(known, id)]
        if wanted not in self._handles:
            steps = self.front.provenance.get("steps")
            raise RunError(
                f"point {wanted} was measured at {steps:,} steps; the agent as saved has {self.agent.num_timesteps:,} "
                "and other policies: measure them with morl eval"
                if isinstance(steps, int)
                else f"point {wanted} is of no policy of the agent as saved; measure its policies with morl eval"
            )
        return self._handles[wanted]

    def identity(self, policy: PolicyHandle) -> str:
        """The identity of a policy."""
        from morl.agents.core.identity import policy_identities

        return policy_identities(self.agent, policy.policies, np.array([policy.number]))[0]

    def for_preference(self, preference: Any = None, *, raw: bool = False) -> PolicyHandle:
        """The policy that is played for a preference (see :meth:`morl.agents.Agent.predict`)."""
        from morl.agents.core.acting import PolicyHandle

        return PolicyHandle(self.agent, self.agent._for_preference(preference, raw), 0)

    def episode(self, policy: PolicyHandle, seed: int = 0, max_steps: int | None = None) -> Iterator[Step]:
        """Play one episode: the same for the same seed.

        Args:
            policy: of :meth:`policy` or :meth:`for_preference`.
            seed: of the environment and of what the policy draws.
            max_steps: stop after so many.

        Raises:
            AgentError: a seed below 0.
            SpecError: ``max_steps`` is no positive number.
        """
        agent, env = self.agent, self.env
        most = None if max_steps is None else as_count(max_steps, "max_steps", 1)
        agent._rng_predict = np.random.default_rng(check_seed(seed))
        deterministic = agent._evaluates_deterministically
        observation, _ = env.reset(seed=seed)
        accrued, state, time, over = np.zeros(agent.k), None, 0, False
        while not over and (most is None or time < most):
            action, state = policy.predict(observation, state, deterministic=deterministic, accrued=accrued)
            seen = observation
            observation, reward, terminated, truncated, _ = env.step(action)
            reward = np.asarray(reward, dtype=np.float64)
            accrued = accrued + agent.discount**time * reward
            over = bool(terminated or truncated)
            frame = None if getattr(env, "render_mode", None) is None else env.render()
            yield Step(time, seen, action, reward, frame, over)
            time += 1


def measure(agent: Agent, policy: PolicyHandle, episodes: int, seed: int | None) -> Front:
    """Measure one policy in fresh episodes (exactly, where that is possible), as a front of one point."""
    from morl.agents.core.fronts import as_front
    from morl.agents.core.policies import Subset

    spent, number = agent._evaluator.steps, np.array([policy.number])
    result = agent._evaluator.evaluate(
        Subset(policy.policies, number), episodes, seed=seed, deterministic=agent._evaluates_deterministically
    )
    return as_front(agent, result, np.zeros(1, np.int64), policy.policies, number, agent._evaluator.steps - spent)

"""A sequence of tasks with one trunk: what each learns, and what is forgotten of those before.

Task t has an environment, and an agent with heads of its own; the trunk goes from one to the next::

    θ_t = learn(task t, begun from θ_{t−1})  +  μ/2 ‖θ − θ_{t−1}‖²

μ = 0 lets the trunk move freely, which forgets most and learns best; μ = ∞ freezes it after the first task, which
forgets nothing; in between the trunk is pulled to where the last task left it (Li, Grandvalet & Davoine 2018, L2-SP).
After each task all those before are measured again, with their own heads on the trunk as it is now. Where the heads are
handed on as well, the sequence is a curriculum (Bengio et al. 2009): easier tasks first, for the sake of the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.agents import registry
from morl.agents.base import Agent
from morl.agents.neural.parts import align_targets, load_shared, made_alike, pulled_to, shared_arrays
from morl.counts import as_count
from morl.pareto.front import Front
from morl.spec import AgentError, FloatArray, UnknownNameError

SHARES = ("trunk", "all")
"""What may go from task to task."""


@dataclass(frozen=True)
class Retention:
    """What is left of each task after each task.

    Args:
        scores: ``(T, T)`` score of task j after learning task i, NaN for j > i.
    """

    scores: FloatArray

    @property
    def learned(self) -> FloatArray:
        """Score of each task when it had just been learned, ``(T,)``."""
        return np.asarray(np.diag(self.scores))

    @property
    def backward_transfer(self) -> float:
        """Mean over the earlier tasks of what they gained since they were learned (Lopez-Paz & Ranzato 2017).

        >>> Retention(np.array([[1.0, np.nan], [0.4, 2.0]])).backward_transfer
        -0.6
        """
        return float(np.mean(self.scores[-1, :-1] - self.learned[:-1])) if len(self.scores) > 1 else 0.0

    @property
    def forgetting(self) -> float:
        """Mean over the earlier tasks of what they lost since they were best (Chaudhry et al. 2018).

        >>> Retention(np.array([[1.0, np.nan], [0.25, 2.0]])).forgetting
        0.75
        """
        if len(self.scores) < 2:
            return 0.0
        return float(np.mean(np.nanmax(self.scores[:-1, :-1], axis=0) - self.scores[-1, :-1]))


class Lifelong:
    """Tasks that are learned one after the other, with one trunk and a head for each.

    Args:
        algorithm: an agent class with a network, or its name.
        tasks: environments, or ids, with the same spaces and objectives.
        seed: task t gets ``seed + t``.
        pull: μ ≥ 0; ``math.inf`` freezes the trunk after the first task.
        share: what goes from task to task, ``"trunk"`` or ``"all"``.
        options: of every agent.

    Raises:
        AgentError: no task, tasks whose spaces or objectives differ, μ < 0, or an algorithm without a trunk.
        UnknownNameError: no such algorithm, option or share.

    Attributes:
        agents: one per task.
    """

    def __init__(
        self,
        algorithm: type[Agent] | str,
        tasks: Sequence[Any],
        *,
        seed: int = 0,
        pull: float = 0.0,
        share: str = "trunk",
        **options: Any,
    ) -> None:
        if share not in SHARES:
            raise UnknownNameError("share", share, SHARES)
        if not pull >= 0:
            raise AgentError(f"pull μ is {pull}; expected a number ≥ 0")
        self.agents = made_alike(registry.resolve(algorithm), tasks, "task", seed, options)
        self.pull, self.share = float(pull), share
        self.common = shared_arrays(self.agents[0], share)

    def learn(self, steps: float | str, score: Callable[[Front], float] = Front.hypervolume) -> Retention:
        """Learn every task in turn for ``steps``, and measure it and those before.

        Args:
            steps: environment steps of each task.
            score: of a task's front; its hypervolume by default.
        """
        each = as_count(steps, "steps", 1, AgentError)
        scores = np.full((len(self.agents), len(self.agents)), math.nan)
        for number, agent in enumerate(self.agents):
            load_shared(agent, self.common, self.share)
            align_targets(agent)
            with pulled_to(agent, self.share, self.pull if number else 0.0):
                agent.learn(each)
            self.common = shared_arrays(agent, self.share)
            for task in range(number + 1):
                scores[number, task] = score(self.front(task))
        return Retention(scores)

    def front(self, task: int) -> Front:
        """The front of a task, by what is common as it is now, and its own heads where these are not."""
        agent = self.agents[task]
        own = shared_arrays(agent, self.share)
        load_shared(agent, self.common, self.share)
        try:
            return agent.front()
        finally:
            load_shared(agent, own, self.share)
            agent._forget_front()

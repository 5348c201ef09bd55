"""Tables to learn in, and the two ways of filling them: a compiled simulator of a finite model, or any environment.

On an environment with a model, acting, stepping and updating happen in one compiled loop (millions of steps per
second); the simulator draws outcomes from the model exactly as the environment does. Without a model, the same
compiled update is called once per step of the environment.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.agents.base import Agent
from morl.agents.core.collector import Collector
from morl.agents.core.config import Annealed, option
from morl.agents.core.observations import StateIndex
from morl.agents.core.problem import Problem
from morl.envs.finite.simulator import World, world_of
from morl.spec import AgentError, FloatArray, IntArray, RunError

Array = np.ndarray[Any, Any]


class TabularProblem:
    """Numbers what an agent observes and says how many actions there are.

    Args:
        problem: the environment; its observations must be countable, or it must have a model.
        max_states: rows of the tables where the environment has no model.

    Attributes:
        index: observations to numbers.
        capacity: rows of the tables.
        n_actions: ``(capacity,)`` actions of each numbered observation.
        world: the compiled model, or ``None``.
    """

    def __init__(self, problem: Problem, max_states: int) -> None:
        assert problem.actions is not None
        if not isinstance(problem.actions.space, spaces.Discrete):
            raise AgentError(f"tables need discrete actions; {problem.id} has {problem.action_space}")
        self.problem = problem
        self.width = int(problem.actions.space.n)
        model = problem.model
        self.world: World | None = None
        if model is None:
            self.index = StateIndex(problem.observation_space)
            self.capacity = int(max_states)
            self.n_actions = np.full(self.capacity, self.width, dtype=np.int64)
            return
        self.index = StateIndex(problem.observation_space)
        seen = self.index.lookup(problem.model_observations)
        self.capacity = len(self.index)
        self.n_actions = np.zeros(self.capacity, dtype=np.int64)
        np.maximum.at(self.n_actions, seen, model.n_actions)
        unlike = ~model.terminal & (model.n_actions != self.n_actions[seen])
        if unlike.any() or self.n_actions.max(initial=0) > self.width:
            s = int(np.argmax(unlike if unlike.any() else model.n_actions))
            raise AgentError(
                f"{problem.id}: state {model.label(s)} has {model.n_actions[s]} actions; expected at most the "
                f"{self.width} of the action space, and as many as in every state that looks the same"
            )
        self.world = world_of(model, seen, problem.horizon or 0)

    def number(self, observations: Any) -> IntArray:
        """Numbers of observations seen while learning; new ones get new numbers.

        Raises:
            AgentError: more different observations than the tables have rows.
        """
        numbers = self.index.lookup(observations)
        if len(self.index) > self.capacity:
            raise AgentError(
                f"{self.problem.id} has more than {self.capacity} different observations; raise max_states"
            )
        return numbers

    def arrays(self) -> dict[str, Array]:
        """The numbering as arrays for a checkpoint (nothing where a model defines it)."""
        return {} if self.world is not None else {"seen": self.index.table()}

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        if self.world is None:
            self.index = StateIndex(self.problem.observation_space, arrays["seen"])
            if len(self.index) > self.capacity:
                raise RunError(f"{len(self.index)} observations are numbered; expected at most {self.capacity}")

    def visible(self) -> bool:
        """True where observations tell apart all states of the model in which something is decided."""
        model = self.problem.model
        if model is None or self.world is None:
            return False
        live = self.world.seen[~model.terminal]
        return len(np.unique(live)) == len(live)


@dataclass(frozen=True)
class Step:
    """One transition of environment number ``env``, in numbers."""

    env: int
    state: int
    action: int
    reward: FloatArray
    next_state: int
    terminated: bool
    truncated: bool
    accrued: FloatArray
    """Discounted reward before this step, ``(K,)``."""
    time: int
    """Steps before this one."""


Choose = Callable[[int, int, FloatArray, int], int]
"""``choose(environment number, state number, accrued (K,), time) -> action number``."""
Learn = Callable[[Step], None]


class Stepper:
    """Drives a real environment for tabular agents, one transition at a time.

    Args:
        tables: the numbering.
        collector: parallel environments, at the beginning of their episodes.
    """

    def __init__(self, tables: TabularProblem, collector: Collector) -> None:
        self.tables, self.collector = tables, collector

    def step(self, choose: Choose, learn: Learn) -> int:
        """One step of every environment; returns how many steps that were."""
        collector, tables = self.collector, self.tables
        states = tables.number(collector.obs)
        actions = np.array(
            [choose(i, int(s), collector.accrued[i], int(collector.time[i])) for i, s in enumerate(states)],
            dtype=np.int64,
        )
        out = collector.step(actions)
        next_states = tables.number(out.next_obs)
        for j, i in enumerate(out.env):
            learn(
                Step(
                    int(i),
                    int(states[i]),
                    int(actions[i]),
                    out.rewards[j],
                    int(next_states[j]),
                    bool(out.terminated[j]),
                    bool(out.truncated[j]),
                    out.accrued[j],
                    int(out.time[j]),
                )
            )
        return len(out)


@dataclass(frozen=True)
class TabularConfig(Annealed):
    """Options of agents that fill tables."""

    exploration: float = option(0.7, "fraction of the steps over which it comes down", low=0.0, high=1.0)
    n_steps: int = option(2000, "steps between callbacks", low=1)
    max_states: int = option(20_000, "different observations at most where the environment has no model", low=1)


class TabularLearning(Agent):
    """Learns in the compiled model where there is one, or else in the environment, one transition at a time."""

    tables: TabularProblem

    @abstractmethod
    def _learn_compiled(self, until: int) -> None:
        """Learn in ``self.tables.world`` until ``num_timesteps`` is ``until``."""

    @abstractmethod
    def _steps(self, n_envs: int, rng: np.random.Generator) -> tuple[Choose, Learn]:
        """How to act in ``n_envs`` fresh episodes, and how to learn from each transition."""

    def _between(self, steps: int) -> None:  # most have nothing to do
        """Called when ``steps`` steps have been taken, before they are counted."""

    def _learn(self, until: int) -> None:
        if self.tables.world is not None and not self.problem.is_vector:
            self._learn_compiled(until)
            return
        with self.problem.collecting(self.config.n_envs, self.segment_seed()) as collector:
            stepper = Stepper(self.tables, collector)
            act, learn = self._steps(collector.n, self.rng("explore", self._segment))
            while self.num_timesteps < until:
                n = stepper.step(act, learn)
                self._between(n)
                self.advance(n)

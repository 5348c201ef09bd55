"""A finite model moved by its look-up tables: in batches as dynamics, and one step at a time inside compiled loops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from morl.compiled import inlined, jit
from morl.envs.dynamics import Dynamics, State, Transition
from morl.envs.finite.tables import tables_of
from morl.momdp import MOMDP
from morl.spec import FloatArray, IntArray, MOSpec


class ModelDynamics(Dynamics):
    """A finite model as dynamics; the state is one number, and so is what is observed.

    Args:
        model: every state that is not terminal must have the same actions.
        spec: objectives.
        observation_space: of the environment that the model is of.
        action_space: its actions; a ``Discrete`` that starts at another number than 0 is shifted.
    """

    def __init__(
        self, model: MOMDP, spec: MOSpec, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
    ) -> None:
        self.tables, self.mo_spec = tables_of(model), spec
        self.observation_space, self.action_space = observation_space, action_space
        self._first = int(getattr(action_space, "start", 0))

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """Start states, drawn where there are several."""
        return {"state": self.tables.draw_starts(n, rng)}

    def step(self, state: State, actions: np.ndarray[Any, Any], rng: np.random.Generator) -> Transition:
        """One look-up per state."""
        tables = self.tables
        rows = tables.row_ptr[state["state"]] + (actions - self._first)
        if tables.random:
            rows = tables.choose(rows, rng)
        after = tables.target[rows]
        return Transition({"state": after}, tables.rewards[rows], tables.terminal[after])

    def observe(self, state: State) -> np.ndarray[Any, Any]:
        """State numbers."""
        return state["state"].copy()


class World(NamedTuple):
    """The tables of a model as compiled code reads them; see :class:`morl.envs.finite.tables.Tables`.

    ``row_ptr (S + 1,)``, ``n_actions (S,)`` (0 marks a terminal state), ``first (rows + 1,)`` into outcomes with
    ``target``, ``cumulative`` and ``reward (outcomes, K)``; ``seen (S,)`` is the number of what is observed in a state;
    ``start_state``, ``start_cumulative``; ``horizon`` 0 is none.
    """

    row_ptr: IntArray
    n_actions: IntArray
    first: IntArray
    target: IntArray
    cumulative: FloatArray
    reward: FloatArray
    seen: IntArray
    start_state: IntArray
    start_cumulative: FloatArray
    horizon: int


def world_of(model: MOMDP, seen: IntArray, horizon: int) -> World:
    """A model for compiled loops.

    Args:
        model: the model.
        seen: ``(S,)`` number of what is observed in each state.
        horizon: steps of an episode, 0 for no limit.
    """
    tables = tables_of(model)
    return World(
        np.array(tables.row_ptr),  # a copy, since the model's own is read-only: one type to compile for
        np.array(tables.counts),
        tables.first,
        tables.target,
        tables.cumulative,
        tables.rewards,
        seen,
        tables.start_states,
        tables.start_cumulative,
        horizon,
    )


@inlined
def draw(cumulative, first, last, u):  # type: ignore[no-untyped-def]
    """The first position in ``first … last − 1`` whose cumulative probability exceeds ``u``."""
    i = first
    while i < last - 1 and u >= cumulative[i]:
        i += 1
    return i


@jit
def begin(world, rng):  # type: ignore[no-untyped-def]
    """A start state."""
    return world.start_state[draw(world.start_cumulative, 0, len(world.start_state), rng.random())]


@jit
def outcome(world, state, action, rng):  # type: ignore[no-untyped-def]
    """The number of the outcome that follows ``action`` in ``state``."""
    row = world.row_ptr[state] + action
    first, last = world.first[row], world.first[row + 1]
    if last - first == 1:
        return first
    return draw(world.cumulative, first, last, rng.random())

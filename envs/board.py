"""Shared memory between a parallel vector environment and its workers: what is the same every step is not sent."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.error import CustomSpaceError
from gymnasium.vector.utils import create_shared_memory, read_from_shared_memory, write_to_shared_memory

from morl.spec import BoolArray, EnvError, FloatArray

_PLAIN = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
"""Spaces whose n elements are one array."""


class Memory(NamedTuple):
    """The memory itself, to be handed to a process when it starts."""

    n: int
    k: int
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    observations: Any
    actions: Any
    rewards: Any
    ends: Any

    @classmethod
    def allocate(cls, context: Any, n: int, k: int, observed: spaces.Space[Any], acted: spaces.Space[Any]) -> Memory:
        """Memory for n copies with K objectives, from a multiprocessing context."""
        try:
            observations = create_shared_memory(observed, n, ctx=context)
        except (CustomSpaceError, TypeError):  # spaces of one's own, or of no fixed size: sent instead
            observations = None
        actions = create_shared_memory(acted, n, ctx=context) if isinstance(acted, _PLAIN) else None
        rewards, ends = context.RawArray("d", n * k), context.RawArray("b", n * 2)
        return cls(n, k, observed, acted, observations, actions, rewards, ends)


class Board:
    """The same memory as arrays, in any of the processes.

    Args:
        memory: from :meth:`Memory.allocate`.

    Attributes:
        rewards: ``(n, K)``, float64.
        ends: ``(n, 2)``: terminated, truncated; 0 or 1.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.rewards: FloatArray = np.frombuffer(memory.rewards).reshape(memory.n, memory.k)
        self.ends: np.ndarray[Any, np.dtype[np.int8]] = np.frombuffer(memory.ends, dtype=np.int8).reshape(memory.n, 2)
        self._actions = self._array(memory.action_space, memory.actions)
        self._observations = self._array(memory.observation_space, memory.observations)

    def _array(self, space: Any, memory: Any) -> Any:
        plain = memory is not None and isinstance(space, _PLAIN)
        return read_from_shared_memory(space, memory, self._memory.n) if plain else None

    @property
    def shows_observations(self) -> bool:
        """Whether observations go through this memory."""
        return self._memory.observations is not None

    @property
    def flags(self) -> tuple[BoolArray, BoolArray]:
        """Fresh arrays ``(n,)``: terminated, truncated."""
        flags = self.ends.astype(bool)
        return flags[:, 0], flags[:, 1]

    def put_actions(self, actions: Any) -> bool:
        """Leave actions of all copies for the workers, if they are just what the space says: nothing is converted."""
        room = self._actions
        fits = room is not None and isinstance(actions, np.ndarray)
        if not fits or actions.dtype != room.dtype or actions.shape != room.shape:
            return False
        room[...] = actions
        return True

    def action(self, i: int) -> Any:
        """A fresh copy of the action for copy i."""
        return self._actions[i].copy()

    def put_observation(self, i: int, observation: Any) -> None:
        """Show what copy i sees.

        Raises:
            EnvError: it has not the shape of the space.
        """
        memory = self._memory
        if self._observations is None:
            write_to_shared_memory(memory.observation_space, i, observation, memory.observations)
            return
        if np.shape(observation) != self._observations.shape[1:]:
            raise EnvError(
                f"environment {i} returned an observation of shape {np.shape(observation)}; "
                f"expected {self._observations.shape[1:]}, as its observation space says"
            )
        self._observations[i] = observation

    def observations(self) -> Any:
        """A fresh copy of what all copies see, in the batched space."""
        if self._observations is not None:
            return self._observations.copy()
        memory = self._memory
        return _copied(read_from_shared_memory(memory.observation_space, memory.observations, memory.n))


def _copied(shared: Any) -> Any:
    if isinstance(shared, dict):
        return {key: _copied(value) for key, value in shared.items()}
    if isinstance(shared, tuple):
        return tuple(_copied(value) for value in shared)
    return shared.copy() if isinstance(shared, np.ndarray) else shared

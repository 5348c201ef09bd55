"""Shared memory between a parallel vector environment and its workers: what is the same every step is not sent."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.error import CustomSpaceError
from gymnasium.vector.utils import create_shared_memory, read_from_shared_memory, write_to_shared_memory

from morl.envs.vector.misfits import PLAIN, require_fit
from morl.spec import BoolArray, EnvError, FloatArray


class Memory(NamedTuple):
    """The memory itself, to be handed to a process when it starts."""

    n: int
    k: int
    observation_space: spaces.Space[Any] | None
    action_space: spaces.Space[Any]
    observations: Any
    actions: Any
    rewards: Any
    ends: Any

    @classmethod
    def allocate(
        cls, context: Any, n: int, k: int, observed: spaces.Space[Any] | None, acted: spaces.Space[Any]
    ) -> Memory:
        """Memory for n environments with K objectives, from a multiprocessing context.

        Observations that find no room (a container's ``/dev/shm`` is often small) are sent instead, and so are
        actions; for rewards and flags there must be room.

        Args:
            context: a multiprocessing context.
            n: parallel environments.
            k: objectives.
            observed: space of one environment's observations; ``None`` where they shall be sent.
            acted: space of one environment's actions.

        Raises:
            EnvError: not even those fit.
        """
        observations = None if observed is None else _shared(observed, n, context)
        actions = _shared(acted, n, context) if isinstance(acted, PLAIN) else None
        size = n * (8 * k + 2)
        try:
            _check_room(size)
            rewards, ends = context.RawArray("d", n * k), context.RawArray("b", n * 2)
        except OSError as error:
            raise EnvError(
                f"{size} bytes of shared memory for the rewards of {n} environments are not to be had ({error}); "
                "make room in /dev/shm (docker run --shm-size=1g), or use vectorization_mode='sync'"
            ) from error
        return cls(n, k, observed, acted, observations, actions, rewards, ends)


def _shared(space: spaces.Space[Any], n: int, context: Any) -> Any:
    """Shared memory for n elements of a space; ``None`` where they have no fixed size or find no room."""
    try:
        _check_room(sum(_bytes(part) for part in _parts(space)) * n)
        return create_shared_memory(space, n, ctx=context)
    except (CustomSpaceError, TypeError, OSError):  # a space of one's own, one of no fixed size, or no room
        return None


def _parts(space: Any) -> list[Any]:
    """The boxes and numbers that a nested space consists of."""
    inner = getattr(space, "spaces", None)
    if inner is None:
        return [space]
    return [part for one in (inner.values() if hasattr(inner, "values") else inner) for part in _parts(one)]


def _bytes(space: Any) -> int:
    if isinstance(space, spaces.Text):
        return 4 * int(space.max_length)
    shape = space.shape or ()
    return int(np.dtype(space.dtype or np.int64).itemsize) * int(np.prod(shape, dtype=np.int64))


_SPARE = 1 << 16
"""Bytes that multiprocessing and others may take meanwhile."""


def _check_room(size: int) -> None:
    """Raise ``OSError`` unless shared memory of that many bytes can be filled.

    It is a file in ``/dev/shm``, or in the folder for temporary files; a full one does not fail where it is made but
    kills the process that writes to it.
    """
    if not hasattr(os, "statvfs"):
        return
    room = 0
    for folder in ("/dev/shm", tempfile.gettempdir()):
        with contextlib.suppress(OSError):
            found = os.statvfs(folder)
            if os.access(folder, os.W_OK):
                room = max(room, found.f_bavail * found.f_frsize)
    if size + _SPARE > room:
        raise OSError(errno.ENOSPC, f"{size} bytes of shared memory wanted, {room} free")


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
        plain = memory is not None and isinstance(space, PLAIN)
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
        """Leave all actions for the workers, if they are just what the space says: nothing is converted."""
        room = self._actions
        fits = room is not None and isinstance(actions, np.ndarray)
        if not fits or actions.dtype != room.dtype or actions.shape != room.shape:
            return False
        room[...] = actions
        return True

    def action(self, i: int) -> Any:
        """A fresh copy of the action for environment i."""
        return self._actions[i].copy()

    def put_observation(self, i: int, observation: Any) -> None:
        """Show what environment i sees.

        Raises:
            EnvError: it has not the parts, shapes and types of the space.
        """
        memory = self._memory
        assert memory.observation_space is not None
        require_fit(memory.observation_space, observation, i)  # memory takes what can be repeated or cut off
        if self._observations is None:
            write_to_shared_memory(memory.observation_space, i, observation, memory.observations)
        else:
            self._observations[i] = observation

    def observations(self, fresh: bool = True) -> Any:
        """What all copies see, in the batched space: a fresh copy, or the memory itself."""
        if self._observations is not None:
            return self._observations.copy() if fresh else self._observations
        memory = self._memory
        assert memory.observation_space is not None
        shown = read_from_shared_memory(memory.observation_space, memory.observations, memory.n)
        return _copied(shown) if fresh else shown


def _copied(shared: Any) -> Any:
    if isinstance(shared, dict):
        return {key: _copied(value) for key, value in shared.items()}
    if isinstance(shared, tuple):
        return tuple(_copied(value) for value in shared)
    return shared.copy() if isinstance(shared, np.ndarray) else shared

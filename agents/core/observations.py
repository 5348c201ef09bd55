"""Observations as arrays for networks and as numbers for tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.agents.core.boxes import UnitScale
from morl.spec import AgentError, FloatArray, IntArray

Array = np.ndarray[Any, Any]


def each(function: Callable[..., Any], *trees: Any) -> Any:
    """The function applied to every array of observations: arrays, or dictionaries and tuples of them, nested."""
    first = trees[0]
    if isinstance(first, dict):
        return {key: each(function, *(tree[key] for tree in trees)) for key in first}
    if isinstance(first, tuple):
        return tuple(each(function, *parts) for parts in zip(*trees, strict=True))
    return function(*trees)


def leaves(tree: Any) -> Iterator[Any]:
    """The arrays of observations, in order."""
    if isinstance(tree, dict | tuple):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves(part)
    else:
        yield tree


def count_rows(batch: Any) -> int:
    """Number of observations in a batch."""
    return len(next(leaves(batch)))


def parts_of(space: spaces.Space[Any]) -> dict[Any, spaces.Space[Any]]:
    """The parts of a Dict or Tuple space by key or position; none of any other space."""
    if isinstance(space, spaces.Dict):
        return dict(space.spaces)
    return dict(enumerate(space.spaces)) if isinstance(space, spaces.Tuple) else {}


def plain_parts(space: spaces.Space[Any]) -> Iterator[spaces.Space[Any]]:
    """The parts of a space, nested ones too, that have no parts themselves."""
    inner = parts_of(space)
    if not inner:
        yield space
    for part in inner.values():
        yield from plain_parts(part)


def unreadable(space: spaces.Space[Any]) -> spaces.Space[Any] | None:
    """The first part of a space that cannot be written as a row of numbers, or ``None``."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        found = [unreadable(part) for part in parts_of(space).values()]
        return next((part for part in found if part is not None), None if found else space)
    plain = spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary
    return None if isinstance(space, plain) else space


def batch_of(space: spaces.Space[Any], observation: Any) -> tuple[Any, bool]:
    """An observation, or a batch of them, as a batch; the flag says whether it was one already.

    Raises:
        AgentError: the shape fits neither one observation nor a batch.
    """
    inner = parts_of(space)
    if inner:
        try:
            parts = {key: batch_of(part, observation[key]) for key, part in inner.items()}
        except (KeyError, IndexError, TypeError):
            raise AgentError(f"observation is {observation!r}; expected one of {space}, or a batch of them") from None
        values = {key: part[0] for key, part in parts.items()}
        whole = values if isinstance(space, spaces.Dict) else tuple(values.values())
        return whole, all(part[1] for part in parts.values())
    array = np.asarray(observation)
    shape = space.shape or ()
    if array.shape == shape:
        return array[None], False
    if array.ndim == len(shape) + 1 and array.shape[1:] == shape:
        return array, True
    raise AgentError(f"observation has shape {array.shape}; expected {shape}, or (n, ...) for a batch, from {space}")


class Encoder:
    """Turns a batch of observations of a space into float32 rows ``(n, size)`` for a network.

    Discrete and MultiDiscrete become one-hot, boxes are flattened and, where both bounds are finite, scaled to
    ``[-1, 1]``; the parts of a Dict or Tuple, nested ones too, are concatenated in their order.

    >>> Encoder(spaces.Discrete(3))(np.array([2])).tolist()
    [[0.0, 0.0, 1.0]]
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.space = space
        self.parts: dict[Any, Encoder] = {}
        if isinstance(space, spaces.Discrete):
            self.size = int(space.n)
        elif isinstance(space, spaces.MultiDiscrete):
            self.size = int(space.nvec.sum())
            self._offsets = np.concatenate([[0], np.cumsum(space.nvec.ravel())[:-1]])
        elif isinstance(space, spaces.MultiBinary):
            self.size = int(np.prod(space.shape))
        elif isinstance(space, spaces.Box):
            self.size = int(np.prod(space.shape))
            self._scale = UnitScale(space)
        elif parts_of(space):
            self.parts = {key: Encoder(part) for key, part in parts_of(space).items()}
            self.size = sum(part.size for part in self.parts.values())
        else:
            raise AgentError(
                f"observation space {space} is not supported; expected Discrete, MultiDiscrete, MultiBinary, Box, or "
                "Dict and Tuple of them"
            )

    def __call__(self, observations: Any) -> Array:
        """Encode ``(n, ...)`` observations."""
        space = self.space
        if self.parts:
            return np.concatenate([part(observations[key]) for key, part in self.parts.items()], axis=1)
        values = np.asarray(observations)
        n = len(values)
        if isinstance(space, spaces.Discrete):
            out = np.zeros((n, self.size), dtype=np.float32)
            out[np.arange(n), values.astype(np.int64) - int(space.start)] = 1.0
            return out
        flat = values.reshape(n, int(np.prod(values.shape[1:])))  # n may be 0: every copy may be restarting
        if isinstance(space, spaces.MultiDiscrete):
            out = np.zeros((n, self.size), dtype=np.float32)
            columns = flat.astype(np.int64) - space.start.ravel() + self._offsets
            out[np.arange(n)[:, None], columns] = 1.0
            return out
        if isinstance(space, spaces.Box):
            return self._scale.to_unit(flat).astype(np.float32)
        return flat.astype(np.float32)


def is_integer_valued(space: spaces.Space[Any]) -> bool:
    """True where observations can index a table: Discrete, MultiDiscrete, MultiBinary or a box of integers."""
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        return True
    return isinstance(space, spaces.Box) and bool(np.issubdtype(space.dtype or np.float64, np.integer))


class StateIndex:
    """Numbers observations 0, 1, 2, … in order of appearance, or as a finite model numbers its states.

    Args:
        space: space of one observation.
        known: observations that get the first numbers, ``(n, ...)``; equal ones share a number.
    """

    def __init__(self, space: spaces.Space[Any], known: Array | None = None) -> None:
        self.space = space
        self._plain = isinstance(space, spaces.Discrete)
        self._numbers: dict[bytes | int, int] = {}
        self.seen: list[Array] = []
        if known is not None:
            self.lookup(known)

    def __len__(self) -> int:
        return len(self.seen)

    def _key(self, observation: Any) -> bytes | int:
        return int(observation) if self._plain else np.ascontiguousarray(observation).tobytes()

    def lookup(self, observations: Any, *, grow: bool = True) -> IntArray:
        """Numbers of a batch of observations ``(n, ...)``; unknown ones are added, or give −1."""
        dtype = self.space.dtype or np.float64
        values = np.asarray(observations, dtype=dtype)
        out = np.empty(len(values), dtype=np.int64)
        for i, value in enumerate(values):
            key = self._key(value)
            number = self._numbers.get(key, -1)
            if number < 0 and grow:
                number = self._numbers[key] = len(self.seen)
                self.seen.append(np.array(value))
            out[i] = number
        return out

    def table(self) -> Array:
        """Every numbered observation, ``(n, ...)``."""
        dtype = self.space.dtype or np.float64
        shape = self.space.shape or ()
        return np.array(self.seen, dtype=dtype).reshape((len(self.seen), *shape))


class RunningScale:
    """Mean and standard deviation per objective, updated by batches (Chan, Golub & LeVeque 1983).

    Args:
        k: the number of objectives.
    """

    def __init__(self, k: int) -> None:
        self.count = 0.0
        self.mean: FloatArray = np.zeros(k)
        self.m2: FloatArray = np.zeros(k)

    def update(self, values: FloatArray) -> None:
        """Take in rows ``(n, K)``."""
        n = float(len(values))
        if n == 0:
            return
        mean = values.mean(axis=0)
        m2 = ((values - mean) ** 2).sum(axis=0)
        delta, total = mean - self.mean, self.count + n
        self.m2 = self.m2 + m2 + delta**2 * (self.count * n / total)
        self.mean = self.mean + delta * (n / total)
        self.count = total

    @property
    def std(self) -> FloatArray:
        """Standard deviation per objective, shape ``(K,)``; 1 where nothing varies."""
        if self.count < 2:
            return np.ones_like(self.mean)
        value = np.sqrt(self.m2 / self.count)
        return np.where(value > 1e-8 * np.maximum(1.0, np.abs(self.mean)), value, 1.0)

    def arrays(self, prefix: str) -> dict[str, Array]:
        """State as arrays for a checkpoint."""
        return {f"{prefix}.count": np.array([self.count]), f"{prefix}.mean": self.mean, f"{prefix}.m2": self.m2}

    def restore(self, prefix: str, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        self.count = float(arrays[f"{prefix}.count"][0])
        self.mean, self.m2 = arrays[f"{prefix}.mean"].copy(), arrays[f"{prefix}.m2"].copy()

"""One ring buffer of preallocated arrays, sampled uniformly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from morl.agents.core.memory import readable, require
from morl.spec import AgentError, RunError

Array = np.ndarray[Any, Any]


class ReplayBuffer:
    """Holds the last ``capacity`` rows of named fields.

    Args:
        capacity: rows kept.
        fields: ``name -> (shape of one row, dtype)``.

    Raises:
        AgentError: there is no memory for that many rows.

    >>> buffer = ReplayBuffer(2, {"x": ((), np.float32)})
    >>> buffer.add(x=np.array([1.0, 2.0, 3.0]))
    >>> len(buffer), sorted(buffer.fields["x"].tolist())
    (2, [2.0, 3.0])
    """

    experience = True  # what is learned from, not what was learned

    def __init__(self, capacity: int, fields: Mapping[str, tuple[tuple[int, ...], Any]]) -> None:
        if capacity < 1:
            raise AgentError(f"replay capacity is {capacity}; expected at least 1")
        self.capacity = int(capacity)
        row = sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in fields.values())
        require(
            self.capacity * row,
            f"a replay buffer of {self.capacity:,} rows of {readable(row)}",
            "lower the option buffer (buffer_size), or make observations smaller",
        )
        self.fields: dict[str, Array] = {
            name: np.zeros((self.capacity, *shape), dtype=dtype) for name, (shape, dtype) in fields.items()
        }
        self.position = 0
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def add(self, **rows: Any) -> None:
        """Append rows ``(n, ...)`` of every field; the oldest rows are overwritten."""
        if rows.keys() != self.fields.keys():
            raise AgentError(f"replay rows have fields {sorted(rows)}; expected {sorted(self.fields)}")
        n = len(next(iter(rows.values())))
        if n > self.capacity:
            rows = {name: np.asarray(value)[-self.capacity :] for name, value in rows.items()}
            n = self.capacity
        where = slice(self.position, self.position + n)
        wrap = self.position + n > self.capacity
        index = (self.position + np.arange(n)) % self.capacity if wrap else None
        for name, value in rows.items():
            self.fields[name][where if index is None else index] = value
        self.position = (self.position + n) % self.capacity
        self.size = min(self.size + n, self.capacity)

    def sample(self, n: int, rng: np.random.Generator) -> dict[str, Array]:
        """``n`` rows drawn with replacement, as fresh arrays."""
        if self.size == 0:
            raise AgentError("replay buffer is empty; add transitions before sampling")
        index = rng.integers(self.size, size=n)
        return {name: array.take(index, axis=0) for name, array in self.fields.items()}

    def arrays(self) -> dict[str, Array]:
        """The filled part as arrays for a checkpoint."""
        out = {name: array[: self.size] for name, array in self.fields.items()}
        out["cursor"] = np.array([self.position, self.size], dtype=np.int64)
        return out

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        position, size = (int(x) for x in arrays["cursor"])
        if not 0 <= size <= self.capacity or position not in (
            range(self.capacity) if size == self.capacity else [size]
        ):
            raise RunError(f"replay buffer of {self.capacity} rows has {size} and stands at {position}")
        self.position, self.size = position, size
        for name, array in self.fields.items():
            array[: self.size] = arrays[name]

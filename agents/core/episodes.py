"""Whole episodes: recorded from many environments at once, kept for the returns that they show how to reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.agents.core.collector import Transitions
from morl.agents.core.memory import require
from morl.pareto.indicators import nondominated_mask
from morl.spec import BoolArray, FloatArray, IntArray, RunError

Array = np.ndarray[Any, Any]


@dataclass
class Episode:
    """One episode, from its first step to its end.

    Args:
        observations: ``(T, size)`` rows (:class:`~morl.agents.core.rows.Rows`).
        actions: ``(T, ...)``.
        remaining: ``(T, K)`` discounted return from each step on; row 0 is the episode's return.
        born: round in which it was played.
    """

    observations: Array
    actions: Array
    remaining: FloatArray
    born: int = 0

    def __len__(self) -> int:
        return len(self.actions)


class EpisodeRecorder:
    """Cuts the steps of n environments into episodes.

    Steps are kept in blocks of time × environment, so an episode is one slice, and one that nobody wants costs nothing.

    Args:
        n: environments.
        rows: turns observations into rows ``(n, size)``.
        discount: γ of the returns.
        length: steps kept at first; longer episodes make room for themselves.
    """

    def __init__(self, n: int, rows: Callable[[Any], Array], discount: float, length: int = 512) -> None:
        self.n, self.rows, self.discount = n, rows, discount
        self.length, self.now = length, 0
        self.start = np.zeros(n, dtype=np.int64)
        self._blocks: dict[str, Array] = {}

    def record(self, out: Transitions, wants: Callable[[FloatArray], BoolArray] | None = None) -> list[Episode]:
        """Take in one step of all environments; returns the episodes that ended with it.

        Args:
            out: the step.
            wants: says from returns ``(m, K)`` which of the ended episodes to build; all by default.
        """
        if self.now == self.length:
            self._make_room()
        rows = out.env
        for name, values in (("obs", self.rows(out.obs)), ("actions", out.actions), ("rewards", out.rewards)):
            if name not in self._blocks:
                size = self.length * values.nbytes / max(len(values), 1) * self.n
                require(size, f"recording episodes of {self.n:,} parallel environments", "lower n_envs")
                self._blocks[name] = np.zeros((self.length, self.n, *values.shape[1:]), values.dtype)
            self._blocks[name][self.now, rows] = values
        self.now += 1
        # A row that was left out is beginning anew: its episode starts with the next step.
        if len(rows) < self.n:
            absent = np.ones(self.n, dtype=bool)
            absent[rows] = False
            self.start[absent] = self.now
        ended = out.terminated | out.truncated
        if not ended.any():
            return []
        last = np.flatnonzero(ended)
        total = out.accrued[last] + self.discount ** out.time[last][:, None] * out.rewards[last]
        chosen = last if wants is None else last[wants(total)]
        episodes = [self._cut(int(env)) for env in rows[chosen]]
        self.start[rows[last]] = self.now
        return episodes

    def _cut(self, env: int) -> Episode:
        span = slice(int(self.start[env]), self.now)
        obs, actions, rewards = (self._blocks[name][span, env] for name in ("obs", "actions", "rewards"))
        return Episode(obs.copy(), actions.copy(), returns_to_go(rewards, self.discount))

    def _make_room(self) -> None:
        """Drop what no running episode holds any more; double the blocks where that is little."""
        oldest = int(self.start.min())
        if oldest < self.length // 2:
            self.length *= 2
        for name, block in self._blocks.items():
            fresh = np.zeros((self.length, *block.shape[1:]), block.dtype)
            fresh[: self.now - oldest] = block[oldest : self.now]
            self._blocks[name] = fresh
        self.start -= oldest
        self.now -= oldest


def returns_to_go(rewards: FloatArray, discount: float) -> FloatArray:
    """Σ γⁱ rₜ₊ᵢ for every t, ``(T, K)``.

    >>> returns_to_go(np.array([[1.0], [2.0]]), 0.5).tolist()
    [[2.0], [2.0]]
    """
    out = np.array(rewards, dtype=np.float64)
    if discount == 1.0:
        return np.asarray(np.cumsum(out[::-1], axis=0)[::-1])
    for t in range(len(out) - 2, -1, -1):
        out[t] += discount * out[t + 1]
    return out


@dataclass(frozen=True)
class Dataset:
    """Steps of archived episodes, one per row."""

    observations: Array
    actions: Array
    remaining: FloatArray
    left: FloatArray
    starts: IntArray
    """First row of each episode, ``(n,)``."""
    lengths: IntArray
    best: IntArray
    """Numbers of the episodes on the front."""

    def draw(self, n: int, focus: float, rng: np.random.Generator) -> IntArray:
        """``n`` rows: an episode first, a step of it second, so that long episodes do not crowd out short ones.

        Args:
            n: rows.
            focus: share of the rows drawn from episodes on the front.
            rng: draws.
        """
        episodes = rng.integers(len(self.starts), size=n)
        some = round(focus * n)
        episodes[:some] = self.best[rng.integers(len(self.best), size=some)]
        return np.asarray(self.starts[episodes] + (rng.random(n) * self.lengths[episodes]).astype(np.int64))


class ReturnArchive:
    """The episodes worth learning from: few of each return, and those nearest to the front.

    Args:
        k: objectives.
        capacity: episodes kept.
        per_cell: episodes kept whose returns are equal to 1 % of the archive's range.
    """

    def __init__(self, k: int, capacity: int, per_cell: int) -> None:
        self.k, self.capacity, self.per_cell = k, capacity, per_cell
        self.episodes: list[Episode] = []
        self.scale: FloatArray = np.ones(k)
        self.longest = 1
        self._best: tuple[FloatArray, FloatArray] | None = None
        self._data: Dataset | None = None
        self._low, self._span = np.zeros(k), np.ones(k)
        self._counts: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self.episodes)

    def wants(self, returns: FloatArray) -> BoolArray:
        """Which of the returns ``(m, K)`` would not merely be one more of a kind that there is enough of, ``(m,)``."""
        out = np.zeros(len(returns), dtype=bool)
        for i, cell in enumerate(self._cells(returns)):
            key = cell.tobytes()
            count = self._counts.get(key, 0)
            if count < self.per_cell:
                out[i] = True
                self._counts[key] = count + 1
        return out

    def _cells(self, returns: FloatArray) -> Array:
        return np.floor((returns - self._low) / self._span * 100).astype(np.int64)

    @property
    def returns(self) -> FloatArray:
        """Returns of all episodes, ``(n, K)``."""
        return np.array([e.remaining[0] for e in self.episodes]).reshape(-1, self.k)

    def extend(self, episodes: Iterable[Episode], born: int) -> None:
        """Offer episodes; :meth:`trim` decides which stay."""
        for episode in episodes:
            episode.born = born
            self.episodes.append(episode)
            self._best = self._data = None

    def best(self, layers: int = 1) -> tuple[FloatArray, FloatArray]:
        """Non-dominated returns ``(m, K)`` and the length of the episode that had each ``(m,)``.

        With more ``layers`` also those that only the layers before dominate.
        """
        if layers > 1:
            left, rows = np.arange(len(self.episodes)), []
            for _ in range(layers):
                if len(left):
                    top = nondominated_mask(self.returns[left])
                    rows += left[top].tolist()
                    left = left[~top]
            return self.returns[rows], np.array([float(len(self.episodes[i])) for i in rows])
        if self._best is None:
            returns = self.returns
            keep = nondominated_mask(returns)
            lengths = np.array([float(len(e)) for e in self.episodes])
            self._best = (returns[keep], lengths[keep] if len(lengths) else lengths)
        return self._best

    def trim(self, oldest: int | None = None) -> None:
        """Forget episodes born before round ``oldest``, surplus ones of a cell, and those farthest from the front."""
        if oldest is not None and any(e.born >= oldest for e in self.episodes):
            self.episodes = [e for e in self.episodes if e.born >= oldest]
        if not self.episodes:
            return
        returns = self.returns
        self._measure(returns)
        self._low = returns.min(axis=0)
        self._span = np.maximum(returns.max(axis=0) - self._low, 1e-9 * self.scale)
        unit = (returns - self._low) / self._span
        front = unit[nondominated_mask(returns)]
        distance = np.sqrt(((unit[:, None] - front[None]) ** 2).sum(axis=2)).min(axis=1)
        # Young ones first within a distance: they were played by what the network is now.
        order = np.lexsort((-np.array([e.born for e in self.episodes]), distance))
        cells = self._cells(returns)
        self._counts = {}
        kept: list[int] = []
        for i in order.tolist():
            key = cells[i].tobytes()
            count = self._counts.get(key, 0)
            if len(kept) < self.capacity and count < self.per_cell:
                kept.append(i)
            # What was turned away for its distance counts as full, so that its like is not built again.
            self._counts[key] = count + 1 if len(kept) < self.capacity else max(self.per_cell, count + 1)
        self.episodes = [self.episodes[i] for i in sorted(kept)]
        self._best = self._data = None

    def _measure(self, returns: FloatArray) -> None:
        """Sizes for network inputs: the largest return on the front in each objective, and the longest episode there.

        Measured on the front only: what a random walk once paid would squeeze the commands that matter into a corner.
        """
        best = nondominated_mask(returns)
        largest = np.abs(returns[best]).max(axis=0)
        self.scale = np.where(largest > 0, largest, 1.0)
        self.longest = max(len(e) for e, keep in zip(self.episodes, best, strict=True) if keep)

    def dataset(self) -> Dataset:
        """Every step of every episode."""
        if self._data is None:
            episodes = self.episodes
            lengths = np.array([len(e) for e in episodes])
            self._data = Dataset(
                np.concatenate([e.observations for e in episodes]),
                np.concatenate([e.actions for e in episodes]),
                np.concatenate([e.remaining for e in episodes]),
                np.concatenate([np.arange(len(e), 0, -1, dtype=np.float64) for e in episodes]),
                np.cumsum(lengths) - lengths,
                lengths,
                np.flatnonzero(nondominated_mask(self.returns)),
            )
        return self._data

    def arrays(self) -> dict[str, Array]:
        """The archive as arrays for a checkpoint."""
        if not self.episodes:
            return {}
        data = self.dataset()
        return {
            "cells": np.array([np.frombuffer(key, np.int64) for key in self._counts]).reshape(-1, self.k),
            "counts": np.array(list(self._counts.values()), dtype=np.int64),
            "grid": np.stack([self._low, self._span]),
            # Measured before the archive was trimmed: on what is left they could be others.
            "scale": self.scale,
            "longest": np.array(self.longest, dtype=np.int64),
            "observations": data.observations,
            "actions": data.actions,
            "remaining": data.remaining,
            "length": np.array([len(e) for e in self.episodes]),
            "born": np.array([e.born for e in self.episodes]),
        }

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        if "length" not in arrays:
            return
        lengths = arrays["length"]
        if lengths.min() < 1 or lengths.sum() != len(arrays["remaining"]):
            raise RunError(f"archive has episodes of {lengths.sum()} steps; expected {len(arrays['remaining'])}")
        ends = np.cumsum(lengths)[:-1]
        parts = [np.split(arrays[name], ends) for name in ("observations", "actions", "remaining")]
        born = arrays["born"].tolist()
        self.episodes = [Episode(o, a, r, int(b)) for o, a, r, b in zip(*parts, born, strict=True)]
        self._best = self._data = None
        if "scale" in arrays:
            self.scale, self.longest = arrays["scale"].copy(), int(arrays["longest"])
        else:  # checkpoints of the first format
            self._measure(self.returns)
        self._low, self._span = arrays["grid"].copy()
        counts = zip(arrays["cells"], arrays["counts"].tolist(), strict=True)
        self._counts = {np.ascontiguousarray(cell).tobytes(): count for cell, count in counts}

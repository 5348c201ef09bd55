"""A dense decision process whose actions are narrowed step by step: the node of a branch and bound.

Values are those of a model where every policy has a finite total (γ < 1, or all policies end).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dgesv

from morl.exact.deterministic.condensed import Condensed
from morl.spec import BoolArray, FloatArray, IntArray, ModelError


@dataclass(frozen=True)
class Dense:
    """Rows of the free states; states with one action left have been eliminated.

    Args:
        move: ``(rows, n)`` discounted probabilities; ``reward`` ``(rows, K)``.
        owner: ``(rows,)`` the state of each row, grouped; ``first``: ``(n,)`` first row of each state.
        label: ``(rows,)`` the row of the root that each stands for.
        start: ``(n,)`` discounted visits at the beginning; ``offset``: ``(K,)`` reward earned outside.
    """

    move: FloatArray
    reward: FloatArray
    owner: IntArray
    first: IntArray
    label: IntArray
    start: FloatArray
    offset: FloatArray

    @property
    def n(self) -> int:
        """The number of free states."""
        return len(self.first)

    @property
    def n_policies(self) -> float:
        """The number of deterministic policies left."""
        return float(np.prod(np.bincount(self.owner, minlength=self.n).astype(float))) if self.n else 1.0

    def value(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Values ``(n, K)`` of the policy that uses ``rows`` ``(n,)``, and its start value ``(K,)``."""
        if not self.n:
            return np.zeros((0, len(self.offset))), self.offset
        values = _solve(_EYE(self.n) - self.move[rows], self.reward[rows])
        return values, self.offset + self.start @ values

    def visits(self, rows: IntArray) -> FloatArray:
        """Expected discounted visits of each free state, ``(n,)``."""
        return np.asarray(_solve((_EYE(self.n) - self.move[rows]).T, self.start))

    def best(self, w: FloatArray, rows: IntArray) -> tuple[IntArray, FloatArray, FloatArray]:
        """Policy iteration from ``rows``: the best rows, their start value ``(K,)``, and the regret of every row."""
        if not self.n:
            return rows, self.offset, np.zeros(0)
        reward = self.reward @ w
        bonus = float(np.abs(reward).max()) * 1e-13
        while True:
            values = _solve(_EYE(self.n) - self.move[rows], self.reward[rows])
            scalar = values @ w
            q = reward + self.move @ scalar
            top = np.maximum.reduceat(q, self.first)
            better = top > q[rows] + bonus + 1e-13 * np.abs(scalar)
            if not better.any():
                return rows, self.offset + self.start @ values, scalar[self.owner] - q
            hit = np.flatnonzero(q == top[self.owner])
            chosen = hit[np.searchsorted(self.owner[hit], np.arange(self.n))]
            rows = np.where(better, chosen, rows)

    def narrow(self, keep: BoolArray) -> Dense:
        """Only the rows marked in ``keep`` ``(rows,)``; every state must keep one."""
        counts = np.bincount(self.owner[keep], minlength=self.n)
        fixed = counts == 1
        rows = np.flatnonzero(keep)
        if not fixed.any():
            return self._take(rows, self.move[rows], self.reward[rows], ~fixed, self.start, self.offset)
        single = rows[fixed[self.owner[rows]]]
        rest = rows[~fixed[self.owner[rows]]]
        k = self.reward.shape[1]
        right = np.concatenate([self.move[single][:, ~fixed], self.reward[single]], axis=1)
        solved = _solve(_EYE(len(single)) - self.move[single][:, fixed], right)
        through = np.concatenate([self.move[rest][:, fixed], self.start[None, fixed]]) @ solved
        move = self.move[rest][:, ~fixed] + through[:-1, :-k]
        reward = self.reward[rest] + through[:-1, -k:]
        start = self.start[~fixed] + through[-1, :-k]
        return self._take(rest, move, reward, ~fixed, start, self.offset + through[-1, -k:])

    def _take(
        self,
        rows: IntArray,
        move: FloatArray,
        reward: FloatArray,
        free: BoolArray,
        start: FloatArray,
        offset: FloatArray,
    ) -> Dense:
        owner = (np.cumsum(free) - 1)[self.owner[rows]]
        n = int(free.sum())
        return Dense(move, reward, owner, np.searchsorted(owner, np.arange(n)), self.label[rows], start, offset)

    def condensed(self) -> Condensed:
        """The same process as tables for enumeration; what is lost on the way counts as ended."""
        n, k = self.n, self.reward.shape[1]
        table = np.zeros((len(self.owner) + 1, n + 1 + k))
        table[:-1, :n] = self.move
        table[:-1, n] = np.maximum(1.0 - self.move.sum(axis=1), 1e-300)
        table[:-1, n + 1 :] = self.reward
        table[-1, :n] = self.start
        table[-1, n + 1 :] = self.offset
        return Condensed(np.arange(n), np.bincount(self.owner, minlength=n), table, 1, k)

    def least_visits(self, sweeps: int = 16) -> FloatArray:
        """A lower bound on the visits of each state under any policy, ``(n,)``, by value iteration from zero.

        Every sweep of an iteration that starts below is a bound; more than 16 sweeps cost more than they prune.
        O(sweeps · rows · n²): beyond 200 states the bound is the start distribution.
        """
        n = self.n
        if n > 200:
            return np.maximum(self.start, 0.0)
        if not n:
            return np.zeros(0)
        visits = np.zeros((n, n))
        eye = np.eye(n)
        for _ in range(sweeps):
            visits = eye + np.minimum.reduceat(self.move @ visits, self.first, axis=0)
        return np.asarray(self.start @ visits)


_EYES: dict[int, FloatArray] = {}


def _EYE(n: int) -> FloatArray:
    if n not in _EYES:
        _EYES[n] = np.eye(n)
        _EYES[n].flags.writeable = False
    return _EYES[n]


def _solve(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """LAPACK's solve without the overhead of its wrappers, which is most of the time at this size."""
    solution, info = dgesv(matrix, right)[2:]
    if info:
        raise ModelError("a policy of the search never ends; its value does not exist")
    return np.asarray(solution)


def from_condensed(model: Condensed) -> Dense:
    """The root: all reachable states with all their actions."""
    n, k = len(model.states), model.k
    rows = len(model.table) - 1
    owner = np.repeat(np.arange(n), model.actions)
    return Dense(
        np.ascontiguousarray(model.table[:-1, :n]),
        np.ascontiguousarray(model.table[:-1, n + model.sinks : n + model.sinks + k]),
        owner,
        np.searchsorted(owner, np.arange(n)),
        np.arange(rows),
        model.table[-1, :n].copy(),
        np.zeros(k),
    )

"""Which weights an agent solves one after another, and in how many steps each."""

from __future__ import annotations

import numpy as np

from morl.agents.core.preferences import LinearSupport
from morl.agents.core.stateful import Stateful
from morl.spec import FloatArray


class WeightPlan(Stateful):
    """Weights taken up in turn: a grid, or those with the largest possible gain (optimistic linear support).

    Args:
        grid: ``(n, K)`` weights in order; empty where linear support chooses them.
        n_weights: weights of one round.
        n_envs: steps come in multiples of this.
        most: steps of one weight at most.

    Attributes:
        weights: ``(m, K)`` those taken up so far.
        values: ``(m, K)`` what the policy of each is worth, NaN where it was not measured.
        turn: weights solved so far, counting rounds over known ones.
        budget: steps of the present turn.
        first_round: steps within which every weight has its first turn; 0 before :meth:`share_out`.
    """

    def __init__(self, grid: FloatArray, n_weights: int, n_envs: int, most: int | None = None) -> None:
        self.grid, self.n_weights, self.n_envs, self.most = grid, n_weights, n_envs, most
        self.weights: FloatArray = np.zeros((0, grid.shape[1]))
        self.values: FloatArray = np.zeros((0, grid.shape[1]))
        self.turn = self.budget = self.first_round = 0
        self._keeps("weights", "values", "turn", "budget", "first_round", "n_weights")

    @property
    def k(self) -> int:
        """The number of objectives."""
        return int(self.grid.shape[1])

    # ---- steps -----------------------------------------------------------------------------------------

    def share_out(self, steps: int, done: int) -> None:
        """Divide ``steps`` among the weights; where they do not suffice for a step of each, among the first ones."""
        self.first_round = steps
        self.n_weights = min(self.n_weights, max(1, (steps - done) // self.n_envs))
        self.budget = self.share(done)

    def share(self, done: int) -> int:
        """Steps of the next turn: an even share of what is left of the first round, and later as much again."""
        waiting = self.n_weights - self.turn
        if waiting <= 0:
            return self.budget
        left = max(1, self.first_round - done)
        if waiting > 1:
            left = max(self.n_envs, left // waiting // self.n_envs * self.n_envs)
        return min(left, self.most or left)

    def shares(self, turns: int, done: int, target: int) -> list[int]:
        """Steps of the next ``turns`` turns, taken at the same time, of which ``target - done`` are left."""
        self.budget = each = self.share(done)
        if self.turn >= self.n_weights:
            each = max(self.n_envs, min(each, (target - done) // turns))
        last = each
        if self.turn + turns == self.n_weights:  # the last one of the first round takes what is left
            last = max(each, self.first_round - done - each * (turns - 1))
            last = min(last, self.most or last)
        return [each] * (turns - 1) + [last]

    # ---- weights ---------------------------------------------------------------------------------------

    def enter(self, weight: FloatArray) -> int:
        """Take up a new weight; returns its number."""
        self.weights = np.vstack([self.weights, weight])
        self.values = np.vstack([self.values, np.full(self.k, np.nan)])
        return len(self.weights) - 1

    def next(self) -> FloatArray | None:
        """The weight to take up next; ``None`` where there is none left, or none that can gain anything."""
        if len(self.weights) >= self.n_weights or self.turn % self.n_weights < len(self.weights):
            return None
        return self._fresh()

    def _fresh(self) -> FloatArray | None:
        return self.grid[len(self.weights)] if len(self.grid) else self._support().next()

    def next_ones(self, most: int) -> list[int]:
        """Numbers of the weights of the next ``most`` turns at once, entering new ones."""
        if self.turn % self.n_weights < len(self.weights):  # all are known: go round once more
            first = self.turn % self.n_weights
            return list(range(first, min(first + most, len(self.weights))))
        numbers: list[int] = []
        while len(numbers) < most and len(self.weights) < self.n_weights:
            weight = self._fresh() if len(self.grid) or not numbers else self._further()
            if weight is None:
                break
            numbers.append(self.enter(weight))
        return numbers or [self.turn % len(self.weights)]

    def _further(self) -> FloatArray | None:
        """The next best corner that is not being solved already."""
        support = self._support()
        for corner, gain in zip(*support.candidates(), strict=True):
            if gain > support.epsilon and all(np.abs(corner - w).max() > 1e-9 for w in self.weights):
                return np.asarray(corner)
        return None

    def _support(self) -> LinearSupport:
        """What linear support knows: every weight that has been measured."""
        support = LinearSupport(self.k)
        for weight, value in zip(self.weights, self.values, strict=True):
            if np.isfinite(value).all():
                support.add(weight, value)
        return support

    def nearest(self, weight: FloatArray, among: list[int], radius: float) -> int | None:
        """The one of some weights that is nearest, by the sum of absolute differences, and within ``radius``."""
        if not among:
            return None
        distances = np.abs(self.weights[among] - weight).sum(axis=1)
        best = int(distances.argmin())
        return among[best] if distances[best] <= radius else None

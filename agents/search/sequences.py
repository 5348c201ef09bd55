"""Batched rollouts of action sequences: varied in compiled code, simulated together by the environment's own dynamics.

A sequence is a row of action numbers; −1 means "as the step before". Where steps are inexpensive, simulating twenty
thousand sequences takes a fraction of a second, so evolution can afford many poor offspring for each good one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from morl.agents.core.actions import ActionMap
from morl.agents.core.problem import Problem
from morl.compiled import jit
from morl.envs.batched import BatchedEnv
from morl.envs.dynamics import Dynamics
from morl.envs.finite.simulator import ModelDynamics
from morl.envs.finite.tables import tables_of
from morl.pareto.indicators import nondominated_mask
from morl.spec import FloatArray, IntArray


def dynamics_of(problem: Problem) -> Dynamics | None:
    """The pure dynamics behind an environment, or ``None`` where it has none or a wrapper changes the problem."""
    base = problem.env.unwrapped
    if isinstance(base, BatchedEnv):
        return None if problem._changed() else base.dynamics
    if problem.model is None or tables_of(problem.model).ragged:
        return None
    return ModelDynamics(problem.model, problem.spec, problem.observation_space, problem.action_space)


def fill(sequences: IntArray) -> IntArray:
    """Sequences ``(m, T)`` with every −1 replaced by the action before it (0 at the beginning).

    >>> fill(np.array([[2, -1, 3, -1], [-1, 1, 1, 1]])).tolist()
    [[2, 2, 3, 3], [0, 1, 1, 1]]
    """
    steps = np.arange(sequences.shape[1])
    last = np.maximum.accumulate(np.where(sequences >= 0, steps, 0), axis=1)
    return np.maximum(np.take_along_axis(sequences, last, axis=1), 0)


def play(
    dynamics: Dynamics,
    sequences: IntArray,
    discount: float,
    rng: np.random.Generator,
    actions: ActionMap | None = None,
    limit: int | None = None,
) -> tuple[FloatArray, IntArray, int]:
    """Play every sequence from the start of an episode.

    Args:
        dynamics: of one environment.
        sequences: ``(n, T)``.
        discount: γ.
        rng: for environments that draw.
        actions: makes the environment's actions of the numbers, where they are not those already.
        limit: environment steps at most; episodes that do not fit are broken off, the last ones first.

    Returns:
        Discounted returns ``(n, K)``; steps used ``(n,)``, −1 where the episode was not over after T steps and 0 where
        it was broken off; and the number of environment steps.
    """
    n, longest = sequences.shape
    chosen = np.ascontiguousarray(fill(sequences).T)
    returns, used = np.zeros((n, dynamics.mo_spec.k)), np.full(n, -1, dtype=np.int64)
    state, live, steps, power = dynamics.initial(n, rng, None), np.arange(n), 0, 1.0
    for t in range(longest):
        if limit is not None and steps + len(live) > limit:
            used[live[limit - steps :]] = 0
            state = {name: values[: limit - steps] for name, values in state.items()}
            live = live[: limit - steps]
        if not len(live):
            break
        numbers = chosen[t, live]
        out = dynamics.step(state, numbers if actions is None else actions.to_env(numbers), rng)
        steps += len(live)
        returns[live] += power * out.rewards
        power *= discount
        state = out.state
        if out.terminated.any():
            used[live[out.terminated]] = t + 1
            not_terminated = ~out.terminated
            state = {name: values[not_terminated] for name, values in state.items()}
            live = live[not_terminated]
    return returns, used, steps


@dataclass
class Population:
    """Sequences and what their episodes paid.

    Args:
        vectors: ``(m, T)``, −1 after the last step that any episode has used.
        sums: ``(m, K)`` sum of the discounted returns of all episodes.
        plays: ``(m,)`` episodes.
    """

    vectors: IntArray
    sums: FloatArray
    plays: IntArray

    @classmethod
    def empty(cls, size: int, k: int) -> Self:
        """No sequences of ``size`` steps."""
        return cls(np.zeros((0, size), np.int64), np.zeros((0, k)), np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.plays)

    @property
    def means(self) -> FloatArray:
        """Mean returns ``(m, K)``."""
        return np.asarray(self.sums / self.plays[:, None])

    def rows(self, which: IntArray) -> Population:
        """Some of them."""
        return Population(self.vectors[which], self.sums[which], self.plays[which])

    def joined(self, other: Population) -> Population:
        """These, then the others."""
        return Population(
            *(np.concatenate(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True))
        )


class Simulator:
    """Plays sequences in an environment's dynamics and counts the steps.

    Args:
        dynamics: of one environment.
        discount: γ.
        rng: for environments that draw.
        horizon: time limit of the environment.
        actions: as in :func:`play`.
        limit: environment steps at most; further episodes are broken off.

    Attributes:
        steps: environment steps so far.
        exhausted: whether an episode was broken off at the limit.
        random: whether the dynamics have drawn a number. Dynamics are pure functions, so while they have not, every
            episode follows from its sequence alone; comparing repeated episodes could prove no such thing.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        discount: float,
        rng: np.random.Generator,
        horizon: int | None,
        actions: ActionMap | None = None,
        limit: int = sys.maxsize,
    ) -> None:
        self.dynamics, self.discount, self.rng, self.actions = dynamics, discount, rng, actions
        self.horizon, self.limit, self.steps = horizon, limit, 0
        self.random = self.exhausted = False

    def play(self, vectors: IntArray) -> Population:
        """One episode each. What did not come to an end is no policy, and is left out."""
        returns, used = self._episodes(vectors)
        over = used > 0
        played = np.arange(vectors.shape[1]) < used[over, None]
        return Population(np.where(played, vectors[over], -1), returns[over], np.ones(int(over.sum()), np.int64))

    def again(self, sequences: Population, times: int) -> Population:
        """``times`` more episodes of each; those of which one does not end are left out."""
        m, size = sequences.vectors.shape
        returns, used = self._episodes(np.repeat(sequences.vectors, times, axis=0))
        used = used.reshape(m, times)
        sums = sequences.sums + returns.reshape(m, times, self.dynamics.mo_spec.k).sum(axis=1)
        # An episode that lasts longer than those before it goes on with the last action: write that out.
        longest = np.maximum(used.max(axis=1), lengths(sequences.vectors))
        vectors = np.where(np.arange(size) < longest[:, None], fill(sequences.vectors), -1)
        return Population(vectors, sums, sequences.plays + times).rows(np.flatnonzero(used.min(axis=1) > 0))

    def _episodes(self, vectors: IntArray) -> tuple[FloatArray, IntArray]:
        size, before = vectors.shape[1], self.rng.bit_generator.state
        returns, used, steps = play(
            self.dynamics, vectors, self.discount, self.rng, self.actions, limit=self.limit - self.steps
        )
        self.steps += steps
        self.exhausted = self.exhausted or bool((used == 0).any())
        self.random = self.random or self.rng.bit_generator.state != before
        if size >= (self.horizon or np.inf):
            used = np.where(used < 0, size, used)  # over by the time limit
        return returns, used


def successive_halving(simulator: Simulator, sequences: Population, plays: int) -> Population:
    """The better part of a population after ``plays`` episodes each, where returns are random.

    Each round keeps the quarter on the best layers of non-dominated means and plays it four times as often, so that
    most episodes go to those between which a choice is hard (successive halving; Karnin, Koren & Somekh 2013).
    """
    done = 1
    while done < plays and len(sequences):
        sequences = sequences.rows(select(sequences.means, len(sequences), max(1, len(sequences) // 4)))
        sequences = simulator.again(sequences, min(4 * done, plays) - done)
        done = min(4 * done, plays)
    return sequences


@jit
def vary(parents: IntArray, lengths: IntArray, n: int, n_actions: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``n`` children ``(n, T)`` of sequences ``(p, T)`` of which the first ``lengths`` (p,) steps matter.

    Two in five continue as another parent from about the same time. Then one to three changes: an action redrawn, a
    run overwritten, inserted or removed, two neighbours exchanged, or two actions exchanged from some step on (which
    mirrors a way where the actions have a symmetry).
    """
    p, longest = parents.shape
    out = np.full((n, longest), -1, dtype=np.int64)
    for c in range(n):
        one = rng.integers(0, p)
        child = out[c]
        size = lengths[one]
        child[:size] = parents[one, :size]
        if rng.random() < 0.4:
            other = rng.integers(0, p)
            cut = rng.integers(0, size + 1)
            begin = min(max(cut + rng.integers(-3, 4), 0), lengths[other])
            rest = min(lengths[other] - begin, longest - cut)
            child[cut:] = -1
            child[cut : cut + rest] = parents[other, begin : begin + rest]
            size = cut + rest
        for _ in range(rng.integers(1, 4)):
            kind, action = rng.integers(0, 6), rng.integers(0, n_actions)
            run = 1
            while run < 8 and rng.random() < 0.5:
                run += 1
            at = rng.integers(0, max(size, 1))
            if kind == 0:
                child[at] = action
            elif kind == 1:
                child[at : min(at + run, longest)] = action
            elif kind == 2:
                run = min(run, longest - at)
                child[at + run :] = child[at : longest - run].copy()
                child[at : at + run] = action
                size = min(size + run, longest)
            elif kind == 3:
                run = min(run, size - 1 - at)
                if run > 0:
                    child[at : longest - run] = child[at + run :].copy()
                    child[longest - run :] = -1
                    size -= run
            elif kind == 4:
                if at + 1 < size:
                    child[at], child[at + 1] = child[at + 1], child[at]
            else:
                other_action = rng.integers(0, n_actions)
                begin = 0 if rng.random() < 0.7 else at
                for t in range(begin, size):
                    if child[t] == action:
                        child[t] = other_action
                    elif child[t] == other_action:
                        child[t] = action
    return out


def select(values: FloatArray, layers: int, most: int) -> IntArray:
    """Rows of ``values`` ``(n, K)`` on the first few non-dominated layers, ``most`` at most, well spread."""
    left = np.arange(len(values))
    kept: list[IntArray] = []
    room = most
    for _ in range(layers):
        if not len(left) or room <= 0:
            break
        best = nondominated_mask(values[left])
        layer = left[best]
        kept.append(layer if len(layer) <= room else layer[spread(values[layer], room)])
        room -= len(kept[-1])
        left = left[~best]
    return np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64)


@jit
def spread(values: FloatArray, most: int) -> NDArray[np.int64]:
    """``most`` rows of ``values`` ``(n, K)`` far from one another: always the farthest from those before.

    The best of each objective come first, so extremes stay (farthest-first traversal, Gonzalez 1985).
    """
    n, k = values.shape
    unit, far, chosen = np.empty((n, k)), np.full(n, np.inf), np.empty(most, dtype=np.int64)
    for j in range(k):
        low, span = values[:, j].min(), values[:, j].max() - values[:, j].min()
        unit[:, j] = (values[:, j] - low) / (span if span > 0 else 1.0)
    for c in range(most):
        chosen[c] = values[:, c].argmax() if c < k else far.argmax()
        for i in range(n):
            away = 0.0
            for j in range(k):
                away += (unit[i, j] - unit[chosen[c], j]) ** 2
            far[i] = min(far[i], away)
    return chosen


def lengths(sequences: IntArray) -> IntArray:
    """Steps up to the last action that is written out, ``(n,)``, at least 1."""
    written = sequences >= 0
    return np.maximum(np.where(written.any(axis=1), sequences.shape[1] - written[:, ::-1].argmax(axis=1), 1), 1)


def random_runs(n: int, length: int, n_actions: int, rng: np.random.Generator) -> Any:
    """Random sequences ``(n, length)`` of runs of equal actions, of geometric length: long moves are rare otherwise."""
    stay = 1.0 - 1.0 / rng.uniform(1.0, 12.0, (n, 1))
    fresh = rng.random((n, length)) >= stay
    fresh[:, 0] = True
    drawn = rng.integers(0, n_actions, (n, length))
    return fill(np.where(fresh, drawn, -1))

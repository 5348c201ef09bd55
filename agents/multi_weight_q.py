"""Tabular Q-learning for many weights at once: every transition updates all of them.

For each weight w a vector-valued table Q_w; the next action is the one that is greedy for w::

    a* = argmax_a w · Q_w(s', a)
    Q_w(s, a) += α_n [ r + γ Q_w(s', a*) − Q_w(s, a) ],      α_n = n^(−ω) at the n-th visit of (s, a)

Off-policy updates for all weights from one stream of experience are those of Mossalam et al. (2016) in tables; one
table per weight is Van Moffaert, Drugan & Nowé (2013). A weight that was never trained acts by generalised policy
improvement over the trained tables (Barreto et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from morl.agents.base import Array
from morl.agents.core.config import option
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import PolicySet, TablePolicies
from morl.agents.core.preferences import training_grid
from morl.agents.tables.tabular import Choose, Learn, Step, TabularConfig, TabularLearning, TabularProblem
from morl.compiled import jit
from morl.envs.finite.simulator import begin, outcome
from morl.spec import FloatArray


@dataclass(frozen=True)
class MultiWeightQConfig(TabularConfig):
    """Options of :class:`MultiWeightQLearning`."""

    n_weights: int = option(32, "weights, evenly spread over the simplex", low=1)
    weights: tuple[tuple[float, ...], ...] | None = option(None, "explicit weights instead of a grid")
    scaled: bool = option(True, "weights are of objectives on their return scale; false: of raw returns")
    power: float = option(0.7, "step size n^-power at the n-th visit", low=0.0, high=1.0)
    epsilon_end: float = option(0.2, "the same when exploration has come down", low=0.0, high=1.0)


@jit
def best_action(q, w, n_actions):  # type: ignore[no-untyped-def]
    """Action with the largest ``w · q[a]``; ``q`` is ``(A, K)``."""
    best, value = 0, -np.inf
    for a in range(n_actions):
        total = 0.0
        for i in range(len(w)):
            total += w[i] * q[a, i]
        if total > value:
            best, value = a, total
    return best


@jit
def choose(q, visits, weights, n_actions, state, which, epsilon, rng):  # type: ignore[no-untyped-def]
    """ε-greedy for weight number ``which``; exploration takes the least tried action."""
    n = n_actions[state]
    if rng.random() < epsilon:
        least, tried, ties = 0, np.int64(9223372036854775807), 0
        for a in range(n):
            if visits[state, a] < tried:
                least, tried, ties = a, visits[state, a], 1
            elif visits[state, a] == tried:
                ties += 1
                if rng.random() * ties < 1.0:
                    least = a
        return least
    return best_action(q[which, state], weights[which], n)


@jit
def update(q, visits, weights, n_actions, s, a, r, s2, terminated, gamma, power):  # type: ignore[no-untyped-def]
    """Update every weight's table by one transition."""
    visits[s, a] += 1
    step = float(visits[s, a]) ** -power
    k = q.shape[3]
    for i in range(q.shape[0]):
        if terminated or n_actions[s2] == 0:
            for j in range(k):
                q[i, s, a, j] += step * (r[j] - q[i, s, a, j])
        else:
            b = best_action(q[i, s2], weights[i], n_actions[s2])
            for j in range(k):
                q[i, s, a, j] += step * (r[j] + gamma * q[i, s2, b, j] - q[i, s, a, j])


@jit
def run(world, q, visits, weights, n_actions, steps, epsilon, gamma, power, cursor, rng):  # type: ignore[no-untyped-def]
    """``steps`` steps in the compiled model. ``cursor`` holds (state or −1, time, weight number)."""
    for _ in range(steps):
        if cursor[0] < 0:
            cursor[0] = begin(world, rng)
            cursor[1] = 0
            cursor[2] = int(rng.random() * len(weights))  # rng.integers takes a second to compile
        s = cursor[0]
        seen = world.seen[s]
        a = choose(q, visits, weights, n_actions, seen, cursor[2], epsilon, rng)
        o = outcome(world, s, a, rng)
        s2 = world.target[o]
        terminated = world.n_actions[s2] == 0
        update(q, visits, weights, n_actions, seen, a, world.reward[o], world.seen[s2], terminated, gamma, power)
        cursor[0] = s2
        cursor[1] += 1
        if terminated or (world.horizon > 0 and cursor[1] >= world.horizon):
            cursor[0] = -1


class MultiWeightQLearning(TabularLearning):
    """See the module's description."""

    info: ClassVar[AlgoInfo] = AlgoInfo(
        name="MultiWeightQLearning",
        summary="Tabular: the best policies for many linear preferences, learned together from the same experience.",
        criterion=("SER",),
        policy_class="stationary deterministic",
        actions=("discrete",),
        observations=("discrete",),
        paper="Van Moffaert, Drugan & Nowé 2013; Mossalam et al. 2016",
        formula="Q_w(s,a) += α [ r + γ Q_w(s', argmax_b w·Q_w(s',b)) − Q_w(s,a) ]  for every w",
        avoid="non-convex trade-offs matter: no linear weight finds them",
    )
    Config = MultiWeightQConfig

    def _setup(self) -> None:
        c = self.config
        self.tables = TabularProblem(self.problem, c.max_states)
        self.weights: FloatArray = training_grid(c.weights, c.n_weights, self.spec, c.scaled)
        size = (self.tables.capacity, self.tables.width)
        self.q: FloatArray = np.zeros((len(self.weights), *size, self.k))
        self.visits = np.zeros(size, dtype=np.int64)
        self._keeps("q", "visits", "weights", index=self.tables)

    def _learn_compiled(self, until: int) -> None:
        c, rng = self.config, self.rng("train", self._segment)
        cursor = np.full(3, -1, dtype=np.int64)
        while self.num_timesteps < until:
            n = min(c.n_steps, until - self.num_timesteps)
            run(
                self.tables.world, self.q, self.visits, self.weights, self.tables.n_actions,
                n, c.epsilon_at(self.progress), self.discount, c.power, cursor, rng,
            )  # fmt: skip
            self.advance(n)

    def _steps(self, n_envs: int, rng: np.random.Generator) -> tuple[Choose, Learn]:
        c, n_actions = self.config, self.tables.n_actions
        which = np.zeros(n_envs, dtype=np.int64)

        def act(env: int, state: int, accrued: FloatArray, time: int) -> int:
            if time == 0:
                which[env] = rng.integers(len(self.weights))
            epsilon = c.epsilon_at(self.progress)
            return int(choose(self.q, self.visits, self.weights, n_actions, state, which[env], epsilon, rng))

        def learn(x: Step) -> None:
            update(
                self.q, self.visits, self.weights, n_actions,
                x.state, x.action, x.reward, x.next_state, x.terminated, self.discount, c.power,
            )  # fmt: skip

        return act, learn

    def _greedy(self, preferences: FloatArray) -> Array:
        """Actions ``(m, S)`` by generalised policy improvement over all tables; its own table for a trained weight."""
        unseen = np.arange(self.tables.width) >= np.maximum(self.tables.n_actions, 1)[:, None]
        tables = np.empty((len(preferences), self.tables.capacity), dtype=np.int64)
        for i, w in enumerate(preferences):
            same = np.flatnonzero(np.abs(self.weights - w).max(axis=1) < 1e-9)
            values = (self.q[same[:1]] if len(same) else self.q) @ w
            tables[i] = np.where(unseen, -np.inf, values.max(axis=0)).argmax(axis=1)
        return tables

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        weights = self.weights if preferences is None else preferences
        actions = self._greedy(weights)
        if preferences is None:
            actions, first = np.unique(actions, axis=0, return_index=True)
            weights = weights[first]
        return TablePolicies(self.tables.index, actions, weights)

    def status(self) -> dict[str, float]:
        """The share of (state, action) pairs that have been tried."""
        legal = np.arange(self.tables.width) < self.tables.n_actions[:, None]
        return {"tried": float((self.visits > 0)[legal].mean())}

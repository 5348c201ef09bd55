"""Pareto Q-learning: sets of value vectors instead of single values, so that non-convex trade-offs are found.

Each (state, action) remembers its mean reward and its successors; the set of vectors achievable from it is backed up
whenever it is visited (Van Moffaert & Nowé 2014)::

    Q̂(s, a) = r̄(s, a) + γ ⊕_{s'} P̂(s' | s, a) V(s'),        V(s) = ND ∪_a Q̂(s, a)

In a deterministic environment the sum has one term and sets are updated along each episode, last step first. Where
transitions are random, the sum combines one vector per successor and sets are recomputed from all counts at
intervals; they are thinned to ``max_points`` evenly spread vectors, so the front is then a lower bound. Where no plan
surely ends (chance and a cycle, or only a time limit), plans are as long as it takes for the discounted rest to fall
below ``precision`` (at most ``max_sweeps`` backups), and then begin anew. A policy follows the plan behind its vector,
and is measured by doing so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from morl.agents.base import Array
from morl.agents.core.config import option
from morl.agents.core.errors import NoPolicyError
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import PolicySet
from morl.agents.tables import pareto_sets
from morl.agents.tables.pareto_sets import (
    ENDED,
    TOLERANCE,
    Counts,
    Plans,
    Sets,
    back_up_path,
    count,
    new_counts,
    new_plans,
    new_sets,
)
from morl.agents.tables.plan_policies import PlanPolicies
from morl.agents.tables.tabular import Choose, Learn, Step, TabularConfig, TabularLearning, TabularProblem
from morl.compiled import inlined, jit
from morl.envs.finite.simulator import begin, outcome
from morl.spec import AgentError, FloatArray


@dataclass(frozen=True)
class ParetoQConfig(TabularConfig):
    """Options of :class:`ParetoQLearning`."""

    max_points: int = option(128, "vectors kept per state", low=1)
    max_points_random: int = option(32, "the same where transitions are random and sets are sums", low=1)
    epsilon_end: float = option(0.3, "the same when exploration has come down", low=0.0, high=1.0)
    exploration: float = option(0.5, "fraction of the steps over which it comes down", low=0.0, high=1.0)
    max_episode: int = option(200, "steps after which an exploring episode is broken off", low=1)
    branches: int = option(16, "successors a (state, action) may have", low=2)
    precision: float = option(2e-3, "backups stop when no vector moves by this fraction of the scale", low=0.0)
    max_sweeps: int = option(400, "backups of all states at most", low=1)


@inlined
def look_ahead(counts, sets, s, a, w, gamma):  # type: ignore[no-untyped-def]
    """The most that ``w`` can hope for from ``a`` in ``s``; infinite where it was never tried."""
    visits = counts.visits[s, a]
    if visits == 0:
        return np.inf
    total = 0.0
    for i in range(len(w)):
        total += w[i] * counts.reward[s, a, i] / visits
    for j in range(counts.successor.shape[2]):
        target = counts.successor[s, a, j]
        if target == -1:
            break
        if target == ENDED or sets.size[target] == 0:
            continue
        best = -np.inf
        for m in range(sets.size[target]):
            value = 0.0
            for i in range(len(w)):
                value += w[i] * sets.value[target, m, i]
            best = max(best, value)
        total += gamma * counts.seen[s, a, j] / visits * best
    return total


@jit
def choose(counts, sets, s, w, epsilon, gamma, rng):  # type: ignore[no-untyped-def]
    """The least tried action with probability ε, or else the best for the episode's weight ``w``."""
    explore = rng.random() < epsilon
    best, value, ties = 0, -np.inf, 0
    for a in range(counts.n_actions[s]):
        score = -float(counts.visits[s, a]) if explore else look_ahead(counts, sets, s, a, w, gamma)
        if score > value:
            best, value, ties = a, score, 1
        elif score == value:
            ties += 1
            if rng.random() * ties < 1.0:
                best = a
    return best


@inlined
def draw_weight(w, scale, rng):  # type: ignore[no-untyped-def]
    """A weight drawn uniformly from the simplex of normalised objectives, into ``w``."""
    for i in range(len(w)):
        w[i] = -np.log(1.0 - rng.random()) / scale[i]


@jit
def observe(counts, changed, backed, s, a, r, s2):  # type: ignore[no-untyped-def]
    """Count a transition. 0: nothing new, 1: V(s) is out of date, 2: (s, a) is random, 3: too many successors.

    ``changed[s]`` is the time of V(s)'s last change, ``backed[s]`` that of its last backup.
    """
    before = counts.visits[s, a]
    same = before > 0
    for i in range(len(r)):
        if before > 0 and abs(counts.reward[s, a, i] / before - r[i]) > 1e-12 * (1.0 + abs(r[i])):
            same = False
    if not count(counts, s, a, r, s2):
        return 3
    if counts.successor[s, a, 1] != -1:
        return 2
    return 1 if not same or (s2 != ENDED and changed[s2] > backed[s]) else 0


@jit
def run(  # type: ignore[no-untyped-def]
    world, counts, sets, plans, changed, backed, path, cursor, w, steps, epsilon, gamma, scale, rng
):
    """``steps`` steps in the compiled model. ``cursor``: (model state or −1, time, random so far).

    Returns False where a (state, action) has more successors than the tables hold.
    """
    start = len(counts.n_actions) - 1
    nothing = np.zeros(counts.reward.shape[2])
    for _ in range(steps):
        if cursor[0] < 0:
            cursor[0], cursor[1] = begin(world, rng), 0
            draw_weight(w, scale, rng)
            if not count(counts, start, 0, nothing, world.seen[cursor[0]]):
                return False
        state, t = cursor[0], cursor[1]
        s = world.seen[state]
        a = choose(counts, sets, s, w, epsilon, gamma, rng)
        o = outcome(world, state, a, rng)
        next_state = world.target[o]
        ended = world.n_actions[next_state] == 0
        news = observe(counts, changed, backed, s, a, world.reward[o], ENDED if ended else world.seen[next_state])
        if news == 3:
            return False
        if news == 2:
            cursor[2] = 1
        path[t, 0], path[t, 1] = s, news
        cursor[0], cursor[1] = next_state, t + 1
        if ended or t + 1 >= len(path) or (world.horizon > 0 and t + 1 >= world.horizon):
            if cursor[2] == 0:
                back_up_path(counts, sets, plans, changed, backed, path, t + 1, gamma, scale, TOLERANCE)
            cursor[0] = -1
    return True


class ParetoQLearning(TabularLearning):
    """See the module's description."""

    info: ClassVar[AlgoInfo] = AlgoInfo(
        name="ParetoQLearning",
        summary="Tabular: the whole Pareto front of deterministic policies, non-convex parts included.",
        criterion=("SER",),
        policy_class="history-dependent deterministic",
        actions=("discrete",),
        observations=("discrete",),
        paper="Van Moffaert & Nowé 2014; White 1982 for random transitions",
        formula="Q̂(s,a) = r̄(s,a) + γ ⊕_s' P̂(s'|s,a) ND ∪_b Q̂(s',b)",
        avoid="observations are many or continuous, transitions have many outcomes, or endless episodes have γ near 1",
    )
    Config = ParetoQConfig

    def _setup(self) -> None:
        c = self.config
        self.tables = TabularProblem(self.problem, c.max_states)
        self._start = self.tables.capacity  # a pseudo-state whose only action leads to the start states
        n_actions = np.append(self.tables.n_actions, 1)
        self.counts: Counts = new_counts(n_actions, self.tables.width, c.branches, self.k)
        self.sets: Sets = new_sets(len(n_actions), c.max_points, self.k)
        self._no_plans: Plans = new_plans(0, c.branches)
        self._changed = np.zeros(len(n_actions) + 1, dtype=np.int64)
        self._backed = np.zeros(len(n_actions), dtype=np.int64)
        self._random = False
        self._next_solve = 1000
        self._solved: tuple[int, Sets, Plans] | None = None
        self._keeps("counts", "sets", "_changed", "_backed", "_random", "_next_solve", index=self.tables)

    # ---- learning --------------------------------------------------------------------------------------

    @property
    def scale(self) -> FloatArray:
        """Typical range of each objective ``(K,)``: the return scale, or else the spread of what was found."""
        if self.spec.return_scale is not None:
            return np.asarray(np.subtract(self.spec.return_scale[1], self.spec.return_scale[0]), dtype=np.float64)
        total = np.abs(self.counts.reward).sum(axis=(0, 1)) / max(1, int(self.counts.visits[: self._start].sum()))
        return np.asarray(np.where(total > 0, total, 1.0), dtype=np.float64)

    def _learn_compiled(self, until: int) -> None:
        c, rng = self.config, self.rng("train", self._segment)
        cursor = np.array([-1, 0, int(self._random)], dtype=np.int64)
        path = np.zeros((c.max_episode, 2), dtype=np.int64)
        weight = np.zeros(self.k)
        while self.num_timesteps < until:
            n = min(c.n_steps, until - self.num_timesteps)
            ok = run(
                self.tables.world, self.counts, self.sets, self._no_plans, self._changed, self._backed, path, cursor,
                weight, n, c.epsilon_at(self.progress), self.discount, self.scale, rng,
            )  # fmt: skip
            if not ok:
                raise self._too_random()
            self._random = bool(cursor[2])
            self._between(n)
            self.advance(n)

    def _steps(self, n_envs: int, rng: np.random.Generator) -> tuple[Choose, Learn]:
        c = self.config
        paths: list[list[tuple[int, int]]] = [[] for _ in range(n_envs)]
        weights = np.zeros((n_envs, self.k))

        def act(env: int, state: int, accrued: FloatArray, time: int) -> int:
            if time == 0:
                draw_weight(weights[env], self.scale, rng)
                if not count(self.counts, self._start, 0, np.zeros(self.k), state):
                    raise self._too_random()
                paths[env] = []
            epsilon = c.epsilon_at(self.progress)
            return int(choose(self.counts, self.sets, state, weights[env], epsilon, self.discount, rng))

        def learn(x: Step) -> None:
            target = ENDED if x.terminated else x.next_state
            news = observe(self.counts, self._changed, self._backed, x.state, x.action, x.reward, target)
            if news == 3:
                raise self._too_random()
            self._random = self._random or news == 2
            paths[x.env].append((x.state, int(news)))
            if x.terminated or x.truncated or len(paths[x.env]) >= c.max_episode:
                self._back_up(np.array(paths[x.env], dtype=np.int64))
                paths[x.env] = []

        return act, learn

    def _back_up(self, path: Array) -> None:
        if not self._random:
            back_up_path(
                self.counts, self.sets, self._no_plans, self._changed, self._backed,
                path, len(path), self.discount, self.scale, TOLERANCE,
            )  # fmt: skip

    def _between(self, steps: int) -> None:
        """Where transitions are random: small sets from all counts, at 1000, 2000, 4000, … steps, to explore by."""
        if self._random and self.num_timesteps + steps >= self._next_solve:
            self._next_solve *= 2
            few = min(8, self.config.max_points, self.config.max_points_random)
            sets, _ = self._solve(few, max_sweeps=50)
            self.sets.value[:, :few], self.sets.size[:] = sets.value, sets.size

    def _too_random(self) -> AgentError:
        return AgentError(
            f"{self.problem.id}: a (state, action) has more than branches={self.config.branches} successors; raise "
            "branches, or use an algorithm that does not count them"
        )

    # ---- policies --------------------------------------------------------------------------------------

    def _solve(self, size: int, max_sweeps: int) -> tuple[Sets, Plans]:
        return pareto_sets.solve(
            self.counts,
            size,
            self.discount,
            self.scale,
            start=self._start,
            precision=self.config.precision if self._random or self.endless else 0.0,
            max_sweeps=max_sweeps,
        )

    @property
    def endless(self) -> bool:
        """True where, as far as was seen, no plan from the start surely ends in a bounded number of steps."""
        return not pareto_sets.surely_ends(self.counts)[self._start]

    def claims(self) -> FloatArray:
        """The vectors ``(n, K)`` that the learned sets hold at the start; :meth:`front` measures what they are."""
        sets, _ = self._plans()
        return np.array(sets.value[self._start, : sets.size[self._start]], dtype=np.float64)

    def _plans(self) -> tuple[Sets, Plans]:
        done = int(self.counts.visits.sum())
        if self._solved is None or self._solved[0] != done:
            size = self.config.max_points_random if self._random else self.config.max_points
            self._solved = (done, *self._solve(size, self.config.max_sweeps))
        return self._solved[1], self._solved[2]

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        sets, plans = self._plans()
        n = int(sets.size[self._start])
        if n == 0:
            raise NoPolicyError(
                f"{self.info.name} has no policy yet: {self.config.max_sweeps} backups of what was seen in "
                f"{self.num_timesteps:,} steps did not reach the start; learn for longer, or raise max_sweeps"
            )
        roots = sets.node[self._start, :n]
        if preferences is not None:
            roots = roots[(preferences @ sets.value[self._start, :n].T).argmax(axis=1)]
        return PlanPolicies(self.tables, self.counts, sets, plans, roots, preferences)

    def _provenance(self) -> dict[str, Any]:
        c = self.config
        if not self.endless:
            return {}
        return {"approximation": f"plans without a sure end: at most {c.max_sweeps} backups, precision {c.precision:g}"}

    def status(self) -> dict[str, float]:
        """States seen."""
        return {"states": float((self.counts.visits[: self._start].sum(axis=1) > 0).sum())}

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        from morl.agents.core.checkpoint import require_alike, require_within

        fixed = {name: array for name, array in self._state()[0].items() if not name.startswith("index")}
        require_alike("tables", arrays, fixed)
        states, most = arrays["sets.node"].shape
        require_within("counts.successor", arrays["counts.successor"], -2, min(states, len(arrays["counts.n_actions"])))
        require_within("counts.n_actions", arrays["counts.n_actions"], 0, self.tables.width + 1)
        require_within("sets.size", arrays["sets.size"], 0, most + 1)
        for name in ("counts.seen", "counts.visits"):
            require_within(name, arrays[name], 0, 1 << 62)
        super()._restore(arrays, facts)

"""Tabular Q-learning of the utility of each single episode, on states that remember what was accrued.

The utility of a return depends on what has been earned already, so the state is (observation, accrued reward[, time])
and the only payment is u at the end (Roijers et al. 2018)::

    Q(s, ρ, a) += α_n [ target − Q(s, ρ, a) ],    target = u(ρ')  at the end,  max_b Q(s', ρ', b)  otherwise
    ρ' = ρ + γᵗ r,    α_n = n^(−ω)

Episodes are learned from backwards, last step first, so that the utility reaches the beginning in one go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from morl.agents.base import Array
from morl.agents.core.config import option
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.tables.tabular import Choose, Learn, Step, TabularConfig, TabularLearning, TabularProblem
from morl.agents.utility_agent import UtilityAgent, UtilityConfig
from morl.compiled import jit
from morl.envs.finite.simulator import begin, outcome
from morl.spec import AgentError, FloatArray, IntArray


@dataclass(frozen=True)
class ESRQConfig(TabularConfig, UtilityConfig):
    """Options of :class:`ESRQLearning`."""

    power: float = option(0.7, "step size n^-power at the n-th visit", low=0.0, high=1.0)
    resolution: float = option(1e-6, "accrued rewards closer than this are one", low=1e-12)
    time: bool | None = option(None, "remember the step number; None does where γ < 1 or the problem has a horizon")
    capacity: int = option(65_536, "entries of the table at first; it grows", low=16)


class Table(NamedTuple):
    """Values of (observation, accrued, time) by open addressing: ``key (C,)`` (0 is empty), ``value (C, A)``,
    ``visits (C, A)``, ``ending (C,)`` utility if the episode ended there (NaN: not asked yet), ``accrued (C, K)``."""

    key: IntArray
    value: FloatArray
    visits: IntArray
    ending: FloatArray
    accrued: FloatArray


def new_table(capacity: int, width: int, k: int) -> Table:
    """An empty table; actions never tried are worth −inf, so that no maximum counts on them."""
    return Table(
        np.zeros(capacity, dtype=np.int64),
        np.full((capacity, width), -np.inf),
        np.zeros((capacity, width), dtype=np.int64),
        np.full(capacity, np.nan),
        np.zeros((capacity, k)),
    )


@jit
def key_of(seen, accrued, time, resolution):  # type: ignore[no-untyped-def]
    """A 62-bit key of (observation number, rounded accrued reward, time), never 0."""
    h = np.uint64(1469598103934665603) ^ np.uint64(seen + 1)
    h *= np.uint64(1099511628211)
    h ^= np.uint64(time + 1)
    for i in range(len(accrued)):
        h *= np.uint64(1099511628211)
        h ^= h >> np.uint64(29)
        h ^= np.uint64(np.int64(np.floor(accrued[i] / resolution + 0.5)) + np.int64(1 << 40))
    h *= np.uint64(11400714819323198485)
    h ^= h >> np.uint64(32)
    return np.int64(h & np.uint64(0x3FFFFFFFFFFFFFFF)) | np.int64(1)


@jit
def find(table, key):  # type: ignore[no-untyped-def]
    """The entry of ``key``, or the empty one where it belongs."""
    mask = len(table.key) - 1
    i = (key >> 1) & mask
    while table.key[i] != 0 and table.key[i] != key:
        i = (i + 1) & mask
    return i


@jit
def entry(table, used, seen, accrued, time, resolution):  # type: ignore[no-untyped-def]
    """The entry of a state, made if it is new; ``used[0]`` counts entries."""
    key = key_of(seen, accrued, time, resolution)
    i = find(table, key)
    if table.key[i] == 0:
        table.key[i] = key
        used[0] += 1
        for j in range(len(accrued)):
            table.accrued[i, j] = accrued[j]
    return i


@jit
def choose(table, i, n, epsilon, rng):  # type: ignore[no-untyped-def]
    """The least tried action with probability ε, or else the most valuable one."""
    explore = rng.random() < epsilon
    best, value, ties = 0, -np.inf, 0
    for a in range(n):
        score = -float(table.visits[i, a]) if explore else table.value[i, a]
        if score > value:
            best, value, ties = a, score, 1
        elif score == value:
            ties += 1
            if rng.random() * ties < 1.0:
                best = a
    return best


@jit
def learn_backwards(table, path, length, last, n_last, ended, power):  # type: ignore[no-untyped-def]
    """Update the entries of an episode, last step first. ``path (T, 3)``: (entry, action, actions there).

    Args:
        last: the entry reached at the end; worth its ``ending`` if ``ended``, its best action otherwise.
        n_last: actions there.
    """
    target = table.ending[last]
    if not ended:
        target = table.value[last, 0]
        for a in range(1, n_last):
            target = max(target, table.value[last, a])
        if target == -np.inf:
            return
    for t in range(length - 1, -1, -1):
        i, a, n = path[t, 0], path[t, 1], path[t, 2]
        table.visits[i, a] += 1
        step = float(table.visits[i, a]) ** -power
        if table.visits[i, a] == 1:
            table.value[i, a] = target
        else:
            table.value[i, a] += step * (target - table.value[i, a])
        target = table.value[i, 0]
        for b in range(1, n):
            target = max(target, table.value[i, b])


@jit
def run(  # type: ignore[no-untyped-def]
    world, table, used, path, cursor, accrued, factor, steps, epsilon, gamma, power, resolution, timed, limited, rng
):
    """Up to ``steps`` steps in the compiled model; returns how many were taken.

    Stops early where the table is half full or where the utility of an ending must be asked for: ``cursor`` holds
    (model state or −1, time, entry, entry whose ending is wanted or −1).
    """
    for done in range(steps):
        if 2 * used[0] > len(table.key) or cursor[3] >= 0:
            return done
        if cursor[0] < 0:
            cursor[0], cursor[1] = begin(world, rng), 0
            accrued[:] = 0.0
            factor[0] = 1.0
            cursor[2] = entry(table, used, world.seen[cursor[0]], accrued, 0, resolution)
        state, t, i = cursor[0], cursor[1], cursor[2]
        n = world.n_actions[state]
        a = choose(table, i, n, epsilon, rng)
        path[t, 0], path[t, 1], path[t, 2] = i, a, n
        o = outcome(world, state, a, rng)
        next_state = world.target[o]
        for j in range(len(accrued)):
            accrued[j] += factor[0] * world.reward[o, j]
        factor[0] *= gamma
        t += 1
        terminated = world.n_actions[next_state] == 0
        cut = not terminated and (t >= len(path) or (world.horizon > 0 and t >= world.horizon))
        i = entry(table, used, world.seen[next_state], accrued, t if timed else 0, resolution)
        cursor[0], cursor[1], cursor[2] = next_state, t, i
        if terminated or cut:
            ended = terminated or limited
            if ended and np.isnan(table.ending[i]):
                cursor[3] = i
                return done + 1
            learn_backwards(table, path, t, i, world.n_actions[next_state], ended, power)
            cursor[0] = -1
    return steps


@jit
def rehash(old, new):  # type: ignore[no-untyped-def]
    """Copy all entries into a larger table; returns the new place of each."""
    place = np.full(len(old.key), -1, dtype=np.int64)
    for i in range(len(old.key)):
        if old.key[i] != 0:
            j = find(new, old.key[i])
            place[i] = j
            new.key[j] = old.key[i]
            new.value[j], new.visits[j] = old.value[i], old.visits[i]
            new.ending[j], new.accrued[j] = old.ending[i], old.accrued[i]
    return place


class ESRQLearning(TabularLearning, UtilityAgent):
    """See the module's description."""

    info: ClassVar[AlgoInfo] = AlgoInfo(
        name="ESRQLearning",
        summary="Tabular: the best expected utility of single episodes, by remembering what was accrued.",
        criterion=("ESR",),
        policy_class="deterministic, on observation and accrued reward",
        actions=("discrete",),
        observations=("discrete",),
        paper="Roijers, Steckelmacher & Nowé 2018",
        formula="Q(s,ρ,a) += α [ u(ρ') at the end, else max_b Q(s',ρ',b), − Q(s,ρ,a) ]",
        avoid="accrued rewards take very many values: use EUPG or QuantileDQN",
        multi_policy=False,
    )
    Config = ESRQConfig
    _unset: ClassVar[Mapping[str, float]] = {"table.value": -np.inf, "table.ending": np.nan}

    def _setup(self) -> None:
        super()._setup()
        c = self.config
        self.tables = TabularProblem(self.problem, c.max_states)
        self.timed = bool(c.time) if c.time is not None else self.discount < 1.0 or self.limited
        size = 1 << max(4, int(np.ceil(np.log2(c.capacity))))
        self.table: Table = new_table(size, self.tables.width, self.k)
        self.used = np.zeros(1, dtype=np.int64)
        self._keeps(index=self.tables)

    def _grow(self) -> Array | None:
        """A table of twice the size, where this one is half full; returns the new place of each entry."""
        if 2 * int(self.used[0]) <= len(self.table.key):
            return None
        bigger = new_table(2 * len(self.table.key), self.tables.width, self.k)
        place: Array = rehash(self.table, bigger)
        self.table = bigger
        return place

    def _settle(self, i: int) -> None:
        """Ask the utility of an ending."""
        value = float(self.utility(self.table.accrued[i]))
        if not np.isfinite(value):
            raise AgentError(f"the utility of {self.table.accrued[i].tolist()} is {value}; expected a finite number")
        self.table.ending[i] = value

    def _learn_compiled(self, until: int) -> None:
        c, rng = self.config, self.rng("train", self._segment)
        cursor = np.array([-1, 0, 0, -1], dtype=np.int64)
        accrued, factor = np.zeros(self.k), np.ones(1)
        path = np.zeros((self.problem.horizon or 10_000, 3), dtype=np.int64)
        world = self.tables.world
        assert world is not None
        while self.num_timesteps < until:
            n, taken = min(c.n_steps, until - self.num_timesteps), 0
            while taken < n:
                taken += run(
                    world, self.table, self.used, path, cursor, accrued, factor, n - taken,
                    c.epsilon_at(self.progress), self.discount, c.power, c.resolution, self.timed, self.limited, rng,
                )  # fmt: skip
                if cursor[3] >= 0:
                    self._settle(int(cursor[3]))
                    terminated = world.n_actions[cursor[0]] == 0
                    learn_backwards(self.table, path, cursor[1], cursor[3], 1, terminated or self.limited, c.power)
                    cursor[0] = cursor[3] = -1
                place = self._grow()
                if place is not None and cursor[0] >= 0:
                    path[: cursor[1], 0] = place[path[: cursor[1], 0]]
                    cursor[2] = place[cursor[2]]
            self.advance(n)

    def _steps(self, n_envs: int, rng: np.random.Generator) -> tuple[Choose, Learn]:
        c, width = self.config, self.tables.width
        paths: list[list[tuple[int, FloatArray, int, int]]] = [[] for _ in range(n_envs)]

        def place(state: int, accrued: FloatArray, time: int) -> int:
            self._grow()
            return int(entry(self.table, self.used, state, accrued, time if self.timed else 0, c.resolution))

        def act(env: int, state: int, accrued: FloatArray, time: int) -> int:
            return int(choose(self.table, place(state, accrued, time), width, c.epsilon_at(self.progress), rng))

        def learn(x: Step) -> None:
            paths[x.env].append((x.state, x.accrued, x.time, x.action))
            if not (x.terminated or x.truncated):
                return
            ended = x.terminated or self.limited
            last = place(x.next_state, x.accrued + self.discount**x.time * x.reward, x.time + 1)
            if ended and np.isnan(self.table.ending[last]):
                self._settle(last)
            steps = [(place(s, rho, t), a, width) for s, rho, t, a in paths[x.env]]
            learn_backwards(self.table, np.array(steps, dtype=np.int64), len(steps), last, width, ended, c.power)
            paths[x.env] = []

        return act, learn

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        return AccruedTable(self)

    def status(self) -> dict[str, float]:
        """Entries of the table."""
        return {"entries": float(self.used[0])}

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays, facts = super()._state()
        used = np.flatnonzero(self.table.key)
        arrays.update({f"table.{key}": value[used] for key, value in self.table._asdict().items()})
        return arrays, {**facts, "size": len(self.table.key)}

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        from morl.agents.core.checkpoint import require_alike, require_within

        size, rows = int(facts["size"]), len(arrays["table.key"])
        require_within("the table's size", np.array(size), rows + 1, max(self.config.capacity, 8 * rows) + 1)
        self.table = new_table(size, self.tables.width, self.k)
        given = {key: arrays[f"table.{key}"] for key in Table._fields}
        require_alike("table", given, {key: value[:rows] for key, value in self.table._asdict().items()})
        rehash(Table(**{key: arrays[f"table.{key}"] for key in Table._fields}), self.table)
        self.used[0] = len(arrays["table.key"])
        super()._restore(arrays, facts)


class AccruedTable(PolicySet):
    """The greedy policy of a table over (observation, accrued reward, time)."""

    needs_accrued = True

    def __init__(self, agent: ESRQLearning) -> None:
        self.agent = agent

    def __len__(self) -> int:
        return 1

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """The most valuable tried action; in a state never seen, the first."""
        agent = self.agent
        states = agent.tables.index.lookup(decision.observations, grow=False)
        when = decision.time if agent.timed else np.zeros_like(decision.time)
        known, allowed = np.ascontiguousarray(decision.accrued), agent.tables.n_actions
        return greedy(agent.table, states, known, when, allowed, agent.config.resolution), decision.memory


@jit
def greedy(table, states, accrued, time, n_actions, resolution):  # type: ignore[no-untyped-def]
    """Greedy actions ``(n,)`` among tried ones."""
    out = np.zeros(len(states), dtype=np.int64)
    for row in range(len(states)):
        if states[row] < 0:
            continue
        i = find(table, key_of(states[row], accrued[row], time[row], resolution))
        if table.key[i] == 0:
            continue
        value = -np.inf
        for a in range(n_actions[states[row]]):
            if table.visits[i, a] > 0 and table.value[i, a] > value:
                out[row], value = a, table.value[i, a]
    return out

"""Evolution of policies: a population is simulated together, and dominance of mean returns selects.

A policy is a vector (see :mod:`morl.agents.search.genotypes`). One generation is::

    O ← vary(P),   J(π) = mean of Σ γᵗ r_t over all episodes of π so far,   P ← select(P ∪ O) by J

where ``select`` is that of NSGA-II (Deb et al. 2002), NSGA-III (Deb & Jain 2014) or MOEA/D (Zhang & Li 2007), by pymoo,
or keeps a few layers of non-dominated returns where sequences of actions are simulated in batches. Nothing is
scalarised, so policies in non-convex regions of the front survive like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.agents.base import Agent
from morl.agents.core.config import AgentConfig, option
from morl.agents.core.episodes import Episode
from morl.agents.core.errors import warn
from morl.agents.core.evaluation import roll_out
from morl.agents.core.info import AlgoInfo
from morl.agents.core.memory import require
from morl.agents.core.policies import Array, PolicySet
from morl.agents.search import sequences
from morl.agents.search.demonstrations import demonstrations
from morl.agents.search.genotypes import Genotype, Sequence, make_genotype
from morl.agents.search.pymoo_search import pymoo_search
from morl.pareto.archive import Candidate, ParetoArchive
from morl.spec import AgentError, FloatArray, RunError

PLAYS = 16
"""Sequences with random returns: episodes that one of the population plays per generation."""

GENERATIONS = 10
"""Generations for which the steps asked for are to suffice, where sizes are not given."""

PROBES = 8
"""Random policies that say, before anything is sized, how long episodes are and whether returns are random."""

_LARGEST, _SMALLEST = 100, 8
"""Policies of a population whose size is not given."""


@dataclass(frozen=True)
class EvolutionConfig(AgentConfig):
    """Options of :class:`ParetoEvolution`."""

    algorithm: str = option("nsga2", "selection by pymoo", choices=("nsga2", "nsga3", "moead"))
    genotype: str = option("auto", "what evolves", choices=("auto", "table", "sequence", "network"))
    population: int | None = option(
        None, f"policies per generation; None is {_LARGEST}, or as many as leave {GENERATIONS} generations", low=4
    )
    episodes: int = option(1, "episodes per policy and generation (more where returns are random)", low=1)
    hidden: int = option(16, "units of genotype 'network'", low=1)
    length: int | None = option(None, "steps of genotype 'sequence'; None is the time limit", low=1)
    offspring: int | None = option(
        None,
        "offspring per generation where sequences are simulated in batches; None is at most 5 × population, 0 is "
        "pymoo's way",
        low=0,
    )
    layers: int = option(4, "sequences in batches: layers of non-dominated returns that are varied further", low=1)
    archive: int = option(400, "candidates kept for the front", low=1)
    n_envs: int = option(100, "parallel environments at most", low=1)


class ParetoEvolution(Agent):
    """Evolves a set of policies towards the whole Pareto front, non-convex parts included.

    Where the environment can be simulated in batches, up to tens of thousands of action sequences are varied and
    simulated per generation; the best episodes can be demonstrations for other agents (:meth:`episodes`). A sequence
    is an open-loop policy: all that is needed where nothing is random, and good where chance decides amounts but not
    ways.

    Where returns are random, every survivor is played again in each generation and its returns are averaged over its
    whole life, so a lucky episode does not keep a policy alive; new sequences must also win by successive halving, and
    none is reported before it has been played again.

    No more steps are played than were asked for. Sizes that are not given (and those that are merely tuned for the
    environment, as upper bounds) leave at least ten generations of them; a warning says where that cannot be.
    """

    info = AlgoInfo(
        name="ParetoEvolution",
        summary="a population of policies selected by dominance: whole fronts, non-convex regions too, no gradients",
        criterion=("SER",),
        policy_class="open-loop deterministic (sequences of actions) or stationary deterministic",
        actions=("discrete", "continuous"),
        observations=("discrete", "vector"),
        paper="Deb, Pratap, Agarwal & Meyarivan 2002 (NSGA-II); Deb & Jain 2014 (NSGA-III); Zhang & Li 2007 (MOEA/D)",
        formula="P ← select(P ∪ vary(P)) by non-dominated rank and spread of mean returns",
        avoid="long episodes with large networks: it learns from whole returns only",
    )
    Config = EvolutionConfig

    def _setup(self) -> None:
        c = self.config
        self.genotype: Genotype = make_genotype(self.problem, c.genotype, c.hidden, c.length)
        most = max(c.population or _LARGEST, c.offspring or 0)
        require(24.0 * most * self.genotype.size, f"{most:,} policies", "lower population (or offspring)")
        self.archive = ParetoArchive(self.k, c.archive)
        self.population: Array | None = None  # pymoo's way
        self.parents = sequences.Population.empty(self.genotype.size, self.k)  # in batches
        in_batches = isinstance(self.genotype, Sequence) and sequences.dynamics_of(self.problem) is not None
        usual = 5 * (c.population or _LARGEST) if in_batches else 0
        self._offspring = usual if c.offspring is None else c.offspring
        self._fixed = sorted({"population", "offspring"} & set(self.given))  # sizes that the caller chose
        self.generation = 0
        self.noisy = False  # returns of one policy vary
        self._totals: dict[bytes, tuple[FloatArray, int]] = {}  # sum of returns and episodes of each policy alive
        self._planned = 0  # the number of steps that sizes were made for
        self._cost = 1.0  # steps that one policy of pymoo's takes in a generation
        self._share = 0  # steps of one generation
        self._keeps("generation", "noisy", "_planned", "_share", "_fixed", "_cost")

    # ---- sizes -----------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Share the steps of this call of :meth:`learn` out among generations (once: a resumed call goes on)."""
        if self.target_timesteps > self._planned:
            self._planned = self.target_timesteps
            self._share = max(1, (self.target_timesteps - self.num_timesteps) // GENERATIONS)

    def _fits(self, name: str, usual: int, cost: float, least: int) -> int:
        """How many policies one generation has: what the caller chose, or as many as its share of steps allows.

        Args:
            name: the option.
            usual: the most, where the caller did not choose.
            cost: steps that one policy takes in a generation.
            least: the fewest.
        """
        if name in self._fixed:
            return usual
        return int(min(usual, max(least, self._share // max(cost, 1.0))))

    def _warn_of_few_generations(self, steps: float) -> None:
        """Say so where less than two generations of ``steps`` steps fit."""
        left = self.target_timesteps - self.num_timesteps
        if self.generation == 0 and left < 2 * steps:
            warn(
                f"{left:,} steps are {left / max(steps, 1):.2g} generations of ParetoEvolution, which then chooses "
                f"among random policies: use at least {int(2 * steps):,} steps, or smaller population or offspring"
            )

    # ---- learning --------------------------------------------------------------------------------------

    def _learn(self, until: int) -> None:
        self._plan()
        if self._offspring:
            self._learn_in_batches(until)
        else:
            self._learn_with_pymoo(until)

    def _learn_with_pymoo(self, until: int) -> None:
        rng, self._played = self.rng("explore", self._segment), 0
        population = self._first_population(rng)
        copies = len(population) * self.config.episodes * (2 if self.noisy else 1)
        search = pymoo_search(self.config.algorithm, self.genotype, population, self.k, rng)
        with self.problem.training(min(self.config.n_envs, copies)) as env:
            while self.num_timesteps + self._played < until:
                offspring = search.ask()
                if offspring is None:  # every child is known already: the space of policies is small
                    vectors = self.genotype.mutate(population, rng)
                    self._remember(vectors, self._play(env, vectors))
                else:
                    self._generation(search, offspring, env)
                self.generation += 1
                self._count()

    def _generation(self, search: Any, offspring: Any, env: Any) -> None:
        """Play offspring (and parents, where returns are random) and select, unless the steps end before that."""
        vectors = np.stack([np.asarray(x) for x in offspring.get("X")])
        begun = search.pop is not None and len(search.pop) > 0
        parents = vectors[:0]
        if self.noisy and begun:
            parents = np.stack([np.asarray(x) for x in search.pop.get("X")])
        elif begun and len(self.archive) and not self._repeats(env):
            self.noisy = True  # from now on parents are played again
        everyone = np.concatenate([parents, vectors])
        values = self._play(env, everyone, only_new=not begun)
        if not np.isfinite(values).all():
            self._remember(everyone, values)
            return
        if len(parents):
            search.pop.set("F", -values[: len(parents)])
        offspring.set("F", -values[len(parents) :])
        search.tell(infills=offspring)
        self.population = np.stack([np.asarray(x) for x in search.pop.get("X")])
        self._remember(self.population, -search.pop.get("F"))

    def _repeats(self, env: Any) -> bool:
        """Play one of the archive's policies again: is its return what it was?"""
        item = self.archive.items[self.generation % len(self.archive)]
        again = self._play(env, item.payload[None])[0]
        return bool(np.isnan(again).any() or np.allclose(again, item.value, rtol=1e-9, atol=1e-9))

    def _first_population(self, rng: np.random.Generator) -> Array:
        """The population to go on with; at first random policies, a few of which show how many can be afforded."""
        if self.population is None:
            self.population = self._probe(rng)
        size = self._fits("population", self.config.population or _LARGEST, self._cost, _SMALLEST)
        self._warn_of_few_generations(size * self._cost)
        more = self.genotype.sample(max(0, size - len(self.population)), rng)
        self.population = np.concatenate([self.population, more])
        return self.population

    def _probe(self, rng: np.random.Generator) -> Array:
        """Play a few random policies twice: how long are episodes, and are returns random?"""
        c = self.config
        few = self.genotype.sample(min(PROBES, c.population or PROBES), rng)
        policies, jobs = self.genotype.policies(few), np.arange(len(few))
        seed = self.seeds("sample", self._segment, self.generation)
        with self.problem.training(min(c.n_envs, len(few))) as env:
            values = self._play(env, few)
            again, _, steps = roll_out(env, self.problem, policies, jobs, self.discount, seed, True, limit=self._left())
        self._played += steps
        both = np.isfinite(values).all(axis=1) & np.isfinite(again).all(axis=1)
        self.noisy = c.episodes > 1 or not np.allclose(again[both], values[both], rtol=1e-9, atol=1e-9)
        self._cost = c.episodes * (2 if self.noisy else 1) * self._played / (len(few) * (c.episodes + 1))
        self._remember(few, values)
        self._count()
        return few

    def _left(self) -> int:
        """Steps that may still be played."""
        return self.target_timesteps - self.num_timesteps - self._played

    def _count(self) -> None:
        played, self._played = self._played, 0
        self.advance(played)

    def _learn_in_batches(self, until: int) -> None:
        """Many offspring of few parents, all simulated together by the environment's dynamics."""
        rng, dynamics = self.rng("explore", self._segment), sequences.dynamics_of(self.problem)
        if dynamics is None or not isinstance(self.genotype, Sequence):
            raise AgentError(
                f"option offspring needs genotype 'sequence' and an environment with batched dynamics; "
                f"{self.problem.id} with genotype {self.config.genotype!r} is not that: set offspring=0"
            )
        while self.num_timesteps < until:
            left = self.target_timesteps - self.num_timesteps
            simulator = sequences.Simulator(dynamics, self.discount, rng, self.problem.horizon, self.actions, left)
            fresh = self._new_sequences(simulator, rng)
            parents = self.parents
            if self.noisy:
                fresh = sequences.successive_halving(simulator, fresh, PLAYS)
                parents = simulator.again(parents, PLAYS)
            if not (self.noisy and simulator.exhausted):  # half-tested policies are not reported
                self._survive(parents, fresh)
            self.generation += 1
            self.advance(simulator.steps)

    def _new_sequences(self, simulator: sequences.Simulator, rng: np.random.Generator) -> sequences.Population:
        """Offspring of the parents, or random sequences, played once each."""
        size, n_actions = self.genotype.size, self.genotype.n_actions
        if not len(self.parents):
            few = simulator.play(sequences.random_runs(4 * PROBES, size, n_actions, rng))
            self.noisy = self.noisy or simulator.random
            n = self._affordable(simulator.steps / (4 * PROBES))
            return few.joined(simulator.play(sequences.random_runs(max(0, n - 4 * PROBES), size, n_actions, rng)))
        spans = sequences.lengths(self.parents.vectors)
        n = self._affordable(float(spans.mean()))
        return simulator.play(sequences.vary(self.parents.vectors, spans, n, n_actions, rng))

    def _affordable(self, length: float) -> int:
        """Offspring of one generation, whose episodes take ``length`` steps."""
        # Successive halving takes 2.5 episodes of each; as much again is for the parents.
        cost = length * (5.0 if self.noisy else 1.0)
        n = self._fits("offspring", self._offspring, cost, 2 * _SMALLEST)
        self._warn_of_few_generations(n * cost)
        return n

    def _survive(self, parents: sequences.Population, fresh: sequences.Population) -> None:
        """Keep the best layers of parents and offspring, equal ones once."""
        everyone = parents.joined(fresh)
        if not len(everyone):
            return
        what = everyone.vectors if self.noisy else everyone.means.round(12)
        _, first = np.unique(what, axis=0, return_index=True)
        first.sort()
        most = 6 * (self.config.population or _LARGEST)
        if self.noisy:
            length = float(sequences.lengths(everyone.vectors).mean())
            most = self._fits("population", most, 2 * PLAYS * length, _SMALLEST)
        kept = first[sequences.select(everyone.means[first], self.config.layers, most)]
        self.parents = everyone.rows(kept)
        # Where returns are random, a newcomer's are those of a winner: it must stand a second test to be reported,
        # unless there are newcomers only.
        proven = np.flatnonzero(self.parents.plays > (PLAYS if self.noisy else 0))
        proven = proven if len(proven) else np.arange(len(self.parents))
        means = self.parents.means
        self.archive.items = []
        for row in proven[sequences.select(means[proven], 1, self.config.archive)]:
            self.archive.items.append(Candidate(means[row], self.parents.vectors[row].copy(), self.generation))

    def episodes(self) -> list[Episode]:
        """The archive's policies played once each, as demonstrations (see ``PCN.add_demonstrations``)."""
        policies, rng = self.genotype.policies(self._candidates()), self.rng("sample", self.generation)
        seed = self.integer_seed("sample", self.generation)
        return demonstrations(self.problem, policies, self.discount, seed, rng)

    def _play(self, env: Any, vectors: Array, *, only_new: bool = False) -> FloatArray:
        """Mean returns ``(n, K)``, over this generation's episodes and all earlier ones of the same vector.

        NaN for a policy none of whose episodes came to an end within the steps asked for. With ``only_new``, policies
        that were played before are not played again.
        """
        n, episodes = len(vectors), self.config.episodes
        known = [only_new and vector.tobytes() in self._totals for vector in vectors]
        chosen = np.flatnonzero(~np.array(known, dtype=bool))
        jobs, policies = np.tile(chosen, episodes), self.genotype.policies(vectors)
        seed = self.seeds("train", self._segment, self.generation)
        returns, _, steps = roll_out(env, self.problem, policies, jobs, self.discount, seed, True, limit=self._left())
        self._played += steps
        for job, one in zip(jobs, returns, strict=True):
            if np.isfinite(one).all():
                total, count = self._totals.get(vectors[job].tobytes(), (np.zeros(self.k), 0))
                self._totals[vectors[job].tobytes()] = (total + one, count + 1)
        totals = (self._totals.get(vector.tobytes(), (np.full(self.k, np.nan), 1)) for vector in vectors)
        return np.array([total / count for total, count in totals]).reshape(n, self.k)

    def _remember(self, vectors: Array, values: FloatArray) -> None:
        """Keep the best policies ever seen, and forget the totals of those that are gone."""
        if self.noisy:
            # Estimates in the archive age: each is replaced by the running mean of its whole life.
            for item in self.archive.items:
                total, count = self._totals[item.payload.tobytes()]
                item.value = total / count
        known = {item.payload.tobytes() for item in self.archive.items}
        for vector, value in zip(vectors, values, strict=True):
            if vector.tobytes() not in known and np.isfinite(value).all():
                self.archive.add(value, vector.copy(), self.generation)
        alive = {item.payload.tobytes() for item in self.archive.items} | {v.tobytes() for v in vectors}
        self._totals = {key: value for key, value in self._totals.items() if key in alive}

    # ---- policies and state ----------------------------------------------------------------------------

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        vectors = self._candidates()
        if preferences is None or not self.archive.items:
            return self.genotype.policies(vectors)
        best = (preferences @ self.archive.values.T).argmax(axis=1)
        policies = self.genotype.policies(vectors[best])
        policies.preferences = preferences
        return policies

    def _candidates(self) -> Array:
        if self.archive.items:
            return np.stack([item.payload for item in self.archive.items])
        return self.genotype.sample(1, self.rng("explore", 0))

    def status(self) -> dict[str, float]:
        """Generation and candidates."""
        return {"generation": self.generation, "candidates": len(self.archive)}

    def _provenance(self) -> dict[str, Any]:
        kind = "open-loop deterministic" if isinstance(self.genotype, Sequence) else "stationary deterministic"
        return {"generations": self.generation, "policy_class": kind}

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays, facts = super()._state()
        items, dtype = self.archive.items, self._candidates().dtype
        arrays["archive.x"] = np.array([i.payload for i in items], dtype).reshape(len(items), self.genotype.size)
        arrays["archive.value"] = self.archive.values
        arrays["archive.born"] = np.array([item.born for item in items], dtype=np.int64)
        if self.population is not None:
            arrays["population"] = self.population
        if len(self.parents):
            arrays.update({f"parents.{name}": array for name, array in vars(self.parents).items()})
        if self._totals:
            arrays["totals.x"] = np.stack([np.frombuffer(key, dtype) for key in self._totals])
            arrays["totals.sum"] = np.stack([total for total, _ in self._totals.values()])
            arrays["totals.count"] = np.array([count for _, count in self._totals.values()])
        return arrays, facts

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        from morl.agents.core.checkpoint import require_within

        for name in ("archive.x", "population", "parents.vectors", "totals.x"):
            vectors = arrays.get(name, np.zeros((0, self.genotype.size)))
            if vectors.shape[1:] != (self.genotype.size,):
                raise RunError(f"{name} has {vectors.shape[1:]} columns; expected {self.genotype.size}")
            if self.genotype.n_actions and len(vectors):
                require_within(name, vectors, -1, self.genotype.n_actions)  # −1 is after the end of an episode
        super()._restore(arrays, facts)
        if "parents.vectors" in arrays:
            self.parents = sequences.Population(*(arrays[f"parents.{name}"] for name in vars(self.parents)))
        self.population = arrays.get("population")
        rows = zip(arrays["archive.x"], arrays["archive.value"], arrays["archive.born"], strict=True)
        # As they were: running means may have come to dominate each other since they were let in.
        self.archive.items = [Candidate(value, vector, int(born)) for vector, value, born in rows]
        if "totals.x" in arrays:
            known = zip(arrays["totals.x"], arrays["totals.sum"], arrays["totals.count"], strict=True)
            self._totals = {vector.tobytes(): (total, int(count)) for vector, total, count in known}

"""Evolution of policies with pymoo: a whole population is one generation of lock-step episodes.

A policy is a vector (see :mod:`morl.agents.search.genotypes`); NSGA-II (Deb et al. 2002), NSGA-III (Deb & Jain 2014) or
MOEA/D (Zhang & Li 2007) select by the vector of mean returns, so points inside the dents of the front survive like
any other: nothing is scalarised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.agents.base import Agent
from morl.agents.core.config import AgentConfig, option
from morl.agents.core.episodes import Episode, EpisodeRecorder
from morl.agents.core.evaluation import roll_out
from morl.agents.core.info import AlgoInfo
from morl.agents.core.memory import require
from morl.agents.core.observations import Encoder
from morl.agents.core.policies import Array, Decision, PolicySet
from morl.agents.search import sequences
from morl.agents.search.archive import Archive, Candidate
from morl.agents.search.genotypes import Genotype, Sequence, make_genotype
from morl.spec import AgentError, FloatArray, RunError

PLAYS = 16
"""Brood with random returns: episodes that a sequence of the population plays per generation."""


@dataclass(frozen=True)
class EvolutionConfig(AgentConfig):
    """Options of :class:`ParetoEvolution`."""

    algorithm: str = option("nsga2", "selection by pymoo", choices=("nsga2", "nsga3", "moead"))
    genotype: str = option("auto", "what evolves", choices=("auto", "table", "sequence", "network"))
    population: int = option(100, "policies per generation", low=4)
    episodes: int = option(1, "episodes per policy and generation (more where returns are random)", low=1)
    hidden: int = option(16, "units of genotype 'network'", low=1)
    length: int | None = option(None, "steps of genotype 'sequence'; None is the time limit", low=1)
    brood: int | None = option(
        None,
        "children per generation where sequences can be played in bulk; None is 5 × population, 0 is pymoo's way",
        low=0,
    )
    layers: int = option(4, "brood: layers of non-dominated returns that may breed", low=1)
    archive: int = option(400, "candidates kept for the front", low=1)
    n_envs: int = option(100, "copies of the environment stepped together", low=1)


class ParetoEvolution(Agent):
    """Evolves a set of policies towards the whole Pareto front, non-convex parts included.

    Where the environment steps cheaply in bulk, ``brood`` breeds up to tens of thousands of action sequences per
    generation, plays them in the environment's own dynamics, and keeps a few layers of non-dominated returns; its best
    episodes can teach other agents (:meth:`episodes`). A sequence is an open-loop policy: all that is needed where
    nothing is random, and good where chance decides amounts but not ways.

    Where returns are random, every survivor is played again in each generation and its returns are averaged over its
    whole life, so a lucky episode does not keep a policy alive; with ``brood`` children must also win a race of
    repeated episodes, and none is reported before it has been played again.
    """

    info = AlgoInfo(
        name="ParetoEvolution",
        summary="a population of policies selected by dominance: whole fronts, dents included, without gradients",
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
        most = max(c.population, 0 if c.brood is None else c.brood)
        require(24.0 * most * self.genotype.size, f"a population of {most:,} policies", "lower population (or brood)")
        self.archive = Archive(self.k, c.archive)
        self.population: Array | None = None
        self.fitness: FloatArray = np.zeros((0, self.k))
        self.generation = 0
        self._totals: dict[bytes, tuple[FloatArray, int]] = {}
        bulk = isinstance(self.genotype, Sequence) and sequences.dynamics_of(self.problem) is not None
        self._brood: int = (5 * c.population if bulk else 0) if c.brood is None else c.brood
        self.flock = sequences.Flock.empty(self.genotype.size, self.k)
        self.noisy = False

    def _learn(self, until: int) -> None:
        if self._brood:
            self._learn_brood(until)
            return
        rng = self.rng("explore", self._segment)
        if self.population is None:
            self.population = self.genotype.sample(self.config.population, rng)
        search = _pymoo_search(self, rng)
        env = self.problem.training(self.config.n_envs)
        noisy = False
        while self.num_timesteps < until:
            offspring = search.ask()
            if offspring is None:  # every child is known already: the space of policies is small
                vectors = self.genotype.mutate(self.population, rng)
                self._remember(vectors, self._play(env, vectors), noisy)
                self.generation += 1
                self.advance(self._played)
                continue
            vectors = np.stack([np.asarray(x) for x in offspring.get("X")])
            if noisy and search.pop is not None and len(search.pop):
                elders = np.stack([np.asarray(x) for x in search.pop.get("X")])
                values = self._play(env, np.concatenate([elders, vectors]))
                search.pop.set("F", -values[: len(elders)])
                values = values[len(elders) :]
            else:
                values = self._play(env, vectors)
            if search.n_gen in (None, 1):
                noisy = self._is_noisy(env, vectors, values)
            offspring.set("F", -values)
            search.tell(infills=offspring)
            self.generation += 1
            self.population = np.stack([np.asarray(x) for x in search.pop.get("X")])
            self._remember(self.population, -search.pop.get("F"), noisy)
            self.advance(self._played)
        if not self.problem.is_vector:
            env.close()

    def _learn_brood(self, until: int) -> None:
        """Many children of few parents, all played in one batch of the environment's dynamics."""
        c, rng = self.config, self.rng("explore", self._segment)
        dynamics = sequences.dynamics_of(self.problem)
        if dynamics is None or not isinstance(self.genotype, Sequence):
            raise AgentError(
                f"option brood needs genotype 'sequence' and an environment with batched dynamics; {self.problem.id} "
                f"with genotype {c.genotype!r} is not that: set brood=0"
            )
        size, n_actions = self.genotype.size, self.genotype.n_actions
        stage = sequences.Stage(dynamics, self.discount, rng, self.problem.horizon, self.actions)
        while self.num_timesteps < until:
            before = stage.steps
            if len(self.flock):
                spans = sequences.lengths(self.flock.vectors)
                children = sequences.breed(self.flock.vectors, spans, self._brood, n_actions, rng)
            else:
                children = sequences.random_runs(self._brood, size, n_actions, rng)
            fresh = stage.play(children)
            self.noisy = self.noisy or stage.random
            if self.noisy:
                fresh = sequences.race(stage, fresh, PLAYS)
                self.flock = stage.again(self.flock, PLAYS)
            self._survive(fresh)
            self.generation += 1
            self.advance(stage.steps - before)

    def _survive(self, fresh: sequences.Flock) -> None:
        """Keep the best layers of parents and children, equal ones once."""
        every = self.flock.joined(fresh)
        if not len(every):
            return
        what = every.vectors if self.noisy else every.means.round(12)
        _, first = np.unique(what, axis=0, return_index=True)
        first.sort()
        kept = first[sequences.screen(every.means[first], self.config.layers, 6 * self.config.population)]
        self.flock = every.rows(kept)
        # Where returns are random, a newcomer's are those of a winner: it must stand a second test to be reported.
        proven = np.flatnonzero(self.flock.plays > (PLAYS if self.noisy else 0))
        means = self.flock.means
        self.archive.items = []
        for row in proven[sequences.screen(means[proven], 1, self.config.archive)]:
            self.archive.items.append(Candidate(means[row], self.flock.vectors[row].copy(), self.generation))

    def episodes(self) -> list[Episode]:
        """The archive's policies played once each, as episodes to learn from (see ``PCN.teach``)."""
        vectors = self._candidates()
        encoder = Encoder(self.observation_space)
        env = self.problem.vector(len(vectors))
        recorder = EpisodeRecorder(len(vectors), encoder, self.discount)
        collector = self.problem.collector(env)
        collector.reset(self.integer_seed("sample", self.generation))
        policies, rng = self.genotype.policies(vectors), self.rng("sample", self.generation)
        which, waiting, out = np.arange(len(vectors)), np.ones(len(vectors), dtype=bool), []
        while waiting.any():
            now = Decision(which, collector.obs, {}, collector.accrued, collector.time, rng, deterministic=True)
            actions, _ = policies.act(now)
            step = collector.step(actions)
            ended = step.env[step.terminated | step.truncated]
            wanted = waiting[ended]
            out += [e for e, first in zip(recorder.record(step), wanted.tolist(), strict=True) if first]
            waiting[ended] = False
        env.close()
        return out

    def _play(self, env: Any, vectors: Array) -> FloatArray:
        """Mean returns ``(n, K)``, over this generation's episodes and all earlier ones of the same vector."""
        n, episodes = len(vectors), self.config.episodes
        jobs = np.tile(np.arange(n), episodes)
        seed = self.seeds("train", self._segment, self.generation)
        returns, _, self._played = roll_out(
            env, self.problem, self.genotype.policies(vectors), jobs, self.discount, seed, deterministic=True
        )
        sums = returns.reshape(episodes, n, self.k).sum(axis=0)
        means = np.empty((n, self.k))
        for i in range(n):
            before, count = self._totals.get(vectors[i].tobytes(), (np.zeros(self.k), 0))
            means[i] = (before + sums[i]) / (count + episodes)
            self._totals[vectors[i].tobytes()] = (before + sums[i], count + episodes)
        return means

    def _is_noisy(self, env: Any, vectors: Array, values: FloatArray) -> bool:
        """Play a few policies again under other seeds: does the return of the same policy vary?"""
        some = self.genotype.policies(vectors[:8])
        seed = self.seeds("sample", self._segment, self.generation)
        again, _, steps = roll_out(env, self.problem, some, np.arange(len(some)), self.discount, seed, True)
        self._played += steps
        return self.config.episodes > 1 or not np.allclose(again, values[: len(some)], rtol=1e-9, atol=1e-9)

    def _remember(self, vectors: Array, values: FloatArray, noisy: bool) -> None:
        """Keep the best policies ever seen, and forget the totals of those that are gone."""
        if noisy:
            # Estimates in the archive age: each is replaced by the running mean of its whole life.
            for item in self.archive.items:
                total, count = self._totals[item.payload.tobytes()]
                item.value = total / count
        known = {item.payload.tobytes() for item in self.archive.items}
        for vector, value in zip(vectors, values, strict=True):
            if vector.tobytes() not in known:
                self.archive.add(value, vector.copy(), self.generation)
        alive = {item.payload.tobytes() for item in self.archive.items} | {v.tobytes() for v in vectors}
        self._totals = {key: value for key, value in self._totals.items() if key in alive}

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
        items = self.archive.items
        arrays: dict[str, Array] = {
            "archive.x": np.array([item.payload for item in items], self._candidates().dtype).reshape(
                len(items), self.genotype.size
            ),
            "archive.value": self.archive.values,
            "archive.born": np.array([item.born for item in items], dtype=np.int64),
        }
        if self.population is not None:
            arrays["population"] = self.population
            arrays["fitness"] = self.fitness
        if len(self.flock):
            arrays.update({f"flock.{name}": array for name, array in vars(self.flock).items()})
        if self._totals:
            dtype = self._candidates().dtype
            arrays["totals.x"] = np.stack([np.frombuffer(key, dtype) for key in self._totals])
            arrays["totals.sum"] = np.stack([total for total, _ in self._totals.values()])
            arrays["totals.count"] = np.array([count for _, count in self._totals.values()])
        return arrays, {"generation": self.generation, "noisy": self.noisy}

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        from morl.agents.core.checkpoint import require_within

        for name in ("archive.x", "population", "flock.vectors", "totals.x"):
            vectors = arrays.get(name, np.zeros((0, self.genotype.size)))
            if vectors.shape[1:] != (self.genotype.size,):
                raise RunError(f"{name} has {vectors.shape[1:]} columns; expected {self.genotype.size}")
            if self.genotype.n_actions and len(vectors):
                require_within(name, vectors, -1, self.genotype.n_actions)  # −1 is after the end of an episode
        self.generation = int(facts["generation"])
        self.noisy = bool(facts["noisy"])
        if "flock.vectors" in arrays:
            self.flock = sequences.Flock(*(arrays[f"flock.{name}"] for name in vars(self.flock)))
        self.population = arrays.get("population")
        self.fitness = arrays.get("fitness", self.fitness)
        rows = zip(arrays["archive.x"], arrays["archive.value"], arrays["archive.born"], strict=True)
        # As they were: running means may have come to dominate each other since they were let in.
        self.archive.items = [Candidate(value, vector, int(born)) for vector, value, born in rows]
        if "totals.x" in arrays:
            known = zip(arrays["totals.x"], arrays["totals.sum"], arrays["totals.count"], strict=True)
            self._totals = {vector.tobytes(): (total, int(count)) for vector, total, count in known}


def _pymoo_search(agent: ParetoEvolution, rng: np.random.Generator) -> Any:
    """A pymoo algorithm that begins with the agent's population and varies it as the genotype says."""
    from pymoo.algorithms.moo.moead import ParallelMOEAD
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.algorithms.moo.nsga3 import NSGA3
    from pymoo.core.crossover import Crossover
    from pymoo.core.mutation import Mutation
    from pymoo.core.problem import Problem as PymooProblem
    from pymoo.termination import get_termination

    from morl.pareto.weights import das_dennis

    genotype, config = agent.genotype, agent.config

    class Vary(Mutation):  # type: ignore[misc]
        def _do(self, problem: Any, X: Array, *args: Any, **kwargs: Any) -> Array:
            return genotype.mutate(X, rng)

    class Cross(Crossover):  # type: ignore[misc]
        def _do(self, problem: Any, X: Array, *args: Any, **kwargs: Any) -> Array:
            return np.stack(genotype.cross(X[0], X[1], rng))

    common: dict[str, Any] = {
        "sampling": agent.population,
        "crossover": Cross(2, 2, prob=0.7),
        "mutation": Vary(),
    }
    if config.algorithm == "nsga2":
        algorithm: Any = NSGA2(pop_size=config.population, **common)
    else:
        directions = das_dennis(agent.k, number=config.population)
        if config.algorithm == "nsga3":
            algorithm = NSGA3(ref_dirs=directions, pop_size=config.population, **common)
        else:
            common["sampling"] = np.resize(np.asarray(agent.population), (len(directions), genotype.size))
            algorithm = ParallelMOEAD(ref_dirs=directions, n_neighbors=min(20, len(directions)), **common)
    bounds = (0, genotype.n_actions - 1) if genotype.integer else (-1e6, 1e6)
    problem = PymooProblem(
        n_var=genotype.size,
        n_obj=agent.k,
        xl=bounds[0],
        xu=bounds[1],
        vtype=int if genotype.integer else float,
    )
    algorithm.setup(problem, termination=get_termination("n_gen", 10**9), seed=int(rng.integers(2**31)), verbose=False)
    return algorithm

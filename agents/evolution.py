"""Evolution of policies with pymoo: a whole population is one generation of lock-step episodes.

A policy is a vector (see :mod:`morl.agents.genotypes`); NSGA-II (Deb et al. 2002), NSGA-III (Deb & Jain 2014) or
MOEA/D (Zhang & Li 2007) select by the vector of mean returns, so points inside the dents of the front survive like
any other: nothing is scalarised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from morl.agents.archive import Archive
from morl.agents.base import Agent
from morl.agents.config import AgentConfig, option
from morl.agents.evaluation import roll_out
from morl.agents.genotypes import Genotype, make_genotype
from morl.agents.info import AlgoInfo
from morl.agents.policies import Array, PolicySet
from morl.spec import FloatArray


@dataclass(frozen=True)
class EvolutionConfig(AgentConfig):
    """Options of :class:`ParetoEvolution`."""

    algorithm: str = option("nsga2", "selection by pymoo", choices=("nsga2", "nsga3", "moead"))
    genotype: str = option("auto", "what evolves", choices=("auto", "table", "sequence", "network"))
    population: int = option(100, "policies per generation", low=4)
    episodes: int = option(1, "episodes per policy and generation (more where returns are random)", low=1)
    hidden: int = option(16, "units of genotype 'network'", low=1)
    length: int | None = option(None, "steps of genotype 'sequence'; None is the time limit", low=1)
    archive: int = option(400, "candidates kept for the front", low=1)
    n_envs: int = option(100, "copies of the environment stepped together", low=1)


class ParetoEvolution(Agent):
    """Evolves a set of policies towards the whole Pareto front, non-convex parts included.

    Where returns are random, every survivor is played again in each generation and its returns are averaged over its
    whole life, so a lucky episode does not keep a policy alive.
    """

    info = AlgoInfo(
        name="ParetoEvolution",
        summary="a population of policies selected by dominance: whole fronts, dents included, without gradients",
        criterion=("SER",),
        policy_class="stationary deterministic (open-loop with genotype 'sequence')",
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
        self.archive = Archive(self.k, c.archive)
        self.population: Array | None = None
        self.generation = 0
        self._totals: dict[bytes, tuple[FloatArray, int]] = {}

    def _learn(self, until: int) -> None:
        rng = self.rng("explore", self._segment)
        if self.population is None:
            self.population = self.genotype.sample(self.config.population, rng)
        search = _pymoo_search(self, rng)
        env = self.problem.training(self.config.n_envs)
        noisy = False
        while self.num_timesteps < until:
            offspring = search.ask()
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
        return {"generations": self.generation}

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        items = self.archive.items
        arrays: dict[str, Array] = {
            "archive.x": np.array([item.payload for item in items]).reshape(len(items), self.genotype.size),
            "archive.value": self.archive.values,
            "archive.born": np.array([item.born for item in items], dtype=np.int64),
        }
        if self.population is not None:
            arrays["population"] = self.population
        if self._totals:
            dtype = self._candidates().dtype
            arrays["totals.x"] = np.stack([np.frombuffer(key, dtype) for key in self._totals])
            arrays["totals.sum"] = np.stack([total for total, _ in self._totals.values()])
            arrays["totals.count"] = np.array([count for _, count in self._totals.values()])
        return arrays, {"generation": self.generation}

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        self.generation = int(facts["generation"])
        self.population = arrays.get("population")
        rows = zip(arrays["archive.x"], arrays["archive.value"], arrays["archive.born"], strict=True)
        for vector, value, born in rows:
            self.archive.add(value, vector, int(born))
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

"""pymoo's evolutionary algorithms, varying policies as their genotype says."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.agents.search.genotypes import Genotype

Array = np.ndarray[Any, Any]


def pymoo_search(name: str, genotype: Genotype, population: Array, k: int, rng: np.random.Generator) -> Any:
    """An algorithm of pymoo that begins with ``population`` ``(m, size)`` and minimises k objectives.

    Args:
        name: ``"nsga2"``, ``"nsga3"`` or ``"moead"``.
        genotype: crosses and mutates.
        population: the first generation.
        k: the number of objectives.
        rng: draws; pymoo's own generator is seeded from it.
    """
    from pymoo.algorithms.moo.moead import ParallelMOEAD
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.algorithms.moo.nsga3 import NSGA3
    from pymoo.core.crossover import Crossover
    from pymoo.core.mutation import Mutation
    from pymoo.core.problem import Problem as PymooProblem
    from pymoo.termination import get_termination

    from morl.pareto.weights import das_dennis

    class Vary(Mutation):  # type: ignore[misc]
        def _do(self, problem: Any, X: Array, *args: Any, **kwargs: Any) -> Array:
            return genotype.mutate(X, rng)

    class Cross(Crossover):  # type: ignore[misc]
        def _do(self, problem: Any, X: Array, *args: Any, **kwargs: Any) -> Array:
            return np.stack(genotype.cross(X[0], X[1], rng))

    size = len(population)
    operators: dict[str, Any] = {"crossover": Cross(2, 2, prob=0.7), "mutation": Vary()}
    algorithm: Any
    if name == "nsga2":
        algorithm = NSGA2(pop_size=size, sampling=population, **operators)
    else:
        directions = das_dennis(k, number=size)
        if name == "nsga3":
            algorithm = NSGA3(ref_dirs=directions, pop_size=size, sampling=population, **operators)
        else:
            first = np.resize(population, (len(directions), genotype.size))
            algorithm = ParallelMOEAD(
                ref_dirs=directions, n_neighbors=min(20, len(directions)), sampling=first, **operators
            )
    low, high = (0, genotype.n_actions - 1) if genotype.integer else (-1e6, 1e6)
    problem = PymooProblem(n_var=genotype.size, n_obj=k, xl=low, xu=high, vtype=int if genotype.integer else float)
    algorithm.setup(problem, termination=get_termination("n_gen", 10**9), seed=int(rng.integers(2**31)), verbose=False)
    return algorithm

"""Deterministic fronts: seconds for every policy class, against plain batched evaluation where that is possible.

    OMP_NUM_THREADS=1 python benchmarks/exact_deterministic.py

Random models: 5 uniform successors per state-action with Dirichlet(1) probabilities, rewards U[0, 1], start in
state 0, γ = .95. Medians over seeds.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable

import numpy as np

from morl.exact import enumerate_policies, evaluate_batch, pareto_deterministic
from morl.momdp import MOMDP
from morl.pareto import Front


def random_model(seed: int, s: int, a: int, k: int) -> MOMDP:
    """One instance."""
    rng = np.random.default_rng(seed)
    transitions = np.zeros((s, a, s))
    for i, j in itertools.product(range(s), range(a)):
        transitions[i, j, rng.choice(s, 5, replace=False)] = rng.dirichlet(np.ones(5))
    return MOMDP.from_arrays(transitions, rng.random((s, a, k)), discount=0.95)


def show(name: str, solve: Callable[[int], Front], seeds: int, bar: str = "") -> float:
    """Time a solver over seeds, print a line, and return the median."""
    seconds, fronts = [], []
    for seed in range(seeds):
        began = time.perf_counter()
        fronts.append(solve(seed))
        seconds.append(time.perf_counter() - began)
    median = statistics.median(seconds)
    points = "/".join(str(len(f)) for f in fronts)
    done = "complete" if all(f.complete for f in fronts) else f"epsilon {max(f.epsilon or 0 for f in fronts):.3g}"
    print(f"{name:52s} {median:8.3f} s  (worst {max(seconds):.3f})  points {points}  {done}  {bar}", flush=True)
    return median


def main() -> None:
    """Run everything."""
    show("stationary, S=20 A=4 K=2, exact", lambda i: pareto_deterministic(random_model(i, 20, 4, 2)), 5, "bar 1 s")
    show("stationary, S=50 A=2 K=2, exact", lambda i: pareto_deterministic(random_model(i, 50, 2, 2)), 5, "bar 10 s")
    show(
        "stationary, S=100 A=4 K=2, epsilon .1",
        lambda i: pareto_deterministic(random_model(i, 100, 4, 2), epsilon=0.1),
        3,
    )
    show("stationary, S=24 A=2 K=3, exact", lambda i: pareto_deterministic(random_model(i, 24, 2, 3)), 3)
    show("enumeration, 2^18 policies, K=2", lambda i: enumerate_policies(random_model(i, 18, 2, 2)), 3)
    show("enumeration, 2^20 policies, K=3", lambda i: enumerate_policies(random_model(i, 20, 2, 3)), 3)

    model = random_model(0, 18, 2, 2)
    policies = (np.arange(2**18)[:, None] >> np.arange(18)) & 1
    began = time.perf_counter()
    evaluate_batch(model, policies)
    plain = time.perf_counter() - began
    began = time.perf_counter()
    enumerate_policies(model)
    shared = time.perf_counter() - began
    print(f"2^18 policies: dense solves {plain:.2f} s, shared eliminations {shared:.2f} s, ratio {plain / shared:.1f}")

    import morl

    show(
        "ScientificDiscovery, 262,144 policies",
        lambda _: pareto_deterministic(morl.make("morl/ScientificDiscovery-v0").unwrapped.momdp(1.0)),
        3,
        "bar 3 s",
    )
    for discount in (1.0, 0.99, 0.9):
        sea = morl.make("morl/DeepSeaTreasureConcave-v0").unwrapped.momdp(discount)
        show(f"DeepSeaTreasureConcave, history, γ={discount}", lambda _, m=sea: pareto_deterministic(m, "history"), 3)


if __name__ == "__main__":
    main()

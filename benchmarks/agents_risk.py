"""Risk of single episodes learned, beside the exact dynamic programme: expected utility, CVaR and quantiles.

    python benchmarks/agents_risk.py                       # everything over five seeds: about fifteen minutes
    python benchmarks/agents_risk.py --only cvar --seeds 0

Learned policies are evaluated exactly on the model where there is one (then a figure has no error of its own), and
otherwise by fresh episodes. A line is a seed; the last line of a case is the range over seeds and the worst share.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np

import morl
from morl.agents import registry
from morl.agents.core.config import tuned_options
from morl.envs.classic import fishwood
from morl.exact import cvar, quantile

SCIENCE, FISHWOOD = "morl/ScientificDiscovery-v0", "morl/Fishwood-v0"
ACCURACY = "linear:0.75,0.2,0.05"
"""A utility that is mostly the accuracy of what was discovered, so that single episodes differ widely."""

Outcome = tuple[float, float]
"""A figure and its standard error (0 where it is exact)."""


def fish(seeds: list[int]) -> None:
    """A day by the water: meals cooked, of which each takes a fish and two pieces of wood."""
    exact = best_day()

    def run(seed: int) -> Outcome:
        agent = registry.get("EUPG")(FISHWOOD, tuned_options("EUPG", FISHWOOD), seed=seed, utility=fishwood.utility)
        return agent.learn(3_000_000).expected_utility(20_000)

    report(f"EUPG, {FISHWOOD}, expected utility", exact, run, seeds)


def best_day(fish: float = 0.1, wood: float = 0.9, steps: int = 200) -> float:
    """The best expected utility of a day on Fishwood, by dynamic programming over (place, fish, wood).

    ``morl.exact.expected_utility`` says the same, but expands half a million states one by one. More than ``most``
    fish have a chance below 1e-12.
    """
    most = 80
    n_fish, n_wood = np.arange(most + 1), np.arange(2 * most + 1)
    value = np.broadcast_to(np.minimum(n_fish[:, None], n_wood // 2), (2, most + 1, 2 * most + 1)).astype(float)
    one_fish, one_wood = np.minimum(n_fish + 1, most), np.minimum(n_wood + 1, 2 * most)
    for _ in range(steps):
        river = fish * value[:, one_fish] + (1 - fish) * value
        woods = wood * value[:, :, one_wood] + (1 - wood) * value
        value = np.stack([river.max(axis=0), woods.max(axis=0)])  # the best place to be next
    return float(value[fishwood.WOODS, 0, 0])


def risk(measure: str, solve: Callable[..., object], seeds: list[int]) -> None:
    """One measure at two levels."""
    env = morl.make(SCIENCE)
    scale = env.unwrapped.mo_spec.return_scale
    for alpha in (0.25, 0.5):

        def learn(seed: int, alpha: float = alpha):
            options = {"utility": ACCURACY, "risk": measure, "alpha": alpha}
            return registry.get("QuantileDQN")(env, seed=seed, **options).learn(60_000)

        def run(seed: int, learn=learn) -> Outcome:
            agent = learn(seed)
            return agent.risk_of(*agent.return_samples()), 0.0

        utility = registry.get("QuantileDQN")(env, utility=ACCURACY).utility
        exact = solve(env.unwrapped.momdp(), alpha, utility, clip=scale).value
        report(f"QuantileDQN, {SCIENCE}, {measure} at {alpha}", exact, run, seeds)


def report(what: str, exact: float, run: Callable[[int], Outcome], seeds: list[int]) -> None:
    """Run the seeds and print each."""
    values = []
    for seed in seeds:
        start = time.perf_counter()
        value, error = run(seed)
        values.append(value)
        error_text = f" ± {1.96 * error:.3f}" if error else ""
        seconds = time.perf_counter() - start
        print(
            f"{what}, seed {seed}: {value:.4f}{error_text} of {exact:.4f} ({value / exact:.2%}), {seconds:.0f} s",
            flush=True,
        )
    print(f"{what}: {min(values):.4f} to {max(values):.4f} of {exact:.4f}, least {min(values) / exact:.2%}", flush=True)


def suites() -> Iterator[tuple[str, Callable[[list[int]], None]]]:
    """What there is to run, by name."""
    yield "fish", fish
    yield "cvar", lambda seeds: risk("cvar", cvar, seeds)
    yield "quantile", lambda seeds: risk("quantile", quantile, seeds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[name for name, _ in suites()])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    given = parser.parse_args()
    for name, suite in suites():
        if given.only in (None, name):
            suite(given.seeds)

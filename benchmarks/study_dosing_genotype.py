"""What is a genotype worth? Dosing with the genotype shown and hidden, same agent, same budget.

Two comparisons: learned fronts (the best utility of its policies for one set of weights, the hypervolume above a
reference that ordinary care exceeds, and the best of two objectives), and the hand-written clinician, who starts from
the genotype if it is shown and tests weekly in both cases.

    OMP_NUM_THREADS=1 python benchmarks/study_dosing_genotype.py [--steps 1000000] [--seeds 3] [--algo PCN]
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import numpy as np

import morl
from morl.agents import registry
from morl.agents.core.config import tuned_options
from morl.envs.batched import BatchedVectorEnv
from morl.envs.science.dosing import DAYS, Clinician, DosingDynamics
from morl.pareto import Front
from morl.pareto.indicators import hypervolume, nondominated_mask
from morl.spec import FloatArray

MultiDrugDosingVector = partial(BatchedVectorEnv.of, DosingDynamics)

REFERENCE = np.array([0.0, 0.0, -20.0, -40.0])
SCALE = np.array([DAYS, DAYS, 20.0, 40.0])
WEIGHTS = np.array([0.3, 0.3, 0.37, 0.03])
"""Of the utility: LinearScalarization is trained on it; of other agents' fronts the best point counts."""


def train(hidden: bool, steps: int, seed: int, algo: str, options: dict[str, Any], episodes: int = 1000) -> Front:
    """The front an agent learns with the genotype hidden or shown, measured in so many episodes a policy."""
    kind = registry.get(algo)
    env = morl.make("morl/MultiDrugDosing-v0", hide_genotype=hidden, discrete=not kind.info.several_actions)
    tuned = tuned_options(algo, "morl/MultiDrugDosing-v0")
    only = {"weights": [WEIGHTS.tolist()]} if algo == "LinearScalarization" else {}
    agent = kind(env, seed=seed, **{**tuned, **only, **options})
    agent.learn(steps)
    return agent.front(episodes=episodes, seed=seed)


def volume(front: Front) -> float:
    """Hypervolume above :data:`REFERENCE` in units of :data:`SCALE`: 1 is perfect care without a single test."""
    points = front.points[(front.points > REFERENCE).all(axis=1)] / SCALE
    return hypervolume(points[nondominated_mask(points)], REFERENCE / SCALE) if len(points) else 0.0


def clinician(hidden: bool, phenytoin: bool, patients: int = 2000, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Mean returns ``(4,)`` and their standard errors of the hand-written policy, on the same patients either way."""
    env = MultiDrugDosingVector(patients, hide_genotype=hidden)
    policy = Clinician(env, phenytoin)
    observation, _ = env.reset(seed=seed)
    total = np.zeros((patients, 4))
    for _ in range(DAYS):
        observation, reward, *_ = env.step(policy(observation))
        total += reward
    return total.mean(0), total.std(0) / np.sqrt(patients)


def study(
    steps: int = 1_000_000,
    seeds: int = 3,
    algo: str = "LinearScalarization",
    options: dict[str, Any] | None = None,
    episodes: int = 1000,
) -> dict[str, list[Front]]:
    """Fronts of all seeds, by what was shown."""
    return {
        name: [train(hidden, steps, seed, algo, options or {}, episodes) for seed in range(seeds)]
        for name, hidden in (("shown", False), ("hidden", True))
    }


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--algo", default="LinearScalarization")
    args = parser.parse_args()
    print("| hand-written clinician | inr | phenytoin | toxicity | burden | utility |\n|---|---|---|---|---|---|")
    for phenytoin in (False, True):
        for hidden in (False, True):
            mean, error = clinician(hidden, phenytoin)
            drugs = "both drugs" if phenytoin else "warfarin"
            cells = " | ".join(f"{m:.2f} ± {e:.2f}" for m, e in zip(mean, error, strict=True))
            print(f"| {drugs}, genotype {'hidden' if hidden else 'shown'} | {cells} | {mean @ WEIGHTS:.2f} |")
    budget = f"{args.algo}, {args.steps:,} days, {args.seeds} seeds"
    print(f"\n| {budget} | utility | hypervolume | best inr | best phenytoin |")
    print("|---|---|---|---|---|")
    fronts = study(args.steps, args.seeds, args.algo)
    for name, found in fronts.items():
        rows = np.array([[(f.points @ WEIGHTS).max(), volume(f), *f.points[:, :2].max(axis=0)] for f in found])
        spread = rows.std(0, ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else np.full(4, np.nan)
        cells = " | ".join(f"{m:.3f} ± {e:.3f}" for m, e in zip(rows.mean(0), spread, strict=True))
        print(f"| genotype {name} | {cells} |")
    for name, found in fronts.items():
        print(f"\nfronts, genotype {name}:")
        for seed, front in enumerate(found):
            print(f"seed {seed}: " + "; ".join("(" + ", ".join(f"{x:.1f}" for x in p) + ")" for p in front.points))


if __name__ == "__main__":
    main()

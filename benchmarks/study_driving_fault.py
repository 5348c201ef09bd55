"""Negative transfer in Driving: one objective's reward channel is faulty in training. What happens to the *others*?

An agent learns a set of trade-offs while objective k is noise-ridden, silent or sign-flipped (`FaultyReward`); its
policies are then measured on the sound environment. Shown are, relative to training on sound rewards, the hypervolume
of the other objectives alone (below 1 is negative transfer, above 1 the fault *helped* them) and of all four.

    OMP_NUM_THREADS=1 python benchmarks/study_driving_fault.py [--steps 3000000] [--seeds 3] [--algo ParetoEvolution]
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import morl
from morl.agents import registry
from morl.envs.wrappers.faulty import VectorFaultyReward
from morl.pareto import Front
from morl.pareto.indicators import hypervolume, nondominated_mask

MODES = ("noise", "zero", "flip")
SIGMA = {"progress": 1.0, "safety": 5.0, "comfort": 3.0, "energy": 5.0}
"""Standard deviation of the noise per step, several times what an ordinary step pays."""
REFERENCE = np.array([0.0, -60.0, -250.0, -500.0])
"""Discounted returns that any purposeful driving exceeds; tighter than the environment's, to see differences."""


def train(fault: tuple[str, str] | None, steps: int, seed: int, algo: str, options: dict[str, Any]) -> Front:
    """The front, measured on sound rewards, of an agent trained with ``fault`` = (objective, mode) or without."""
    env: Any = morl.make_vec("morl/Driving-v0", int(options.get("n_envs", 100)), autoreset_mode="SAME_STEP")
    if fault is not None:
        env = VectorFaultyReward(env, fault[0], fault[1], SIGMA[fault[0]])
    agent = registry.get(algo)(env, seed=seed, **options)
    agent.learn(steps)
    with tempfile.TemporaryDirectory() as folder:
        agent.save(Path(folder) / "agent")
        sound = morl.agents.load(Path(folder) / "agent", morl.make("morl/Driving-v0"))
    return sound.front(episodes=48, seed=seed)


def volume(front: Front, columns: list[int]) -> float:
    """Hypervolume of some columns above :data:`REFERENCE`."""
    points = front.points[:, columns]
    inside = points[(points > REFERENCE[columns]).all(axis=1)]
    return hypervolume(inside[nondominated_mask(inside)], REFERENCE[columns]) if len(inside) else 0.0


def study(
    steps: int = 3_000_000,
    seeds: int = 3,
    algo: str = "ParetoEvolution",
    objectives: tuple[str, ...] = tuple(SIGMA),
    modes: tuple[str, ...] = MODES,
    options: dict[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """One row per fault: mean and standard error over seeds of the relative hypervolumes, paired by seed."""
    options = {"episodes": 4, "population": 60} if options is None else options
    names = list(SIGMA)
    sound = [train(None, steps, seed, algo, options) for seed in range(seeds)]
    for objective, mode in itertools.product(objectives, modes):
        others = [i for i, name in enumerate(names) if name != objective]
        kept, total, best = [], [], []
        for seed in range(seeds):
            front = train((objective, mode), steps, seed, algo, options)
            kept.append(volume(front, others) / max(volume(sound[seed], others), 1e-12))
            total.append(volume(front, [0, 1, 2, 3]) / max(volume(sound[seed], [0, 1, 2, 3]), 1e-12))
            k = names.index(objective)
            best.append(front.points[:, k].max() - sound[seed].points[:, k].max())
        error = float(np.std(kept, ddof=1) / np.sqrt(seeds)) if seeds > 1 else float("nan")
        yield {
            "faulty": objective,
            "mode": mode,
            "others": float(np.mean(kept)),
            "error": error,
            "all": float(np.mean(total)),
            "best of the faulty one": float(np.mean(best)),
        }


HEAD = "| faulty objective | fault | volume of the others | of all four | best value of the faulty one, change |"


def line(row: dict[str, Any]) -> str:
    """A row as Markdown."""
    return (
        f"| {row['faulty']} | {row['mode']} | {row['others']:.2f} ± {row['error']:.2f} | {row['all']:.2f} "
        f"| {row['best of the faulty one']:+.1f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3_000_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--algo", default="ParetoEvolution")
    args = parser.parse_args()
    print(f"{HEAD}\n|---|---|---|---|---|")
    for row in study(args.steps, args.seeds, args.algo):
        print(line(row), flush=True)


if __name__ == "__main__":
    main()

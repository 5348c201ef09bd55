"""Steps per core-second of the science environments' native vector form, against the bars they were built for.

One process, one thread, CPU time; random valid actions prepared beforehand; the median of five runs. To add an
environment, add a line to :data:`ROWS`.

    OMP_NUM_THREADS=1 python benchmarks/science_throughput.py [--envs 64] [--only Driving] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import morl


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        id: environment.
        bar: steps per core-second at 64 parallel environments that it must reach, or ``None``.
        steps: vector steps of one run.
        unit: what a step is.
        options: arguments of the environment.
    """

    id: str
    bar: float | None
    steps: int = 2000
    unit: str = "steps"
    options: dict[str, Any] = field(default_factory=dict)


ROWS = (
    Row("morl/Driving-v0", 300_000),
    Row("morl/Driving-v0", None, options={"compiled": False}, steps=200),
    Row("morl/CarFollowingLQ-v0", None),
    Row("morl/MultiDrugDosing-v0", 20_000, 200, "days"),
    Row("morl/MultiDrugDosing-v0", None, 20, "days", {"compiled": False}),
    Row("morl/Portfolio-v0", None),
    Row("morl/SpeakerCommand-v0", None),
    Row("morl/MoleculeRelaxation-v0", 100_000, options={"n": 4}),
    Row("morl/MoleculeRelaxationLJ-v0", 100_000, options={"n": 8}),
    Row("morl/HPFolding-v0", 1_000_000),
    Row("morl/HPFolding3D-v0", 1_000_000),
    Row("morl/ExperimentDesign-v0", None),
    Row("morl/SequenceLabelling-v0", None),
    Row("morl/ActiveScan-v0", None),
)


def run(row: Row, num_envs: int, repeats: int = 5) -> list[float]:
    """Steps per CPU-second of each repeat."""
    env = morl.make_vec(row.id, num_envs, **row.options)
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(64)]
    for action in actions[:8]:
        env.step(action)  # compiled code is loaded here
    rates = []
    for _ in range(repeats):
        begin = time.process_time()
        for i in range(row.steps):
            env.step(actions[i & 63])
        rates.append(num_envs * row.steps / (time.process_time() - begin))
    env.close()
    return rates


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--envs", type=int, default=64)
    parser.add_argument("--only", default="", help="part of an id")
    parser.add_argument("--profile", action="store_true", help="where the time goes, by function")
    args = parser.parse_args()
    print(f"| environment, {args.envs} parallel environments | per core-second | lowest to highest | bar | ratio |")
    print("|---|---|---|---|---|")
    for row in ROWS:
        if args.only not in row.id:
            continue
        if args.profile:
            profile = cProfile.Profile()
            profile.runcall(run, row, args.envs, 1)
            pstats.Stats(profile).sort_stats("tottime").print_stats(12)
            continue
        rates = run(row, args.envs)
        middle = statistics.median(rates)
        options = "".join(f", {key}={value}" for key, value in row.options.items())
        bar, ratio = ("", "") if row.bar is None else (f"{row.bar:,.0f}", f"{middle / row.bar:.1f}")
        spread = f"{min(rates):,.0f}–{max(rates):,.0f}"
        print(f"| {row.id}{options} | {middle:,.0f} {row.unit} | {spread} | {bar} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()

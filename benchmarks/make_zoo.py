"""Train the runs that ship with the package, and put them into `morl/zoo/shipped`.

python benchmarks/make_zoo.py              # all of them: some minutes on one core
python benchmarks/make_zoo.py fruit-tree   # some of them; a run that is there already is made again
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

from morl.runs import RunConfig, train
from morl.runs.zoo import SHIPPED
from morl.zoo import push

RUNS: dict[str, tuple[str, RunConfig]] = {
    "deep-sea-treasure": (
        "All ten treasures, also those that no linear weight finds; one table of sets of value vectors.",
        RunConfig("ParetoQLearning", "morl/DeepSeaTreasureConcave-v0", 30_000),
    ),
    "deep-sea-treasure-envelope": (
        "One network for every linear preference (Yang et al., 2019), with values that `morl explain` shows.",
        RunConfig("Envelope", "morl/DeepSeaTreasure-v0", 20_000),
    ),
    "fruit-tree": (
        "Six objectives, 64 fruits; one network that is told which returns are wanted (Reymond et al., 2022).",
        RunConfig("PCN", "morl/FruitTree-v0", 100_000),
    ),
    "minecart": (
        "Ores and fuel, measured in episodes of random mines; sequences of actions from evolution.",
        RunConfig("ParetoEvolution", "morl/Minecart-v0", 6_000_000),
    ),
    "dosing": (
        "Two drugs for one patient: small networks from evolution, each with its own trade-off.",
        RunConfig("ParetoEvolution", "morl/MultiDrugDosing-v0", 1_000_000, options={"population": 40}),
    ),
}


def main() -> int:
    """Train and push."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="runs to make; all by default")
    names = parser.parse_args().names or list(RUNS)
    for name in names:
        about, config = RUNS[name]
        with tempfile.TemporaryDirectory() as place:
            run = train(config, place, name=name)
            if (SHIPPED / name).exists():
                shutil.rmtree(SHIPPED / name)
            seconds = run.status["seconds"]
            card = push(run, SHIPPED, licence="MIT", about=about)
        size = sum(file.stat().st_size for file in Path(SHIPPED / name).rglob("*") if file.is_file())
        print(f"{name}: {card.points} points, hypervolume {card.hypervolume}, {size / 1e3:.0f} kB, {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

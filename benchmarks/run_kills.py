"""Runs killed with SIGKILL at random moments of their lives, and resumed, beside runs that were never stopped.

    python benchmarks/run_kills.py --kills 50

Moments are spread evenly over the life of a run: learning, saving, and also while its front is measured; every fourth
kill comes as soon as the first file of the front is there, so that the rest is not. Each run is killed once (and again
while it is resumed, in every third case), then goes on to its end. Prints where the kills fell, and how many runs ended
with the parameters and the front of the run that was never stopped, bit for bit. Exit code 1 where one did not.
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from morl.runs import RunConfig, RunFolder, load_agent, resume, train
from morl.spec import RunError
from morl.testing.agents import digest

CONFIGS = (
    RunConfig("PCN", "morl/FruitTree-v0", 40_000, checkpoint_every=5_000),
    RunConfig("ParetoEvolution", "morl/MountainCar-v0", 4_000, checkpoint_every=1_000, episodes=60, eval_share=0.4),
)
"""One with a network; one whose front is sampled for as long as it learns."""


def live(config: RunConfig, root: str) -> None:
    """Begin a run or go on with it, whatever is there of it."""
    warnings.simplefilter("ignore")
    folder = Path(root) / "r"
    try:
        run = RunFolder.open(folder)
    except RunError:  # killed before there was a configuration
        shutil.rmtree(folder, ignore_errors=True)
        train(config, root, name="r")
        return
    resume(run, clean=True)


def result(folder: Path) -> tuple[str, str]:
    """The parameters and the front, without the seconds that it took."""
    run = RunFolder.open(folder)
    front = run.front().to_dict()
    for clock in ("seconds", "compile_seconds"):
        front["provenance"].pop(clock, None)
    return digest(load_agent(run)), json.dumps(front, sort_keys=True)


def phase(folder: Path, steps: int) -> str:
    """Where a run was when it was killed."""
    if not (folder / "config.json").exists():
        return "before its configuration"
    run = RunFolder.open(folder)
    if run.state == "finished":
        return "after its end"
    if (folder / "front.csv").exists() or (folder / "front.json").exists():
        return "while its front was written"
    rows = run.metrics()
    learned = max((row["step"] for row in rows), default=0)
    return "while its front was measured" if learned >= steps else "while it learned"


def killed(context: Any, config: RunConfig, root: Path, moment: float | None) -> None:
    """Let a run live until the moment, in seconds of its life, and kill it; ``None``: while its front is written."""
    process = context.Process(target=live, args=(config, str(root)))
    process.start()
    while moment is None and process.is_alive() and not (root / "r" / "front.csv").exists():
        time.sleep(0.0005)
    process.join(0.0 if moment is None else moment)
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()


def main() -> int:
    """Run, kill, resume, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng, context, same = random.Random(given.seed), multiprocessing.get_context("fork"), 0
    where: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as place:
        whole: dict[str, tuple[tuple[str, str], float]] = {}
        for config in CONFIGS:  # the first compiles
            for number in range(2):
                root, began = Path(place) / f"{config.algo}-{number}", time.monotonic()
                process = context.Process(target=live, args=(config, str(root)))
                process.start()
                process.join()
                whole[config.algo] = (result(root / "r"), time.monotonic() - began)
        for number in range(given.kills):
            config, root = CONFIGS[number % len(CONFIGS)], Path(place) / f"killed-{number}"
            expected, seconds = whole[config.algo]
            for _ in range(2 if number % 3 == 2 else 1):
                killed(context, config, root, None if number % 8 in (3, 6) else rng.uniform(0.0, 0.9) * seconds)
                where[phase(root / "r", config.steps)] += 1
            while RunFolder.open(root / "r").state != "finished" if (root / "r" / "config.json").exists() else True:
                killed(context, config, root, 600.0)
            ended = result(root / "r") == expected
            same += ended
            print(f"{config.algo} {number}: {'the same' if ended else 'ANOTHER RESULT'}", flush=True)
    for what, count in where.most_common():
        print(f"killed {what}: {count}")
    print(f"{same} of {given.kills} runs ended as those that were never stopped, bit for bit")
    return int(same < given.kills)


if __name__ == "__main__":
    sys.exit(main())

"""A study of 3 algorithms × 3 environments × 5 seeds, killed again and again, beside one that was never stopped.

    python benchmarks/study_kills.py                    # five kills: some minutes on two cores
    python benchmarks/study_kills.py --steps 300 --kills 10

SIGKILL goes to the whole process group, at random moments of the study's life. Prints where it was each time, and
whether every row of the table but seconds, versions and hardware is the same, bit for bit. Exit code 1 where not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import morl
from morl.studies import Study

ALGORITHMS = ["ParetoQLearning", "MultiWeightQLearning", "VectorQLambda"]
ENVIRONMENTS = ["morl/DeepSeaTreasure-v0", "morl/DeepSeaTreasureConcave-v0", "morl/DeepSeaTreasureMirrored-v0"]


def main() -> int:
    """Run both, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="run the study there, and nothing else")
    given = parser.parse_args()
    spec = {"name": "kills", "algorithms": ALGORITHMS, "environments": ENVIRONMENTS, "steps": given.steps}
    if given.folder is not None:
        return int(bool(morl.study(spec, given.folder, jobs=given.jobs).failures))
    with tempfile.TemporaryDirectory() as place:
        began = time.monotonic()
        whole = morl.study(spec, Path(place) / "whole", jobs=given.jobs)
        seconds = time.monotonic() - began
        print(f"never stopped: {len(whole.spec.cells())} cells, {len(whole.table)} rows, {seconds:.0f} s", flush=True)
        parts, rng = Path(place) / "parts", random.Random(1)
        command = [
            sys.executable,
            __file__,
            "--folder",
            str(parts),
            "--steps",
            str(given.steps),
            "--jobs",
            str(given.jobs),
        ]
        for number in range(given.kills):
            process = subprocess.Popen(command, start_new_session=True)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.5, 1.5) * seconds / given.kills)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            begun = len(list((parts / "cells").glob("*/config.json")))
            ended = len(list((parts / "cells").glob("*/machine.json")))
            print(f"kill {number + 1}: {ended} cells ended, {begun - ended} broken off", flush=True)
        subprocess.run(command, check=True)
        same = Study.open(parts).table.results().rows == whole.table.results().rows
    print("the tables are the same, bit for bit" if same else "THE TABLES DIFFER")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())

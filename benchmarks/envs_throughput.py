"""Steps per second of the finite environments against MO-Gymnasium, measured in the same run.

    python benchmarks/envs_throughput.py [--repeats 5] [--seconds 0.3] [--only fruit]

Random actions drawn beforehand, medians over repeats that alternate between the two; MO-Gymnasium's vector environment
is its own sync one. Also the time and memory that building four-room's model takes. Needs the extra `mo-gymnasium`.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import morl

PAIRS = {
    "morl/DeepSeaTreasure-v0": "deep-sea-treasure-v0",
    "morl/DeepSeaTreasureConcave-v0": "deep-sea-treasure-concave-v0",
    "morl/DeepSeaTreasureMirrored-v0": "deep-sea-treasure-mirrored-v0",
    "morl/FruitTree-v0": "fruit-tree-v0",
    "morl/ResourceGathering-v0": "resource-gathering-v0",
    "morl/BreakableBottles-v0": "breakable-bottles-v0",
    "morl/Fishwood-v0": "fishwood-v0",
    "morl/FourRoom-v0": "four-room-v0",
}
BARS = {1: 2.0, 64: 10.0, 4096: 100.0}
_TABLE = 512


def single(env: Any) -> Callable[[float], float]:
    """A function that steps for some seconds and returns steps per CPU-second."""
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(_TABLE)]

    def run(seconds: float) -> float:
        count, begun = 0, time.process_time()
        while time.process_time() - begun < seconds:
            for action in actions:
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset()
            count += _TABLE
        return count / (time.process_time() - begun)

    return run


def vector(env: Any) -> Callable[[float], float]:
    """The same for a vector environment; each of its environments counts."""
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(16)]

    def run(seconds: float) -> float:
        count, begun = 0, time.process_time()
        while time.process_time() - begun < seconds:
            for action in actions:
                env.step(action)
            count += len(actions) * env.num_envs
        return count / (time.process_time() - begun)

    return run


def peer_vector(peer: str, n: int) -> Any:
    """mo-gymnasium's own vector environment."""
    import mo_gymnasium
    from mo_gymnasium.wrappers.vector import MOSyncVectorEnv

    return MOSyncVectorEnv([lambda: mo_gymnasium.make(peer) for _ in range(n)])


def compare(ours: Callable[[float], float], theirs: Callable[[float], float], repeats: int, seconds: float) -> Any:
    """Median steps per second of both, measured in turns."""
    ours(seconds / 4)
    theirs(seconds / 4)
    pairs = [(ours(seconds), theirs(seconds)) for _ in range(repeats)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def four_room() -> None:
    """Seconds and peak memory of building the largest model, in a process of its own."""
    code = (
        "import time, resource; from morl.envs.classic.four_room import four_room; t = time.perf_counter();"
        "p = four_room(); print(p.momdp.n_states, time.perf_counter() - t,"
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    states, seconds, kib = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    print(f"four-room model: {states} states in {float(seconds):.2f} s, peak {int(kib) / 2**20:.2f} GiB")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    import mo_gymnasium

    print(f"{'environment':34} {'parallel':>6} {'ours /s':>12} {'MO-Gym. /s':>12} {'ratio':>8}  bar")
    missed = 0
    for ours, theirs in PAIRS.items():
        if options.only not in theirs:
            continue
        for n, bar in BARS.items():
            if n == 1:
                pair = single(morl.make(ours)), single(mo_gymnasium.make(theirs))
            else:
                pair = vector(morl.make_vec(ours, n)), vector(peer_vector(theirs, n))
            a, b = compare(*pair, options.repeats, options.seconds)
            missed += a / b < bar
            print(f"{ours:34} {n:6d} {a:12,.0f} {b:12,.0f} {a / b:8.1f}x  {bar:g}x {'' if a / b >= bar else 'MISSED'}")
    four_room()
    print(f"{missed} bars missed; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()

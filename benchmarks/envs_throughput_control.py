"""Steps per second of the control environments, each against its peer in the same run.

    python benchmarks/envs_throughput_control.py [--repeats 5] [--seconds 0.3] [--only minecart]

Random actions drawn beforehand, medians over repeats that alternate between the two. Ours with batched dynamics are
measured against mo-gymnasium (single, and its own sync vector environment); MuJoCo tasks against Gymnasium's own
environment with its default wrappers; and the process-parallel vector environment on two cores against one, in
wall-clock time. Needs the extras `mo-gymnasium` and `mujoco`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from envs_throughput import compare, peer_vector, single, vector

import morl
from morl.envs.vector import AsyncVectorEnv

PAIRS = {
    "morl/Minecart-v0": ("minecart-v0", {1: 1.5, 64: 20.0, 4096: 0.0}),
    "morl/MinecartDeterministic-v0": ("minecart-deterministic-v0", {1: 1.5, 64: 20.0, 4096: 0.0}),
    "morl/MountainCar-v0": ("mo-mountaincar-v0", {1: 1.5, 64: 5.0, 4096: 0.0}),
    "morl/MountainCarTimeSpeed-v0": ("mo-mountaincar-timespeed-v0", {1: 1.5, 64: 5.0}),
    "morl/MountainCarTimeMove-v0": ("mo-mountaincar-timemove-v0", {1: 1.5, 64: 5.0}),
    "morl/MountainCarContinuous-v0": ("mo-mountaincarcontinuous-v0", {1: 0.0, 64: 5.0}),
    "morl/WaterReservoir-v0": ("water-reservoir-v0", {1: 1.5, 64: 20.0, 4096: 0.0}),
}
"""Peer, and for each number of copies the least ratio wanted; 0 where none is."""

MUJOCO = ("Hopper-v5", "HalfCheetah-v5", "Walker2d-v5", "Ant-v5", "Swimmer-v5", "Humanoid-v5")


def report(name: str, copies: str, ours: float, peer: float, bar: float) -> bool:
    """Print a line; true where the bar is missed."""
    missed = ours / peer < bar
    wanted = f"{bar:g}x {'MISSED' if missed else ''}" if bar else ""
    print(f"{name:34} {copies:>8} {ours:12,.0f} {peer:12,.0f} {ours / peer:8.2f}x  {wanted}", flush=True)
    return missed


def wall(env: Any) -> Callable[[float], float]:
    """Steps per second of wall-clock time, over all copies."""
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(16)]

    def run(seconds: float) -> float:
        count, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            for action in actions:
                env.step(action)
            count += len(actions) * env.num_envs
        return count / (time.perf_counter() - begun)

    return run


def parallel(name: str, copies: int, repeats: int, seconds: float) -> tuple[float, float]:
    """Two worker processes against one, in turns."""
    makers = [partial(morl.make, name)] * copies
    two, one = AsyncVectorEnv(makers, num_workers=2), AsyncVectorEnv(makers, num_workers=1)
    try:
        return compare(wall(two), wall(one), repeats, seconds)
    finally:
        two.close()
        one.close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    gymnasium.logger.min_level = gymnasium.logger.ERROR
    import mo_gymnasium

    print(f"{'environment':34} {'copies':>8} {'ours /s':>12} {'peer /s':>12} {'ratio':>9}  bar")
    missed = 0
    wanted = options.only.lower()
    for name, (peer, bars) in PAIRS.items():
        for n, bar in bars.items() if wanted in name.lower() else ():
            if n == 1:
                pair = single(morl.make(name)), single(mo_gymnasium.make(peer))
            else:
                pair = vector(morl.make_vec(name, n)), vector(peer_vector(peer, n))
            missed += report(name, str(n), *compare(*pair, options.repeats, options.seconds), bar)
    for name in MUJOCO:
        if wanted in name.lower():
            pair = single(morl.make(f"morl/{name}")), single(gymnasium.make(name))
            missed += report(f"morl/{name}", "1", *compare(*pair, 3 * options.repeats, options.seconds), 0.95)
    if wanted in "morl/halfcheetah-v5":
        rates = parallel("morl/HalfCheetah-v5", 16, options.repeats, max(options.seconds, 1.0))
        missed += report("morl/HalfCheetah-v5, 2 workers : 1", "16", *rates, 1.6)
    print(f"{missed} bars missed; medians of {options.repeats} (MuJoCo {3 * options.repeats}) repeats")


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()

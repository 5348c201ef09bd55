"""Steps per second of the control environments, each against its peer in the same run.

    python benchmarks/envs_throughput_control.py [--repeats 5] [--seconds 0.3] [--only minecart]

Random actions drawn beforehand, medians over repeats that alternate between the two. Ours with batched dynamics are
measured against mo-gymnasium (single, and its own sync vector environment); MuJoCo tasks against Gymnasium's own
environment with its default wrappers.

The process-parallel vector environment is measured in wall-clock time: two workers on two cores against the same two
on one core, and against one worker. Two virtual cores are sometimes one physical core, so the last line says what two
processes that do not know each other make of the machine in the same minutes: no two workers can do better.
Needs the extras `mo-gymnasium` and `mujoco`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from envs_throughput import compare, peer_vector, single, vector

import morl
from morl.envs.vector import AsyncVectorEnv, SyncVectorEnv

PAIRS = {
    "morl/Minecart-v0": ("minecart-v0", {1: 1.5, 64: 20.0, 4096: 0.0}),
    "morl/MinecartDeterministic-v0": ("minecart-deterministic-v0", {1: 1.5, 64: 20.0, 4096: 0.0}),
    "morl/MountainCar-v0": ("mo-mountaincar-v0", {1: 1.5, 64: 5.0, 4096: 0.0}),
    "morl/MountainCarTimeSpeed-v0": ("mo-mountaincar-timespeed-v0", {1: 1.5, 64: 5.0}),
    "morl/MountainCarTimeMove-v0": ("mo-mountaincar-timemove-v0", {1: 1.5, 64: 5.0}),
    "morl/MountainCarContinuous-v0": ("mo-mountaincarcontinuous-v0", {1: 0.0, 64: 5.0}),
    "morl/WaterReservoir-v0": ("water-reservoir-v0", {1: 1.5, 64: 20.0, 4096: 0.0}),
}
"""MO-Gymnasium's id, and for each number of parallel environments the least ratio wanted; 0 where none is."""

MUJOCO = ("Hopper-v5", "HalfCheetah-v5", "Walker2d-v5", "Ant-v5", "Swimmer-v5", "Humanoid-v5")


def report(name: str, copies: str, ours: float, peer: float, bar: float) -> bool:
    """Print a line; true where the bar is missed."""
    missed = ours / peer < bar
    wanted = f"{bar:g}x {'MISSED' if missed else ''}" if bar else ""
    print(f"{name:34} {copies:>8} {ours:12,.0f} {peer:12,.0f} {ours / peer:8.2f}x  {wanted}", flush=True)
    return missed


def wall(env: Any) -> Callable[[float], float]:
    """Steps per second of wall-clock time, over all parallel environments."""
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


def parallel(name: str, copies: int, repeats: int, seconds: float) -> list[tuple[str, float, float]]:
    """The process-parallel environment: label, and steps per second of two and of one, medians of turns."""
    cores = set(sorted(os.sched_getaffinity(0))[:2])
    makers, half = [partial(morl.make, name)] * copies, [partial(morl.make, name)] * (copies // 2)
    two = _Runner(cores, partial(AsyncVectorEnv, makers, num_workers=2))
    confined = _Runner({min(cores)}, partial(AsyncVectorEnv, makers, num_workers=2))
    one = _Runner(cores, partial(AsyncVectorEnv, makers, num_workers=1))
    strangers = [_Runner({core}, partial(SyncVectorEnv, half)) for core in cores]
    turns = [[two], [confined], [one], strangers, strangers[:1]]
    rates = [[_together(runners, seconds) for runners in turns] for _ in range(repeats)]
    for runner in (two, confined, one, *strangers):
        runner.close()
    on_two, on_one, by_one, both, alone = np.median(rates, axis=0).tolist()
    return [("2 cores : 1 core", on_two, on_one), ("2 workers : 1", on_two, by_one), ("strangers 2 : 1", both, alone)]


class _Runner:
    """A process that is kept on some cores and steps a vector environment when told for how long."""

    def __init__(self, cores: set[int], make: Callable[[], Any]) -> None:
        self.pipe, there = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=_run, args=(there, cores, make))
        self.process.start()

    def close(self) -> None:
        """End it."""
        self.pipe.send(None)
        self.process.join()


def _run(pipe: Any, cores: set[int], make: Callable[[], Any]) -> None:
    os.sched_setaffinity(0, cores)
    env = make()
    run = wall(env)
    while (seconds := pipe.recv()) is not None:
        pipe.send(run(seconds))
    env.close()


def _together(runners: list[_Runner], seconds: float) -> float:
    for runner in runners:
        runner.pipe.send(seconds)
    return sum(float(runner.pipe.recv()) for runner in runners)


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

    print(f"{'environment':34} {'parallel':>8} {'ours /s':>12} {'MO-Gym. /s':>12} {'ratio':>9}  bar")
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
        rows = parallel("morl/HalfCheetah-v5", 16, 5 * options.repeats, options.seconds)
        for (label, ours, peer), bar in zip(rows, (1.6, 1.6, 0.0), strict=True):
            missed += report(f"HalfCheetah, {label}", "16", ours, peer, bar)
    counts = f"{options.repeats} (MuJoCo {3 * options.repeats}, two cores {5 * options.repeats})"
    print(f"{missed} bars missed; medians of {counts} repeats")


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()

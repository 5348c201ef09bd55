"""What Ray adds to a task, what a second worker brings, and how the driver bears ten thousand tasks (extra `ray`).

    python benchmarks/ray_tasks.py

Overhead: seconds of 400 tasks that do nothing, one after the other on one worker, by the number of tasks; and the
same in a pool of processes. Two workers: tasks of some seconds of arithmetic, with one worker and with two; needs two
idle cores. Ten thousand: tasks that sleep for 2 ms on 16 simulated cores; seconds, and the driver's memory. Workers are
started before anything is timed.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from morl.engines import Engine, Processes, RayEngine, Silent


def nothing(task: int, report: Callable[[int], None]) -> int:
    """The empty task."""
    return task


def nap(task: int, report: Callable[[int], None]) -> int:
    """A task that waits for something else than the processor."""
    time.sleep(0.002)
    return task


def long_nap(task: int, report: Callable[[int], None]) -> int:
    """A task so long that every worker starts."""
    time.sleep(2.0)
    return task


def work(rounds: int, report: Callable[[int], None]) -> float:
    """A task that keeps one core busy."""
    value = 0.5
    for _ in range(rounds):
        value = 3.7 * value * (1.0 - value)
    return value


def timed(engine: Engine, function: Any, tasks: list[int]) -> float:
    """Seconds; all tasks must have come to their end."""
    began = time.monotonic()
    outcomes = engine.run(function, tasks, Silent())
    assert all(one.error is None for one in outcomes), next(one.error for one in outcomes if one.error)
    return time.monotonic() - began


def on_ray(cores: int, measure: Callable[[RayEngine], None]) -> None:
    """A cluster of so many cores on this machine, started and warm."""
    import ray

    here = os.path.dirname(os.path.abspath(__file__))
    os.environ["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    ray.init(num_cpus=cores, log_to_driver=False, include_dashboard=False)
    try:
        engine = RayEngine()
        engine.run(long_nap, list(range(2 * cores)), Silent())
        measure(engine)
    finally:
        ray.shutdown()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=80_000_000, help="of arithmetic in a task")
    parser.add_argument("--skip-workers", action="store_true", help="leave out what needs two idle cores")
    given = parser.parse_args()
    seconds: dict[str, float] = {}

    def overhead(engine: RayEngine) -> None:
        seconds["one"] = timed(engine, nothing, list(range(400)))
        seconds["1 worker"] = 0.0 if given.skip_workers else timed(engine, work, [given.rounds] * 8)

    def two(engine: RayEngine) -> None:
        seconds["2 workers"] = timed(engine, work, [given.rounds] * 8)

    def many(engine: RayEngine) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds["many"] = timed(engine, nap, list(range(given.tasks)))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"{given.tasks:,} tasks: {seconds['many']:.1f} s, {1e3 * seconds['many'] / given.tasks:.2f} ms a task; "
              f"the driver grew by {grown:.0f} MB")  # fmt: skip

    on_ray(1, overhead)
    print(f"overhead of Ray: {1e3 * seconds['one'] / 400:.1f} ms a task")
    pool = timed(Processes(1), nothing, list(range(400)))
    print(f"a pool of one process, with its start: {1e3 * pool / 400:.1f} ms a task")
    if not given.skip_workers:
        on_ray(2, two)
        print(f"two workers: {seconds['1 worker'] / seconds['2 workers']:.2f} times one "
              f"({seconds['1 worker']:.1f} s and {seconds['2 workers']:.1f} s)")  # fmt: skip
    on_ray(16, many)
    return 0


if __name__ == "__main__":
    sys.exit(main())

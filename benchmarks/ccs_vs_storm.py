"""This library against Storm, same models and same precision asked for, one thread, measured in the same run.

    OMP_NUM_THREADS=1 python benchmarks/ccs_vs_storm.py            # all tables, up to half an hour, nearly all Storm's
    OMP_NUM_THREADS=1 python benchmarks/ccs_vs_storm.py --quick    # the small instances only
    OMP_NUM_THREADS=1 python benchmarks/ccs_vs_storm.py --only scheduler grid

Storm has two methods: its default, which is the faster one and does not guarantee the precision (it often reports that
it was not reached), and ``sound``, which does, as we do. Both are measured. A precision p is a Euclidean distance for
Storm and ε = p / √K here: ε in every objective is at most p away. Each round runs the three of them one after the
other; a row shows the medians, the ratios of the rounds (median, least and most), the vertices found, and how far the
coverage sets are apart (the largest difference of the best weighted return, over weights of length 1).

Times are CPU seconds of the one thread. Building the models is excluded for both, and so is the compilation of
our kernels, which is shown apart (it happens once per user, then comes from the disk).
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from instances import mud_grid, random_momdp, scheduler, slippery_grid
from storm_peer import storm_best, storm_front, storm_model

from morl.exact import convex_coverage_set, maximise
from morl.momdp import MOMDP
from morl.spec import FloatArray
from morl.utility import Linear

MUD = (4, 19, 17, 1, 1, 16, 18, 1, 13)
"""Costs of the nine cells of the 3×3 grid."""


@dataclass(frozen=True)
class Instance:
    """One row: a coverage set at a precision, or the least of objective 0 with objective 1 bounded."""

    name: str
    build: Callable[[], MOMDP]
    precision: float
    bound: float | None = None
    large: bool = False


RANDOM = [
    Instance(f"random {n},4,{k}", partial(random_momdp, n, 4, k), p, large=n > 1000 or k > 2 or p < 1e-2)
    for n, k, p in (
        (100, 2, 1e-2),
        (100, 2, 1e-3),
        (1000, 2, 1e-1),
        (1000, 2, 1e-2),
        (1000, 2, 1e-3),
        (1000, 3, 1 / 2),
        (1000, 3, 1 / 5),
        (10000, 2, 1e-1),
        (10000, 2, 1e-2),
    )
]
OTHERS = [
    Instance("mud grid 3x3", lambda: mud_grid(3, 0.25, MUD), 1e-6),
    Instance("scheduler 3,212", lambda: scheduler(10), 1e-2, large=True),
    Instance("scheduler 37,088", lambda: scheduler(10, 4), 1e-2, large=True),
    Instance("scheduler 37,088", lambda: scheduler(10, 4), 1e-6, bound=224.0, large=True),
    Instance("grid 100x100", lambda: slippery_grid(100), 1e-2, large=True),
    Instance("grid 316x316", lambda: slippery_grid(316), 1e-1, large=True),
]


def seconds_of(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call (the median, where it is short enough to repeat), and its result."""
    seconds: list[float] = []
    while not seconds or (sum(seconds) < 0.1 and len(seconds) < 5):
        begun = time.process_time()
        result = call()
        seconds.append(time.process_time() - begun)
    return statistics.median(seconds), result


def ours(m: MOMDP, one: Instance) -> tuple[float, FloatArray]:
    """CPU seconds, and the points ``(n, K)`` or the number found."""
    if one.bound is None:
        seconds, front = seconds_of(lambda: convex_coverage_set(m, one.precision / math.sqrt(m.k)))
        assert front.complete
        return seconds, front.points
    bounded = (m.objectives or ())[1].name
    seconds, found = seconds_of(lambda: maximise(m, Linear((1.0, 0.0)), f"{bounded}<={one.bound}"))
    return seconds, np.array(-found.value[0])


def storms(m: MOMDP, model: Any, one: Instance, sound: bool) -> tuple[float, FloatArray]:
    """The same of Storm."""
    if one.bound is None:
        return storm_front(model, m, one.precision, sound)
    seconds, value = storm_best(model, m, 0, 1, one.bound, sound)
    return seconds, np.array(value)


def apart(a: FloatArray, b: FloatArray) -> float:
    """Largest difference of the best weighted return, over a thousand weights of length 1; of numbers, theirs."""
    if a.ndim == 0:
        return abs(float(a - b))
    weights = np.abs(np.random.default_rng(0).standard_normal((1000, a.shape[1])))
    weights = np.vstack([np.eye(a.shape[1]), weights / np.linalg.norm(weights, axis=1, keepdims=True)])
    return float(np.abs((weights @ a.T).max(axis=1) - (weights @ b.T).max(axis=1)).max())


def compare(one: Instance, rounds: int, budget: float) -> tuple[float, float]:
    """Measure and print one row; the median ratios against Storm's default and against its sound method."""
    m = one.build()
    model = storm_model(m)
    times: list[tuple[float, float, float]] = []
    found: list[FloatArray] = []
    while len(times) < rounds and (not times or sum(map(sum, times)) < budget):
        calls = [lambda: ours(m, one), lambda: storms(m, model, one, False), lambda: storms(m, model, one, True)]
        results = [call() for call in calls]
        times.append((results[0][0], results[1][0], results[2][0]))
        found = [result for _, result in results]
    mine, default, sound = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = [sorted(row[i] / row[0] for row in times) for i in (1, 2)]
    if one.bound is None:
        answers = "vertices " + " / ".join(str(len(points)) for points in found)
    else:
        answers = "values " + " / ".join(f"{float(value):.9g}" for value in found)
    shown = [f"{statistics.median(r):7.1f}x ({r[0]:.1f}–{r[-1]:.1f})" for r in ratios]
    task = "" if one.bound is None else " bounded"
    print(
        f"{one.name + task:26} p={one.precision:<7.3g} {mine:9.4f} s {default:9.2f} s {sound:9.2f} s  "
        f"{shown[0]:>24} {shown[1]:>24}  {answers}; apart {apart(found[0], found[1]):.1g}, "
        f"{apart(found[0], found[2]):.1g}; {len(times)} rounds",
        flush=True,
    )
    return statistics.median(ratios[0]), statistics.median(ratios[1])


def load() -> str:
    """How busy the machine is."""
    try:
        return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    except OSError:  # not known on this platform
        return "load unknown"


def main() -> None:
    """Measure what is asked for and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small instances only")
    parser.add_argument("--only", nargs="+", default=[""], help="instances whose name begins with one of these words")
    parser.add_argument("--rounds", type=int, default=5, help="how often each instance is measured, at most")
    parser.add_argument("--budget", type=float, default=60.0, help="CPU seconds that end an instance's rounds")
    args = parser.parse_args()
    begun = time.process_time()
    for k in (2, 3):
        convex_coverage_set(random_momdp(20, 2, k), 0.1)
    convex_coverage_set(slippery_grid(12), 0.1)
    small = scheduler(7)  # large enough for all kernels
    convex_coverage_set(small, 0.0)
    maximise(small, Linear((1.0, 0.0)), "energy<=1000")
    print(f"compiling or loading the kernels: {time.process_time() - begun:.2f} s; {load()}")
    print(
        f"{'instance':26} {'':9} {'morl':>9}   {'Storm':>9}   {'sound':>9}    {'against the default':>24} "
        f"{'against sound':>24}  answers of the three"
    )
    for title, instances in (("random models", RANDOM), ("others", OTHERS)):
        chosen = [
            one
            for one in instances
            if not (args.quick and one.large) and any(one.name.startswith(word) for word in args.only)
        ]
        ratios = [compare(one, args.rounds, args.budget) for one in chosen]
        for name, column in zip(("default", "sound"), zip(*ratios, strict=True), strict=False):
            if title == "random models":
                mean, least = statistics.geometric_mean(column), min(column)
                print(f"{title}: {mean:.0f}x Storm's {name} (geometric mean of {len(column)}), least {least:.0f}x")
    print(load())


if __name__ == "__main__":
    main()

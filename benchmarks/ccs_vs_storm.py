"""Convex coverage sets: this library against Storm, same models, same guaranteed precision, one thread, one run.

    python benchmarks/ccs_vs_storm.py            # the whole table, about ten minutes, nearly all of them Storm's
    python benchmarks/ccs_vs_storm.py --quick    # the small instances only
    python benchmarks/ccs_vs_storm.py --sound    # Storm with its sound solvers instead of its faster default

A precision p is a Euclidean distance for Storm and ε = p / √K here: ε in every objective is at most p away.
Storm's default solver (value iteration) is the faster one and does not guarantee its precision; it is what the
ratios below are against unless ``--sound`` is given. Times are CPU seconds of the one thread, so other work on
the machine disturbs them little; ours are medians. Building the models is excluded on both sides, and so is the
compilation of our kernels, which is shown apart (it happens once per user, then comes from the disk).
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator

from instances import random_momdp, slippery_grid
from storm_peer import storm_front, storm_model

from morl.exact import convex_coverage_set
from morl.momdp import MOMDP

Build = Callable[[], MOMDP]

RANDOM: list[tuple[str, Build, float]] = [
    (f"random {n},4,{k}", lambda n=n, k=k: random_momdp(n, 4, k), p)
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
GRIDS: list[tuple[str, Build, float, float]] = [
    ("grid 100x100", lambda: slippery_grid(100), 1e-2, 4.0),
    ("grid 316x316", lambda: slippery_grid(316), 1e-1, 2.0),
]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Storm prints its warnings from C++; send them away."""
    keep, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(keep, 1)
        os.close(keep)
        os.close(nowhere)


def ours(m: MOMDP, epsilon: float) -> tuple[float, int, float]:
    """Median CPU seconds, number of points and certified ε."""
    front = convex_coverage_set(m, epsilon)
    seconds = []
    while len(seconds) < 3 or (sum(seconds) < 0.5 and len(seconds) < 15):
        begun = time.process_time()
        front = convex_coverage_set(m, epsilon)
        seconds.append(time.process_time() - begun)
    assert front.complete
    assert front.epsilon is not None
    return statistics.median(seconds), len(front), front.epsilon


def compare(name: str, m: MOMDP, p: float, sound: bool) -> float:
    """One line of the table; returns how many times faster we are."""
    epsilon = p / math.sqrt(m.k)
    mine, points, certified = ours(m, epsilon)
    model = storm_model(m)
    with quiet():
        theirs, _ = storm_front(model, m.k, p, sound)
    ratio = theirs / mine
    print(
        f"{name:16} p={p:<7.3g} {mine:9.4f} s {theirs:9.2f} s {ratio:9.1f}x  "
        f"{points:4} points, ε {certified:.3g} of {epsilon:.3g}",
        flush=True,
    )
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sound", action="store_true", help="let Storm use its sound solvers")
    parser.add_argument("--quick", action="store_true", help="small instances only")
    args = parser.parse_args()
    begun = time.process_time()
    for k in (2, 3):
        convex_coverage_set(random_momdp(20, 2, k), 0.1)
    convex_coverage_set(slippery_grid(12), 0.1)
    print(f"compiling or loading the kernels: {time.process_time() - begun:.2f} s")
    print(f"{'instance':16} {'':9} {'morl':>9}   {'Storm':>9}   {'ratio':>9}")
    chosen = [x for x in RANDOM if "10000" not in x[0] and ",3" not in x[0]] if args.quick else RANDOM
    ratios = [compare(name, build(), p, args.sound) for name, build, p in chosen]
    mean = statistics.geometric_mean(ratios)
    print(f"random models: geometric mean {mean:.0f}x (to reach: 200), least {min(ratios):.0f}x (to reach: 15)")
    for name, build, p, bar in [] if args.quick else GRIDS:
        ratio = compare(name, build(), p, args.sound)
        print(f"{'':16} to reach: {bar:g}x, {'reached' if ratio >= bar else 'missed'}")


if __name__ == "__main__":
    main()

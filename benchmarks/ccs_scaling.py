"""How the time for a convex coverage set grows: with states, objectives, precision and 1/(1 − γ).

    python benchmarks/ccs_scaling.py             # curves, plot and table into docs/, about five minutes
    python benchmarks/ccs_scaling.py --large     # only the million-state model and the γ = .999 grid

The dashed line is the least that memory allows: every optimal backup has to read the model once (12 bytes a
nonzero) and every evaluation sweep a quarter of it, at the bandwidth measured at the start of the run.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from instances import random_momdp, slippery_grid
from records import as_json

from morl.exact.coverage.ccs import Coverage
from morl.exact.coverage.weights import prepare
from morl.momdp import MOMDP

DOCS = Path(__file__).resolve().parents[1] / "docs"


def bandwidth() -> float:
    """Bytes per second that one core reads from memory, sequentially."""
    block = np.ones(2**27)
    best = math.inf
    for _ in range(5):
        begun = time.process_time()
        block.sum()
        best = min(best, time.process_time() - begun)
    return block.nbytes / best


def measure(m: MOMDP, epsilon: float, speed: float) -> dict[str, Any]:
    """CPU seconds, points and certificate of one run, and the time that reading the model alone would take."""
    begun = time.process_time()
    search = Coverage(prepare(m), epsilon)
    search.run(math.inf)
    front = search.front(0.0, "done")
    seconds = time.process_time() - begun
    bytes_read = (
        12 * m.transitions.nnz * (search.solver.backups_done + search.solver.sweeps_done * m.n_states / m.n_rows)
    )
    return {
        "seconds": seconds,
        "points": len(front),
        "epsilon": front.epsilon,
        "complete": front.complete,
        "memory_limit": bytes_read / speed,
    }


def curves(speed: float) -> dict[str, list[dict[str, Any]]]:
    """Four curves, each from a point that they share: 10,000 states, K = 2, ε = .01."""
    found: dict[str, list[dict[str, Any]]] = {"states": [], "objectives": [], "epsilon": [], "horizon": []}
    for n in (100, 1000, 10_000, 100_000):
        found["states"].append({"x": n, **measure(random_momdp(n, 4, 2), 0.01, speed)})
    for k in (2, 3, 4, 5, 6):
        found["objectives"].append({"x": k, **measure(random_momdp(1000, 4, k), 0.5, speed)})
    for epsilon in (0.3, 0.1, 0.03, 0.01, 0.003, 0.001):
        found["epsilon"].append({"x": epsilon, **measure(random_momdp(10_000, 4, 2), epsilon, speed)})
    for discount in (0.9, 0.97, 0.99, 0.997, 0.999, 0.9997, 0.9999):
        effective = 1.0 / (1.0 - discount)
        found["horizon"].append(
            {"x": effective, **measure(slippery_grid(100, discount=discount), 1e-3 * effective, speed)}
        )
    return found


def draw(found: dict[str, list[dict[str, Any]]], speed: float) -> None:
    """Plot the curves to docs/exact-scaling.png and write the table beside them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    titles = {
        "states": ("states S", "random, K = 2, ε = .01"),
        "objectives": ("objectives K", "random, S = 1000, ε = .5"),
        "epsilon": ("ε", "random, S = 10,000, K = 2"),
        "horizon": ("1 / (1 − γ)", "grid 100×100, K = 2, ε = .001 / (1 − γ)"),
    }
    figure, axes = pyplot.subplots(1, 4, figsize=(15, 3.6), constrained_layout=True)
    for axis, (key, (label, title)) in zip(axes, titles.items(), strict=True):
        x = [r["x"] for r in found[key]]
        axis.plot(x, [r["seconds"] for r in found[key]], "o-", label="time")
        axis.plot(x, [r["memory_limit"] for r in found[key]], "--", color="grey", label="memory limit")
        for r in found[key]:
            axis.annotate(
                str(r["points"]), (r["x"], r["seconds"]), textcoords="offset points", xytext=(0, 6), fontsize=7
            )
        axis.set(yscale="log", xlabel=label, title=title)
        if key != "objectives":
            axis.set_xscale("log")
        axis.grid(alpha=0.3)
    axes[2].invert_xaxis()
    axes[0].set_ylabel("CPU seconds, one thread")
    axes[0].legend()
    figure.savefig(DOCS / "exact-scaling.png", dpi=130)
    (DOCS / "exact-scaling.json").write_text(as_json({"bytes_per_second": speed, **found}, indent=1) + "\n")
    for key, rows in found.items():
        print(f"\n{key:>12} {'seconds':>9} {'limit':>9} {'points':>7} {'ε':>9}")
        for r in rows:
            print(f"{r['x']:12.6g} {r['seconds']:9.4f} {r['memory_limit']:9.4f} {r['points']:7} {r['epsilon']:9.3g}")


def large(speed: float) -> None:
    """The two hard cases."""
    grid = slippery_grid(100, discount=0.999)
    for epsilon in (1.0, 0.1, 0.01):
        print(f"grid 100x100, γ .999, ε {epsilon:g}: {measure(grid, epsilon, speed)}", flush=True)
    m = random_momdp(1_000_000, 4, 2)
    ends = [measure_range(m)]
    epsilon = 0.01 * min(ends)
    begun = time.perf_counter()
    result = measure(m, epsilon, speed)
    wall = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"S = 1e6, {m.transitions.nnz:,} nonzeros, ε = 1 % of the range = {epsilon:.3g}: {result}")
    print(f"wall {wall:.1f} s (to reach: 40), peak memory {peak:.2f} GiB (to reach: 4), model included")


def measure_range(m: MOMDP) -> float:
    """The smaller of the two objectives' ranges on the front, from the solutions of each alone."""
    search = Coverage(prepare(m), 1.0)
    search._first(math.inf)
    return float(np.ptp(np.array(search.points), axis=0).min())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true")
    args = parser.parse_args()
    speed = bandwidth()
    print(f"memory: {speed / 1e9:.1f} GB/s")
    for k in (2, 3, 4, 5, 6):
        measure(random_momdp(50, 4, k), 1.0, speed)  # compiles
    measure(slippery_grid(20), 1.0, speed)
    if args.large:
        large(speed)
    else:
        draw(curves(speed), speed)


if __name__ == "__main__":
    main()

"""How often the 95 % intervals of a study hold the truth, in simulated studies where that is known.

    python benchmarks/study_coverage.py                       # 1,000 studies each: about five minutes on one core
    python benchmarks/study_coverage.py --studies 200 --seeds 10
    python benchmarks/study_coverage.py --only three

Scores of a seed are drawn from distributions such as studies show: normal, skewed towards failure, heavy-tailed, and
three environments of one each. "failures" has one environment where a quarter of the seeds learns nothing: there few
seeds may see no failure at all, and no interval made of them can know better. The truth is that of a million draws
(the mean is known in closed form as well). A study's width is the median over studies, in units of the scores.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np

from morl.studies.statistics import METHODS, QUARTER, interval, trimmed_mean

Draw = Callable[[np.random.Generator, int], np.ndarray]


def normal(rng: np.random.Generator, n: int) -> np.ndarray:
    """Scores about 0.8."""
    return rng.normal(0.8, 0.1, n)


def skewed(rng: np.random.Generator, n: int) -> np.ndarray:
    """Scores below 1, with a tail downwards."""
    return 1.0 - rng.gamma(2.0, 0.05, n)


def heavy(rng: np.random.Generator, n: int) -> np.ndarray:
    """Scores about 0.7 with outliers on both sides."""
    return 0.7 + 0.05 * rng.standard_t(4, n)


def failing(rng: np.random.Generator, n: int) -> np.ndarray:
    """Good scores, and a quarter of bad ones."""
    return np.where(rng.random(n) < 0.25, rng.normal(0.2, 0.05, n), rng.normal(0.9, 0.05, n))


STUDIES: dict[str, tuple[Draw, ...]] = {
    "normal": (normal,),
    "skewed": (skewed,),
    "heavy tails": (heavy,),
    "three environments": (normal, skewed, heavy),
    "failures": (normal, skewed, failing),
}


def coverage(
    draws: tuple[Draw, ...], cut: float, n: int, studies: int, repetitions: int, methods: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Share of intervals that hold the truth, and their median width, by method."""
    rng = np.random.default_rng(n)
    truth = trimmed_mean([np.concatenate([draw(rng, 1_000_000 // len(draws)) for draw in draws])], cut)
    hits, widths = dict.fromkeys(methods, 0), {method: [] for method in methods}
    for study in range(studies):
        scores = [draw(rng, n) for draw in draws]
        for method in methods:
            found = interval(scores, cut, method=method, repetitions=repetitions, seed=study)
            hits[method] += found.low <= truth <= found.high
            widths[method].append(found.high - found.low)
    return {method: (hits[method] / studies, float(np.median(widths[method]))) for method in methods}


def main() -> None:
    """Simulate and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5, 10])
    parser.add_argument("--only", default="", help="studies whose name holds this")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    given = parser.parse_args()
    print(f"95 % intervals in {given.studies:,} studies: share that holds the truth (median width)\n")
    print("| scores | of | seeds | " + " | ".join(given.methods) + " |\n" + "|---" * (3 + len(given.methods)) + "|")
    for name, draws in STUDIES.items():
        for cut in (QUARTER, 0.0) if given.only in name else ():
            for n in given.seeds:
                found = coverage(draws, cut, n, given.studies, given.repetitions, given.methods)
                cells = " | ".join(f"{share:.3f} ({width:.3f})" for share, width in found.values())
                print(f"| {name} | {'interquartile mean' if cut else 'mean'} | {n} | {cells} |", flush=True)


if __name__ == "__main__":
    main()

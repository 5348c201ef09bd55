"""Draw the pictures of the page on plots, ``docs/images/plots/``: one of each kind, from fronts that are made here.

python docs/make_plots.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from PIL import Image

from morl import Front, Objective
from morl.pareto import plot_fronts
from morl.pareto.plots_attainment import plot_attainment
from morl.pareto.plots_curves import plot_curves

mpl.use("Agg")
FOLDER = Path(__file__).parent / "images" / "plots"
GAIN, COST = Objective("service", "%"), Objective("cost", "EUR", minimise=True)
MANY = [GAIN, COST, Objective("wear"), Objective("comfort"), Objective("range", "km"), Objective("profit", "EUR")]


def ball(n: int, k: int, seed: int = 0, depth: float = 0.0) -> Front:
    """A front of n points around a corner; with ``depth`` its middle lies deeper than any weighted sum looks."""
    rng = np.random.default_rng(seed)
    points = np.abs(rng.normal(size=(n, k)))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points *= 1.0 - depth * np.minimum.reduce(points, axis=1, keepdims=True) * np.sqrt(k)
    low, size = np.array([50, -100, 0, 0, 100, -20.0])[:k], np.array([50, 80, 10, 5, 300, 60.0])[:k]
    return Front(low + points * size, MANY[:k], scale=(low, low + size)).nondominated()


def sampled(front: Front, deviation: float, seed: int, episodes: int = 50) -> Front:
    """The front as measured in episodes that vary."""
    rng, scale = np.random.default_rng(seed), front.scale
    assert scale is not None
    width = deviation * (np.asarray(scale[1]) - np.asarray(scale[0]))
    points = front.points - 0.04 * np.abs(width / deviation) + rng.normal(size=front.points.shape) * width
    covariance = [np.diag(width**2)] * len(front)
    return Front(points, front.objectives, covariance=covariance, episodes=[episodes] * len(front), scale=scale)


def runs(k: int, seeds: int) -> dict[str, list[Front]]:
    """Fronts of two algorithms over seeds."""
    return {
        name: [sampled(ball(14, k, depth=depth), 0.02, 10 * number + seed) for seed in range(seeds)]
        for number, (name, depth) in enumerate({"Envelope": 0.2, "PCN": 0.5}.items())
    }


def curves(seeds: int) -> dict[str, list[tuple[Any, Any]]]:
    """Learning curves of two algorithms."""
    steps, rng = np.geomspace(1e3, 1e6, 30), np.random.default_rng(0)
    return {
        name: [
            (steps, 90 * (1 - np.exp(-steps / (speed * rng.uniform(0.6, 1.6)))) + rng.normal(size=30).cumsum() * 0.3)
            for _ in range(seeds)
        ]
        for name, speed in (("Envelope", 6e4), ("PCN", 2e5))
    }


PICTURES: dict[str, Callable[[], Any]] = {
    "2d": lambda: plot_fronts({"PCN": sampled(ball(14, 2, depth=0.5), 0.01, 1)}, ball(14, 2, depth=0.5)),
    "2d-dark": lambda: plot_fronts(
        {"PCN": sampled(ball(14, 2, depth=0.5), 0.01, 1)}, ball(14, 2, depth=0.5), dark=True
    ),
    "2d-eight": lambda: plot_fronts({f"seed {i}": sampled(ball(9, 2, i), 0.02, i) for i in range(8)}, ball(40, 2)),
    "2d-one": lambda: plot_fronts({"the only policy": ball(1, 2)}),
    "2d-500": lambda: plot_fronts({"500 policies": ball(2000, 2)}),
    "pairs": lambda: plot_fronts({"Envelope": sampled(ball(30, 3), 0.01, 2)}, ball(60, 3)),
    "3d": lambda: plot_fronts({"Envelope": sampled(ball(30, 3), 0.01, 2)}, ball(60, 3), kind="3d"),
    "3d-5000": lambda: plot_fronts({"5,000 policies": ball(5000, 3)}, kind="3d"),
    "pairs-4": lambda: plot_fronts({"CAPQL": ball(40, 4, 1), "GPI-LS": ball(40, 4, 2)}, kind="pairs"),
    "parallel": lambda: plot_fronts({"CAPQL": ball(12, 4, 1), "GPI-LS": ball(12, 4, 2)}),
    "parallel-6": lambda: plot_fronts({"ConditionedPPO": ball(60, 6, 3)}),
    "attainment": lambda: plot_attainment(runs(2, 9)),
    "attainment-dark": lambda: plot_attainment(runs(2, 9), dark=True),
    "curves": lambda: plot_curves(curves(5), levels={"exact front": 95.0}),
}


def main() -> None:
    """Draw all of them."""
    import matplotlib.pyplot as plt

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER)
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        draw()
        figure = plt.gcf()
        drawn = io.BytesIO()
        figure.savefig(drawn, dpi=110, facecolor=figure.get_facecolor())
        plt.close(figure)
        Image.open(drawn).convert("RGB").quantize(96).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()

"""Low energy against high dipole in (NaCl)2: where linear utilities and the worst case end, over several starts.

The same policies, search and budget under nine linear weights, the worst case, and a quantile between them; the
structures they reach are set beside the best known front. Printed as a table; `--plot FILE` draws it.

    OMP_NUM_THREADS=1 python benchmarks/study_molecule_tradeoff.py [--seeds 5] [--generations 120] [--plot front.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from morl.envs.science.molecule import DIPOLE_UNIT, MoleculeDynamics
from morl.envs.science.molecule_fronts import structure_front
from morl.envs.science.molecule_search import cross_entropy
from morl.spec import FloatArray

HIGH, LOW = 12.94, 12.0  # eV: minus the energies that count as 1 and 0
TARGET = 23.0  # D


def normalised(returns: FloatArray, energy: float, gap: float) -> FloatArray:
    """Final stability and closeness, each 0 … 1, from returns that telescope to start minus end."""
    final = np.stack([energy - returns[:, 0], gap - DIPOLE_UNIT * returns[:, 2]], axis=1)
    return np.stack([(-final[:, 0] - LOW) / (HIGH - LOW), 1 - final[:, 1] / TARGET], axis=1)


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--generations", type=int, default=120)
    parser.add_argument("--population", type=int, default=256)
    parser.add_argument("--plot", default=None)
    args = parser.parse_args()
    front = structure_front(2)
    unit = np.stack([(front.points[:, 0] - LOW) / (HIGH - LOW), 1 + front.points[:, 1] / TARGET], axis=1)
    print(f"best known structures: {len(front)} points, largest worst objective {unit.min(axis=1).max():.3f}\n")
    utilities: dict[str, Callable[[FloatArray], FloatArray]] = {
        f"linear {w:.1f}": (lambda f, w=w: f @ [1 - w, w]) for w in np.linspace(0.1, 0.9, 9)
    }
    utilities["worst case"] = lambda f: f.min(axis=1)
    utilities["CVaR 0.7"] = lambda f: (0.5 * f.min(axis=1) + 0.2 * f.max(axis=1)) / 0.7
    dynamics, reached = MoleculeDynamics("nacl", 2), {}
    print("| utility | energy (eV) | dipole (D) | worst objective: median (lowest, highest) |\n|---|---|---|---|")
    for name, utility in utilities.items():
        found = []
        for seed in range(args.seeds):
            start = dynamics.initial(1, np.random.default_rng(seed))
            energy, gap = float(start["energy"][0]), float(start["gap"][0])
            _, run = cross_entropy(
                dynamics,
                start,
                lambda r, u=utility, e=energy, g=gap: u(normalised(r, e, g)),
                np.random.default_rng(1000 + seed),
                population=args.population,
                generations=args.generations,
            )
            worst = float(normalised(run.returns, energy, gap).min())
            found.append((float(run.final["energy"][0]), float(np.linalg.norm(run.final["dipole"][0])), worst))
        reached[name] = np.array(found)
        e, mu, worst = np.median(reached[name], axis=0)
        low, high = reached[name][:, 2].min(), reached[name][:, 2].max()
        print(f"| {name} | {e:.3f} | {mu:.2f} | {worst:.3f} ({low:.3f}, {high:.3f}) |", flush=True)
    if args.plot:
        draw(args.plot, front.points, reached)


def draw(path: str, points: FloatArray, reached: dict[str, FloatArray]) -> None:
    """Structures and where each utility ended."""
    from matplotlib import pyplot as plt

    _, axes = plt.subplots(figsize=(7, 4))
    axes.scatter(TARGET + points[:, 1], -points[:, 0], s=12, color="0.7", label="best known structures")
    for name, found in reached.items():
        linear = name.startswith("linear")
        style = {"marker": "o", "color": "#009E73"} if linear else {"marker": "*", "s": 90}
        label = "nine linear weights" if name == "linear 0.1" else None if linear else name
        axes.scatter(found[:, 1], found[:, 0], label=label, **style)
    axes.set(xlabel="dipole moment (D)", ylabel="energy (eV)", ylim=(-13, -11.8))
    axes.legend()
    plt.savefig(path, dpi=150, bbox_inches="tight")


if __name__ == "__main__":
    main()

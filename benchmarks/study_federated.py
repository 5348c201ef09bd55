"""Clients that are unlike each other: should they share heads, a trunk, or nothing? Everything is valued exactly.

Three clients each have a sea of their own, with the same map of what is seen and done, and other treasures in other
places. Shares of each client's exact hypervolume after equal steps, for heads and trunk averaged (one global network),
the trunk alone (private heads), the trunk with FedProx, and nothing; paired by seed with the global network.

    python benchmarks/study_federated.py [--seeds 0 1 2 3 4] [--steps 60000] [--out docs/methods/federated.json]
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from records import as_json
from scipy import stats

import morl
from morl.agents.federated import Federated
from morl.envs.classic.deep_sea_treasure import right_slope

SEAS = ("convex", "concave", "turned")


def seas() -> list[Any]:
    """The convex and the concave sea, and the convex one turned left to right: one space, other treasures."""
    turned = right_slope((0.7, 8.2, 11.5, 14.0, 15.1, 16.1, 19.6, 20.3, 22.4, 23.7))[:, ::-1]
    made = morl.make("morl/DeepSeaTreasure-v0", sea=turned.tolist(), start=(0, 10))
    return [morl.make("morl/DeepSeaTreasure-v0"), morl.make("morl/DeepSeaTreasureConcave-v0"), made]


WAYS: dict[str, dict[str, Any]] = {
    "global head": {"share": "all"},
    "private heads": {"share": "trunk"},
    "private heads, FedProx .01": {"share": "trunk", "proximal": 0.01},
    "nothing shared": {"share": "none"},
}


def run(way: dict[str, Any], seed: int, steps: int, exact: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Shares ``(clients,)`` of the exact hypervolume."""
    federated = Federated("VectorQLambda", seas(), seed=seed, round_steps=8192, **way)
    federated.learn(steps)
    return np.array([front.hypervolume() for front in federated.fronts()]) / exact


def half(values: np.ndarray[Any, Any]) -> float:
    """Half of the 95 % interval of a mean (Student)."""
    return float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--steps", type=int, default=60_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    exact = np.array([morl.solve(sea, policies="history").hypervolume() for sea in seas()])
    found: dict[str, Any] = {"steps": given.steps, "seeds": given.seeds, "clients": SEAS}
    print("| shared | " + " | ".join(SEAS) + " | mean | − global head |")
    print("|---|---|---|---|---|---|")
    for name, way in WAYS.items():
        shares = np.array([run(way, seed, given.steps, exact) for seed in given.seeds])
        found[name] = shares.round(4).tolist()
        more = shares.mean(axis=1) - np.mean(found["global head"], axis=1)
        cells = " | ".join(f"{x:.3f}" for x in (*shares.mean(axis=0), shares.mean()))
        print(f"| {name} | {cells} | {more.mean():+.3f} ± {half(more):.3f} |", flush=True)
    if given.out:
        given.out.write_text(as_json(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

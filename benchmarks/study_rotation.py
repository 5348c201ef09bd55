"""A head that tells by how many quarters a window was turned: what the trunk then holds, and what the agent then earns.

Envelope folds a chain (HPFolding, windows of 11 × 11) with and without the rotation head, at two widths. The turn is
read from the last hidden layer by a linear probe, as one-hot numbers, on rows not fitted to; returns are the best
contacts of a policy and the share of the exact hypervolume. Differences are paired by seed.

    python benchmarks/study_rotation.py [--seeds 0 1 2 3 4] [--steps 15000] [--out docs/methods/rotation.json]
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from records import as_json
from scipy import stats

import morl
from morl.agents import Envelope
from morl.agents.neural.auxiliary import RotationHead
from morl.explain import probe

ENV, SIDE = "morl/HPFolding-v0", 11


def run(width: int, head: bool, seed: int, steps: int, exact: Any) -> tuple[float, float, float]:
    """R² of the probe, the most contacts, and the share of the exact hypervolume."""
    more = {"auxiliary": ("rotation",), "auxiliary_window": SIDE} if head else {}
    agent = Envelope(ENV, seed=seed, net_arch=(width, width), **more).learn(steps)
    rows = torch.from_numpy(agent.replay.sample(2000, np.random.default_rng(seed))["obs"])
    turned, turns = RotationHead(width, rows.shape[1], SIDE, 8).turned(rows)
    with torch.no_grad():
        units = agent.net.trunk(turned, torch.full((len(turned), 3), 1 / 3)).numpy()
    front = agent.front(1)  # nothing is random
    share = front.hypervolume(exact.ref_point) / exact.hypervolume()
    return float(probe(units, np.eye(4)[turns.numpy()]).r2.mean()), float(front.points[:, 0].max()), float(share)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--steps", type=int, default=15_000)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 128])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    exact = morl.make(ENV).unwrapped.pareto_front()
    quantile = stats.t.ppf(0.975, max(1, len(given.seeds) - 1)) / np.sqrt(len(given.seeds))
    found: dict[str, Any] = {"steps": given.steps, "seeds": given.seeds}
    print("| width | head | R² of the probe | contacts | hypervolume | − without |\n|---|---|---|---|---|---|")
    for width in given.widths:
        plain = np.zeros((len(given.seeds), 3))
        for head in (False, True):
            rows = np.array([run(width, head, seed, given.steps, exact) for seed in given.seeds])
            found[f"{width}, {head}"] = rows.round(4).tolist()
            change = rows[:, 2] - plain[:, 2]
            cell = f"{change.mean():+.3f} ± {quantile * change.std(ddof=1):.3f}" if head else ""
            mean = rows.mean(axis=0)
            name = "rotation" if head else "none"
            print(f"| {width} | {name} | {mean[0]:.2f} | {mean[1]:.1f} | {mean[2]:.3f} | {cell} |", flush=True)
            plain = rows
    if given.out:
        given.out.write_text(as_json(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

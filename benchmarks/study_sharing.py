"""Which option helps where: what objectives share, how they are balanced, and auxiliary heads.

One row per option and environment: hypervolume of the learned front as a share of the exact front's, the best value
of the worst objective (on the return scale), both exact, and seconds of learning; the differences from the default are
paired by seed, with 95 % intervals. Options are those of Envelope.

    python benchmarks/study_sharing.py [--seeds 5] [--steps 10000] [--out docs/methods/sharing.json]
    python benchmarks/study_sharing.py --cost       # milliseconds of an update, options in turn
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from records import as_json
from scipy import stats

import morl
from morl.agents import Envelope

ENVS = ("morl/ScientificDiscovery-v0", "morl/DeepSeaTreasure-v0", "morl/FruitTree-v0")
OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "sharing soft, no pull": {"sharing": "soft"},
    "sharing soft, pull 100": {"sharing": "soft", "pull": 100.0},
    "sharing private": {"sharing": "private"},
    "sharing attention": {"sharing": "attention"},
    "balance uncertainty": {"balance": "uncertainty"},
    "balance gradnorm": {"balance": "gradnorm"},
    "balance mgda": {"balance": "mgda"},
    "balance nash": {"balance": "nash"},
    "balance upgrad": {"balance": "upgrad"},
    "auxiliary reward": {"auxiliary": ("reward",)},
    "auxiliary next_obs": {"auxiliary": ("next_obs",)},
    "width 16": {"net_arch": (16, 16)},
    "width 16, auxiliary reward, next_obs": {"net_arch": (16, 16), "auxiliary": ("reward", "next_obs")},
}


def run(env: str, options: dict[str, Any], seed: int, steps: int, exact: Any) -> tuple[float, float, float]:
    """Share of the exact hypervolume, the best worst objective, and seconds."""
    agent = Envelope(env, seed=seed, **options)
    begin = time.perf_counter()
    agent.learn(steps)
    spent = time.perf_counter() - begin
    front = agent.front(exact=True)
    low, high = (np.asarray(bound, dtype=float) for bound in agent.spec.return_scale)
    worst = ((front.points - low) / (high - low)).min(axis=1).max()
    return front.hypervolume(exact.ref_point) / exact.hypervolume(exact.ref_point), float(worst), spent


def cost(rounds: int = 100) -> None:
    """Print the median time of an update of each option, taken in turn so that other load falls on all."""
    more = {f"balance {kind}": {"balance": kind} for kind in ("pcgrad", "cagrad", "imtl_g")}
    more["auxiliary inverse"] = {"auxiliary": ("inverse",)}
    options = {**OPTIONS, **more}
    agents = {name: Envelope(ENVS[0], seed=0, learning_starts=200, **how).learn(400) for name, how in options.items()}
    times: dict[str, list[float]] = {name: [] for name in agents}
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        for name, agent in agents.items():
            batch = agent._sample(rng)
            begin = time.perf_counter()
            agent._update(batch, rng)
            times[name].append(time.perf_counter() - begin)
    plain = np.median(times["default"])
    print("| option | ms per update | of the default |\n|---|---|---|")
    for name, spent in times.items():
        print(f"| {name} | {1e3 * np.median(spent):.2f} | {np.median(spent) / plain:.2f} |")


def paired(values: np.ndarray, base: np.ndarray) -> str:
    """Mean difference and its 95 % interval (Student), paired by seed."""
    difference = values - base
    half = stats.t.ppf(0.975, len(difference) - 1) * difference.std(ddof=1) / np.sqrt(len(difference))
    return f"{difference.mean():+.3f} ± {half:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--envs", nargs="*", default=ENVS)
    parser.add_argument("--only", nargs="*", default=list(OPTIONS))
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if given.cost:
        cost()
        return
    found: dict[str, Any] = {"seeds": given.seeds, "steps": given.steps, "rows": []}
    for env in given.envs:
        exact = morl.solve(env, policies="stationary")
        base = np.zeros((given.seeds, 3))
        print(f"\n{env}, {given.seeds} seeds, {given.steps:,} steps\n")
        print("| option | Δ hypervolume share | Δ worst objective | s |\n|---|---|---|---|")
        for name in given.only:
            rows = np.array([run(env, OPTIONS[name], seed, given.steps, exact) for seed in range(given.seeds)])
            if name == "default":
                base = rows
                cells = [f"{rows[:, 0].mean():.3f} (share)", f"{rows[:, 1].mean():.3f} (value)"]
            else:
                cells = [paired(rows[:, 0], base[:, 0]), paired(rows[:, 1], base[:, 1])]
            print(f"| {name} | {cells[0]} | {cells[1]} | {np.median(rows[:, 2]):.1f} |", flush=True)
            found["rows"].append({"env": env, "option": name, "results": rows.round(4).tolist()})
    if given.out:
        given.out.write_text(as_json(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Which option helps where: what objectives share, how they are balanced, and auxiliary heads.

One row per option and environment: hypervolume of the learned front as a share of the exact front's, the best value
of the worst objective (on the return scale), both exact, and seconds of learning; the differences from the default are
paired by seed, with 95 % intervals. Options are those of Envelope. With `--out`, each run is a line of that file as
soon as it ends, and runs that the file has already are not done again.

    python benchmarks/study_sharing.py [--seeds 5] [--steps 10000] [--out sharing.jsonl]
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
from records import record, recorded
from scipy import stats

import morl
from morl.agents import Envelope

ENVS: dict[str, dict[str, Any]] = {  # and what each is made with
    "morl/ScientificDiscovery-v0": {},
    "morl/DeepSeaTreasure-v0": {},
    "morl/FruitTree-v0": {"depth": 5},
}
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
    agent = Envelope(morl.make(env, **ENVS[env]), seed=seed, **options)
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
    env = next(iter(ENVS))
    agents = {name: Envelope(env, seed=0, learning_starts=200, **how).learn(400) for name, how in options.items()}
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


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """What tells a run from the others."""
    return row["env"], tuple(sorted(row["made_with"].items())), row["option"], row["steps"], row["seed"]


def table(env: str, names: list[str], rows: list[dict[str, Any]], seeds: int) -> None:
    """Print an environment's table: the default's own figures, and differences from it."""
    made = tuple(sorted(ENVS[env].items()))
    wanted = [row for row in rows if key_of(row)[1] == made and row["seed"] < seeds]
    print(f"\n{env} {ENVS[env] or ''}, {seeds} seeds\n")
    print("| option | Δ hypervolume share | Δ worst objective | s |\n|---|---|---|---|")
    of = {name: sorted((r for r in wanted if r["option"] == name), key=lambda r: int(r["seed"])) for name in OPTIONS}
    figures = {name: np.array([[r["share"], r["worst"], r["seconds"]] for r in of[name]]) for name in OPTIONS}
    base = figures["default"]
    for name in names:
        found = figures[name]
        if name == "default":
            cells = [f"{found[:, 0].mean():.3f} (share)", f"{found[:, 1].mean():.3f} (value)"]
        elif len(base) == len(found) > 1:
            cells = [paired(found[:, 0], base[:, 0]), paired(found[:, 1], base[:, 1])]
        else:  # a difference is paired by seed: without the default's runs, or with one seed, there is none
            cells = ["-", "-"]
        print(f"| {name} | {cells[0]} | {cells[1]} | {np.median(found[:, 2]):.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--envs", nargs="*", choices=list(ENVS), default=list(ENVS))
    parser.add_argument("--only", nargs="*", choices=list(OPTIONS), default=list(OPTIONS))
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if given.cost:
        cost()
        return
    done = {key_of(row): row for row in recorded(given.out)}
    for env in given.envs:
        exact = morl.solve(morl.make(env, **ENVS[env]), policies="stationary")
        for seed in range(given.seeds):  # seed by seed, so that a run that is stopped has compared options
            for name in given.only:
                row = {"env": env, "made_with": ENVS[env], "option": name, "steps": given.steps, "seed": seed}
                if key_of(row) not in done:
                    share, worst, spent = run(env, OPTIONS[name], seed, given.steps, exact)
                    row |= {"share": round(share, 4), "worst": round(worst, 4), "seconds": round(spent, 2)}
                    record(row, given.out)
                    done[key_of(row)] = row
        table(env, given.only, [done[key] for key in done if key[0] == env and key[3] == given.steps], given.seeds)


if __name__ == "__main__":
    main()

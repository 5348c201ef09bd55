"""Every finite environment, every agent that fits it, against the exact front of the agent's own policy class.

    python benchmarks/agents_finite.py                        # all, three seeds: about 40 minutes on two cores
    python benchmarks/agents_finite.py --only FruitTree-v0    # measures one environment again, keeps the other rows

Writes docs/agents/finite.md, and finite.json with a row per seed.

Learned policies are evaluated exactly on the model where they can be, so their intervals have no width; where they are
sampled the interval is that of the front. A point above everything its class can reach ends the run with status 1.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import multiprocessing
import statistics
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from records import as_json
from scipy.spatial import ConvexHull

import morl
from morl.agents import registry
from morl.agents.core.config import tuned_options
from morl.pareto import Front, compare
from morl.pareto.indicators import hypervolume
from morl.spec import MorlError

PAGE = Path(__file__).parents[1] / "docs" / "agents" / "finite.md"
DATA = PAGE.with_suffix(".json")

LINEAR, WEIGHTS, SETS = "LinearScalarization", "MultiWeightQLearning", "ParetoQLearning"
PCN, EVOLUTION, PLANNER = "PCN", "ParetoEvolution", "ExactPlanner"
REMEMBERS = (SETS, PCN)
"""Agents whose policies remember the past; the others are stationary (or fixed sequences of actions)."""


@dataclass(frozen=True)
class Case:
    """An environment, its exact front's policy class for agents without and with memory, and the steps of each agent.

    ``epsilon`` is the exact front's precision where the default is too fine. With ``played`` a policy is worth the one
    episode that it plays: in an environment without chance that is exact, and quicker than solving a large model.
    """

    stationary: str
    history: str
    steps: dict[str, int]
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    epsilon: float | None = None
    played: bool = False


NETWORKS = {LINEAR: 120_000, "VectorQLambda": 200_000, "Envelope": 20_000, "GPILS": 20_000}
GRID = {**NETWORKS, WEIGHTS: 200_000, SETS: 30_000, PCN: 200_000, EVOLUTION: 300_000, PLANNER: 1}
CASES = {
    "DeepSeaTreasure-v0": Case("history", "history", GRID),
    "DeepSeaTreasureConcave-v0": Case("history", "history", GRID),
    "DeepSeaTreasureMirrored-v0": Case("history", "history", GRID),
    "FruitTree-v0": Case(
        "history", "history", {**GRID, WEIGHTS: 60_000, SETS: 10_000, PCN: 100_000, EVOLUTION: 60_000}
    ),
    "ResourceGathering-v0": Case("history", "history", {**GRID, WEIGHTS: 400_000, SETS: 100_000}),
    "BreakableBottles-v0": Case("stationary", "mixture", {**NETWORKS, WEIGHTS: 200_000, SETS: 200_000, PLANNER: 1}),
    "Fishwood-v0": Case(
        "stationary", "history", {**NETWORKS, WEIGHTS: 100_000, PCN: 200_000, EVOLUTION: 40_000, PLANNER: 1}
    ),
    "ScientificDiscovery-v0": Case(
        "stationary",
        "mixture",
        {**GRID, SETS: 60_000},
    ),
    "FourRoom-v0": Case(
        "mixture", "mixture", {**NETWORKS, PCN: 200_000, EVOLUTION: 60_000_000}, epsilon=1e-3, played=True
    ),
}


class Truths:
    """Exact fronts of one environment by policy class, each solved once."""

    def __init__(self, env: Any, epsilon: float | None = None) -> None:
        self.env, self.epsilon = env, epsilon
        self.spec = env.unwrapped.mo_spec
        self._fronts: dict[str, Front] = {}
        self._volumes: dict[str, float] = {}

    def front(self, kind: str) -> Front:
        """The front of ``kind``; for mixtures the vertices of its hull."""
        if kind not in self._fronts:
            self._fronts[kind] = morl.solve(self.env, policies=kind, epsilon=self.epsilon).classified()
        return self._fronts[kind]

    def volume(self, kind: str) -> float:
        """Hypervolume of all that the class reaches: for mixtures that of the hull and not of its vertices."""
        if kind not in self._volumes:
            volume = mixed_volume if kind == "mixture" else hypervolume
            self._volumes[kind] = float(volume(self.front(kind).points, np.array(self.spec.ref_point)))
        return self._volumes[kind]


@functools.cache
def truths_of(env_id: str) -> Truths:
    """The exact fronts of an environment, solved once in a process."""
    return Truths(morl.make(f"morl/{env_id}"), CASES[env_id].epsilon)


def mixed_volume(vertices: np.ndarray, ref_point: np.ndarray) -> float:
    """Hypervolume of all mixtures of ``vertices``.

    What they dominate above ``ref_point`` is convex: its corners are the vertices with any of their coordinates lowered
    to the reference.
    """
    points = np.maximum(vertices, ref_point)
    lowered = itertools.product((False, True), repeat=points.shape[1])
    corners = np.concatenate([np.where(which, ref_point, points) for which in lowered])
    return float(ConvexHull(np.unique(corners, axis=0)).volume)


def measure(env_id: str, name: str, case: Case, truths: Truths, seed: int) -> dict[str, Any]:
    """Learn, evaluate and compare; one row of the table."""
    full = f"morl/{env_id}"
    kind = case.history if name in REMEMBERS else case.stationary
    options = {**tuned_options(name, full), **case.options.get(name, {})}
    if name == PLANNER:
        options["policies"] = kind
    start = time.perf_counter()
    agent = registry.get(name)(full, options, seed=seed).learn(case.steps[name])
    # Two episodes: one chooses what is reported, the other says what that is worth (they are equal).
    how: dict[str, Any] = {"episodes": 2, "exact": False} if case.played else {}
    front = agent.front(seed=seed + 1, **how)
    seconds = time.perf_counter() - start
    row = compare(truths.front(kind), front, above="flag", names=[name])
    best, truth = row[name], row.truth
    return {
        "env": env_id,
        "agent": name,
        "truth": kind,
        "truth_points": truth.points,
        "truth_supported": truth.found_supported,
        "truth_non_convex": truth.found_non_convex,
        "ratio": best.hypervolume / truths.volume(kind),
        "utility": best.expected_utility / truth.expected_utility,
        "points": best.points,
        "found": best.found,
        "supported": best.found_supported,
        "non_convex": best.found_non_convex,
        "above": [float(e.amount) for e in best.above],
        "exact": case.played or bool(front.episodes is not None and not front.episodes.any()),
        "steps": 0 if name == PLANNER else agent.num_timesteps,
        "seconds": seconds,
        "seed": seed,
    }


def warm_up() -> None:
    """Compile what is compiled, so that the table's seconds are those of learning."""
    for name in (WEIGHTS, SETS):
        registry.get(name)("morl/ScientificDiscovery-v0", seed=0).learn(2000).front()


def page(rows: list[dict[str, Any]]) -> str:
    """The table in markdown."""
    seeds = sorted({r["seed"] for r in rows})
    lines = [
        "# Learned fronts against exact ones",
        "",
        f"Written by `python benchmarks/agents_finite.py`: {len(seeds)} seeds (one for ExactPlanner), the package's",
        "tuned options. Figures are medians over seeds, with the range where seeds differ; *s* is seconds of learning",
        "and evaluation in one thread, on a machine that was not idle.",
        "",
        "- *class*: the largest that the agent's policies belong to; its exact front is the reference. *history*:",
        "  deterministic policies with memory (on deterministic models the same front as without); *stationary*:",
        "  deterministic ones without memory; *mixture*: all policies, used where the front of deterministic policies",
        "  with memory is too large to enumerate. Then the hypervolume is that of the whole hull, which finitely many",
        "  deterministic policies cannot fill, and points found are the hull's vertices.",
        "- *hypervolume*, *expected utility* (mean over linear weights, on the return scale): shares of those of the",
        "  exact front.",
        "- *found*: points of the exact front that are reached; *supported*: those that some linear weight finds;",
        "  *non-convex*: those in its non-convex regions, that none does.",
        "",
    ]
    for env_id in CASES:
        mine = [r for r in rows if r["env"] == env_id]
        if not mine:
            continue
        lines += [f"## morl/{env_id}", ""]
        lines += [
            "| agent | class | hypervolume | expected utility | points | found | supported | non-convex | steps | s |"
        ]
        lines += ["|---|---|---|---|---|---|---|---|---|---|"]
        lines += [_line([r for r in mine if r["agent"] == name]) for name in dict.fromkeys(r["agent"] for r in mine)]
        lines += [""]
    over = [r for r in rows if r["above"]]
    sampled = sorted({f"{r['agent']} on {r['env']}" for r in rows if not r["exact"]})
    count = sum(len(r["above"]) for r in over)
    lines += [
        f"Points above the exact front by more than their 99.9 % interval: {count} in {len(rows)} fronts"
        + (f" ({', '.join(r['agent'] + ' on ' + r['env'] for r in over)})." if over else "."),
        "All fronts were evaluated exactly on the model."
        if not sampled
        else f"Evaluated by sampled episodes: {', '.join(sampled)}; the other fronts exactly on the model.",
        "`morl/FourRoom-v0` has 598,016 states: its exact front is the hull up to .001 in every objective, and a",
        "policy is worth the one episode that it plays, exactly, as nothing is random (cut at 200 steps). The",
        "tabular agents are left out there: every subset of the shapes makes a state of its own. PCN learns there",
        "without the evolutionary warm start.",
        "",
    ]
    return "\n".join(lines)


def _line(seeds: list[dict[str, Any]]) -> str:
    """One agent in one environment, over its seeds."""
    first = seeds[0]
    cells = [
        first["agent"],
        first["truth"],
        _spread(seeds, "ratio", "{:.4f}"),
        _spread(seeds, "utility", "{:.4f}"),
        _spread(seeds, "points", "{:.0f}"),
        *(
            f"{_spread(seeds, part, '{:.0f}')} of {first['truth_' + total]}"
            for part, total in (("found", "points"), ("supported", "supported"), ("non_convex", "non_convex"))
        ),
        f"{first['steps']:,}",
        f"{statistics.median(r['seconds'] for r in seeds):.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _spread(seeds: list[dict[str, Any]], column: str, form: str) -> str:
    """The median, and the range in brackets where it shows."""
    values = [float(r[column]) for r in seeds]
    if not all(map(math.isfinite, values)):
        return "–"
    middle, low, high = (form.format(v) for v in (statistics.median(values), min(values), max(values)))
    return middle if low == high else f"{middle} ({low}…{high})"


def work(job: tuple[str, list[str], int]) -> list[dict[str, Any]]:
    """The rows of one environment and seed, in a process of its own."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    env_id, names, seed = job
    case, truths = CASES[env_id], truths_of(env_id)
    warm_up()
    rows = []
    for name in names:
        if name == PLANNER and seed:
            continue
        try:
            rows.append(measure(env_id, name, case, truths, seed))
        except MorlError as error:
            print(f"{env_id} {name}: {error}", file=sys.stderr, flush=True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=CASES, help="environments; all by default")
    parser.add_argument("--agents", nargs="*", help="agents; all that fit by default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--page", action="store_true", help="write the page from finite.json, measure nothing")
    given = parser.parse_args()
    rows = json.loads(DATA.read_text()) if DATA.exists() else []
    jobs = []
    for env_id in [] if given.page else given.only or CASES:
        names = [n for n in CASES[env_id].steps if not given.agents or n in given.agents]
        jobs += [(env_id, names, seed) for seed in given.seeds]
    with ProcessPoolExecutor(given.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for fresh in pool.map(work, jobs):
            new = {(r["env"], r["agent"], r["seed"]) for r in fresh}
            rows = [r for r in rows if (r["env"], r["agent"], r["seed"]) not in new] + fresh
            for row in fresh:
                above = f" ABOVE {row['above']}" if row["above"] else ""
                print(f"{row['env']:<28} seed {row['seed']} {_line([row])}{above}", flush=True)
            rows.sort(key=_order)
            DATA.write_text("[\n" + ",\n".join(as_json(row) for row in rows) + "\n]\n")
    PAGE.write_text(page(rows))
    return int(any(r["above"] for r in rows))


def _order(row: dict[str, Any]) -> tuple[int, int, int]:
    return list(CASES).index(row["env"]), [*registry.names()].index(row["agent"]), row["seed"]


if __name__ == "__main__":
    sys.exit(main())

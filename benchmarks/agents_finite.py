"""Every finite environment, every agent that fits it, against the exact front of the agent's own policy class.

    python benchmarks/agents_finite.py                        # all: about three minutes; writes docs/agents/finite.md
    python benchmarks/agents_finite.py --only FruitTree-v0    # measures one environment again, keeps the other rows

Learned policies are evaluated exactly on the model where they can be, so their intervals have no width; where they are
sampled the interval is that of the front. A point above everything its class can reach ends the run with status 1.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import morl
from morl.agents import registry
from morl.agents.config import tuned_options
from morl.pareto import Front, compare
from morl.pareto.indicators import hypervolume, nondominated_mask
from morl.spec import MorlError

PAGE = Path(__file__).parents[1] / "docs" / "agents" / "finite.md"
DATA = PAGE.with_suffix(".json")

LINEAR, WEIGHTS, SETS = "LinearScalarization", "MultiWeightQLearning", "ParetoQLearning"
PCN, EVOLUTION, PLANNER = "PCN", "ParetoEvolution", "ExactPlanner"
REMEMBERS = (SETS, PCN)
"""Agents whose policies remember the past; the others are stationary (or fixed sequences of actions)."""


@dataclass(frozen=True)
class Case:
    """An environment, the policy class of its truth for agents without and with memory, and the steps of each agent."""

    stationary: str
    history: str
    steps: dict[str, int]
    options: dict[str, dict[str, Any]] = field(default_factory=dict)


GRID = {WEIGHTS: 200_000, SETS: 30_000, PCN: 200_000, EVOLUTION: 300_000, PLANNER: 1}
CASES = {
    "DeepSeaTreasure-v0": Case("history", "history", GRID),
    "DeepSeaTreasureConcave-v0": Case("history", "history", {LINEAR: 60_000, **GRID}),
    "DeepSeaTreasureMirrored-v0": Case("history", "history", GRID),
    "FruitTree-v0": Case(
        "history", "history", {WEIGHTS: 60_000, SETS: 10_000, PCN: 100_000, EVOLUTION: 60_000, PLANNER: 1}
    ),
    "ResourceGathering-v0": Case(
        "history", "history", {WEIGHTS: 400_000, SETS: 100_000, PCN: 200_000, EVOLUTION: 300_000, PLANNER: 1}
    ),
    "BreakableBottles-v0": Case("stationary", "mixture", {WEIGHTS: 200_000, SETS: 200_000, PLANNER: 1}),
    "Fishwood-v0": Case("stationary", "history", {WEIGHTS: 100_000, PCN: 200_000, EVOLUTION: 40_000, PLANNER: 1}),
    "ScientificDiscovery-v0": Case(
        "stationary",
        "mixture",
        {LINEAR: 60_000, WEIGHTS: 200_000, SETS: 60_000, PCN: 200_000, EVOLUTION: 300_000, PLANNER: 1},
    ),
}


class Truths:
    """Exact fronts of one environment by policy class, each solved once."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self.spec = env.unwrapped.mo_spec
        self._fronts: dict[str, Front] = {}
        self._volumes: dict[str, float] = {}

    def front(self, kind: str) -> Front:
        """The front of ``kind``; for mixtures the vertices of its hull."""
        if kind not in self._fronts:
            self._fronts[kind] = morl.solve(self.env, policies=kind).classified()
        return self._fronts[kind]

    def volume(self, kind: str) -> float:
        """Hypervolume of all that the class reaches: for mixtures that of the hull and not of its vertices."""
        if kind not in self._volumes:
            points = self.front(kind).points
            if kind == "mixture":
                points = hull_points(points)
            self._volumes[kind] = float(hypervolume(points, np.array(self.spec.ref_point)))
        return self._volumes[kind]


def hull_points(vertices: np.ndarray, parts: int = 48) -> np.ndarray:
    """Non-dominated mixtures of up to K vertices, ``parts`` steps along each side."""
    k = vertices.shape[1]
    shares = [c for c in itertools.product(range(parts + 1), repeat=k) if sum(c) == parts]
    grid = np.array(shares, dtype=np.float64) / parts
    groups = list(itertools.combinations(range(len(vertices)), min(k, len(vertices))))
    every = np.concatenate([grid[:, : len(group)] @ vertices[list(group)] for group in groups])
    every = np.unique(every.round(12), axis=0)
    for _ in range(3):  # thin in blocks first: dominance among all pairs at once would be slow
        blocks = np.array_split(np.random.default_rng(0).permutation(len(every)), max(1, len(every) // 2000))
        every = np.concatenate([every[b][nondominated_mask(every[b])] for b in blocks])
    return every[nondominated_mask(every)]


def measure(env_id: str, name: str, case: Case, truths: Truths, seed: int) -> dict[str, Any]:
    """Learn, evaluate and compare; one row of the table."""
    full = f"morl/{env_id}"
    kind = case.history if name in REMEMBERS else case.stationary
    options = {**tuned_options(name, full), **case.options.get(name, {})}
    if name == PLANNER:
        options["policies"] = kind
    start = time.perf_counter()
    agent = registry.get(name)(full, options, seed=seed).learn(case.steps[name])
    front = agent.front(seed=seed + 1)
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
        "exact": bool(front.episodes is not None and not front.episodes.any()),
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
    lines = [
        "# Learned fronts against exact ones",
        "",
        "Written by `python benchmarks/agents_finite.py`: one seed, the package's tuned options; *s* is seconds of",
        "learning and evaluation in one thread, on a machine that was not idle.",
        "",
        "- *truth*: the exact front of the largest class that the agent's policies belong to. *history*: deterministic",
        "  policies with memory (on deterministic models the same front as without); *stationary*: deterministic ones",
        "  without memory; *mixture*: all policies, used where the front of deterministic policies with memory is too",
        "  large to enumerate. Then the hypervolume is that of the whole hull, which finitely many deterministic",
        "  policies cannot fill, and points found are the hull's vertices.",
        "- *hypervolume*, *expected utility* (mean over linear weights, on the return scale): shares of the truth's.",
        "- *found*: points of the truth that are reached; *supported*: those that some linear weight finds;",
        "  *non-convex*: those inside the dents of the front, that none does.",
        "",
    ]
    for env_id in CASES:
        mine = [r for r in rows if r["env"] == env_id]
        if not mine:
            continue
        lines += [f"## morl/{env_id}", ""]
        lines += [
            "| agent | truth | hypervolume | expected utility | points | found | supported | non-convex | steps | s |"
        ]
        lines += ["|---|---|---|---|---|---|---|---|---|---|"]
        lines += [_line(r) for r in mine] + [""]
    over = [r for r in rows if r["above"]]
    sampled = [f"{r['agent']} on {r['env']}" for r in rows if not r["exact"]]
    count = sum(len(r["above"]) for r in over)
    lines += [
        f"Points above the exact front by more than their 99.9 % interval: {count} in {len(rows)} fronts"
        + (f" ({', '.join(r['agent'] + ' on ' + r['env'] for r in over)})." if over else "."),
        "All fronts were evaluated exactly on the model."
        if not sampled
        else f"Evaluated by sampled episodes: {', '.join(sampled)}; the other fronts exactly on the model.",
        "",
    ]
    return "\n".join(lines)


def _line(r: dict[str, Any]) -> str:
    utility = "–" if not math.isfinite(r["utility"]) else f"{r['utility']:.4f}"
    return (
        f"| {r['agent']} | {r['truth']} | {r['ratio']:.4f} | {utility} | {r['points']} | "
        f"{r['found']}/{r['truth_points']} | {r['supported']}/{r['truth_supported']} | "
        f"{r['non_convex']}/{r['truth_non_convex']} | {r['steps']:,} | {r['seconds']:.1f} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=CASES, help="environments; all by default")
    parser.add_argument("--agents", nargs="*", help="agents; all that fit by default")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    warm_up()
    rows = json.loads(DATA.read_text()) if DATA.exists() else []
    for env_id in given.only or CASES:
        case, truths = CASES[env_id], Truths(morl.make(f"morl/{env_id}"))
        for name in case.steps:
            if given.agents and name not in given.agents:
                continue
            try:
                row = measure(env_id, name, case, truths, given.seed)
            except MorlError as error:
                print(f"{env_id} {name}: {error}", file=sys.stderr)
                continue
            print(f"{env_id:<28}{_line(row)}{' ABOVE ' + str(row['above']) if row['above'] else ''}", flush=True)
            rows = [r for r in rows if (r["env"], r["agent"]) != (env_id, name)] + [row]
            PAGE.parent.mkdir(parents=True, exist_ok=True)
            DATA.write_text(json.dumps(rows, indent=1) + "\n")
    order = [*registry.names()]
    rows.sort(key=lambda r: (list(CASES).index(r["env"]), order.index(r["agent"])))
    DATA.write_text(json.dumps(rows, indent=1) + "\n")
    PAGE.write_text(page(rows))
    return int(any(r["above"] for r in rows))


if __name__ == "__main__":
    sys.exit(main())

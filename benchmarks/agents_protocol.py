"""An agent under a published protocol, beside what its source reports at the same number of steps.

    python benchmarks/agents_protocol.py openrlbenchmark-2023 --env mo-hopper-2d-v4 --agent CAPQL --seeds 5
    python benchmarks/agents_protocol.py openrlbenchmark-2023 --env mo-halfcheetah-v4 --agent GPILS --at 50k 100k
    python benchmarks/agents_protocol.py cmorl-2025 --env mo-ant-2d-v4 --agent ConditionedPPO --folder out

Learns with shipped defaults (``--set name=value`` for others) and measures when the marks are reached, in fresh
episodes that are counted apart: as many policies for even weights and episodes as are asked for, hypervolume and
expected utility as the protocol defines them. Marks are the steps of the published numbers by default. With
``--folder`` results are written as they come, the agent is saved when the process is told to stop (SIGTERM, Ctrl-C),
and the same command goes on from there; seconds of learning add up. One thread; leave the machine alone when seconds
matter. ``--plot FILE`` draws all results of the folder for that environment beside the published numbers, and learns
nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from records import as_json

import morl
from morl import agents
from morl.agents import registry
from morl.agents.core.config import parse_assignments
from morl.agents.core.evaluation import Evaluator
from morl.agents.core.training import LearningInterrupted
from morl.bench import Setup, setup_of
from morl.counts import as_count
from morl.pareto import Front
from morl.pareto.weights import das_dennis
from morl.spec import AgentError
from morl.storage import write_atomic

Row = dict[str, Any]
HOW_KNOWN = {"read": "in its text", "figure": "read off a figure", "recalled": "from memory"}


def measured(agent: Any, setup: Setup, policies: int, episodes: int) -> Row:
    """Hypervolume and utility of the policies for even weights, in episodes of their own."""
    evaluator = Evaluator(agent.problem, np.random.SeedSequence((agent.seed, agent.num_timesteps)))
    weights = das_dennis(agent.k, number=policies)
    result = evaluator.evaluate(agent._policies(weights), episodes, discount=setup.discount, exact=False)
    volume, utility = setup.measure(Front(result.mean, agent.spec.objectives, discount=setup.discount))
    return {
        "seed": agent.seed,
        "steps": agent.num_timesteps,
        "seconds": round(agent.seconds, 1),
        "hypervolume": volume,
        "utility": utility,
        "best undiscounted": result.undiscounted.max(axis=0).round(1).tolist(),
        "eval_steps": result.steps,
    }


def learned(args: argparse.Namespace, setup: Setup, seed: int) -> list[Row]:
    """Rows of one seed, one for each mark."""
    env = morl.make(setup.env, **setup.env_options)
    options = {"discount": setup.learned_with, **parse_assignments(tuple(args.set))}
    stem = f"{args.agent}-{setup.problem}-s{seed}"
    place = args.folder / stem if args.folder else None
    rows: list[Row] = []
    if place is not None and place.with_suffix(".json").exists():
        rows = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
    if place is not None and place.is_dir():
        agent = agents.load(place, env)
    elif rows:
        return rows
    else:
        agent = registry.get(args.agent)(env, options, seed=seed, tuned=not args.no_tuned)
    for mark in args.at:
        if agent.num_timesteps >= mark:
            continue
        try:
            agent.learn(max(args.at) - agent.num_timesteps, callback=lambda a, mark=mark: a.num_timesteps < mark)
        except LearningInterrupted:
            if place is not None:
                agent.save(place)
            raise
        rows.append(measured(agent, setup, args.policies, args.episodes or setup.episodes))
        print(as_json(rows[-1]), file=sys.stderr, flush=True)
        if place is not None:
            agent.save(place)
            write_atomic(place.with_suffix(".json"), as_json(rows, indent=1))
    return rows


def table(rows: list[Row], setup: Setup, name: str, marks: list[int]) -> str:
    """Medians and ranges over seeds at each mark, and what was published, as a table in Markdown."""
    lines = ["| | steps | hypervolume | utility | minutes |", "|---|---|---|---|---|"]

    def cell(values: list[float], digits: int = 4) -> str:
        middle = f"{statistics.median(values):,.{digits}g}"
        return middle if len(values) == 1 else f"{middle} ({min(values):,.{digits}g} to {max(values):,.{digits}g})"

    for mark in marks:
        here = [row for row in rows if mark <= row["steps"] < mark * 1.05]
        if here:
            columns = ("hypervolume", "utility", "seconds")
            volume, utility, seconds = ([row[key] / (60 if key == "seconds" else 1) for row in here] for key in columns)
            label = f"{name}, {len(here)} seed{'s' * (len(here) != 1)}"
            lines.append(f"| {label} | {mark:,} | {cell(volume)} | {cell(utility)} | {cell(seconds, 3)} |")
    for p in setup.published:
        known = "–" if p.utility is None else f"{p.utility:g}"
        time = "" if p.minutes is None else f"{p.minutes * p.steps / setup.steps:.3g}"
        lines.append(f"| {p.algorithm} ({p.known}) | {p.steps:,} | {p.hypervolume:,.4g} | {known} | {time} |")
    return "\n".join(lines)


def plot(folder: Path, setup: Setup, file: Path) -> None:
    """Hypervolume and utility against steps: a line for each result in the folder, published numbers as marks.

    A result that was measured once is no curve: it is left out, which stderr says.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for path in sorted(folder.glob(f"*-{setup.problem}-s*.json")):
        rows = json.loads(path.read_text(encoding="utf-8"))
        name = path.stem.replace(f"-{setup.problem}-s", ", seed ")
        if len(rows) < 2:
            print(f"{path.name} has {len(rows)} row: not drawn", file=sys.stderr)
            continue
        for ax, key in zip(axes, ("hypervolume", "utility"), strict=True):
            ax.plot([row["steps"] for row in rows], [row[key] for row in rows], marker=".", label=name)
    published = [p for p in setup.published if p.steps and p.steps <= setup.steps]
    for name, mark in zip(dict.fromkeys(p.algorithm for p in published), "s^ovDPX*", strict=False):
        some = [p for p in published if p.algorithm == name]
        known = dict.fromkeys(HOW_KNOWN.get(p.known, p.known) for p in some)
        label = f"{name}, published ({', '.join(known)})"
        for ax, key in zip(axes, ("hypervolume", "utility"), strict=True):
            ax.plot([p.steps for p in some], [getattr(p, key) for p in some], "k" + mark, markersize=5, label=label)
    for ax, key in zip(axes, ("hypervolume", "expected utility"), strict=True):
        ax.set(xlabel="environment steps", ylabel=key)
        ax.grid(alpha=0.25)
    axes[0].legend(fontsize=7)
    figure.suptitle(setup.problem, fontsize=10)
    figure.savefig(file, dpi=140)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol")
    parser.add_argument("--env", help="the protocol's environment; may be left out where there is one only")
    parser.add_argument("--agent", default="ConditionedPPO")
    parser.add_argument("--at", nargs="*", default=[], help="steps at which to measure; those published by default")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--policies", type=int, default=30, help="even weights whose policies are measured")
    parser.add_argument("--episodes", type=int, help="per policy; the protocol's by default")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="options of the agent")
    parser.add_argument("--no-tuned", action="store_true", help="without options tuned for the environment")
    parser.add_argument("--folder", type=Path, help="results, and agents to go on from")
    parser.add_argument("--plot", type=Path, help="draw the folder's results into this file")
    args = parser.parse_args()
    setup = setup_of(args.protocol, args.env)
    if args.plot:
        plot(args.folder or Path(), setup, args.plot)
        return
    marks = [as_count(x, "--at", 1, AgentError) for x in args.at] or [p.steps for p in setup.published if p.steps]
    args.at = sorted(set(marks))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if args.folder:
        os.makedirs(args.folder, exist_ok=True)
    rows = [row for seed in range(args.first_seed, args.first_seed + args.seeds) for row in learned(args, setup, seed)]
    print(f"{args.protocol}, {setup.problem} ({setup.env} {dict(setup.env_options)}), one thread\n")
    print(table(rows, setup, args.agent, args.at))


if __name__ == "__main__":
    main()

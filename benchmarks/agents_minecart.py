"""The minecart: what the shipped agents reach with the shipped options, against wall-clock and steps, seed by seed.

    OMP_NUM_THREADS=1 python benchmarks/agents_minecart.py          # every part, five seeds: about 20 minutes
    python benchmarks/agents_minecart.py linear --seeds 0 1         # writes docs/agents/curves/minecart_linear.json

- ``linear``: expected utility of linear preferences on the deterministic minecart, for VectorQLambda (one network)
  and ParetoEvolution (open-loop sequences).
- ``stochastic``: the same question and agents on the stochastic minecart. Chance touches what is mined but never where
  the cart goes, so sequences lose little there.
- ``pcn``: PCN on the deterministic minecart, hypervolume against the published front's; as shipped (evolution scouts
  for it), and by itself.
- ``evolution``: ParetoEvolution on the deterministic minecart, hypervolume.

Every measurement plays fresh episodes: the agent's front (hypervolume), and for the parts about expected utility the
policy that the agent gives for each of 300 uniformly drawn weights (otherwise that of the front's best point for it).
Seconds and CPU seconds are of one thread, from the agent's creation on, measurements included; compilation (once per
machine, cached) is done before. The published front comes from ``mo-gymnasium`` (extra ``peers``): it is computed from
an idealised geometry and not by rollouts, and part of it cannot be reached; the best known front is replayed in the
environment.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from minecart_front import stochastic_front
from records import as_json

import morl
from morl.agents import registry
from morl.agents.base import Agent
from morl.agents.core.callbacks import Callback
from morl.agents.core.config import tuned_options
from morl.pareto.indicators import hypervolume
from morl.spec import FloatArray

CURVES = Path(__file__).resolve().parents[1] / "docs" / "agents" / "curves"
DETERMINISTIC, STOCHASTIC = "morl/MinecartDeterministic-v0", "morl/Minecart-v0"
REFERENCE_POINT = np.array([0.0, 0.0, -200.0])
DISCOUNT = 0.98
WEIGHTS = np.random.default_rng(0).dirichlet(np.ones(3), 300)


@dataclass(frozen=True)
class Part:
    """One question.

    Args:
        agent: name of the algorithm; its options are the tuned ones of the package.
        env: environment id.
        steps: environment steps of a run; schedules stretch over them.
        every: environment steps between measurements.
        episodes: episodes per policy and measurement.
        indicator: which curve the bar is about.
        bar: share of the reference's indicator (or, with ``absolute``, its value) that is asked for.
        limit: within how many seconds.
        options: what differs from the shipped options.
        label: name in the table, if not the agent's.
    """

    agent: str
    env: str
    steps: int
    every: int
    episodes: int
    indicator: str
    bar: float
    limit: float
    absolute: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    label: str = ""


ALONE = {"evolution_steps": 0, "net_arch": (64, 64), "gradient_steps": 10, "focus": 0.5, "epsilon": 0.4, "spread": 7.0}
UTILITY, VOLUME = "expected_utility", "hypervolume"
PARTS = {
    "linear": (
        Part("ParetoEvolution", DETERMINISTIC, 30_000_000, 2_000_000, 1, UTILITY, 0.95, 120.0),
        Part("VectorQLambda", DETERMINISTIC, 6_000_000, 250_000, 1, UTILITY, 0.95, 120.0),
    ),
    "stochastic": (
        Part("ParetoEvolution", STOCHASTIC, 60_000_000, 4_000_000, 20, UTILITY, 0.90, 180.0),
        Part("VectorQLambda", STOCHASTIC, 6_000_000, 500_000, 20, UTILITY, 0.90, 180.0),
    ),
    "pcn": (
        Part("PCN", DETERMINISTIC, 13_200_000, 50_000, 1, VOLUME, 0.95, 10.0),
        Part("PCN", DETERMINISTIC, 1_000_000, 100_000, 1, VOLUME, 0.95, 10.0, options=ALONE, label="PCN by itself"),
    ),
    "evolution": (Part("ParetoEvolution", DETERMINISTIC, 60_000_000, 2_000_000, 1, VOLUME, 98.0, 60.0, True),),
}


def published_front(env: str) -> FloatArray:
    """The points that the reference suite publishes for γ = 0.98, ``(n, 3)``."""
    import mo_gymnasium

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        name = "minecart-v0" if env == STOCHASTIC else "minecart-deterministic-v0"
        return np.array(mo_gymnasium.make(name).unwrapped.pareto_front(gamma=DISCOUNT))


def best_known_front(env: str) -> FloatArray:
    """Points that were reached in rollouts, ``(n, 3)``; where returns are random, means of 2000 fresh episodes."""
    if env == STOCHASTIC:
        return stochastic_front()
    return np.asarray(morl.make(env).unwrapped.pareto_front().points)


def indicators(points: FloatArray) -> dict[str, float]:
    """Hypervolume and expected utility of a front."""
    return {
        "hypervolume": float(hypervolume(points, REFERENCE_POINT)),
        "expected_utility": float((WEIGHTS @ points.T).max(axis=1).mean()),
    }


class Curve(Callback):
    """Measures the agent every so many steps and keeps the figures."""

    def __init__(self, part: Part) -> None:
        self.part, self.next = part, part.every
        self.began, self.began_cpu = time.perf_counter(), time.process_time()
        self.columns: dict[str, list[float]] = {
            name: []
            for name in ("seconds", "cpu_seconds", "steps", "evaluation_steps", "hypervolume", "expected_utility")
        }

    def on_step(self, agent: Agent) -> bool:
        if agent.num_timesteps >= self.next or agent.num_timesteps >= self.part.steps:
            self.next = (agent.num_timesteps // self.part.every + 1) * self.part.every
            self.measure(agent)
        return True

    def measure(self, agent: Agent) -> None:
        points = agent.front(max(2, 5 * self.part.episodes)).points
        reached = indicators(points)
        if self.part.indicator == "expected_utility":
            values = agent.evaluate(WEIGHTS, self.part.episodes, raw=True).mean  # weights of raw returns
            reached["expected_utility"] = float((WEIGHTS * values).sum(axis=1).mean())
        row = {
            "seconds": time.perf_counter() - self.began,
            "cpu_seconds": time.process_time() - self.began_cpu,
            "steps": agent.num_timesteps,
            "evaluation_steps": agent.eval_steps,
            **reached,
        }
        for name, value in row.items():
            self.columns[name].append(round(value, 6))


def run(part: Part, seed: int) -> dict[str, Any]:
    """One run of the shipped agent with the shipped options."""
    curve = Curve(part)
    options = {**tuned_options(part.agent, part.env), **part.options}
    agent = registry.get(part.agent)(part.env, options, seed=seed, eval_envs=512)
    agent.learn(part.steps, callback=curve)
    return {"agent": part.label or part.agent, "seed": seed, **curve.columns}


def when(run: dict[str, Any], part: Part, level: float) -> str:
    """The first measurement at which a run has reached the bar, in words."""
    reached = [i for i, value in enumerate(run[part.indicator]) if value >= level]
    if not reached:
        return "not reached"
    i = reached[0]
    return (
        f"{run['seconds'][i]:.1f} s ({run['cpu_seconds'][i]:.1f} CPU), {run['steps'][i]:,} steps, "
        f"{run['evaluation_steps'][i]:,} of evaluation"
    )


def report(name: str, seeds: list[int], out: Path) -> None:
    """Run all seeds of a part, print what they reached, write the curves."""
    parts = PARTS[name]
    published, known = published_front(parts[0].env), best_known_front(parts[0].env)
    fronts = {
        "published": indicators(published),
        "best known": indicators(known),
        "published and best known": indicators(np.concatenate([published, known])),
    }
    print(f"\n{name}: {parts[0].env}")
    for which, values in fronts.items():
        print(f"  {which}: hypervolume {values['hypervolume']:.3f}, expected utility {values['expected_utility']:.4f}")
    runs = []
    for part in parts:
        registry.get(part.agent)(part.env, tuned_options(part.agent, part.env), seed=99).learn(1)  # compile
        levels = {which: part.bar * values[part.indicator] for which, values in fronts.items()}
        if part.absolute:
            levels = {"stated": part.bar}
        asked = f"{part.bar:g} of the {part.indicator} of each"
        print(f"  {part.label or part.agent}: seconds to {asked}; limit {part.limit:g} s")
        for seed in seeds:
            one = run(part, seed)
            runs.append(one)
            end = f"{one['seconds'][-1]:.1f} s ({one['cpu_seconds'][-1]:.1f} CPU), {one['steps'][-1]:,} steps"
            volume, utility = one["hypervolume"][-1], one["expected_utility"][-1]
            print(f"    seed {seed}: ends at {end}, hypervolume {volume:.3f}, expected utility {utility:.4f}")
            for which, level in levels.items():
                share = one[part.indicator][-1] / fronts["published" if part.absolute else which][part.indicator]
                print(
                    f"      {which} ({level:.4f}): {when(one, part, level)}; {share:.1%} of it at the end", flush=True
                )
    out.mkdir(parents=True, exist_ok=True)
    stated = "published" if name in ("linear", "pcn", "evolution") else "published and best known"
    reference = {"name": stated, **fronts[stated], "others": fronts}
    text = as_json({"env": parts[0].env, "reference": reference, "runs": runs})
    (out / f"minecart_{name}.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Parse the command line and run the parts."""
    import torch

    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=CURVES, help="folder of the curves")
    given = parser.parse_args()
    for name in given.parts or PARTS:
        if name not in PARTS:
            parser.error(f"no part {name!r}; there are {', '.join(PARTS)}")
    for name in given.parts or PARTS:
        report(name, given.seeds, given.out)


if __name__ == "__main__":
    main()

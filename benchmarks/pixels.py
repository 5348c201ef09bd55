"""A front learned from pictures on the processor: seconds and steps to 90 % of the exact hypervolume.

    python benchmarks/pixels.py                       # Deep Sea Treasure, PCN, three seeds
    python benchmarks/pixels.py --seeds 0 1 2 3 4 --steps 300k
    python benchmarks/pixels.py --agent ConditionedPPO

The agent sees pictures (uint8, 44 × 44 × 3) and nothing else, through convolutions. Its front is measured exactly,
every 10,000 steps; seconds are those of learning in one thread, measuring not included.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import numpy as np
import torch

import morl
from morl.agents import registry
from morl.agents.core.callbacks import FrontCallback
from morl.counts import as_count
from morl.envs.core import published_front

ENV = "morl/DeepSeaTreasureConcave-v0"
OPTIONS: dict[str, dict[str, Any]] = {
    "PCN": {"n_envs": 64, "learning_starts": 10_000, "gradient_steps": 10, "batch_size": 256, "learning_rate": 1e-3},
    "ConditionedPPO": {},
}
"""Options other than the defaults: convolutions cost more per update than two layers of 64 do."""


class Stops(FrontCallback):
    """Ends learning where the hypervolume is enough."""

    enough = 0.9

    def on_step(self, agent: Any) -> bool:
        """Measure when it is time, and stop when it suffices."""
        super().on_step(agent)
        return not self.history or self.history[-1]["hypervolume_ratio"] < self.enough


def run(name: str, seed: int, steps: int) -> dict[str, float]:
    """The last row of one run."""
    env = morl.make(ENV, pixels=True)
    agent = registry.get(name)(env, seed=seed, device="cpu", **OPTIONS[name])
    watch = Stops(10_000, published_front(morl.make(ENV)), episodes=10)
    agent.learn(steps, callback=watch)
    for row in watch.history:
        print(f"  seed {seed}: {row['steps']:>8,.0f} steps {row['seconds']:6.1f} s  {row['hypervolume_ratio']:.3f}")
    return watch.history[-1]


def main() -> None:
    """Print a line per measurement and a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", default="PCN", choices=sorted(OPTIONS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", default="200k")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{given.agent} on pictures of {ENV}; load of the machine {os.getloadavg()[0]:.1f}")
    rows = [run(given.agent, seed, as_count(given.steps, "steps", 1)) for seed in given.seeds]
    reached = [row for row in rows if row["hypervolume_ratio"] >= Stops.enough]
    print(f"{len(reached)} of {len(rows)} seeds reach 90 % of the exact hypervolume", end="")
    if reached:
        seconds, steps = ([row[key] for row in reached] for key in ("seconds", "steps"))
        print(f"; median {np.median(seconds):.0f} s ({min(seconds):.0f} to {max(seconds):.0f})", end="")
        print(f", {np.median(steps):,.0f} steps", end="")
    print()


if __name__ == "__main__":
    main()

"""A small run that the tests of run folders share, and what must be the same of two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from morl.runs import RunConfig, RunFolder, load_agent
from morl.testing.agents import digest

TREASURE = "morl/DeepSeaTreasureConcave-v0"
CONFIG = RunConfig("ParetoQLearning", TREASURE, 3000, checkpoint_every=1000)


def result(folder: Path) -> tuple[str, dict[str, Any]]:
    """Everything that learning left, and the front without the time that it (and compilation, once a machine) took."""
    run = RunFolder.open(folder)
    front = run.front().to_dict()
    for clock in ("seconds", "compile_seconds"):
        del front["provenance"][clock]
    return digest(load_agent(run)), front

"""A small run that the tests of run folders share, and what must be the same of two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from morl.runs import RunConfig, RunFolder, load_agent
from morl.testing.agents import digest

TREASURE = "morl/DeepSeaTreasureConcave-v0"
CONFIG = RunConfig("ParetoQLearning", TREASURE, 3000, checkpoint_every=1000)


def result(folder: Path) -> tuple[str, dict[str, Any], list[int]]:
    """What learning left, the front without the time that it (and compilation) took, and the steps that were logged."""
    run = RunFolder.open(folder)
    front = run.front().to_dict()
    for clock in ("seconds", "compile_seconds"):
        del front["provenance"][clock]
    return digest(load_agent(run)), front, [row["step"] for row in run.metrics()]

"""Clients that kill the process they learn in; other processes import them from here."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Self

from morl.agents import Envelope
from morl.engines import Listener, Outcome
from morl.engines.local import Engine, Function

MARKS = "MORL_TEST_MARKS"
"""Environment variable: a folder, and the process that must live."""


def die_once(name: str) -> None:
    """Kill this process, unless that was done before under this name."""
    folder, _, main = os.environ[MARKS].rpartition(":")
    mark = Path(folder) / name
    if os.getpid() != int(main) and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class Mortal(Envelope):
    """Dies once in the middle of its second round, and once when the round after it is done and saved."""

    def advance(self, steps: int) -> None:
        super().advance(steps)
        if self.num_timesteps >= 150:
            die_once("in the middle")

    def save(self, path: str | Path) -> Path:
        saved = super().save(path)
        if self.num_timesteps >= 200:
            die_once("when saved")
        return saved


class Broken(Envelope):
    """Fails in its second round."""

    def advance(self, steps: int) -> None:
        super().advance(steps)
        if self.num_timesteps > 150:
            raise ValueError("a broken\nclient")


class Recorded(Engine):
    """Another engine, and what goes through it.

    Args:
        engine: runs the tasks.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.tasks: list[Any] = []
        self.outcomes: list[Outcome] = []

    def __enter__(self) -> Self:
        self.engine.__enter__()
        return super().__enter__()

    def __exit__(self, *reason: object) -> None:
        super().__exit__(*reason)
        self.engine.__exit__(*reason)

    def _run(self, function: Function, tasks: Any, listener: Listener) -> list[Outcome]:
        outcomes = self.engine.run(function, tasks, listener)
        self.tasks += tasks
        self.outcomes += outcomes
        return outcomes

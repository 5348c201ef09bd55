"""A user with a home and a key, and files of a stranger that would show whether their code ran."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import morl
from morl.cli import main
from morl.envs import imports
from morl.runs import RunConfig, train
from morl.runs.seal import Seal

GATHER, TREASURE = "morl/ResourceGathering-v0", "morl/DeepSeaTreasure-v0"

LAB = """
import pathlib
import morl

with pathlib.Path({marker!r}).open("a") as file:
    file.write(__name__ + "\\n")


def model(gain: float = 1.0) -> morl.MOMDP:
    p = [[[0.0, 1.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]
    r = [[[gain, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]
    return morl.MOMDP.from_arrays(p, r, discount=0.9, terminal=[False, True], objectives=["gain", "calm"])


morl.register_momdp("{id}", model)
"""

STRIKE = """
import pathlib

def strike(*args, **options):
    pathlib.Path({marker!r}).write_text("executed")

strike()
"""


class User:
    """Somebody with a home, and a file that shows whether code of a stranger ran."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.marker, self._patch = folder, folder / "executed", monkeypatch
        self.evil = folder / "evil_module.py"
        self.evil.write_text(STRIKE.format(marker=str(self.marker)))
        monkeypatch.syspath_prepend(folder)
        self.becomes("me")

    def becomes(self, name: str) -> None:
        """Be another user: a home of another name, and so another key."""
        home = self.folder / "home" / name
        for variable in ("HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME"):
            self._patch.setenv(variable, str(home))

    @property
    def executed(self) -> list[str]:
        return self.marker.read_text().splitlines() if self.marker.exists() else []

    def lab(self, name: str, folder: str = "lab") -> Path:
        """A file that registers ``NAME/Model-v0`` and says so in the marker."""
        path = self.folder / folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(LAB.format(marker=str(self.marker), id=f"{name}/Model-v0"))
        return path

    def run(self, file: Path) -> Path:
        """A run of that file's environment, as its maker leaves it behind."""
        config = RunConfig("ParetoQLearning", f"{file.stem}/Model-v0", 200, imports=(str(file),))
        made = train(config, self.folder / "runs").path
        self.forgets(file)
        return made

    def forgets(self, file: Path) -> None:
        """Go on as a process that has imported nothing yet."""
        for name, path in list(imports._FILES.items()):
            if path == str(file.resolve()):
                del imports._FILES[name], sys.modules[name]
                gym.registry.pop(f"{file.stem}/Model-v0", None)
                morl.envs.registration._ENTRIES.pop(f"{file.stem}/Model-v0", None)
        self.marker.unlink(missing_ok=True)


def command(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as stop:
        return int(stop.code or 0)


def alter(run: Path, **fields: Any) -> None:
    """Write into a run's configuration as a stranger would, who can seal it again."""
    text = json.dumps({**json.loads((run / "config.json").read_text()), **fields})
    seal = Seal.read(run)
    if seal is not None:
        seal.expect(run, "config.json", text.encode())
        Seal(seal.run, json.loads(text), seal.files).write(run)
    (run / "config.json").write_text(text)


READERS: list[Callable[[str], list[str]]] = [
    lambda run: ["eval", run],
    lambda run: ["eval", run, "--preference", "0.4", "0.6"],
    lambda run: ["resume", run, "-n", "10", "-q"],
    lambda run: ["compare", run],
    lambda run: ["compare", run, "--reference", "env"],
    lambda run: ["front", run, "--reference", "--plot", str(Path(run).parent / "plot.png")],
    lambda run: ["runs", "list", str(Path(run).parent)],
    lambda run: ["runs", "verify", run],
]
"""Commands that read a run, given its folder."""

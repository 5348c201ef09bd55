"""One cell of a study: a run that is begun, or gone on with, and ends the same however often it was stopped."""

from __future__ import annotations

import contextlib
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from morl import __version__, storage
from morl.runs.config import RunConfig
from morl.runs.folder import RunFolder, read_json
from morl.spec import RunError
from morl.studies.spec import Cell

MACHINE = "machine.json"
"""File of a cell's run folder that says what it was computed with."""
_LIBRARIES = ("numpy", "scipy", "numba", "torch", "gymnasium")
_PATIENCE = 20.0
"""Seconds for a process of a killed study to end."""


def run_cell(job: tuple[Cell, str], report: Callable[[int], None]) -> None:
    """Run a cell to its end, unless it has come to it: a task of an :class:`~morl.engines.local.Engine`.

    Args:
        job: the cell, and the folder of the study's runs.
        report: receives the steps learned.

    Raises:
        MorlError: it fails, or its folder is of another cell.
    """
    from morl.runs import resume, train

    cell, root = job
    path = Path(root) / cell.name
    watch: list[Any] = [lambda agent: report(agent.num_timesteps)]
    run = existing(path, cell)
    if run is not None and finished(run):
        return
    if run is None:
        run = train(cell.config, root, name=cell.name, callbacks=watch)
    else:
        _wait_for(run)
        if run.state == "finished":  # but damaged
            (run.path / "front.json").unlink(missing_ok=True)
        resume(run, clean=True, imports=cell.config.imports, callbacks=watch)
    run.write(MACHINE, storage.as_json(machine()))


def existing(path: Path, cell: Cell) -> RunFolder | None:
    """The run that a cell's folder holds; ``None`` where there is none yet. What was killed at once is removed.

    Raises:
        RunError: the folder is of another cell.
    """
    if not path.is_dir():
        return None
    if not (path / "config.json").exists():
        strange = next((file.name for file in path.iterdir() if file.name != "seal.json" and file.name[0] != "."), None)
        if strange is not None:
            raise RunError(f"{str(path)!r} is no run (it holds {strange}); move it out of the study's folder")
        shutil.rmtree(path)
        return None
    run = RunFolder.open(path)
    has, wanted = comparable(RunConfig.from_dict(run.config)), comparable(cell.config)
    for key in wanted:
        if has[key] != wanted[key]:
            raise RunError(
                f"cell {cell.name!r} was run with {key} = {has[key]!r}, and now has {wanted[key]!r}; give the study "
                "another folder (--out), or the cell another name"
            )
    return run


def comparable(config: RunConfig) -> dict[str, Any]:
    """What of a configuration decides a cell's results."""
    data = replace(config, imports=(), track=None).to_dict()
    del data["morl"]
    return {key: _plain(value) for key, value in data.items()}


def finished(run: RunFolder) -> bool:
    """Whether a cell has come to its end, and its files are whole."""
    return run.state == "finished" and (run.path / MACHINE).is_file() and not run.damage()


def machine() -> dict[str, str]:
    """Versions and hardware."""
    found = {"morl": __version__, "python": platform.python_version(), "platform": platform.platform()}
    found["processor"] = _processor()
    for name in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def machine_of(run: RunFolder) -> dict[str, str]:
    """What a finished cell was computed with; empty where that is not known."""
    with contextlib.suppress(RunError):
        return {str(key): str(value) for key, value in read_json(run.path / MACHINE, "cell").items()}
    return {}


def _processor() -> str:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _wait_for(run: RunFolder) -> None:
    """A study that was killed may leave a process behind for a moment."""
    until = time.monotonic() + _PATIENCE
    while storage.is_locked(run.lock) and time.monotonic() < until:
        time.sleep(0.1)


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(x) for x in value] if isinstance(value, list | tuple) else value

"""``morl runs``: list, verify and prune run folders."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg, subcommand

from morl.cli.console import emit, emit_json, emit_table, note
from morl.spec import MorlError, RunError

if TYPE_CHECKING:
    from morl.runs import RunFolder


@dataclass
class RunsList:
    """List the runs in a folder, oldest first."""

    root: Annotated[Positional[Path], arg(metavar="FOLDER")] = Path("runs")
    """Folder of runs."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Print one line per run."""
        from morl.runs.folder import RunFolder

        _exists(self.root)
        damaged = (None, None, "damaged", None, None)
        rows = [(str(path), *damaged) if run is None else _row(run) for path, run in RunFolder.each(self.root)]
        columns = ("run", "algo", "env", "state", "steps", "points")
        if self.json:
            emit_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            emit_table(columns, rows)
        return 0


def _row(run: RunFolder) -> tuple[Any, ...]:
    """What the list says of a run: two small files are read, and no front."""
    state, status = run.glance()
    config = run.config
    return (str(run.path), config.get("algo"), config.get("env"), state, status.get("steps"), status.get("points"))


@dataclass
class RunsVerify:
    """Check every file of the runs in a folder against its checksum; exit 1 where one is damaged.

    Runs of earlier versions are "unsealed": only their checkpoints have checksums.
    """

    root: Annotated[Positional[Path], arg(metavar="FOLDER")] = Path("runs")
    """A folder of runs, or one run."""

    def run(self) -> int:
        """Print one line per run."""
        from morl.runs import RunFolder, verify
        from morl.runs.zoo import run_path

        root = run_path(self.root)
        one = (root / "config.json").is_file() or (root / "seal.json").is_file()
        damaged = 0
        for folder in [root] if one else sorted(_folders(root)):
            sealed = True
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                try:
                    run = RunFolder.open(folder)
                    sealed = run.identity is not None
                    problems = verify(run)
                except MorlError as error:
                    problems = [str(error)]
            problems = list(dict.fromkeys([*problems, *(str(one.message) for one in said)]))
            damaged += bool(problems)
            whole = "whole" if sealed else "unsealed: made by an earlier version, only its checkpoints have checksums"
            emit(f"{folder}: {'; '.join(problems) or whole}")
        return int(damaged > 0)


@dataclass
class RunsPrune:
    """Delete failed runs without a front, and runs killed before their first checkpoint; --yes deletes, else listed."""

    root: Annotated[Positional[Path], arg(metavar="FOLDER")] = Path("runs")
    """Folder of runs."""
    yes: bool = False
    """Delete; without it nothing is touched."""

    def run(self) -> int:
        """Print and delete."""
        from morl.agents.core import checkpoint
        from morl.runs import RunFolder

        _exists(self.root)
        for run in RunFolder.all(self.root):
            state, saved = run.state, any(map(checkpoint.exists, run.places))
            useless = state == "failed" or (state == "killed" and not saved)
            if useless and not (run.path / "front.json").is_file():
                emit(run.path)
                if self.yes:
                    shutil.rmtree(run.path)
        if not self.yes:
            note("nothing was deleted; add --yes to delete what is listed")
        return 0


def _exists(root: Path) -> None:
    if not root.is_dir():
        raise RunError(f"folder {str(root)!r} does not exist; give the folder of your runs")


def _folders(root: Path) -> list[Path]:
    _exists(root)
    return [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()]


@dataclass
class RunsGroup:
    """Run folders."""

    command: (
        Annotated[RunsList, subcommand("list")]
        | Annotated[RunsVerify, subcommand("verify")]
        | Annotated[RunsPrune, subcommand("prune")]
    )

    def run(self) -> int:
        """Run the sub-command."""
        return self.command.run()

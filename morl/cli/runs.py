"""``morl runs``: list, verify and prune run folders."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, subcommand

from morl.cli.console import emit, emit_json, emit_table, note
from morl.spec import MorlError, RunError


@dataclass
class RunsList:
    """List the runs in a folder, oldest first."""

    root: Positional[Path] = Path("runs")
    """Folder of runs."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Print one line per run."""
        from morl.runs import RunFolder

        rows = []
        for run in RunFolder.all(self.root):
            status = run.status
            points = len(run.front()) if (run.path / "front.json").is_file() else None
            rows.append(
                (str(run.path), run.config["algo"], run.config["env"], status["state"], status.get("steps"), points)
            )
        columns = ("run", "algo", "env", "state", "steps", "points")
        if self.json:
            emit_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            emit_table(columns, rows)
        return 0


@dataclass
class RunsVerify:
    """Check every file of the runs in a folder against its checksum; exit 1 where one is damaged."""

    root: Positional[Path] = Path("runs")
    """A folder of runs, or one run."""

    def run(self) -> int:
        """Print one line per run."""
        from morl.runs import RunFolder, verify

        folders = [self.root] if (self.root / "config.json").is_file() else sorted(_folders(self.root))
        damaged = 0
        for folder in folders:
            try:
                problems = verify(RunFolder.open(folder))
            except MorlError as error:
                problems = [str(error)]
            damaged += bool(problems)
            emit(f"{folder}: {'; '.join(problems) or 'whole'}")
        return int(damaged > 0)


@dataclass
class RunsPrune:
    """Delete runs that failed or never began and left no front; says what it would do unless --yes."""

    root: Positional[Path] = Path("runs")
    """Folder of runs."""
    yes: bool = False
    """Delete; without it nothing is touched."""

    def run(self) -> int:
        """Print and delete."""
        from morl.runs import RunFolder

        _folders(self.root)
        for run in RunFolder.all(self.root):
            if run.status["state"] in ("failed", "created") and not (run.path / "front.json").is_file():
                emit(run.path)
                if self.yes:
                    shutil.rmtree(run.path)
        if not self.yes:
            note("nothing was deleted; add --yes to delete what is listed")
        return 0


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        raise RunError(f"folder {str(root)!r} does not exist; give the folder of your runs")
    return [path for path in root.iterdir() if path.is_dir()]


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

"""``morl study``: run, show, plot and export studies of many runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg, subcommand

from morl.cli.console import emit, emit_json, emit_table, note
from morl.cli.many import ManyRuns
from morl.spec import RunError

if TYPE_CHECKING:
    from morl.studies import Study

VERBS = ("run", "show", "plot", "export", "leaderboard")


@dataclass
class StudyRun(ManyRuns):
    """Run a study: algorithms × environments × seeds of a TOML file. `morl study FILE.toml` is the same.

    Run it again to go on: cells that came to their end are not run again, others go on from their last checkpoint.

    Examples:
        morl study study.toml --jobs 4
        morl study study.toml --out studies/first
    """

    def run(self) -> int:
        """Run, and print the tables."""
        from morl.studies import study

        made = study(self.file, self.out, **self.given())
        for text in made.warnings:
            note(f"warning: {text}")
        for name, error in made.failures.items():
            note(f"cell {name} failed: {error}")
        _show(made)
        note(f"study folder: {made.path}\nfigures:      morl study plot {made.path}")
        return int(bool(made.failures))


@dataclass
class StudyShow:
    """Print the tables of a study: each environment, every seed, all environments together, and pairs.

    Exit code 1 where a front claims more than the exact front allows.
    """

    folder: Positional[Path]
    """The study's folder."""
    indicator: Annotated[str | None, arg(aliases=["-i"])] = None
    """What algorithms are ranked and tested by: hypervolume (default), expected_utility, igd_plus, epsilon,
    utility_loss or worst_objective."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Print."""
        from morl.studies import Study

        return _show(Study.open(self.folder), self.indicator, self.json)


def _show(study: Study, indicator: str | None = None, json: bool = False) -> int:
    from morl.studies.report import sheets

    comparison = study.compare()
    if json:
        emit_json(comparison.to_dict())
    else:
        for sheet in sheets(comparison, indicator):
            emit_table(sheet.columns, sheet.rows, sheet.title)
            for line in sheet.notes:
                emit(line)
            emit("")
    return int(bool(comparison.impossible()))


@dataclass
class StudyPlot:
    """Draw the figures of a study: learning curves, intervals with every seed, profiles, attainment surfaces."""

    folder: Positional[Path]
    """The study's folder."""
    out: Annotated[Path | None, arg(aliases=["-o"])] = None
    """Folder for the figures; "figures" in the study's by default."""
    format: str = "pdf"
    """pdf, png or svg."""
    indicator: Annotated[str | None, arg(aliases=["-i"])] = None
    """What algorithms are ranked by; hypervolume by default."""

    def run(self) -> int:
        """Draw."""
        from morl.studies import Study
        from morl.studies.figures import save_figures

        out = self.folder / "figures" if self.out is None else self.out
        for path in save_figures(Study.open(self.folder), out, self.format, self.indicator):
            note(f"wrote {path}")
        return 0


@dataclass
class StudyExport:
    """Write the tables of a study as Markdown or LaTeX, or all of its numbers as CSV or Parquet.

    Examples:
        morl study export studies/first --format latex > tables.tex
        morl study export studies/first --out numbers.parquet
    """

    folder: Positional[Path]
    """The study's folder."""
    format: str = "markdown"
    """markdown or latex."""
    out: Annotated[Path | None, arg(aliases=["-o"])] = None
    """File to write, by its ending .md, .tex, .csv or .parquet; on stdout by default."""
    indicator: Annotated[str | None, arg(aliases=["-i"])] = None
    """What algorithms are ranked by; hypervolume by default."""

    def run(self) -> int:
        """Write."""
        from morl.studies import Study
        from morl.studies.report import render, sheets

        study = Study.open(self.folder)
        if self.out is not None and self.out.suffix in (".csv", ".parquet"):
            note(f"wrote {study.table.save(self.out)}")
            return 0
        forms = {".md": "markdown", ".tex": "latex"}
        if self.out is not None and self.out.suffix not in forms:
            raise RunError(f"{str(self.out)!r} ends in {self.out.suffix!r}; expected .md, .tex, .csv or .parquet")
        text = render(
            sheets(study.compare(), self.indicator), self.format if self.out is None else forms[self.out.suffix]
        )
        if self.out is None:
            emit(text)
            return 0
        note(f"wrote {_written(self.out, text)}")
        return 0


@dataclass
class StudyLeaderboard:
    """Write a page that ranks the algorithms of several studies, protocol by protocol, with intervals.

    What claims more than an exact front or a proven ceiling allows is not ranked; exit code 1 where there is such.

    Examples:
        morl study leaderboard studies --out leaderboard.html
    """

    folders: Positional[tuple[Path, ...]]
    """Folders of studies, or folders that hold some."""
    out: Annotated[Path, arg(aliases=["-o"])] = Path("leaderboard.html")
    """Write the page to this file."""

    def run(self) -> int:
        """Rank and write."""
        from morl.studies.leaderboard import boards, page, studies_in

        made = boards(studies_in(self.folders))
        refused = [(board, entry) for board in made for entry in board.entries if entry.refused]
        for board, entry in refused:
            note(f"refused: {entry.algorithm} in {board.environment} is above {entry.refused}")
        note(f"wrote {_written(self.out, page(made))}")
        return int(any(entry.study for _, entry in refused))


def _written(path: Path, text: str) -> Path:
    """Write a file.

    Raises:
        RunError: it cannot be written.
    """
    from morl import storage

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return storage.write_atomic(path, text)
    except OSError as error:
        raise RunError(f"{str(path)!r} cannot be written ({error.strerror})") from None


@dataclass
class StudyGroup:
    """Many runs from one file, and what they say together."""

    command: (
        Annotated[StudyRun, subcommand("run")]
        | Annotated[StudyShow, subcommand("show")]
        | Annotated[StudyPlot, subcommand("plot")]
        | Annotated[StudyExport, subcommand("export")]
        | Annotated[StudyLeaderboard, subcommand("leaderboard")]
    )

    def run(self) -> int:
        """Run the sub-command."""
        return self.command.run()

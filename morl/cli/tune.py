"""``morl tune``: search options of an algorithm with Optuna."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from morl.cli.arguments import Count
from morl.cli.console import emit, emit_table, note
from morl.cli.sources import Imports


@dataclass
class Tune:
    """Search options of an algorithm, several seeds a trial; needs the extra `tune`. Run it again to go on.

    Examples:
        morl tune tune.toml --jobs 2
        morl train --algo PCN --env morl/FruitTree-v0 --config tuning/NAME/winner.toml
    """

    file: Positional[Path]
    """TOML file; docs/howto/studies.md lists its keys."""
    out: Annotated[Path | None, arg(aliases=["-o"])] = None
    """Folder; tuning/NAME by default."""
    jobs: Annotated[Count, arg(aliases=["-j"])] = 1
    """Runs at a time, each in a process of its own."""
    engine: str = "local"
    """local, or ray (extra `ray`): runs on the nodes of a cluster, which share the folder."""
    address: str | None = None
    """Address of the Ray cluster; one is started on this machine when not given."""
    quiet: Annotated[bool, arg(aliases=["-q"])] = False
    """No progress bar."""
    imports: Imports = ()

    def run(self) -> int:
        """Search, and print the winner."""
        from morl.studies.engines import engine_of
        from morl.studies.report import sheets
        from morl.studies.tuning import to_toml, tune

        engine = engine_of(self.engine, self.jobs, self.address)
        found = tune(self.file, self.out, engine=engine, imports=self.imports, progress=not self.quiet)
        emit(to_toml(found.options).rstrip())
        if found.importance:
            emit_table(["option", "importance"], [[name, f"{x:.3f}"] for name, x in found.importance.items()])
        if found.held_out is not None:
            for sheet in sheets(found.held_out.compare()):
                emit_table(sheet.columns, sheet.rows, f"held-out seeds: {sheet.title}")
        note(f"mean {found.value:.6g} in {found.trials} trials, {found.pruned} of them given up early")
        note(f"options: {found.path / 'winner.toml'}\ntrials:  {found.path / 'trials.csv'}")
        return 0

"""``morl tune``: search options of an algorithm with Optuna."""

from __future__ import annotations

from dataclasses import dataclass

from morl.cli.console import emit, emit_table, note
from morl.cli.many import ManyRuns


@dataclass
class Tune(ManyRuns):
    """Search options of an algorithm, several seeds a trial; needs the extra `tune`. Run it again to go on.

    Examples:
        morl tune tune.toml --jobs 2
        morl train --algo PCN --env morl/FruitTree-v0 --config tuning/NAME/winner.toml
    """

    def run(self) -> int:
        """Search, and print the winner."""
        from morl.studies.report import sheets
        from morl.studies.tuning import to_toml, tune

        found = tune(self.file, self.out, **self.given())
        emit(to_toml(found.options).rstrip())
        if found.importance:
            emit_table(["option", "importance"], [[name, f"{x:.3f}"] for name, x in found.importance.items()])
        if found.held_out is not None:
            for sheet in sheets(found.held_out.compare()):
                emit_table(sheet.columns, sheet.rows, f"held-out seeds: {sheet.title}")
        note(f"mean {found.value:.6g} in {found.trials} trials, {found.pruned} of them given up early")
        note(f"options: {found.path / 'winner.toml'}\ntrials:  {found.path / 'trials.csv'}")
        return 0

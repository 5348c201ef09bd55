"""``morl plot``: plot learning curves of runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from morl.cli.console import emit_table, note
from morl.spec import RunError


@dataclass
class Plot:
    """Plot learning curves of runs of one environment: hypervolume, expected utility and each objective's range on the
    front, with the baselines of doing nothing and acting at random.

    Examples:
        morl plot runs/pcn-dst
        morl plot runs/a runs/b --out curves.pdf
    """

    runs: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN")]
    """Run folders."""
    out: Annotated[Path, arg(aliases=["-o"])] = Path("curves.png")
    """Save the plot to this file."""

    def run(self) -> int:
        """Plot, and print the first and last values of each run."""
        from morl.runs.curves import plot_runs, read_curve
        from morl.runs.folder import RunFolder

        if not self.runs:
            raise RunError("no run given; expected at least one, e.g. morl plot runs/NAME")
        curves = [read_curve(RunFolder.open(path)) for path in self.runs]
        rows = []
        for curve in curves:
            for name, values in curve.indicators.items():
                known = [curve.baselines.get(baseline, {}).get(name) for baseline in ("do_nothing", "random")]
                rows.append([curve.name, name, *known, values[0], values[-1], curve.steps[-1]])
        emit_table(["run", "indicator", "do nothing", "random", "first", "last", "steps"], rows)
        note(f"wrote {plot_runs(curves, self.out)}")
        return 0

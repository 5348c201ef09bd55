"""``morl front``: show, plot and export the fronts of runs and files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from morl.cli.console import emit_points, note
from morl.cli.sources import Imports, Trust, find_reference, load_reference, load_sources
from morl.spec import FrontError, as_returns


@dataclass
class ShowFront:
    """Show the fronts of runs (folders) and files (.json, .csv), plot them together, export them.

    Examples:
        morl front runs/pql-dst --plot front.png --reference
        morl front runs/a runs/b --plot both.pdf
    """

    sources: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN|FILE")]
    """Run folders, zoo:NAME, and front files."""
    plot: Path | None = None
    """Save the plot to this file."""
    reference: bool = False
    """Plot the environment's exact (or best-known) front as well."""
    reference_file: Path | None = None
    """Front file to plot as the reference front."""
    csv: Path | None = None
    """Write the points to this CSV file (one source only)."""
    json_file: Annotated[Path | None, arg(name="json")] = None
    """Write the front to this JSON file (one source only)."""
    ref_point: tuple[float, ...] = ()
    """Reference point for the hypervolume."""
    imports: Imports = ()
    trust: Trust = False

    def run(self) -> int:
        """Print, plot and write."""
        if not self.sources:
            raise FrontError("no run or file given; expected at least one, e.g. morl front runs/NAME")
        sources = load_sources(self.sources)
        fronts = {name: source.front for name, source in sources.items()}
        if self.ref_point:
            fronts = {
                name: front.replace(ref_point=as_returns(self.ref_point, front.objectives))
                for name, front in fronts.items()
            }
        for path in (self.csv, self.json_file):
            if path is not None:
                if len(fronts) > 1:
                    raise FrontError(f"{len(fronts)} fronts for one file {str(path)!r}; export one source at a time")
                note(f"wrote {next(iter(fronts.values())).save(path)}")
        for name, front in fronts.items():
            counts = [] if front.episodes is None else front.episodes.tolist()
            more = {"episodes": ["exact" if n == 0 else n for n in counts]} if counts else {}
            volume = "" if front.ref_point is None else f", hypervolume {front.hypervolume():.6g}"
            emit_points(front, {**more, "id": front.ids}, title=f"{name}: {len(front)} points{volume}")
        if self.plot is not None:
            from morl.cli.draw import save_plot

            reference = None
            if self.reference_file is not None:
                reference = load_reference(sources, str(self.reference_file))
            elif self.reference:
                reference = find_reference(sources, self.imports, self.trust)
            note(f"wrote {save_plot(self.plot, fronts, reference)}")
        return 0

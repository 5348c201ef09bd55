"""``morl compare``: fronts measured against each other and against the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from morl.cli.console import emit, emit_json, note
from morl.cli.sources import Imports, Trust, load_sources, load_truth, try_truth, union
from morl.spec import FrontError, as_returns


@dataclass
class Compare:
    """Compare runs and front files: hypervolume and its ratio, ε, IGD+, expected utility, points.

    They are measured against the truth, the environment's exact front, where it has one; else against its best
    known front; else against the union of the fronts given. The table says which. A single front without any of
    them has no ratio, and neither has a front of another policy class than what it is measured against. Exit 1
    where a front claims more than the truth allows.

    Examples:
        morl compare runs/pql-dst runs/ppo-dst
        morl compare a.csv b.csv --truth best.json --ref-point 0 -25
    """

    sources: Positional[tuple[str, ...]]
    """Run folders and front files."""
    truth: str | None = None
    """A front file or environment id to compare with, instead of the runs' own environment."""
    ref_point: tuple[float, ...] = ()
    """Reference point for the hypervolume."""
    json: bool = False
    """Print JSON."""
    plot: Path | None = None
    """Save a plot of the fronts, and of what they are compared with, to this file."""
    imports: Imports = ()
    trust: Trust = False

    def run(self) -> int:
        """Measure and print."""
        from morl.pareto import compare

        if not self.sources:
            raise FrontError("no run or file given; expected at least one, e.g. morl compare runs/NAME")
        sources = load_sources(self.sources)
        fronts = {name: source.front for name, source in sources.items()}
        given = (self.imports, self.trust)
        truth = try_truth(sources, *given) if self.truth is None else load_truth(sources, self.truth, *given)
        if truth is None:
            truth = union(fronts)
        ref = as_returns(self.ref_point, truth.objectives) if self.ref_point else None
        result = compare(truth, *fronts.values(), names=list(fronts), ref_point=ref, above="flag")
        if self.json:
            emit_json(result.to_dict())
        else:
            emit(result.table())
        if self.plot is not None:
            from morl.cli.draw import save_plot

            note(f"wrote {save_plot(self.plot, fronts, None if result.alone else truth)}")
        return int(any(row.above for row in result.fronts))

"""``morl compare``: fronts measured against each other and against a reference front."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from morl.cli.console import emit, emit_json, note
from morl.cli.sources import Imports, Trust, find_reference, load_reference, load_sources
from morl.spec import FrontError, as_returns


@dataclass
class Compare:
    """Compare runs and front files: hypervolume and its ratio, ε, IGD+, expected utility, points.

    The reference front is the environment's exact front where there is one; else its best-known front; else the
    union of the fronts given. The table says which. A single front without any of them has no ratio, and neither has
    a front of another policy class than the reference front. Exit 1 where a front claims more than the exact front
    allows.

    Examples:
        morl compare runs/pql-dst runs/ppo-dst
        morl compare a.csv b.csv --reference best.json --ref-point 0 -25
    """

    sources: Positional[tuple[str, ...]]
    """Run folders and front files."""
    reference: str | None = None
    """Reference front: a front file, or an environment id, instead of the runs' own environment."""
    ref_point: tuple[float, ...] = ()
    """Reference point for the hypervolume."""
    json: bool = False
    """Print JSON."""
    plot: Path | None = None
    """Save a plot of the fronts, and of the reference front, to this file."""
    imports: Imports = ()
    trust: Trust = False

    def run(self) -> int:
        """Measure and print."""
        from morl.pareto.compare import compare, union

        if not self.sources:
            raise FrontError("no run or file given; expected at least one, e.g. morl compare runs/NAME")
        sources = load_sources(self.sources)
        fronts = {name: source.front for name, source in sources.items()}
        given = (self.imports, self.trust)
        if self.reference is None:
            found = find_reference(sources, *given)
            reference = union(fronts) if found is None else found
        else:
            reference = load_reference(sources, self.reference, *given)
        ref = as_returns(self.ref_point, reference.objectives) if self.ref_point else None
        result = compare(reference, *fronts.values(), names=list(fronts), ref_point=ref, above="flag")
        if self.json:
            emit_json(result.to_dict())
        else:
            emit(result.table())
        if self.plot is not None:
            from morl.cli.draw import save_plot

            note(f"wrote {save_plot(self.plot, fronts, None if result.alone else reference)}")
        return int(any(row.above for row in result.fronts))

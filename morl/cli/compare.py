"""``morl compare``: fronts measured against each other and against a reference front."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from morl.cli.console import emit, emit_json, emit_table, note
from morl.cli.sources import Imports, Trust, find_reference, load_reference, load_sources
from morl.spec import FrontError, as_returns

if TYPE_CHECKING:
    from morl.pareto import Front


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
        morl compare runs/capql-hopper --protocol openrlbenchmark-2023
    """

    sources: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN|FILE")]
    """Run folders, zoo:NAME, and front files."""
    reference: str | None = None
    """Reference front: a front file, or an environment id, instead of the runs' own environment."""
    ref_point: tuple[float, ...] = ()
    """Reference point for the hypervolume."""
    protocol: str | None = None
    """Measure as a publication did, beside the numbers that it reports; `morl protocol list` names them."""
    any_protocol: bool = False
    """Compare fronts that were measured under different protocols, or under none, all the same."""
    json: bool = False
    """Print JSON."""
    plot: Path | None = None
    """Save a plot of the fronts, and of the reference front, to this file."""
    imports: Imports = ()
    trust: Trust = False

    def run(self) -> int:
        """Measure and print."""
        from morl.pareto.compare import check_protocols, compare, union

        if not self.sources:
            raise FrontError("no run or file given; expected at least one, e.g. morl compare runs/NAME")
        sources = load_sources(self.sources)
        fronts = {name: source.front for name, source in sources.items()}
        if self.protocol is not None:
            return self._under(fronts, self.protocol)
        if not self.any_protocol:
            check_protocols(fronts)
        given = (self.imports, self.trust)
        if self.reference is None:
            found = find_reference(sources, *given)
            reference = union(fronts) if found is None else found
        else:
            reference = load_reference(sources, self.reference, *given)
        ref = as_returns(self.ref_point, reference.objectives) if self.ref_point else None
        how: dict[str, Any] = {"ref_point": ref, "above": "flag", "any_protocol": self.any_protocol}
        result = compare(reference, *fronts.values(), names=list(fronts), **how)
        if self.json:
            emit_json(result.to_dict())
        else:
            emit(result.table())
        if self.plot is not None:
            from morl.cli.draw import save_plot

            note(f"wrote {save_plot(self.plot, fronts, None if result.alone else reference)}")
        return int(any(row.above for row in result.fronts))

    def _under(self, fronts: dict[str, Front], protocol: str) -> int:
        """Measure fronts as a protocol does, beside what its source reports."""
        from morl.bench import compare_under

        clashing = {"--reference": self.reference, "--ref-point": self.ref_point, "--plot": self.plot}
        for option, value in clashing.items():
            if value:
                raise FrontError(f"{option} does not go with --protocol, which says what is measured; leave out one")
        result = compare_under(protocol, fronts, any_protocol=self.any_protocol)
        if self.json:
            emit_json(result.to_dict())
            return 0
        columns = ("front", "steps", "points", "hypervolume", "utility", "known", "minutes")
        emit_table(columns, [tuple(map(_cell, columns, astuple(row))) for row in result.rows])
        note(result.title)
        if result.setup.differs:
            note(f"what differs from {result.setup.problem} here: {result.setup.differs}")
        return 0


def _cell(column: str, value: object) -> str:
    """A value of a table; numbers of steps and volumes with commas."""
    if value is None:
        return ""
    form = {"steps": ",", "hypervolume": ",.6g", "utility": ".4g", "minutes": ".3g"}.get(column, "")
    return format(value, form)

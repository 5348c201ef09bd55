"""``morl protocol``: the published set-ups under which fronts can be measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

from tyro.conf import Positional, subcommand

from morl.cli.console import emit, emit_json, emit_table


@dataclass
class ProtocolList:
    """List the protocols."""

    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Print the list."""
        from morl.bench import get, names

        columns = ("name", "environments", "source")
        rows = [(n, ", ".join(s.problem for s in get(n).setups), get(n).source) for n in names()]
        if self.json:
            emit_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            emit_table(columns, rows)
        return 0


@dataclass
class ProtocolShow:
    """Show a protocol: environments, discounts, reference points, budgets and published numbers."""

    name: Positional[str]
    """Name of the protocol."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Print the facts."""
        from morl.bench import get

        protocol = get(self.name)
        if self.json:
            emit_json(asdict(protocol))
            return 0
        emit(f"{protocol.name}: {protocol.source}\n{protocol.about}\n")
        columns = ("problem", "environment", "γ", "reference point", "steps", "episodes", "weights", "differs")
        emit_table(
            columns,
            [
                (
                    s.problem,
                    " ".join([s.env, *(f"{key}={value}" for key, value in s.env_options.items())]),
                    f"{s.discount:g}",
                    ", ".join(f"{x:g}" for x in s.ref_point),
                    f"{s.steps:,}",
                    str(s.episodes),
                    str(s.weights),
                    s.differs,
                )
                for s in protocol.setups
            ],
        )
        emit_table(
            ("problem", "algorithm", "steps", "hypervolume", "utility", "minutes", "known", "source"),
            [
                (
                    s.problem,
                    p.algorithm,
                    f"{p.steps:,}" if p.steps else "",
                    "" if p.hypervolume is None else f"{p.hypervolume:,.6g}",
                    "" if p.utility is None else f"{p.utility:g}",
                    "" if p.minutes is None else f"{p.minutes:g}",
                    p.known,
                    p.source,
                )
                for s in protocol.setups
                for p in s.published
            ],
        )
        return 0


@dataclass
class ProtocolGroup:
    """Protocols."""

    command: Annotated[ProtocolList, subcommand("list")] | Annotated[ProtocolShow, subcommand("show")]

    def run(self) -> int:
        """Run the sub-command."""
        return self.command.run()

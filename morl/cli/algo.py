"""``morl algo``: what the algorithms are for, and every option that they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg, subcommand

from morl.cli.console import emit_json, emit_table

Imports = Annotated[tuple[str, ...], arg(name="import")]


@dataclass
class AlgoList:
    """List the algorithms."""

    json: bool = False
    """Print JSON."""
    imports: Imports = ()
    """Packages to import first."""

    def run(self) -> int:
        """Print the list."""
        from morl.agents.registry import names

        rows = [(n, *_facts(n)) for n in names()]
        columns = ("name", "criterion", "policy class", "actions", "observations", "purpose")
        if self.json:
            emit_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            emit_table(columns, rows)
        return 0


def _facts(name: str) -> tuple[str, str, str, str, str]:
    from morl.agents.registry import info

    about = info(name)
    return (about.criterion, about.policy_class, _words(about.actions), _words(about.observations), about.purpose)


def _words(kinds: str | tuple[str, ...]) -> str:
    return kinds if isinstance(kinds, str) else ", ".join(kinds)


@dataclass
class AlgoShow:
    """Show an algorithm: purpose, update, paper and options with their defaults (for --set)."""

    name: Positional[str]
    """Name of the algorithm."""
    json: bool = False
    """Print JSON."""
    imports: Imports = ()
    """Packages to import first."""

    def run(self) -> int:
        """Print everything about one algorithm."""
        from morl.agents.registry import describe

        about = describe(self.name)
        if self.json:
            emit_json(about)
            return 0
        emit_table(("", self.name), [(k, v) for k, v in about.items() if k != "options" and v])
        emit_table(("option", "type", "default", "what it does"), [tuple(o.values()) for o in about["options"]])
        return 0


@dataclass
class AlgoGroup:
    """Algorithms."""

    command: Annotated[AlgoList, subcommand("list")] | Annotated[AlgoShow, subcommand("show")]

    def run(self) -> int:
        """Run the sub-command."""
        return self.command.run()

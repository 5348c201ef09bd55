"""``morl algo``: list the algorithms, show one with its options, and write one of your own."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg, subcommand

from morl.cli.console import emit, emit_json, emit_table, note
from morl.cli.sources import Imports


@dataclass
class AlgoList:
    """List the algorithms."""

    json: bool = False
    """Print JSON."""
    imports: Imports = ()

    def run(self) -> int:
        """Print the list."""
        from morl.agents.registry import names
        from morl.envs import import_package

        for package in self.imports:
            import_package(package)
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
    return (
        ", ".join(about.criterion),
        about.policy_class,
        ", ".join(about.actions),
        ", ".join(about.observations),
        about.summary,
    )


@dataclass
class AlgoShow:
    """Show an algorithm: purpose, update, paper and options with their defaults (for --set)."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """Name of the algorithm."""
    json: bool = False
    """Print JSON."""
    imports: Imports = ()

    def run(self) -> int:
        """Print everything about one algorithm."""
        import dataclasses

        from morl.agents.core.config import options
        from morl.agents.registry import get
        from morl.envs import import_package

        for package in self.imports:
            import_package(package)
        agent = get(self.name)
        about = dataclasses.asdict(agent.info)
        table = [dataclasses.asdict(option) for option in options(agent.Config)]
        if self.json:
            emit_json({**about, "options": table})
            return 0
        facts = [(key.replace("_", " "), _words(value)) for key, value in about.items() if value != ""]
        emit_table(("", agent.info.name), facts)
        emit_table(
            ("option", "type", "default", "allowed", "what it does"),
            [(o["name"], o["type"], str(o["default"]), _allowed(o), o["help"]) for o in table],
        )
        return 0


def _words(value: object) -> object:
    return ", ".join(value) if isinstance(value, tuple | list) else value


def _allowed(option: dict[str, Any]) -> str:
    if option["choices"]:
        return ", ".join(option["choices"])
    low, high = option["low"], option["high"]
    if low is None and high is None:
        return ""
    if high is None:
        return f"≥ {low:g}"
    return f"≤ {high:g}" if low is None else f"{low:g} … {high:g}"


@dataclass
class AlgoNew:
    """Write an algorithm of your own, its test and its page: one file of eighty lines that learns as it is."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """Name of the algorithm, such as MyAlgorithm."""
    out: Path = Path()
    """Folder to write it in."""

    def run(self) -> int:
        """Write the files and say what to do next."""
        from morl.templates import class_name, create_algorithm

        files = create_algorithm(self.name, self.out)
        module, test = files[0], files[1]
        note(
            f"next: pytest {shlex.quote(str(test))}\n"
            f"      morl train --algo {class_name(self.name)} --import {shlex.quote(str(module))} "
            "--env morl/DeepSeaTreasure-v0 -n 100k"
        )
        for path in files:
            emit(path)
        return 0


@dataclass
class AlgoGroup:
    """Algorithms."""

    command: (
        Annotated[AlgoList, subcommand("list")]
        | Annotated[AlgoShow, subcommand("show")]
        | Annotated[AlgoNew, subcommand("new")]
    )

    def run(self) -> int:
        """Run the sub-command."""
        return self.command.run()

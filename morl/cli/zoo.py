"""``morl zoo``: list, fetch and give away trained runs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg, subcommand

from morl.cli.console import emit_json, emit_table, note


@dataclass
class ZooList:
    """List the runs of a zoo: those that ship with the package and those pulled, or those of a folder or URL.

    Examples:
        morl zoo list
        morl zoo list hf://datasets/OWNER/REPOSITORY
    """

    zoo: Positional[str | None] = None
    """Folder or URL."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Print one line per run."""
        from morl.zoo import cards

        found = cards(self.zoo)
        if self.json:
            emit_json({name: card and card.to_dict() for name, card in found.items()})
            return 0
        columns = ("name", "algorithm", "environment", "protocol", "steps", "points", "hypervolume", "licence", "about")
        rows: list[tuple[Any, ...]] = []
        for name, card in found.items():
            facts = [None] * (len(columns) - 1) if card is None else [getattr(card, c) for c in columns[1:]]
            rows.append((name, *facts))
        emit_table(columns, rows)
        if self.zoo is None and found:
            note(f"use one as zoo:NAME, e.g. morl front zoo:{next(iter(found))}")
        return 0


@dataclass
class ZooPull:
    """Fetch a run of a zoo, verify its checksums, and use it as zoo:NAME. Nothing of it is executed.

    Examples:
        morl zoo pull hf://datasets/OWNER/REPOSITORY hopper
        morl zoo pull /mnt/share/zoo hopper --out runs
        morl zoo pull zoo: minecart --out runs
    """

    zoo: Positional[str]
    """Folder or URL; zoo: for a copy of a run that ships or was pulled."""
    name: Positional[str]
    """Name of the run there."""
    out: Annotated[Path | None, arg(aliases=["-o"])] = None
    """Put the run folder into this folder, as a run to go on with."""
    rename: Annotated[str | None, arg(name="as")] = None
    """Name that the run gets here."""

    def run(self) -> int:
        """Fetch, and say what was fetched."""
        from morl.runs.zoo import PREFIX
        from morl.zoo import pull

        run = pull(self.zoo, self.name, self.out, self.rename)
        source = str(run.path) if self.out is not None else f"{PREFIX}{run.path.name}"
        note(f"run folder: {run.path} (whole)\nfront:      morl front {shlex.quote(source)}")
        return 0


@dataclass
class ZooPush:
    """Give a finished run to a zoo: its files with their checksums, its newest checkpoint, and a card.

    Examples:
        morl zoo push runs/PCN-minecart-s0 /mnt/share/zoo --licence MIT
        morl zoo push runs/PCN-minecart-s0 hf://datasets/OWNER/REPOSITORY --name minecart --licence CC-BY-4.0
    """

    source: Annotated[Positional[str], arg(metavar="RUN")]
    """Run folder."""
    zoo: Positional[str]
    """Folder or URL."""
    licence: str
    """Licence under which others may use the run, as SPDX writes it: MIT, CC-BY-4.0 …"""
    name: str | None = None
    """Name in the zoo; the folder's own by default."""
    about: str = ""
    """A sentence for the card."""
    command: str | None = None
    """Command that makes the run again, for the card; from the run's configuration by default."""

    def run(self) -> int:
        """Verify and copy."""
        from morl.runs import RunFolder
        from morl.zoo import push

        run = RunFolder.open(self.source)
        push(run, self.zoo, self.name, licence=self.licence, about=self.about, command=self.command)
        for name in run.config.get("imports", ()):
            note(f"the run imports {name}, which is not in its folder; tell others where to find it")
        note(f"{self.name or run.path.name} is in {self.zoo}")
        return 0


@dataclass
class ZooGroup:
    """Trained runs to share."""

    command: (
        Annotated[ZooList, subcommand("list")]
        | Annotated[ZooPull, subcommand("pull")]
        | Annotated[ZooPush, subcommand("push")]
    )

    def run(self) -> int:
        """Run the sub-command."""
        return self.command.run()

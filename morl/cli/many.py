"""Arguments of the commands that run many runs from one file, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from morl.cli.arguments import Count
from morl.cli.sources import Imports

if TYPE_CHECKING:
    from morl.engines import Engine


@dataclass
class ManyRuns:
    """A file that says what to run, and where the runs go."""

    file: Positional[Path]
    """TOML file; docs/howto/studies.md lists its keys."""
    out: Annotated[Path | None, arg(aliases=["-o"])] = None
    """Folder; by default studies/NAME, or tuning/NAME."""
    jobs: Annotated[Count, arg(aliases=["-j"])] = 1
    """Runs at a time, each in a process of its own."""
    engine: str = "local"
    """local, or ray (extra `ray`): runs on the nodes of a cluster, which share the folder."""
    address: str | None = None
    """Address of the Ray cluster; one is started on this machine when not given."""
    quiet: Annotated[bool, arg(aliases=["-q"])] = False
    """No progress bar."""
    imports: Imports = ()

    def given(self) -> dict[str, Any]:
        """Arguments of :func:`morl.study` and :func:`morl.studies.tune`.

        Raises:
            MorlError: no such engine.
        """
        return {"engine": self._engine(), "imports": self.imports, "progress": not self.quiet}

    def _engine(self) -> Engine:
        from morl.engines import engine_of

        return engine_of(self.engine, self.jobs, self.address)

"""``morl resume``: continue a run from its newest valid checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from morl.cli.arguments import Count, load_utility
from morl.cli.console import plain_warnings
from morl.cli.sources import Imports, Trust
from morl.cli.train import report, reporting_interrupts


@dataclass
class Resume:
    """Continue a run; without -n it learns from what is left of its own steps, and measures its front."""

    folder: Annotated[Positional[str], arg(metavar="RUN")]
    """Run folder."""
    steps: Annotated[Count | None, arg(aliases=["-n"])] = None
    """More environment steps."""
    utility: str | None = None
    """The function, module:function or file.py:function, where the run was trained on one."""
    quiet: Annotated[bool, arg(aliases=["-q"])] = False
    """No progress bar."""
    imports: Imports = ()
    trust: Trust = False

    def run(self) -> int:
        """Resume and report."""
        from morl.runs import RunFolder, resume

        run = RunFolder.open(self.folder)
        given: dict[str, Any] = {"trust": self.trust, "imports": self.imports, "utility": load_utility(self.utility)}
        with reporting_interrupts(), plain_warnings():
            resume(run, self.steps, progress_bar=not self.quiet, **given)
        report(run, [])
        return 0

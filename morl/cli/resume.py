"""``morl resume``: continue a run from its newest valid checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from morl.cli.arguments import Count
from morl.cli.console import plain_warnings
from morl.cli.opening import Opening
from morl.cli.train import report, reporting_interrupts


@dataclass
class Resume(Opening):
    """Continue a run; without -n it learns from what is left of its own steps, and measures its front."""

    folder: Annotated[Positional[str], arg(metavar="RUN")]
    """Run folder."""
    steps: Annotated[Count | None, arg(aliases=["-n"])] = None
    """More environment steps."""
    quiet: Annotated[bool, arg(aliases=["-q"])] = False
    """No progress bar."""

    def run(self) -> int:
        """Resume and report."""
        from morl.runs import RunFolder, resume

        run = RunFolder.open(self.folder)
        with reporting_interrupts(), plain_warnings():
            resume(run, self.steps, progress_bar=not self.quiet, **self.opening())
        report(run, [])
        return 0

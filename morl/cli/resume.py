"""``morl resume``: go on with a run from its newest valid checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from morl.cli.sources import Imports, Trust
from morl.cli.train import report, reporting_interrupts


@dataclass
class Resume:
    """Continue a run; without -n it learns from what is left of its own steps, and measures its front."""

    folder: Positional[str]
    """Run folder."""
    steps: Annotated[int | None, arg(aliases=["-n"])] = None
    """More environment steps."""
    quiet: Annotated[bool, arg(aliases=["-q"])] = False
    """No progress bar."""
    imports: Imports = ()
    trust: Trust = False

    def run(self) -> int:
        """Resume and report."""
        from morl.runs import RunFolder, resume

        run = RunFolder.open(self.folder)
        with reporting_interrupts():
            resume(run, self.steps, trust=self.trust, imports=self.imports, progress_bar=not self.quiet)
        report(run, [])
        return 0

"""``morl export``: one policy as a file that runs without this package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from morl.cli.console import note
from morl.cli.opening import Opening, PointArguments


@dataclass
class Export(Opening, PointArguments):
    """Write the policy behind a point to a file that runs without this package: a network to .onnx, a table to .npz or
    .json.

    Without --point and --preference, a network that takes preferences has one more input.

    Examples:
        morl export runs/Envelope-sea-s0 --point k3v9x2mt -o policy.onnx
        morl export runs/CAPQL-hopper-s0 -o any-preference.onnx
        morl export front.json --point k3v9x2mt -o policy.npz
    """

    source: Positional[str]
    """Run folder, zoo:NAME, or a front file of an environment with a finite model."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """File to write: .onnx, .npz or .json."""

    def run(self) -> int:
        """Load and write."""
        from morl.runs.export import export
        from morl.runs.points import open_source

        self.check_one()
        opened = open_source(self.source, **self.opening())
        policy, facts = None, {}
        if self.point is not None:
            policy = opened.policy(self.point)
            facts = {"id": self.point if self.point in opened.front.ids else opened.identity(policy)}
        elif self.preference or not opened.agent.info.multi_policy:
            policy = opened.for_preference(self.weights(), raw=self.raw)
        note(f"wrote {export(opened.agent, policy, self.out, **facts)}")
        return 0

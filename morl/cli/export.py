"""``morl export``: one policy as a file that runs without this package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from morl.cli.arguments import load_utility, parse_preference
from morl.cli.console import note
from morl.cli.sources import Imports, Trust
from morl.spec import SpecError


@dataclass
class Export:
    """Write the policy behind a point to a file that runs without this package: a network to .onnx, a table to .npz or
    .json.

    Without --point and --preference, a network that takes preferences has one more input.

    Examples:
        morl export runs/Envelope-sea-s0 --point k3v9x2mt -o policy.onnx
        morl export runs/CAPQL-hopper-s0 -o any-preference.onnx
        morl export front.json --point k3v9x2mt -o policy.npz
    """

    source: Positional[str]
    """Run folder, or a front file of an environment with a finite model."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """File to write: .onnx, .npz or .json."""
    point: str | None = None
    """Identity of the point (morl front and morl choose show them), or its first letters."""
    preference: tuple[str, ...] = ()
    """Instead of a point: weights on the simplex, of objectives on their return scale, in order (0.7 0.3) or by name
    (time=0.3 treasure=0.7)."""
    raw: bool = False
    """The preference weighs raw returns."""
    utility: str | None = None
    """The function, module:function or file.py:function, where the run was trained on one."""
    imports: Imports = ()
    trust: Trust = False

    def run(self) -> int:
        """Load and write."""
        from morl.runs.export import export
        from morl.runs.points import open_source

        if self.point and self.preference:
            raise SpecError("--point and --preference are given; expected one of them")
        function = load_utility(self.utility)
        opened = open_source(self.source, trust=self.trust, imports=self.imports, utility=function)
        policy, facts = None, {}
        if self.point is not None:
            policy = opened.policy(self.point)
            facts = {"id": self.point if self.point in opened.front.ids else opened.identity(policy)}
        elif self.preference or not opened.agent.info.multi_policy:
            policy = opened.for_preference(parse_preference(self.preference), raw=self.raw)
        note(f"wrote {export(opened.agent, policy, self.out, **facts)}")
        return 0

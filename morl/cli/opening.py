"""Arguments of the commands that open a run to use its policies, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from morl.cli.arguments import load_utility, parse_preference
from morl.cli.sources import Imports, Trust
from morl.spec import SpecError


@dataclass(kw_only=True)
class Opening:
    """What is needed to open a run."""

    utility: str | None = None
    """The function, module:function or file.py:function, where the run was trained on one."""
    imports: Imports = ()
    trust: Trust = False

    def opening(self) -> dict[str, Any]:
        """Arguments of :func:`morl.runs.load_agent` and its like.

        Raises:
            SpecError: no such function.
        """
        return {"utility": load_utility(self.utility), "trust": self.trust, "imports": self.imports}


@dataclass(kw_only=True)
class PolicyArguments:
    """Which policy of a run: the one for a preference."""

    preference: tuple[str, ...] = ()
    """The policy for weights on the simplex, of objectives on their return scale, in order (0.7 0.3) or by name
    (time=0.3 treasure=0.7)."""
    raw: bool = False
    """The preference weighs raw returns."""

    def weights(self) -> list[float] | dict[str, float] | None:
        """The preference; ``None`` where none is given.

        Raises:
            SpecError: it cannot be read.
        """
        return parse_preference(self.preference)


@dataclass(kw_only=True)
class PointArguments(PolicyArguments):
    """Which policy of a run or a front: the one behind a point, or the one for a preference."""

    point: str | None = None
    """The policy behind a point: its identity (morl front and morl choose show them), or its first letters."""

    def check_one(self) -> None:
        """Refuse two policies at once.

        Raises:
            SpecError: a point and a preference are given.
        """
        if self.point is not None and self.preference:
            raise SpecError("--point and --preference are given; expected one of them")

"""The table of a comparison: one row per front, in plain text, for the terminal and as JSON."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.intervals import Excess
from morl.pareto.roles import EXACT, UNION
from morl.spec import FloatArray, FrontError

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One front, measured. Ratios and counts are relative to the reference front; ε, IGD+, EUM and MUL are normalised.

    Args:
        name: what the table calls it.
        points: non-dominated points.
        supported: how many of them some linear weight finds, among themselves, as measured.
        non_convex: how many none does, beyond noise.
        found: points of the reference front that are reached, up to the confidence interval.
        found_supported: of these, supported points of the reference front.
        found_non_convex: of these, points of the reference front in its non-convex regions.
        hypervolume: in the product of the objectives' units; NaN without a reference point.
        hypervolume_ratio: share of the reference front's hypervolume; NaN where the front's policies are of a class
            that the reference front does not cover (neither bounds the other), and for a front compared with itself.
        epsilon: additive ε against the reference front.
        igd_plus: mean shortfall against the reference front, IGD+.
        expected_utility: EUM over the simplex.
        utility_loss: MUL, the largest loss over the simplex.
        spacing: unevenness of the points.
        above: points above the exact front by more than their interval; empty for an honest front.
        within_noise: non-dominated points of which the intervals do not say whether they are supported.
        gain: hypervolume beyond that of doing nothing, as a share of the reference front's: 0 is as good as doing
            nothing, 1 as good as the reference front; NaN where nobody measured what doing nothing earns, and wherever
            ``hypervolume_ratio`` is.
    """

    name: str
    points: int
    supported: int
    non_convex: int
    found: int
    found_supported: int
    found_non_convex: int
    hypervolume: float
    hypervolume_ratio: float
    epsilon: float
    igd_plus: float
    expected_utility: float
    utility_loss: float
    spacing: float
    above: tuple[Excess, ...] = ()
    within_noise: int = 0
    gain: float = math.nan

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; NaN and infinity become ``None``."""
        data = {key: getattr(self, key) for key in self.__dataclass_fields__ if key != "above"}
        data = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in data.items()}
        data["above"] = [
            {"index": e.index, "point": e.point.tolist(), "amount": e.amount, "against": e.against} for e in self.above
        ]
        return data


_COLUMNS = (
    ("front", "name", "{}"),
    ("points", "points", "{:d}"),
    ("supported", "found_supported", "{:d}"),
    ("non-convex", "found_non_convex", "{:d}"),
    ("hypervolume", "hypervolume", "{:.6g}"),
    ("ratio", "hypervolume_ratio", "{:.4f}"),
    ("gain", "gain", "{:.4f}"),
    ("ε", "epsilon", "{:.4f}"),
    ("IGD+", "igd_plus", "{:.4f}"),
    ("EUM", "expected_utility", "{:.4f}"),
    ("MUL", "utility_loss", "{:.4f}"),
)


@dataclass(frozen=True)
class Comparison:
    """What :func:`morl.compare` finds: a :class:`Row` for the reference front and one for each front.

    The reference front's row is named for what it is (:attr:`Front.role`): "exact front", "best-known front",
    "union of the fronts" or "reference front".
    ``str()`` and :meth:`table` give plain text, :meth:`rich` a table for the terminal, :meth:`to_dict` JSON.
    """

    reference: Row
    fronts: tuple[Row, ...]
    objectives: tuple[str, ...]
    discount: float | None
    ref_point: FloatArray | None
    scale: tuple[FloatArray, FloatArray]
    scale_source: str
    other_class: tuple[str, ...] = ()
    signs: tuple[float, ...] = ()
    nothing: float = math.nan
    """Hypervolume of doing nothing, where some front knows its returns."""

    @property
    def columns(self) -> tuple[tuple[str, str, str], ...]:
        """Those of the table: without the gain over doing nothing where that was not measured."""
        return tuple(c for c in _COLUMNS if c[1] != "gain" or (math.isfinite(self.nothing) and not self.alone))

    def _shown(self, returns: FloatArray) -> FloatArray:
        """Returns as people read them; costs of minimised objectives are positive."""
        return returns * np.array(self.signs) + 0.0 if self.signs else returns

    @property
    def alone(self) -> bool:
        """True where one front has nothing to be compared with: the union of one is itself."""
        return self.reference.name == UNION and len(self.fronts) == 1

    @property
    def truth(self) -> Row:
        """The former name of ``reference``."""
        return self.reference

    def rows(self) -> list[Row]:
        """The reference front first, then the fronts in the order given; a front that is alone stands alone."""
        return [*([] if self.alone else [self.reference]), *self.fronts]

    def __getitem__(self, name: str | int) -> Row:
        """A front's row, by name or number (the reference front is not counted)."""
        if isinstance(name, int):
            return self.fronts[name]
        for row in self.fronts:
            if row.name == name:
                return row
        raise FrontError(f"no front is called {name!r}; expected one of {[row.name for row in self.fronts]}")

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """Aligned plain text, one line per front, with notes on scale and on impossible points."""
        columns = self.columns
        cells = [[head for head, _, _ in columns], *([self._cell(row, c) for c in columns] for row in self.rows())]
        widths = [max(len(line[c]) for line in cells) for c in range(len(columns))]
        out = io.StringIO()
        for number, line in enumerate(cells):
            first, *rest = (
                f"{x:<{w}}" if c == 0 else f"{x:>{w}}" for c, (x, w) in enumerate(zip(line, widths, strict=True))
            )
            out.write("  ".join([first, *rest]).rstrip() + "\n")
            if number == 0:
                out.write("  ".join("─" * w for w in widths) + "\n")
        out.write("\n".join(self.notes()))
        return out.getvalue()

    def rich(self) -> Table:
        """A :class:`rich.table.Table`."""
        from rich import box
        from rich.table import Table

        notes = "\n".join(self.notes())
        table = Table(box=box.SIMPLE_HEAD, padding=0, caption=notes, caption_justify="left")
        for head, _, _ in self.columns:
            short = head  # in two lines, so that the table fits into 80 columns
            for word in ("non-", "hyper", "sup"):
                short = short.replace(word, word.rstrip("-") + "-\n")
            table.add_column(short, justify="left" if head == "front" else "right", no_wrap=head != "front")
        for row in self.rows():
            style = "bold" if row is self.reference else "red" if row.above else ""
            table.add_row(*(self._cell(row, c) for c in self.columns), style=style)
        return table

    def __rich__(self) -> Table:
        return self.rich()

    def _cell(self, row: Row, column: tuple[str, str, str]) -> str:
        _, key, form = column
        value = getattr(row, key)
        if isinstance(value, float) and math.isnan(value):
            return "–"
        text = form.format(value)
        if key in ("found_supported", "found_non_convex") and row is not self.reference and not self.alone:
            text += f"/{getattr(self.reference, key)}"
        if key == "name" and row.above:
            text += " (!)"
        return text

    def notes(self) -> list[str]:
        """What a reader must know beside the numbers, one line each."""
        gamma = "unknown discount" if self.discount is None else f"γ = {self.discount:g}"
        ref = "none" if self.ref_point is None else "(" + ", ".join(f"{x:g}" for x in self._shown(self.ref_point)) + ")"
        given = f"the {self.reference.name}"
        reached = "" if self.alone else f"supported and non-convex: points of {given} reached; "
        lines = [
            f"{' / '.join(self.objectives)}; {gamma}; reference point {ref}",
            f"{reached}ε, IGD+, EUM, MUL: scaled by {self.scale_source}",
        ]
        if math.isfinite(self.nothing):
            how = "" if self.alone else "; gain: share of the way from there to the reference front's"
            lines.append(f"doing nothing: hypervolume {self.nothing:.6g}{how}")
        if self.alone:
            lines.append("nothing to compare with: no ratio; give another front, or a reference front")
        elif self.reference.name != EXACT:
            lines.append(f"{given} is not the exact front: better points may exist")
        if self.other_class:
            lines.append(f"no ratio for {', '.join(self.other_class)}: other policy class than {given}")
        noisy = [f"{row.name} {row.within_noise}" for row in self.rows() if row.within_noise]
        if noisy:
            lines.append(f"supported or not, within noise: points of {', '.join(noisy)}")
        return lines + self.impossible()

    def impossible(self) -> list[str]:
        """A line for each front that claims more than the exact front allows."""
        return [
            f"(!) {row.name}: {len(row.above)} point{'s' * (len(row.above) != 1)} above the {EXACT} by more "
            f"than the confidence interval (first: {numbers(self._shown(row.above[0].point))}, by "
            f"{row.above[0].amount:.2g} of the range)"
            for row in self.fronts
            if row.above
        ]

    def _row(self, row: Row) -> dict[str, Any]:
        data = row.to_dict()
        for excess in data["above"]:
            excess["point"] = self._shown(np.array(excess["point"])).tolist()
        return data

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; the row of what was compared with is the ``reference``, and its kind says what."""
        reference = {"kind": self.reference.name, **self.reference.to_dict()}
        return {
            "objectives": list(self.objectives),
            "discount": self.discount,
            "ref_point": None if self.ref_point is None else self._shown(self.ref_point).tolist(),
            "nothing": self.nothing if math.isfinite(self.nothing) else None,
            "scale": [self._shown(x).tolist() for x in self.scale],
            "scale_source": self.scale_source,
            "reference": None if self.alone else reference,
            "other_policy_class": list(self.other_class),
            "fronts": [self._row(row) for row in self.fronts],
        }


def numbers(values: ArrayLike | Mapping[str, float]) -> str:
    """Numbers in brackets, for messages: ``(1, 2.5)``."""
    return "(" + ", ".join(f"{x:.6g}" for x in np.asarray(values)) + ")"

"""Fronts measured against the truth (or the best known front, or their union), side by side."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from morl.pareto import indicators
from morl.pareto.front import Front
from morl.pareto.intervals import Excess, excesses, half_widths
from morl.pareto.kinds import NON_CONVEX, SUPPORTED, WITHIN_NOISE
from morl.spec import BoolArray, FloatArray, FrontError, check_vector

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One front, measured. Ratios and counts are relative to the truth; ε, IGD+, EUM and MUL are normalised.

    Args:
        name: what the table calls it.
        points: non-dominated points.
        supported: how many of them some linear weight finds, among themselves, as measured.
        non_convex: how many none does, beyond noise.
        found: points of the truth that are reached, up to the confidence interval.
        found_supported: of these, supported points of the truth.
        found_non_convex: of these, points of the truth inside its dents.
        hypervolume: in the product of the objectives' units; NaN without a reference point.
        hypervolume_ratio: share of the truth's hypervolume; NaN where the front's policies are of a class that the
            truth does not cover, since neither bounds the other, and for one front compared with itself.
        epsilon: additive ε against the truth.
        igd_plus: mean shortfall against the truth, IGD+.
        expected_utility: EUM over the simplex.
        utility_loss: MUL, the largest loss over the simplex.
        spacing: unevenness of the points.
        above: points above the truth by more than their interval; empty for an honest front.
        within_noise: non-dominated points of which the intervals do not say whether they are supported.
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
    ("ε", "epsilon", "{:.4f}"),
    ("IGD+", "igd_plus", "{:.4f}"),
    ("EUM", "expected_utility", "{:.4f}"),
    ("MUL", "utility_loss", "{:.4f}"),
)


@dataclass(frozen=True)
class Comparison:
    """The outcome of :func:`compare`: one :class:`Row` for the truth and one for each front.

    The truth's row is named for what it is: "truth", "best known", "union" or "reference" (:attr:`Front.role`).
    ``str()`` and :meth:`table` give plain text, :meth:`rich` a table for the terminal, :meth:`to_dict` JSON.
    """

    truth: Row
    fronts: tuple[Row, ...]
    objectives: tuple[str, ...]
    discount: float | None
    ref_point: FloatArray | None
    scale: tuple[FloatArray, FloatArray]
    scale_source: str
    other_class: tuple[str, ...] = ()
    signs: tuple[float, ...] = ()

    def _shown(self, returns: FloatArray) -> FloatArray:
        """Returns as people read them; costs of minimised objectives are positive."""
        return returns * np.array(self.signs) + 0.0 if self.signs else returns

    @property
    def alone(self) -> bool:
        """True where one front has nothing to be compared with: the union of one is itself."""
        return self.truth.name == "union" and len(self.fronts) == 1

    def rows(self) -> list[Row]:
        """The truth first, then the fronts in the order given; a front that is alone stands alone."""
        return [*([] if self.alone else [self.truth]), *self.fronts]

    def __getitem__(self, name: str | int) -> Row:
        """A front's row, by name or number (the truth is not counted)."""
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
        cells = [[head for head, _, _ in _COLUMNS], *([self._cell(row, c) for c in _COLUMNS] for row in self.rows())]
        widths = [max(len(line[c]) for line in cells) for c in range(len(_COLUMNS))]
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
        for head, _, _ in _COLUMNS:
            short = head  # in two lines, so that the table fits into 80 columns
            for word in ("non-", "hyper", "sup"):
                short = short.replace(word, word.rstrip("-") + "-\n")
            table.add_column(short, justify="left" if head == "front" else "right", no_wrap=head != "front")
        for row in self.rows():
            style = "bold" if row is self.truth else "red" if row.above else ""
            table.add_row(*(self._cell(row, c) for c in _COLUMNS), style=style)
        return table

    def __rich__(self) -> Table:
        return self.rich()

    def _cell(self, row: Row, column: tuple[str, str, str]) -> str:
        _, key, form = column
        value = getattr(row, key)
        if isinstance(value, float) and math.isnan(value):
            return "–"
        text = form.format(value)
        if key in ("found_supported", "found_non_convex") and row is not self.truth and not self.alone:
            text += f"/{getattr(self.truth, key)}"
        if key == "name" and row.above:
            text += " (!)"
        return text

    def notes(self) -> list[str]:
        """What a reader must know beside the numbers, one line each."""
        gamma = "unknown discount" if self.discount is None else f"γ = {self.discount:g}"
        ref = "none" if self.ref_point is None else "(" + ", ".join(f"{x:g}" for x in self._shown(self.ref_point)) + ")"
        reached = "" if self.alone else f"supported and non-convex: points of the {self.truth.name} reached; "
        lines = [
            f"{' / '.join(self.objectives)}; {gamma}; reference point {ref}",
            f"{reached}ε, IGD+, EUM, MUL: scaled by {self.scale_source}",
        ]
        if self.alone:
            lines.append("nothing to compare with: no ratio; give another front, or the truth")
        elif self.truth.name != "truth":
            lines.append(f"the {self.truth.name} front is not the truth: better points may exist")
        if self.other_class:
            lines.append(f"no ratio for {', '.join(self.other_class)}: other policy class than the {self.truth.name}")
        noisy = [f"{row.name} {row.within_noise}" for row in self.rows() if row.within_noise]
        if noisy:
            lines.append(f"supported or not, within noise: points of {', '.join(noisy)}")
        return lines + self._impossible()

    def _impossible(self) -> list[str]:
        """A line for each front that claims more than the truth allows."""
        return [
            f"(!) {row.name}: {len(row.above)} point{'s' * (len(row.above) != 1)} above the {self.truth.name} by more "
            f"than the confidence interval (first: {_numbers(self._shown(row.above[0].point))}, by "
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
        reference = {"kind": self.truth.name, **self.truth.to_dict()}
        return {
            "objectives": list(self.objectives),
            "discount": self.discount,
            "ref_point": None if self.ref_point is None else self._shown(self.ref_point).tolist(),
            "scale": [self._shown(x).tolist() for x in self.scale],
            "scale_source": self.scale_source,
            "reference": None if self.alone else reference,
            **({"truth": self.truth.to_dict()} if self.truth.name == "truth" else {}),
            "other_policy_class": list(self.other_class),
            "fronts": [self._row(row) for row in self.fronts],
        }


def compare(
    truth: Front,
    *fronts: Front,
    names: Sequence[str] | None = None,
    ref_point: ArrayLike | None = None,
    scale: tuple[ArrayLike, ArrayLike] | str | None = None,
    weights: ArrayLike | None = None,
    confidence: float = 0.999,
    above: str = "error",
) -> Comparison:
    """Measure fronts against the truth: hypervolume ratio, ε, IGD+, EUM, MUL and which points were found.

    Args:
        truth: the exact front, or the best known one.
        fronts: learned fronts.
        names: a name for each; by default the algorithm in its provenance.
        ref_point: ``(K,)`` for hypervolume; by default the truth's, then the fronts'. Without any, hypervolume
            is not reported.
        scale: ``(low, high)`` returns that normalise ε, IGD+, EUM and MUL, or ``"raw"`` for none; by default the
            problem's ``scale``, else the range of the truth.
        weights: ``(m, K)`` preferences for EUM and MUL; by default the whole simplex.
        confidence: level of the simultaneous confidence intervals by which a point may exceed the truth.
        above: ``"error"`` or ``"flag"``: what to do with a point above the truth by more than that.

    A truth that is only the best known front (:attr:`Front.best_known`) may be exceeded: that is a new record.

    Raises:
        FrontError: fronts with different objectives or discounts, an empty truth, a point above the truth.

    >>> truth = Front([[0, 4], [1.5, 1.5], [4, 0]], ["a", "b"], ref_point=[-1, -1], discount=1)
    >>> linear = Front([[0, 4], [4, 0]], ["a", "b"], discount=1)
    >>> row = compare(truth, linear)["front 1"]
    >>> row.found_supported, row.found_non_convex, round(row.hypervolume_ratio, 4)
    (2, 0, 0.8)
    """
    if above not in ("error", "flag"):
        raise FrontError(f"above is {above!r}; expected 'error' or 'flag'")
    if len(truth) == 0:
        raise FrontError("truth is empty; expected at least one point to compare with")
    labels = _labels(fronts, names)
    for label, front in zip(labels, fronts, strict=True):
        _check_comparable(truth, front, label)
    low, high, source = _scale(truth, scale)
    owners = [truth, *fronts]
    ref = next((f.ref_point for f in owners if f.ref_point is not None), None) if ref_point is None else ref_point
    ref = None if ref is None else check_vector(ref, truth.k, "reference point", truth.names)
    measure = _Measure(truth.nondominated(), low, high - low, ref, weights, confidence)
    rows = [measure(front, label) for label, front in zip(labels, fronts, strict=True)]
    other = [label for label, front in zip(labels, fronts, strict=True) if not has_share(front, truth)]
    if truth.role == "union" and len(fronts) == 1:  # a front is all of its own union: that says nothing
        source = source.replace("the union", "its own points")
        nothing: dict[str, Any] = dict.fromkeys(("hypervolume_ratio", "epsilon", "igd_plus", "utility_loss"), math.nan)
        rows = [replace(rows[0], **nothing, found_supported=rows[0].supported, found_non_convex=rows[0].non_convex)]
    rows = [replace(row, hypervolume_ratio=math.nan) if row.name in other else row for row in rows]
    own = measure(truth, truth.role, exact=True)
    result = Comparison(
        own,
        tuple(rows),
        truth.names,
        truth.discount,
        ref,
        (low, high),
        source,
        tuple(other),
        tuple(o.sign for o in truth.objectives),
    )
    if above == "error" and any(row.above for row in rows):
        raise FrontError("; ".join(result._impossible()) + "; check discount and evaluation, or pass above='flag'")
    return result


_RANKS = {"stationary": 1, "markov": 2, "open loop": 2, "open-loop": 2, "action sequences": 2}
"""Classes of deterministic policies; each contains those of a lower number, and all others are history-dependent."""


def has_share(front: Front, truth: Front) -> bool:
    """True where the front's hypervolume is a share of the truth's: all its policies are of a class that it covers.

    A mixture or stochastic policy may lie above every deterministic one, and the vertices of a hull leave out what
    deterministic policies reach below it, so neither is a share of the other. Where a provenance does not name its
    class, the caller is taken at his word.

    >>> stationary, mixture = (Front([[1, 2]], provenance={"policy_class": c}) for c in ("stationary", "mixture"))
    >>> has_share(stationary, stationary), has_share(stationary, mixture), has_share(mixture, stationary)
    (True, False, False)
    """
    mine, theirs = (str(f.provenance.get("policy_class", "")).lower() for f in (front, truth))
    if not mine or not theirs or mine == theirs:
        return True
    random = [any(word in x for word in ("mixture", "stochastic")) for x in (mine, theirs)]
    if any(random):
        return all(random)
    low, high = (min((n for word, n in _RANKS.items() if word in x), default=3) for x in (mine, theirs))
    return low <= high


class _Measure:
    """Indicators of one front after another against the same truth."""

    def __init__(
        self,
        truth: Front,
        low: FloatArray,
        span: FloatArray,
        ref: FloatArray | None,
        weights: ArrayLike | None,
        confidence: float,
    ) -> None:
        self.truth, self.low, self.span, self.ref = truth, low, span, ref
        self.weights, self.confidence = weights, confidence
        self.target = (truth.points - low) / span
        kinds = truth.kinds
        self.is_supported: BoolArray = np.array([kind != NON_CONVEX for kind in kinds], dtype=bool)
        self.volume = math.nan if ref is None else indicators.hypervolume(truth.points, ref)

    def __call__(self, front: Front, name: str, exact: bool = False) -> Row:
        best = front.nondominated()
        unit = (best.points - self.low) / self.span
        kinds = best.kinds
        reached = np.ones(len(self.truth), dtype=bool) if exact else self._reached(best)
        volume = math.nan if self.ref is None else indicators.hypervolume(best.points, self.ref)
        if self.ref is not None:
            indicators.warn_outside(best.points, self.ref, stacklevel=4)
        some = len(best) > 0
        return Row(
            name,
            len(best),
            kinds.count(SUPPORTED),
            kinds.count(NON_CONVEX),
            int(reached.sum()),
            int((reached & self.is_supported).sum()),
            int((reached & ~self.is_supported).sum()),
            volume,
            volume / self.volume if self.volume > 0 else math.nan,
            indicators.additive_epsilon(unit, self.target),
            indicators.igd_plus(unit, self.target),
            indicators.expected_utility(unit, self.weights) if some else math.nan,
            indicators.maximum_utility_loss(unit, self.target, self.weights),
            indicators.spacing(unit),
            () if exact or self.truth.best_known else tuple(excesses(front, self.truth, self.span, self.confidence)),
            kinds.count(WITHIN_NOISE),
        )

    def _reached(self, front: Front) -> BoolArray:
        """Points of the truth that some point of the front attains, up to its 95 % interval and rounding."""
        if len(front) == 0:
            return np.zeros(len(self.truth), dtype=bool)
        reach = front.points + half_widths(front) + 1e-6 * self.span
        return np.asarray((reach[:, None, :] >= self.truth.points[None]).all(axis=2).any(axis=0))


def _labels(fronts: Sequence[Front], names: Sequence[str] | None) -> list[str]:
    if names is None:
        given = [str(f.provenance.get("algorithm", f"front {i}")) for i, f in enumerate(fronts, 1)]
        return [f"{n} {given[: i + 1].count(n)}" if given.count(n) > 1 else n for i, n in enumerate(given)]
    if len(names) != len(fronts) or len(set(names)) != len(names):
        raise FrontError(f"names are {list(names)}; expected {len(fronts)} distinct names, one per front")
    return list(names)


def _check_comparable(truth: Front, front: Front, label: str) -> None:
    """Refuse what would give numbers without meaning; warn of what may."""
    if front.k != truth.k:
        raise FrontError(f"{label} has {front.k} objectives {front.names}; the truth has {truth.k} {truth.names}")
    if front.names != truth.names:
        if sorted(front.names) == sorted(truth.names):
            raise FrontError(f"{label} orders its objectives as {front.names}; the truth as {truth.names}; reorder one")
        warnings.warn(f"{label} names its objectives {front.names}, the truth {truth.names}", stacklevel=3)
    mixed = [n for n, a, b in zip(truth.names, truth.objectives, front.objectives, strict=True) if a.sign != b.sign]
    if mixed:
        raise FrontError(
            f"{mixed[0]!r} is minimised in one of {label} and the {truth.role}, maximised in the other; mark it in "
            "both (minimise=True, or a CSV column 'NAME (minimise)')"
        )
    if truth.discount is None or front.discount is None:
        if truth.discount is not front.discount:
            warnings.warn(
                f"discount of {label} is {front.discount}, of the truth {truth.discount}: "
                "cannot tell whether they are returns of the same kind",
                stacklevel=3,
            )
    elif abs(truth.discount - front.discount) > 1e-12:
        raise FrontError(
            f"{label} holds returns at γ = {front.discount:g}, the truth at γ = {truth.discount:g}; "
            f"evaluate or solve again with the same discount"
        )
    mine, theirs = front.provenance.get("criterion"), truth.provenance.get("criterion")
    if mine and theirs and mine != theirs:
        warnings.warn(f"{label} is optimised for {mine}, the truth for {theirs}", stacklevel=3)


def _scale(truth: Front, scale: tuple[ArrayLike, ArrayLike] | str | None) -> tuple[FloatArray, FloatArray, str]:
    if isinstance(scale, str):
        if scale != "raw":
            raise FrontError(f"scale is {scale!r}; expected (low, high), 'raw' or None")
        return np.zeros(truth.k), np.ones(truth.k), "nothing (raw returns)"
    if scale is not None or truth.scale is not None:
        pair: Any = truth.scale if scale is None else scale
        low, high = (check_vector(x, truth.k, "scale", truth.names) for x in pair)
        if np.any(low >= high):
            raise FrontError(f"scale is ({_numbers(low)}, {_numbers(high)}); expected low < high everywhere")
        return low, high, "the problem's return scale" if scale is None else "the scale given"
    best = truth.nondominated().points
    low, high = best.min(axis=0), best.max(axis=0)
    return low, np.where(high > low, high, low + 1.0), f"the range of the {truth.role}"


def _numbers(values: ArrayLike | Mapping[str, float]) -> str:
    return "(" + ", ".join(f"{x:.6g}" for x in np.asarray(values)) + ")"

"""Style of plots: colours for every colour vision, fonts for print, markers by kind of point, axes and legends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.pareto.kinds import DOMINATED, KINDS, NON_CONVEX, SUPPORTED, WITHIN_NOISE
from morl.pareto.roles import has_share
from morl.spec import BoolArray, FloatArray, FrontError, Objective, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from morl.pareto.front import Front

REFERENCE_COLOUR = "#3b3b3b"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe & Ito (2008): distinguishable with every common colour vision."""

MARKERS = ("o", "s", "^", "v", "P", "X", "<")
"""One shape for each series as well, so that a grey print can still be read; one more than colours: 42 differ."""

LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1, 1, 1)))
"""Styles of lines: another one each time that the colours begin again."""

_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.labelsize": 9.5,
    "axes.titlesize": 10.0,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "figure.dpi": 150.0,
    "savefig.dpi": 300.0,
    "savefig.bbox": "tight",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "axes.formatter.limits": (-4, 5),
    "axes.unicode_minus": True,
}


_INK, _PAPER = "#d8d8d8", "#16181d"
_DARK: Any = {
    "figure.facecolor": _PAPER,
    "axes.facecolor": _PAPER,
    "savefig.facecolor": _PAPER,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.labelcolor": _INK,
    "grid.color": "#343840",
}


@contextmanager
def style(dark: bool = False) -> Iterator[None]:
    """Context manager with the style of the plots: the user's own settings are not changed."""
    import matplotlib as mpl

    with mpl.rc_context({**_RC, "grid.color": "#e6e6e6", **(_DARK if dark else {})}):
        yield


def paper() -> Any:
    """The colour that a hollow marker is filled with: that of the axes."""
    import matplotlib as mpl

    return mpl.rcParams["axes.facecolor"]


def is_dark() -> bool:
    """Whether plots are being drawn on a dark ground."""
    from matplotlib.colors import to_rgb

    return sum(to_rgb(paper())) < 1.5


def better(objective: Objective) -> str:
    """An axis label with an arrow to where the objective is better (upwards, on a vertical axis)."""
    return f"← better   {objective.label}" if objective.minimise else f"{objective.label}   better →"


@dataclass(frozen=True)
class Series:
    """A front with how it is drawn."""

    name: str
    front: Front
    colour: str
    marker: str
    size: float
    is_reference: bool
    line: Any = "-"

    def of_kind(self, kind: str) -> BoolArray:
        """Points of one kind (:attr:`Front.kinds`), ``(n,)``."""
        return np.array([own == kind for own in self.front.kinds], dtype=bool)

    def groups(self) -> Iterator[tuple[FloatArray, dict[str, Any]]]:
        """Points ``(m, K)`` that look alike, with their scatter arguments, by kind."""
        for kind in KINDS:
            chosen = self.of_kind(kind)
            if chosen.any():
                yield self.shown(self.front.points[chosen]), marker_style(self, kind)

    def shown(self, returns: FloatArray) -> FloatArray:
        """Returns ``(..., K)`` as the axes count them: costs of minimised objectives positive."""
        return shown(returns, self.front.objectives)

    def has(self, kind: str) -> bool:
        """True where some point is of that kind."""
        return kind in self.front.kinds

    @property
    def zorder(self) -> float:
        """The reference front lies under what is compared with it."""
        return 2.0 if self.is_reference else 3.0


def series_of(fronts: Mapping[str, Front], reference: Front | None, colours: Mapping[str, str] | None) -> list[Series]:
    """Everything to draw, the reference front first.

    Raises:
        FrontError: nothing to draw, or fronts that do not share their objectives.
    """
    given: list[tuple[str, Front]] = [] if reference is None else [(_role(reference, fronts), reference)]
    given += list(fronts.items())
    if not given:
        raise FrontError("nothing to draw; expected at least one front")
    first = given[0][1]
    series: list[Series] = []
    for name, front in given:
        if front.k != first.k:
            raise FrontError(f"{name!r} has {front.k} objectives, {given[0][0]!r} has {first.k}; draw them apart")
        if [o.sign for o in front.objectives] != [o.sign for o in first.objectives]:
            raise FrontError(f"{name!r} and {given[0][0]!r} do not minimise the same objectives; mark them in both")
        is_reference = reference is not None and not series
        number = len(series) - (reference is not None)
        series.append(
            Series(
                name,
                front,
                _reference_colour() if is_reference else (colours or {}).get(name, COLOURS[number % len(COLOURS)]),
                "o" if is_reference else MARKERS[number % len(MARKERS)],
                _size(number, len(fronts), is_reference) * _shrink(len(front), is_reference),
                is_reference,
                LINES[max(number, 0) // len(COLOURS) % len(LINES)],
            )
        )
    return series


def _reference_colour() -> str:
    return "#bdbdbd" if is_dark() else REFERENCE_COLOUR


def _role(reference: Front, fronts: Mapping[str, Front]) -> str:
    """What the reference front is, with the class of its policies where another front may lie above it."""
    kept_within = all(has_share(front, reference) for front in fronts.values())
    return reference.role if kept_within else f"{reference.role} ({reference.provenance['policy_class']})"


def _size(number: int, count: int, is_reference: bool) -> float:
    """Marker areas that stay visible as rings where points coincide: the reference largest, later series smaller."""
    if is_reference:
        return 72.0
    return 32.0 if count == 1 else max(42.0 * 0.42**number, 7.0)


def _shrink(n: int, is_reference: bool) -> float:
    """Smaller markers for many points; a dense reference front becomes a curve of small rings."""
    return float(np.clip((25.0 if is_reference else 50.0) / max(n, 1), 0.08, 1.0))


def marker_style(series: Series, kind: str) -> dict[str, Any]:
    """Filled where a linear weight finds the point, hollow where none does, pale where noise hides which.

    The reference is a ring or a diamond; a point that its own front dominates is a faint dot.
    """
    if kind == DOMINATED:
        return {"marker": ".", "color": series.colour, "alpha": 0.65, "s": 34.0, "linewidths": 0.0}
    if series.is_reference:
        return {
            "marker": "D" if kind == NON_CONVEX else "o",
            "facecolors": "none",
            "edgecolors": series.colour,
            "linewidths": 1.0,
            "linestyles": ":" if kind == WITHIN_NOISE else "-",
            "s": series.size * 0.9 if kind == NON_CONVEX else series.size,
        }
    face = {SUPPORTED: series.colour, WITHIN_NOISE: pale(series.colour), NON_CONVEX: paper()}[kind]
    return {
        "marker": series.marker,
        "facecolors": face,
        "edgecolors": series.colour,
        "linewidths": 1.1,
        "s": series.size,
    }


def pale(colour: str) -> tuple[float, float, float]:
    """The colour, two thirds of the way to the ground: neither filled nor hollow."""
    from matplotlib.colors import to_rgb

    red, green, blue = (
        ground + (part - ground) / 3.0 for part, ground in zip(to_rgb(colour), to_rgb(paper()), strict=True)
    )
    return red, green, blue


def legend_handles(series: list[Series], lines: bool = True) -> list[Any]:
    """One entry for each series, and one that explains hollow markers where there are any."""
    from matplotlib.lines import Line2D

    handles: list[Any] = [
        Line2D(
            [],
            [],
            color=s.colour,
            linewidth=1.1 if lines else 0.0,
            linestyle=s.line,
            marker="o" if s.is_reference else s.marker,
            markersize=np.sqrt(s.size),
            markerfacecolor="none" if s.is_reference else s.colour,
            label=s.name,
        )
        for s in series
    ]
    grey = "#6b6b6b"
    if series[0].is_reference and series[0].has(NON_CONVEX):
        handles.append(_marker("D", grey, "none", 6.5, f"{series[0].name}, non-convex"))
    learned = [s for s in series if not s.is_reference]
    for kind, face in ((NON_CONVEX, paper()), (WITHIN_NOISE, pale("#6b6b6b"))):
        shape = next((s.marker for s in learned if s.has(kind)), None)
        if shape is not None:
            handles.append(_marker(shape, grey, face, 5.5, kind))
    if any(s.has(DOMINATED) for s in series):
        handles.append(_marker(".", grey, grey, 5.5, DOMINATED))
    return handles


def legend_above(ax: Any, handles: list[Any]) -> None:
    """A legend above the axes, where it covers no data, in as many columns as the axes are wide."""
    longest = max(len(h.get_label()) for h in handles)
    width = 0.92 * float(ax.get_figure().get_size_inches()[0]) * _share_of_figure(ax)
    columns = int(min(len(handles), max(width / (0.066 * longest + 0.42), 1), 4))
    ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.01),
        ncols=columns,
        borderaxespad=0.0,
        columnspacing=1.3,
        handletextpad=0.5,
    )


def _share_of_figure(ax: Any) -> float:
    """Width of the axes' place among subplots, as a share of the figure's."""
    place = ax.get_subplotspec()
    if place is None:
        return float(ax.get_position().width)
    columns = place.get_gridspec().ncols
    return float((place.colspan.stop - place.colspan.start) / columns)


def region_handle(series: list[Series], confidence: float) -> list[Any]:
    """A legend entry for the confidence regions, where any is drawn."""
    from matplotlib.patches import Patch

    if not any(s.front.covariance is not None and s.front.covariance.any() for s in series):
        return []
    return [Patch(facecolor="#6b6b6b", alpha=0.3, label=f"{confidence:.0%} confidence".replace("%", " %"))]


def _marker(shape: str, edge: str, face: Any, size: float, label: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], linewidth=0, marker=shape, markersize=size, markerfacecolor=face, markeredgecolor=edge, label=label
    )


def limits(series: list[Series], objective: int, margin: float = 0.06, spread: float = 0.0) -> tuple[float, float]:
    """Limits, in returns, that hold every point of one objective, and ``spread`` standard deviations, with some air."""
    ends = []
    for s in series:
        values = s.front.points[:, objective]
        if s.front.covariance is None:
            ends.append(values)
        else:
            reach = spread * np.sqrt(np.maximum(s.front.covariance[:, objective, objective], 0.0))
            ends += [values - reach, values + reach]
    every = np.concatenate(ends)
    if not every.size:
        return 0.0, 1.0
    low, high = float(every.min()), float(every.max())
    pad = margin * (high - low) if high > low else margin * max(abs(high), 1.0)
    return low - pad, high + pad


def axis_limits(series: list[Series], objective: int, margin: float = 0.06) -> tuple[float, float]:
    """The same limits as the axis counts: positive costs, ascending, for a minimised objective."""
    sign = series[0].front.objectives[objective].sign
    low, high = sorted(sign * x + 0.0 for x in limits(series, objective, margin))
    return low, high


def readable_ticks(axis: Any, series: list[Series], objective: int) -> None:
    """Few ticks; k, M, m or µ instead of a power of ten in a corner where values are very large or small."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    largest = max(map(abs, limits(series, objective, 0.0)))
    if largest >= 1e5 or 0.0 < largest < 1e-3:
        axis.set_major_formatter(EngFormatter(sep=""))


def light_grid(ax: Axes) -> None:
    """A grid that helps reading and stays behind."""
    ax.grid(True, linewidth=0.6)
    ax.set_axisbelow(True)

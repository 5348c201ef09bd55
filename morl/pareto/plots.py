"""Plots of fronts: two objectives as a step line, three as scatters, any number as parallel coordinates.

Nothing here shows a window: figures are returned, and drawn by whoever asks (``ax.figure.savefig(...)``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.plot_style import (
    Series,
    better,
    legend_above,
    legend_handles,
    light_grid,
    limits,
    readable_ticks,
    region_handle,
    series_of,
    style,
)
from morl.spec import FloatArray, FrontError, check_vector

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from morl.pareto.front import Front

KINDS = ("2d", "3d", "pairs", "parallel")
"""What :func:`plot_fronts` can draw."""


def plot_front(front: Front, reference: Front | None = None, name: str | None = None, **options: Any) -> Any:
    """Plot one front, over a reference front where one is given; see :func:`plot_fronts` for the options.

    Args:
        name: what the legend calls the front; by default the algorithm in its provenance.
    """
    label = name or str(front.provenance.get("algorithm", "front"))
    return plot_fronts({label: front}, reference=reference, **options)


def plot_fronts(
    fronts: Mapping[str, Front],
    reference: Front | None = None,
    *,
    kind: str = "auto",
    ax: Axes | None = None,
    title: str | None = None,
    ref_point: ArrayLike | None = None,
    region: bool = True,
    confidence: float = 0.95,
    colours: Mapping[str, str] | None = None,
    truth: Front | None = None,
    dark: bool = False,
) -> Any:
    """Plot fronts in one figure: supported points are filled, points in non-convex regions are hollow.

    Args:
        fronts: by the name in the legend; all with the same objectives.
        reference: the exact or best-known front, drawn beneath as rings (supported) and diamonds (non-convex); its
            legend entry is :attr:`Front.role`, with the class of its policies where others may lie above it.
        kind: ``"2d"`` (K = 2), ``"3d"`` or ``"pairs"`` (K = 3; pairs for any K >= 2), ``"parallel"`` (any K);
            ``"auto"`` takes 2d, pairs or parallel by the number of objectives.
        ax: where to draw, for 2d, 3d (a 3-D axes) and parallel; a new figure by default.
        title: a title; none by default, since papers have captions.
        ref_point: the corner of the dominated region (2d); by default the front's own, else the axes' corner.
        region: shade the dominated region (2d), unless there are more than six fronts.
        confidence: level of the confidence ellipses of points with a covariance (2d).
        colours: colours by name, instead of the palette.
        truth: the former name of ``reference``.
        dark: draw on a dark ground.

    Returns:
        The matplotlib axes; an array ``(K − 1, K − 1)`` of axes for pairs.

    Raises:
        FrontError: nothing to draw, an unknown kind, or one that does not fit the number of objectives.
    """
    with style(dark):
        series = series_of(fronts, reference if truth is None else truth, colours)
        k = series[0].front.k
        kind = _kind(kind, k)
        if kind == "pairs":
            from morl.pareto.plots_many import draw_pairs

            if ax is not None:
                raise FrontError("pairs need a figure of their own; leave ax out")
            return draw_pairs(series, title)
        axes = _new_axes(kind, k) if ax is None else ax
        if kind == "2d":
            _draw_plane(axes, series, _corner(series, ref_point), region, confidence)
        elif kind == "3d":
            from morl.pareto.plots_many import draw_space

            draw_space(axes, series)
        else:
            from morl.pareto.plots_many import draw_parallel

            draw_parallel(axes, series)
        legend = axes.get_legend()
        if title and legend is not None:  # it stands above the axes: the title goes on top of it
            legend.set_title(title)
            legend.set_alignment("left")
        elif title:
            axes.set_title(title, loc="left")
    return axes


def _kind(kind: str, k: int) -> str:
    if kind == "auto":
        return {2: "2d", 3: "pairs"}.get(k, "parallel")
    if kind not in KINDS:
        raise FrontError(f"kind of plot is {kind!r}; expected auto, {', '.join(KINDS)}")
    needed = {"2d": k == 2, "3d": k == 3, "pairs": k >= 2, "parallel": True}
    if not needed[kind]:
        raise FrontError(f"plot {kind!r} does not fit {k} objectives; expected kind='parallel' or 'pairs'")
    return kind


def _new_axes(kind: str, k: int) -> Any:
    """A fresh figure of a size that fits a column (2d, 3d) or a page (parallel)."""
    import matplotlib.pyplot as plt

    if kind == "3d":
        figure = plt.figure(figsize=(5.0, 4.3), layout="none")
        return figure.add_subplot(projection="3d")
    size = (4.6, 3.4) if kind == "2d" else (min(1.3 + 1.25 * k, 9.0), 3.4)
    return plt.subplots(figsize=size, layout="constrained")[1]


# ---- two objectives ----------------------------------------------------------------------------------------


def _corner(series: list[Series], ref_point: ArrayLike | None) -> FloatArray | None:
    if ref_point is not None:
        return check_vector(ref_point, series[0].front.k, "reference point", series[0].front.names)
    return next((s.front.ref_point for s in series if s.front.ref_point is not None), None)


def _draw_plane(ax: Axes, series: list[Series], corner: FloatArray | None, region: bool, confidence: float) -> None:
    radius = _radius(confidence)
    (x0, x1), (y0, y1) = limits(series, 0, spread=radius), limits(series, 1, spread=radius)
    spread = np.array([x1 - x0, y1 - y0])
    low = np.array([x0, y0])
    near = corner is not None and bool(np.all(corner >= low - 0.5 * spread))
    if corner is not None and near:  # show the reference point where it is not far away
        low = np.minimum(low, corner - 0.04 * spread)
    floor = low if corner is None else np.maximum(low, corner)
    for s in series:
        _draw_steps(ax, s, floor, region and len(series) <= 6 and (s.is_reference or not series[0].is_reference))
        if s.front.covariance is not None:
            _draw_ellipses(ax, s, radius)
        for points, look in s.groups():
            ax.scatter(*points.T, **look, zorder=s.zorder + 0.1)
    if corner is not None and near:
        x, y = series[0].shown(corner)
        ax.plot(x, y, marker="+", color="#6b6b6b", markersize=7, markeredgewidth=1.1, zorder=2, clip_on=False)
        above = -10 if series[0].front.objectives[1].minimise else 4  # inside the axes
        ax.annotate("ref.", (x, y), xytext=(5, above), textcoords="offset points", fontsize=7.5, color="#6b6b6b")
    ends = series[0].shown(np.array([low, [x1, y1]]))
    ax.set_xlim(*sorted(ends[:, 0]))
    ax.set_ylim(*sorted(ends[:, 1]))
    first = series[0].front
    ax.set_xlabel(better(first.objectives[0]))
    ax.set_ylabel(better(first.objectives[1]))
    readable_ticks(ax.xaxis, series, 0)
    readable_ticks(ax.yaxis, series, 1)
    light_grid(ax)
    handles = legend_handles(series) + region_handle(series, confidence)
    if len(handles) > 1:
        legend_above(ax, handles)


def _radius(confidence: float) -> float:
    """Half-axes of the confidence ellipse in standard deviations: chi-square with 2 degrees, in closed form."""
    if not 0.0 < confidence < 1.0:
        raise FrontError(f"confidence is {confidence}; expected a number between 0 and 1, such as 0.95")
    return float(np.sqrt(-2.0 * np.log1p(-confidence)))


def _draw_steps(ax: Axes, s: Series, floor: FloatArray, region: bool) -> None:
    """The staircase that bounds what the non-dominated points dominate, down to ``floor``."""
    best = s.front.nondominated().points
    best = best[(best >= floor).all(axis=1)]
    if not len(best):
        return
    best = best[np.argsort(best[:, 0])]
    x = np.concatenate([[floor[0]], np.repeat(best[:, 0], 2)])
    y = np.concatenate([np.repeat(best[:, 1], 2), [floor[1]]])
    (x, y), bottom = s.shown(np.column_stack([x, y])).T, s.shown(floor)[1]
    if region:
        ax.fill_between(
            x, y, bottom, color=s.colour, alpha=0.07 if s.is_reference else 0.10, linewidth=0, zorder=s.zorder - 1.5
        )
    ax.plot(
        x, y, color=s.colour, linestyle=s.line, linewidth=0.9 if s.is_reference else 1.1, alpha=0.9, zorder=s.zorder
    )


def _draw_ellipses(ax: Axes, s: Series, radius: float) -> None:
    """Confidence region of each mean: the ellipse of its covariance, ``radius`` standard deviations wide."""
    from matplotlib.patches import Ellipse

    covariances = s.front.covariance
    assert covariances is not None
    signs = s.shown(np.ones(2))
    for point, covariance in zip(s.shown(s.front.points), covariances * np.outer(signs, signs), strict=True):
        values, vectors = np.linalg.eigh(covariance)
        width, height = 2.0 * radius * np.sqrt(np.maximum(values[::-1], 0.0))
        if width <= 0.0:
            continue
        angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
        shape = Ellipse((point[0], point[1]), width, height, angle=angle, zorder=s.zorder - 0.2)
        shape.set(facecolor=s.colour, edgecolor=s.colour, alpha=0.22, linewidth=0.8)
        ax.add_patch(shape)

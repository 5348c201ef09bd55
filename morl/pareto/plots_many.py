"""Plots of three and more objectives: scatter in space, all pairs, parallel coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.pareto.kinds import DOMINATED, NON_CONVEX, SUPPORTED, WITHIN_NOISE
from morl.pareto.plot_style import (
    Series,
    axis_limits,
    better,
    legend_handles,
    light_grid,
    limits,
    marker_style,
    readable_ticks,
)

_MOST_STEMS = 40
_DASHES = (3.5, 1.8)
_DOTS = (1.0, 1.4)
_NARROW = 1.1 / 2.6
"""Dashes are measured in line widths: on the reference's wide lines they are shortened to lie on the narrow ones."""


def draw_space(ax: Any, series: list[Series]) -> None:
    """Three objectives as points in space, each with a thin stem to the floor so that its place can be read."""
    first = series[0].front
    floor = axis_limits(series, 2, 0.1)[0]
    ax.computed_zorder = False  # by series, not by distance: the reference front stays beneath
    for s in series:
        for points, look in s.groups():
            ax.scatter(*points.T, **look, depthshade=False, zorder=s.zorder)
    deepest = series[0]
    for x, y, z in deepest.shown(deepest.front.points) if len(deepest.front) <= _MOST_STEMS else ():
        ax.plot([x, x], [y, y], [floor, z], color=deepest.colour, linewidth=0.5, alpha=0.3, zorder=1)
    for axis, objective in zip("xyz", first.objectives, strict=True):
        getattr(ax, f"set_{axis}label")(better(objective), labelpad=6)
        pane = getattr(ax, f"{axis}axis")
        pane.set_pane_color((1.0, 1.0, 1.0, 0.0))
        pane._axinfo["grid"].update(color="#e0e0e0", linewidth=0.5)
        pane.set_tick_params(pad=1)
        readable_ticks(pane, series, "xyz".index(axis))
    ax.set_xlim(*axis_limits(series, 0))
    ax.set_ylim(*axis_limits(series, 1))
    ax.set_zlim(floor, axis_limits(series, 2)[1])
    ax.view_init(elev=22, azim=-52)
    ax.set_box_aspect((1.0, 1.0, 0.82), zoom=0.9)
    ax.set_position((0.0, 0.05, 0.98, 0.87))
    handles = legend_handles(series, lines=False)
    if len(handles) > 1:
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.04, 1.09), ncols=2, columnspacing=1.3)


def draw_pairs(series: list[Series], title: str | None) -> Any:
    """Every pair of objectives in a triangle of panels that share their axes."""
    import matplotlib.pyplot as plt

    first = series[0].front
    side = first.k - 1
    figure, axes = plt.subplots(
        side, side, figsize=(2.5 * side + 0.6, 2.25 * side + 0.6), squeeze=False, sharex="col", layout="constrained"
    )
    for row in range(side):
        for column in range(side):
            ax = axes[row, column]
            if column > row:
                ax.set_axis_off()
                continue
            i, j = column, row + 1
            for s in series:
                for points, look in s.groups():
                    ax.scatter(points[:, i], points[:, j], **look, zorder=s.zorder)
            ax.set_xlim(*axis_limits(series, i))
            ax.set_ylim(*axis_limits(series, j))
            readable_ticks(ax.xaxis, series, i)
            readable_ticks(ax.yaxis, series, j)
            light_grid(ax)
            if row == side - 1:
                ax.set_xlabel(better(first.objectives[i]))
            if column == 0:
                ax.set_ylabel(better(first.objectives[j]))
            else:
                ax.tick_params(labelleft=False)
    handles = legend_handles(series, lines=False)
    if len(handles) > 1 and side > 1:
        axes[0, side - 1].legend(handles=handles, loc="center", title=title, alignment="left")
    elif len(handles) > 1:
        figure.legend(handles=handles, loc="outside upper left", ncols=3)
    if title and (side == 1 or len(handles) <= 1):
        figure.suptitle(title)
    return axes


def draw_parallel(ax: Any, series: list[Series]) -> None:
    """Each point as a line across K vertical axes; every axis runs from its worst to its best value shown."""
    first = series[0].front
    k = first.k
    ranges = np.array([limits(series, j, 0.0) for j in range(k)])
    low, span = ranges[:, 0], np.where(ranges[:, 1] > ranges[:, 0], ranges[:, 1] - ranges[:, 0], 1.0)
    where = np.arange(k)
    for s in series:
        if k == 1:  # no second axis to draw a line to
            ax.scatter(np.zeros(len(s.front)), (s.front.points[:, 0] - low[0]) / span[0], **marker_style(s, SUPPORTED))
        n = max(len(s.front), 1)
        alpha = float(np.clip(12.0 / n, 0.25 if n <= 60 else 0.03, 0.9))  # thousands of lines must not cover the others
        dashes = {NON_CONVEX: _DASHES, WITHIN_NOISE: _DOTS}
        for point, kind in zip(s.front.points, s.front.kinds, strict=True):
            if kind == DOMINATED:
                continue
            unit = (point - low) / span
            ax.plot(
                where,
                unit,
                color=s.colour,
                linewidth=2.6 if s.is_reference else 1.1,
                alpha=0.28 * alpha / 0.9 if s.is_reference else alpha,
                linestyle=(0, tuple(x * _NARROW for x in dashes[kind]) if s.is_reference else dashes[kind])
                if kind in dashes
                else "-",
                solid_capstyle="round",
                zorder=s.zorder,
            )
    for j in range(k):
        ax.axvline(j, color="#6b6b6b", linewidth=0.8, zorder=1)
        worst, best = (_number(first.objectives[j].sign * x + 0.0) for x in (low[j], ranges[j, 1]))
        ax.annotate(best, (j, 1.0), xytext=(0, 4), textcoords="offset points", ha="center", fontsize=8)
        ax.annotate(worst, (j, 0.0), xytext=(0, -11), textcoords="offset points", ha="center", fontsize=8)
    ax.set_xlim(-0.15 if k > 1 else -0.5, k - 1 + (0.15 if k > 1 else 0.5))
    ax.set_ylim(-0.02, 1.02)
    ax.set_xticks(where, [o.label.replace(" (", "\n(") for o in first.objectives])
    ax.tick_params(axis="x", length=0, pad=14)
    ax.set_yticks([])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.annotate("better ↑", (1.0, 1.09), xycoords="axes fraction", ha="right", va="bottom", fontsize=8.5)
    _legend_of_lines(ax, series)


def _legend_of_lines(ax: Any, series: list[Series]) -> None:
    from matplotlib.lines import Line2D

    handles: list[Any] = [
        Line2D(
            [],
            [],
            color=s.colour,
            linewidth=2.6 if s.is_reference else 1.4,
            alpha=0.4 if s.is_reference else 1,
            label=s.name,
        )
        for s in series
    ]
    for kind, pattern in ((NON_CONVEX, _DASHES), (WITHIN_NOISE, _DOTS)):
        if any(s.has(kind) for s in series):
            handles.append(Line2D([], [], color="#6b6b6b", linewidth=1.2, linestyle=(0, pattern), label=kind))
    if len(handles) > 1:
        ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.09), ncols=4, borderaxespad=0.0)


def _number(value: float) -> str:
    """Three or four digits, with a proper minus sign."""
    return f"{value:.4g}".replace("-", "−")

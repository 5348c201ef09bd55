"""Empirical attainment surfaces: what a share of an algorithm's runs reaches, for two objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import moocore
import numpy as np

from morl.pareto.plot_style import COLOURS, LINES, better, legend_above, light_grid, style
from morl.spec import FloatArray, FrontError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from morl.pareto.front import Front


def attainment_surface(fronts: Sequence[Front], share: float = 0.5) -> FloatArray:
    """Points ``(m, 2)`` that bound what at least a share of the fronts dominates, by ascending first objective.

    The median surface (share 0.5) is to a set of fronts what a median is to numbers (Grunert da Fonseca, Fonseca &
    Hall, 2001); computed by moocore.

    Raises:
        FrontError: no fronts, another number of objectives than two, or a share outside (0, 1].

    >>> from morl.pareto import Front
    >>> attainment_surface([Front([[1, 2], [2, 1]]), Front([[2, 2]])], 1.0).tolist()
    [[1.0, 2.0], [2.0, 1.0]]
    """
    if not fronts or any(front.k != 2 for front in fronts):
        raise FrontError("attainment surfaces need fronts of two objectives; expected at least one")
    if not 0.0 < share <= 1.0:
        raise FrontError(f"share is {share}; expected more than 0 and at most 1, such as 0.5")
    points = np.vstack([front.points for front in fronts])
    runs = np.repeat(np.arange(len(fronts)), [len(front) for front in fronts])
    surface = np.asarray(moocore.eaf(-points, sets=runs, percentiles=[100.0 * share]))
    found = -surface[:, :2] + 0.0
    return np.asarray(found[np.argsort(found[:, 0])])


def plot_attainment(
    runs: Mapping[str, Sequence[Front]],
    shares: tuple[float, float, float] = (0.25, 0.5, 0.75),
    *,
    ax: Axes | None = None,
    dark: bool = False,
) -> Any:
    """Plot the median attainment surface of each algorithm over its runs, between those of two other shares.

    Args:
        runs: fronts of two objectives by algorithm, one front a run.
        shares: of runs: the near edge of the band, the line, the far edge.
        ax: where to draw; a new figure by default.
        dark: draw on a dark ground.

    Returns:
        The matplotlib axes.

    Raises:
        FrontError: no runs, or as for :func:`attainment_surface`.
    """
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    every = [front for fronts in runs.values() for front in fronts if len(front)]
    if not every:
        raise FrontError("no runs to draw; expected fronts by the name of their algorithm")
    objectives = every[0].objectives
    signs = np.array([o.sign for o in objectives])
    points = np.vstack([front.points for front in every])
    low, high = points.min(axis=0), points.max(axis=0)
    floor = low - 0.06 * np.where(high > low, high - low, 1.0)
    with style(dark):
        axes = plt.subplots(figsize=(4.6, 3.4), layout="constrained")[1] if ax is None else ax
        handles = []
        for number, (name, fronts) in enumerate(runs.items()):
            colour, line = COLOURS[number % len(COLOURS)], LINES[number // len(COLOURS) % len(LINES)]
            near, middle, far = (_steps(attainment_surface(fronts, share), floor) for share in sorted(shares))
            outline = np.vstack([near, far[::-1]]) * signs
            axes.fill(*outline.T, color=colour, alpha=0.18, linewidth=0)
            axes.plot(*(middle * signs).T, color=colour, linestyle=line, linewidth=1.4)
            handles.append(Line2D([], [], color=colour, linestyle=line, label=f"{name} ({len(fronts)} runs)"))
        axes.set_xlabel(better(objectives[0]))
        axes.set_ylabel(better(objectives[1]))
        light_grid(axes)
        legend_above(axes, handles)
    return axes


def _steps(surface: FloatArray, floor: FloatArray) -> FloatArray:
    """The staircase of a surface down to ``floor``, as a line ``(m, 2)``."""
    x = np.concatenate([[floor[0]], np.repeat(surface[:, 0], 2)])
    y = np.concatenate([np.repeat(surface[:, 1], 2), [floor[1]]])
    return np.column_stack([x, y])

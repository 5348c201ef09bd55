"""Plots of learning curves: an indicator against steps or seconds, median and range over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.plot_style import COLOURS, REFERENCE_COLOUR, light_grid, style
from morl.spec import FloatArray, FrontError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = tuple[ArrayLike, ArrayLike]
"""One run: what was spent ``(n,)``, increasing, and the indicator reached by then ``(n,)``."""


def plot_curves(
    curves: Mapping[str, Sequence[Curve]],
    *,
    levels: Mapping[str, float] | None = None,
    xlabel: str = "environment steps",
    ylabel: str = "hypervolume",
    log: bool = True,
    ax: Axes | None = None,
    colours: Mapping[str, str] | None = None,
) -> Axes:
    """Plot learning curves: a line for the median over runs, a band from the worst run to the best.

    A run counts as 0 before its first measurement and keeps its last value after the end, so that runs of different
    length (early stopping, a time budget) can be compared at every moment; the line ends where the last run does.

    Args:
        curves: runs (one per seed) by the name in the legend.
        levels: horizontal lines by name: the exact front's indicator, or the best known one's.
        xlabel: what was spent.
        ylabel: the indicator.
        log: a logarithmic axis of what was spent.
        ax: where to draw; a new figure by default.
        colours: colours by name, instead of the palette.

    Returns:
        The matplotlib axes.

    Raises:
        FrontError: nothing to draw, or a run whose two arrays differ in length.
    """
    if not curves or not all(curves.values()):
        raise FrontError("there are no curves to draw; expected at least one run for every name")
    with style():
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(4.6, 3.1), layout="constrained")
        light_grid(ax)
        for i, (name, runs) in enumerate(curves.items()):
            colour = (colours or {}).get(name, COLOURS[i % len(COLOURS)])
            where, values = on_one_axis(runs)
            line: dict[str, Any] = {"color": colour, "linewidth": 1.6, "label": f"{name} ({len(runs)})"}
            ax.step(where, np.median(values, axis=0), where="post", **line)
            ax.fill_between(where, values.min(axis=0), values.max(axis=0), step="post", color=colour, alpha=0.18, lw=0)
        for i, (name, level) in enumerate((levels or {}).items()):  # names at both ends in turn: levels may be near
            ax.axhline(level, color=REFERENCE_COLOUR, linewidth=0.9, linestyle=(0, (4, 3)))
            ax.annotate(
                name, (0.99 if i % 2 else 0.01, level), xycoords=("axes fraction", "data"), xytext=(0, 2),
                textcoords="offset points", va="bottom", ha="right" if i % 2 else "left", fontsize=7.5,
                color=REFERENCE_COLOUR,
            )  # fmt: skip
        if log:
            from matplotlib.ticker import NullFormatter

            ax.set_xscale("log")
            low, high = ax.get_xlim()
            if high > 10 * low:  # there is a power of ten to label, so the ticks between need no words
                ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_xlabel(xlabel)
        ax.set_ylabel(ylabel)
        ax.set_ylim(0.0, max([ax.get_ylim()[1], *(1.12 * level for level in (levels or {}).values())]))
    return ax


def on_one_axis(runs: Sequence[Curve]) -> tuple[FloatArray, FloatArray]:
    """Runs as step functions on the union of their positions: positions ``(m,)`` and values ``(runs, m)``.

    >>> on_one_axis([([1, 3], [0.5, 1.0]), ([2], [0.8])])
    (array([1., 2., 3.]), array([[0.5, 0.5, 1. ],
           [0. , 0.8, 0.8]]))

    Raises:
        FrontError: a run whose two arrays differ in length.
    """
    pairs = []
    for spent, reached in runs:
        x, y = np.asarray(spent, dtype=np.float64), np.asarray(reached, dtype=np.float64)
        if x.shape != y.shape or x.ndim != 1:
            raise FrontError(f"a run has {x.shape} positions and {y.shape} values; expected as many of each")
        pairs.append((x, y))
    where = np.unique(np.concatenate([x for x, _ in pairs]))
    rows = [np.concatenate([[0.0], y])[np.searchsorted(x, where, side="right")] for x, y in pairs]
    return where, np.array(rows)

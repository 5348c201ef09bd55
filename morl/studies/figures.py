"""Figures of a study for a paper: learning curves, intervals with every seed, profiles, attainment surfaces."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.pareto.front import Front
from morl.pareto.plot_style import COLOURS, REFERENCE_COLOUR, light_grid, style
from morl.pareto.plots_curves import plot_curves
from morl.spec import FloatArray, RunError
from morl.studies import statistics
from morl.studies.comparison import INDICATORS, StudyComparison
from morl.studies.report import ranking_indicator
from morl.studies.running import Study
from morl.studies.spec import slug

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDINGS = ("pdf", "png", "svg")


def save_figures(study: Study, folder: str | Path, ending: str = "pdf", indicator: str | None = None) -> list[Path]:
    """Draw everything that a study's table holds.

    Args:
        study: with a table.
        folder: for the files; it is made.
        ending: ``"pdf"``, ``"png"`` or ``"svg"``.
        indicator: what algorithms are ranked by; the hypervolume by default.

    Returns:
        The files.

    Raises:
        RunError: another ending, or the folder cannot be written.
    """
    import matplotlib as mpl

    mpl.use("Agg", force=False)
    import matplotlib.pyplot as plt

    if ending not in ENDINGS:
        raise RunError(f"figures are to end in {ending!r}; expected one of {', '.join(ENDINGS)}")
    folder, written = Path(folder), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in _figures(study, indicator):
            path = folder / f"{name}.{ending}"
            figure.savefig(path)
            plt.close(figure)
            written.append(path)
    except OSError as error:
        raise RunError(f"figures cannot be written to {str(folder)!r} ({error.strerror})") from None
    return written


def _figures(study: Study, indicator: str | None) -> Iterator[tuple[str, Figure]]:
    comparison, fronts = study.compare(), study.fronts()
    chosen = ranking_indicator(comparison, indicator)
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(comparison.algorithms)}
    with style():
        yield "intervals", plot_intervals(comparison, chosen, colours)
        if comparison.comparable_environments(chosen):
            yield "profiles", plot_profiles(comparison, chosen, colours)
        for environment, of_environment in fronts.items():
            reference = study.references[environment]
            curves = _curves(study, environment, chosen)
            if curves:
                yield f"curves-{slug(environment)}", _plot_curves(comparison, environment, chosen, curves, colours)
            sets = {name: list(seeds.values()) for name, seeds in of_environment.items()}
            if reference.k in (2, 3):
                yield f"attainment-{slug(environment)}", plot_attainment(sets, reference, colours, environment)


# ---- learning curves ---------------------------------------------------------------------------------------


def _curves(study: Study, environment: str, indicator: str) -> dict[str, list[Any]]:
    """Steps and indicator of each run, by algorithm; only some indicators are logged along the way."""
    runs: dict[tuple[str, int | None], list[tuple[int, float]]] = {}
    for row in study.table.of("curve"):
        if (row.environment, row.name) == (environment, indicator) and row.step is not None and row.value is not None:
            runs.setdefault((row.algorithm, row.seed), []).append((row.step, row.value))
    found: dict[str, list[Any]] = {}
    for (algorithm, _), pairs in runs.items():
        found.setdefault(algorithm, []).append(tuple(np.array(sorted(pairs), dtype=np.float64).T))
    return found


def _plot_curves(
    comparison: StudyComparison,
    environment: str,
    indicator: str,
    curves: Mapping[str, Sequence[Any]],
    colours: Mapping[str, str],
) -> Figure:
    levels = _levels(comparison, environment, indicator)
    axes = plot_curves(curves, levels=levels, ylabel=INDICATORS[indicator].label, log=False, colours=colours)
    axes.set_title(environment)
    return _figure_of(axes)


def _levels(comparison: StudyComparison, environment: str, indicator: str) -> dict[str, float]:
    """Doing nothing and the reference front, where they are known."""
    zero, one = comparison.bounds[environment, indicator]
    named = {"doing nothing": zero, comparison.roles[environment]: one}
    return {name: level for name, level in named.items() if math.isfinite(level)}


# ---- intervals and profiles --------------------------------------------------------------------------------


def plot_intervals(comparison: StudyComparison, indicator: str, colours: Mapping[str, str]) -> Figure:
    """One environment a panel: every seed as a point, the median ringed, the interquartile mean with its interval."""
    import matplotlib.pyplot as plt

    environments = comparison.environments
    height = 0.5 + 0.34 * len(comparison.algorithms)
    figure, panels = plt.subplots(
        1, len(environments), figsize=(0.9 + 2.3 * len(environments), max(height, 1.4)), layout="constrained",
        squeeze=False, sharey=True,
    )  # fmt: skip
    for ax, environment in zip(panels[0], environments, strict=True):
        light_grid(ax)
        for i, algorithm in enumerate(comparison.algorithms):
            values = comparison.values(indicator, algorithm, environment)
            if len(values):
                _draw_seeds(ax, values, -i, colours[algorithm])
        for name, level in _levels(comparison, environment, indicator).items():
            dash = (0, (1, 2)) if name == "doing nothing" else (0, (4, 3))
            ax.axvline(level, color=REFERENCE_COLOUR, linewidth=0.9, linestyle=dash)
        ax.set_title(f"{environment}\n({comparison.roles[environment]})", fontsize=8)
        ax.set_xlabel(INDICATORS[indicator].label)
    rows = [-i for i in range(len(comparison.algorithms))]
    panels[0][0].set_yticks(rows, comparison.algorithms)
    return figure


def _draw_seeds(ax: Axes, values: FloatArray, row: float, colour: str) -> None:
    ax.scatter(values, np.full(len(values), row), s=12, color=colour, alpha=0.5, linewidths=0, zorder=2)
    ax.scatter([np.median(values)], [row], s=34, facecolors="none", edgecolors=colour, zorder=3)
    one = statistics.interval([values])
    if math.isfinite(one.low) and math.isfinite(one.high):
        ax.plot([one.low, one.high], [row - 0.22] * 2, color=colour, linewidth=1.6, solid_capstyle="butt")
    ax.plot([one.value], [row - 0.22], marker="|", color=colour, markersize=7)


def plot_profiles(comparison: StudyComparison, indicator: str, colours: Mapping[str, str]) -> Figure:
    """Share of runs above each normalised score, with pointwise 95 % bands (Agarwal et al., 2021)."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(4.2, 2.8), layout="constrained")
    light_grid(ax)
    groups = {name: comparison.normalised(indicator, name) for name in comparison.algorithms}
    pooled = np.concatenate([group for scores in groups.values() for group in scores])
    levels = np.linspace(min(0.0, float(pooled.min())), max(1.0, float(pooled.max())), 201)
    for name, scores in groups.items():
        low, high = statistics.profile_band(scores, levels)
        ax.fill_between(levels, low, high, color=colours[name], alpha=0.18, linewidth=0)
        ax.plot(levels, statistics.performance_profile(scores, levels), color=colours[name], label=name)
    ax.set_xlabel(f"{INDICATORS[indicator].label} τ (0: doing nothing, 1: reference front)")
    ax.set_ylabel("share of runs above τ")
    ax.legend()
    return figure


# ---- attainment surfaces -----------------------------------------------------------------------------------


def plot_attainment(
    fronts: Mapping[str, Sequence[Front]], reference: Front, colours: Mapping[str, str], title: str = ""
) -> Figure:
    """What the best, the median and every seed attain: curves for K = 2, maps of the third objective for K = 3."""
    return (_attainment_2 if reference.k == 2 else _attainment_3)(fronts, reference, colours, title)


def _surfaces(fronts: Sequence[Front]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points ``(m, K)`` that the best seed, half of the seeds and all seeds attain."""
    shares = (1.0 / len(fronts), 0.5, 1.0)
    found = statistics.attainment_surfaces([front.points for front in fronts], shares)
    return found[shares[0]], found[shares[1]], found[shares[2]]


def staircase(points: FloatArray, corner: FloatArray) -> FloatArray:
    """The border ``(2n + 1, 2)`` of what points ``(n, 2)`` attain, from the corner's first coordinate to its second."""
    order = points[np.argsort(points[:, 0], kind="stable")]
    path = [(corner[0], order[0, 1])]
    for i, (x, y) in enumerate(order):
        path += [(x, y), (x, order[i + 1, 1] if i + 1 < len(order) else corner[1])]
    return np.array(path)


def _attainment_2(
    fronts: Mapping[str, Sequence[Front]], reference: Front, colours: Mapping[str, str], title: str
) -> Figure:
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(4.2, 3.2), layout="constrained")
    light_grid(ax)
    signs = np.array([o.sign for o in reference.objectives])
    everything = np.concatenate([reference.points, *(f.points for seeds in fronts.values() for f in seeds)])
    span = np.ptp(everything, axis=0)
    corner = everything.min(axis=0) - 0.05 * np.where(span > 0, span, 1.0)
    for name, seeds in fronts.items():
        best, median, worst = (staircase(surface, corner) * signs for surface in _surfaces(seeds))
        outline = np.concatenate([best, worst[::-1]])
        ax.fill(*outline.T, color=colours[name], alpha=0.15, linewidth=0)
        ax.plot(*median.T, color=colours[name], linewidth=1.4, label=f"{name}: median of {len(seeds)} seeds")
    known = reference.points * signs
    ring: Any = {"facecolors": "none", "edgecolors": REFERENCE_COLOUR, "zorder": 3}
    ax.scatter(known[:, 0], known[:, 1], s=16, label=reference.role, **ring)
    ax.set_xlabel(reference.objectives[0].label)
    ax.set_ylabel(reference.objectives[1].label)
    ax.set_title(title)
    ax.legend()
    return figure


_GRID = 80


def _attainment_3(
    fronts: Mapping[str, Sequence[Front]], reference: Front, colours: Mapping[str, str], title: str
) -> Figure:
    import matplotlib.pyplot as plt

    everything = np.concatenate([reference.points, *(f.points for seeds in fronts.values() for f in seeds)])
    low, high = everything.min(axis=0), everything.max(axis=0)
    high = np.where(high > low, high, low + 1.0)
    signs = np.array([o.sign for o in reference.objectives])
    axes = [np.linspace(low[k], high[k], _GRID) for k in range(2)]
    columns = ("best seed", "half of the seeds", "every seed")
    figure, grid = plt.subplots(
        len(fronts), 3, figsize=(7.2, 0.6 + 2.0 * len(fronts)), layout="constrained", squeeze=False, sharex=True,
        sharey=True,
    )  # fmt: skip
    ends = sorted((low[2] * signs[2], high[2] * signs[2]))
    drawn: Any = None
    for line, (name, seeds) in zip(grid, fronts.items(), strict=True):
        for ax, column, surface in zip(line, columns, _surfaces(seeds), strict=True):
            levels = attained_levels(surface, *axes) * signs[2]
            drawn = ax.pcolormesh(axes[0] * signs[0], axes[1] * signs[1], levels.T, vmin=ends[0], vmax=ends[1],
                                  shading="nearest", rasterized=True)  # fmt: skip
            ax.set_title(f"{name}: {column}", fontsize=8, color=colours[name])
        line[0].set_ylabel(reference.objectives[1].label)
    for ax in grid[-1]:
        ax.set_xlabel(reference.objectives[0].label)
    figure.colorbar(drawn, ax=grid, label=f"{reference.objectives[2].label} attained")
    figure.suptitle(title, fontsize=10)
    return figure


def attained_levels(surface: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """The largest third objective attained together with each pair of the others ``(n, m)``; NaN where none is."""
    reached = (surface[:, 0, None, None] >= first[:, None] - 1e-12) & (surface[:, 1, None, None] >= second - 1e-12)
    levels = np.where(reached, surface[:, 2, None, None], -np.inf).max(axis=0)
    return np.where(np.isfinite(levels), levels, np.nan)


def _figure_of(axes: Axes) -> Figure:
    from matplotlib.figure import Figure as Drawn

    figure = axes.get_figure()
    assert isinstance(figure, Drawn)
    return figure

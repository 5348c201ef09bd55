"""Learning curves of runs, as their metrics hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from morl.pareto.plot_style import COLOURS, REFERENCE_COLOUR, light_grid, style
from morl.runs.folder import RunFolder
from morl.spec import FloatArray, FrontError, RunError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INDICATORS = {"hypervolume": "hypervolume", "expected_utility": "expected utility"}


@dataclass(frozen=True)
class RunCurve:
    """What one run logged about its front (see :class:`morl.agents.core.watching.LearningCurve`).

    Args:
        name: of the run's folder.
        label: its algorithm.
        env: its environment.
        objectives: names, in order of appearance.
        steps: ``(n,)`` of learning.
        indicators: ``(n,)`` by name.
        low, high: ``(n, K)`` range of each objective on the front.
        baselines: value of each indicator by the baseline's name.
    """

    name: str
    label: str
    env: str
    objectives: tuple[str, ...]
    steps: FloatArray
    indicators: dict[str, FloatArray]
    low: FloatArray
    high: FloatArray
    baselines: dict[str, dict[str, float]]


def read_curve(run: RunFolder) -> RunCurve:
    """The learning curve of a run.

    Raises:
        RunError: its front was not measured while it learned, or its metrics hold something else than numbers.
    """
    metrics = run.metrics()
    rows = [row for row in metrics if isinstance(row.get("front/points"), int | float)]
    if not rows:
        raise RunError(
            f"run {str(run.path)!r} has no learning curve: its front was measured at the end only; train with an "
            "eval-share above 0, and with steps for several episodes"
        )
    head = "front/min/"
    objectives = tuple(key[len(head) :] for key in rows[-1] if key.startswith(head))
    names = [name for name in INDICATORS if all(f"front/{name}" in row for row in rows)]
    baselines: dict[str, dict[str, float]] = {}
    for row in metrics:
        for key, value in row.items():
            parts = key.split("/")
            if parts[0] == "baseline" and len(parts) == 3 and isinstance(value, int | float):
                baselines.setdefault(parts[1], {})[parts[2]] = float(value)

    def column(key: str) -> FloatArray:
        values = [row.get(key) for row in rows]
        unfit = next((x for x in values if not (x is None or isinstance(x, int | float))), None)
        if unfit is not None:
            raise RunError(f"run {str(run.path)!r} has {key} {unfit!r:.40} in its metrics; expected a number")
        return np.array([np.nan if x is None else x for x in values], dtype=np.float64)

    return RunCurve(
        run.path.name,
        str(run.config.get("algo", "?")),
        str(run.config.get("env", "?")),
        objectives,
        column("step"),
        {name: column(f"front/{name}") for name in names},
        np.stack([column(f"front/min/{name}") for name in objectives], axis=1),
        np.stack([column(f"front/max/{name}") for name in objectives], axis=1),
        baselines,
    )


def plot_runs(curves: Sequence[RunCurve], path: str | Path) -> Path:
    """Draw indicators, and each objective's range on the front, against steps; runs of one algorithm share a colour.

    Raises:
        FrontError: nothing to draw, runs with other objectives, or a file ending that is no format of matplotlib.
    """
    import matplotlib as mpl

    mpl.use("Agg", force=False)
    import matplotlib.pyplot as plt

    path = Path(path)
    if not curves:
        raise FrontError("there are no runs to draw; expected at least one")
    first = curves[0]
    for other in curves:
        if (other.env, other.objectives) != (first.env, first.objectives):
            raise FrontError(
                f"run {other.name} is of {other.env} ({', '.join(other.objectives)}); expected {first.env} "
                f"({', '.join(first.objectives)}) as for {first.name}"
            )
    names = [name for name in INDICATORS if all(name in curve.indicators for curve in curves)]
    colours = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(dict.fromkeys(c.label for c in curves))}
    with style():
        panels = len(names) + len(first.objectives)
        columns = min(panels, 3)
        size = (3.4 * columns, 2.6 * -(-panels // columns))
        figure, grid = plt.subplots(-(-panels // columns), columns, figsize=size, layout="constrained", squeeze=False)
        kinds = sorted(figure.canvas.get_supported_filetypes())
        if path.suffix.lstrip(".") not in kinds:
            plt.close(figure)
            raise FrontError(f"plot file {str(path)!r} ends in {path.suffix!r}; expected one of {', '.join(kinds)}")
        axes = list(grid.ravel())
        for ax in axes[panels:]:
            ax.axis("off")
        for ax, name in zip(axes, names, strict=False):
            _draw_indicator(ax, curves, name, colours)
        for k, name in enumerate(first.objectives):
            _draw_range(axes[len(names) + k], curves, k, name, colours)
        axes[0].legend()
        figure.suptitle(first.env, fontsize=10)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=160)
        plt.close(figure)
    return path


def _draw_indicator(ax: Axes, curves: Sequence[RunCurve], name: str, colours: dict[str, str]) -> None:
    light_grid(ax)
    seen: set[str] = set()
    for curve in curves:
        label = None if curve.label in seen else curve.label
        seen.add(curve.label)
        ax.plot(curve.steps, curve.indicators[name], color=colours[curve.label], label=label, marker=".", markersize=4)
    levels: dict[str, list[float]] = {}
    for curve in curves:
        for baseline, values in curve.baselines.items():
            if name in values:
                levels.setdefault(baseline, []).append(values[name])
    for i, (baseline, known) in enumerate(levels.items()):
        level = float(np.median(known))
        ax.axhline(level, color=REFERENCE_COLOUR, linewidth=0.9, linestyle=(0, (4, 3) if i else (1, 2)))
        ax.annotate(
            baseline.replace("_", " "), (0.01 if i else 0.99, level), xycoords=("axes fraction", "data"),
            xytext=(0, 2), textcoords="offset points", ha="left" if i else "right", fontsize=7.5,
            color=REFERENCE_COLOUR,
        )  # fmt: skip
    ax.set_xlabel("environment steps")
    ax.set_ylabel(INDICATORS[name])


def _draw_range(ax: Axes, curves: Sequence[RunCurve], k: int, name: str, colours: dict[str, str]) -> None:
    light_grid(ax)
    for curve in curves:
        colour = colours[curve.label]
        ax.fill_between(curve.steps, curve.low[:, k], curve.high[:, k], color=colour, alpha=0.18, lw=0)
        ax.plot(curve.steps, curve.high[:, k], color=colour, linewidth=1.0)
        ax.plot(curve.steps, curve.low[:, k], color=colour, linewidth=1.0)
    ax.set_xlabel("environment steps")
    ax.set_ylabel(f"{name} on the front")

"""Saving plots from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl.spec import FrontError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from morl.pareto import Front


def save_plot(path: Path, fronts: Front | Mapping[str, Front], reference: Front | None = None, **options: Any) -> Path:
    """Plot one front, or several by name, and save the figure.

    Raises:
        FrontError: the file's ending is not a format that matplotlib writes.
    """
    import matplotlib
    import numpy as np

    matplotlib.use("Agg", force=False)
    import matplotlib.pyplot as plt

    from morl.pareto import Front
    from morl.pareto.plots import plot_front, plot_fronts

    kinds = sorted(plt.figure().canvas.get_supported_filetypes())
    plt.close("all")
    if path.suffix.lstrip(".") not in kinds:
        raise FrontError(f"plot file {str(path)!r} ends in {path.suffix!r}; expected one of {', '.join(kinds)}")
    if isinstance(fronts, Front):
        drawn = plot_front(fronts, reference=reference, **options)
    else:
        drawn = plot_fronts(fronts, reference=reference, **options)
    axes = np.ravel(np.asarray(drawn, dtype=object))
    figure = next(ax.figure for ax in axes if ax is not None)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=160, bbox_inches="tight")
    plt.close(figure)
    return path

"""Pictures of a scan: the canvas with the fovea, what it has seen, the digits found and missed, and the coarse view."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.envs.science.render_molecule import pixels

_RAMP = " .:-=+*#%@"


def render(state: dict[str, Any], mode: str) -> Any:
    """One state as ``"rgb_array"`` (420 × 760) or ``"ansi"``."""
    return _text(state) if mode == "ansi" else _picture(state)


def _caption(state: dict[str, Any]) -> str:
    found, there = int(state["found"].sum()), int(state["present"].sum())
    return f"step {int(state['step'])}   found {found} of {there}   declared {int(state['declared'].sum())}"


def _text(state: dict[str, Any]) -> str:
    level = np.clip(state["canvas"] * 9, 0, 9).astype(int)
    rows = [[_RAMP[v] for v in row] for row in level]
    y, x = (int(v) * 4 for v in state["place"])
    for k in range(8):
        for row, column in ((y, x + k), (y + 7, x + k), (y + k, x), (y + k, x + 7)):
            rows[row][column] = "o" if rows[row][column] in " ." else rows[row][column]
    return "\n".join([_caption(state), *("".join(row) for row in rows)])


def _picture(state: dict[str, Any]) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(7.6, 4.2), dpi=100, facecolor="white")
    grid = figure.add_gridspec(2, 2, width_ratios=[2.1, 1], left=0.02, right=0.98, bottom=0.02, top=0.9, wspace=0.06)
    main, fovea, coarse = (figure.add_subplot(grid[at]) for at in ((slice(None), 0), (0, 1), (1, 1)))
    y, x = (int(v) * 4 for v in state["place"])
    blocks = np.zeros((8, 8), dtype=bool)
    for i, j in np.argwhere(state["seen"]):
        blocks[i : i + 2, j : j + 2] = True
    seen = np.repeat(np.repeat(blocks, 4, axis=0), 4, axis=1)
    shown = np.clip(state["canvas"], 0, 1)
    main.imshow(np.where(seen, shown, shown * 0.45), cmap="gray", vmin=0, vmax=1)
    for k in np.flatnonzero(state["present"]):
        colour = "#2ecc71" if state["found"][k] else "#e67e22"
        corner = state["corner"][k][::-1] - 0.5
        main.add_patch(Rectangle(corner, 8, 8, fill=False, edgecolor=colour, lw=1.8, ls="--"))
    main.add_patch(Rectangle((x - 0.5, y - 0.5), 8, 8, fill=False, edgecolor="#3498db", lw=2.6))
    main.set_title(_caption(state), fontsize=10)
    fovea.imshow(shown[y : y + 8, x : x + 8], cmap="gray", vmin=0, vmax=1)
    fovea.set_title("fovea", fontsize=9)
    around, offset = np.full((14, 14), np.nan), 6  # as observed: the fovea in the middle, nothing beyond the canvas
    around[offset - y // 4 : offset - y // 4 + 8, offset - x // 4 : offset - x // 4 + 8] = shown.reshape(
        8, 4, 8, 4
    ).mean(axis=(1, 3))
    coarse.set_facecolor("#dfe3e8")
    coarse.imshow(around, cmap="gray", vmin=0, vmax=0.8)
    coarse.add_patch(Rectangle((offset - 0.5, offset - 0.5), 2, 2, fill=False, edgecolor="#3498db", lw=2))
    coarse.set_title("surroundings", fontsize=9)
    for axes in (main, fovea, coarse):
        axes.set_xticks([])
        axes.set_yticks([])
    return pixels(figure)

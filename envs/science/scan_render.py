"""Pictures of a scan: the canvas with the fovea, what it has seen, the digits found and missed, and the coarse view."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.envs.rendering.canvas import Canvas

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
    y, x = (int(v) * 4 for v in state["place"])
    blocks = np.zeros((8, 8), dtype=bool)
    for i, j in np.argwhere(state["seen"]):
        blocks[i : i + 2, j : j + 2] = True
    seen = np.repeat(np.repeat(blocks, 4, axis=0), 4, axis=1)
    shown = np.clip(state["canvas"], 0, 1)
    canvas = Canvas(760, 420, "white")
    main, fovea, around = (62, 34, 440, 412), (546, 34, 718, 206), (546, 240, 718, 412)
    canvas.text((main[0] + main[2]) / 2, 18, _caption(state), "black", size=14, anchor="mm")
    canvas.image(main, _grey(np.where(seen, shown, shown * 0.45)))
    unit = (main[2] - main[0]) / shown.shape[0]

    def on_main(row: float, column: float) -> tuple[float, float, float, float]:
        left, top = main[0] + unit * column, main[1] + unit * row
        return left, top, left + 8 * unit, top + 8 * unit

    for k in np.flatnonzero(state["present"]):
        row, column = (float(v) for v in state["corner"][k])
        _dashed(canvas, on_main(row, column), "#2ecc71" if state["found"][k] else "#e67e22", 2.5)
    canvas.rectangle(on_main(y, x), outline="#3498db", width=3.6)
    canvas.text((fovea[0] + fovea[2]) / 2, 20, "fovea", "black", size=12.5, anchor="mm")
    canvas.image(fovea, _grey(shown[y : y + 8, x : x + 8]))
    canvas.text((around[0] + around[2]) / 2, 226, "surroundings", "black", size=12.5, anchor="mm")
    canvas.image(around, _surroundings(shown, y // 4, x // 4))
    cell = (around[2] - around[0]) / 14  # as observed: the fovea in the middle, nothing beyond the canvas
    middle = around[0] + 6 * cell, around[1] + 6 * cell
    canvas.rectangle((*middle, middle[0] + 2 * cell, middle[1] + 2 * cell), outline="#3498db", width=2.8)
    for box in (main, fovea, around):
        canvas.rectangle(box, outline="#404040", width=1)
    return canvas.array()


def _grey(level: Any) -> Any:
    """Levels ``(h, w)`` in [0, 1] as a picture."""
    return np.repeat((255 * np.clip(level, 0, 1)).round().astype(np.uint8)[..., None], 3, axis=2)


def _surroundings(shown: Any, row: int, column: int) -> Any:
    """The coarse view, the fovea in its middle; light where there is no canvas."""
    picture = np.empty((14, 14, 3), dtype=np.uint8)
    picture[...] = (0xDF, 0xE3, 0xE8)
    coarse = shown.reshape(8, 4, 8, 4).mean(axis=(1, 3))
    picture[6 - row : 14 - row, 6 - column : 14 - column] = _grey(coarse / 0.8)
    return picture


def _dashed(canvas: Canvas, box: tuple[float, float, float, float], colour: str, width: float) -> None:
    """A dashed rectangle."""
    left, top, right, bottom = box
    for at in np.arange(0.0, right - left, 12.0):
        a, b = float(at), float(min(at + 8.0, right - left))
        for y in (top, bottom):
            canvas.line([(left + a, y), (left + b, y)], colour, width)
        for x in (left, right):
            canvas.line([(x, top + a), (x, top + b)], colour, width)

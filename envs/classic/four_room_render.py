"""Four Rooms: walls, shapes still to be collected, start, goal and the walker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from morl.envs.rendering.canvas import INK, MUTED, Canvas

_TILE, _BAR = 34, 36
_COLOURS = {"1": "#2f6db3", "2": "#3f8f4a", "3": "#c0392b"}


def draw_rooms(cells: np.ndarray[Any, Any], shapes: Sequence[tuple[int, int]], state: Sequence[int], mode: str) -> Any:
    """One state.

    Args:
        cells: the map, one character per cell.
        shapes: row and column of each shape.
        state: row, column, and a flag per shape.
        mode: ``"ansi"`` or ``"rgb_array"``.
    """
    row, column, *flags = state
    shown = cells.copy()
    for (r, c), taken in zip(shapes, flags, strict=True):
        if taken:
            shown[r, c] = " "
    if mode == "ansi":
        shown[shown == " "] = "."
        shown[row, column] = "@"
        return "\n".join("".join(line) for line in shown) + f"\ncollected {sum(flags)} of {len(flags)}"
    height, width = cells.shape
    canvas = Canvas(width * _TILE, height * _TILE + _BAR, "#f7f4ec")
    for i in range(max(height, width) + 1):
        canvas.line([(i * _TILE, 0), (i * _TILE, height * _TILE)], "#e5e0d3")
        canvas.line([(0, i * _TILE), (width * _TILE, i * _TILE)], "#e5e0d3")
    for r in range(height):
        for c in range(width):
            _cell(canvas, str(shown[r, c]), c * _TILE, r * _TILE)
    x, y = (column + 0.5) * _TILE, (row + 0.5) * _TILE
    canvas.circle(x, y, _TILE * 0.34, "#f4b731", INK, 2)
    canvas.circle(x - 4, y - 3, 1.8, INK)
    canvas.circle(x + 4, y - 3, 1.8, INK)
    canvas.rectangle((0, height * _TILE, width * _TILE, height * _TILE + _BAR), "#fbfaf7")
    x = 18.0
    for kind, colour in _COLOURS.items():
        got = sum(f for (r, c), f in zip(shapes, flags, strict=True) if cells[r, c] == kind)
        all_of = sum(cells[r, c] == kind for r, c in shapes)
        _shape(canvas, kind, x, height * _TILE + _BAR / 2, 9, colour)
        canvas.text(x + 16, height * _TILE + _BAR / 2, f"{got} of {all_of}", INK, size=14)
        x += 92
    canvas.text(width * _TILE - 14, height * _TILE + _BAR / 2, "G: goal, S: start", MUTED, size=13, anchor="rm")
    return canvas.array()


def _cell(canvas: Canvas, symbol: str, x: float, y: float) -> None:
    if symbol == "X":
        canvas.rectangle((x, y, x + _TILE, y + _TILE), "#3b4450")
    elif symbol in "G_":
        canvas.rectangle(
            (x + 2, y + 2, x + _TILE - 2, y + _TILE - 2), "#f3dd9a" if symbol == "G" else "#dfe6ea", radius=4
        )
        canvas.text(x + _TILE / 2, y + _TILE / 2, "G" if symbol == "G" else "S", INK, size=18, anchor="mm", bold=True)
    elif symbol in _COLOURS:
        _shape(canvas, symbol, x + _TILE / 2, y + _TILE / 2, 11, _COLOURS[symbol])


def _shape(canvas: Canvas, kind: str, x: float, y: float, size: float, colour: str) -> None:
    if kind == "1":
        canvas.rectangle((x - size, y - size, x + size, y + size), colour, radius=2)
    elif kind == "2":
        canvas.polygon([(x, y - size), (x - size, y + size), (x + size, y + size)], colour)
    else:
        canvas.circle(x, y, size, colour)

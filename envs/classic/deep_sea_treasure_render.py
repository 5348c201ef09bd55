"""Deep Sea Treasure: water that darkens with depth, a rocky floor, chests with their values, and the submarine."""

from __future__ import annotations

from typing import Any

from morl.envs.rendering.canvas import Canvas
from morl.spec import FloatArray

_TILE = 44


def draw_sea(sea: FloatArray, submarine: tuple[int, int], mode: str) -> Any:
    """One state.

    Args:
        sea: the map: 0 water, positive treasure, negative rock.
        submarine: its row and column.
        mode: ``"ansi"`` or ``"rgb_array"``.
    """
    rows, columns = sea.shape
    if mode == "ansi":
        cells = [["." if v == 0 else "#" if v < 0 else f"{v:g}" for v in row] for row in sea]
        cells[submarine[0]][submarine[1]] = "S"
        width = max(len(c) for row in cells for c in row)
        return "\n".join(" ".join(c.rjust(width) for c in row) for row in cells)
    canvas = Canvas(columns * _TILE, rows * _TILE, "#0b3a5e")
    for r in range(rows):
        canvas.rectangle((0, r * _TILE, columns * _TILE, (r + 1) * _TILE), _water(r / max(rows - 1, 1)))
    for r in range(rows):
        for c in range(columns):
            x, y = c * _TILE, r * _TILE
            if sea[r, c] < 0:
                _rock(canvas, x, y, top=r == 0 or sea[r - 1, c] >= 0)
            elif sea[r, c] > 0:
                _chest(canvas, x, y, f"{sea[r, c]:g}")
    _submarine(canvas, submarine[1] * _TILE, submarine[0] * _TILE)
    return canvas.array()


def _water(depth: float) -> str:
    top, bottom = (124, 196, 226), (14, 58, 98)
    return "#" + "".join(f"{round(a + (b - a) * depth):02x}" for a, b in zip(top, bottom, strict=True))


def _rock(canvas: Canvas, x: float, y: float, top: bool) -> None:
    canvas.rectangle((x, y, x + _TILE, y + _TILE), "#4a3f38")
    for dx, dy, size in ((8, 14, 6), (26, 28, 8), (34, 10, 5), (12, 34, 5)):
        canvas.ellipse((x + dx, y + dy, x + dx + 2 * size, y + dy + size), "#5a4d44")
    if top:
        canvas.rectangle((x, y, x + _TILE, y + 5), "#c8a96a")


def _chest(canvas: Canvas, x: float, y: float, value: str) -> None:
    canvas.rectangle((x + 9, y + 20, x + 35, y + 38), "#8a5a24", "#3d2610", 1.5, 3)
    canvas.rectangle((x + 9, y + 20, x + 35, y + 27), "#b9812f", "#3d2610", 1.5, 3)
    canvas.rectangle((x + 20, y + 24, x + 24, y + 31), "#f2d16b", "#3d2610", 1)
    canvas.text(x + _TILE / 2, y + 10, value, "#fff3c4", size=13, anchor="mm", bold=True)


def _submarine(canvas: Canvas, x: float, y: float) -> None:
    canvas.rectangle((x + 17, y + 9, x + 26, y + 18), "#f4b731", "#5a3d00", 1.2, 2)
    canvas.line([(x + 24, y + 10), (x + 24, y + 4), (x + 29, y + 4)], "#5a3d00", 2)
    canvas.ellipse((x + 4, y + 14, x + 38, y + 34), "#f4b731", "#5a3d00")
    for centre in (13, 22, 31):
        canvas.circle(x + centre, y + 24, 3.2, "#cfeaf5", "#5a3d00", 1)
    canvas.polygon([(x + 38, y + 24), (x + 43, y + 18), (x + 43, y + 30)], "#d9972a", "#5a3d00")

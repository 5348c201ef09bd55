"""Resource Gathering: a 5 × 5 meadow with home, gold, gem, two enemies, and what is being carried."""

from __future__ import annotations

from typing import Any

from morl.envs.rendering.canvas import INK, Canvas

_TILE, _BAR = 72, 40
_HOME, _GOLD, _GEM, _ENEMIES = (4, 2), (0, 2), (1, 4), ((0, 3), (1, 2))


def draw_gathering(state: tuple[int, ...], mode: str) -> Any:
    """One state ``(row, column, has gold, has gem)`` as text or picture."""
    row, column, gold, gem = state
    bag = [name for name, held in (("gold", gold), ("gem", gem)) if held]
    carried = "carrying " + (" and ".join(bag) if bag else "nothing")
    if mode == "ansi":
        cells = [["." for _ in range(5)] for _ in range(5)]
        cells[_HOME[0]][_HOME[1]] = "H"
        for r, c in _ENEMIES:
            cells[r][c] = "E"
        if not gold:
            cells[_GOLD[0]][_GOLD[1]] = "$"
        if not gem:
            cells[_GEM[0]][_GEM[1]] = "*"
        cells[row][column] = "@"
        return "\n".join([" ".join(r) for r in cells] + [carried])
    canvas = Canvas(5 * _TILE, 5 * _TILE + _BAR)
    for r in range(5):
        for c in range(5):
            box = (c * _TILE, r * _TILE, (c + 1) * _TILE, (r + 1) * _TILE)
            canvas.rectangle(box, "#cfe3b4" if (r + c) % 2 else "#c4dba6")
    _home(canvas)
    for r, c in _ENEMIES:
        _enemy(canvas, c * _TILE, r * _TILE)
    if not gold:
        _nugget(canvas, _GOLD[1] * _TILE + 36, _GOLD[0] * _TILE + 38, 1.0)
    if not gem:
        _jewel(canvas, _GEM[1] * _TILE + 36, _GEM[0] * _TILE + 38, 1.0)
    x, y = column * _TILE, row * _TILE
    canvas.circle(x + 36, y + 24, 10, "#f2c9a0", INK, 1.5)
    canvas.polygon([(x + 22, y + 60), (x + 36, y + 32), (x + 50, y + 60)], "#2f6db3", INK)
    canvas.text(12, 5 * _TILE + _BAR / 2, carried, INK, size=16)
    if gold:
        _nugget(canvas, 5 * _TILE - 68, 5 * _TILE + 20, 0.6)
    if gem:
        _jewel(canvas, 5 * _TILE - 28, 5 * _TILE + 20, 0.6)
    return canvas.array()


def _home(canvas: Canvas) -> None:
    x, y = _HOME[1] * _TILE, _HOME[0] * _TILE
    canvas.rectangle((x + 12, y + 32, x + 60, y + 66), "#d8b48a", INK, 1.5)
    canvas.polygon([(x + 6, y + 34), (x + 36, y + 8), (x + 66, y + 34)], "#a5432f", INK)
    canvas.rectangle((x + 46, y + 44, x + 56, y + 66), "#6b4a2b")


def _enemy(canvas: Canvas, x: float, y: float) -> None:
    canvas.polygon([(x + 18, y + 24), (x + 22, y + 8), (x + 30, y + 20)], "#5b1f1f")
    canvas.polygon([(x + 54, y + 24), (x + 50, y + 8), (x + 42, y + 20)], "#5b1f1f")
    canvas.circle(x + 36, y + 38, 22, "#9e2b2b", "#5b1f1f", 2)
    for dx in (28, 44):
        canvas.circle(x + dx, y + 34, 4.5, "white")
        canvas.circle(x + dx, y + 35, 2, "black")
    canvas.line([(x + 26, y + 48), (x + 32, y + 44), (x + 38, y + 48), (x + 46, y + 44)], "white", 2.5)


def _nugget(canvas: Canvas, x: float, y: float, size: float) -> None:
    shape = ((-20, 8), (-12, -10), (4, -14), (18, -4), (20, 10), (0, 16))
    canvas.polygon([(x + size * dx, y + size * dy) for dx, dy in shape], "#f0bf2d", "#8a6500")
    canvas.polygon([(x + size * dx, y + size * dy) for dx, dy in ((-8, -6), (4, -10), (2, -2))], "#fbe48a")


def _jewel(canvas: Canvas, x: float, y: float, size: float) -> None:
    shape = ((-18, -6), (-9, -16), (9, -16), (18, -6), (0, 18))
    canvas.polygon([(x + size * dx, y + size * dy) for dx, dy in shape], "#4fc3d9", "#14606e")
    canvas.polygon([(x + size * dx, y + size * dy) for dx, dy in ((-8, -6), (8, -6), (0, 14))], "#a7e7f2")

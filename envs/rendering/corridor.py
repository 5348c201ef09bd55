"""Breakable Bottles and Fishwood: two problems on a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from morl.envs.rendering.canvas import INK, MUTED, Canvas

_TILE = 110


def draw_bottles(state: Sequence[int], mode: str) -> Any:
    """One state ``(location, carried, delivered, flags of the inner locations …)`` as text or picture."""
    place, carried, delivered, *floor = state
    size = len(floor) + 2
    if mode == "ansi":
        cells = ["B", *("x" if lying else "." for lying in floor), "D"]
        marks = ["@" if i == place else " " for i in range(size)]
        return f"{' '.join(cells)}\n{' '.join(marks)}\ncarrying {carried}, delivered {delivered} of 2"
    canvas = Canvas(size * _TILE, 170)
    for i in range(size):
        canvas.rectangle((i * _TILE, 0, (i + 1) * _TILE, 170), "#efe9dc" if i % 2 else "#e7dfce")
    canvas.rectangle((0, 132, size * _TILE, 170), "#b59a74")
    canvas.rectangle((14, 70, _TILE - 14, 76), "#7a5c3a")
    for k in range(4):
        _bottle(canvas, 28 + 18 * k, 48, 0.7)
    canvas.text(_TILE / 2, 152, "source", INK, size=14, anchor="mm")
    left = (size - 1) * _TILE
    canvas.rectangle((left + 20, 72, left + 90, 132), "#8fb6cf", INK, 1.5, 4)
    canvas.text(left + 55, 152, "destination", INK, size=14, anchor="mm")
    for k in range(delivered):
        _bottle(canvas, left + 40 + 30 * k, 100, 0.9)
    for i, lying in enumerate(floor, 1):
        if lying:
            _shards(canvas, i * _TILE + 78, 128)
    x = place * _TILE + _TILE / 2
    canvas.circle(x, 66, 13, "#f2c9a0", INK, 1.5)
    canvas.rectangle((x - 12, 80, x + 12, 118), "#5f8f5a", INK, 1.5, 5)
    canvas.rectangle((x - 10, 118, x - 2, 132), INK)
    canvas.rectangle((x + 2, 118, x + 10, 132), INK)
    for k in range(carried):
        _bottle(canvas, x + (-20 if k else 20), 98, 0.8)
    canvas.text(12, 18, f"carrying {carried}, delivered {delivered} of 2", INK, size=15)
    return canvas.array()


def _bottle(canvas: Canvas, x: float, y: float, size: float) -> None:
    canvas.rectangle((x - 7 * size, y - 8 * size, x + 7 * size, y + 22 * size), "#3f8f6a", "#1c4a36", 1, 4 * size)
    canvas.rectangle((x - 3 * size, y - 22 * size, x + 3 * size, y - 8 * size), "#3f8f6a", "#1c4a36", 1)


def _shards(canvas: Canvas, x: float, y: float) -> None:
    for dx, dy, turn in ((-18, 2, 5), (-4, -3, -4), (10, 3, 6)):
        canvas.polygon([(x + dx, y + dy), (x + dx + 10, y + dy - turn), (x + dx + 5, y + dy + 8)], "#3f8f6a", "#1c4a36")


def draw_fishwood(place: int, mode: str) -> Any:
    """One state, 0 at the river and 1 in the woods, as text or picture."""
    if mode == "ansi":
        return ("[river] woods" if place == 0 else " river [woods]") + "\nthe place you are at pays next"
    canvas = Canvas(480, 200, "#dfeee0")
    canvas.rectangle((0, 110, 480, 200), "#a9c98f")
    canvas.polygon([(0, 120), (240, 132), (210, 200), (0, 200)], "#5aa7d6")
    for y in (140, 158, 178):
        canvas.line([(18, y), (60, y + 3), (100, y), (150, y + 3)], "#9dd0ee", 2)
    canvas.ellipse((86, 160, 124, 178), "#e58b3a", "#8a4a12")
    canvas.polygon([(88, 169), (74, 160), (74, 178)], "#e58b3a", "#8a4a12")
    for x, top in ((290, 40), (345, 22), (405, 44), (450, 30)):
        canvas.rectangle((x - 6, 104, x + 6, 142), "#6b4a2b")
        canvas.polygon([(x - 32, 112), (x, top), (x + 32, 112)], "#2f6b3c", "#1d4426")
    x, y = (170, 96) if place == 0 else (318, 150)
    canvas.circle(x, y - 28, 11, "#f2c9a0", INK, 1.5)
    canvas.rectangle((x - 10, y - 16, x + 10, y + 16), "#b5482f", INK, 1.5, 4)
    if place == 0:
        canvas.line([(x - 8, y - 8), (x - 60, y - 34), (x - 74, y + 60)], "#4a3520", 2)
    else:
        canvas.line([(x + 8, y), (x + 28, y - 22)], "#4a3520", 3)
        canvas.polygon([(x + 22, y - 30), (x + 38, y - 24), (x + 28, y - 12)], "#9aa5ad", INK)
    canvas.text(14, 20, "at the river" if place == 0 else "in the woods", INK, size=16, bold=True)
    canvas.text(14, 42, "a fish may bite" if place == 0 else "wood may be found", MUTED, size=13)
    return canvas.array()

"""Pictures in world coordinates, and grids of characters, for the control environments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Colour = str
Point = tuple[float, float]

INK: Colour = "#1d2733"
GREY: Colour = "#969ba3"
PAPER: Colour = "#fbfaf7"
TRACK: Colour = "#e4e2dc"
RED: Colour = "#ce483e"
GREEN: Colour = "#4c9158"
BLUE: Colour = "#3970ca"
VIOLET: Colour = "#8940b4"


class Scene:
    """A picture under construction, in the coordinates of the world it shows.

    Args:
        width: of the picture in pixels.
        height: of the picture in pixels.
        world: ``(left, bottom, right, top)`` shown by the picture; ``bottom > top`` puts y downwards.
        background: colour of the paper.
    """

    def __init__(
        self, width: int, height: int, world: tuple[float, float, float, float], background: Colour = PAPER
    ) -> None:
        from morl.envs.rendering.canvas import Canvas  # imports Pillow, so only where something is drawn

        self._canvas = Canvas(width, height, background)
        left, bottom, right, top = world
        self._scale = (width / (right - left), height / (top - bottom))
        self._origin = (left, top)

    def _pixel(self, point: Point) -> Point:
        return (point[0] - self._origin[0]) * self._scale[0], (self._origin[1] - point[1]) * self._scale[1]

    def polygon(self, points: Sequence[Point], fill: Colour, outline: Colour | None = None) -> None:
        """A filled polygon."""
        self._canvas.polygon([self._pixel(p) for p in points], fill)
        if outline is not None:
            self.line([*points, points[0]], outline)

    def rectangle(self, corner: Point, opposite: Point, fill: Colour, outline: Colour | None = None) -> None:
        """A filled rectangle given by two opposite corners."""
        (x0, y0), (x1, y1) = self._pixel(corner), self._pixel(opposite)
        self._canvas.rectangle((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), fill, outline)

    def disc(
        self, centre: Point, radius: float, fill: Colour | None, outline: Colour | None = None, width: float = 1
    ) -> None:
        """A disc, its radius measured along x; the width of its outline in pixels."""
        x, y = self._pixel(centre)
        self._canvas.circle(x, y, abs(radius * self._scale[0]), fill, outline, width)

    def line(self, points: Sequence[Point], fill: Colour, width: float = 1.5) -> None:
        """A polyline; width in pixels."""
        self._canvas.line([self._pixel(p) for p in points], fill, width)

    def text(
        self, at: Point, text: str, size: float = 13, fill: Colour = INK, anchor: str = "la", bold: bool = False
    ) -> None:
        """Text at a point; ``anchor`` as in Pillow: horizontal l, m or r, then vertical a (top), m or s (base line)."""
        x, y = self._pixel(at)
        self._canvas.text(x, y, text, fill, size=size, anchor=anchor, bold=bold)

    def bar(self, corner: Point, opposite: Point, share: float, fill: Colour, label: str, size: int = 12) -> None:
        """A horizontal gauge from its lower left to its upper right corner, filled to ``share``, labelled above."""
        self.rectangle(corner, opposite, TRACK)
        share = min(max(share, 0.0), 1.0)
        if share > 0:
            self.rectangle(corner, (corner[0] + share * (opposite[0] - corner[0]), opposite[1]), fill)
        x, y = self._pixel((corner[0], opposite[1]))
        self._canvas.text(x, y - 4, label, size=size, anchor="ls")

    def arrow(self, tail: Point, head: Point, fill: Colour, width: float = 2.2) -> None:
        """A line with a filled head of four times its width."""
        (x0, y0), (x1, y1) = self._pixel(tail), self._pixel(head)
        length = math.hypot(x1 - x0, y1 - y0)
        if length == 0:
            return
        u, v, size = (x1 - x0) / length, (y1 - y0) / length, 4.0 * width
        neck = (x1 - size * u, y1 - size * v)
        self._canvas.line([(x0, y0), neck], fill, width)
        wings = [(neck[0] - s * v * size / 2, neck[1] + s * u * size / 2) for s in (1, -1)]
        self._canvas.polygon([(x1, y1), *wings], fill)

    def dashes(self, start: Point, end: Point, fill: Colour, width: float, dash: float = 4.0, gap: float = 3.0) -> None:
        """A dashed line; its dashes and gaps in pixels."""
        (x0, y0), (x1, y1) = self._pixel(start), self._pixel(end)
        length = math.hypot(x1 - x0, y1 - y0)
        at = 0.0
        while at < length:
            a, b = at / length, min(at + dash, length) / length
            ends = [(x0 + t * (x1 - x0), y0 + t * (y1 - y0)) for t in (a, b)]
            self._canvas.line(ends, fill, width)
            at += dash + gap

    def image(self, corner: Point, opposite: Point, pixels: Any) -> None:
        """A small picture ``(h, w, 3)`` of uint8 between two opposite corners, its pixels as squares."""
        (x0, y0), (x1, y1) = self._pixel(corner), self._pixel(opposite)
        self._canvas.image((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), pixels)

    def array(self) -> Any:
        """The finished picture ``(height, width, 3)`` of uint8."""
        return self._canvas.array()


def turned(points: Sequence[Point], angle: float, centre: Point) -> list[Point]:
    """Points rotated by an angle in radians about the origin, then moved to ``centre``.

    >>> turned([(1.0, 0.0)], 0.0, (2.0, 3.0))
    [(3.0, 3.0)]
    """
    cos, sin = math.cos(angle), math.sin(angle)
    return [(centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y) for x, y in points]


def characters(width: int, height: int, fill: str = " ") -> list[list[str]]:
    """An empty grid of characters, rows from top to bottom."""
    return [[fill] * width for _ in range(height)]


def joined(grid: list[list[str]], *lines: Any) -> str:
    """A grid of characters as text, with lines of text below it."""
    return "\n".join(["".join(row).rstrip() for row in grid] + [str(line) for line in lines]) + "\n"

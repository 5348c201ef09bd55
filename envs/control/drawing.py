"""A small canvas for pictures of environments: world coordinates, smooth edges, text; drawn with Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

Colour = tuple[int, int, int]
Point = tuple[float, float]

INK: Colour = (40, 44, 52)
GREY: Colour = (150, 155, 163)
PAPER: Colour = (250, 249, 246)
RED: Colour = (206, 72, 62)
GREEN: Colour = (76, 145, 88)
BLUE: Colour = (57, 112, 202)
VIOLET: Colour = (137, 64, 180)
AMBER: Colour = (222, 160, 48)

_SHARP = 2  # drawn this much larger, then reduced


class Canvas:
    """A picture under construction.

    Args:
        width: of the picture in pixels.
        height: of the picture in pixels.
        world: ``(left, bottom, right, top)`` shown by the picture; ``bottom > top`` puts y downwards.
        background: colour of the paper.
    """

    def __init__(
        self, width: int, height: int, world: tuple[float, float, float, float], background: Colour = PAPER
    ) -> None:
        from PIL import Image, ImageDraw

        self._size = (width, height)
        self._image = Image.new("RGB", (width * _SHARP, height * _SHARP), background)
        self._draw = ImageDraw.Draw(self._image)
        left, bottom, right, top = world
        self._scale = (width * _SHARP / (right - left), height * _SHARP / (top - bottom))
        self._origin = (left, top)

    def _pixel(self, point: Point) -> Point:
        return (point[0] - self._origin[0]) * self._scale[0], (self._origin[1] - point[1]) * self._scale[1]

    def polygon(self, points: Sequence[Point], fill: Colour, outline: Colour | None = None) -> None:
        """A filled polygon."""
        self._draw.polygon([self._pixel(p) for p in points], fill=fill, outline=outline, width=_SHARP)

    def rectangle(self, corner: Point, opposite: Point, fill: Colour, outline: Colour | None = None) -> None:
        """A filled rectangle given by two opposite corners."""
        (x0, y0), (x1, y1) = self._pixel(corner), self._pixel(opposite)
        box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        self._draw.rectangle(box, fill=fill, outline=outline, width=_SHARP)

    def disc(self, centre: Point, radius: float, fill: Colour | None, outline: Colour | None = None) -> None:
        """A disc, its radius measured along x."""
        x, y = self._pixel(centre)
        r = abs(radius * self._scale[0])
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=fill, outline=outline, width=_SHARP)

    def line(self, points: Sequence[Point], fill: Colour, width: float = 1.5) -> None:
        """A polyline; width in pixels of the finished picture."""
        pixels = [self._pixel(p) for p in points]
        self._draw.line(pixels, fill=fill, width=max(1, round(width * _SHARP)), joint="curve")

    def text(self, at: Point, text: str, size: int = 13, fill: Colour = INK, anchor: str = "la") -> None:
        """Text at a point; ``anchor`` as in Pillow: horizontal l, m or r, then vertical a (top), m or s (base line)."""
        self._draw.text(self._pixel(at), text, fill=fill, font=_font(size * _SHARP), anchor=anchor)

    def bar(self, corner: Point, opposite: Point, share: float, fill: Colour, label: str, size: int = 12) -> None:
        """A horizontal gauge, filled from the left to ``share`` of its length, with a label written over it."""
        self.rectangle(corner, opposite, (228, 226, 220))
        share = min(max(share, 0.0), 1.0)
        if share > 0:
            self.rectangle(corner, (corner[0] + share * (opposite[0] - corner[0]), opposite[1]), fill)
        x, y = self._pixel((corner[0], opposite[1]))
        self._draw.text((x, y - 3 * _SHARP), label, fill=INK, font=_font(size * _SHARP), anchor="ls")

    def array(self) -> NDArray[np.uint8]:
        """The finished picture ``(height, width, 3)``."""
        from PIL import Image

        return np.array(self._image.resize(self._size, Image.Resampling.BOX), dtype=np.uint8)


@cache
def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two: ``share`` 0 is the first, 1 the second.

    >>> mix((0, 0, 0), (100, 200, 50), 0.5)
    (50, 100, 25)
    """
    r, g, b = (round(a + share * (z - a)) for a, z in zip(first, second, strict=True))
    return r, g, b


def turned(points: Sequence[Point], angle: float, centre: Point) -> list[Point]:
    """Points rotated by an angle in radians about the origin, then moved to ``centre``."""
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return [(centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y) for x, y in points]


def characters(width: int, height: int, fill: str = " ") -> list[list[str]]:
    """An empty grid of characters, rows from top to bottom."""
    return [[fill] * width for _ in range(height)]


def joined(grid: list[list[str]], *lines: Any) -> str:
    """A grid of characters as text, with lines of text below it."""
    return "\n".join(["".join(row).rstrip() for row in grid] + [str(line) for line in lines]) + "\n"

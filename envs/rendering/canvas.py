"""A small drawing surface over Pillow (which comes with matplotlib): shapes, text and an array at the end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_FINE = 3
"""Everything is drawn this much larger and reduced at the end, which smooths edges."""

INK, MUTED, PAPER = "#1d2733", "#6b7683", "#fbfaf7"
"""Colours shared by the drawings: text, secondary text, background."""


@lru_cache(maxsize=32)
def _font(size: int, bold: bool) -> Any:
    """A typeface with the letters that units and Greek symbols need: matplotlib ships DejaVu Sans."""
    from matplotlib import get_data_path

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/{name}", size)


class Canvas:
    """A picture of ``width`` × ``height`` pixels; coordinates in pixels from the top left corner."""

    def __init__(self, width: int, height: int, background: str = PAPER) -> None:
        self.width, self.height = width, height
        self._image = Image.new("RGB", (width * _FINE, height * _FINE), background)
        self._draw = ImageDraw.Draw(self._image)

    def rectangle(
        self,
        box: Sequence[float],
        fill: str | None = None,
        outline: str | None = None,
        width: float = 1,
        radius: float = 0,
    ) -> None:
        """A rectangle ``(left, top, right, bottom)``, with round corners if wanted."""
        scaled = [v * _FINE for v in box]
        self._draw.rounded_rectangle(scaled, radius * _FINE, fill, outline, round(width * _FINE))

    def circle(
        self, x: float, y: float, radius: float, fill: str | None = None, outline: str | None = None, width: float = 1
    ) -> None:
        """A disc or ring."""
        box = [(x - radius) * _FINE, (y - radius) * _FINE, (x + radius) * _FINE, (y + radius) * _FINE]
        self._draw.ellipse(box, fill, outline, round(width * _FINE))

    def ellipse(self, box: Sequence[float], fill: str | None = None, outline: str | None = None) -> None:
        """An ellipse within ``(left, top, right, bottom)``."""
        self._draw.ellipse([v * _FINE for v in box], fill, outline)

    def polygon(self, points: Sequence[tuple[float, float]], fill: str, outline: str | None = None) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * _FINE, y * _FINE) for x, y in points], fill, outline)

    def line(self, points: Sequence[tuple[float, float]], fill: str, width: float = 1) -> None:
        """A line through points."""
        self._draw.line([(x * _FINE, y * _FINE) for x, y in points], fill, round(width * _FINE), joint="curve")

    def text(
        self,
        x: float,
        y: float,
        text: str,
        fill: str = INK,
        *,
        size: float = 14,
        anchor: str = "lm",
        bold: bool = False,
    ) -> None:
        """Text at a point; ``anchor`` as Pillow has it (``"lm"`` left middle, ``"mm"`` centred, ``"rm"`` right)."""
        self._draw.text((x * _FINE, y * _FINE), text, fill, _font(round(size * _FINE), bold), anchor)

    def array(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The picture as ``(height, width, 3)`` of uint8, a fresh array."""
        return np.array(self._image.reduce(_FINE), dtype=np.uint8)  # the mean of each square, far quicker than resize

    def image(self, box: Sequence[float], pixels: np.ndarray[Any, Any]) -> None:
        """A small picture ``(h, w, 3)`` of uint8 with its pixels as squares, in ``(left, top, right, bottom)``."""
        left, top, right, bottom = (round(v * _FINE) for v in box)
        shown = Image.fromarray(pixels).resize((right - left, bottom - top), Image.Resampling.NEAREST)
        self._image.paste(shown, (left, top))

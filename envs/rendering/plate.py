"""Charts as frames: what stands still is drawn once by matplotlib, what moves is drawn over a copy of it.

Axes, ticks, labels and legends take a tenth of a second; a few lines and bars over them take milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


class Plate:
    """A chart whose still part is drawn once.

    Args:
        size: of the picture in pixels, ``(width, height)``.
        build: given the figure, draws what stands still and returns the axes that things will move in.
    """

    def __init__(self, size: tuple[int, int], build: Callable[[Any], Any]) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(size[0] / 100, size[1] / 100), dpi=100, facecolor="white")
        agg: Any = FigureCanvasAgg  # whose methods have no types
        self._canvas = agg(figure)
        self.figure = figure
        self.axes = build(figure)
        self._canvas.draw()
        self._still = self._canvas.copy_from_bbox(figure.bbox)

    def picture(self, moving: Iterable[tuple[Any, Any]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The chart with some artists drawn over it, in order.

        Args:
            moving: pairs of axes (``None`` for the figure itself) and artists to draw there (lines, texts, …).

        Returns:
            ``(height, width, 3)``, a fresh array.
        """
        self._canvas.restore_region(self._still)
        renderer = self._canvas.get_renderer()
        for axes, artist in moving:
            place(artist, self.figure if axes is None else axes)
            artist.draw(renderer)
        return np.array(self._canvas.buffer_rgba())[..., :3].copy()


def place(artist: Any, where: Any) -> None:
    """Give an artist the coordinates of axes, or those of a figure from 0 to 1, without making it a part of them."""
    figure = getattr(where, "figure", None) or where
    artist.set_figure(figure)
    if not artist.is_transform_set():
        artist.set_transform(where.transFigure if where is figure else where.transData)
    if where is not figure:
        artist.axes = where
        if artist.get_clip_path() is None and artist.get_clip_on():
            artist.set_clip_path(where.patch)


def bars(x: Any, low: Any, high: Any, width: float, colour: str) -> Any:
    """Many bars as one artist: centred at ``x``, from ``low`` to ``high``."""
    from matplotlib.collections import PolyCollection

    x, low, high = np.broadcast_arrays(np.asarray(x, float), np.asarray(low, float), np.asarray(high, float))
    left, right = x - width / 2, x + width / 2
    corners = np.stack([np.stack(c, axis=-1) for c in ((left, low), (left, high), (right, high), (right, low))], axis=1)
    return PolyCollection(list(corners), facecolors=colour, edgecolors="none")

"""Small pictures as observations: drawn for many states at once, channels last, uint8."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from morl.spec import IntArray

Pictures = NDArray[np.uint8]

LEAST = 36
"""Sides of pictures in pixels are at least this, which is what the usual convolutional network takes."""


def picture_space(shape: tuple[int, ...]) -> spaces.Box:
    """The space of pictures ``(height, width, 3)``, 0 to 255."""
    return spaces.Box(0, 255, shape, np.uint8)


def with_boxes(background: Pictures, boxes: IntArray, colour: Any) -> Pictures:
    """One picture per box: the background ``(h, w, 3)`` with a filled rectangle.

    Args:
        background: shared by all.
        boxes: ``(n, 4)``: first row, first column, row and column after the last.
        colour: three numbers.

    >>> with_boxes(np.zeros((2, 3, 3), np.uint8), np.array([[0, 1, 2, 3]]), (7, 7, 7))[0, :, :, 0].tolist()
    [[0, 7, 7], [0, 7, 7]]
    """
    h, w, _ = background.shape
    rows, columns = np.arange(h), np.arange(w)
    inside = ((rows >= boxes[:, :1]) & (rows < boxes[:, 2:3]))[:, :, None]
    inside = inside & ((columns >= boxes[:, 1:2]) & (columns < boxes[:, 3:4]))[:, None, :]
    return np.where(inside[..., None], np.asarray(colour, dtype=np.uint8), background)

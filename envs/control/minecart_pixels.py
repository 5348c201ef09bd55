"""The minecart as a picture of 64 × 64 pixels, compiled: one call draws every cart of a batch.

The map fills the upper 58 rows; below it three bars show the load of each ore and the speed, so that one picture holds
what the seven numbers of the usual observation hold. Edges are smoothed (each pixel is sampled nine times), because a
frame moves a slow cart by less than a pixel.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from morl.compiled import jit
from morl.envs.control.minecart_kernels import BASE_RADIUS, HEADING, MINE_RADIUS, ORE_0, ORE_1, SPEED, X, Y
from morl.spec import FloatArray

SIDE, MAP = 64, 58  # pixels: of the picture, and the rows of the map
FAST = 0.25
"""The speed at which its bar is full; carts on the way between base and mines stay below it."""
_BARS = ((59, ORE_0), (61, ORE_1), (63, SPEED))
_HALF_LENGTH, _HALF_WIDTH, _NOSE, _REACH = 0.05, 0.035, 0.025, 0.065  # of the cart, in units of the map
_GROUND, _BASE, _BLUE, _VIOLET = (233, 221, 197), (223, 150, 138), (52, 101, 164), (117, 80, 123)


def map_picture(mines: FloatArray) -> NDArray[np.uint8]:
    """The map without a cart ``(64, 64, 3)``: mines are discs whose colour mixes those of their ores by yield."""
    picture = np.zeros((SIDE, SIDE, 3))
    y, x = np.meshgrid((np.arange(MAP) + 0.5) / MAP, (np.arange(SIDE) + 0.5) / SIDE, indexing="ij")
    picture[:MAP] = _GROUND
    picture[:MAP][x**2 + y**2 < BASE_RADIUS**2] = _BASE
    for mine in mines:
        near = (x - mine[0]) ** 2 + (y - mine[1]) ** 2 < MINE_RADIUS**2
        total = max(mine[2] + mine[4], 1e-9)
        colour = (mine[2] * np.array(_BLUE) + mine[4] * np.array(_VIOLET)) / total
        rich = min(total / 0.4, 1.0)
        picture[:MAP][near] = (1 - 0.8 * rich) * np.array(_GROUND) + 0.8 * rich * colour
    return np.rint(picture).astype(np.uint8)


@jit
def _draw(carts: FloatArray, capacity: float, background: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Draw each cart ``(n, 7)`` and its bars over the background that ``out`` (n, 64, 64, 3) holds already."""
    for i in range(carts.shape[0]):
        cart = carts[i]
        turn = cart[HEADING] * math.pi / 180.0
        along, across = math.cos(turn), math.sin(turn)
        first_row, last_row = int((cart[Y] - _REACH) * MAP), int((cart[Y] + _REACH) * MAP)
        first_column, last_column = int((cart[X] - _REACH) * SIDE), int((cart[X] + _REACH) * SIDE)
        for row in range(max(first_row, 0), min(last_row, MAP - 1) + 1):
            for column in range(max(first_column, 0), min(last_column, SIDE - 1) + 1):
                body, nose = 0, 0
                for a in range(3):
                    for b in range(3):
                        dy = (row + (2 * a + 1) / 6.0) / MAP - cart[Y]
                        dx = (column + (2 * b + 1) / 6.0) / SIDE - cart[X]
                        u, v = dx * along + dy * across, dy * along - dx * across
                        if abs(u) <= _HALF_LENGTH and abs(v) <= _HALF_WIDTH:
                            if u > _NOSE:
                                nose += 1
                            else:
                                body += 1
                if body + nose:
                    for c in range(3):
                        mixed = (9 - body - nose) * float(background[row, column, c]) + 40.0 * body
                        mixed += (220.0 if c == 0 else 30.0) * nose
                        out[i, row, column, c] = np.uint8(mixed / 9.0 + 0.5)
        for bar in range(3):
            row, entry = _BARS[bar]
            full = FAST if entry == SPEED else capacity
            length = min(cart[entry] / full, 1.0) * SIDE
            for column in range(math.ceil(length)):
                shade = np.uint8(255.0 * min(length - column, 1.0) + 0.5)
                for c in range(3):
                    out[i, row, column, c] = shade


def draw_carts(carts: FloatArray, capacity: float, background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures ``(n, 64, 64, 3)`` of carts ``(n, 7)``.

    Args:
        carts: as in :mod:`morl.envs.control.minecart_kernels`.
        capacity: what a cart holds.
        background: from :func:`map_picture`.
    """
    pictures = np.empty((len(carts), *background.shape), dtype=np.uint8)
    pictures[:] = background
    _draw(carts, capacity, background, pictures)
    return pictures

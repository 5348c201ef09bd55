"""The lunar lander in characters."""

from __future__ import annotations

import math
from typing import Any

from morl.envs.rendering.drawing import characters, joined

_ARROWS = "↑↖←↙↓↘→↗"  # where the lander's top points, by angle


def draw_lander(inner: Any) -> str:
    """The moon, the pad between its flags, and the lander with the direction of its top.

    Args:
        inner: Gymnasium's ``LunarLander`` after a reset.
    """
    width, height, right, top = 61, 21, 20.0, 40.0 / 3.0  # the picture is 600 × 400 pixels, 30 to a metre
    grid = characters(width, height)
    ground = [edge for polygon in inner.sky_polys for edge in polygon[:2]]
    for column in range(width):
        x = right * column / (width - 1)
        left, after = max(p for p in ground if p[0] <= x + 1e-6), min(p for p in ground if p[0] >= x - 1e-6)
        share = 0.0 if after[0] == left[0] else (x - left[0]) / (after[0] - left[0])
        surface = round((left[1] + share * (after[1] - left[1])) / top * (height - 1))
        for row in range(surface + 1):
            grid[height - 1 - row][column] = "▒"
    pad = round(inner.helipad_y / top * (height - 1)) + 1
    for x in (inner.helipad_x1, inner.helipad_x2):
        grid[height - 1 - pad][round(x / right * (width - 1))] = "⚑"
    body = inner.lander
    column, row = round(body.position.x / right * (width - 1)), round(body.position.y / top * (height - 1))
    if 0 <= column < width and 0 <= row < height:
        grid[height - 1 - row][column] = _ARROWS[round(body.angle / (math.pi / 4)) % 8]
    legs = sum(bool(leg.ground_contact) for leg in inner.legs)
    speed = body.linearVelocity
    place = f"position {body.position.x - right / 2:+.2f} {body.position.y - inner.helipad_y:+.2f} m"
    motion = f"velocity {speed.x:+.2f} {speed.y:+.2f} m/s   tilt {math.degrees(body.angle):+.0f}°"
    return joined(grid, f"{place}   {motion}   legs on the ground {legs}")

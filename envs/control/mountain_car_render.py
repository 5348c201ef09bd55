"""Pictures of the mountain cars: the valley from the side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from morl.envs.dynamics import State
from morl.envs.rendering import drawing

_LEFT, _RIGHT = -1.2, 0.6
_SKY: drawing.Colour = "#deebf6"
_GRASS: drawing.Colour = "#799e63"
_EARTH: drawing.Colour = "#967c60"
_HILL = 0.27  # height of the hills in the units of the track, for a pleasant picture


def _height(position: float) -> float:
    """The track: gravity is the slope of sin 3x."""
    return _HILL * math.sin(3 * position)


def draw_mountain_car(goal: float, state: State, mode: str) -> Any:
    """A car and its flag at ``goal`` as a picture ``(400, 640, 3)`` (``"rgb_array"``) or in characters (``"ansi"``)."""
    position, velocity = (float(x) for x in state["car"])
    return _text(position, velocity, goal) if mode == "ansi" else _picture(position, velocity, goal)


def _picture(position: float, velocity: float, goal: float) -> Any:
    scene = drawing.Scene(640, 400, (_LEFT - 0.08, -0.5, _RIGHT + 0.08, 0.725), _SKY)
    track = [(float(x), _height(float(x))) for x in np.linspace(_LEFT - 0.1, _RIGHT + 0.1, 120)]
    scene.polygon([*track, (_RIGHT + 0.1, -0.55), (_LEFT - 0.1, -0.55)], _EARTH)
    scene.line(track, _GRASS, 7)
    wall = _height(_LEFT)
    scene.rectangle((_LEFT - 0.1, wall), (_LEFT - 0.045, wall + 0.16), drawing.GREY, drawing.INK)
    foot = _height(goal)
    scene.line([(goal, foot), (goal, foot + 0.2)], drawing.INK, 2)
    scene.polygon([(goal, foot + 0.2), (goal + 0.08, foot + 0.17), (goal, foot + 0.14)], drawing.RED)
    slope = math.atan(3 * _HILL * math.cos(3 * position))
    up = 0.024  # from the track to the axles
    middle = (position - up * math.sin(slope), _height(position) + up * math.cos(slope))
    body = [(-0.055, 0.0), (0.055, 0.0), (0.055, 0.03), (0.03, 0.034), (0.018, 0.06), (-0.03, 0.06), (-0.045, 0.033)]
    scene.polygon(drawing.turned(body, slope, middle), drawing.BLUE, drawing.INK)
    for wheel in drawing.turned([(-0.033, 0.0), (0.033, 0.0)], slope, middle):
        scene.disc(wheel, 0.019, drawing.INK)
        scene.disc(wheel, 0.009, drawing.GREY)
    reach = 4.0 * velocity
    if abs(reach) > 0.02:
        _arrow(scene, (middle[0], middle[1] + 0.13), reach)
    scene.text((_LEFT - 0.02, 0.68), f"position {position:+.3f}    velocity {velocity:+.4f}", 15)
    return scene.array()


def _arrow(scene: drawing.Scene, middle: drawing.Point, reach: float) -> None:
    x, y = middle
    side = math.copysign(0.03, reach)
    scene.line([(x - reach / 2, y), (x + reach / 2, y)], drawing.RED, 3)
    tip = x + reach / 2 + side
    scene.polygon([(tip, y), (tip - side, y + 0.018), (tip - side, y - 0.018)], drawing.RED)


def _text(position: float, velocity: float, goal: float) -> str:
    width, height = 61, 13

    def column(x: float) -> int:
        return round((x - _LEFT) / (_RIGHT - _LEFT) * (width - 1))

    def row(x: float) -> int:
        return round((1 - math.sin(3 * x)) / 2 * (height - 3)) + 1

    grid = drawing.characters(width, height)
    for i in range(width):
        x = _LEFT + i / (width - 1) * (_RIGHT - _LEFT)
        grid[row(x) + 1][i] = "_" if row(x) + 1 == height - 1 else "."
    grid[row(goal)][column(goal)] = "F"
    grid[row(position)][column(position)] = "▶" if velocity > 0 else "◀" if velocity < 0 else "■"
    return drawing.joined(grid, f"position {position:+.3f}   velocity {velocity:+.4f}   flag at {goal:g}")

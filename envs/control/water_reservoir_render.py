"""Pictures of the reservoir: a section through the dam, with thresholds and the day's flows."""

from __future__ import annotations

import math
from typing import Any

from morl.envs.dynamics import State
from morl.envs.rendering import drawing

_FLOOD, _SPILL, _DOWNSTREAM, _DEMAND = 50.0, 100.0, 30.0, 50.0
_WATER: drawing.Colour = "#5696cd"
_SKY: drawing.Colour = "#e2eef7"
_ROCK: drawing.Colour = "#968a7a"
_CONCRETE: drawing.Colour = "#bcbcb8"


def draw_water_reservoir(state: State, mode: str) -> Any:
    """A section through the reservoir (``"rgb_array"``) or the same in characters (``"ansi"``)."""
    level, release, inflow = (float(state[key]) for key in ("level", "release", "inflow"))
    return _text(level, release, inflow) if mode == "ansi" else _picture(level, release, inflow)


def _picture(level: float, release: float, inflow: float) -> Any:
    scene = drawing.Scene(640, 400, (0.0, -28.0, 320.0, 172.0), _SKY)
    scene.rectangle((0, -28), (320, 0), _ROCK)
    scene.polygon([(0, 0), (18, 0), (0, 172)], _ROCK)
    shore = 18 * (1 - min(level, 172.0) / 172)
    scene.polygon([(18, 0), (200, 0), (200, level), (shore, level)], _WATER)
    scene.polygon([(200, 0), (238, 0), (214, _SPILL), (200, _SPILL)], _CONCRETE, drawing.INK)
    flow = 0.0 if math.isnan(release) else release
    if flow > 0:
        depth = 2 + 0.16 * flow
        slope = 24 / _SPILL  # of the dam's outer face
        scene.polygon([(238, 0), (320, 0), (320, depth), (238 - slope * depth, depth)], _WATER)
        face = 238 - slope * 30
        scene.line([(face, 30), (face + 8, 24), (face + 13, 14), (face + 15, depth)], _WATER, 2 + 0.08 * flow)
    for height, name in ((_FLOOD, "flood threshold 50"), (_SPILL, "spill 100")):
        colour = drawing.RED if level > height else drawing.INK
        scene.line([(2, height), (200, height)], colour, 1.5)
        scene.text((196, height + 2), name, 12, colour, "rs")
    scene.text((104, level + 4), f"level {level:.1f}", 14, drawing.INK, "ms")
    if not math.isnan(release):
        scene.text((8, 160), f"inflow {inflow:.1f}", 14, drawing.BLUE)
        scene.line([(10, 148), (42, 148)], drawing.BLUE, 1 + 0.08 * max(inflow, 0.0))
        _gauge(scene, release)
    return scene.array()


def _gauge(scene: drawing.Scene, release: float) -> None:
    """The release against demand and the downstream flood limit."""
    left, right, low, high, most = 222.0, 312.0, 128.0, 136.0, 150.0
    supplied = release >= _DEMAND
    flooding = release > _DOWNSTREAM
    scene.bar((left, low), (right, high), release / most, drawing.BLUE, f"release {release:.1f}", 14)
    for value, colour in ((_DOWNSTREAM, drawing.RED), (_DEMAND, drawing.GREEN)):
        x = left + (right - left) * value / most
        scene.line([(x, low - 5), (x, high)], colour, 2)
    good, bad = drawing.GREEN, drawing.RED
    scene.text((left, 116), "demand of 50 met" if supplied else "demand of 50 not met", 12, good if supplied else bad)
    scene.text((left, 104), "above 30: flood below" if flooding else "no flood below", 12, bad if flooding else good)


def _text(level: float, release: float, inflow: float) -> str:
    width, height, step = 30, 16, 12.5
    grid = drawing.characters(width + 16, height)
    for row in range(height):
        bottom = (height - 1 - row) * step
        for column in range(width):
            grid[row][column] = "~" if level > bottom else " "
        if bottom < _SPILL:
            grid[row][width] = "█"
        for threshold, name in ((_FLOOD, "< flood 50"), (_SPILL, "< spill 100")):
            if bottom == threshold:
                grid[row][width + 2 : width + 2 + len(name)] = list(name)
    facts = f"level {level:.1f}"
    if not math.isnan(release):
        facts += f"   release {release:.1f}   inflow {inflow:.1f}"
    return drawing.joined(grid, "▀" * (width + 1), facts)

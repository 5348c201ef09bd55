"""Pictures of the minecart: the map from above, with the cart's load and speed."""

from __future__ import annotations

import math
from typing import Any

from morl.envs.control.minecart_kernels import BASE_RADIUS, MINE_RADIUS
from morl.envs.dynamics import State
from morl.envs.rendering import drawing
from morl.spec import FloatArray

_GROUND: drawing.Colour = "#e9ddc5"
_WALL: drawing.Colour = "#a08662"
_ARROWS = "→↘↓↙←↖↑↗"  # by heading: 0° is along x, and y points down as on a screen


def draw_minecart(mines: FloatArray, capacity: float, state: State, mode: str) -> Any:
    """The map with the cart as a picture ``(580, 520, 3)`` (``"rgb_array"``) or in characters (``"ansi"``)."""
    draw = _text if mode == "ansi" else _picture
    return draw(mines, capacity, state)


def _picture(mines: FloatArray, capacity: float, state: State) -> Any:
    x, y, speed, heading, first, second, _ = (float(v) for v in state["cart"])
    scene = drawing.Scene(520, 580, (-0.08, 1.21, 1.08, -0.08), drawing.PAPER)
    scene.rectangle((-0.06, -0.06), (1.06, 1.06), _WALL)
    scene.rectangle((-0.03, -0.03), (1.03, 1.03), _GROUND)
    wedge = [(BASE_RADIUS * math.cos(a * math.pi / 40), BASE_RADIUS * math.sin(a * math.pi / 40)) for a in range(21)]
    scene.polygon([(-0.03, -0.03), (BASE_RADIUS, -0.03), *wedge, (-0.03, BASE_RADIUS)], "#df968a")
    scene.text((-0.02, -0.02), "base", 13, drawing.INK)
    for mine in mines:
        _mine(scene, mine)
    scene.polygon(
        drawing.turned(
            [(-0.042, -0.028), (0.042, -0.028), (0.042, 0.028), (-0.042, 0.028)], math.radians(heading), (x, y)
        ),
        "#545862",
        drawing.INK,
    )
    for load, colour, side in ((first, drawing.BLUE, -1), (second, drawing.VIOLET, 1)):
        length = 0.064 * min(load / capacity, 1.0)
        inner = [
            (-0.032, side * 0.003),
            (length - 0.032, side * 0.003),
            (length - 0.032, side * 0.021),
            (-0.032, side * 0.021),
        ]
        if length > 0:
            scene.polygon(drawing.turned(inner, math.radians(heading), (x, y)), colour)
    nose = drawing.turned([(0.046, -0.02), (0.07, 0.0), (0.046, 0.02)], math.radians(heading), (x, y))
    scene.polygon(nose, drawing.RED)
    for i, (label, value, top, colour) in enumerate(
        (
            (f"ore 1  {first:.2f}", first, capacity, drawing.BLUE),
            (f"ore 2  {second:.2f}", second, capacity, drawing.VIOLET),
            (f"speed  {speed:.3f}", speed, 0.25, drawing.GREEN),
        )
    ):
        left = -0.04 + 0.37 * i
        scene.bar((left, 1.175), (left + 0.33, 1.14), value / top, colour, label)
    return scene.array()


def _mine(scene: drawing.Scene, mine: Any) -> None:
    x, y, first, second = float(mine[0]), float(mine[1]), float(mine[2]), float(mine[4])
    scene.disc((x, y), MINE_RADIUS, "#d4c4a6", "#baa886")
    scene.disc((x, y), 0.05, "#5c5246", drawing.INK)
    for amount, colour, dx in ((first, drawing.BLUE, -0.022), (second, drawing.VIOLET, 0.022)):
        if amount > 0:
            scene.disc((x + dx, y), 0.0205 * math.sqrt(min(amount, 0.4) / 0.2), colour)
    scene.text((x, y + 0.09), f"{first:g} | {second:g}", 11, drawing.INK, "mm")


def _text(mines: FloatArray, capacity: float, state: State) -> str:
    x, y, speed, heading, first, second, _ = (float(v) for v in state["cart"])
    width, height = 49, 25

    def cell(px: float, py: float) -> tuple[int, int]:
        return round(py * (height - 1)), round(px * (width - 1))

    grid = drawing.characters(width, height, " ")
    for row in range(height):
        for column in range(width):
            px, py = column / (width - 1), row / (height - 1)
            if math.hypot(px, py) < BASE_RADIUS:
                grid[row][column] = "#"
            elif any(math.hypot(px - m[0], py - m[1]) <= MINE_RADIUS for m in mines):
                grid[row][column] = "·"
    for number, mine in enumerate(mines, 1):
        row, column = cell(float(mine[0]), float(mine[1]))
        grid[row][column] = str(number % 10)
    row, column = cell(x, y)
    grid[row][column] = _ARROWS[round(heading / 45) % 8]
    edge = "+" + "-" * width + "+"
    framed = [list(edge), *(["|", *line, "|"] for line in grid), list(edge)]
    return drawing.joined(
        framed,
        f"ore1 {first:.2f}  ore2 {second:.2f}  of {capacity:g}   speed {speed:.3f}  heading {heading:.0f}°",
    )

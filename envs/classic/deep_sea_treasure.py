"""Deep Sea Treasure: a submarine trades the value of a treasure against the time it takes to get there.

Sources: Vamplew, Dazeley, Berry, Issabekov and Dekker (2011), whose treasures make the front concave; Yang, Sun and
Narasimhan (2019) for the convex values; Felten, Talbi and Danoy (2022) for the mirrored map.

Deliberate differences from mo-gymnasium's version, none of which changes a reward or the end of an episode:

- the observation space ends at the last row and column, not one beyond it;
- ``float_state`` divides by the size of the map, so that it stays within [0, 1] on the mirrored one too;
- any map is welcome, not only the three built-in ones;
- fronts are computed, so at γ < 1 points that became dominated are gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.classic.grids import MOVE_NAMES, MOVES, check_rows, name_states
from morl.envs.finite import FiniteProblem
from morl.envs.rendering.pixels import LEAST, Pictures, picture_space, with_boxes
from morl.momdp import MOMDP, Outcome
from morl.spec import EnvError, FloatArray, IntArray, MOSpec, Objective

ROCK = -1.0
"""Any negative number marks a cell that cannot be entered."""

Cell = tuple[int, int]

_DEPTH = (1, 2, 3, 4, 4, 4, 7, 7, 9, 10)
"""Row of the treasure in each of the first ten columns."""

_TREASURES = {
    "convex": (0.7, 8.2, 11.5, 14.0, 15.1, 16.1, 19.6, 20.3, 22.4, 23.7),
    "concave": (1.0, 2.0, 3.0, 5.0, 8.0, 16.0, 24.0, 50.0, 74.0, 124.0),
}

_LEFT_FLOOR = (10, 9, 7, 7, 4, 4, 4, 3, 2, 1)
"""Deepest open row of columns 0 … 9 of the mirrored map: the empty slope that leads nowhere."""


def right_slope(values: Sequence[float]) -> FloatArray:
    """The 11 × 11 map whose sea floor falls to the right, a treasure on every step of it."""
    sea = np.zeros((11, 11))
    for column, (depth, value) in enumerate(zip(_DEPTH, values, strict=True)):
        sea[depth, column] = value
        sea[depth + 1 :, column] = ROCK
    return sea


def mirrored_map() -> FloatArray:
    """The 11 × 20 map of Felten et al.: the concave one with an empty slope to its left."""
    right = right_slope(_TREASURES["concave"])[:, :10]
    left = np.zeros((11, 10))
    for column, floor in enumerate(_LEFT_FLOOR):
        left[floor + 1 :, column] = ROCK
    return np.concatenate([left, right], axis=1)


def sea_map(sea: str | Sequence[Sequence[float]]) -> tuple[FloatArray, Cell]:
    """A map and its usual start, by name or from rows of numbers.

    Args:
        sea: ``"convex"``, ``"concave"``, ``"mirrored"``, or rows: 0 is water, a positive number a treasure of that
            value, a negative one rock.

    Raises:
        EnvError: unknown name; rows that are empty or ragged, hold something else than finite numbers, or no treasure.
    """
    if isinstance(sea, str):
        if sea in _TREASURES:
            return right_slope(_TREASURES[sea]), (0, 0)
        if sea == "mirrored":
            return mirrored_map(), (0, 10)
        raise EnvError(f"sea is {sea!r}; expected 'convex', 'concave', 'mirrored' or rows of numbers")
    check_rows(sea, "sea map")
    try:
        grid = np.array(sea, dtype=np.float64)
    except (TypeError, ValueError):
        raise EnvError(
            "sea map holds cells that are not numbers; expected 0, treasure values, or -1 for rock"
        ) from None
    if grid.ndim != 2 or not np.isfinite(grid).all():
        raise EnvError("sea map holds NaN, infinite or nested cells; expected 0, treasure values, or -1 for rock")
    if not (grid > 0).any():
        raise EnvError("sea map has no treasure; expected at least one positive number")
    return grid, (0, 0)


def distances(grid: FloatArray, start: Cell) -> dict[Cell, int]:
    """Steps to every cell that can be reached, treasures included, passing through water only."""
    reached, queue = {start: 0}, [start]
    for cell in queue:
        if grid[cell] > 0:
            continue
        for move in MOVES:
            there = (cell[0] + move[0], cell[1] + move[1])
            inside = 0 <= there[0] < grid.shape[0] and 0 <= there[1] < grid.shape[1]
            if inside and grid[there] >= 0 and there not in reached:
                reached[there] = reached[cell] + 1
                queue.append(there)
    return reached


def deep_sea_treasure(
    sea: str | Sequence[Sequence[float]] = "convex",
    start: Sequence[int] | None = None,
    float_state: bool = False,
    max_steps: int = 100,
    pixels: bool = False,
) -> FiniteProblem:
    """The problem on a map.

    Observation: row and column of the submarine. Actions: up, down, left, right; a move into rock or off the map
    changes nothing but the clock. Rewards: the value of the treasure found, and −1 for every step. The episode ends
    on a treasure.

    Args:
        sea: see :func:`sea_map`.
        start: first cell (row, column); the map's own where ``None``.
        float_state: observe row and column as float32 divided by the last ones, in [0, 1].
        max_steps: time limit.
        pixels: observe a picture of the map with the submarine, uint8, at least 36 pixels a side.

    Raises:
        EnvError: a map that makes no sense, a start that is not water, no treasure within reach, or both ``pixels``
            and ``float_state``.
    """
    if pixels and float_state:
        raise EnvError("pixels and float_state are both true; expected one kind of observation")
    grid, usual = sea_map(sea)
    first = usual if start is None else _check_start(start, grid)
    if grid[first] != 0:
        raise EnvError(f"start cell {first} is {'rock' if grid[first] < 0 else 'a treasure'}; expected water")
    reached = distances(grid, first)
    found = {cell: steps for cell, steps in reached.items() if grid[cell] > 0}
    if not found:
        raise EnvError(f"no treasure can be reached from the start cell {first}; open a way through the rock")

    def outcomes(cell: Any, action: int) -> list[Outcome]:
        there = (cell[0] + MOVES[action][0], cell[1] + MOVES[action][1])
        if there not in reached:
            there = cell
        value = float(grid[there])
        return [(1.0, there, (value, -1.0), value > 0)]

    best = float(max(grid[cell] for cell in found))
    objectives = (
        Objective("treasure", "", 0.0, best, "value of the treasure found"),
        Objective("time", "steps", -1.0, -1.0, "minus one for every step"),
    )
    model, states = MOMDP.from_simulator(
        first, 4, outcomes, discount=0.99, objectives=objectives, action_names=MOVE_NAMES
    )
    cells = np.array(states, dtype=np.int64)
    observations, space = _observed(grid, cells, pixels, float_state)
    spec = MOSpec(
        objectives,
        discount=0.99,
        ref_point=(0.0, -50.0),
        return_scale=((0.0, -float(max(found.values()))), (best, 0.0)),
    )

    def render(state: int, mode: str) -> Any:
        from morl.envs.classic.deep_sea_treasure_render import draw_sea

        return draw_sea(grid, (int(cells[state, 0]), int(cells[state, 1])), mode)

    named = name_states(model, [f"row {r}, column {c}" for r, c in cells.tolist()])
    return FiniteProblem(named, spec, observations, space, max_steps, render)


def sea_pictures(grid: FloatArray, cells: IntArray) -> Pictures:
    """Pictures ``(n, h, w, 3)`` of the map with the submarine in cells ``(n, 2)``; richer treasures are brighter."""
    rows, columns = grid.shape
    side = max(4, -(-LEAST // min(rows, columns)))
    depth = np.linspace(0.0, 1.0, rows)[:, None, None]
    colours = np.broadcast_to((1.0 - depth) * (124, 196, 226) + depth * (14, 58, 98), (rows, columns, 3)).copy()
    colours[grid < 0] = (74, 63, 56)
    value = np.sqrt(np.maximum(grid, 0.0) / grid.max())[grid > 0, None]
    colours[grid > 0] = (1.0 - value) * (90, 70, 20) + value * (255, 225, 60)
    background = np.rint(colours).astype(np.uint8).repeat(side, axis=0).repeat(side, axis=1)
    corners = cells * side
    return with_boxes(background, np.concatenate([corners, corners + side], axis=1), (220, 30, 30))


def _observed(
    grid: FloatArray, cells: IntArray, pixels: bool, float_state: bool
) -> tuple[np.ndarray[Any, Any], spaces.Box]:
    """What is seen in each cell, and its space."""
    last = np.array(grid.shape) - 1
    if pixels:
        pictures = sea_pictures(grid, cells)
        return pictures, picture_space(pictures.shape[1:])
    if float_state:
        return (cells / np.maximum(last, 1)).astype(np.float32), spaces.Box(0.0, 1.0, (2,), np.float32)
    space = spaces.Box(np.zeros(2, np.int32), last.astype(np.int32), (2,), np.int32)
    return cells.astype(np.int32), space


def _check_start(start: Sequence[int], grid: FloatArray) -> Cell:
    cell = tuple(start)
    if len(cell) != 2 or not all(isinstance(x, int | np.integer) for x in cell):
        raise EnvError(f"start is {start!r}; expected a row and a column")
    if not (0 <= cell[0] < grid.shape[0] and 0 <= cell[1] < grid.shape[1]):
        raise EnvError(f"start cell {cell} is off the map of {grid.shape[0]} rows and {grid.shape[1]} columns")
    return int(cell[0]), int(cell[1])

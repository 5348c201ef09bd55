"""Four Rooms: collect shapes of three kinds on the way from one corner to the other.

Sources: Barreto et al. (2017) for the task, Alegre, Bazzan and da Silva (2022) for the three objectives and the
discrete map. 12 shapes make 4,096 subsets, and 598,016 states can be reached: the exact model is sparse and built by
whole-array operations.

Difference from mo-gymnasium's version: where a map has several starts, one is drawn from ``np_random`` (there, from
Python's global generator); flags in the observation are bounded by 1; other dynamics are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from scipy import sparse

from morl.envs.classic.grids import DOWN, LEFT, RIGHT, UP, check_rows
from morl.envs.finite import FiniteProblem
from morl.momdp import MOMDP
from morl.spec import BoolArray, EnvError, FloatArray, IntArray, MOSpec, Objective

MAZE = (
    "1    2X     G",
    "      X      ",
    "      1      ",
    "             ",
    "      X      ",
    "2    3X      ",
    "XX3 XXXXX 1XX",
    "      X2    3",
    "      X      ",
    "             ",
    "      2      ",
    "      X      ",
    "_     X3    1",
)
"""G is the goal, _ a start, X a wall, 1 2 3 the shapes; anything else is open floor."""

KINDS = "123"
MOVES = (LEFT, UP, RIGHT, DOWN)
MOVE_NAMES = ("left", "up", "right", "down")
MOST_SHAPES = 14

OBJECTIVES = (
    Objective("blue squares", "", 0.0, 1.0, "one for every blue square collected, and one at the goal"),
    Objective("green triangles", "", 0.0, 1.0, "one for every green triangle collected, and one at the goal"),
    Objective("red circles", "", 0.0, 1.0, "one for every red circle collected, and one at the goal"),
)


def four_room(maze: Sequence[str] = MAZE, max_steps: int = 200) -> FiniteProblem:
    """The problem on a map.

    Observation: row, column, and one flag per shape (numbered down the columns, left to right): collected or not.
    Actions: left, up, right, down; walls and the edge stop a move. A shape pays 1 to its kind's objective the first
    time it is entered, the goal pays 1 to all three and ends the episode.

    Args:
        maze: rows of characters, see :data:`MAZE`.
        max_steps: time limit.

    Raises:
        EnvError: rows that are ragged or empty, no start, no goal or several, no shape, or more than 14 shapes.
    """
    cells = _check(maze)
    height, width = cells.shape
    shapes = [(r, c) for c in range(width) for r in range(height) if cells[r, c] in KINDS]
    after, gains = _moves(cells, shapes)
    starts = np.flatnonzero(cells.ravel() == "_") << len(shapes)
    goal = int(np.flatnonzero(cells.ravel() == "G")[0])
    codes, target, reward = _expand(after, gains, starts, goal, len(shapes))
    n = len(codes)
    live = (codes >> len(shapes)) != goal
    rows = len(target)
    begin = np.zeros(n)
    begin[np.searchsorted(codes, starts)] = 1.0 / len(starts)
    model = MOMDP(
        sparse.csr_array((np.ones(rows), target, np.arange(rows + 1)), shape=(rows, n)),
        reward,
        np.concatenate([[0], np.cumsum(np.where(live, 4, 0))]),
        0.95,
        begin,
        None,
        OBJECTIVES,
        action_names=MOVE_NAMES,
    )
    place = codes >> len(shapes)
    flags = (codes[:, None] >> np.arange(len(shapes))) & 1
    observations = np.concatenate([(place // width)[:, None], (place % width)[:, None], flags], axis=1)
    high = np.array([height - 1, width - 1, *(1,) * len(shapes)], dtype=np.int32)
    space = spaces.Box(np.zeros(len(high), np.int32), high, high.shape, np.int32)
    most = [1.0 + sum(cells[s] == kind for s in shapes) for kind in KINDS]
    spec = MOSpec(OBJECTIVES, discount=0.95, ref_point=(0.0,) * 3, return_scale=((0.0,) * 3, tuple(most)))
    seen = observations.astype(np.int32)

    def render(state: int, mode: str) -> Any:
        from morl.envs.classic.four_room_render import draw_rooms

        return draw_rooms(cells, shapes, [int(x) for x in seen[state]], mode)

    policies = "mixture" if model.n_states > 100_000 else None  # the one class whose front so large a model gives away
    return FiniteProblem(model, spec, seen, space, max_steps, render, policies)


def _check(maze: Sequence[str]) -> np.ndarray[Any, Any]:
    check_rows(maze, "maze")
    cells = np.array([list(row) for row in maze])
    counts = {symbol: int((cells == symbol).sum()) for symbol in "G_"}
    if counts["_"] == 0:
        raise EnvError("maze has no start; mark at least one cell with '_'")
    if counts["G"] != 1:
        raise EnvError(f"maze has {counts['G']} goals; mark one cell with 'G'")
    shapes = int(np.isin(cells, list(KINDS)).sum())
    if not 1 <= shapes <= MOST_SHAPES:
        raise EnvError(f"maze has {shapes} shapes; expected 1 to {MOST_SHAPES} cells marked '1', '2' or '3'")
    return cells


def _moves(cells: np.ndarray[Any, Any], shapes: list[tuple[int, int]]) -> tuple[IntArray, IntArray]:
    """Cell reached from each cell by each action ``(cells, 4)``, and the number of the shape on a cell (or −1)."""
    height, width = cells.shape
    after = np.zeros((height * width, 4), dtype=np.int64)
    for r in range(height):
        for c in range(width):
            for a, (dr, dc) in enumerate(MOVES):
                there = (r + dr, c + dc)
                free = 0 <= there[0] < height and 0 <= there[1] < width and cells[there] != "X"
                after[r * width + c, a] = there[0] * width + there[1] if free else r * width + c
    kind = np.full((height * width, 2), -1, dtype=np.int64)
    for number, (r, c) in enumerate(shapes):
        kind[r * width + c] = number, KINDS.index(cells[r, c])
    return after, kind


def _expand(
    after: IntArray, kind: IntArray, starts: IntArray, goal: int, bits: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """All states that can be reached, breadth first, whole layers at a time.

    A state's code is ``cell << bits | collected``. Returns the sorted codes ``(S,)``, and per row (states that are
    not at the goal, four actions each) the successor's number and the reward.
    """
    known: BoolArray = np.zeros(len(after) << bits, dtype=bool)
    layer = np.unique(starts)
    known[layer] = True
    while len(layer):
        layer = layer[(layer >> bits) != goal]
        following = _successors(layer, after, kind, bits)[0].ravel()
        following = following[~known[following]]
        known[following] = True
        layer = np.unique(following)
    codes = np.flatnonzero(known)
    number = np.full(len(known), -1, dtype=np.int32)
    number[codes] = np.arange(len(codes), dtype=np.int32)
    live = codes[(codes >> bits) != goal]
    target, gained = _successors(live, after, kind, bits)
    rewards = np.zeros((*target.shape, len(KINDS)))
    for i in range(len(KINDS)):
        rewards[..., i] = gained == i
    rewards[(target >> bits) == goal] = 1.0
    return codes, number[target.ravel()].astype(np.int64), rewards.reshape(-1, len(KINDS))


def _successors(codes: IntArray, after: IntArray, kind: IntArray, bits: int) -> tuple[IntArray, IntArray]:
    """Successor codes ``(n, 4)`` and the kind of shape collected on the way (−1 for none)."""
    collected = codes & ((1 << bits) - 1)
    there = after[codes >> bits]
    shape, colour = kind[there, 0], kind[there, 1]
    bit = np.where(shape >= 0, np.left_shift(1, np.maximum(shape, 0)), 0)
    new = (bit & ~collected[:, None]) > 0
    return (there << bits) | collected[:, None] | bit, np.where(new, colour, -1)

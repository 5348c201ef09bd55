"""Fruit Tree: walk down a full binary tree; every leaf holds a fruit with six nutrients, none dominating another.

Source: Yang, Sun and Narasimhan (2019), whose fruits are kept, number for number, in ``fruits.txt``.

Difference from mo-gymnasium's version: rewards are float64, so they are the published decimals and not their
nearest float32; the index in an observation is bounded by the leaves, 2ᵈ − 1.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.classic.grids import name_states
from morl.envs.finite import FiniteProblem
from morl.envs.rendering.pixels import Pictures, picture_space, with_boxes
from morl.momdp import MOMDP
from morl.spec import EnvError, FloatArray, IntArray, MOSpec, Objective

NUTRIENTS = ("protein", "carbs", "fats", "vitamins", "minerals", "water")
DEPTHS = (5, 6, 7)


@cache
def fruits(depth: int) -> FloatArray:
    """The fruits of a tree, ``(2ᵈ, 6)``, left to right.

    >>> fruits(5).shape
    (32, 6)
    """
    rows = np.loadtxt(Path(__file__).with_name("fruits.txt"))
    start = sum(2**d for d in DEPTHS if d < depth)
    table = rows[start : start + 2**depth]
    table.flags.writeable = False
    return table


def tree_pictures(leaves: FloatArray, level: IntArray, position: IntArray) -> Pictures:
    """Pictures ``(n, h, w, 3)`` of the tree, one node in each lit up.

    A band of four rows per level, split evenly among its nodes in two shades; below it two rows per nutrient, as
    bright as the fruit of that leaf holds of it. What can still be reached lies below the node.

    Args:
        leaves: ``(2ᵈ, 6)``, the fruits.
        level: ``(n,)`` of the nodes, the root is 0.
        position: ``(n,)`` from the left.
    """
    depth, width = len(leaves).bit_length() - 1, max(64, len(leaves))
    column = np.arange(width)
    bands = [80 + 60 * ((column * 2**row // width) % 2) for row in range(depth + 1)]
    food = np.rint(255.0 * leaves[column * len(leaves) // width].T / 10.0)
    grey = np.concatenate([np.repeat(bands, 4, axis=0), np.repeat(food, 2, axis=0)]).astype(np.uint8)
    span = width // 2**level
    boxes = np.stack([4 * level, position * span, 4 * level + 4, (position + 1) * span], axis=1)
    return with_boxes(np.repeat(grey[:, :, None], 3, axis=2), boxes, (255, 60, 30))


def fruit_tree(depth: int = 6, max_steps: int | None = None, pixels: bool = False) -> FiniteProblem:
    """The problem at one depth.

    Observation: (depth, position from the left). Actions: left, right. The reward is zero until the leaf, and the
    fruit there. Every leaf is on the convex front.

    Args:
        depth: 5, 6 or 7.
        max_steps: time limit; an episode takes ``depth`` steps anyway.
        pixels: observe a picture of the tree, uint8; see :func:`tree_pictures`.

    Raises:
        EnvError: another depth.
    """
    if depth not in DEPTHS:
        raise EnvError(f"depth is {depth!r}; expected 5, 6 or 7")
    leaves = fruits(depth)
    inner = 2**depth - 1
    nodes = np.arange(2 ** (depth + 1) - 1)  # heap order: the children of i are 2i + 1 and 2i + 2
    children = 2 * np.repeat(nodes[:inner], 2) + np.tile([1, 2], inner)
    rewards = np.zeros((2 * inner, len(NUTRIENTS)))
    at_leaf = children >= inner
    rewards[at_leaf] = leaves[children[at_leaf] - inner]
    from scipy import sparse

    rows = len(children)
    matrix = sparse.csr_array((np.ones(rows), children, np.arange(rows + 1)), shape=(rows, len(nodes)))
    objectives = tuple(Objective(name, "", 0.0, 10.0, f"{name} in the fruit") for name in NUTRIENTS)
    start = np.zeros(len(nodes))
    start[0] = 1.0
    row_ptr = np.concatenate([2 * np.arange(inner + 1), np.full(len(nodes) - inner, rows)])
    model = MOMDP(matrix, rewards, row_ptr, 0.99, start, None, objectives, action_names=("left", "right"))
    level = np.floor(np.log2(nodes + 1)).astype(np.int32)
    position = (nodes + 1 - 2**level).astype(np.int32)
    if pixels:
        observations: np.ndarray[Any, Any] = tree_pictures(leaves, level, position)
        space = picture_space(observations.shape[1:])
    else:
        observations = np.stack([level, position], axis=1).astype(np.int32)
        space = spaces.Box(np.zeros(2, np.int32), np.array([depth, 2**depth - 1], np.int32), (2,), np.int32)
    spec = MOSpec(objectives, discount=0.99, ref_point=(-1.0,) * 6, return_scale=((0.0,) * 6, (10.0,) * 6))

    def render(state: int, mode: str) -> Any:
        from morl.envs.classic.fruit_tree_render import draw_tree

        return draw_tree(depth, state, leaves, mode)

    named = name_states(model, [f"depth {d}, position {p}" for d, p in zip(level, position, strict=True)])
    return FiniteProblem(named, spec, observations, space, max_steps or depth, render)

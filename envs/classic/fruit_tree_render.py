"""Fruit Tree: the whole tree, the way walked so far, and the fruits that can still be reached."""

from __future__ import annotations

from typing import Any

from morl.envs.rendering.canvas import INK, MUTED, Canvas
from morl.spec import FloatArray

_COLOURS = ("#c0504d", "#e0a030", "#8c6bb1", "#4f9d4f", "#7f7f7f", "#3f8fc5")
_NAMES = ("protein", "carbs", "fats", "vitamins", "minerals", "water")
_WIDTH, _LEVEL, _BARS = 900, 46, 96


def draw_tree(depth: int, node: int, fruits: FloatArray, mode: str) -> Any:
    """One state.

    Args:
        depth: of the tree.
        node: heap number of the node, children of i being 2i + 1 and 2i + 2.
        fruits: ``(2ᵈ, 6)``.
        mode: ``"ansi"`` or ``"rgb_array"``.
    """
    level = (node + 1).bit_length() - 1
    position = node + 1 - 2**level
    first, last = position << (depth - level), ((position + 1) << (depth - level)) - 1
    if mode == "ansi":
        turns = "".join("LR"[(position >> i) & 1] for i in reversed(range(level)))
        lines = [f"depth {level} of {depth}, position {position}" + (f", by way of {turns}" if turns else ", the root")]
        if level == depth:
            lines.append("fruit: " + ", ".join(f"{n} {v:.2f}" for n, v in zip(_NAMES, fruits[position], strict=True)))
        else:
            lines.append(f"fruits {first} to {last} can be reached")
        return "\n".join(lines)
    canvas = Canvas(_WIDTH, 56 + depth * _LEVEL + _BARS)
    walked = {0}
    for i in range(level):
        walked.add(2 ** (i + 1) - 1 + (position >> (level - i - 1)))

    def at(n: int) -> tuple[float, float]:
        row = (n + 1).bit_length() - 1
        return 20 + (n + 1 - 2**row + 0.5) * (_WIDTH - 40) / 2**row, 34 + row * _LEVEL

    def reachable(n: int) -> bool:
        row = (n + 1).bit_length() - 1
        return row >= level and (n + 1 - 2**row) >> (row - level) == position

    for n in range(1, 2 ** (depth + 1) - 1):
        on_way = n in walked
        colour = "#b03a2e" if on_way else "#5f7d4f" if reachable(n) else "#d9d6cf"
        canvas.line([at((n - 1) // 2), at(n)], colour, 3 if on_way else 1.5)
    for n in range(2 ** (depth + 1) - 1):
        radius = max(2.0, 7 - (n + 1).bit_length() * 0.6)
        canvas.circle(*at(n), radius, "#b03a2e" if n in walked else "#5f7d4f" if reachable(n) else "#d9d6cf")
    canvas.circle(*at(node), 9, "#b03a2e", "white", 2)
    _fruits(canvas, depth, fruits, first, last)
    return canvas.array()


def _fruits(canvas: Canvas, depth: int, fruits: FloatArray, first: int, last: int) -> None:
    base = 34 + depth * _LEVEL + 14
    step = (_WIDTH - 40) / len(fruits)
    for leaf, values in enumerate(fruits):
        y = base
        for value, colour in zip(values, _COLOURS, strict=True):
            height = value / 10.0 * 26
            x = 20 + leaf * step
            shown = colour if first <= leaf <= last else "#e6e3dc"
            canvas.rectangle((x + step * 0.12, y, x + step * 0.88, y + max(height, 0.5)), shown)
            y += height
    x = 20.0
    for name, colour in zip(_NAMES, _COLOURS, strict=True):
        canvas.rectangle((x, 10, x + 11, 21), colour)
        canvas.text(x + 16, 16, name, INK, size=12)
        x += 98
    canvas.text(_WIDTH - 20, 16, f"fruits {first}–{last} in reach", MUTED, size=12, anchor="rm")

"""Pictures of lattice folds: beads on a chain with their hydrophobic contacts, and a plain-text lattice."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.envs.science.render_molecule import pixels

_SIZE = 480  # pixels
_H, _P = "#e07b39", "#7fb6dc"  # hydrophobic, polar
_CONTACT = "#c0392b"


class FoldRenderer:
    """Draws one state of a chain as ``"rgb_array"`` (480 × 480) or ``"ansi"``."""

    def __call__(self, state: dict[str, Any], mode: str) -> Any:
        """The picture ``(480, 480, 3)`` of uint8, or a text."""
        return self.text(state) if mode == "ansi" else self.picture(state)

    def text(self, state: dict[str, Any]) -> str:
        """The lattice row by row with bonds drawn (two dimensions), or one residue a line (three)."""
        placed = int(state["placed"])
        at = state["position"][:placed].astype(int)
        letters = ["HP"[1 - int(kind)] for kind in state["kinds"][:placed]]
        if at.shape[1] == 3:
            rows = [f"{i:3d} {letters[i]} " + " ".join(f"{x:3d}" for x in site) for i, site in enumerate(at)]
            return "\n".join([_caption(state), *rows])
        low = at.min(axis=0)
        width, height = 2 * (at.max(axis=0) - low) + 1
        canvas = [[" "] * width for _ in range(height)]
        for i, (x, y) in enumerate(2 * (at - low)):
            canvas[y][x] = letters[i] if i else letters[i].lower()
            if i:
                px, py = 2 * (at[i - 1] - low)
                canvas[(y + py) // 2][(x + px) // 2] = "-" if y == py else "|"
        return "\n".join([_caption(state), *("".join(row).rstrip() for row in reversed(canvas))])

    def picture(self, state: dict[str, Any]) -> Any:
        """Beads in order along the chain, contacts as dashed red lines, the first bead ringed."""
        from matplotlib.figure import Figure

        placed = int(state["placed"])
        at = state["position"][:placed].astype(float)
        kinds = state["kinds"][:placed]
        view, depth = _project(at)
        figure = Figure(figsize=(4.8, 4.8), dpi=_SIZE / 4.8, facecolor="white")
        axes = figure.add_axes((0.02, 0.1, 0.96, 0.86))
        middle = (view.max(axis=0) + view.min(axis=0)) / 2
        reach = max(2.6, float(np.ptp(view, axis=0).max()) / 2 + 0.9)
        axes.set(xlim=middle[0] + np.array([-reach, reach]), ylim=middle[1] + np.array([-reach, reach]), aspect="equal")
        axes.axis("off")
        scale = 430.0 / (2 * reach)  # points per lattice unit, roughly
        if at.shape[1] == 2:
            _lattice(axes, middle, reach)
        for i, j in contacts(at, kinds):
            axes.plot(*zip(view[i], view[j], strict=True), color=_CONTACT, ls=(0, (2, 1.2)), lw=0.07 * scale, zorder=1)
        near = np.zeros(placed) if np.ptp(depth) < 1e-9 else (depth - depth.min()) / np.ptp(depth)
        order = np.argsort(depth, kind="stable")
        for i in range(1, placed):
            z = 2.0 + min(near[i], near[i - 1])
            axes.plot(*zip(view[i - 1], view[i], strict=True), color="0.35", lw=0.12 * scale, zorder=z)
        for i in order:
            colour = _H if kinds[i] else _P
            edge = "black" if i == 0 else "0.3"
            size = ((0.48 if at.shape[1] == 2 else 0.36) * scale * (0.85 + 0.15 * near[i])) ** 2
            width = 2.6 if i == 0 else 1.0
            x, y = float(view[i, 0]), float(view[i, 1])
            axes.scatter(x, y, s=size, color=colour, edgecolor=edge, linewidth=width, zorder=2.05 + near[i])
            axes.text(
                x,
                y,
                "H" if kinds[i] else "P",
                ha="center",
                va="center",
                fontsize=float(np.clip(0.22 * scale, 5, 12)),
                color="white" if kinds[i] else "0.15",
                weight="bold",
                zorder=2.06 + near[i],
            )
        figure.text(0.5, 0.04, _caption(state), ha="center", fontsize=10)
        return pixels(figure)


def contacts(at: Any, kinds: Any) -> list[tuple[int, int]]:
    """Pairs of H residues on neighbouring sites that are not bonded."""
    away = np.abs(at[:, None] - at[None]).sum(axis=-1)
    pairs = np.argwhere((away == 1) & (kinds[:, None] * kinds[None] == 1))
    return [(int(i), int(j)) for i, j in pairs if j > i + 1]


def _lattice(axes: Any, middle: Any, reach: float) -> None:
    x = np.arange(np.floor(middle[0] - reach), middle[0] + reach + 1)
    y = np.arange(np.floor(middle[1] - reach), middle[1] + reach + 1)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    axes.scatter(grid[:, 0], grid[:, 1], s=5, color="0.82", zorder=0)


def _project(at: Any) -> tuple[Any, Any]:
    """Two-dimensional folds as they are; three-dimensional ones seen from above one corner."""
    if at.shape[1] == 2:
        return at, np.zeros(len(at))
    x, y, z = at.T
    view = np.stack([x + 0.42 * y, z + 0.34 * y - 0.08 * x], axis=-1)
    return view, 0.3 * x - y + 0.2 * z


def _caption(state: dict[str, Any]) -> str:
    placed, n = int(state["placed"]), int(state["length"])
    at, kinds = state["position"][:placed].astype(float), state["kinds"][:placed]
    spread = float(np.sum((at - at.mean(axis=0)) ** 2) / placed)
    text = f"{placed} of {n} residues   {len(contacts(at, kinds))} contacts   Rg² = {spread:.2f}"
    return text + ("   trapped" if bool(state["trapped"]) else "")

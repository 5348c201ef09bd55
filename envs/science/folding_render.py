"""Pictures of lattice folds: beads on a chain with their hydrophobic contacts, and a plain-text lattice."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.envs.rendering.drawing import Scene

_SIZE, _BOARD = 480, 413  # pixels: the picture, and the part for the chain
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
        placed = int(state["placed"])
        at = state["position"][:placed].astype(float)
        kinds = state["kinds"][:placed]
        view, depth = _project(at)
        middle = (view.max(axis=0) + view.min(axis=0)) / 2
        reach = max(2.6, float(np.ptp(view, axis=0).max()) / 2 + 0.9)
        unit = 2 * reach / _BOARD  # of a pixel
        left, top = middle[0] - unit * _SIZE / 2, middle[1] + unit * (_BOARD / 2 + 19)
        scene = Scene(_SIZE, _SIZE, (left, top - unit * _SIZE, left + unit * _SIZE, top), "white")
        if at.shape[1] == 2:
            _lattice(scene, middle, reach)
        for i, j in contacts(at, kinds):
            scene.dashes(tuple(view[i]), tuple(view[j]), _CONTACT, 0.084 / unit, 0.16 / unit, 0.1 / unit)
        near = np.zeros(placed) if np.ptp(depth) < 1e-9 else (depth - depth.min()) / np.ptp(depth)
        parts = [(min(near[i], near[i - 1]), i, "bond") for i in range(1, placed)]
        parts += [(float(near[i]) + 0.05, int(i), "bead") for i in np.argsort(depth, kind="stable")]
        for _, i, part in sorted(parts, key=lambda part: part[0]):
            if part == "bond":
                scene.line([tuple(view[i - 1]), tuple(view[i])], "#595959", 0.14 / unit)
            else:
                radius = (0.335 if at.shape[1] == 2 else 0.25) * (0.85 + 0.15 * float(near[i]))
                _bead(scene, view[i], radius, bool(kinds[i]), i == 0, 1.0 / unit)
        scene.text((middle[0], top - unit * (_SIZE - 22)), _caption(state), 14, "black", "mm")
        return scene.array()


def _bead(scene: Scene, at: Any, radius: float, hydrophobic: bool, first: bool, scale: float) -> None:
    x, y = float(at[0]), float(at[1])
    edge, width = ("black", 3.6) if first else ("#4d4d4d", 1.4)
    scene.disc((x, y), radius, _H if hydrophobic else _P, edge, width)
    size = float(np.clip(0.26 * scale, 7, 17))
    scene.text((x, y), "H" if hydrophobic else "P", size, "white" if hydrophobic else "#262626", "mm", bold=True)


def contacts(at: Any, kinds: Any) -> list[tuple[int, int]]:
    """Pairs of H residues on neighbouring sites that are not bonded."""
    away = np.abs(at[:, None] - at[None]).sum(axis=-1)
    pairs = np.argwhere((away == 1) & (kinds[:, None] * kinds[None] == 1))
    return [(int(i), int(j)) for i, j in pairs if j > i + 1]


def _lattice(scene: Scene, middle: Any, reach: float) -> None:
    for x in np.arange(np.ceil(middle[0] - reach), middle[0] + reach):
        for y in np.arange(np.ceil(middle[1] - reach), middle[1] + reach):
            scene.disc((float(x), float(y)), 0.028 * reach / 2.6, "#d1d1d1")


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

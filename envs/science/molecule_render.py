"""Pictures of clusters: shaded atoms with bonds, seen along their flattest direction, with the dipole as an arrow."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.envs.rendering.drawing import Scene
from morl.envs.science.cluster_potential import Cluster
from morl.spec import FloatArray

_COLOURS = {"Na": (0.55, 0.36, 0.85), "Cl": (0.25, 0.72, 0.35), "Ar": (0.32, 0.58, 0.78)}
_RADII = {"Na": 0.62, "Cl": 0.95, "Ar": 0.46}  # drawn radii in Å or σ: smaller than real, so that bonds show
_BOND = {"nacl": 3.1, "lj": 1.35}  # Å, σ: pairs nearer than this are joined
_SIZE, _FOOT = 480, 38  # pixels: the picture, and the caption below
_RED, _GREY = "#c0392b", "#404040"


class MoleculeRenderer:
    """Draws one state of a cluster as ``"rgb_array"`` (480 × 480) or ``"ansi"``."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def __call__(self, state: dict[str, Any], mode: str) -> Any:
        """The picture ``(480, 480, 3)`` of uint8, or a text."""
        return self.text(state) if mode == "ansi" else self.picture(state)

    def text(self, state: dict[str, Any]) -> str:
        """Energy, force, dipole and the coordinates, one atom a line."""
        lines = [self._caption(state)]
        for symbol, xyz in zip(self.cluster.symbols, state["position"], strict=True):
            lines.append(f"{symbol:2s} " + " ".join(f"{x:9.4f}" for x in xyz))
        return "\n".join(lines)

    def _caption(self, state: dict[str, Any]) -> str:
        energy, length = ("eV", "Å") if self.cluster.kind == "nacl" else ("ε", "σ")
        text = f"step {int(state['step']):3d}   E = {float(state['energy']):.4f} {energy}   "
        text += f"F = {float(state['push']):.3g} {energy}/{length}"
        if "dipole" in state:
            text += f"   μ = {float(np.linalg.norm(state['dipole'])):.2f} D"
        return text

    def picture(self, state: dict[str, Any]) -> Any:
        """The cluster, nearest atoms last, with a scale bar and a caption."""
        view, dipole = _turn(state["position"], state.get("dipole"))
        reach = max(2.0, float(np.abs(view[:, :2]).max()) + 1.2)
        unit = 2 * reach / (_SIZE - _FOOT)  # of a pixel
        scene = Scene(_SIZE, _SIZE, (-unit * _SIZE / 2, -reach - unit * _FOOT, unit * _SIZE / 2, reach), "white")
        self._bonds(scene, view)
        for i in np.argsort(view[:, 2]):
            self._ball(scene, view[i], self.cluster.symbols[i], float(view[:, 2].min()), float(np.ptp(view[:, 2])))
        if dipole is not None and np.linalg.norm(dipole[:2]) > 0.5:
            middle = np.array([-0.78, 0.78]) * reach
            half = 0.15 * reach * dipole[:2] / max(25.0, float(np.linalg.norm(dipole[:2])))
            scene.arrow(tuple(middle - half), tuple(middle + half), _RED, 3.0)
            scene.text((middle[0], middle[1] - 0.17 * reach), "μ", 18, _RED, "mm")
        bar = 0.55 * reach, -0.93 * reach
        scene.line([bar, (bar[0] + 1.0, bar[1])], _GREY, 4)
        length = "1 Å" if self.cluster.kind == "nacl" else "1 σ"
        scene.text((bar[0] + 0.5, -0.9 * reach), length, 14, _GREY, "ms")
        scene.text((0.0, -reach - unit * 0.6 * _FOOT), self._caption(state), 14, "black", "mm")
        return scene.array()

    def _bonds(self, scene: Scene, view: FloatArray) -> None:
        for i, j in zip(self.cluster.first, self.cluster.second, strict=True):
            unlike = self.cluster.kind == "lj" or self.cluster.charges[i] * self.cluster.charges[j] < 0
            if unlike and np.linalg.norm(view[i] - view[j]) < _BOND[self.cluster.kind]:
                ends = [tuple(view[i, :2]), tuple(view[j, :2])]
                scene.line(ends, "#999999", 7)
                scene.line(ends, "#d9d9d9", 3)

    def _ball(self, scene: Scene, at: FloatArray, symbol: str, back: float, depth: float) -> None:
        """A sphere as a stack of discs that brighten towards a highlight; far atoms are paler."""
        near = 1.0 if depth < 1e-9 else (at[2] - back) / depth
        base = 1.0 - (0.62 + 0.38 * near) * (1.0 - np.array(_COLOURS[symbol]))
        radius, x, y = _RADII[symbol], float(at[0]), float(at[1])
        scene.disc((x, y), radius, _hex(base * 0.72), _hex(base * 0.4), 1.7)
        for k in range(1, 9):
            t = k / 9
            colour = base * (0.72 + 0.28 * t) + 0.55 * t**4 * (1 - base)
            scene.disc((x - 0.28 * radius * t, y + 0.3 * radius * t), radius * (0.97 - 0.88 * t), _hex(colour))
        scene.text((x, y), symbol, 14, "white", "mm", bold=True)


def _hex(colour: FloatArray) -> str:
    """A colour from its red, green and blue in [0, 1].

    >>> _hex(np.array([1.0, 0.5, 0.0]))
    '#ff8000'
    """
    return "#" + "".join(f"{round(255 * float(np.clip(c, 0, 1))):02x}" for c in colour)


def _turn(position: FloatArray, dipole: FloatArray | None) -> tuple[FloatArray, FloatArray | None]:
    """Centred coordinates with the longest direction along x and the shortest towards the eye.

    A slight tilt keeps atoms that stand behind one another (a cube, say) apart in the picture.
    """
    centred = position - position.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    frame = axes[:, ::-1]
    frame = frame * np.where(frame[np.abs(frame).argmax(axis=0), range(3)] < 0, -1.0, 1.0)  # a fixed sign
    view = centred @ frame
    solid = float(np.ptp(view[:, 2])) > 0.5
    a, b = (0.42, 0.31) if solid else (0.0, 0.0)
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    tilt = about_x @ about_y
    return view @ tilt.T, None if dipole is None else tilt @ frame.T @ dipole

"""Pictures of clusters: shaded atoms with bonds, seen along their flattest direction, with the dipole as an arrow."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.envs.science.cluster_potential import Cluster
from morl.spec import FloatArray

_COLOURS = {"Na": (0.55, 0.36, 0.85), "Cl": (0.25, 0.72, 0.35), "Ar": (0.32, 0.58, 0.78)}
_RADII = {"Na": 0.62, "Cl": 0.95, "Ar": 0.46}  # drawn radii in Å or σ: smaller than real, so that bonds show
_BOND = {"nacl": 3.1, "lj": 1.35}  # Å, σ: pairs nearer than this are joined
_SIZE = 480  # pixels


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
        from matplotlib.figure import Figure

        view, dipole = _turn(state["position"], state.get("dipole"))
        figure = Figure(figsize=(4.8, 4.8), dpi=_SIZE / 4.8, facecolor="white")
        axes = figure.add_axes((0.0, 0.08, 1.0, 0.92))
        reach = max(2.0, float(np.abs(view[:, :2]).max()) + 1.2)
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axes.axis("off")
        self._bonds(axes, view)
        for i in np.argsort(view[:, 2]):
            self._ball(axes, view[i], self.cluster.symbols[i], float(view[:, 2].min()), float(np.ptp(view[:, 2])))
        if dipole is not None and np.linalg.norm(dipole[:2]) > 0.5:
            middle = np.array([-0.78, 0.78]) * reach
            half = 0.15 * reach * dipole[:2] / max(25.0, float(np.linalg.norm(dipole[:2])))
            arrow = {"arrowstyle": "-|>", "lw": 2.2, "color": "#c0392b"}
            axes.annotate("", tuple(middle + half), tuple(middle - half), arrowprops=arrow)
            axes.text(middle[0], middle[1] - 0.17 * reach, "μ", color="#c0392b", fontsize=13, ha="center", va="center")
        axes.plot([0.55 * reach, 0.55 * reach + 1.0], [-0.93 * reach] * 2, color="0.25", lw=3, solid_capstyle="butt")
        length = "1 Å" if self.cluster.kind == "nacl" else "1 σ"
        axes.text(0.55 * reach + 0.5, -0.9 * reach, length, ha="center", va="bottom", fontsize=10, color="0.25")
        figure.text(0.5, 0.03, self._caption(state), ha="center", fontsize=10)
        return pixels(figure)

    def _bonds(self, axes: Any, view: FloatArray) -> None:
        for i, j in zip(self.cluster.first, self.cluster.second, strict=True):
            unlike = self.cluster.kind == "lj" or self.cluster.charges[i] * self.cluster.charges[j] < 0
            if unlike and np.linalg.norm(view[i] - view[j]) < _BOND[self.cluster.kind]:
                axes.plot(*zip(view[i, :2], view[j, :2], strict=True), color="0.6", lw=5, zorder=1)
                axes.plot(*zip(view[i, :2], view[j, :2], strict=True), color="0.85", lw=2, zorder=1)

    def _ball(self, axes: Any, at: FloatArray, symbol: str, back: float, depth: float) -> None:
        """A sphere as a stack of discs that brighten towards a highlight; far atoms are paler."""
        from matplotlib.patches import Circle

        near = 1.0 if depth < 1e-9 else (at[2] - back) / depth
        base = 1.0 - (0.62 + 0.38 * near) * (1.0 - np.array(_COLOURS[symbol]))
        radius, order = _RADII[symbol], 2.0 + near
        x, y = float(at[0]), float(at[1])
        axes.add_patch(Circle((x, y), radius, facecolor=base * 0.72, edgecolor=base * 0.4, lw=1.2, zorder=order))
        for k in range(1, 9):
            t = k / 9
            colour = np.clip(base * (0.72 + 0.28 * t) + 0.55 * t**4 * (1 - base), 0, 1)
            centre = (x - 0.28 * radius * t, y + 0.3 * radius * t)
            axes.add_patch(Circle(centre, radius * (0.97 - 0.88 * t), color=colour, lw=0, zorder=order))
        style = {"ha": "center", "va": "center", "fontsize": 10, "color": "white", "weight": "bold"}
        axes.text(x, y, symbol, zorder=order, **style)


def pixels(figure: Any) -> Any:
    """A figure as ``(h, w, 3)`` of uint8, drawn without a display and without pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3].copy()


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

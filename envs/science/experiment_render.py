"""Pictures of a project in experimental design: what is still unknown of the function, and what was measured where."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from morl.envs.rendering.plate import Plate, bars

_INSTRUMENTS = (("#f2c14e", "σ 1, cost 1"), ("#f78154", "σ 0.5, cost 3"), ("#b4436c", "σ 0.25, cost 10"))


def render(state: dict[str, Any], mode: str) -> Any:
    """One state as ``"rgb_array"`` (420 × 640) or ``"ansi"``."""
    return _text(state) if mode == "ansi" else _picture(state)


def _deviation(state: dict[str, Any], x: Any) -> Any:
    phi = x[:, None] ** np.arange(len(state["active"]))
    return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", phi, state["covariance"], phi), 0.0))


def _model(state: dict[str, Any]) -> str:
    names = ["1", "x", *(f"x^{j}" for j in range(2, len(state["active"])))]
    return " + ".join(name for name, on in zip(names, state["active"], strict=True) if on) or "nothing"


def _text(state: dict[str, Any]) -> str:
    counts = state["counts"].reshape(21, 3)
    spread = _deviation(state, np.linspace(-1, 1, 21))
    lines = [f"step {int(state['step'])}   spent {float(state['spent']):g}   model: {_model(state)}"]
    lines.append("sd   " + " ".join(f"{s:4.2f}" for s in spread))
    for k, (_, name) in enumerate(_INSTRUMENTS):
        lines.append(f"n{k + 1}   " + " ".join(f"{c:4d}" if c else "   ." for c in counts[:, k]) + f"   {name}")
    return "\n".join(lines)


_GRID = np.linspace(-1, 1, 201)


@lru_cache(maxsize=8)
def _plate(most: int) -> Plate:
    """The chart without its contents, for columns of up to ``most`` measurements."""

    def build(figure: Any) -> Any:
        from matplotlib.patches import Patch

        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
        figure.subplots_adjust(left=0.115, right=0.975, top=0.93, bottom=0.115, hspace=0.1)
        top.axhline(0, color="0.3", lw=0.8)
        top.set_xlim(-1.1, 1.1)
        top.set_ylim(-5, 5)
        top.set_ylabel("f(x) − mean\n(1 and 2 sd)")
        bottom.set_ylim(0, 1.5 * most)  # the legend fits above the bars
        bottom.locator_params(axis="y", integer=True, nbins=4)
        bottom.set_ylabel("measurements")
        bottom.set_xlabel("x")
        bottom.set_xticks(np.linspace(-1, 1, 5))
        names = [Patch(color=colour, label=name) for colour, name in _INSTRUMENTS]
        bottom.legend(handles=names, fontsize=7, ncol=3, loc="upper center", frameon=False)
        for axes in (top, bottom):
            axes.spines[["top", "right"]].set_visible(False)
        return top, bottom

    return Plate((640, 420), build)


def _picture(state: dict[str, Any]) -> Any:
    from matplotlib.collections import PolyCollection
    from matplotlib.text import Text

    counts = np.asarray(state["counts"]).reshape(21, 3)
    most = max(3, int(counts.sum(axis=1).max()))
    plate = _plate(3 if most <= 3 else 1 << (most - 1).bit_length())  # few charts: 3, 4, 8, 16, …
    top, bottom = plate.axes
    spread = _deviation(state, _GRID)
    around = np.concatenate([_GRID, _GRID[::-1]])
    moving: list[tuple[Any, Any]] = []
    for width, shade in ((2.0, 0.25), (1.0, 0.35)):
        edge = np.concatenate([width * spread, -width * spread[::-1]])
        band = PolyCollection([np.stack([around, edge], axis=-1)], facecolors="#2a6f97", alpha=shade, linewidths=0)
        moving.append((top, band))
    title = f"step {int(state['step'])}   spent {float(state['spent']):g}   model: {_model(state)}"
    moving.append((None, Text(0.545, 0.945, title, fontsize=10, ha="center")))
    base = np.zeros(21)
    for (colour, _), count in zip(_INSTRUMENTS, counts.T, strict=True):
        moving.append((bottom, bars(np.linspace(-1, 1, 21), base, base + count, 0.07, colour)))
        base = base + count
    return plate.picture(moving)

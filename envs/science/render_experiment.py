"""Pictures of a project in experimental design: what is still unknown of the function, and what was measured where."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.envs.science.render_molecule import pixels

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


def _picture(state: dict[str, Any]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), dpi=100, facecolor="white")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    x = np.linspace(-1, 1, 201)
    spread = _deviation(state, x)
    for width, shade in ((2.0, 0.25), (1.0, 0.35)):
        top.fill_between(x, -width * spread, width * spread, color="#2a6f97", alpha=shade, lw=0)
    top.axhline(0, color="0.3", lw=0.8)
    top.set_ylim(-5, 5)
    top.set_ylabel("f(x) − mean\n(1 and 2 sd)")
    top.set_title(f"step {int(state['step'])}   spent {float(state['spent']):g}   model: {_model(state)}", fontsize=10)
    base = np.zeros(21)
    for (colour, name), count in zip(_INSTRUMENTS, state["counts"].reshape(21, 3).T, strict=True):
        bottom.bar(np.linspace(-1, 1, 21), count, 0.07, bottom=base, color=colour, label=name)
        base = base + count
    bottom.set_ylim(0, 1.5 * max(3.0, float(base.max())))  # the legend fits above the bars
    bottom.locator_params(axis="y", integer=True, nbins=4)
    bottom.set_ylabel("measurements")
    bottom.set_xlabel("x")
    bottom.legend(fontsize=7, ncol=3, loc="upper center", frameon=False)
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return pixels(figure)

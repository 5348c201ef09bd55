"""The portfolio drawn where it matters: on the risk–return plane, beside the efficient frontier."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from morl.envs.rendering.plate import Plate, bars
from morl.envs.science.portfolio_market import (
    COVARIANCE,
    DRIFT,
    MONTHS,
    VOLATILITY,
    best_constant,
    frontier,
    minimum_variance,
)

_NAMES = ("asset 1", "asset 2", "asset 3")
_COLOURS = ("#4c78a8", "#e39a3b", "#b5485d")
_INK = "#22303c"
_STAR: dict[str, Any] = {"marker": "*", "ls": "", "ms": 17, "color": "#d62f4b", "mec": "white"}


def render(state: dict[str, np.ndarray[Any, Any]], mode: str) -> Any:
    """Draw one state: ``"rgb_array"`` gives ``(420, 760, 3)`` of uint8, ``"ansi"`` a few lines."""
    return _text(state) if mode == "ansi" else _picture(state)


def _text(state: dict[str, np.ndarray[Any, Any]]) -> str:
    lines = [f"month {int(state['month'])} of {MONTHS}   value {100 * float(state['value']):.1f} % of the start"]
    for name, weight, move in zip(_NAMES, state["weights"], state["returns"], strict=True):
        bar = "#" * round(30 * float(weight))
        lines.append(f"{name} {100 * float(weight):5.1f} % |{bar:<30}|  last month {100 * float(move):+6.2f} %")
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=1)
def _curves() -> tuple[Any, ...]:
    """Risk and drift in % a year along the frontier with short sales and along the efficient one."""
    means = np.linspace(0.03, 0.115, 90)
    short = [frontier(m) for m in means]
    held = [best_constant(s, 100 * DRIFT, COVARIANCE) for s in np.linspace(0.0, 1.0, 200)]

    def plane(weights: Any) -> Any:
        return np.array([[100 * np.sqrt(x @ COVARIANCE @ x), 100 * x @ DRIFT] for x in weights]).T

    return plane(short), plane(held)


@lru_cache(maxsize=1)
def _plate() -> Plate:
    """The plane with its frontier, and the empty bar chart."""

    def build(figure: Any) -> Any:
        plane, weights = figure.subplots(1, 2, width_ratios=(2.4, 1))
        figure.subplots_adjust(left=0.09, right=0.97, top=0.86, bottom=0.13, wspace=0.3)
        short, held = _curves()
        plane.plot(*short, ls=":", color="#9aa5b1", label="with short sales")
        plane.plot(*held, color="#3f9b5f", lw=2.4, label="efficient frontier")
        plane.scatter(100 * VOLATILITY, 100 * DRIFT, c=_COLOURS, s=46, zorder=3)
        for name, x, y in zip(_NAMES, 100 * VOLATILITY, 100 * DRIFT, strict=True):
            plane.annotate(name, (x, y), xytext=(7, -11), textcoords="offset points", fontsize=9, color=_INK)
        least = minimum_variance()
        plane.plot(100 * np.sqrt(least @ COVARIANCE @ least), 100 * least @ DRIFT, "D", color="#9aa5b1", ms=5)
        plane.plot([], [], label="portfolio", **_STAR)
        plane.set_xlabel("risk: standard deviation (% a year)", color=_INK)
        plane.set_ylabel("drift (% a year)", color=_INK)
        plane.set_xlim(4, 22)
        plane.legend(frameon=False, fontsize=9, loc="lower right")
        weights.set_xticks(range(3), _NAMES)
        weights.set_xlim(-0.54, 2.54)
        weights.set_ylim(0, 112)
        weights.set_ylabel("weight (%)", color=_INK)
        for ax in (plane, weights):
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
        return plane, weights

    return Plate((760, 420), build)


def _picture(state: dict[str, np.ndarray[Any, Any]]) -> Any:
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

    w = np.asarray(state["weights"], float)
    plate = _plate()
    plane, weights = plate.axes
    here = [100 * float(np.sqrt(w @ COVARIANCE @ w))], [100 * float(w @ DRIFT)]
    title = f"Month {int(state['month'])} of {MONTHS}: worth {100 * float(state['value']):.1f} % of the start"
    moving: list[tuple[Any, Any]] = [
        (plane, Line2D(*here, **_STAR)),
        (None, Text(0.09, 0.925, title, fontsize=12, weight="bold", color=_INK)),
    ]
    for i, value in enumerate(100 * w):
        moving.append((weights, bars([i], 0.0, [value], 0.8, _COLOURS[i])))
        moving.append((weights, Text(i, value + 1.5, f"{value:.0f} %", ha="center", fontsize=9, color=_INK)))
    return plate.picture(moving)

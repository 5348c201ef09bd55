"""Eight weeks of a patient drawn as a chart: INR and phenytoin with their therapeutic windows, and the doses."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from morl.envs.rendering.plate import Plate, bars
from morl.envs.science import pharmacology as p

_DAYS = 56
_BLUE, _ORANGE, _GREEN, _INK = "#2a6fb5", "#c8642c", "#3f9b5f", "#22303c"


def render(state: dict[str, np.ndarray[Any, Any]], mode: str) -> Any:
    """Draw one state: ``"rgb_array"`` gives ``(560, 800, 3)`` of uint8, ``"ansi"`` a few lines."""
    return _text(state) if mode == "ansi" else _picture(state)


def genotype(x: Any) -> str:
    """The genotypes of a state in the usual notation."""
    two, three, a = (round(float(x[i])) for i in (p.STAR2, p.STAR3, p.VKORC1_A))
    stars = ["*1"] * (2 - two - three) + ["*2"] * two + ["*3"] * three
    return f"CYP2C9 {'/'.join(stars)}, VKORC1 {'G' * (2 - a)}{'A' * a}"


def _gauge(value: float, low: float, high: float, top: float) -> str:
    cells = ["·"] * 40
    for i in range(int(40 * low / top), int(40 * high / top) + 1):
        cells[i] = "="
    cells[int(np.clip(40 * value / top, 0, 39))] = "#"
    return "".join(cells)


def _text(state: dict[str, np.ndarray[Any, Any]]) -> str:
    x = np.asarray(state["x"])
    inr, c_p = float(p.inr_of(x)), float(x[p.C_P])
    return (
        f"day {int(x[p.DAY])} of {_DAYS}   {genotype(x)}, {x[p.AGE]:.0f} years, {x[p.WEIGHT]:.0f} kg\n"
        f"INR        {inr:5.2f}       |{_gauge(inr, 2, 3, 6)}|\n"
        f"phenytoin  {c_p:5.1f} mg/L  |{_gauge(c_p, 10, 20, 40)}|\n"
        f"last doses: warfarin {x[p.LAST_W]:g} mg, phenytoin {x[p.LAST_P]:g} mg;"
        f" last test {int(x[p.SINCE])} days ago: INR {x[p.SEEN_INR]:.2f}, {x[p.SEEN_C_P]:.1f} mg/L\n"
        "(a teaching model, not medical advice)\n"
    )


@lru_cache(maxsize=16)
def _plate(inr: float, phenytoin: float) -> Plate:
    """The chart without its contents, for the largest values that it has to hold."""

    def build(figure: Any) -> Any:
        axes = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.5))
        figure.subplots_adjust(left=0.09, right=0.975, top=0.885, bottom=0.09, hspace=0.14)
        figure.text(0.09, 0.908, "a teaching model, not medical advice", fontsize=8.5, color="#7a8793")
        _frame(axes[0], (2.0, 3.0), "INR", _BLUE, (0.8, inr))
        _frame(axes[1], (10.0, 20.0), "phenytoin (mg/L)", _ORANGE, (0.0, phenytoin))
        doses = axes[2]
        doses.bar([0], [0], color=_BLUE, label="warfarin (mg)")
        doses.bar([0], [0], color=_ORANGE, label="phenytoin (40 mg)")
        doses.set_ylim(0, 10.5)
        doses.set_ylabel("dose", color=_INK)
        doses.set_xlabel("day", color=_INK)
        doses.legend(loc="upper right", ncols=2, frameon=False, fontsize=8)
        doses.set_xlim(0, _DAYS)
        for ax in axes:
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
        return axes

    return Plate((800, 560), build)


def _frame(ax: Any, window: tuple[float, float], label: str, c: str, limits: tuple[float, float]) -> None:
    ax.axhspan(*window, color=_GREEN, alpha=0.16, lw=0)
    ax.text(_DAYS - 0.4, window[1], "therapeutic window", ha="right", va="top", fontsize=8, color=_GREEN)
    ax.plot([], [], "o", ms=6, mfc="white", mec=c, mew=1.6, label="blood test")
    ax.set_ylim(*limits)
    ax.set_ylabel(label, color=_INK)
    ax.legend(loc="upper left", frameon=False, fontsize=8)


def _limit(values: Any, usual: float) -> float:
    """The usual upper end of an axis, or half as much again as often as the values need: few charts serve all."""
    most = 1.1 * float(np.nanmax(values))
    return usual * 1.5 ** max(0, int(np.ceil(np.log(most / usual) / np.log(1.5)))) if most > usual else usual


def _picture(state: dict[str, np.ndarray[Any, Any]]) -> Any:
    from matplotlib.text import Text

    x = np.asarray(state["x"])
    day = int(x[p.DAY])
    history = np.asarray(state["history"])[: day + 1] if "history" in state else _now(x)
    days = np.arange(day + 1)[-len(history) :]
    plate = _plate(_limit(history[:, 0], 4.5), _limit(history[:, 1], 30.0))
    inr, phenytoin, doses = plate.axes
    title = f"Day {day} of {_DAYS}: {genotype(x)}, {x[p.AGE]:.0f} years, {x[p.WEIGHT]:.0f} kg"
    moving = [(None, Text(0.09, 0.945, title, fontsize=12, color=_INK, weight="bold"))]
    moving += _curve(inr, days, history[:, 0], history[:, 4], _BLUE)
    moving += _curve(phenytoin, days, history[:, 1], history[:, 4], _ORANGE)
    if len(history) > 1:
        moving.append((doses, bars(days[1:] - 0.7, 0.0, history[1:, 2], 0.4, _BLUE)))
        moving.append((doses, bars(days[1:] - 0.3, 0.0, history[1:, 3] / 40.0, 0.4, _ORANGE)))
    return plate.picture(moving)


def _now(x: Any) -> Any:
    """A history of one row, where none was recorded."""
    return np.array([[float(p.inr_of(x)), x[p.C_P], x[p.LAST_W], x[p.LAST_P], x[p.SINCE] == 0]])


def _curve(ax: Any, days: Any, values: Any, tested: Any, c: str) -> list[tuple[Any, Any]]:
    from matplotlib.lines import Line2D

    seen = np.asarray(tested) > 0
    dots: dict[str, Any] = {"marker": "o", "ls": "", "ms": 6, "mfc": "white", "mec": c, "mew": 1.6, "clip_on": False}
    return [(ax, Line2D(days, values, color=c, lw=2)), (ax, Line2D(days[seen], values[seen], **dots))]

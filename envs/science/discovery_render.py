"""Scientific Discovery: the nine project states as a board, with the accuracy each would be published with."""

from __future__ import annotations

from typing import Any

from morl.envs.rendering.canvas import INK, MUTED, Canvas

_MODELS = ("mechanistic", "hybrid", "black-box")
_ACCURACY = ((0.50, 0.58, 0.64), (0.50, 0.66, 0.78), (0.50, 0.72, 0.96))
_WIDE, _HIGH, _LEFT, _TOP = 120, 84, 150, 70


def draw_project(state: int, ended: bool, mode: str) -> Any:
    """One state, 3 · model class + evidence, as text or picture."""
    model, evidence = divmod(state, 3)
    if mode == "ansi":
        end = "; the project has ended" if ended else ""
        return f"{_MODELS[model]} model, evidence {evidence} of 2, accuracy {_ACCURACY[model][evidence]:.2f}{end}"
    canvas = Canvas(_LEFT + 3 * _WIDE + 20, _TOP + 3 * _HIGH + 56)
    canvas.text(_LEFT + 1.5 * _WIDE, 20, "evidence", MUTED, size=14, anchor="mm")
    for e in range(3):
        canvas.text(_LEFT + (e + 0.5) * _WIDE, 46, "○●"[e > 0] + "○●"[e > 1], INK, size=20, anchor="mm")
    for m, name in enumerate(_MODELS):
        y = _TOP + m * _HIGH
        canvas.text(_LEFT - 14, y + _HIGH / 2 - 9, name, INK, size=15, anchor="rm", bold=True)
        clear = ("clear", "partly clear", "opaque")[m]
        canvas.text(_LEFT - 14, y + _HIGH / 2 + 11, clear, MUTED, size=12, anchor="rm")
        for e in range(3):
            _state(canvas, _LEFT + e * _WIDE, y, _ACCURACY[m][e], state == 3 * m + e, ended)
    foot = "the project has ended" if ended else "publish, survey, trial or remodel"
    canvas.text(_LEFT, _TOP + 3 * _HIGH + 28, foot, INK, size=14)
    return canvas.array()


def _state(canvas: Canvas, x: float, y: float, accuracy: float, here: bool, ended: bool) -> None:
    box = (x + 5, y + 5, x + _WIDE - 5, y + _HIGH - 5)
    mark = "#8b8f94" if ended else "#c0392b"
    canvas.rectangle(box, "#ffffff", mark if here else "#d5d0c4", 3.5 if here else 1.2, 8)
    canvas.text(x + _WIDE / 2, y + 30, f"{accuracy:.2f}", INK, size=20, anchor="mm", bold=here)
    full = (_WIDE - 40) * (accuracy - 0.5) / 0.5
    canvas.rectangle((x + 20, y + 54, x + _WIDE - 20, y + 62), "#ece8dd", radius=4)
    if full > 0:
        canvas.rectangle((x + 20, y + 54, x + 20 + full, y + 62), "#2f6db3", radius=4)

"""Car following drawn as two cars on a road, with the gap error and the relative speed as bars."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from morl.envs.science.driving_render import _font

_W, _H, _SS = 640, 220, 2
_PLACE = 6.0  # m between the bumpers when the error is zero, for the picture only


def render(state: dict[str, np.ndarray[Any, Any]], mode: str) -> Any:
    """Draw one state: ``"rgb_array"`` gives ``(220, 640, 3)`` of uint8, ``"ansi"`` one line."""
    gap, speed = (float(v) for v in np.asarray(state["x"]))
    if mode == "ansi":
        track = ["·"] * 41
        track[20] = "+"
        track[int(np.clip(round(20 + gap / 0.1), 0, 40))] = "o"
        return f"gap error {gap:+7.3f} m  relative speed {speed:+7.3f} m/s  |{''.join(track)}|\n"
    image = Image.new("RGB", (_W * _SS, _H * _SS), (238, 240, 243))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 110 * _SS, _W * _SS, 170 * _SS), fill=(72, 76, 82))
    for start in range(0, _W, 60):
        draw.line((start * _SS, 140 * _SS, (start + 28) * _SS, 140 * _SS), fill=(214, 214, 206), width=3 * _SS)
    scale = 30.0
    nose = 200.0
    wanted = nose + _PLACE * scale
    tail = nose + float(np.clip(_PLACE + gap, 0.0, 11.0)) * scale
    _side_car(draw, nose - 4.5 * scale * 0.75, (52, 120, 210))
    _side_car(draw, tail, (206, 84, 60))
    draw.line((wanted * _SS, 60 * _SS, wanted * _SS, 175 * _SS), fill=(40, 150, 80), width=2 * _SS)
    draw.text((wanted * _SS + 8, 46 * _SS), "wanted place", fill=(40, 150, 80), font=_font(12 * _SS))
    draw.line((wanted * _SS, 84 * _SS, tail * _SS, 84 * _SS), fill=(200, 60, 50), width=5 * _SS)
    words = f"gap error {gap:+.2f} m      relative speed {speed:+.2f} m/s"
    draw.text((20 * _SS, 12 * _SS), words, fill=(30, 34, 40), font=_font(16 * _SS))
    return np.array(image.reduce(_SS))


def _side_car(draw: Any, x: float, colour: tuple[int, int, int]) -> None:
    """A car seen from the side, its rear bumper at ``x`` pixels."""
    s = _SS
    draw.rounded_rectangle((x * s, 122 * s, (x + 100) * s, 146 * s), radius=8 * s, fill=colour)
    cabin = [(x + 18, 122), (x + 34, 104), (x + 70, 104), (x + 84, 122)]
    draw.polygon([(a * s, b * s) for a, b in cabin], fill=colour)
    glass = [(x + 26, 121), (x + 37, 108), (x + 66, 108), (x + 76, 121)]
    draw.polygon([(a * s, b * s) for a, b in glass], fill=(206, 222, 234))
    for wheel in (x + 22, x + 78):
        draw.ellipse(((wheel - 11) * s, 135 * s, (wheel + 11) * s, 157 * s), fill=(28, 30, 34))
        draw.ellipse(((wheel - 5) * s, 141 * s, (wheel + 5) * s, 151 * s), fill=(170, 174, 180))

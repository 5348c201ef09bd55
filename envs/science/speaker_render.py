"""A command drawn as what the words and the voice say: two needles between "0" and "1"."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from morl.envs.science.driving_render import _font

_W, _H, _SS = 520, 250, 2
_INK, _DIM, _BLUE, _RED = (30, 34, 40), (120, 130, 140), (52, 120, 210), (206, 84, 60)


def render(state: dict[str, np.ndarray[Any, Any]], mode: str) -> Any:
    """Draw one state: ``"rgb_array"`` gives ``(250, 520, 3)`` of uint8, ``"ansi"`` a few lines."""
    root = np.sqrt(np.asarray(state["first"]).size)
    words = [float(np.sum(state[key])) / root for key in ("first", "second")]
    voice = float(np.sum(state["code"])) / root
    goal, speaker, answer = (int(state[key]) for key in ("goal", "speaker", "answer"))
    rows = [("words, first time", words[0], _BLUE)]
    if float(state["heard"]) > 0:
        rows.append(("words, second time", words[1], _BLUE))
    rows.append(("voice", voice, _RED))
    said = "no answer yet" if answer < 0 else f"answer {answer}: {'right' if answer == goal else 'wrong'}"
    agrees = "agrees" if speaker == goal else "disagrees"
    if mode == "ansi":
        lines = [f"goal {goal}, speaker {agrees}; {said}"]
        for name, value, _ in rows:
            cells = ["·"] * 41
            cells[20] = "+"
            cells[int(np.clip(round(20 + 4 * value), 0, 40))] = "o"
            lines.append(f"{name:<20}0 {''.join(cells)} 1   {value:+.2f}")
        return "\n".join(lines) + "\n"
    image = Image.new("RGB", (_W * _SS, _H * _SS), (250, 250, 251))
    draw = ImageDraw.Draw(image)
    draw.text((24 * _SS, 16 * _SS), f"Goal {goal}; the speaker {agrees}", fill=_INK, font=_font(17 * _SS))
    draw.text((24 * _SS, 44 * _SS), said, fill=_DIM, font=_font(14 * _SS))
    for i, (name, value, colour) in enumerate(rows):
        y = 90 + 52 * i
        draw.text((24 * _SS, y * _SS), name, fill=_INK, font=_font(14 * _SS))
        x0, x1, middle = 210 * _SS, 470 * _SS, 340 * _SS
        draw.text((x0 - 18 * _SS, y * _SS), "0", fill=_DIM, font=_font(14 * _SS))
        draw.text((x1 + 10 * _SS, y * _SS), "1", fill=_DIM, font=_font(14 * _SS))
        draw.line((x0, (y + 9) * _SS, x1, (y + 9) * _SS), fill=(206, 211, 217), width=3 * _SS)
        draw.line((middle, y * _SS, middle, (y + 18) * _SS), fill=_DIM, width=_SS)
        place = middle + float(np.clip(value / 5.0, -1, 1)) * (x1 - x0) / 2
        draw.line((middle, (y + 9) * _SS, place, (y + 9) * _SS), fill=colour, width=6 * _SS)
        draw.ellipse((place - 8 * _SS, (y + 1) * _SS, place + 8 * _SS, (y + 17) * _SS), fill=colour)
    return np.array(image.reduce(_SS))

"""A road scene for Driving: the lane from above, both cars, and a dashboard of what the driver knows."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from morl.envs.science import driving_physics as p

_W, _H, _ROAD = 720, 520, 400
_SCALE, _WIDEN = 7.5, 1.8  # pixels per metre ahead; sideways the scene is stretched so that offsets can be seen
_SS = 2
_GRASS, _ASPHALT, _PAINT = (104, 142, 84), (72, 76, 82), (236, 236, 228)
_PANEL, _INK, _DIM = (24, 28, 34), (236, 240, 244), (140, 150, 160)
_EGO, _LEAD, _GOOD, _WARN, _BAD = (52, 120, 210), (206, 84, 60), (84, 180, 110), (236, 180, 60), (224, 72, 66)
_MODE_NAMES = ("ok", "dead", "noisy", "biased")
_MODE_COLOURS = (_GOOD, _BAD, _WARN, _WARN)


def render(state: dict[str, np.ndarray[Any, Any]], mode: str) -> Any:
    """Draw one state: ``"rgb_array"`` gives ``(520, 720, 3)`` of uint8, ``"ansi"`` a few lines of text."""
    x = np.asarray(state["x"], float)
    return _text(x) if mode == "ansi" else _picture(x)


@lru_cache
def _font(size: int) -> Any:
    """DejaVu Sans, which matplotlib carries; Pillow's own font lacks the signs for squares and degrees."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


def _kappa(x: Any) -> float:
    return float(x[p.FROM] + (x[p.TO] - x[p.FROM]) * x[p.KNOT] / p.KNOT_SECONDS)


def _text(x: Any) -> str:
    width = 41
    lane = ["·"] * width
    lane[0] = lane[-1] = "|"
    place = round((width - 1) * (0.5 - x[p.E] / (2 * p.HALF_LANE)))  # left of the centre is positive
    lane[int(np.clip(place, 0, width - 1))] = "A"
    closing = x[p.V] - x[p.LEAD]
    ttc = f"{max(x[p.GAP], 0.0) / closing:.1f} s" if closing > 0 else "opening"
    faults = ", ".join(
        f"{name} {_MODE_NAMES[int(x[p.FAULT + c])]}" for c, name in enumerate(("lane", "lead", "odometry"))
    )
    bend = _kappa(x)
    road = "straight" if abs(bend) < 1e-6 else f"{'left' if bend > 0 else 'right'} bend, radius {abs(1 / bend):.0f} m"
    return (
        f"{x[p.S]:7.1f} m  {x[p.V]:5.1f} m/s  {x[p.A]:+5.2f} m/s²  steering {np.degrees(x[p.DELTA]):+5.2f}°\n"
        f"ahead   {x[p.GAP]:6.1f} m  {x[p.LEAD]:5.1f} m/s  collision in: {ttc}\n"
        f"road    {road}\n"
        f"lane    {''.join(lane)}\n"
        f"sensors {faults}\n"
    )


class _Camera:
    """Lane coordinates (metres ahead of the car and left of the centre line) to pixels, on an arc of curvature κ."""

    def __init__(self, kappa: float) -> None:
        self.kappa = kappa

    def __call__(self, ahead: float, left: float) -> tuple[float, float]:
        k = self.kappa
        angle = k * ahead
        if abs(k) < 1e-9:
            forward, side = ahead, left
        else:
            forward = np.sin(angle) / k - left * np.sin(angle)
            side = (1.0 - np.cos(angle)) / k + left * np.cos(angle)
        return (_ROAD / 2 - side * _SCALE * _WIDEN) * _SS, (_H - 90 - forward * _SCALE) * _SS


def _picture(x: Any) -> Any:
    image = Image.new("RGB", (_W * _SS, _H * _SS), _GRASS)
    draw = ImageDraw.Draw(image)
    camera = _Camera(_kappa(x))
    ahead = np.arange(-16.0, 76.0, 2.0)
    for half, colour in ((p.HALF_LANE + 0.9, (150, 138, 112)), (p.HALF_LANE + 0.35, _ASPHALT)):
        edge = [camera(d, half) for d in ahead] + [camera(d, -half) for d in ahead[::-1]]
        draw.polygon(edge, fill=colour)
    for side in (-p.HALF_LANE, p.HALF_LANE):
        draw.line([camera(d, side) for d in ahead], fill=_PAINT, width=4 * _SS)
    phase = float(x[p.S]) % 8.0
    for d in np.arange(-16.0 - phase, 76.0, 8.0):
        draw.line([camera(d, 0.0), camera(d + 2.0, 0.0)], fill=(120, 124, 128), width=2 * _SS)
    _car(draw, camera, 0.0, float(x[p.E]), float(x[p.PSI]), _EGO, float(x[p.A]) < -0.3)
    gap = float(x[p.GAP])
    if gap < 70.0:
        _car(draw, camera, gap + 4.5, 0.0, 0.0, _LEAD, float(x[p.LEAD]) > float(x[p.TARGET]) + 0.2)
        reach = np.linspace(2.3, 2.3 + max(gap, 0.0), 12)
        draw.line([camera(d, 1.3) for d in reach], fill=_INK, width=_SS)
    _dashboard(draw, x)
    return np.array(image.reduce(_SS))


def _car(draw: Any, camera: _Camera, ahead: float, left: float, psi: float, colour: Any, braking: bool) -> None:
    """A car as a body, a windscreen and two rear lamps; ``ahead`` is its centre."""

    def corner(x: float, y: float) -> tuple[float, float]:
        return camera(ahead + x * np.cos(psi) - y * np.sin(psi), left + x * np.sin(psi) + y * np.cos(psi))

    def box(x0: float, x1: float, y0: float, y1: float, fill: Any) -> None:
        draw.polygon([corner(x0, y0), corner(x1, y0), corner(x1, y1), corner(x0, y1)], fill=fill)

    box(-2.25, 2.25, -0.9, 0.9, colour)
    box(2.25, 1.9, -0.7, 0.7, tuple(min(255, c + 30) for c in colour))
    box(0.3, 1.0, -0.72, 0.72, (28, 34, 44))
    box(-1.7, -1.3, -0.7, 0.7, (28, 34, 44))
    lamp = (255, 60, 50) if braking else (130, 30, 30)
    box(-2.25, -2.0, -0.85, -0.45, lamp)
    box(-2.25, -2.0, 0.45, 0.85, lamp)


def _dashboard(draw: Any, x: Any) -> None:
    left = _ROAD * _SS
    draw.rectangle((left, 0, _W * _SS, _H * _SS), fill=_PANEL)

    def text(px: float, py: float, words: str, size: int = 14, fill: Any = _INK) -> None:
        draw.text((left + px * _SS, py * _SS), words, fill=fill, font=_font(size * _SS))

    text(20, 16, "Driving", 20)
    text(20, 48, f"{x[p.S]:.0f} m travelled", 13, _DIM)
    text(20, 82, f"{x[p.V]:.1f}", 40)
    text(125, 104, f"m/s   ({3.6 * x[p.V]:.0f} km/h)", 14, _DIM)
    _bar(draw, left, 150, x[p.A] / 5.0, "acceleration", f"{x[p.A]:+.1f} m/s²", text)
    _bar(draw, left, 196, -x[p.DELTA] / 0.15, "steering (left, right)", f"{np.degrees(x[p.DELTA]):+.1f}°", text)
    closing = float(x[p.V] - x[p.LEAD])
    ttc = max(float(x[p.GAP]), 0.0) / closing if closing > 0 else np.inf
    colour = _BAD if ttc < 3.0 else _GOOD
    text(20, 250, "car ahead", 13, _DIM)
    text(20, 268, f"{x[p.GAP]:.0f} m   {x[p.LEAD]:.1f} m/s", 20)
    text(20, 296, f"collision in {ttc:.1f} s" if np.isfinite(ttc) else "gap is opening", 14, colour)
    text(20, 330, "sensors: true state and what they read", 13, _DIM)
    truths = (f"e {x[p.E]:+.2f} m", f"gap {x[p.GAP]:.0f} m", f"v {x[p.V]:.1f} m/s")
    reads = (f"{x[p.READ]:+.2f}", f"{x[p.READ + 3]:.0f}", f"{x[p.READ + 5]:.1f}")
    for c, name in enumerate(("lane", "lead", "odometry")):
        y, fault = 356 + 48 * c, int(x[p.FAULT + c])
        px, py = left + 20 * _SS, y * _SS
        draw.ellipse((px, py, px + 14 * _SS, py + 14 * _SS), fill=_MODE_COLOURS[fault])
        text(44, y - 3, f"{name}: {_MODE_NAMES[fault]}", 15)
        text(44, y + 17, f"{truths[c]}, reads {reads[c]}", 13, _DIM)


def _bar(draw: Any, left: float, y: float, value: float, name: str, label: str, text: Any) -> None:
    """A bar from the centre, its length the value in [−1, 1]."""
    text(20, y, name, 13, _DIM)
    text(210, y, label, 13)
    x0, x1, top = left + 20 * _SS, left + 290 * _SS, (y + 22) * _SS
    middle = (x0 + x1) / 2
    draw.rectangle((x0, top, x1, top + 8 * _SS), fill=(52, 58, 66))
    end = middle + float(np.clip(value, -1, 1)) * (x1 - x0) / 2
    draw.rectangle((min(middle, end), top, max(middle, end), top + 8 * _SS), fill=_EGO)
    draw.line((middle, top - 3 * _SS, middle, top + 11 * _SS), fill=_INK, width=_SS)

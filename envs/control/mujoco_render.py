"""Looking at MuJoCo: pictures by its own renderer, and a side view in characters."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from morl.envs.rendering.drawing import characters, joined
from morl.spec import EnvError


def gl_picture(inner: Any) -> Any:
    """A camera picture of a Gymnasium MuJoCo environment, ``(h, w, 3)`` uint8.

    Where there is no screen, MuJoCo is told to draw with EGL unless ``MUJOCO_GL`` says otherwise.

    Raises:
        EnvError: no OpenGL library works.
    """
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not screen:
        os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        return np.array(inner.render())
    except Exception as error:  # OpenGL libraries raise whatever they like
        raise EnvError(
            f"MuJoCo cannot draw here ({type(error).__name__}: {error}); install an OpenGL library and set "
            "MUJOCO_GL to egl, osmesa or glfw before starting Python, or use render_mode='ansi'"
        ) from error


def side_view(inner: Any, axes: tuple[int, int] = (0, 2), width: int = 61, height: int = 17, unit: float = 0.07) -> str:
    """The bodies, projected and drawn as characters: ``O`` for the first, ``x`` for targets, ``o`` for others.

    Args:
        inner: a Gymnasium MuJoCo environment.
        axes: the two coordinates shown, across and up.
        width: characters across.
        height: lines.
        unit: metres per character across; a line is twice as high.
    """
    across, up = axes
    places = np.asarray(inner.data.xpos)[1:, [across, up]]
    middle = float(places[0, 0])
    bottom = 0.0 if up == 2 else float(places[0, 1]) - unit * (height - 1)
    grid = characters(width, height)
    if up == 2:
        grid[height - 1] = ["─"] * width
    parents = np.asarray(inner.model.body_parentid)[1:]

    def mark(place: Any, sign: str) -> None:
        column = round((float(place[0]) - middle) / unit) + width // 2
        row = height - 1 - round((float(place[1]) - bottom) / (2 * unit))
        if 0 <= column < width and 0 <= row < height:
            grid[row][column] = sign

    for place, parent in zip(places, parents, strict=True):
        if parent > 0:
            for share in np.linspace(0.0, 1.0, 12):
                mark((1 - share) * places[parent - 1] + share * place, "·")
    for number, place in reversed(list(enumerate(places))):  # the first body on top
        name = inner.model.body(number + 1).name
        mark(place, "x" if name.startswith("target") else "o" if number else "O")
    return joined(grid)

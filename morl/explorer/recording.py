"""Episodes inside the page: which points are worth watching, and their frames and rewards within a budget of bytes."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.arrays import as_points

if TYPE_CHECKING:
    from morl.pareto import Front

STEPS = 1000
"""Steps of one recording; longer episodes are cut."""
FRAMES = 60
"""Frames of one recording; of longer episodes every second, third … frame is taken."""
WIDTH = 260
"""Pixels of a frame; larger ones are made smaller."""

Step = tuple[ArrayLike, Any]
"""Reward ``(K,)`` of one step, and the picture after it: ``(height, width, 3)`` bytes; anything else is no picture."""


def worth_watching(front: Front, count: int) -> list[int]:
    """Points to record first: the best of each objective, then always the one that is farthest from those before.

    >>> from morl.pareto import Front
    >>> worth_watching(Front([[0, 4], [1, 3.9], [2, 2], [4, 0]]), 3)
    [0, 3, 1]
    """
    points = as_points(front)
    low, high = points.min(axis=0), points.max(axis=0)
    unit = (points - low) / np.where(high > low, high - low, 1.0)
    chosen = list(dict.fromkeys(unit.argmax(axis=0).tolist()))
    apart = np.linalg.norm(unit[:, None] - unit[chosen][None], axis=2).min(axis=1)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, np.linalg.norm(unit - unit[chosen[-1]], axis=1))
        apart[chosen] = -1.0
    return chosen[:count]


def recordings(points: Sequence[int], play: Callable[[int], Iterable[Step]], budget: int) -> dict[int, Any]:
    """Recordings of points in order of importance, as many as fit.

    Args:
        points: numbers of the points.
        play: one episode of the policy behind a point.
        budget: bytes of all recordings together. One that does not fit is tried without its pictures.
    """
    found: dict[int, Any] = {}
    for point in points:
        made = recording(play(point))
        if not made["steps"]:
            continue
        for one in (made, {**made, "frames": None}):
            size = len(json.dumps(one))
            if size <= budget:
                found[point] = one
                budget -= size
                break
    return found


def recording(steps: Iterable[Step]) -> dict[str, Any]:
    """One episode as the page plays it: rewards of every step, and frames in one picture."""
    rewards: list[list[float]] = []
    frames: list[Any] = []
    cut = False
    for reward, frame in steps:
        if len(rewards) == STEPS:
            cut = True
            break
        rewards.append([_short(x) for x in np.asarray(reward, dtype=np.float64)])
        picture = np.asarray(frame)
        if picture.ndim == 3 and picture.dtype == np.uint8:
            frames.append(picture)
    return {"steps": len(rewards), "rewards": rewards, "cut": cut, "frames": sheet(frames)}


def _short(x: float) -> float:
    """Six significant digits."""
    return float(f"{x:.6g}")


def sheet(frames: Sequence[Any]) -> dict[str, Any] | None:
    """Frames side by side in one compressed picture, and how to find them in it; ``None`` for no frames.

    Returns:
        ``image`` (a data URL), ``width`` and ``height`` of one frame, ``columns``, ``count``, and ``every``: a frame
        shows this many steps.
    """
    from PIL import Image, features

    if not frames:
        return None
    every = math.ceil(len(frames) / FRAMES)
    kept = [Image.fromarray(np.ascontiguousarray(frame[..., :3], dtype=np.uint8)) for frame in frames[::every]]
    width = min(WIDTH, kept[0].width)
    height = max(1, round(kept[0].height * width / kept[0].width))
    columns = max(1, min(len(kept), 2600 // width))
    picture = Image.new("RGB", (columns * width, math.ceil(len(kept) / columns) * height))
    for i, frame in enumerate(kept):
        picture.paste(frame.resize((width, height)), (i % columns * width, i // columns * height))
    kind, options = ("webp", {"quality": 72, "method": 4}) if features.check("webp") else ("png", {"optimize": True})
    file = io.BytesIO()
    picture.save(file, kind, **options)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    facts = {"width": width, "height": height, "columns": columns, "count": len(kept), "every": every}
    return {"image": f"data:image/{kind};base64,{data}", **facts}

"""Frames: the same state gives the same picture whatever was drawn before, and charts are laid out once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import morl
from morl.envs.catalog import BUILTIN, EnvEntry
from morl.envs.rendering.canvas import Canvas
from morl.envs.rendering.plate import Plate, bars
from morl.spec import MissingExtraError

DRAWN = [e for e in BUILTIN if e.extra in (None, "science")]


def frames(entry: EnvEntry, n: int, every: int = 1) -> list[Any]:
    """Frames of an episode with a fixed seed, only every so many of them drawn."""
    env = morl.make(entry.id, render_mode="rgb_array")
    _, info = env.reset(seed=5)
    env.action_space.seed(5)
    out = []
    for t in range(n):
        if t % every == 0:
            out.append(env.render())
        mask = info.get("action_mask")
        action = env.action_space.sample() if mask is None else env.action_space.sample(np.asarray(mask, np.int8))
        *_, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            _, info = env.reset()
    env.close()
    return out


@pytest.mark.parametrize("entry", DRAWN, ids=lambda entry: entry.id)
def test_a_picture_does_not_depend_on_those_before(entry: EnvEntry) -> None:
    """What is drawn over a chart leaves no trace in the next one."""
    try:
        all_of_them, some = frames(entry, 9), frames(entry, 9, every=4)
    except MissingExtraError as missing:
        pytest.skip(str(missing))
    for a, b in zip(all_of_them[::4], some, strict=True):
        np.testing.assert_array_equal(a, b)
    assert all(f.dtype == np.uint8 and f.ndim == 3 and f.shape == all_of_them[0].shape for f in all_of_them)
    assert all(f.min() < f.max() for f in all_of_them)
    all_of_them[0][:] = 7
    np.testing.assert_array_equal(frames(entry, 1)[0], some[0])  # pictures are the caller's own


@pytest.mark.parametrize(
    ("id", "module"),
    [
        ("morl/MultiDrugDosing-v0", "dosing_render"),
        ("morl/Portfolio-v0", "portfolio_render"),
        ("morl/ExperimentDesign-v0", "experiment_render"),
    ],
)
def test_charts_are_laid_out_few_times(id: str, module: str) -> None:
    import importlib

    plate: Any = importlib.import_module(f"morl.envs.science.{module}")._plate
    plate.cache_clear()
    (entry,) = [e for e in BUILTIN if e.id == id]
    frames(entry, 40)
    assert plate.cache_info().misses <= 4


def test_what_moves_is_drawn_where_it_belongs() -> None:
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

    def build(figure: Any) -> Any:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, 10), ylim=(0, 10))
        axes.axis("off")
        return axes

    plate = Plate((200, 100), build)
    empty = plate.picture([])
    assert (empty == 255).all()
    bar = plate.picture([(plate.axes, bars([5.0], 0.0, [5.0], 2.0, "black"))])
    assert (bar[55:, 85:115] == 0).all()
    assert (bar[:45] == 255).all()
    assert (bar[:, :75] == 255).all()
    line = plate.picture([(plate.axes, Line2D([0, 10], [8, 8], color="black", lw=4))])
    assert (line[19:21, 5:-5] == 0).all()
    assert (line[30:] == 255).all()
    outside = plate.picture([(plate.axes, Line2D([20, 30], [8, 8], color="black"))])
    assert (outside == 255).all()
    text = plate.picture([(None, Text(0.5, 0.5, "x", fontsize=20, ha="center", va="center"))])
    assert (text[40:60, 90:110] < 128).any()
    assert (text[:, :80] == 255).all()
    np.testing.assert_array_equal(plate.picture([]), empty)


def test_a_canvas_averages_what_it_draws_fine() -> None:
    canvas = Canvas(4, 3, "#000000")
    canvas.rectangle((1, 1, 3, 2), "#ffffff")
    picture = canvas.array()
    assert picture.shape == (3, 4, 3)
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert picture[1, 1].tolist() == [255, 255, 255]
    canvas.image((0, 0, 4, 2), np.full((1, 2, 3), [[[10, 20, 30], [40, 50, 60]]], dtype=np.uint8))
    assert canvas.array()[0].tolist() == [[10, 20, 30]] * 2 + [[40, 50, 60]] * 2

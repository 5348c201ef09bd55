"""Used wrongly: actions that make no sense, steps at the wrong time, rendering; and used rightly afterwards."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.checks.case import Case, Chooser, Finding, Stage, difference
from morl.envs.failures import described, short

_SHORT = 30
_FRAMES = 10


def invalid_actions(case: Case) -> Iterator[Finding]:
    """Actions that are out of range, NaN, of the wrong shape or type raise, and the environment survives them."""
    env = case.make()
    for action, what in _bad(env.action_space):
        env.reset(seed=case.seed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                env.step(action)
        except Exception:  # this is what should happen; which error is the environment's choice
            pass
        else:
            yield f"the {what} action {short(action)} is accepted", f"raise an error that names {env.action_space}"
    try:
        expected = case.make()
        parted = difference(case.rollout(expected, steps=_SHORT), case.rollout(env, steps=_SHORT))
        expected.close()
    except Exception as error:
        parted = f"{described(error)}"
    if parted:
        yield f"after an invalid action and a reset it is not as new: {parted}", "check actions before changing state"
    env.close()


def _bad(space: spaces.Space[Any]) -> list[tuple[Any, str]]:
    if isinstance(space, spaces.Discrete):
        end = int(space.start + space.n)
        return [(end, "too large"), (int(space.start) - 1, "too small"), (None, "missing"), ("up", "textual")]
    if isinstance(space, spaces.MultiDiscrete):
        top = np.array(space.start + space.nvec)
        return [(top, "too large"), (np.zeros(len(top) + 1, dtype=np.int64), "misshapen"), (None, "missing")]
    if isinstance(space, spaces.Box):
        nan = np.full(space.shape, np.nan, dtype=space.dtype)
        bad: list[tuple[Any, str]] = [(None, "missing"), (np.zeros((*space.shape, 7), dtype=space.dtype), "misshapen")]
        return [(nan, "NaN"), *bad] if np.issubdtype(nan.dtype, np.floating) else bad
    return []


def before_reset(case: Case) -> Iterator[Finding]:
    """A step before the first reset raises, and a reset puts it right."""
    env = case.make()
    try:
        env.step(Chooser(env.action_space, case.seed)())
    except Exception:  # this is what should happen
        pass
    else:
        yield (
            "a step before the first reset is accepted",
            "raise an error (register with order_enforce=True, or keep a flag)",
        )
    env.reset(seed=case.seed)
    env.close()


def after_end(case: Case) -> Iterator[Finding]:
    """Stepping on after the end, error or not, does not spoil the next episode."""
    env, fresh = case.make(), case.make()
    chooser = Chooser(env.action_space, case.seed)
    _, info = env.reset(seed=case.seed)
    for _ in range(case.steps):
        *_, terminated, truncated, info = env.step(chooser(info.get("action_mask")))
        if terminated or truncated:
            for _ in range(3):
                with contextlib.suppress(Exception):  # refusing is right
                    env.step(chooser(None))
            parted = difference(case.rollout(fresh, steps=_SHORT), case.rollout(env, steps=_SHORT))
            if parted:
                yield (
                    f"after steps beyond the end, reset does not give a new episode: {parted}",
                    "reset all state in reset",
                )
            break
    env.close()
    fresh.close()


def rendering(case: Case) -> Iterator[Finding]:
    """Every render mode gives what it promises, and drawing changes nothing."""
    plain = case.make()
    modes = plain.metadata.get("render_modes") or []
    expected = case.rollout(plain, steps=_FRAMES)
    plain.close()
    for mode in modes:
        if mode not in ("rgb_array", "ansi"):
            continue  # "human" needs a screen
        try:
            env = case.make(render_mode=mode)
        except TypeError:
            continue
        except Exception as error:
            yield f"it cannot be made with render_mode={mode!r}: {described(error)}", "see the message"
            continue
        if env.render_mode != mode:
            yield f"made with render_mode={mode!r} its render_mode is {env.render_mode!r}", "store it on the instance"
        frames: list[Any] = []
        try:
            drawn = case.rollout(env, steps=_FRAMES, between=_Camera(env, frames))
        except Exception as error:
            yield f"render in mode {mode!r} raises {described(error)}", "see the message"
            env.close()
            continue
        env.close()
        parted = difference(expected, drawn)
        if parted:
            yield f"rendering in mode {mode!r} changes the episode: {parted}", "draw without touching the state"
        yield from _frames(mode, frames)


class _Camera:
    """Keeps a frame of every stage."""

    def __init__(self, env: Any, frames: list[Any]) -> None:
        self.env, self.frames = env, frames

    def __call__(self, _: Stage) -> None:
        self.frames.append(self.env.render())


def _frames(mode: str, frames: list[Any]) -> Iterator[Finding]:
    if mode == "ansi":
        wrong = [f for f in frames if not isinstance(f, str) or not f.strip()]
        if wrong:
            yield f"render in mode 'ansi' gives {short(wrong[0])}", "return a text"
        return
    for frame in frames:
        if not (isinstance(frame, np.ndarray) and frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8):
            kind = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
            yield f"render in mode 'rgb_array' gives {kind}", "return uint8 of shape (height, width, 3)"
            return
    if frames and all(frame.min() == frame.max() for frame in frames):
        yield "render in mode 'rgb_array' gives pictures of one colour", "draw something"
    if frames and len({frame.shape for frame in frames}) > 1:
        yield "render in mode 'rgb_array' gives pictures of different sizes", "keep one size, for videos"


def closing(case: Case) -> Iterator[Finding]:
    """Closing twice is harmless."""
    env = case.make()
    env.reset(seed=case.seed)
    env.close()
    try:
        env.close()
    except Exception as error:
        yield f"closing twice raises {described(error)}", "make close do nothing the second time"

"""Finding and outlining handwritten digits through a small moving window.

One to three digits from scikit-learn's ``load_digits`` (Alpaydin & Kaynak 1998; 8 × 8 pixels) lie on a dark 32 × 32
canvas under pixel noise. The agent sees an 8 × 8 fovea at full resolution and, as a retina does, the surroundings of
the fovea averaged over 4 × 4 pixels, with the fovea always in the middle; beside them, where it has looked and where it
has declared. It moves the fovea by 4 pixels in four directions, declares "a digit is in this window", or stops.

Rewards: a declaration earns +1 if the fovea overlaps a digit not yet found with intersection over union of at least
one half, else −1; stopping pays the Dice coefficient ``2|A∩B| / (|A| + |B|)`` between the true ink B and the
segmentation A = pixels brighter than one half among those the fovea has seen; a move costs 0.02. Boxes and ink are
exact, because the canvas is composed here. γ = 1, at most 40 steps; running out of time pays no Dice.

Assumptions of this environment: the noise (sd 0.2 on intensities in [0, 1]), the threshold, and that digits lie within
one pixel of the grid of fovea positions, so that every digit can be declared (a displacement of one pixel in both
directions leaves an intersection over union of 0.62).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.dynamics import Dynamics, State, Transition
from morl.spec import BoolArray, EnvError, FloatArray, IntArray, MissingExtraError, MOSpec, Objective

SIZE, FOVEA, MOVE, HORIZON = 32, 8, 4, 40
PLACES = (SIZE - FOVEA) // MOVE + 1  # fovea positions along each axis: 7
NOISE, INK = 0.2, 0.5
REACH = PLACES - 1  # how far the surroundings reach from the fovea, in moves: to the edges from wherever it is
COARSE, VISITS = 2 * REACH + 2, 2 * REACH + 1  # sides of the surroundings: in coarse pixels, in fovea positions
PRICE = 0.02
MOST = 3  # digits
UP, DOWN, LEFT, RIGHT, DECLARE, STOP = range(6)
_STEP = np.array([[-1, 0], [1, 0], [0, -1], [0, 1], [0, 0], [0, 0]])


@lru_cache(maxsize=1)
def digits() -> FloatArray:
    """The 1,797 images, ``(1797, 8, 8)`` in [0, 1].

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtraError("morl/ActiveScan-v0", "science") from None
    return np.asarray(load_digits().images / 16.0, dtype=np.float64)


def overlap(a: IntArray, b: IntArray) -> FloatArray:
    """Intersection over union of two 8 × 8 boxes given by their corners ``(..., 2)``.

    >>> round(float(overlap(np.array([0, 0]), np.array([1, 1]))), 3)
    0.62
    """
    shared = np.prod(np.maximum(0, FOVEA - np.abs(np.asarray(a) - np.asarray(b))), axis=-1)
    return np.asarray(shared / (2.0 * FOVEA**2 - shared))


class ScanDynamics(Dynamics):
    """The pure dynamics of :mod:`morl.envs.science.scan`, batched over canvases.

    Args:
        most_digits: up to how many digits lie on a canvas, 1 to 3.

    Raises:
        EnvError: another number.
        MissingExtraError: scikit-learn is not installed.
    """

    max_steps = HORIZON

    def __init__(self, most_digits: int = MOST) -> None:
        if not isinstance(most_digits, int | np.integer) or not 1 <= most_digits <= MOST:
            raise EnvError(f"most_digits is {most_digits!r}; expected 1 to {MOST}")
        self.most = int(most_digits)
        self._digits = digits()
        objectives = (
            Objective("detection", "right-wrong", -1.0, 1.0, "digits declared, minus false alarms"),
            Objective("outline", "Dice", 0.0, 1.0, "agreement of the seen ink with the true ink, paid at the stop"),
            Objective("glimpses", "0.02 per move", -PRICE, 0.0, "price of moving the fovea"),
        )
        scale = ((-float(MOST), 0.0, -PRICE * HORIZON), (float(self.most), 1.0, 0.0))
        ref = (-HORIZON - 1.0, -0.05, -PRICE * HORIZON - 0.05)
        self.mo_spec = MOSpec(objectives, 1.0, HORIZON, ref, scale)
        self.action_space = spaces.Discrete(6)
        low = np.zeros(FOVEA**2 + COARSE**2 + 2 * VISITS**2 + 4, dtype=np.float32)
        low[: FOVEA**2 + COARSE**2] = -1.0
        high = np.where(low < 0, 2.0, 1.0).astype(np.float32)
        self.observation_space = spaces.Box(low, high, dtype=np.float32)

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """Fresh canvases, with the fovea in the middle."""
        count = rng.integers(1, self.most + 1, size=n)
        corner = self._corners(n, rng)
        image = self._digits[rng.integers(len(self._digits), size=(n, MOST))]
        present = np.arange(MOST) < count[:, None]
        clean = np.zeros((n, SIZE, SIZE))
        rows = np.arange(n)[:, None, None]
        for k in range(MOST):
            y = corner[:, k, 0, None, None] + np.arange(FOVEA)[None, :, None]
            x = corner[:, k, 1, None, None] + np.arange(FOVEA)[None, None, :]
            clean[rows, y, x] += image[:, k] * present[:, k, None, None]
        canvas = np.clip(clean + rng.normal(0.0, NOISE, clean.shape), -1.0, 2.0)
        place = np.full((n, 2), PLACES // 2, dtype=np.int64)
        seen = np.zeros((n, PLACES, PLACES), dtype=np.bool_)
        seen[:, PLACES // 2, PLACES // 2] = True
        return {
            "canvas": canvas.astype(np.float32),
            "ink": clean > INK,
            "corner": corner,
            "present": present,
            "found": np.zeros((n, MOST), dtype=np.bool_),
            "place": place,
            "seen": seen,
            "step": np.zeros(n, dtype=np.int64),
            "declared": np.zeros((n, PLACES, PLACES), dtype=np.bool_),
            "last": np.zeros(n),
        }

    def step(self, state: State, actions: Any, rng: np.random.Generator) -> Transition:
        """Move, declare or stop."""
        n, rows = len(actions), np.arange(len(actions))
        place = np.clip(state["place"] + _STEP[actions], 0, PLACES - 1)
        seen = state["seen"].copy()
        seen[rows, place[:, 0], place[:, 1]] = True
        declare, stop = actions == DECLARE, actions == STOP
        declared = state["declared"].copy()
        declared[rows[declare], place[declare, 0], place[declare, 1]] = True
        match = overlap(place[:, None, :] * MOVE, state["corner"]) * (state["present"] & ~state["found"])
        best = match.argmax(axis=1)
        hit = declare & (match[rows, best] >= 0.5)
        found = state["found"].copy()
        found[rows[hit], best[hit]] = True
        rewards = np.zeros((n, 3))
        rewards[:, 0] = np.where(hit, 1.0, np.where(declare, -1.0, 0.0))
        if stop.any():
            rewards[stop, 1] = self.dice(state, stop)
        rewards[:, 2] = np.where(actions < DECLARE, -PRICE, 0.0)
        after = dict(state)
        after.update(
            place=place,
            seen=seen,
            found=found,
            step=state["step"] + 1,
            declared=declared,
            last=rewards[:, 0].copy(),
        )
        return Transition(after, rewards, stop, {"found": found.sum(axis=1), "digits": state["present"].sum(axis=1)})

    def observe(self, state: State) -> Any:
        """Fovea, surroundings, where it looked and declared, position, time and how the last declaration went."""
        n = len(state["step"])
        canvas, place = state["canvas"], state["place"]
        y = place[:, 0, None, None] * MOVE + np.arange(FOVEA)[None, :, None]
        x = place[:, 1, None, None] * MOVE + np.arange(FOVEA)[None, None, :]
        fovea = canvas[np.arange(n)[:, None, None], y, x]
        coarse = canvas.reshape(n, SIZE // 4, 4, SIZE // 4, 4).mean(axis=(2, 4))
        maps = [_around(coarse, place, COARSE)]
        maps += [_around(state[key], place, VISITS) for key in ("seen", "declared")]
        rest = np.stack([place[:, 0] / REACH, place[:, 1] / REACH, np.minimum(state["step"] / HORIZON, 1.0)], axis=1)
        outcome = (state["last"] > 0)[:, None]
        parts = [fovea, *maps, rest, outcome]
        return np.concatenate([part.reshape(n, -1) for part in parts], axis=1).astype(np.float32)

    def render(self, state: State, mode: str) -> Any:
        """The canvas with the fovea, where it has been and what was declared."""
        from morl.envs.science.scan_render import render

        return render(state, mode)

    def dice(self, state: State, which: BoolArray) -> FloatArray:
        """Dice coefficient of the segmentation seen so far, for the chosen environments."""
        seen = seen_pixels(state["seen"][which])
        claimed = (state["canvas"][which] > INK) & seen
        ink = state["ink"][which]
        shared = (claimed & ink).sum(axis=(1, 2))
        return np.asarray(2.0 * shared / np.maximum(1, claimed.sum(axis=(1, 2)) + ink.sum(axis=(1, 2))))

    def _corners(self, n: int, rng: np.random.Generator) -> IntArray:
        """Corners ``(n, 3, 2)`` of boxes that do not overlap, each within a pixel of a fovea position."""
        corners, missing = np.empty((n, MOST, 2), dtype=np.int64), np.arange(n)
        while missing.size:
            trial = MOVE * rng.integers(0, PLACES, (missing.size, MOST, 2))
            trial = np.clip(trial + rng.integers(-1, 2, trial.shape), 0, SIZE - FOVEA)
            gap = np.abs(trial[:, [0, 0, 1]] - trial[:, [1, 2, 2]]).max(axis=-1)
            good = (gap >= FOVEA).all(axis=1)
            corners[missing[good]] = trial[good]
            missing = missing[~good]
        return corners


def _around(grid: Any, place: IntArray, side: int) -> Any:
    """Windows ``(n, side, side)`` of grids ``(n, h, w)`` that begin :data:`REACH` before the place; 0 outside."""
    padded = np.pad(grid, ((0, 0), (REACH, REACH), (REACH, REACH)))
    y = place[:, 0, None, None] + np.arange(side)[None, :, None]
    x = place[:, 1, None, None] + np.arange(side)[None, None, :]
    return padded[np.arange(len(grid))[:, None, None], y, x]


def seen_pixels(seen: BoolArray) -> BoolArray:
    """Pixels ``(n, 32, 32)`` covered by visited fovea positions ``(n, 7, 7)``."""
    blocks = np.zeros((len(seen), SIZE // MOVE, SIZE // MOVE), dtype=np.bool_)
    for dy in range(FOVEA // MOVE):
        for dx in range(FOVEA // MOVE):
            blocks[:, dy : dy + PLACES, dx : dx + PLACES] |= seen
    return np.asarray(np.repeat(np.repeat(blocks, MOVE, axis=1), MOVE, axis=2))


class PeripheryScanner:
    """A hand-written baseline: go where the coarse view is brightest, declare, and stop when nothing bright is left.

    Args:
        threshold: mean intensity of a window (from the coarse view) above which it is visited.
    """

    def __init__(self, threshold: float = 0.2) -> None:
        self.threshold = float(threshold)

    def act(self, observation: FloatArray) -> int:
        """The next action from one observation ``(D,)``."""
        around, _, claimed = np.split(observation[FOVEA**2 : -4], [COARSE**2, COARSE**2 + VISITS**2])
        coarse, declared = around.reshape(COARSE, COARSE), claimed.reshape(VISITS, VISITS) > 0
        value = (coarse[:-1, :-1] + coarse[1:, :-1] + coarse[:-1, 1:] + coarse[1:, 1:]) / 4
        y, x = np.rint(observation[-4:-2] * REACH).astype(int)
        within = np.zeros_like(declared)
        within[REACH - y : REACH - y + PLACES, REACH - x : REACH - x + PLACES] = True
        value = np.where(within, value, -1.0)
        for i, j in np.argwhere(declared):
            value[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2] = -1.0
        dy, dx = (int(v) - REACH for v in np.unravel_index(int(np.argmax(value)), value.shape))
        if value.max() < self.threshold:
            return STOP
        if dy:
            return DOWN if dy > 0 else UP
        if dx:
            return RIGHT if dx > 0 else LEFT
        return DECLARE

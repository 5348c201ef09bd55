"""Minecart: a cart fetches two ores from five mines and pays for the fuel (Abels et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from morl.envs.control import minecart_kernels as kernels
from morl.envs.control.minecart_front import best_known_front
from morl.envs.control.minecart_pixels import draw_carts, map_picture
from morl.envs.dynamics import Dynamics, State, Transition
from morl.envs.rendering.pixels import picture_space
from morl.pareto.front import Front
from morl.spec import EnvError, FloatArray, MOSpec, Objective

ACTIONS = ("mine", "left", "right", "accelerate", "brake", "nothing")
CAPACITY = 1.5
MAX_STEPS = 1000
FRAMES = 4
MINES = np.array(
    [
        [0.16, 0.84, 0.20, 0.05, 0.00, 0.05],
        [0.50, 0.84, 0.15, 0.05, 0.10, 0.05],
        [0.84, 0.84, 0.20, 0.05, 0.20, 0.05],
        [0.84, 0.50, 0.10, 0.05, 0.15, 0.05],
        [0.84, 0.16, 0.00, 0.05, 0.20, 0.05],
    ]
)
"""x, y, then mean and standard deviation per frame of the first and the second ore."""


class MinecartDynamics(Dynamics):
    """Fetch two ores from five mines with a cart that burns fuel (Abels et al. 2019).

    The base is the corner (0, 0) of a unit square with walls. A trip ends when the cart comes back to the base, which
    pays what it carries; five mines hold the ores in different proportions, and richer mines are farther away.

    - **Actions** (6): mine, turn left, turn right, accelerate, brake, nothing; each is repeated for 4 frames.
      A frame turns by 10° or accelerates by 0.0075; braking stops at once; mining works at rest within 0.14 of a mine.
    - **Observation** (7, float32): x, y, speed, sine and cosine of the heading, both loads over the capacity of 1.5.
    - **Objectives** (3): first ore, second ore (paid on return, at most 1.5 together), and fuel: 0.005 per frame,
      plus 0.025 when accelerating or 0.05 when mining.
    - **Start**: empty, at rest in the base, heading 45°. **End**: back in the base; truncated after 1000 steps.

    In the stochastic version each mine yields a normal amount (deviation 0.05, cut at zero) per frame; otherwise the
    mean, and ``pareto_front`` gives the best returns known, with the action sequence behind each in
    ``front.policies``: they were found by search and are replayed on every call, and nothing proves them optimal.

    Differences from MO-Gymnasium's ``minecart-v0``, the published trajectories being the same otherwise:

    - Yields come from the environment's own generator, so a seed fixes the episode (there: SciPy's global state).
    - Rewards are float64, and the fuel's bound is the true −0.22 a step instead of −1.
    - Invalid actions raise; there, a number above 5 idles in silence.
    - The observation's low bound is 0 where values cannot be negative (there: −1).
    - ``pixels=True`` observes a picture of 64 × 64 pixels (:mod:`morl.envs.control.minecart_pixels`) that also shows
      loads and speed; there it is a frame of the window, which does not.

    The state is one array ``cart`` of shape ``(n, 7)``: x, y, speed per frame, heading in degrees (0 along x, 90
    along y), load of the first and the second ore, and 1 once the cart has left the base.

    Args:
        stochastic: mines yield normally distributed amounts (cut at zero); otherwise their means.
        mines: ``(m, 6)`` x, y, then mean and deviation per frame of each ore, as in :data:`MINES`.
        capacity: what the cart holds.
        frames: how often each action is repeated.
        pixels: observe pictures ``(64, 64, 3)`` of uint8.

    Raises:
        EnvError: mines of another shape or outside the unit square, a capacity or frame count that is not positive.
    """

    max_steps = MAX_STEPS

    def __init__(
        self,
        stochastic: bool = True,
        mines: ArrayLike | None = None,
        capacity: float = CAPACITY,
        frames: int = FRAMES,
        *,
        pixels: bool = False,
    ) -> None:
        self.mines = _check_mines(MINES if mines is None else mines)
        if not stochastic:
            self.mines[:, [3, 5]] = 0.0
        if not capacity > 0:
            raise EnvError(f"capacity is {capacity!r}; expected a positive number")
        if isinstance(frames, bool) or not isinstance(frames, int | np.integer) or frames < 1:
            raise EnvError(f"frames is {frames!r}; expected a positive integer")
        self.capacity, self.frames = float(capacity), int(frames)
        self.random = bool(self.mines[:, [3, 5]].any())
        if self.random or mines is not None or capacity != CAPACITY or frames != FRAMES:
            self.no_front = (
                "a best-known front exists for the published deterministic minecart only; "
                "make it with stochastic=False and default mines, capacity and frames"
            )
        else:
            self.no_front = ""
        self._still = np.zeros((self.frames, 2))
        worst = (kernels.FUEL_IDLE + kernels.FUEL_MINE) * self.frames
        self.mo_spec = MOSpec(
            (
                Objective("ore1", "load", 0.0, self.capacity, "first ore brought to the base, paid on return"),
                Objective("ore2", "load", 0.0, self.capacity, "second ore brought to the base, paid on return"),
                Objective("fuel", "fuel", worst, 0.0, "fuel burnt, more by accelerating and most by mining"),
            ),
            discount=0.98,
            horizon=MAX_STEPS,
            ref_point=(0.0, 0.0, -200.0),
            return_scale=((0.0, 0.0, worst / (1 - 0.98)), (self.capacity, self.capacity, 0.0)),
        )
        self.observation_space: spaces.Space[Any] = spaces.Box(
            np.array([0, 0, 0, -1, -1, 0, 0], dtype=np.float32), np.ones(7, dtype=np.float32), dtype=np.float32
        )
        self.action_space = spaces.Discrete(len(ACTIONS))
        self._map = map_picture(self.mines) if pixels else None
        if self._map is not None:
            self.observation_space = picture_space(self._map.shape)

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """Empty carts at rest in the base, facing the middle of the map."""
        cart = np.zeros((n, 7))
        cart[:, kernels.HEADING] = 45.0
        return {"cart": cart}

    def step(self, state: State, actions: np.ndarray[Any, Any], rng: np.random.Generator) -> Transition:
        """Repeat each cart's action for some frames; random numbers are drawn for the carts that mine."""
        n = len(actions)
        noise = self._still
        mining = np.count_nonzero(actions == kernels.MINE)
        if mining:
            shape = (mining * self.frames, 2)
            noise = rng.standard_normal(shape) if self.random else np.zeros(shape)
        rewards, terminated = np.empty((n, 3)), np.empty(n, dtype=np.bool_)
        moved = kernels.step_carts(
            state["cart"], actions, self.mines, self.capacity, self.frames, noise, rewards, terminated
        )
        return Transition({"cart": moved}, rewards, terminated)

    def observe(self, state: State) -> np.ndarray[Any, Any]:
        """Position, speed, sine and cosine of the heading, and both loads over the capacity: ``(n, 7)`` float32.

        With ``pixels``, pictures ``(n, 64, 64, 3)`` of uint8.
        """
        cart = state["cart"]
        if self._map is not None:
            return draw_carts(cart, self.capacity, self._map)
        seen = np.empty((len(cart), 7), dtype=np.float32)
        kernels.observe_carts(cart, self.capacity, seen)
        return seen

    def render(self, state: State, mode: str) -> Any:
        """The map from above with the cart, its load and its speed."""
        from morl.envs.control.minecart_render import draw_minecart

        return draw_minecart(self.mines, self.capacity, state, mode)

    def front(self, discount: float, max_steps: int | None) -> Front | None:
        """The best-known front of the published deterministic minecart, by replaying action sequences."""
        return None if self.no_front else best_known_front(self.mines, self.mo_spec, discount)


def _check_mines(mines: ArrayLike) -> FloatArray:
    try:
        array = np.array(mines, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.ndim != 2 or array.shape[1] != 6 or not len(array):
        raise EnvError(f"mines have shape {array.shape}; expected (m, 6): x, y, mean and deviation of each ore")
    if not np.isfinite(array).all() or array[:, :2].min() < 0 or array[:, :2].max() > 1 or array[:, [3, 5]].min() < 0:
        raise EnvError("mines have a value out of range; expected x and y in [0, 1], finite means, deviations >= 0")
    return array

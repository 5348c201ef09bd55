"""A reservoir with a dam: flood upstream, supply, hydropower and flood downstream (Pianosi et al. 2013)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.compiled import jit
from morl.envs.dynamics import Dynamics, State, Transition
from morl.spec import EnvError, FloatArray, MOSpec, Objective

FLOOD_UPSTREAM = 50.0  # level above which the shore floods
FLOOD_DOWNSTREAM = 30.0  # release above which the valley floods
DEMAND_WATER = 50.0
DEMAND_POWER = 4.36
SPILL = 100.0  # a level above this one runs over
INFLOW_MEAN, INFLOW_DEVIATION = 40.0, 10.0
INFLOW_RANGE = (-20.0, 100.0)  # six deviations: never met in practice, and it makes every bound finite
HIGHEST = SPILL + INFLOW_RANGE[1]
MAX_STEPS = 100
_POWER = 9.81 * 1000.0 / 3.6e6  # gravity times density of water, per joule of a kilowatt-hour
_LEVELS = np.array(
    [96.855361, 58.046026, 116.15767, 20.164311, 79.191, 140.13098, 131.01816, 44.351321, 13.185943, 73.508622]
)
"""The ten start levels of the benchmark."""

OBJECTIVES = (
    Objective("flood", "level", FLOOD_UPSTREAM - HIGHEST, 0.0, "minus the level above the upstream flood threshold"),
    Objective("supply", "water", -DEMAND_WATER, 0.0, "minus the water demand that was not met"),
    Objective("power", "power", -DEMAND_POWER, 0.0, "minus the power demand that was not met"),
    Objective("downstream", "water", FLOOD_DOWNSTREAM - HIGHEST, 0.0, "minus the release above the downstream limit"),
)
_WORST = (-10_000.0, -2_000.0, -440.0, -2_000.0)  # below the returns of holding, of releasing, and of chance
SEASON_DAYS = 25
SEASON_DISCOUNT = 0.99
_SEASON_WORST = (-1_600.0, -1_350.0, -200.0, -1_500.0)  # discounted; somewhat below random releases


@jit
def _flow(
    levels: FloatArray, wished: FloatArray, rain: FloatArray, share: bool, penalise: bool, rewards: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Release water ``wished`` (n, 1) from ``levels`` (n,); fill ``rewards`` (n, K).

    What can be released lies between what runs over anyway and all there is.

    Returns:
        New levels, releases and inflows, each ``(n,)``.
    """
    after, released, inflow = np.empty_like(levels), np.empty_like(levels), np.empty_like(levels)
    driest, wettest = INFLOW_RANGE
    pays = np.zeros(4)
    for i in range(len(levels)):
        level, wish = levels[i], wished[i, 0]
        least, most = max(level - SPILL, 0.0), level
        if share:
            release, penalty = wish * (most - least) + least, 0.0
        else:
            release = min(max(wish, least), most)
            penalty = -abs(release - wish) if penalise else 0.0
        inflow[i] = min(max(rain[i], driest), wettest)
        level = max(level + inflow[i] - release, 0.0)
        pays[0] = -max(level - FLOOD_UPSTREAM, 0.0) + penalty
        pays[1] = -max(DEMAND_WATER - release, 0.0) + penalty
        pays[2] = -max(DEMAND_POWER - _POWER * level * release, 0.0) + penalty
        pays[3] = -max(release - FLOOD_DOWNSTREAM, 0.0) + penalty
        for k in range(rewards.shape[1]):
            rewards[i, k] = pays[k]
        after[i], released[i] = level, release
    return after, released, inflow


class WaterReservoirDynamics(Dynamics):
    """Release water from a dam for irrigation and power without flooding either side.

    The benchmark of Pianosi, Castelletti and Restelli (2013; also Castelletti et al. 2012), with the constants that
    later work uses: a reservoir of surface 1, inflow N(40, 10) a day, flood thresholds 50 upstream (level) and 30
    downstream (release), demands of 50 water and 4.36 power, and a spill above a level of 100.

    - **Action**: the amount to release in [0, 200], moved to what can be released (between what spills anyway and
      all there is); or, ``normalised``, a share in [0, 1] between these two. **Observation** (1, float32): the level.
    - **Objectives**: the first ``objectives`` of ``flood``, ``supply``, ``power`` and ``downstream``.
    - **Start**: one of ten levels. **End**: never; truncated after 100 days.
    - **Info**: ``release`` and ``inflow``.

    Differences from MO-Gymnasium's ``water-reservoir-v0``, whose trajectories agree to float32 rounding, seed by seed:

    - The inflow is cut at six deviations (one draw in 10⁹), so that levels, actions and rewards have finite bounds;
      there all of them are unbounded, which learners that scale actions cannot use.
    - The state is float64, and observations are fresh arrays: there the internal state is returned.
    - Negative or NaN releases raise; there they are clipped in silence.

    Under the default settings hardly anything is to be learned: releasing all water every day earns 83 % of the
    two-objective hypervolume, and constant releases all of it. ``morl/WaterReservoirSeasonal-v0`` (``season=40``) has
    wet and dry seasons, which the dam must even out: there releasing everything earns 69 %, constant releases 83 %,
    and releases linear in the level 87 % of what releases linear in level and season earn
    (``benchmarks/water_reservoir_seasonal.py``).

    The state holds ``level`` (n,), and for pictures the last ``release`` and ``inflow`` (n,), NaN at the start.

    Args:
        objectives: 2, 3 or 4: the first so many of flood, supply, power, downstream.
        normalised: the action is the share in [0, 1] of what can be released, instead of an amount.
        penalise: an amount that cannot be released costs its distance from what can, in every objective.
        level: the start level; ``None`` draws one of the benchmark's ten, or with ``penalise`` an integer below 160.
        season: how far the mean inflow swings about 40 in the course of 25 days, 0 to 40; where it does, the sine and
            cosine of the season are observed too, and γ is 0.99.

    Raises:
        EnvError: another number of objectives, a level outside [0, 200], or a season outside [0, 40].
    """

    max_steps = MAX_STEPS

    reset_options = ("level",)

    def __init__(
        self,
        objectives: int = 2,
        normalised: bool = False,
        penalise: bool = False,
        level: float | None = None,
        *,
        season: float = 0.0,
    ) -> None:
        if isinstance(objectives, bool) or objectives not in (2, 3, 4):
            raise EnvError(f"objectives is {objectives!r}; expected 2, 3 or 4")
        self.normalised, self.penalise = bool(normalised), bool(penalise)
        self.level = None if level is None else _check_level(level)
        self.k = int(objectives)
        self.season = _check_season(season)
        worst = (_SEASON_WORST if self.season else _WORST)[: self.k]
        extra = HIGHEST if self.penalise and not self.normalised else 0.0
        self.mo_spec = MOSpec(
            tuple(Objective(o.name, o.unit, o.low - extra, 0.0, o.description) for o in OBJECTIVES[: self.k]),
            discount=SEASON_DISCOUNT if self.season else 1.0,
            horizon=MAX_STEPS,
            ref_point=worst,
            return_scale=(worst, (0.0,) * self.k),
        )
        low, high = (0.0, -1.0, -1.0), (HIGHEST, 1.0, 1.0)
        seen = 3 if self.season else 1
        self.observation_space = spaces.Box(
            np.array(low[:seen], np.float32), np.array(high[:seen], np.float32), (seen,), np.float32
        )
        self.action_space = spaces.Box(0.0, 1.0 if self.normalised else HIGHEST, (1,), np.float32)

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """Start levels; the reset option ``level`` fixes them."""
        if options:
            levels = np.full(n, _check_level(options["level"]))
        elif self.level is not None:
            levels = np.full(n, self.level)
        elif self.penalise:
            levels = rng.integers(0, 160, n).astype(np.float64)
        else:
            levels = rng.choice(_LEVELS, n)
        state = {"level": levels, "release": np.full(n, np.nan), "inflow": np.full(n, np.nan)}
        return state | ({"day": np.zeros(n)} if self.season else {})

    def step(self, state: State, actions: np.ndarray[Any, Any], rng: np.random.Generator) -> Transition:
        """Release water, then let the rain of the day flow in."""
        n = len(actions)
        rain = rng.normal(INFLOW_MEAN, INFLOW_DEVIATION, n)
        if self.season:
            rain += self.season * np.sin(2 * np.pi * state["day"] / SEASON_DAYS)
        rewards = np.empty((n, self.k))
        levels, released, inflow = _flow(state["level"], actions, rain, self.normalised, self.penalise, rewards)
        info = {"release": released, "inflow": inflow}
        after = {"level": levels, **info} | ({"day": state["day"] + 1.0} if self.season else {})
        return Transition(after, rewards, np.zeros(n, dtype=np.bool_), info)

    def observe(self, state: State) -> np.ndarray[Any, Any]:
        """The level, ``(n, 1)`` float32; with a season also its sine and cosine, ``(n, 3)``."""
        if not self.season:
            return state["level"].astype(np.float32)[:, None]
        phase = 2 * np.pi * state["day"] / SEASON_DAYS
        return np.stack([state["level"], np.sin(phase), np.cos(phase)], axis=1).astype(np.float32)

    def render(self, state: State, mode: str) -> Any:
        """The lake, its dam and the valley."""
        from morl.envs.control.water_reservoir_render import draw_water_reservoir

        return draw_water_reservoir(state, mode)


def _check_season(season: Any) -> float:
    number = isinstance(season, int | float | np.number) and not isinstance(season, bool)
    if not number or not 0.0 <= season <= INFLOW_MEAN:
        raise EnvError(f"season is {season!r}; expected a number from 0 to {INFLOW_MEAN:g}")
    return float(season)


def _check_level(level: Any) -> float:
    try:
        number = float(np.asarray(level, dtype=np.float64).reshape(()))
    except (TypeError, ValueError):
        number = float("nan")
    if not 0.0 <= number <= HIGHEST:
        raise EnvError(f"start level is {level!r}; expected a number from 0 to {HIGHEST:g}")
    return number

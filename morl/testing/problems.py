"""Tiny problems with known answers, for checking agents.

Each is small enough to solve by hand; the answers are in the docstrings.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from morl.envs.core import MOEnv
from morl.envs.finite.tabular import TabularEnv
from morl.momdp import MOMDP
from morl.spec import EnvError, FloatArray, MOSpec, Objective


def _env(model: MOMDP, low: Any, high: Any, *, ref: Any = None, max_steps: int | None = 20) -> TabularEnv:
    assert model.objectives is not None
    point = tuple(np.asarray(low, dtype=float) - 1.0) if ref is None else tuple(ref)
    spec = MOSpec(model.objectives, model.discount, max_steps, point, (tuple(low), tuple(high)))
    return TabularEnv(model, spec, max_steps=max_steps)


def deterministic(factor: float = 1.0) -> TabularEnv:
    """Two choices, one after the other; four returns, three of them Pareto optimal and one of those non-convex.

    First action 0 earns (0, 0.2), 1 earns (0.2, 0); second action 0 earns (0, 0.8), 1 earns (0.8, 0) after the same
    first action, and both earn (0.2, 0.2) after crossing over. Returns: (0, 1), (1, 0), (0.4, 0.2), (0.2, 0.4);
    the two crossings lie below the line between the corners, and are not dominated. max min = 0.2.

    Args:
        factor: multiplies the second objective.
    """
    table = {
        "start": [("left", (0.0, 0.2)), ("right", (0.2, 0.0))],
        "left": [("end", (0.0, 0.8)), ("end", (0.2, 0.2))],
        "right": [("end", (0.2, 0.2)), ("end", (0.8, 0.0))],
    }

    def outcomes(state: Any, action: int) -> list[tuple[float, Any, tuple[float, float], bool]]:
        target, (a, b) = table[state][action]
        return [(1.0, target, (a, b * factor), target == "end")]

    model, _ = MOMDP.from_simulator("start", 2, outcomes, discount=1.0, objectives=["first", "second"])
    return _env(model, (0.0, 0.0), (1.0, factor))


def stochastic() -> TabularEnv:
    """Keep trying for a prize or walk away, three ways of balancing prize and patience.

    Action 0 stops with (0, 0). Action 1 tries: pays (0, −1) and wins (4, 0) with probability 1/2, ending the episode,
    else goes on. Action 2 tries once: pays (0, −0.5), wins (3, 0) with probability 1/2, and ends either way.
    Values: stop (0, 0); try once (1.5, −0.5); try until it works (4, −2). With weights (w, 1 − w) on the raw returns
    the best is max(0, 2w − 0.5, 6w − 2).
    """

    def outcomes(state: Any, action: int) -> list[tuple[float, Any, tuple[float, float], bool]]:
        if action == 0:
            return [(1.0, "end", (0.0, 0.0), True)]
        if action == 1:
            return [(0.5, "end", (4.0, -1.0), True), (0.5, "start", (0.0, -1.0), False)]
        return [(0.5, "end", (3.0, -0.5), True), (0.5, "end", (0.0, -0.5), True)]

    model, _ = MOMDP.from_simulator("start", 3, outcomes, discount=1.0, objectives=["prize", "patience"])
    return _env(model, (0.0, -4.0), (4.0, 0.0), max_steps=100)


def lottery() -> TabularEnv:
    """Where the best expected return and the best expectation of single episodes differ; memory pays.

    Action 0: (0.7, 0.7) for sure. Action 1: (2.2, 0) or (0, 2.2), each with probability 1/2. Action 2: (1, 0) or
    (0, 1), then a second choice, in a state that looks the same either way: action 0 earns (0.9, −0.1), action 1
    (−0.1, 0.9), action 2 nothing. On the worst objective: SER 1.1 (action 1); ESR 0.9 (action 2, then the objective
    that is missing), and 0.7 for policies that do not remember what they have (action 0).
    """

    def outcomes(state: Any, action: int) -> list[tuple[float, Any, tuple[float, float], bool]]:
        if state == "start":
            if action == 0:
                return [(1.0, "end", (0.7, 0.7), True)]
            if action == 1:
                return [(0.5, "end", (2.2, 0.0), True), (0.5, "end", (0.0, 2.2), True)]
            return [(0.5, "second", (1.0, 0.0), False), (0.5, "second", (0.0, 1.0), False)]
        reward = ((0.9, -0.1), (-0.1, 0.9), (0.0, 0.0))[action]
        return [(1.0, "end", reward, True)]

    model, _ = MOMDP.from_simulator("start", 3, outcomes, discount=1.0, objectives=["first", "second"])
    return _env(model, (0.0, 0.0), (2.2, 2.2))


def many(k: int) -> TabularEnv:
    """One choice among k + 1: action i earns 1 in objective i, the last 0.5 in every objective; k = 2 … 6."""

    def outcomes(state: Any, action: int) -> list[tuple[float, Any, tuple[float, ...], bool]]:
        reward = tuple(0.5 if action == k else float(i == action) for i in range(k))
        return [(1.0, "end", reward, True)]

    model, _ = MOMDP.from_simulator("start", k + 1, outcomes, discount=1.0, objectives=[f"o{i}" for i in range(k)])
    return _env(model, (0.0,) * k, (1.0,) * k)


def patience() -> TabularEnv:
    """Staying is worth more than leaving, but not within the three steps that an episode is allowed.

    γ = 0.9. Action 0 stays and earns (0.1, 0.1); action 1 leaves with (0.5, 0.5). Never terminating is worth 1 in both,
    and the time limit of 3 steps is not part of the problem: an agent that takes a truncated episode for a finished
    one believes staying is worth less than 0.5 and leaves.
    """

    def outcomes(state: Any, action: int) -> list[tuple[float, Any, tuple[float, float], bool]]:
        if action == 0:
            return [(1.0, "start", (0.1, 0.1), False)]
        return [(1.0, "end", (0.5, 0.5), True)]

    model, _ = MOMDP.from_simulator("start", 2, outcomes, discount=0.9, objectives=["first", "second"])
    return _env(model, (0.0, 0.0), (1.0, 1.0), max_steps=3)


class Plain(MOEnv[Any, Any]):
    """An environment that hides its model, like one from another library.

    Args:
        inner: a tabular environment.
        poison_at: the step (counted over the environment's life) from which the second objective's reward is NaN.
    """

    def __init__(self, inner: TabularEnv, poison_at: int | None = None) -> None:
        self._inner, self._poison, self._count = inner, poison_at, 0
        self.mo_spec, self.reward_space = inner.mo_spec, inner.reward_space
        self.observation_space, self.action_space = inner.observation_space, inner.action_space
        self.max_steps = inner.max_steps

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        return self._inner.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, FloatArray, bool, bool, dict[str, Any]]:
        """Take one action."""
        observation, reward, terminated, truncated, info = self._inner.step(action)
        self._count += 1
        if self._poison is not None and self._count >= self._poison:
            reward = np.array([reward[0], np.nan, *reward[2:]])
        return observation, reward, terminated, truncated, info


class Target(MOEnv[Any, Any]):
    """One step, one number: action a in [−1, 1] earns (1 − (a − ½)², 1 − (a + ½)²).

    Pareto optimal are the actions from −½ to ½, a convex front. With weights (w, 1 − w) the best action is w − ½, and
    it earns 1 − w (1 − w).

    Args:
        noise: standard deviation of noise on both rewards.
    """

    def __init__(self, noise: float = 0.0) -> None:
        self.noise = noise
        self.mo_spec = MOSpec(
            (Objective("right", low=-9.0, high=9.0), Objective("left", low=-9.0, high=9.0)),
            1.0, 1, (-1.5, -1.5), ((-1.25, -1.25), (1.0, 1.0)),
        )  # fmt: skip
        self.reward_space = spaces.Box(-9.0, 9.0, (2,), np.float64)
        self.observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.max_steps = 1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        gym.Env.reset(self, seed=seed)
        return np.zeros(1, dtype=np.float32), {}

    def step(self, action: Any) -> tuple[Any, FloatArray, bool, bool, dict[str, Any]]:
        """Take the one action."""
        a = float(np.asarray(action).reshape(-1)[0])
        reward = np.array([1 - (a - 0.5) ** 2, 1 - (a + 0.5) ** 2])
        reward = reward + self.noise * self.np_random.standard_normal(2)
        return np.zeros(1, dtype=np.float32), reward, True, False, {}


class AnySpaces(MOEnv[Any, Any]):
    """One step in any action and observation space, whose answers are known; it refuses actions outside the space.

    One of two observations is shown, drawn evenly. An action has a height in [0, 1]: the mean place of its components
    between their bounds (an unbounded side counts as ±2). Under the second observation it is turned round. The reward
    is (height, 1 − height), so every return sums to 1, and with weights (w, 1 − w) the most is max(w, 1 − w), by the
    highest or the lowest action, for which the observation has to be read.

    Args:
        action_space: Discrete, MultiDiscrete, MultiBinary or Box.
        observation_space: any.
    """

    def __init__(self, action_space: spaces.Space[Any], observation_space: spaces.Space[Any]) -> None:
        self.mo_spec = MOSpec(
            (Objective("height", low=0.0, high=1.0), Objective("depth", low=0.0, high=1.0)),
            1.0, 1, (-0.5, -0.5), ((0.0, 0.0), (1.0, 1.0)),
        )  # fmt: skip
        self.reward_space = spaces.Box(0.0, 1.0, (2,), np.float64)
        self.action_space, self.observation_space = action_space, observation_space
        self.max_steps = 1
        self.shown = _two_of(observation_space)
        self._turned = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        gym.Env.reset(self, seed=seed)
        self._turned = int(self.np_random.integers(2))
        return self.shown[self._turned], {}

    def step(self, action: Any) -> tuple[Any, FloatArray, bool, bool, dict[str, Any]]:
        """Take the one action.

        Raises:
            EnvError: it is not in the action space.
        """
        given = action if isinstance(self.action_space, spaces.Discrete) else np.asarray(action)
        if not self.action_space.contains(given):
            raise EnvError(f"action is {action!r}, which is not in {self.action_space}")
        height = self.height(action)
        height = 1.0 - height if self._turned else height
        return self.shown[self._turned], np.array([height, 1.0 - height]), True, False, {}

    def height(self, action: Any) -> float:
        """The mean place of an action's components between their bounds."""
        space: Any = self.action_space
        low: Any = 0
        high: Any = 1
        if isinstance(space, spaces.Discrete):
            low, high = int(space.start), int(space.start) + int(space.n) - 1
        elif isinstance(space, spaces.MultiDiscrete):
            low, high = space.start, space.start + space.nvec - 1
        elif isinstance(space, spaces.Box):
            low = np.where(np.isfinite(space.low), space.low.astype(np.float64), -2.0)
            high = np.where(np.isfinite(space.high), space.high.astype(np.float64), 2.0)
        place = (np.asarray(action, dtype=np.float64) - low) / (np.asarray(high, dtype=np.float64) - low)
        return float(np.clip(place, 0.0, 1.0).mean())


def _two_of(space: spaces.Space[Any]) -> tuple[Any, Any]:
    """Two different members of a space."""
    space.seed(0)
    first = space.sample()
    for _ in range(100):
        second = space.sample()
        if repr(second) != repr(first):
            return first, second
    raise EnvError(f"{space} has one member only; expected two")

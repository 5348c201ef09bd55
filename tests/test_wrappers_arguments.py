"""Wrappers refuse arguments that make no sense when they are made, in one line, single and vector alike."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import morl.envs.wrappers as w
from morl import MOSpec, Objective
from morl.envs.core import reward_space
from morl.envs.vector import SyncVectorEnv
from morl.spec import MorlError


class Two(gym.Env[Any, Any]):
    """Two objectives, a flat observation and a hidden goal."""

    mo_spec = MOSpec((Objective("gain"), Objective("cost")), discount=0.9, horizon=4)
    reward_space = reward_space(mo_spec)
    observation_space, action_space = spaces.Box(-1.0, 1.0, (2,), np.float32), spaces.Discrete(2)
    render_mode = None

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {"goal": 1}

    def step(self, action: Any) -> Any:
        return np.zeros(2, np.float32), self.np_random.normal(size=2), False, False, {"goal": 1}


NAN, INF = float("nan"), float("inf")
DISCOUNTS = [-0.1, 1.1, NAN, INF, "0.9", "high", [0.9], True, 1j]
WEIGHTS = [
    None,
    [],
    [1.0],
    [0.5, 0.6],
    [-0.5, 1.5],
    [NAN, 1.0],
    [INF, 0.0],
    ["a", "b"],
    "half",
    [[1.0], [0.0]],
    1.0,
    [1j, 0],
]
OBJECTIVES = [[], "gain", None, 3, ["price"], [2], [-1], [True], [0.5], [NAN], ["gain", "gain"], ["gain", 0], [None]]
POSITIVE = [0, -1, 1.5, NAN, True, "4", None]
UTILITIES = [None, 3, "worst", lambda r: 1 / 0, lambda r: r, lambda r: r.sum()]

WRONG: list[tuple[str, dict[str, list[Any]], dict[str, Any]]] = [
    ("LinearReward", {"weights": WEIGHTS}, {}),
    ("UtilityReward", {"utility": UTILITIES}, {}),
    ("ESRReward", {"utility": [*UTILITIES, lambda r: np.log(r.sum(axis=-1))]}, {}),
    ("ESRReward", {"discount": DISCOUNTS}, {"utility": lambda r: r.sum(axis=-1)}),
    ("ClipReward", {"low": [NAN, "low", [1.0], [1, 2, 3], None, 1j, 5.0, [[0, 0]]]}, {"high": 1.0}),
    ("ClipReward", {"high": [NAN, "high", [0.0], None, -5.0, [0, -1]]}, {"low": 0.0}),
    ("SelectObjectives", {"objectives": OBJECTIVES}, {}),
    ("NegateObjectives", {"objectives": OBJECTIVES}, {}),
    ("NormaliseReward", {"discount": DISCOUNTS, "epsilon": [-1, -1e-9, NAN, INF, "small", None, [1], True]}, {}),
    ("RecordStatistics", {"discount": DISCOUNTS}, {}),
    ("TimeLimit", {"max_steps": POSITIVE}, {}),
    ("MaxAndSkip", {"skip": POSITIVE}, {}),
    ("PreferenceObservation", {"weights": WEIGHTS[1:], "concentration": [0, -1, NAN, INF, "1", None, [1.0]]}, {}),
    ("FaultyReward", {"objective": [o[0] if isinstance(o, list) and o else None for o in OBJECTIVES[4:10]]}, {}),
    (
        "FaultyReward",
        {"mode": ["loud", None, 1, ["noise"]], "sigma": [-1, NAN, INF, "1", None, [1]]},
        {"objective": "cost"},
    ),
    ("PartialReward", {"probability": [0, -0.5, 1.5, NAN, INF, "half", None, [0.5], [1, 0], [1, 1, 1]]}, {}),
    ("NuisanceObservation", {"rho": [-0.1, 1.1, NAN, "x", None], "dimension": POSITIVE}, {}),
    ("NuisanceObservation", {"strength": [-1, NAN, INF, "3", None], "goal": [None, 3]}, {}),
]
CASES = [
    (name, {**rest, key: value}) for name, wrong, rest in WRONG for key, values in wrong.items() for value in values
]


@pytest.mark.parametrize("form", ["single", "vector"])
def test_senseless_arguments_are_refused_in_one_line(form: str) -> None:
    wrong = []
    for name, arguments in CASES:
        env: Any = Two() if form == "single" else SyncVectorEnv([Two, Two])
        told = refusal(getattr(w, name if form == "single" else f"Vector{name}"), env, arguments)
        if "\n" in told or not any(word in told for word in ("expected", "did you mean", "known:")):
            wrong.append((name, arguments, told))
    assert wrong == []


def refusal(wrapper: Any, env: Any, arguments: dict[str, Any]) -> str:
    """What a wrapper says against its arguments; nothing where it takes them."""
    try:
        with np.errstate(divide="ignore"):
            wrapper(env, **arguments)
    except MorlError as error:
        return str(error)
    return ""


RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("LinearReward", {"weights": np.array([1, 0])}),
    ("UtilityReward", {"utility": lambda r: r.min(axis=-1)}),
    ("ESRReward", {"utility": lambda r: r.min(axis=-1), "discount": np.float32(0.5)}),
    ("ClipReward", {"low": [-INF, -1], "high": np.int64(1)}),
    ("SelectObjectives", {"objectives": ("cost",)}),
    ("SelectObjectives", {"objectives": np.array([1, 0])}),
    ("NegateObjectives", {"objectives": ["cost"]}),
    ("NormaliseReward", {"discount": 1, "epsilon": 0}),
    ("RecordStatistics", {"discount": 0}),
    ("TimeLimit", {"max_steps": np.int32(2)}),
    ("MaxAndSkip", {"skip": 1}),
    ("PreferenceObservation", {"weights": (0.5, 0.5), "concentration": 1e-3}),
    ("FaultyReward", {"objective": 1, "sigma": 0}),
    ("PartialReward", {"probability": [1, 0.5]}),
    ("PartialReward", {"probability": 1, "weighted": False}),
    ("NuisanceObservation", {"rho": 1, "dimension": 2, "strength": 0}),
]


@pytest.mark.parametrize(("name", "arguments"), RIGHT, ids=[name for name, _ in RIGHT])
def test_sensible_ones_give_finite_rewards(name: str, arguments: dict[str, Any]) -> None:
    env = getattr(w, name)(Two(), **arguments)
    vec = getattr(w, f"Vector{name}")(SyncVectorEnv([Two, Two]), **arguments)
    env.reset(seed=0)
    vec.reset(seed=0)
    for _ in range(9):
        assert np.isfinite(env.step(0)[1]).all()
        assert np.isfinite(vec.step(np.zeros(2, dtype=int))[1]).all()
    assert env.reward_dim == vec.reward_dim == max(1, int(np.prod(env.reward_space.shape)))


@pytest.mark.parametrize(
    "reward", [np.array(["1", "2"]), np.array([1j, 0]), "12", [1.0, None], [[1.0], [2.0]], {"a": 1}]
)
def test_rewards_that_are_no_numbers_are_refused(reward: Any) -> None:
    class Odd(Two):
        def step(self, action: Any) -> Any:
            return np.zeros(2, np.float32), reward, False, False, {}

    env = w.RecordStatistics(Odd())
    env.reset()
    with pytest.raises(MorlError, match=r"expected shape \(2,\)"):
        env.step(0)
    vec = SyncVectorEnv([Odd])
    vec.reset()
    with pytest.raises(MorlError, match="expected 2 numbers, one per objective"):
        vec.step([0])


@pytest.mark.parametrize("flag", ["no", None, 0.0, 2, -1, np.array([True])])
def test_flags_that_are_none_are_refused(flag: Any) -> None:
    class Odd(Two):
        def step(self, action: Any) -> Any:
            return np.zeros(2, np.float32), np.zeros(2), flag, False, {}

    vec = SyncVectorEnv([Odd])
    vec.reset()
    with pytest.raises(MorlError, match=r"returned the flag .* in step 1; expected True or False"):
        vec.step([0])


@pytest.mark.parametrize("reward", [np.zeros((2, 1)), np.zeros((30, 40)), np.zeros((2, 2), dtype=complex)])
def test_what_was_returned_is_shown_on_one_line(reward: Any) -> None:
    class Odd(Two):
        def step(self, action: Any) -> Any:
            return np.zeros(2, np.float32), reward, False, False, {}

    vec = SyncVectorEnv([Odd])
    vec.reset()
    with pytest.raises(MorlError, match="expected 2 numbers, one per objective") as told:
        vec.step([0])
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 300

"""The checker finds planted faults, each by the check that is meant for it, and nothing in sound environments."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import morl
from morl.envs.checker import CHECKS, check_env, find_faults
from morl.momdp import MOMDP
from morl.spec import EnvError, MOSpec, Objective, UnknownNameError
from morl.testing import EnvConformance

FINITE = [entry.id for entry in morl.envs.entries() if entry.build is not None]


class Walk(gym.Env[Any, Any]):
    """A sound environment to plant faults in: a noisy walk of ten steps, paying (position, -effort)."""

    metadata = {"render_modes": ["rgb_array", "ansi"]}  # noqa: RUF012
    mo_spec = MOSpec((Objective("place", low=-10, high=10), Objective("effort", low=-1, high=0)), horizon=10)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.reward_space = spaces.Box(np.array([-10.0, -1.0]), np.array([10.0, 0.0]), (2,), np.float64)
        self.observation_space = spaces.Box(-20.0, 20.0, (2,), np.float64)
        self.action_space = spaces.Discrete(3)
        self.place: float | None = None
        self.steps = 0

    def observe(self) -> Any:
        assert self.place is not None
        return np.array([self.place, self.steps], dtype=np.float64)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.place, self.steps = float(np.round(self.np_random.normal(), 3)), 0
        return self.observe(), {"start": np.array([self.place])}

    def reward(self, action: int) -> Any:
        assert self.place is not None
        return np.array([np.clip(self.place, -10, 10), -abs(action - 1)], dtype=np.float64)

    def check(self, action: Any) -> None:
        if self.place is None:
            raise RuntimeError("reset first")
        if not self.action_space.contains(action):
            raise ValueError(f"action {action!r}")

    def step(self, action: Any) -> Any:
        self.check(action)
        self.place += int(action) - 1 + 0.1 * float(self.np_random.normal())
        self.place = float(np.clip(self.place, -19.0, 19.0))
        self.steps += 1
        return self.observe(), self.reward(int(action)), False, self.steps >= 10, {"place": np.array([self.place])}

    def render(self) -> Any:
        if self.render_mode == "ansi":
            return f"at {self.place}"
        frame = np.zeros((8, 40, 3), dtype=np.uint8)
        frame[:, int(np.clip(20 + (self.place or 0), 0, 39))] = 255
        return frame


def walk(**changes: Any) -> Callable[..., gym.Env[Any, Any]]:
    """A walk with some methods or class attributes replaced."""
    return type("Faulty", (Walk,), changes)


def _reward(value: Callable[[Any, int], Any]) -> Any:
    return walk(reward=lambda self, action: value(self, action))


def _step(change: Callable[[Any, Any], Any]) -> Any:
    return walk(step=lambda self, action: change(self, Walk.step(self, action)))


def _init(change: Callable[[Any], None]) -> Any:
    def init(self: Any, render_mode: str | None = None) -> None:
        Walk.__init__(self, render_mode)
        change(self)

    return walk(__init__=init)


def _put(name: str, value: Any) -> Any:
    return _init(lambda self: setattr(self, name, value))


def _shared_observation() -> Any:
    def observe(self: Any) -> Any:
        if not hasattr(self, "buffer"):
            self.buffer = np.zeros(2)
        self.buffer[:] = self.place, self.steps
        return self.buffer

    return walk(observe=observe)


def _live_observation() -> Any:
    """The observation is the state: writing to it moves the walker."""

    class Live(Walk):
        state = np.zeros(2)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            _, info = super().reset(seed=seed)
            self.state = np.array([self.place, 0.0])
            return self.state, info

        def step(self, action: Any) -> Any:
            self.place = float(np.clip(self.state[0], -19, 19))
            _, reward, terminated, truncated, info = super().step(action)
            self.state = np.array([self.place, self.steps])
            return self.state, reward, terminated, truncated, info

    return Live


def _live_reward() -> Any:
    def reward(self: Any, action: int) -> Any:
        if not hasattr(self, "pay"):
            self.pay = np.zeros(2)
        self.pay += [0.1, 0.0]
        self.pay[1] = -abs(action - 1)
        self.pay[0] = min(self.pay[0], 10.0)
        return self.pay

    return walk(reward=reward)


def _live_info() -> Any:
    class Live(Walk):
        weights = np.array([1.0, 0.5])

        def step(self, action: Any) -> Any:
            observation, reward, terminated, truncated, info = super().step(action)
            return (
                observation,
                np.clip(reward * self.weights, [-10, -1], [10, 0]),
                terminated,
                truncated,
                info | {"weights": self.weights},
            )

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            self.weights = np.array([1.0, 0.5])
            return super().reset(seed=seed)

    return Live


def _class_state() -> Any:
    class Shared(Walk):
        total = [0]  # noqa: RUF012

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            if seed is not None:
                self.total[0] = 0
            return super().reset(seed=seed)

        def observe(self) -> Any:
            self.total[0] += 1
            return np.array([self.place, self.total[0] % 7], dtype=np.float64)

    return Shared


def _after_end() -> Any:
    class Spoiled(Walk):
        late = 0

        def step(self, action: Any) -> Any:
            if self.steps >= 10:
                self.late += 1
            return super().step(action)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            observation, info = super().reset(seed=seed)
            return observation + self.late, info

    return Spoiled


def _moves_before_checking() -> Any:
    class Eager(Walk):
        drift = 0

        def check(self, action: Any) -> None:
            if not self.action_space.contains(action):
                self.drift += 1
            super().check(action)

        def observe(self) -> Any:
            return np.clip(super().observe() + self.drift, -20, 20)

    return Eager


def _unpicklable(self: Any) -> None:
    self.draw = lambda: None


def _half_copied() -> Any:
    class Half(Walk):
        def __deepcopy__(self, memo: Any) -> Any:
            twin = type(self)(self.render_mode)
            twin.place, twin.steps = self.place, self.steps  # the generator is forgotten
            return twin

    return Half


def _model(wrong: bool) -> Any:
    """Two states; where wrong, the model thinks that action 0 pays."""

    class Modelled(gym.Env[Any, Any]):
        metadata = {"render_modes": []}  # noqa: RUF012
        mo_spec = MOSpec(("a", "b"), discount=0.9)
        observations = np.arange(2)
        action_space = spaces.Discrete(2)
        observation_space = spaces.Discrete(2)
        reward_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
        state = -1

        def momdp(self, discount: float | None = None) -> MOMDP:
            p = [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]
            r = [[[1.0 if wrong else 0.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]
            return MOMDP.from_arrays(p, r, discount=discount or 0.9, terminal=[False, True])

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            self.state = 0
            return 0, {}

        def step(self, action: Any) -> Any:
            if self.state != 0 or action not in (0, 1) or isinstance(action, str):
                raise ValueError("no")
            self.state = int(action)
            return self.state, np.array([0.0, float(action)]), bool(action), False, {}

    return Modelled


def _front(points: Any) -> Any:
    return walk(pareto_front=lambda self, discount: [np.array(p, dtype=float) for p in points])


def _unbound_goal() -> Any:
    """The goal reward, which random walks rarely see, breaks the bounds: only the model knows."""
    made = _model(False)

    class Goal(made):  # type: ignore[misc, valid-type]
        mo_spec = MOSpec((Objective("a", low=0, high=1), Objective("b", low=0, high=1)), discount=0.9)
        reward_space = spaces.Box(0.0, 1.0, (2,), np.float64)

        def momdp(self, discount: float | None = None) -> MOMDP:
            model: MOMDP = super().momdp(discount)
            pay = model.rewards.copy()
            pay[1, 1] = 50.0
            return MOMDP(model.transitions, pay, model.row_ptr, model.discount, model.start)

    return Goal


def _global_noise(self: Any, action: int) -> Any:
    return np.array([np.random.random(), -abs(action - 1)])  # noqa: NPY002


def _renders_by_moving(self: Any) -> Any:
    self.place += 0.5
    return Walk.render(self)


def _buffered_info() -> Any:
    class Buffered(Walk):
        def step(self, action: Any) -> Any:
            moved = super().step(action)
            self.__dict__.setdefault("note", {"place": np.zeros(1)})
            self.note["place"][:] = self.place
            return (*moved[:4], self.note)

    return Buffered


def _writes_to_action() -> Any:
    class Greedy(Walk):
        def __init__(self, render_mode: str | None = None) -> None:
            super().__init__(render_mode)
            self.action_space = spaces.Box(0.0, 2.0, (1,), np.float32)

        def check(self, action: Any) -> None:
            super().check(action)
            if isinstance(action, np.ndarray):
                action *= 0

        def step(self, action: Any) -> Any:
            self.check(action)
            self.action_space, kept = spaces.Discrete(3), self.action_space
            try:
                return Walk.step(self, 1)
            finally:
                self.action_space = kept

    return Greedy


def _without_objectives(self: Any) -> None:
    del self.reward_space
    self.mo_spec = None


def _forgiving() -> Any:
    def step(self: Any, action: Any) -> Any:
        return Walk.step(self, action if action in (0, 1, 2) else 1)

    return walk(step=step)


def _drawing(mode: str, frame: Any) -> Any:
    return walk(render=lambda self: frame if self.render_mode == mode else Walk.render(self))


PLANTED: dict[str, tuple[Any, str]] = {
    "no objectives": (_init(_without_objectives), "objectives"),
    "reward space of another size": (_put("reward_space", spaces.Box(-1.0, 1.0, (3,), np.float64)), "objectives"),
    "reward space that disagrees": (_put("reward_space", spaces.Box(-1.0, 1.0, (2,), np.float64)), "objectives"),
    "no action space": (_put("action_space", None), "spaces"),
    "reset without info": (walk(reset=lambda self, **kw: Walk.reset(self, **kw)[0]), "reset"),
    "start outside its space": (walk(reset=lambda self, **kw: (np.full(2, 99.0), {})), "reset"),
    "observation outside its space": (_step(lambda _, m: (m[0] + 30.0, *m[1:])), "step"),
    "observation of another shape": (_step(lambda _, m: (np.append(m[0], 0.0), *m[1:])), "step"),
    "both flags at the time limit": (_step(lambda _, m: (*m[:2], m[3], m[3], m[4])), "step"),
    "a flag that is a number": (_step(lambda _, m: (*m[:2], 0, m[3], m[4])), "step"),
    "a scalar reward": (_reward(lambda self, a: 1.0), "reward"),
    "a list as reward": (_reward(lambda self, a: [0.0, 0.0]), "reward"),
    "integer rewards": (_reward(lambda self, a: np.array([0, -1])), "reward"),
    "three rewards for two objectives": (_reward(lambda self, a: np.zeros(3)), "reward"),
    "NaN as reward": (_reward(lambda self, a: np.array([np.nan, 0.0])), "reward"),
    "a reward outside its bounds": (_reward(lambda self, a: np.array([0.0, -5.0])), "reward"),
    "a goal reward outside its bounds": (_unbound_goal(), "model-bounds"),
    "an episode beyond its horizon": (_step(lambda _, m: (*m[:3], False, m[4])), "horizon"),
    "the seed is ignored": (walk(reset=lambda self, *, seed=None, options=None: Walk.reset(self)), "seeding"),
    "the global generator": (walk(reward=_global_noise), "global-generators"),
    "Python's global generator": (_reward(lambda self, a: np.array([random.random(), 0.0])), "global-generators"),
    "the observation is the state": (_live_observation(), "aliasing"),
    "the reward is internal": (_live_reward(), "aliasing"),
    "info holds live weights": (_live_info(), "aliasing"),
    "one observation buffer": (_shared_observation(), "buffers"),
    "one info buffer": (_buffered_info(), "buffers"),
    "the action is written to": (_writes_to_action(), "action-untouched"),
    "state on the class": (_class_state(), "independence"),
    "it cannot be pickled": (_init(_unpicklable), "copies"),
    "a copy forgets the generator": (_half_copied(), "copies"),
    "invalid actions are accepted": (_forgiving(), "invalid-actions"),
    "an invalid action leaves a trace": (_moves_before_checking(), "invalid-actions"),
    "steps before reset": (_put("place", 0.0), "before-reset"),
    "steps after the end leave a trace": (_after_end(), "after-end"),
    "a picture in floats": (_drawing("rgb_array", np.zeros((4, 4, 3))), "rendering"),
    "a text that is none": (_drawing("ansi", None), "rendering"),
    "rendering moves the state": (walk(render=_renders_by_moving), "rendering"),
    "a model that pays something else": (_model(True), "model"),
    "a dominated point on the front": (_front([[1, 1], [2, 2]]), "front"),
    "a front of another size": (_front([[1, 1, 1]]), "front"),
}  # fmt: skip


def test_enough_faults_are_planted() -> None:
    assert len(PLANTED) >= 25


def test_the_environment_that_faults_are_planted_in_is_sound() -> None:
    assert [str(f) for f in find_faults(Walk)] == []
    assert [str(f) for f in find_faults(_model(False), skip=["copies"])] == []


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_found_by_their_check(fault: str) -> None:
    make, check = PLANTED[fault]
    found = find_faults(make, only=[check], steps=60)
    assert found, f"{check} does not find: {fault}"
    assert all(f.check == check and f.message and f.fix for f in found)


@pytest.mark.parametrize("id", [id for id in FINITE if "FourRoom" not in id])
def test_no_false_alarms_on_finite_environments(id: str) -> None:
    assert [str(f) for f in find_faults(id, skip=["front"], steps=120)] == []


@pytest.mark.slow
def test_no_false_alarms_on_four_room() -> None:
    assert [str(f) for f in find_faults("morl/FourRoom-v0", steps=300)] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DeepSeaTreasure", "DeepSeaTreasureConcave", "FruitTree", "BreakableBottles"])
def test_fronts_of_finite_environments_pass(name: str) -> None:
    assert [str(f) for f in find_faults(f"morl/{name}-v0", only=["front"])] == []


def test_check_env_raises_with_every_fault_and_its_fix() -> None:
    with pytest.raises(EnvError, match=r"(?s)fault.*reward: .*fix: "):
        check_env(_reward(lambda self, a: np.array([0.0, -5.0])), only=["reward"])
    assert check_env("morl/DeepSeaTreasure-v0", only=["reward"]) is None


def test_unknown_checks_and_targets() -> None:
    with pytest.raises(UnknownNameError, match="did you mean reward"):
        find_faults(Walk, only=["rewards"])
    with pytest.raises(EnvError, match="expected an id"):
        find_faults(3)
    with pytest.raises(UnknownNameError, match="DeepSeaTreasure"):
        find_faults("morl/DeepSeeTreasure-v0")


def test_faults_are_jsonable() -> None:
    fault = find_faults(_reward(lambda self, a: 1.0), only=["reward"])[0]
    assert set(fault.to_dict()) == {"check", "message", "fix", "level"}


def test_every_check_has_a_test_in_the_conformance_class() -> None:
    for name in CHECKS:
        assert callable(getattr(EnvConformance, f"test_{name.replace('-', '_')}"))


class TestWalkConforms(EnvConformance):
    env = Walk
    steps = 60


class TestDiscoveryConforms(EnvConformance):
    env = "morl/ScientificDiscovery-v0"
    steps = 100
    skip = ("front",)


def test_an_environment_is_checked_with_the_arguments_it_was_made_with() -> None:
    env = morl.make("morl/MountainCar-v0", objectives=("time", "move"), max_episode_steps=9)
    assert [str(f) for f in find_faults(env, only=["spaces", "single-vector", "vector"], steps=30)] == []

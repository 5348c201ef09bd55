"""A pure transition function registers both forms of an environment, with its picture, its time limit and its front."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

import morl
from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.core import UnknownFrontError, published_front
from morl.envs.dynamics import Dynamics, State, Transition
from morl.pareto import Front
from morl.spec import EnvError, MOSpec, Objective


class Drift(Dynamics):
    """Walk on a line of random winds: progress against effort.

    Args:
        length: where the line ends.
    """

    max_steps = 12
    reset_options = ("start",)

    def __init__(self, length: float = 5.0) -> None:
        if not length > 0:
            raise EnvError(f"length is {length!r}; expected a positive number")
        self.length = length
        self.no_front = "" if length == 5.0 else "a front is known for length 5 only"
        objectives = (Objective("progress", low=-9.0, high=9.0), Objective("effort", low=-1.0, high=0.0))
        self.mo_spec = MOSpec(objectives, 0.9, self.max_steps)
        self.observation_space = spaces.Box(-100.0, 100.0, (1,), np.float64)
        self.action_space = spaces.Discrete(2)

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        start = (options or {}).get("start")
        return {"x": rng.random(n) if start is None else np.full(n, float(start)), "t": np.zeros(n, dtype=np.int64)}

    def step(self, state: State, actions: np.ndarray[Any, Any], rng: np.random.Generator) -> Transition:
        moved = actions + 0.1 * rng.standard_normal(len(actions))
        x = state["x"] + moved
        return Transition({"x": x, "t": state["t"] + 1}, np.stack([moved, -1.0 * actions], axis=1), x > self.length)

    def observe(self, state: State) -> np.ndarray[Any, Any]:
        return state["x"][:, None].copy()

    def render(self, state: State, mode: str) -> Any:
        if mode == "ansi":
            return f"{float(state['x']):.3f}"
        picture = np.zeros((4, 40, 3), dtype=np.uint8)
        picture[:, int(np.clip(4 * state["x"] + 4, 0, 39))] = 255
        return picture

    def front(self, discount: float, max_steps: int | None) -> Front | None:
        if self.no_front:
            return None
        return Front([[discount, -1.0], [0.0, 0.0]], self.mo_spec.objectives, discount=discount)


class Bare(Drift):
    """What has no picture and no front."""

    max_steps = None  # type: ignore[assignment]
    render = Dynamics.render
    front = Dynamics.front

    def __init__(self) -> None:
        super().__init__()
        self.no_front = Dynamics.no_front


@pytest.fixture
def registered() -> Iterator[str]:
    id = "tests/Drift-v0"
    morl.register_dynamics(id, Drift, length=5.0)
    yield id
    gym.registry.pop(id, None)


def test_one_call_registers_both_forms(registered: str) -> None:
    env, vector = morl.make(registered), morl.make_vec(registered, 1)
    assert isinstance(env.unwrapped, BatchedEnv)
    assert isinstance(vector, BatchedVectorEnv)
    entry = next(e for e in morl.envs.entries() if e.id == registered)
    assert entry.summary == "Walk on a line of random winds: progress against effort."
    one, many = env.reset(seed=3)[0], vector.reset(seed=3)[0][0]
    for t in range(12):
        np.testing.assert_array_equal(one, many)
        one, pay, terminated, truncated, _ = env.step(t % 2)
        seen, pays, ends, cuts, _ = vector.step(np.array([t % 2]))
        many = seen[0]
        np.testing.assert_array_equal(pay, pays[0])
        assert (terminated, truncated) == (ends[0], cuts[0])
        if terminated or truncated:
            break
    assert terminated or t == 11  # the time limit is the dynamics' own
    assert gym.make(EnvSpec.from_json(env.spec.to_json())).unwrapped.dynamics.length == 5.0
    assert morl.make(registered, length=7.0).unwrapped.dynamics.length == 7.0
    assert morl.make(registered, max_steps=None).unwrapped.max_steps is None
    assert morl.make_vec(registered, 2, max_episode_steps=4).max_steps == 4
    assert pickle.loads(pickle.dumps(env.unwrapped)).dynamics.length == 5.0  # noqa: S301
    assert morl.check_env(registered) is None


def test_pictures_come_from_the_dynamics(registered: str) -> None:
    env = morl.make(registered, render_mode="ansi")
    env.reset(options={"start": 2})
    assert env.render() == "2.000"
    vector = morl.make_vec(registered, 2, render_mode="ansi")
    vector.reset(options={"start": 1})
    assert vector.render() == ("1.000", "1.000")
    bare = BatchedEnv(Bare(), render_mode="ansi")
    bare.reset()
    with pytest.raises(EnvError, match=r"Bare has no renderer; make it with render_mode=None"):
        bare.render()


@pytest.mark.parametrize("kind", ["single", "vector"])
def test_the_front_by_one_protocol(registered: str, kind: str) -> None:
    def made(**options: Any) -> Any:
        return morl.make(registered, **options) if kind == "single" else morl.make_vec(registered, 2, **options)

    base = made().unwrapped
    assert base.pareto_front().discount == 0.9
    assert base.pareto_front(0.5, time_limit=1.0).points.max() == base.pareto_front(gamma=0.5).points.max() == 0.5
    assert published_front(made(), 0.5).discount == 0.5
    with pytest.raises(EnvError, match=r"discount is 2; expected a number in \[0, 1\]"):
        base.pareto_front(2)
    with pytest.raises(EnvError, match="both discount and gamma"):
        base.pareto_front(0.5, gamma=0.5)
    other = made(length=6.0).unwrapped
    assert not hasattr(other, "pareto_front")
    with pytest.raises(UnknownFrontError, match="length 5 only"):
        other.pareto_front()
    with pytest.raises(EnvError, match="publishes no front"):
        published_front(made(length=6.0))


def test_every_known_front_takes_a_discount_and_a_time_limit() -> None:
    """Of a formula, a replay and a finite model alike; what tools call is one method."""
    for id, options in (
        ("morl/CarFollowingLQ-v0", {}),
        ("morl/Portfolio-v0", {"turnover": False}),
        ("morl/SpeakerCommand-v0", {"nuisance": False}),
        ("morl/MinecartDeterministic-v0", {}),
        ("morl/HPFolding-v0", {"sequence": "HPPHHPPH"}),
        ("morl/DeepSeaTreasure-v0", {}),
    ):
        front = morl.make(id, **options).unwrapped.pareto_front(0.95, time_limit=5.0)
        assert isinstance(front, Front)
        assert front.discount == 0.95
        assert front.provenance["algorithm"]


@pytest.mark.parametrize(
    ("id", "dynamics", "options", "words"),
    [
        ("tests/Bad-v0", 3, {}, "registered with 3; expected a class derived from morl.envs.Dynamics"),
        ("tests/Bad-v0", BatchedEnv, {}, "expected a class derived from morl.envs.Dynamics"),
        ("tests/Bad-v0", dict, {}, "expected a class derived from morl.envs.Dynamics"),
        ("tests/Bad-v0", lambda: 7, {}, "returned int; expected a class"),
        ("tests/Bad-v0", Drift, {"size": 3}, "cannot be made with .*size"),
        ("tests/Bad-v0", Drift, {"length": -1.0}, "length is -1.0"),
    ],
)
def test_what_is_no_dynamics_is_refused(id: str, dynamics: Any, options: Any, words: str) -> None:
    with pytest.raises(EnvError, match=words):
        morl.register_dynamics(id, dynamics, **options)
    assert id not in gym.registry


@pytest.mark.parametrize("limit", [0, -2, 2.5, True, "ten"])
def test_time_limits_that_make_no_sense(limit: Any) -> None:
    for kind in (BatchedEnv, BatchedVectorEnv):
        with pytest.raises(EnvError, match="max_steps is"):
            kind(Drift(), max_steps=limit)


def test_no_argument_of_an_environment_replaces_its_dynamics(registered: str) -> None:
    for name in ("build", "dynamics"):
        with pytest.raises(EnvError, match="unexpected keyword argument"):
            morl.make(registered, **{name: "os:getcwd"})

"""Sync and process-parallel vector environments of any vector-reward environment."""

from __future__ import annotations

import copy
import os
import signal
import time
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

import morl
from morl.envs.vector import SyncVectorEnv
from morl.envs.vector.infos import join_infos, stack_infos, unstack_info
from morl.envs.vector.misfits import misfit
from morl.envs.vector.parallel import AsyncVectorEnv
from morl.spec import EnvError


class Counter(gym.Env[Any, Any]):
    """Counts to ``limit``; reward (count, -1) with noise from its own generator; info of several kinds."""

    metadata = {"render_modes": ["ansi"]}  # noqa: RUF012
    reward_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)

    def __init__(self, limit: int = 3, space: str = "box", fault: str = "") -> None:
        self.limit, self.fault, self.render_mode = limit, fault, None
        self.kind = space
        box = spaces.Box(-100.0, 100.0, (2,), np.float64)
        self.observation_space = box if space == "box" else spaces.Dict({"x": box, "n": spaces.Discrete(100)})
        self.action_space = spaces.Discrete(2)
        self.count = 0

    def _seen(self) -> Any:
        x = np.array([self.count, self.noise])
        return x if self.kind == "box" else {"x": x, "n": self.count}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.count, self.noise = int((options or {}).get("from", 0)), float(self.np_random.random())
        return self._seen(), {"fresh": True}

    def step(self, action: Any) -> Any:
        if self.fault == "raise" and action == 1:
            raise RuntimeError("the pump is on fire")
        if self.fault == "die" and action == 1:
            os._exit(3)
        if self.fault == "hang" and action == 1:
            time.sleep(600)
        if self.fault == "scalar":
            return self._seen(), 1.0, False, False, {}
        if self.fault == "nan" and action == 1:
            return self._seen(), np.array([np.nan, 0.0]), False, False, {}
        self.count += 1
        self.noise = float(self.np_random.random())
        info: dict[str, Any] = {"count": self.count}
        if self.count == 2:
            info["half"] = np.array([1.0, 2.0])
        return self._seen(), np.array([self.count, -1]), self.count >= self.limit, False, info


def makers(n: int, **options: Any) -> list[Any]:
    return [lambda: Counter(**options) for _ in range(n)]


KINDS = [SyncVectorEnv, AsyncVectorEnv]


@pytest.mark.parametrize("space", ["box", "dict"])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_parallel_does_what_sync_does(mode: AutoresetMode, space: str) -> None:
    """Observations, rewards, flags and infos agree through resets of every kind, with seeds per copy."""
    sync = SyncVectorEnv(makers(3, space=space), mode)
    parallel = AsyncVectorEnv(makers(3, space=space), mode, num_workers=2)
    try:
        a, b = sync.reset(seed=[5, None, 7]), parallel.reset(seed=[5, 1, 7])
        a, b = sync.reset(seed=3), parallel.reset(seed=3)
        np.testing.assert_equal(a, b)
        for t in range(9):
            actions = np.array([t % 2, 0, 1])
            a, b = sync.step(actions), parallel.step(actions)
            np.testing.assert_equal(a[:4], b[:4])
            assert a[1].shape == (3, 2)
            assert a[1].dtype == np.float64
            assert str(a[4]) == str(b[4])
            done = a[2] | a[3]
            if mode is AutoresetMode.DISABLED and done.any():
                options = {"reset_mask": done, "from": 1}
                np.testing.assert_equal(sync.reset(options=options), parallel.reset(options=options))
                assert "reset_mask" in options  # the caller's dictionary is left alone
    finally:
        parallel.close()


@pytest.mark.parametrize("kind", KINDS)
def test_next_step_by_hand(kind: Any) -> None:
    vec = kind(makers(2, limit=2))
    vec.reset(seed=0)
    actions = np.zeros(2, dtype=int)
    assert vec.step(actions)[1].tolist() == [[1, -1], [1, -1]]
    _, rewards, terminated, _, info = vec.step(actions)
    assert rewards.tolist() == [[2, -1], [2, -1]]
    assert terminated.all()
    assert info["half"].tolist() == [[1, 2], [1, 2]]
    _, rewards, terminated, _, info = vec.step(actions)
    assert rewards.tolist() == [[0, 0], [0, 0]]
    assert not terminated.any()
    assert info["fresh"].all()
    vec.close()


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_are_those_of_the_copies(kind: Any) -> None:
    vec = kind(makers(2))
    seen, _ = vec.reset(seed=11)
    for i in range(2):
        alone, _ = Counter().reset(seed=11 + i)
        assert seen[i].tolist() == alone.tolist()
    with pytest.raises(EnvError, match="3 seeds are given; expected 2"):
        vec.reset(seed=[1, 2, 3])
    vec.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fault", "match"),
    [
        ("scalar", "environment 0 returned the reward 1.0"),
        ("nan", "nan for objective 0"),
        (
            "raise",
            r"environment 0 failed in step 1: RuntimeError: the pump is on fire \(.*test_vector.py:\d+, in step\)",
        ),
    ],
)
def test_faults_are_named_and_a_reset_cures_them(kind: Any, fault: str, match: str) -> None:
    vec = kind(makers(2, fault=fault))
    vec.reset(seed=0)
    with pytest.raises((EnvError, RuntimeError), match=match):
        vec.step(np.array([1, 1]))
    vec.reset(seed=0)
    if fault != "scalar":
        assert vec.step(np.array([0, 0]))[1].shape == (2, 2)
    vec.close()


def test_a_raising_worker_is_reported_with_its_traceback() -> None:
    vec = AsyncVectorEnv(makers(3, fault="raise"), num_workers=3)
    vec.reset(seed=0)
    with pytest.raises(EnvError, match=r"(?s)RuntimeError: the pump is on fire.*traceback of worker 1.*in step"):
        vec.step(np.array([0, 1, 0]))
    with pytest.raises(EnvError, match="before reset"):
        vec.step(np.zeros(3, dtype=int))
    vec.close()


def gone(process: Any) -> bool:
    """Whether a process has ended, or does within a minute: a busy machine needs its time."""
    process.join(60)
    return not process.is_alive()


@pytest.mark.parametrize("how", ["die", "kill"])
def test_a_dead_worker_is_reported_at_once(how: str) -> None:
    vec = AsyncVectorEnv(makers(4, fault="die"), num_workers=2)
    vec.reset(seed=0)
    if how == "kill":
        os.kill(vec.processes[1].pid, signal.SIGKILL)
    with pytest.raises(EnvError, match=r"worker 1 \(environments 2–3\) died with exit code (3|-9)"):
        vec.step(np.array([0, 0, 0, how == "die"], dtype=int))
    with pytest.raises(EnvError, match="closed"):
        vec.reset()
    assert all(gone(p) for p in vec.processes)


def test_a_worker_that_hangs_runs_into_the_timeout() -> None:
    vec = AsyncVectorEnv(makers(1, fault="hang"), timeout=0.5)
    vec.reset(seed=0)
    with pytest.raises(EnvError, match=r"no answer in 0.5 s"):
        vec.step(np.array([1]))
    assert all(gone(p) for p in vec.processes)


def test_a_copy_that_cannot_be_made_is_reported() -> None:
    made: list[int] = []

    def second_fails() -> Any:
        made.append(1)
        if len(made) > 1:
            raise OSError("no licence")
        return Counter()

    with pytest.raises(EnvError, match="no licence"):
        AsyncVectorEnv([second_fails], context="fork")


@pytest.mark.parametrize("kind", KINDS)
def test_misuse(kind: Any) -> None:
    with pytest.raises(EnvError, match="no environments given"):
        kind([])
    vec = kind(makers(2))
    with pytest.raises(EnvError, match="before reset"):
        vec.step(np.zeros(2, dtype=int))
    with pytest.raises(EnvError, match="first reset"):
        vec.reset(options={"reset_mask": np.array([True, False])})
    vec.reset()
    with pytest.raises(EnvError, match="expected 2, one per environment"):
        vec.step(np.zeros(3, dtype=int))
    with pytest.raises(EnvError, match="dictionary"):
        vec.reset(options=[1])
    vec.close()
    with pytest.raises(EnvError, match="autoreset mode is 'never'"):
        kind(makers(1), "never")


@pytest.mark.parametrize("kind", KINDS)
def test_copies_that_differ_are_refused(kind: Any) -> None:
    with pytest.raises(EnvError, match="observation_space"):
        kind(
            [lambda: Counter(), lambda: Counter(space="dict")], **({"num_workers": 1} if kind is AsyncVectorEnv else {})
        )


@pytest.mark.parametrize("kind", KINDS)
def test_observations_are_fresh(kind: Any) -> None:
    vec = kind(makers(2))
    first, _ = vec.reset(seed=0)
    kept = first.copy()
    vec.step(np.zeros(2, dtype=int))
    assert (first == kept).all()
    vec.close()


def test_attributes_and_calls() -> None:
    for kind in KINDS:
        vec = kind(makers(2, limit=9))
        assert vec.get_attr("limit") == (9, 9)
        assert [len(s) for s, _ in vec.call("reset", seed=1)] == [2, 2]
        assert vec.mo_spec.k == 2
        assert vec.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
        vec.close()
        vec.close()


@pytest.mark.parametrize("mode", ["native", "sync", "async"])
def test_make_vec_forms_agree_on_a_deterministic_environment(mode: str) -> None:
    vec = morl.make_vec("morl/DeepSeaTreasureConcave-v0", 3, vectorization_mode=mode, autoreset_mode="same_step")
    native = morl.make_vec("morl/DeepSeaTreasureConcave-v0", 3, autoreset_mode="same_step")
    vec.reset(seed=0)
    native.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = rng.choice([1, 3, 3], size=3)
        a, b = vec.step(actions), native.step(actions)
        np.testing.assert_equal(a[:4], b[:4])
        if "final_obs" in b[4]:
            np.testing.assert_equal(a[4]["final_obs"].tolist(), b[4]["final_obs"].tolist())
    vec.close()


def test_spawned_workers() -> None:
    vec = morl.make_vec("morl/DeepSeaTreasure-v0", 2, vectorization_mode="sync")
    maker = registration_maker("morl/DeepSeaTreasure-v0")
    spawned = AsyncVectorEnv([maker, maker], context="spawn", num_workers=1)
    vec.reset(seed=0)
    spawned.reset(seed=0)
    np.testing.assert_equal(vec.step(np.array([1, 3]))[:4], spawned.step(np.array([1, 3]))[:4])
    spawned.close()


def registration_maker(id: str) -> Any:
    from morl.envs.registration import _Maker

    return _Maker(gym.registry[id], {})


def test_infos_stack_and_unstack() -> None:
    infos = [{"a": 1, "d": {"x": 2.0}}, None, {"a": 3, "s": "text", "v": np.arange(2)}]
    out = stack_infos(infos)
    assert out["a"].tolist() == [1, 0, 3]
    assert out["_a"].tolist() == [True, False, True]
    assert out["d"]["x"].tolist() == [2.0, 0.0, 0.0]
    assert out["s"].tolist() == [None, None, "text"]
    assert out["v"].tolist() == [[0, 0], [0, 0], [0, 1]]
    assert unstack_info(out, 1) == {}
    assert unstack_info(out, 0) == {"a": 1, "d": {"x": 2.0}}
    value = infos[2]["v"]  # type: ignore[index]
    value[:] = 9
    assert out["v"][2].tolist() == [0, 1]


def test_make_vec_says_how_many_workers_share_the_copies() -> None:
    env: Any = morl.make_vec("morl/MountainCar-v0", 3, vectorization_mode="async", num_workers=2, timeout=30.0)
    try:
        assert (env.num_envs, len(env.processes), env.timeout) == (3, 2, 30.0)
        assert env.reset(seed=0)[0].shape == (3, 2)
    finally:
        env.close()


def test_infos_of_groups_join_to_the_infos_of_all() -> None:
    each: list[dict[str, Any] | None] = [
        {"speed": 1.5, "mask": np.array([1, 0]), "who": "a", "deep": {"x": 1}, "odd": 1},
        {},
        {"speed": 2.5, "final_obs": np.array([3.0]), "odd": "text"},
        {"mask": np.array([0, 1]), "deep": {"x": 2, "y": 0.5}, "odd": 2},
    ]
    for cut in range(1, 4):
        groups = (each[:cut], each[cut:])
        joined, whole = join_infos([(len(g), stack_infos(g)) for g in groups]), stack_infos(each)
        assert set(joined) == set(whole)
        for i, info in enumerate(each):
            one, other = unstack_info(joined, i), unstack_info(whole, i)
            assert set(one) == set(other) == set(info or {})
            for key in one:
                np.testing.assert_equal(one[key], other[key])


class Sampler(gym.Env[Any, Any]):
    """Shows elements of any space, and in its info the action just as it came."""

    reward_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)

    def __init__(self, space: spaces.Space[Any], wrong: bool = False) -> None:
        self.observation_space, self.action_space = space, spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.render_mode, self.wrong = None, wrong

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        seen = np.zeros(1) if self.wrong else self.observation_space.sample()
        return seen, np.zeros(2), False, False, {"action": action, "type": str(action.dtype)}


PLAIN = spaces.Box(-1.0, 1.0, (2, 3), np.float32)
SPACES = [
    PLAIN,
    spaces.Discrete(5, start=2),
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiBinary(4),
    spaces.Text(6),
    spaces.Dict({"b": PLAIN, "a": spaces.Tuple((spaces.Discrete(3), spaces.Text(3)))}),
    spaces.OneOf((PLAIN, spaces.Discrete(3))),
    spaces.Sequence(spaces.Discrete(4)),
    spaces.Graph(PLAIN, spaces.Discrete(3)),
]


@pytest.mark.parametrize("space", SPACES, ids=lambda s: type(s).__name__)
def test_observations_of_any_space_and_actions_of_any_type_arrive(space: Any) -> None:
    """Whether they go through shared memory or a pipe, both forms show and are given the same."""
    makers = [lambda: Sampler(copy.deepcopy(space))] * 3
    sync, parallel = SyncVectorEnv(makers), AsyncVectorEnv(makers, num_workers=2)
    try:
        assert str(sync.reset(seed=4)) == str(parallel.reset(seed=4))
        for actions in (np.full((3, 2), 0.3, np.float32), np.full((3, 2), 0.3), [np.array([0.1, 0.2])] * 3):
            a, b = sync.step(actions), parallel.step(actions)
            assert str(a) == str(b)
            shown = str(b[0])
            parallel.step(actions)
            assert str(b[0]) == shown  # a batch is the caller's own
            sync.step(actions)
    finally:
        parallel.close()


@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
def test_an_observation_of_another_shape_than_the_space_is_named(kind: Any) -> None:
    vec = kind([lambda: Sampler(PLAIN, wrong=True)])
    vec.reset(seed=0)
    with pytest.raises(EnvError, match=r"environment 0 returned an observation of shape \(1,\); expected \(2, 3\)"):
        vec.step(np.zeros((1, 2), np.float32))
    vec.close()


_BOX, _PARTS = spaces.Box(-1, 1, (2,)), spaces.Dict({"a": spaces.Box(-1, 1, (2,)), "b": spaces.Discrete(2)})


@pytest.mark.parametrize(
    ("space", "observation", "problem"),
    [
        (_BOX, 0.5, "of shape (); expected (2,)"),
        (_BOX, None, "of shape (); expected (2,)"),
        (_BOX, [[1.0], [1.0, 2.0]], "of shape (); expected (2,)"),
        (_BOX, np.array(["a", "b"]), "of type <U1; expected float32"),
        (_BOX, np.zeros(2, complex), "of type complex128; expected float32"),
        (spaces.Box(0, 255, (2,), np.uint8), np.array([0.0, 300.5]), "of type float64; expected uint8"),
        (spaces.Discrete(5), 1.5, "of type float64; expected int64"),
        (_PARTS, {"a": np.float32(1), "b": 0}, "of shape () at ['a']; expected (2,)"),
        (_PARTS, {"a": np.zeros(2, np.float32)}, "expected a dict with 'a', 'b'"),
        (spaces.Tuple((spaces.Discrete(2), _PARTS)), (1, {"a": np.zeros(2), "b": 0.5}), "of type float64 at [1]['b']"),
        (spaces.Tuple((spaces.Discrete(2), _BOX)), (1,), "expected a tuple of 2"),
        (_BOX, [0.1, 0.2], ""),
        (spaces.Text(3), "ab", ""),
    ],
)
def test_what_does_not_fit_a_space_is_said(space: Any, observation: Any, problem: str) -> None:
    found = misfit(space, observation)
    assert problem in found
    assert bool(found) == bool(problem)

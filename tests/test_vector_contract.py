"""What Gymnasium's users expect of a vector environment holds for ours: the same names, the same answers."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections import namedtuple
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError
from gymnasium.vector import AutoresetMode

import morl
from morl.envs.vector import SyncVectorEnv
from morl.envs.vector.parallel import AsyncVectorEnv
from morl.envs.wrappers import LinearReward
from morl.spec import EnvError, MorlError

KINDS = [SyncVectorEnv, AsyncVectorEnv]


class Walk(gym.Env[Any, Any]):
    """A noisy walk between walls at ±high; rewards (step, −1), or one number."""

    def __init__(self, high: float = 3.0, shape: tuple[int, ...] = (2,), nap: float = 0.0) -> None:
        self.observation_space = spaces.Box(-high, high, shape, np.float64)
        self.action_space = spaces.Discrete(2)
        self.reward_space = spaces.Box(-1.0, 1.0, (2,), np.float64)
        self.high, self.nap, self.render_mode, self.gain = high, nap, None, 1.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-1, 1, self.observation_space.shape)
        return self.place.copy(), {"begun": True}

    def step(self, action: Any) -> Any:
        time.sleep(self.nap)
        self.place = self.place + (2 * int(action) - 1) * self.np_random.random() * self.gain
        over = bool(np.abs(self.place).max() >= self.high)
        self.place = np.clip(self.place, -self.high, self.high)
        return (
            self.place.copy(),
            np.array([2.0 * action - 1.0, -1.0]),
            over,
            False,
            {"place": float(self.place.flat[0])},
        )


def three(**options: Any) -> list[Any]:
    return [lambda: Walk(**options) for _ in range(3)]


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("kind", KINDS)
def test_episodes_are_those_of_gymnasium(kind: Any, mode: AutoresetMode) -> None:
    """Observations, flags and infos of every step; and the weighted reward, which Gymnasium's own form can carry."""
    theirs = gym.vector.SyncVectorEnv([lambda: LinearReward(Walk(), [0.75, 0.25])] * 3, autoreset_mode=mode)
    ours = kind(three(), mode)
    try:
        a, b = theirs.reset(seed=42), ours.reset(seed=42)
        np.testing.assert_equal(a, b)
        assert ours.np_random_seed == theirs.np_random_seed == (42, 43, 44)
        for t in range(30):
            actions = np.array([t % 2, 1, 0])
            x, y = theirs.step(actions), ours.step(actions)
            for i in (0, 2, 3):
                np.testing.assert_equal(x[i], y[i])
            np.testing.assert_allclose(x[1], y[1] @ [0.75, 0.25])
            mine = {k: v for k, v in x[4].items() if "vector_reward" not in k and "final" not in k}
            np.testing.assert_equal(mine, {k: v for k, v in y[4].items() if "final" not in k})
            done = y[2] | y[3]
            if mode is AutoresetMode.SAME_STEP and done.any():
                np.testing.assert_equal(x[4]["final_obs"].tolist(), y[4]["final_obs"].tolist())
            if mode is AutoresetMode.DISABLED and done.any():
                np.testing.assert_equal(
                    theirs.reset(options={"reset_mask": done.copy()}), ours.reset(options={"reset_mask": done.copy()})
                )
    finally:
        ours.close()


def test_generators_are_those_of_the_copies() -> None:
    for kind in KINDS:
        vec = kind(three())
        vec.reset(seed=[7, 11, 13])
        assert vec.np_random_seed == (7, 11, 13)
        assert [g.random() for g in vec.np_random] == [Walk().reset(seed=s) and _third(s) for s in (7, 11, 13)]
        vec.close()


def _third(seed: int) -> float:
    """What a copy draws after its first two."""
    generator = np.random.default_rng(seed)
    generator = gym.utils.seeding.np_random(seed)[0]
    generator.uniform(-1, 1, 2)
    return float(generator.random())


def test_one_integer_seeds_a_native_batch() -> None:
    vec = morl.make_vec("morl/MountainCar-v0", 4)
    vec.reset(seed=9)
    assert vec.np_random_seed == 9


@pytest.mark.parametrize("kind", KINDS)
def test_attributes_are_set_for_all_or_each(kind: Any) -> None:
    vec = kind(three())
    vec.set_attr("gain", 5.0)
    assert vec.get_attr("gain") == (5.0, 5.0, 5.0)
    vec.set_attr("gain", [1.0, 2.0, 3.0])
    assert vec.get_attr("gain") == (1.0, 2.0, 3.0)
    with pytest.raises(EnvError, match="2 values are given; expected 3"):
        vec.set_attr("gain", (1.0, 2.0))
    vec.close()


def test_calls_in_two_halves() -> None:
    one, two = AsyncVectorEnv(three(), num_workers=2), AsyncVectorEnv(three(), num_workers=2)
    try:
        one.reset_async(seed=5)
        np.testing.assert_equal(one.reset_wait(), two.reset(seed=5))
        for t in range(8):
            actions = np.array([1, t % 2, 0])
            one.step_async(actions)
            np.testing.assert_equal(one.step_wait(), two.step(actions))
        mask = np.array([False, True, False])
        one.reset_async(seed=6, options={"reset_mask": mask})
        np.testing.assert_equal(one.reset_wait(), two.reset(seed=6, options={"reset_mask": mask}))
        one.call_async("get_wrapper_attr", "high")
        assert one.call_wait() == (3.0, 3.0, 3.0)
    finally:
        one.close()
        two.close()


def test_halves_that_do_not_belong_together_are_refused() -> None:
    vec = AsyncVectorEnv(three(), num_workers=1)
    actions = np.zeros(3, dtype=int)
    with pytest.raises(NoAsyncCallError, match="step_wait was called without step_async"):
        vec.step_wait()
    vec.reset(seed=0)
    vec.step_async(actions)
    for call in (lambda: vec.step_async(actions), vec.reset_async, lambda: vec.step(actions), vec.reset):
        with pytest.raises(AlreadyPendingCallError, match=r"call step_wait\(\) first") as error:
            call()
        assert isinstance(error.value, EnvError)
    for call in (lambda: vec.get_attr("gain"), lambda: vec.set_attr("gain", 1.0)):
        with pytest.raises(EnvError, match=r"call step_wait\(\) first"):
            call()
    with pytest.raises(NoAsyncCallError):
        vec.reset_wait()
    assert vec.step_wait()[1].shape == (3, 2)
    vec.close()
    for late in (lambda: vec.step_async(actions), vec.step_wait, lambda: vec.get_attr("gain"), vec.reset_wait):
        with pytest.raises(ClosedEnvironmentError, match="closed; make a new one"):
            late()


def test_a_half_that_takes_too_long_is_a_timeout_for_everybody() -> None:
    vec = AsyncVectorEnv(three(nap=600.0), num_workers=3)
    vec.reset(seed=0)
    vec.step_async(np.zeros(3, dtype=int))
    with pytest.raises(multiprocessing.TimeoutError, match=r"gave no answer in 0.2 s"):
        vec.step_wait(timeout=0.2)
    for process in vec.processes:
        process.join(60)
        assert not process.is_alive()


@pytest.mark.parametrize("kind", KINDS)
def test_spaces_that_differ_in_their_bounds(kind: Any) -> None:
    makers = [lambda: Walk(high=2.0), lambda: Walk(high=5.0)]
    with pytest.raises(EnvError, match=r"environment 1 has observation_space.*observation_mode='different'"):
        kind(makers)
    vec = kind(makers, observation_mode="different")
    theirs = gym.vector.SyncVectorEnv(
        [lambda m=m: LinearReward(m(), [1, 0]) for m in makers], observation_mode="different"
    )  # type: ignore[misc]
    assert vec.observation_space == theirs.observation_space
    assert vec.observation_space.high.tolist() == [[2.0, 2.0], [5.0, 5.0]]
    assert vec.observation_space.contains(vec.reset(seed=0)[0])
    vec.close()
    both = spaces.Box(-9.0, 9.0, (2, 2), np.float64), spaces.Box(-9.0, 9.0, (2,), np.float64)
    vec = kind(makers, observation_mode=both)
    assert (vec.observation_space, vec.single_observation_space) == both
    assert vec.reset(seed=0)[0].shape == (2, 2)
    vec.close()
    with pytest.raises(EnvError, match="environment 1 has observation_space"):
        kind([Walk, lambda: Walk(shape=(3,))], observation_mode="different")
    for wrong in ("equal", 3, (both[0], "box")):
        with pytest.raises(EnvError, match=r"observation_mode is .*expected 'same', 'different' or a pair"):
            kind(makers, observation_mode=wrong)


def test_copies_that_differ_are_found_in_whichever_process() -> None:
    made: list[int] = []

    def maker() -> Any:  # the first is an example, and closed
        made.append(1)
        return Walk()

    with pytest.raises(EnvError, match="environment 1 has observation_space"):
        AsyncVectorEnv([maker, lambda: Walk(shape=(4,))], num_workers=2)


@pytest.mark.parametrize("shared", [True, False])
def test_observations_are_fresh_unless_one_asks_for_the_buffer(shared: bool) -> None:
    actions = np.ones(3, dtype=int)
    for make in (
        lambda copy: SyncVectorEnv(three(), copy=copy),
        lambda copy: AsyncVectorEnv(three(), copy=copy, shared_memory=shared, num_workers=2),
    ):
        for copy in (True, False):
            vec = make(copy)
            first, _ = vec.reset(seed=0)
            kept = first.copy()
            second = vec.step(actions)[0]
            assert np.shares_memory(first, second) is not copy
            assert (first == kept).all() == copy
            assert not (second == kept).all()
            vec.close()


@pytest.mark.parametrize("kind", KINDS)
def test_closing_twice_does_nothing(kind: Any) -> None:
    vec = kind(three())
    vec.reset(seed=0)
    vec.close()
    vec.close()
    assert vec.closed
    pending = AsyncVectorEnv(three(), num_workers=1)
    pending.reset_async()
    pending.close(terminate=True)
    pending.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [None, 3, [3], "walk"])
def test_only_functions_make_copies(kind: Any, given: Any) -> None:
    with pytest.raises(EnvError, match="expected functions, each of which makes one"):
        kind(given)


@pytest.mark.parametrize("number", [0, -1, True, 1.5, float("inf"), float("nan"), "2", None])
@pytest.mark.parametrize("mode", ["native", "sync", "async"])
def test_numbers_of_copies_that_make_no_sense(mode: str, number: Any) -> None:
    with pytest.raises(EnvError, match=r"num_envs is .*; expected a positive integer"):
        morl.make_vec("morl/DeepSeaTreasure-v0", number, vectorization_mode=mode)


@pytest.mark.parametrize("number", [0, -1, True, 2.5, float("inf"), float("nan"), "1e400"])
def test_numbers_of_copies_that_an_agent_refuses(number: Any) -> None:
    from morl.agents import PCN

    with pytest.raises(MorlError, match=r"n_envs is .*; expected"):
        PCN("morl/DeepSeaTreasure-v0", n_envs=number)


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ({"num_workers": 0}, "num_workers is 0; expected a positive number"),
        ({"num_workers": True}, "num_workers is True"),
        ({"num_workers": 1.5}, "num_workers is 1.5"),
        ({"context": "thread"}, "context is 'thread'; expected one of"),
        ({"timeout": -1.0}, "timeout is -1.0; expected a positive number of seconds"),
        ({"timeout": float("nan")}, "timeout is nan"),
    ],
)
def test_options_of_workers_that_make_no_sense(option: Any, match: str) -> None:
    with pytest.raises(EnvError, match=match):
        AsyncVectorEnv(three(), **option)


# ---- where there is little shared memory, and where the parent dies ---------------------------------------------

Room = namedtuple("Room", "f_bavail f_frsize")


def test_observations_are_sent_where_shared_memory_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen megabytes of observations, and one of room: rewards are shared, observations go through the pipe."""
    monkeypatch.setattr(os, "statvfs", lambda path: Room(1 << 20, 1))
    makers = [lambda: Walk(shape=(1000, 700))] * 3
    vec, plain = AsyncVectorEnv(makers, num_workers=2), SyncVectorEnv(makers)
    assert not vec._board.shows_observations
    np.testing.assert_equal(vec.reset(seed=1), plain.reset(seed=1))
    actions = np.array([0, 1, 0])
    np.testing.assert_equal(vec.step(actions), plain.step(actions))
    vec.close()


def test_no_shared_memory_at_all_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: Room(0, 4096))
    with pytest.raises(EnvError, match=r"shared memory for the rewards of 3 environments.*make room in /dev/shm"):
        AsyncVectorEnv(three())


ORPHANS = """
import os, sys, numpy as np
sys.path.insert(0, {folder!r})
from test_vector_contract import Walk
from morl.envs.vector.parallel import AsyncVectorEnv

if __name__ == "__main__":
    vec = AsyncVectorEnv([Walk] * 4, num_workers=3, context={context!r})
    vec.reset(seed=0)
    print(*[p.pid for p in vec.processes], flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.slow), "forkserver"])
def test_workers_end_with_the_process_that_started_them(context: str, tmp_path: Any) -> None:
    """However it ends: nobody is left to tell them."""
    if context not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this platform")
    script = tmp_path / "parent.py"
    script.write_text(ORPHANS.format(folder=os.path.dirname(__file__), context=context))
    done = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, check=False, timeout=300)
    assert_gone([int(word) for word in done.stdout.split()], 3)


POOL = """
import os, time
from concurrent.futures import ProcessPoolExecutor
import multiprocessing
from morl.engines.processes import end_with_parent

if __name__ == "__main__":
    context = multiprocessing.get_context({context!r})
    pool = ProcessPoolExecutor(2, mp_context=context, initializer=end_with_parent)
    busy = [pool.submit(time.sleep, 3000) for _ in range(2)]
    while not all(future.running() for future in busy):
        time.sleep(0.05)
    print(*pool._processes, flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
def test_workers_of_a_pool_end_with_it_too(context: str, tmp_path: Any) -> None:
    """Even in the middle of a task."""
    if context not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this platform")
    script = tmp_path / "parent.py"
    script.write_text(POOL.format(context=context))
    done = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, check=False, timeout=300)
    assert_gone([int(word) for word in done.stdout.split()], 2)


def assert_gone(pids: list[int], n: int) -> None:
    """All n processes have ended, or do within two minutes."""
    assert len(pids) == n
    until = time.monotonic() + 120
    while any(_lives(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(_lives(pid) for pid in pids)


def _lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected by whoever adopted it does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False

"""The other end of a parallel vector environment: a process that owns a group of environments and answers messages."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import selectors
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from gymnasium.vector import AutoresetMode

from morl.envs.failures import described
from morl.envs.vector.board import Board, Memory
from morl.envs.vector.infos import stack_infos, without_full_masks
from morl.envs.vector.subenv import SubEnv
from morl.spec import MorlError

_ALERT = 3e-4
"""Seconds that a worker looks out for the next message before it sleeps. A learner that does little between steps asks
again sooner than a sleeping process wakes, above all on virtual machines."""

_PULSE = 2.0
"""Seconds after which a sleeping worker asks whether the process that started it still lives."""

_let_others: Callable[[], object] = getattr(os, "sched_yield", lambda: time.sleep(0))


class Waiter:
    """Waits for the same things many times: what they are is told to the system once.

    Args:
        things: connections, and sentinels of processes.
    """

    def __init__(self, *things: Any) -> None:
        self._things = things
        # Windows, which has no poll, knows such things by another call.
        self._selector = selectors.PollSelector() if hasattr(selectors, "PollSelector") else None
        if self._selector is not None:
            for thing in things:
                self._selector.register(thing, selectors.EVENT_READ)

    def wait(self, timeout: float | None) -> bool:
        """Whether any of them is ready after at most ``timeout`` seconds."""
        return bool(wait(self._things, timeout) if self._selector is None else self._selector.select(timeout))

    def watch(self, seconds: float) -> bool:
        """Stay awake until one is ready, for a while; whoever else wants the core gets it. Whether one is."""
        until = time.perf_counter() + seconds
        while not self.wait(0):
            if time.perf_counter() > until:
                return False
            _let_others()
        return True

    def close(self) -> None:
        """Forget them."""
        if self._selector is not None:
            self._selector.close()


def tell(pipe: Connection, *message: Any) -> None:
    """Send a message by the plain pickler, in half the time of the one that can also send connections."""
    pipe.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


def work(
    pipe: Connection,
    fns: Any,
    group: list[int],
    mode: AutoresetMode,
    memory: Memory,
    check: Callable[[Any, int], None],
) -> None:
    """The life of a worker: make environments, answer until told to close, report every exception with its traceback.

    Args:
        pipe: to the process that steps the environments; the worker ends when that process does.
        fns: wrapped functions that make the environments.
        group: their numbers, contiguous.
        mode: the autoreset mode.
        memory: what is shared with that process.
        check: called with every environment and its number; raises where it differs from the others.
    """
    parent = os.getppid()
    try:
        envs = []
        for i, make in zip(group, fns.fn, strict=True):
            envs.append(make())
            check(envs[-1], i)
        subs = [SubEnv(env, memory.k, mode, i) for i, env in zip(group, envs, strict=True)]
        desk = _Desk(group, subs, Board(memory))
        tell(pipe, "ok", [])
    except Exception as error:
        tell(pipe, "error", (f"an environment could not be made: {described(error)}", traceback.format_exc()))
        return
    for kind, *message in _messages(pipe, parent):
        try:
            tell(pipe, "ok", getattr(desk, kind)(*message))
        except KeyboardInterrupt:
            break
        except OSError:  # nobody is there to be told
            break
        except Exception as error:
            text = str(error) if isinstance(error, MorlError) else described(error)
            tell(pipe, "error", (text, traceback.format_exc()))
    for env in envs:
        with contextlib.suppress(Exception):
            env.close()
    pipe.close()


def _messages(pipe: Connection, parent: int) -> Iterator[tuple[Any, ...]]:
    """Messages, until one says close or the process that sends them is gone.

    The pipe alone does not tell: forked workers inherit each other's ends of it.
    """
    above = multiprocessing.parent_process()
    mail = Waiter(pipe)
    post = mail if above is None else Waiter(pipe, above.sentinel)
    while True:
        try:
            while not mail.watch(_ALERT):
                if not post.wait(_PULSE):
                    if os.getppid() != parent:
                        return
                elif not mail.wait(0):  # it was the sentinel
                    return
            message = pipe.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        if message[0] == "close":
            return
        yield message


class _Desk:
    """What a worker can be asked to do; each method answers one kind of message."""

    def __init__(self, group: list[int], subs: list[SubEnv], board: Board) -> None:
        self.group, self.subs, self.board = group, subs, board
        self.by_number = dict(zip(group, subs, strict=True))
        self.rows = slice(group[0], group[-1] + 1)

    def _share(self, i: int, observation: Any) -> Any:
        """What must be sent of an observation."""
        if not self.board.shows_observations:
            return observation
        self.board.put_observation(i, observation)
        return None

    def reset(self, seeds: dict[int, int | None], options: dict[str, Any] | None) -> list[Any]:
        """Start some of the environments."""
        answer = []
        for i, seed in seeds.items():
            observation, info = self.by_number[i].reset(seed, options)
            answer.append((i, self._share(i, observation), info))
        return answer

    def step(self, actions: list[Any] | None) -> list[Any]:
        """Move all environments; actions are on the board where they are not sent."""
        chosen = actions or map(self.board.action, self.group)
        moved = [sub.step(action) for sub, action in zip(self.subs, chosen, strict=True)]
        self.board.rewards[self.rows] = [one.reward for one in moved]
        self.board.ends[self.rows] = [(one.terminated, one.truncated) for one in moved]
        seen = [self._share(i, one.observation) for i, one in zip(self.group, moved, strict=True)]
        return [(seen, without_full_masks(stack_infos([one.info for one in moved])))]

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """Call a method of every environment, or read an attribute."""
        found = [sub.env.get_wrapper_attr(name) for sub in self.subs]
        return [thing(*args, **kwargs) if callable(thing) else thing for thing in found]

    def set(self, name: str, values: dict[int, Any]) -> list[Any]:
        """Set an attribute of every environment."""
        for i, sub in self.by_number.items():
            sub.env.set_wrapper_attr(name, values[i])
        return []

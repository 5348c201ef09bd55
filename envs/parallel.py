"""A vector environment whose copies live in worker processes.

Each worker owns a group of copies, so 64 environments on two cores cost two processes and two messages a step. Actions,
observations, rewards and flags go through shared memory (:mod:`morl.envs.board`); a message says when, and brings
infos. A worker that raises or dies is reported with its traceback; nothing waits for it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import selectors
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import CloudpickleWrapper

from morl.envs.board import Board, Memory
from morl.envs.copies import AllMoved, Copy
from morl.envs.core import Info, mo_spec
from morl.envs.infos import join_infos, stack_infos, without_full_masks
from morl.envs.vector import CopiesVectorEnv, EnvFn, check_same
from morl.spec import EnvError

_GRACE = 5.0
"""Seconds that workers get to close their environments before they are terminated."""

_ALERT = 3e-4
"""Seconds that a worker looks out for the next message before it sleeps. A learner that does little between steps asks
again sooner than a sleeping process wakes, above all on virtual machines."""

_let_others: Callable[[], object] = getattr(os, "sched_yield", lambda: time.sleep(0))


class AsyncVectorEnv(CopiesVectorEnv):
    """Copies stepped at the same time by worker processes.

    Args:
        env_fns: one function per copy (anything cloudpickle can send, or anything at all under ``fork``).
        autoreset_mode: one of Gymnasium's modes.
        num_workers: processes; by default one per core, and never more than copies.
        context: multiprocessing start method (``"fork"``, ``"spawn"``, ``"forkserver"``); the platform's by default.
        timeout: seconds to wait for a step before giving up; ``None`` waits as long as the workers live.

    Raises:
        EnvError: copies that differ, or a worker that fails; its traceback is in the message.
    """

    def __init__(
        self,
        env_fns: Sequence[EnvFn],
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        num_workers: int | None = None,
        context: str | None = None,
        timeout: float | None = None,
    ) -> None:
        self.closed = True  # until there is something to close
        if not env_fns:
            raise EnvError("no environments given; expected at least one function that makes one")
        if num_workers is not None and num_workers < 1:
            raise EnvError(f"num_workers is {num_workers}; expected a positive number of processes")
        example = env_fns[0]()
        try:
            spec = mo_spec(example)
            super().__init__(spec, example, len(env_fns), autoreset_mode)
        finally:
            example.close()
        self.timeout = timeout
        made: Any = multiprocessing.get_context(context)
        n = self.num_envs
        workers = min(n, num_workers or _cores())
        self._groups = [list(map(int, g)) for g in np.array_split(np.arange(n), workers)]
        memory = Memory.allocate(made, n, spec.k, self.single_observation_space, self.single_action_space)
        self._board = Board(memory)
        self._sent: list[Any] = [None] * n  # observations that do not fit into shared memory
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        self._waiters: list[_Waiter] = []
        self.closed = False
        for number, group in enumerate(self._groups):
            here, there = made.Pipe()
            fns = CloudpickleWrapper([env_fns[i] for i in group])  # type: ignore[arg-type]
            args = (there, fns, group, self.autoreset_mode, memory)
            process = made.Process(target=_work, args=args, name=f"morl-envs-{number}", daemon=True)
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)
            self._waiters.append(_Waiter(here, process.sentinel))
        with self._closing_on_error():
            for number in range(len(self._groups)):
                self._receive(number)

    # ---- talking to the workers -------------------------------------------------------------------------

    @contextlib.contextmanager
    def _closing_on_error(self) -> Any:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _send(self, number: int, *message: Any) -> None:
        try:
            _tell(self._pipes[number], *message)
        except (BrokenPipeError, OSError):
            self._report_death(number)

    def _receive(self, number: int) -> Any:
        """A worker's answer.

        Raises:
            EnvError: it raised, died, or took longer than ``timeout``.
        """
        if not self._waiters[number].wait(self.timeout):
            self.close()
            raise EnvError(
                f"worker {number} (environments {_span(self._groups[number])}) gave no answer in {self.timeout} s"
            )
        try:
            kind, payload = self._pipes[number].recv()
        except (EOFError, OSError):
            self._report_death(number)
        if kind == "error":
            self._started = False  # some copies have moved and some have not: start over
            message, trace = payload
            raise EnvError(f"{message}\n--- traceback of worker {number} ---\n{trace.rstrip()}")
        return payload

    def _report_death(self, number: int) -> Any:
        process = self._processes[number]
        process.join(_GRACE)
        code = process.exitcode
        self.close()
        raise EnvError(
            f"worker {number} (environments {_span(self._groups[number])}) died with exit code {code}; "
            "it left no traceback: it was killed, ran out of memory, or crashed in native code"
        )

    def _all(self, *message: Any) -> list[Any]:
        """Send one message to every worker; their answers, joined in the order of the copies."""
        for number in range(len(self._groups)):
            self._send(number, *message)
        return self._collect(range(len(self._groups)))

    def _collect(self, numbers: Any) -> list[Any]:
        joined: list[Any] = []
        failure: EnvError | None = None
        for number in numbers:  # hear everyone out, so that no stale answer is left in a pipe
            try:
                joined.extend(self._receive(number))
            except EnvError as error:
                failure = failure or error
                if self.closed:
                    break
        if failure is not None:
            raise failure
        return joined

    def _alive(self) -> None:
        if self.closed:
            raise EnvError("the vector environment is closed; make a new one")

    # ---- what CopiesVectorEnv asks for --------------------------------------------------------------------

    def _reset_copies(
        self, which: Sequence[int], seeds: Sequence[int | None], options: dict[str, Any] | None
    ) -> list[Info]:
        self._alive()
        wanted = dict(zip(which, seeds, strict=True))
        busy = [number for number, group in enumerate(self._groups) if any(i in wanted for i in group)]
        for number in busy:
            group = self._groups[number]
            self._send(number, "reset", {i: wanted[i] for i in group if i in wanted}, options)
        infos = []
        for i, sent, info in self._collect(busy):
            self._sent[i] = sent
            infos.append(info)
        return infos

    def _step_copies(self, actions: Any) -> AllMoved:
        self._alive()
        board = self._board
        chosen = None if board.put_actions(actions) else self._one_by_one(actions)
        for number, group in enumerate(self._groups):
            self._send(number, "step", chosen and [chosen[i] for i in group])
        told = self._collect(range(len(self._groups)))  # one answer per worker: what it can do is not left to us
        if not board.shows_observations:
            self._sent = [observation for sent, _ in told for observation in sent]
        infos = [info for _, info in told]
        joined = join_infos([(len(g), i) for g, i in zip(self._groups, infos, strict=True)]) if any(infos) else {}
        return AllMoved(board.rewards.copy(), *board.flags, joined)

    def _observed(self) -> Any:
        return self._board.observations() if self._board.shows_observations else self._stack(self._sent)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every copy, or read an attribute; results in order."""
        self._alive()
        return tuple(self._all("call", name, args, kwargs))

    def close_extras(self, **kwargs: Any) -> None:
        """Close all copies and end the workers."""
        for pipe in getattr(self, "_pipes", ()):
            with contextlib.suppress(BrokenPipeError, OSError):
                _tell(pipe, "close")
        for process in getattr(self, "_processes", ()):
            process.join(_GRACE if self.timeout is None else min(_GRACE, self.timeout))
            if process.is_alive():
                process.terminate()
                process.join(_GRACE)
        for waiter in getattr(self, "_waiters", ()):
            waiter.close()
        for pipe in getattr(self, "_pipes", ()):
            pipe.close()

    def __del__(self) -> None:
        if not getattr(self, "closed", True):
            with contextlib.suppress(Exception):
                self.close()


def _cores() -> int:
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on every platform
        return max(1, os.cpu_count() or 1)


def _span(group: list[int]) -> str:
    return str(group[0]) if len(group) == 1 else f"{group[0]}–{group[-1]}"


class _Waiter:
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

    def watch(self, seconds: float) -> None:
        """Stay awake until one is ready, for a while; whoever else wants the core gets it."""
        until = time.perf_counter() + seconds
        while not self.wait(0) and time.perf_counter() < until:
            _let_others()

    def close(self) -> None:
        """Forget them."""
        if self._selector is not None:
            self._selector.close()


def _tell(pipe: Connection, *message: Any) -> None:
    """Send a message by the plain pickler, in half the time of the one that can also send connections."""
    pipe.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


def _work(pipe: Connection, fns: Any, group: list[int], mode: AutoresetMode, memory: Memory) -> None:
    """The life of a worker: make its copies, answer until told to close, report every exception with its traceback."""
    copies: list[Copy] = []
    try:
        envs = [make() for make in fns.fn]
        for i, env in zip(group, envs, strict=True):
            check_same(envs[0], env, i)
        k = mo_spec(envs[0]).k
        copies = [Copy(env, k, mode, i) for i, env in zip(group, envs, strict=True)]
        board = Board(memory)
        _tell(pipe, "ok", [])
    except Exception as error:
        _tell(pipe, "error", (f"a copy could not be made: {type(error).__name__}: {error}", traceback.format_exc()))
        return
    by_number = dict(zip(group, copies, strict=True))
    rows = slice(group[0], group[-1] + 1)  # groups are contiguous

    def share(i: int, observation: Any) -> Any:
        """What must be sent of an observation."""
        if not board.shows_observations:
            return observation
        board.put_observation(i, observation)
        return None

    post = _Waiter(pipe)
    while True:
        try:
            post.watch(_ALERT)
            kind, *message = pipe.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            break
        if kind == "close":
            break
        try:
            answer: list[Any] = []
            if kind == "reset":
                for i, seed in message[0].items():
                    observation, info = by_number[i].reset(seed, message[1])
                    answer.append((i, share(i, observation), info))
            elif kind == "step":
                chosen = message[0] or map(board.action, group)
                moved = [copy.step(action) for copy, action in zip(copies, chosen, strict=True)]
                board.rewards[rows] = [one.reward for one in moved]
                board.ends[rows] = [(one.terminated, one.truncated) for one in moved]
                seen = [share(i, one.observation) for i, one in zip(group, moved, strict=True)]
                answer.append((seen, without_full_masks(stack_infos([one.info for one in moved]))))
            else:
                name, args, kwargs = message
                for copy in copies:
                    found = copy.env.get_wrapper_attr(name)
                    answer.append(found(*args, **kwargs) if callable(found) else found)
            _tell(pipe, "ok", answer)
        except KeyboardInterrupt:
            break
        except Exception as error:
            _tell(pipe, "error", (f"{type(error).__name__}: {error}", traceback.format_exc()))
    for copy in copies:
        with contextlib.suppress(Exception):
            copy.env.close()
    pipe.close()

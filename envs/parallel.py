"""A vector environment whose copies live in worker processes, with observations and rewards in shared memory.

Each worker owns a group of copies, so 64 environments on two cores cost two processes and two messages a step.
A worker that raises or dies is reported with its traceback; nothing waits for it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np
from gymnasium.error import CustomSpaceError
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import (
    CloudpickleWrapper,
    create_shared_memory,
    read_from_shared_memory,
    write_to_shared_memory,
)

from morl.envs.copies import AllMoved, Copy
from morl.envs.core import Info, mo_spec
from morl.envs.infos import join_infos, stack_infos
from morl.envs.vector import CopiesVectorEnv, EnvFn, check_same
from morl.spec import EnvError

_GRACE = 5.0
"""Seconds that workers get to close their environments before they are terminated."""


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
        try:
            self._memory: Any = create_shared_memory(self.single_observation_space, n, ctx=made)
        except CustomSpaceError:
            self._memory = None
        self._raw = made.RawArray("d", n * spec.k)
        self._flags = made.RawArray("b", n * 2)
        self._rewards = np.frombuffer(self._raw).reshape(n, spec.k)
        self._ends = np.frombuffer(self._flags, dtype=np.int8).reshape(n, 2)
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        self.closed = False
        for number, group in enumerate(self._groups):
            here, there = made.Pipe()
            fns = CloudpickleWrapper([env_fns[i] for i in group])  # type: ignore[arg-type]
            args = (there, fns, group, n, self.autoreset_mode, self._memory, self._raw, self._flags)
            process = made.Process(target=_work, args=args, name=f"morl-envs-{number}", daemon=True)
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)
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
            self._pipes[number].send(message)
        except (BrokenPipeError, OSError):
            self._report_death(number)

    def _receive(self, number: int) -> Any:
        """A worker's answer.

        Raises:
            EnvError: it raised, died, or took longer than ``timeout``.
        """
        pipe, process = self._pipes[number], self._processes[number]
        ready = wait([pipe, process.sentinel], self.timeout)
        if not ready:
            self.close()
            raise EnvError(
                f"worker {number} (environments {_span(self._groups[number])}) gave no answer in {self.timeout} s"
            )
        try:
            kind, payload = pipe.recv()
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
    ) -> list[tuple[Any, Info]]:
        self._alive()
        wanted = dict(zip(which, seeds, strict=True))
        busy = [number for number, group in enumerate(self._groups) if any(i in wanted for i in group)]
        for number in busy:
            group = self._groups[number]
            self._send(number, "reset", {i: wanted[i] for i in group if i in wanted}, options)
        told = self._collect(busy)
        observations = self._observations(told)
        return [(observations[i], info) for i, _, info in told]

    def _step_copies(self, actions: list[Any]) -> AllMoved:
        self._alive()
        for number, group in enumerate(self._groups):
            self._send(number, "step", [actions[i] for i in group])
        told = self._collect(range(len(self._groups)))  # one answer per worker: what it can do is not left to us
        if self._memory is None:
            observations = [observation for part, _ in told for observation in part]
        else:
            shared = read_from_shared_memory(self.single_observation_space, self._memory, self.num_envs)
            observations = [_entry(shared, i) for i in range(self.num_envs)]
        infos = [info for _, info in told]
        joined = join_infos([(len(g), i) for g, i in zip(self._groups, infos, strict=True)]) if any(infos) else {}
        ends = self._ends.astype(bool)
        return AllMoved(observations, self._rewards.copy(), ends[:, 0], ends[:, 1], joined)

    def _observations(self, told: list[Any]) -> dict[int, Any]:
        if self._memory is None:
            return {i: observation for i, observation, _ in told}
        shared = read_from_shared_memory(self.single_observation_space, self._memory, self.num_envs)
        return {i: _entry(shared, i) for i, _, _ in told}

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every copy, or read an attribute; results in order."""
        self._alive()
        return tuple(self._all("call", name, args, kwargs))

    def close_extras(self, **kwargs: Any) -> None:
        """Close all copies and end the workers."""
        for pipe in getattr(self, "_pipes", ()):
            with contextlib.suppress(BrokenPipeError, OSError):
                pipe.send(("close",))
        for process in getattr(self, "_processes", ()):
            process.join(_GRACE if self.timeout is None else min(_GRACE, self.timeout))
            if process.is_alive():
                process.terminate()
                process.join(_GRACE)
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


def _entry(shared: Any, i: int) -> Any:
    """A fresh copy of entry i of batched observations, through dictionaries and tuples."""
    if isinstance(shared, dict):
        return {key: _entry(value, i) for key, value in shared.items()}
    if isinstance(shared, tuple) and not isinstance(shared, str):
        return tuple(_entry(value, i) for value in shared) if not isinstance(shared[0], str) else shared[i]
    return np.array(shared[i])


def _work(
    pipe: Connection, fns: Any, group: list[int], n: int, mode: AutoresetMode, memory: Any, raw: Any, flags: Any
) -> None:
    """The life of a worker: make its copies, answer until told to close, report every exception with its traceback."""
    copies: list[Copy] = []
    try:
        envs = [make() for make in fns.fn]
        for i, env in zip(group, envs, strict=True):
            check_same(envs[0], env, i)
        k = mo_spec(envs[0]).k
        space = envs[0].observation_space
        copies = [Copy(env, k, mode, i) for i, env in zip(group, envs, strict=True)]
        rewards = np.frombuffer(raw).reshape(n, k)
        ends = np.frombuffer(flags, dtype=np.int8).reshape(n, 2)
        pipe.send(("ok", []))
    except Exception as error:
        pipe.send(("error", (f"a copy could not be made: {type(error).__name__}: {error}", traceback.format_exc())))
        return
    by_number = dict(zip(group, copies, strict=True))

    def share(i: int, observation: Any) -> Any:
        if memory is None:
            return observation
        write_to_shared_memory(space, i, observation, memory)
        return None

    while True:
        try:
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
                moved = [copy.step(action) for copy, action in zip(copies, message[0], strict=True)]
                for i, one in zip(group, moved, strict=True):
                    rewards[i], ends[i] = one.reward, (one.terminated, one.truncated)
                seen = [share(i, one.observation) for i, one in zip(group, moved, strict=True)]
                answer.append((seen, stack_infos([one.info for one in moved])))
            else:
                name, args, kwargs = message
                for copy in copies:
                    found = copy.env.get_wrapper_attr(name)
                    answer.append(found(*args, **kwargs) if callable(found) else found)
            pipe.send(("ok", answer))
        except KeyboardInterrupt:
            break
        except Exception as error:
            pipe.send(("error", (f"{type(error).__name__}: {error}", traceback.format_exc())))
    for copy in copies:
        with contextlib.suppress(Exception):
            copy.env.close()
    pipe.close()

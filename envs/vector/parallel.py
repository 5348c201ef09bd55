"""A vector environment whose environments live in worker processes.

Each worker owns a group of them, so 64 environments on two cores cost two processes and two messages a step. Actions,
observations, rewards and flags go through shared memory (:mod:`morl.envs.vector.board`); a message says when, and
brings infos. A worker that raises or dies is reported with its traceback; nothing waits for it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import CloudpickleWrapper, batch_differing_spaces

from morl.envs.core import Info, mo_spec
from morl.envs.vector.board import Board, Memory
from morl.envs.vector.errors import ClosedError, NothingPendingError, PendingError, WorkerTimeoutError
from morl.envs.vector.infos import join_infos
from morl.envs.vector.subenv import AllMoved
from morl.envs.vector.sync import EnvFn, ObservationMode, SubEnvsVectorEnv, given_functions
from morl.envs.vector.worker import Waiter, tell, work
from morl.spec import BoolArray, EnvError, FloatArray

_GRACE = 5.0
"""Seconds that workers get to close their environments before they are terminated."""


class AsyncVectorEnv(SubEnvsVectorEnv):
    """Environments stepped at the same time by worker processes.

    Args:
        env_fns: one function per environment (anything cloudpickle can send, or anything at all under ``fork``).
        autoreset_mode: one of Gymnasium's modes.
        num_workers: processes; by default one per core, and never more than environments.
        context: multiprocessing start method (``"fork"``, ``"spawn"``, ``"forkserver"``); the platform's by default.
        timeout: seconds to wait for a step before giving up; ``None`` waits as long as the workers live.
        observation_mode: ``"same"``, ``"different"`` or two spaces; see
            :func:`morl.envs.vector.batched_observations`.
        copy: observations are fresh arrays; otherwise they may be the memory that the next step overwrites.
        shared_memory: show observations in shared memory, where it has room and they have a fixed size; otherwise
            they are sent.

    Raises:
        EnvError: environments that differ, or a worker that fails; its traceback is in the message.
    """

    def __init__(
        self,
        env_fns: Sequence[EnvFn],
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        num_workers: int | None = None,
        context: str | None = None,
        timeout: float | None = None,
        *,
        observation_mode: ObservationMode = "same",
        copy: bool = True,
        shared_memory: bool = True,
    ) -> None:
        self.closed = True  # until there is something to close
        env_fns = given_functions(env_fns)
        workers = _positive(num_workers, len(env_fns))
        if timeout is not None and not timeout > 0:
            raise EnvError(f"timeout is {timeout!r}; expected a positive number of seconds, or None")
        example = env_fns[0]()
        try:
            spec = mo_spec(example)
            super().__init__(spec, example, env_fns, autoreset_mode, observation_mode, copy)
        finally:
            example.close()
        self.timeout = timeout
        made = _context(context)
        n = self.num_envs
        self._groups = [list(map(int, g)) for g in np.array_split(np.arange(n), workers)]
        observed = self.single_observation_space if shared_memory else None
        memory = Memory.allocate(made, n, spec.k, observed, self.single_action_space)
        self._board = Board(memory)
        self._sent: list[Any] = [None] * n  # observations that do not fit into shared memory
        self._pipes: list[Connection] = []
        self.processes: list[Any] = []
        self._waiters: list[Waiter] = []
        self._pending: tuple[str, Callable[[float | None], Any]] | None = None
        self.closed = False
        for number, group in enumerate(self._groups):
            here, there = made.Pipe()
            fns = CloudpickleWrapper([env_fns[i] for i in group])  # type: ignore[arg-type]
            args = (there, fns, group, self.autoreset_mode, memory, self._check)
            process = made.Process(target=work, args=args, name=f"morl-envs-{number}", daemon=True)
            process.start()
            there.close()
            self._pipes.append(here)
            self.processes.append(process)
            self._waiters.append(Waiter(here, process.sentinel))
        with self._closing_on_error():
            for number in range(len(self._groups)):
                self._receive(number, self.timeout)
            if observation_mode == "different":
                self.observation_space = batch_differing_spaces(list(self.get_attr("observation_space")))

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
            tell(self._pipes[number], *message)
        except (BrokenPipeError, OSError):
            self._report_death(number)

    def _receive(self, number: int, timeout: float | None, left: float | None = None) -> Any:
        """A worker's answer.

        Args:
            number: of the worker.
            timeout: seconds that everybody gets.
            left: what is left of them; all by default.

        Raises:
            EnvError: it raised, died, or took longer than ``timeout``.
        """
        if not self._waiters[number].wait(timeout if left is None else left):
            self.close(terminate=True)
            raise WorkerTimeoutError(
                f"worker {number} (environments {_span(self._groups[number])}) gave no answer in {timeout:g} s; "
                "the vector environment is closed: make a new one"
            )
        try:
            kind, payload = self._pipes[number].recv()
        except (EOFError, OSError):
            self._report_death(number)
        if kind == "error":
            self._started = False  # some environments have moved and some have not: start over
            message, trace = payload
            raise EnvError(f"{message}\n--- traceback of worker {number} ---\n{trace.rstrip()}")
        return payload

    def _report_death(self, number: int) -> Any:
        process = self.processes[number]
        process.join(_GRACE)
        code = process.exitcode
        self.close()
        raise EnvError(
            f"worker {number} (environments {_span(self._groups[number])}) died with exit code {code}; "
            "it left no traceback: it was killed, ran out of memory, or crashed in native code"
        )

    def _collect(self, numbers: Iterable[int], timeout: float | None) -> list[Any]:
        """The answers of some workers, joined in the order of the environments."""
        joined: list[Any] = []
        failure: EnvError | None = None
        until = None if timeout is None else time.monotonic() + timeout
        for number in numbers:  # hear everyone out, so that no stale answer is left in a pipe
            try:
                left = None if until is None else max(0.0, until - time.monotonic())
                joined.extend(self._receive(number, timeout, left))
            except EnvError as error:
                failure = failure or error
                if self.closed:
                    break
        if failure is not None:
            raise failure
        return joined

    def _begin(self, name: str, finish: Callable[[float | None], Any]) -> None:
        """Remember that a call is under way, and how to fetch what it returns."""
        self._pending = name, finish

    def _ready(self, name: str) -> None:
        """Make sure that a call can begin."""
        if self.closed:
            raise ClosedError("the vector environment is closed; make a new one")
        if self._pending is not None:
            raise PendingError(
                f"{name} was called while {self._pending[0]}_async waits for its answer; "
                f"call {self._pending[0]}_wait() first",
                self._pending[0],
            )

    def _finish(self, name: str, timeout: float | None) -> Any:
        """What the call that is under way returns."""
        if self.closed:
            raise ClosedError("the vector environment is closed; make a new one")
        if self._pending is None or self._pending[0] != name:
            raise NothingPendingError(f"{name}_wait was called without {name}_async; call that first", name)
        finish, self._pending = self._pending[1], None
        return finish(self.timeout if timeout is None else timeout)

    # ---- Gymnasium's calls in two halves ------------------------------------------------------------------

    def reset_async(
        self, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> None:
        """Begin a :meth:`reset`; :meth:`reset_wait` returns what it does."""
        self._ready("reset")
        which, seeds, given = self._plan_reset(seed, options)
        busy = self._begin_reset(which, seeds, given)
        self._begin("reset", lambda timeout: self._begun(which, self._end_reset(busy, timeout)))

    def reset_wait(self, timeout: float | None = None) -> tuple[Any, Info]:
        """Observations and infos of the reset that was begun.

        Args:
            timeout: seconds; the environment's own limit by default.
        """
        result: tuple[Any, Info] = self._finish("reset", timeout)
        return result

    def step_async(self, actions: Any) -> None:
        """Begin a :meth:`step`; :meth:`step_wait` returns what it does."""
        self._ready("step")
        self._begin_step(actions)
        self._begin("step", lambda timeout: self._stepped(self._end_step(timeout)))

    def step_wait(self, timeout: float | None = None) -> tuple[Any, FloatArray, BoolArray, BoolArray, Info]:
        """What the step that was begun returns.

        Args:
            timeout: seconds; the environment's own limit by default.
        """
        result: tuple[Any, FloatArray, BoolArray, BoolArray, Info] = self._finish("step", timeout)
        return result

    def call_async(self, name: str, /, *args: Any, **kwargs: Any) -> None:
        """Begin a :meth:`call`; :meth:`call_wait` returns what it does."""
        self._ready("call")
        self._ask("call", name, args, kwargs)
        everyone = range(len(self._groups))
        self._begin("call", lambda timeout: tuple(self._collect(everyone, timeout)))

    def call_wait(self, timeout: float | None = None) -> tuple[Any, ...]:
        """Results of the call that was begun, in order.

        Args:
            timeout: seconds; the environment's own limit by default.
        """
        result: tuple[Any, ...] = self._finish("call", timeout)
        return result

    # ---- what SubEnvsVectorEnv asks for -------------------------------------------------------------------------

    def _ask(self, *message: Any) -> None:
        for number in range(len(self._groups)):
            self._send(number, *message)

    def _begin_reset(
        self, which: Sequence[int], seeds: Sequence[int | None], options: dict[str, Any] | None
    ) -> list[int]:
        """Tell the workers; which of them have something to do."""
        wanted = dict(zip(which, seeds, strict=True))
        busy = [number for number, group in enumerate(self._groups) if any(i in wanted for i in group)]
        for number in busy:
            group = self._groups[number]
            self._send(number, "reset", {i: wanted[i] for i in group if i in wanted}, options)
        return busy

    def _end_reset(self, busy: Sequence[int], timeout: float | None) -> list[Info]:
        infos = []
        for i, sent, info in self._collect(busy, timeout):
            self._sent[i] = sent
            infos.append(info)
        return infos

    def _reset_some(
        self, which: Sequence[int], seeds: Sequence[int | None], options: dict[str, Any] | None
    ) -> list[Info]:
        self._ready("reset")
        return self._end_reset(self._begin_reset(which, seeds, options), self.timeout)

    def _begin_step(self, actions: Any) -> None:
        if not self._started:
            raise EnvError("step was called before reset; call reset() first")
        chosen = None if self._board.put_actions(actions) else self._one_by_one(actions)
        for number, group in enumerate(self._groups):
            self._send(number, "step", chosen and [chosen[i] for i in group])

    def _end_step(self, timeout: float | None) -> AllMoved:
        board = self._board
        told = self._collect(range(len(self._groups)), timeout)  # one answer per worker: what it can do is its own
        if not board.shows_observations:
            self._sent = [observation for sent, _ in told for observation in sent]
        infos = [info for _, info in told]
        joined = join_infos([(len(g), i) for g, i in zip(self._groups, infos, strict=True)]) if any(infos) else {}
        return AllMoved(board.rewards.copy(), *board.flags, joined)

    def _step_all(self, actions: Any) -> AllMoved:
        self._ready("step")
        self._begin_step(actions)
        return self._end_step(self.timeout)

    def _observed(self) -> Any:
        board = self._board
        return board.observations(self.copy) if board.shows_observations else self._stack(self._sent)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of every environment, or read an attribute; results in order."""
        self.call_async(name, *args, **kwargs)
        return self.call_wait()

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of every copy: one value for all, or a list with one each."""
        self._ready("set_attr")
        each = self._each(values)
        for number, group in enumerate(self._groups):
            self._send(number, "set", name, {i: each[i] for i in group})
        self._collect(range(len(self._groups)), self.timeout)

    def close_extras(self, timeout: float | None = None, terminate: bool = False, **kwargs: Any) -> None:
        """Close all environments and end the workers.

        Args:
            timeout: seconds that a worker gets to close its environments before it is terminated; 5 by default.
            terminate: do not wait for that.
            kwargs: ignored.
        """
        grace = _GRACE if timeout is None else timeout
        grace = min(grace, self.timeout) if self.timeout is not None else grace
        for pipe in getattr(self, "_pipes", ()):
            with contextlib.suppress(BrokenPipeError, OSError):
                tell(pipe, "close")
        until = time.monotonic() + (0.0 if terminate else grace)
        for process in getattr(self, "processes", ()):
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.terminate()
                process.join(_GRACE)
            if process.is_alive():  # it ignores that; this it cannot ignore
                process.kill()
                process.join()
        for waiter in getattr(self, "_waiters", ()):
            waiter.close()
        for pipe in getattr(self, "_pipes", ()):
            pipe.close()
        self._pending = None

    def __del__(self) -> None:
        if not getattr(self, "closed", True):
            with contextlib.suppress(Exception):
                self.close(terminate=True)


def _positive(num_workers: Any, num_envs: int) -> int:
    """How many processes to start.

    Raises:
        EnvError: not a positive whole number.
    """
    if num_workers is None:
        return min(num_envs, _cores())
    if isinstance(num_workers, bool) or not isinstance(num_workers, int | np.integer) or num_workers < 1:
        raise EnvError(f"num_workers is {num_workers!r}; expected a positive number of processes, or None")
    return min(num_envs, int(num_workers))


def _context(name: str | None) -> Any:
    """A way to start processes.

    Raises:
        EnvError: this platform does not have it.
    """
    known = multiprocessing.get_all_start_methods()
    if name is not None and name not in known:
        raise EnvError(f"context is {name!r}; expected one of {', '.join(map(repr, known))}, or None")
    return multiprocessing.get_context(name)


def _cores() -> int:
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on every platform
        return max(1, os.cpu_count() or 1)


def _span(group: list[int]) -> str:
    return str(group[0]) if len(group) == 1 else f"{group[0]}–{group[-1]}"

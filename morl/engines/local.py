"""Tasks in this process, or in processes of this machine.

A task is a picklable argument of a function at the top level of a module, ``function(task, report) -> result``, which
calls ``report(number)`` with how far it is. Tasks must be safe to run again: one whose process dies is.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import multiprocessing
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol, Self

from morl.engines.processes import end_with_parent, still_importing, why_died
from morl.spec import MorlError, RunError

Function = Callable[[Any, Callable[[int], None]], Any]

ATTEMPTS = 3
"""How often a task is begun whose process dies."""
_PULSE = 0.25
"""Seconds between reports of how far a task is."""


@dataclass(frozen=True)
class Outcome:
    """What came of a task: its result, or in one line why there is none; and what it warned of."""

    result: Any = None
    error: str | None = None
    warnings: tuple[str, ...] = ()


class Listener(Protocol):
    """Hears what happens to tasks, by their numbers, as it happens."""

    def moved(self, task: int, number: int) -> None:
        """A task has come that far."""

    def ended(self, task: int, outcome: Outcome) -> None:
        """A task has ended."""


class Silent:
    """Hears, and says nothing."""

    def moved(self, task: int, number: int) -> None:
        """Nothing."""

    def ended(self, task: int, outcome: Outcome) -> None:
        """Nothing."""


class Engine(ABC):
    """Runs tasks, in any order and place.

    ``with engine:`` keeps what it needs, such as processes, from one :meth:`run` to the next.
    """

    _entered = 0

    def __enter__(self) -> Self:
        if not self._entered:
            self._open()
        self._entered += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._entered -= 1
        if not self._entered:
            self._close()

    def run(self, function: Function, tasks: Sequence[Any], listener: Listener) -> list[Outcome]:
        """Run all tasks; the outcomes are in their order."""
        with self:
            return self._run(function, tasks, listener)

    def _open(self) -> None:
        """Get what is kept from run to run: here nothing."""
        return

    def _close(self) -> None:
        """Let go of it."""
        return

    @abstractmethod
    def _run(self, function: Function, tasks: Sequence[Any], listener: Listener) -> list[Outcome]:
        """Run all tasks, while open."""


class InProcess(Engine):
    """One task after the other, here."""

    def _run(self, function: Function, tasks: Sequence[Any], listener: Listener) -> list[Outcome]:
        outcomes = []
        for i, task in enumerate(tasks):
            outcomes.append(attempt(function, task, paced(functools.partial(listener.moved, i))))
            listener.ended(i, outcomes[-1])
        return outcomes


def attempt(function: Function, task: Any, report: Callable[[int], None]) -> Outcome:
    """The outcome of a task; an error becomes one line, an interrupt goes on."""
    with warnings.catch_warnings(record=True) as caught:
        try:
            result, error = function(task, report), None
        except MorlError as problem:
            result, error = None, str(problem)
        except Exception as problem:
            said = str(problem).splitlines() or ["no message"]
            result, error = None, f"{type(problem).__name__}: {said[0]}"
    told = (str(one.message) for one in caught if issubclass(one.category, UserWarning | RuntimeWarning))
    return Outcome(result, error, tuple(dict.fromkeys(told)))


def paced(report: Callable[[int], None]) -> Callable[[int], None]:
    """The function, called a few times a second however often it is asked to."""
    last = 0.0

    def now_and_then(number: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _PULSE:
            last = time.monotonic()
            report(number)

    return now_and_then


class Processes(Engine):
    """Several tasks at a time, each in a process that takes one after the other.

    A process that dies (killed, out of memory, a crash in a library) is replaced, and its task begun again. The
    processes end with this one, however it ends.

    Args:
        jobs: processes.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._idle: list[_Worker] = []

    def _close(self) -> None:
        _stop(self._idle)
        self._idle = []

    def _run(self, function: Function, tasks: Sequence[Any], listener: Listener) -> list[Outcome]:
        """Run all tasks.

        Raises:
            RunError: processes cannot start, as the script that calls this has no main guard.
        """
        if still_importing():
            raise RunError(f"several jobs were started by one of their own processes: {why_died()}")
        pool = _Pool(function, tasks, listener, self._idle)
        try:
            for _ in range(min(self.jobs, len(tasks)) - len(pool.workers)):
                pool.start()
            while pool.open:
                pool.serve()
        finally:
            self._idle = [worker for worker in pool.workers if worker.ready and worker.task is None]
            _stop([worker for worker in pool.workers if worker not in self._idle])
        return [pool.outcomes[i] for i in range(len(tasks))]


class _Worker:
    """One process and what it is at."""

    def __init__(self, context: Any) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), name="morl-task")
        self.process.start()
        theirs.close()
        self.task: int | None = None
        self.ready = False


class _Pool:
    """Tasks that wait, workers, and outcomes."""

    def __init__(
        self, function: Function, tasks: Sequence[Any], listener: Listener, workers: Sequence[_Worker]
    ) -> None:
        self.function, self.tasks, self.listener = function, tasks, listener
        self.waiting = collections.deque(range(len(tasks)))
        self.begun: collections.Counter[int] = collections.Counter()
        self.outcomes: dict[int, Outcome] = {}
        self.workers = list(workers)

    @property
    def open(self) -> bool:
        """Whether some task has no outcome yet."""
        return len(self.outcomes) < len(self.tasks)

    def start(self) -> None:
        """One more worker. Each imports the program of its own: nothing of this process is inherited."""
        self.workers.append(_Worker(multiprocessing.get_context("spawn")))

    def serve(self) -> None:
        """Hand out tasks and hear what became of them."""
        for worker in self.workers:
            if worker.ready and worker.task is None and self.waiting:
                worker.task = self.waiting.popleft()
                self.begun[worker.task] += 1
                with contextlib.suppress(OSError):  # it has just died, and is found so below
                    worker.pipe.send((self.function, self.tasks[worker.task]))
        ready = wait([worker.pipe for worker in self.workers], timeout=60.0)
        for worker in [w for w in self.workers if w.pipe in ready]:
            try:
                kind, value = worker.pipe.recv()
            except (EOFError, OSError):
                self._lost(worker)
                continue
            self._heard(worker, kind, value)

    def _heard(self, worker: _Worker, kind: str, value: Any) -> None:
        if kind == "ready":
            worker.ready = True
        elif worker.task is not None and kind == "moved":
            self.listener.moved(worker.task, value)
        elif worker.task is not None:
            self._end(worker, value)

    def _end(self, worker: _Worker, outcome: Outcome) -> None:
        assert worker.task is not None
        self.outcomes[worker.task] = outcome
        self.listener.ended(worker.task, outcome)
        worker.task = None

    def _lost(self, worker: _Worker) -> None:
        """A worker has died: its task waits again, first in line, and another worker takes its place."""
        self.workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        if not worker.ready:
            raise RunError(f"a process ended before it began its first task ({why_died()})")
        if worker.task is not None:
            if self.begun[worker.task] < ATTEMPTS:
                self.waiting.appendleft(worker.task)
            else:
                code = worker.process.exitcode
                self._end(
                    worker, Outcome(error=f"its process died {ATTEMPTS} times (exit code {code}): out of memory?")
                )
        if self.open:
            self.start()


def _stop(workers: Sequence[_Worker]) -> None:
    """Let idle workers go; others save what they learned, as after Ctrl-C."""
    for worker in workers:
        worker.pipe.close()
        if worker.task is not None or not worker.ready:
            worker.process.terminate()
    for worker in workers:
        worker.process.join(20.0)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _work(pipe: Connection) -> None:
    """The life of a worker."""
    end_with_parent()
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        pipe.send(("ready", None))
        while True:
            function, task = pipe.recv()
            pipe.send(("ended", attempt(function, task, paced(lambda number: pipe.send(("moved", number))))))

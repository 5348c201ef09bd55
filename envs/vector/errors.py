"""Errors of parallel vector environments: ours, and at the same time the ones that Gymnasium's users catch."""

from __future__ import annotations

import multiprocessing

from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError

from morl.spec import EnvError


class ClosedError(EnvError, ClosedEnvironmentError):
    """The vector environment is closed."""


class PendingError(EnvError, AlreadyPendingCallError):
    """A call was begun and its answer not fetched."""

    def __init__(self, message: str, name: str = "") -> None:
        EnvError.__init__(self, message)
        self.name = name


class NothingPendingError(EnvError, NoAsyncCallError):
    """An answer is fetched to a call that was not begun."""

    def __init__(self, message: str, name: str = "") -> None:
        EnvError.__init__(self, message)
        self.name = name


class WorkerTimeoutError(EnvError, multiprocessing.TimeoutError):
    """A worker gave no answer in time."""

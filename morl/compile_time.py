"""Seconds spent on compilation, so that they are not taken for an algorithm's own.

Compiled functions are cached on disk: the first call on a machine compiles, later processes load what is there.
"""

from __future__ import annotations

import functools
import time
from typing import Any


@functools.cache
def _listener() -> Any:
    """Hears of every compilation (loading what is on disk is none); ``None`` without numba."""
    try:
        from numba.core import event
    except Exception:  # a broken numba must not break what does without it
        return None
    listener = event.TimingListener()
    event.register("numba:compile", listener)
    return listener


def compile_seconds() -> float:
    """Seconds that this process has spent on compilation since this function was first called."""
    listener = _listener()
    return float(listener.duration) if listener is not None and listener.done else 0.0


class Stopwatch:
    """Time passed since it was made, with compilation kept apart.

    Attributes:
        seconds: up to the last :meth:`stop`, without compilation.
        compiled: seconds of compilation up to then.
    """

    def __init__(self) -> None:
        self.seconds = self.compiled = 0.0
        self.start()

    def start(self) -> None:
        """Go on from now."""
        self._compiled, self._began = compile_seconds(), time.perf_counter()

    def stop(self) -> float:
        """Add what has passed since :meth:`start`, and go on from now; returns the seconds without compilation."""
        began, compiled = self._began, self._compiled
        self.start()
        self.compiled += self._compiled - compiled
        self.seconds += max(0.0, self._began - began - (self._compiled - compiled))
        return self.seconds

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s{compiled_apart(self.compiled)}"


def compiled_apart(seconds: float) -> str:
    """What a message adds about compilation; nothing where there was next to none.

    >>> compiled_apart(9.04)
    '; compiled, once per machine: 9.0 s'
    """
    return f"; compiled, once per machine: {seconds:.1f} s" if seconds >= 0.05 else ""

"""Processes that learn beside this one, and why one of them may have died."""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing.context import BaseContext
from pathlib import Path


def prepared_context() -> BaseContext:
    """Where new processes come from: a server that has imported torch and stable-baselines3 and forks.

    Importing takes two seconds, a fork of the server some milliseconds. The server starts with the first round and
    lives as long as this process, so that later calls of ``learn``, of any agent, find it ready. (Forking this
    process itself would be unsafe: it may have threads.) Where there is no fork, every process imports for itself.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # The first optimizer of a process imports torch._dynamo, which takes half of the two seconds.
    context.set_forkserver_preload(["morl.agents.neural.scalarised", "morl.envs", "torch._dynamo"])
    return context


def still_importing() -> bool:
    """True in a process that is importing the script it was started from."""
    return bool(getattr(multiprocessing.current_process(), "_inheriting", False))


def why_died() -> str:
    """What may have ended a process, for an error message."""
    if not _unguarded():
        return "killed, or out of memory?"
    name = Path(str(sys.modules["__main__"].__file__)).name
    return f'each process imports {name}: put what it does under if __name__ == "__main__":'


def _unguarded() -> bool:
    """True where a new process that imports the script would run all of it once more."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    try:
        return path is not None and path.endswith(".py") and "__name__" not in Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False

"""Processes that this one starts: why one may have died, and how they end with it."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from pathlib import Path


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


def end_with_parent() -> None:
    """Make this process end when the one that started it does, however it ends; for the start of a pool's workers.

    A worker of a pool waits for its next task, and nobody is left to tell it that there will be none.
    """
    above = multiprocessing.parent_process()
    if above is None:
        return

    def watch() -> None:
        above.join()
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()

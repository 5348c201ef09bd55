"""Where somebody else's code failed: the innermost line of it, for messages that name the place."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Any


def place(error: BaseException) -> str:
    """The line that an exception came from, as ``"shop.py:31, in step"``.

    It is the innermost line of the environment's own code where the traceback has one, not one of a library that it
    called; or else simply the innermost. Without a traceback, the empty string.

    >>> try:
    ...     sysconfig.no_such_name
    ... except AttributeError as error:
    ...     place(error).rpartition(", ")[2]
    'in <module>'
    """
    chain: list[BaseException] = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)  # Gymnasium raises some errors again, from its own line
    each = [traceback.extract_tb(one.__traceback__) for one in chain]
    theirs = [frame for frames in each for frame in frames if not _of_a_library(frame.filename)]
    if not each[0]:
        return ""
    frame = theirs[-1] if theirs else each[0][-1]
    name = frame.filename if frame.filename.startswith("<") else _short(Path(frame.filename))
    return f"{name}:{frame.lineno}, in {frame.name}"


def described(error: BaseException) -> str:
    """An exception in one line: its type, its message and its place.

    >>> described(ValueError("no fish"))
    'ValueError: no fish'
    """
    text = " ".join(str(error).split())
    where = place(error)
    return f"{type(error).__name__}{': ' * bool(text)}{text}{f' ({where})' if where else ''}"


def short(value: Any) -> str:
    """A value on one line, cut to a readable length."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 120 else text[:117] + "..."


def _of_a_library(file: str) -> bool:
    """Whether nobody's environment is in this file. Packages may be installed elsewhere than for this interpreter."""
    return file.startswith(_libraries()) or not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)


def _libraries() -> tuple[str, ...]:
    """Folders whose code is nobody's environment: this package, Python's own modules, installed packages."""
    own = [
        path for name in ("morl", "morl.envs", "morl.agents") for path in getattr(sys.modules.get(name), "__path__", ())
    ]
    installed = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return (*(f"{path}/" for path in (*own, *installed) if path), "<frozen")


def _short(path: Path) -> str:
    """Relative to the working folder where it lies below that."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (OSError, ValueError):
        return str(path)

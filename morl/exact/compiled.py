"""Compiling loops with numba, and keeping the machine code on disk between processes.

Compiled code lives in the user's cache directory (``NUMBA_CACHE_DIR``, else ``$XDG_CACHE_HOME/morl`` or
``~/.cache/morl``), else in a private folder of the temporary directory, else nowhere: a read-only or missing
home never stops a computation. Without numba, or with ``NUMBA_DISABLE_JIT=1``, :func:`enabled` is false and
the callers take their plain numpy path.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


@functools.cache
def enabled() -> bool:
    """True where numba is installed and compilation is not switched off."""
    try:
        import numba
    except Exception:  # a broken numba (too new a numpy, a missing library) must not break the exact solvers
        return False
    return not numba.config.DISABLE_JIT


@functools.cache
def cache_directory() -> Path | None:
    """A folder for compiled code that only this user can write, or ``None``.

    The cache holds machine code that will be run, so a folder that somebody else owns or may write is refused.
    """
    asked = os.environ.get("NUMBA_CACHE_DIR")
    if asked:
        return Path(asked)
    user = getattr(os, "getuid", lambda: "user")()
    candidates: list[Path] = []
    with contextlib.suppress(RuntimeError, KeyError):  # no home directory is known
        base = os.environ.get("XDG_CACHE_HOME")
        candidates.append((Path(base) if base else Path.home() / ".cache") / "morl" / "compiled")
    candidates.append(Path(tempfile.gettempdir()) / f"morl-compiled-{user}")
    return next((path for path in candidates if _private(path)), None)


def _private(path: Path) -> bool:
    """Create the folder if need be; true where we own it, nobody else may write it, and writing works."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = path.lstat()
        if not stat.S_ISDIR(info.st_mode):
            return False
        if hasattr(os, "getuid") and (info.st_uid != os.getuid() or info.st_mode & 0o022):
            return False
        handle, probe = tempfile.mkstemp(dir=path)
        os.close(handle)
        os.unlink(probe)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _numba_cache(directory: Path) -> Iterator[None]:
    """Numba decides where a function is cached when it is decorated; point it to ``directory`` meanwhile."""
    import numba

    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(directory)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def jit(function: Callable[..., Any], *, reassociate: bool = False) -> Any:
    """Compile a function, with its machine code cached on disk where possible; as it is where numba is off.

    Args:
        reassociate: let sums be reordered, so that reductions use wide registers.
    """
    if not enabled():
        return function
    import numba

    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    if reassociate:
        options["fastmath"] = {"reassoc", "nsz", "nnan", "contract"}
    directory = cache_directory()
    if directory is not None:
        with contextlib.suppress(OSError, RuntimeError), _numba_cache(directory):  # the folder may have vanished
            return numba.njit(cache=True, **options)(function)
    return numba.njit(**options)(function)

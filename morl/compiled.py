"""Compiling loops with numba, and keeping the machine code on disk between processes: the one place that does.

Compiled code lives in the user's cache directory (``NUMBA_CACHE_DIR``, else ``$XDG_CACHE_HOME/morl`` or
``~/.cache/morl``), else in a private folder of the temporary directory, else nowhere: a read-only installation or
home never stops a computation. Inside it each state of the sources has a folder of its own, because numba notices a
change in a function's own file only, not in the functions that it calls: two versions, or a version and its
edited successor, cannot run each other's code. Without numba, or with ``NUMBA_DISABLE_JIT=1``, :func:`enabled` is
false, and compiled functions are the plain Python functions that they were made from.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])

REASSOCIATE = frozenset({"reassoc", "nsz", "nnan", "contract"})
"""Sums may be reordered, so that reductions use wide registers, and nothing is NaN."""

_KEEP_DAYS = 30.0
"""Code of other versions that nobody used for so long is deleted."""


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
    """A folder for the compiled code of these sources that only this user can write, or ``None``.

    The cache holds machine code that will be run, so a folder that somebody else owns or may write is refused.
    """
    asked = os.environ.get("NUMBA_CACHE_DIR")
    candidates: list[Path] = [Path(asked)] if asked else []
    if not asked:
        with contextlib.suppress(RuntimeError, KeyError):  # no home directory is known
            base = os.environ.get("XDG_CACHE_HOME")
            candidates.append((Path(base) if base else Path.home() / ".cache") / "morl" / "compiled")
        user = getattr(os, "getuid", lambda: "user")()
        candidates.append(Path(tempfile.gettempdir()) / f"morl-compiled-{user}")
    for base_directory in candidates:
        directory = base_directory / sources_digest()
        if _private(base_directory) and _private(directory):
            _forget_others(base_directory, directory)
            return directory
    return None


@functools.cache
def sources_digest() -> str:
    """Sixteen hexadecimal digits that change with the package's version and with every file that has compiled code."""
    package = Path(__file__).resolve().parent
    digest = hashlib.sha256((package / "__init__.py").read_bytes())  # the version is there
    for folder in (package, package / "envs", package / "agents"):  # the last two are links in a checkout
        for file in sorted(folder.rglob("*.py")):
            with contextlib.suppress(OSError):
                text = file.read_bytes()
                if b"morl.compiled" in text or b"numba" in text:
                    digest.update(file.relative_to(package).as_posix().encode() + b"\0" + text)
    return digest.hexdigest()[:16]


def _forget_others(base: Path, current: Path) -> None:
    """Delete the code of other sources that has not been used for :data:`_KEEP_DAYS`; mark the current as used."""
    with contextlib.suppress(OSError):
        os.utime(current)
        for path in base.iterdir():
            old = time.time() - path.lstat().st_mtime > 86_400 * _KEEP_DAYS
            if old and len(path.name) == 16 and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)


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


def jit(function: Callable[..., Any], *, fastmath: frozenset[str] | None = None, inline: bool = False) -> Any:
    """Compile a function, with its machine code cached on disk where possible; as it is where numba is off.

    Args:
        fastmath: liberties of floating-point arithmetic, :data:`REASSOCIATE` or others of LLVM's flags.
        inline: copy the body into compiled callers.
    """
    if not enabled():
        return function
    import numba

    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    if fastmath:
        options["fastmath"] = set(fastmath)
    if inline:
        options["inline"] = "always"
    directory = cache_directory()
    if directory is not None:
        with contextlib.suppress(OSError, RuntimeError), _numba_cache(directory):  # the folder may have vanished
            return _one_version_for_each_type(numba.njit(cache=True, **options)(function))
    return _one_version_for_each_type(numba.njit(**options)(function))


def _one_version_for_each_type(dispatcher: Any) -> Any:
    """The compiled function, without versions of its own for constants.

    Numba compiles ``f(x, 0)`` once for the constant and once for integers; LLVM inlines the constant anyway.
    """
    from numba import types
    from numba.core import sigutils

    compile_version = dispatcher.compile

    def compile_for_types(signature: Any) -> Any:
        arguments, returned = sigutils.normalize_signature(signature)
        arguments = tuple(types.unliteral(argument) for argument in arguments)
        return compile_version(returned(*arguments) if returned else arguments)

    dispatcher.compile = compile_for_types
    return dispatcher


inlined = functools.partial(jit, inline=True)
"""Decorator: compile into the callers."""


# ---- one text for two ways to run it --------------------------------------------------------------------------


def shared(function: Function) -> Function:
    """Mark a function that Python calls with arrays ``(fields, n)`` and compiled code with rows ``(fields,)``.

    It is written with operations that mean the same for a number and for an array (``np.minimum``, masks,
    :func:`select`). Both ways give the same numbers to rounding, which tests assert.
    """
    if not enabled():
        return function
    from numba.extending import register_jitable

    return cast(Function, register_jitable(function))


def select(condition: Any, yes: Any, no: Any) -> Any:
    """``yes`` where the condition holds, else ``no``: ``np.where`` on arrays, a plain branch in compiled code.

    Numba's own ``np.where`` allocates an array even for numbers, which costs twenty times the branch.
    """
    return np.where(condition, yes, no)


def _teach_select() -> None:
    from numba.extending import overload

    @overload(select)  # type: ignore[untyped-decorator]
    def _select(condition: Any, yes: Any, no: Any) -> Any:  # pragma: no cover - compiled
        def branch(condition: Any, yes: Any, no: Any) -> Any:
            return yes if condition else no

        return branch


if enabled():
    _teach_select()

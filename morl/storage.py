"""Files: one way to write them whole, one way to read them without being led astray, and one lock.

Whatever the package writes is written to a temporary name, flushed to disk and renamed, so that a process killed at
any moment leaves the old file or the new one. Whatever it reads may come from a stranger: only regular files are
opened (never a FIFO or a device, which would hang), sizes are bounded, and JSON may be neither deep nor hold numbers
that no writer of this package produces.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import secrets
import stat
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from morl.spec import MorlError, RunError

JSON_LIMIT = 1 << 28
"""Largest JSON file read, in bytes; a front of a million points of three objectives has a quarter of it."""
TOML_LIMIT = 1 << 20
"""Largest TOML file read, in bytes."""
_DEPTH, _DIGITS = 64, 100
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_UNFOLLOWED = getattr(os, "O_NOFOLLOW", 0)
_UNBLOCKED = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


# ---- writing ----------------------------------------------------------------------------------------------


def write_atomic(path: str | Path, payload: bytes | str | Callable[[BinaryIO], object]) -> Path:
    """Write a file so that it is either the old one or the new one, whole, on disk, with the umask's permissions.

    Text is written as UTF-8; a function writes into the open file itself. A symbolic link at
    ``path`` is replaced, not followed.

    Raises:
        OSError: the folder is missing or cannot be written, or the disk is full (nothing is left half-written).
    """
    path = Path(path)
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _UNFOLLOWED | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(handle, "wb") as file:
            if callable(payload):
                payload(file)
            else:
                file.write(payload.encode() if isinstance(payload, str) else payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return path


def write_json(path: str | Path, data: Any) -> Path:
    """Write JSON with :func:`write_atomic`; NaN and inf are refused.

    Raises:
        OSError: as :func:`write_atomic`.
        ValueError: a number that JSON does not have.
    """
    return write_atomic(path, as_json(data))


def as_json(data: Any) -> str:
    """JSON as this package writes it into files; NaN and inf are refused.

    Raises:
        ValueError: a number that JSON does not have.
    """
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def append(path: str | Path, text: str) -> None:
    """Add text to the end of a regular file, which is made where it is missing.

    Raises:
        OSError: it cannot be written, or ``path`` is a symbolic link.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _UNFOLLOWED | _UNBLOCKED
    with open(os.open(path, flags, 0o666), "ab") as file:
        file.write(text.encode())


def sha256(payload: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(payload).hexdigest()


# ---- reading ----------------------------------------------------------------------------------------------


def read_regular(
    path: str | Path, *, limit: int = JSON_LIMIT, follow: bool = True, error: type[MorlError] = RunError
) -> bytes:
    """The bytes of a regular file of bounded size.

    Args:
        path: the file.
        limit: largest size accepted, in bytes.
        follow: whether ``path`` may be a symbolic link; false inside folders that a stranger may have made.
        error: the kind of error to raise.

    Raises:
        MorlError: of the kind given: missing, not a regular file, a link, too large, or unreadable.
    """
    with open_regular(path, limit=limit, follow=follow, error=error) as file:
        try:
            parts = [file.read(os.fstat(file.fileno()).st_size + 1)]  # no more room than the file needs
            while parts[-1] and sum(map(len, parts)) <= limit:
                parts.append(file.read(1 << 20))
            data = b"".join(parts)
        except (OSError, MemoryError) as problem:
            reason = getattr(problem, "strerror", None) or "no memory"
            raise error(f"{str(path)!r} cannot be read ({reason})") from None
    if len(data) > limit:  # it grew, or is a file of a kind that names no size
        raise error(f"{str(path)!r} has more than {limit:,} bytes; expected at most that")
    return data


def open_regular(
    path: str | Path, *, limit: int | None = None, follow: bool = True, error: type[MorlError] = RunError
) -> BinaryIO:
    """A regular file, open for reading: what was checked is what is read, whatever the path names a moment later.

    Arguments as for :func:`read_regular`.

    Raises:
        MorlError: of the kind given: missing, not a regular file, a link, or larger than ``limit``.
    """
    path = Path(path)
    try:
        handle = os.open(path, os.O_RDONLY | _UNBLOCKED | (0 if follow else _UNFOLLOWED))
    except FileNotFoundError:
        raise error(f"{str(path)!r} cannot be read: it does not exist") from None
    except OSError as problem:
        if not follow and path.is_symlink():
            raise error(f"{str(path)!r} is a symbolic link; expected a regular file") from None
        raise error(f"{str(path)!r} cannot be read ({problem.strerror})") from None
    except ValueError as problem:  # a zero byte in the name
        raise error(f"{str(path)!r} cannot be read ({problem})") from None
    facts = os.fstat(handle)
    if stat.S_ISREG(facts.st_mode) and (limit is None or facts.st_size <= limit):
        return open(handle, "rb")
    os.close(handle)
    if not stat.S_ISREG(facts.st_mode):
        raise error(f"{str(path)!r} is {kind_of(facts.st_mode)}; expected a regular file")
    raise error(f"{str(path)!r} has {facts.st_size:,} bytes; expected at most {limit:,}")


def read_text(
    path: str | Path, *, limit: int = JSON_LIMIT, follow: bool = True, error: type[MorlError] = RunError
) -> str:
    """A text file in UTF-8 (with or without a byte-order mark), read by :func:`read_regular`."""
    try:
        return read_regular(path, limit=limit, follow=follow, error=error).decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error(f"{str(path)!r} is not UTF-8 text ({problem.reason} at byte {problem.start})") from None


def read_json(
    path: str | Path, *, limit: int = JSON_LIMIT, follow: bool = True, error: type[MorlError] = RunError
) -> Any:
    """A JSON file, read by :func:`read_regular` and parsed by :func:`parse_json`."""
    return parse_json(read_regular(path, limit=limit, follow=follow, error=error), what=repr(str(path)), error=error)


def parse_json(text: bytes | str, *, what: str = "text", error: type[MorlError] = RunError) -> Any:
    """JSON of bounded depth (64), whose integers have at most 100 digits and whose numbers are finite.

    Args:
        text: the JSON.
        what: what it is, for the message.
        error: the kind of error to raise.

    Raises:
        MorlError: of the kind given: not JSON, too deep, or a number out of bounds.

    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    depth = _depth(data)
    if depth > _DEPTH:
        raise error(f"{what} is nested {depth:,} deep; expected at most {_DEPTH}")
    try:
        return _JSON.decode(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as problem:
        raise error(f"{what} is damaged or not JSON ({problem})") from None


def _depth(data: bytes) -> int:
    """How deep brackets are nested, at most."""
    few = data.count(b"[") + data.count(b"{")
    if few <= _DEPTH:
        return few
    brackets = np.frombuffer(_STRINGS.sub(b"", data).translate(None, _NOT_BRACKETS), dtype=np.uint8)
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1)
    return int(np.cumsum(steps).max(initial=0))


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _DIGITS:
        raise ValueError(f"an integer of {len(text):,} digits; expected at most {_DIGITS}")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number of JSON")


_JSON = json.JSONDecoder(parse_int=_integer, parse_float=_finite, parse_constant=_no_constant)


def read_toml(path: str | Path, what: str, *, error: type[MorlError] = RunError) -> dict[str, Any]:
    """A small TOML file (1 MiB at most), read by :func:`read_regular`.

    Args:
        path: the file.
        what: what it is, for the message.
        error: the kind of error to raise.

    Raises:
        MorlError: of the kind given: it cannot be read, is not TOML, too deep, or has a number of too many digits.
    """
    text = read_text(path, limit=TOML_LIMIT, error=error)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as problem:  # of numbers, too: TOML's own error is a ValueError
        reason = "nested too deep" if isinstance(problem, RecursionError) else " ".join(str(problem).split())
        raise error(f"{what} {str(path)!r} is not TOML: {reason}") from None


# ---- folders and locks ------------------------------------------------------------------------------------


def kind_of(mode: int) -> str:
    """What a file is, by its ``st_mode``, in words."""
    for test, name in (
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(mode):
            return name
    return "a regular file"


def refuse_links(folder: str | Path, *, files: Sequence[str] = (), error: type[MorlError] = RunError) -> None:
    """Make sure that everything below a folder is a folder or a regular file, so that nothing in it leads outside.

    The folder itself may be a link: whoever names it means what it points to.

    Args:
        folder: the folder.
        files: names in it that no folder may have.
        error: the kind of error to raise.

    Raises:
        MorlError: of the kind given: a symbolic link, FIFO, socket or device, by name.
    """
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode) and entry.name not in files:
                    refuse_links(entry.path, error=error)
                elif not stat.S_ISREG(mode):
                    raise error(f"{entry.path!r} is {kind_of(mode)}; expected a regular file. Nothing was touched")
    except FileNotFoundError:
        return  # it was there a moment ago: somebody is writing
    except OSError as problem:
        raise error(f"folder {str(folder)!r} cannot be read ({problem.strerror})") from None


@contextlib.contextmanager
def locked(path: str | Path, *, wait: float = 0.0) -> Iterator[bool]:
    """Hold the lock of a file (which is made where it is missing) while the body runs.

    The operating system drops the lock when its process ends, however that happens, so a file left behind blocks
    nobody. Where there are no locks (some network drives) or the folder cannot be written, the body runs without.

    Args:
        path: the lock's file.
        wait: seconds to wait for another process that holds it.

    Yields:
        False where another process holds the lock, true otherwise.
    """
    flags = os.O_RDWR | os.O_CREAT | _UNFOLLOWED | _UNBLOCKED
    try:
        handle = os.open(path, flags, 0o666)
    except OSError:
        yield True
        return
    try:
        until = time.monotonic() + wait
        held = _try_lock(handle)
        while not held and time.monotonic() < until:
            time.sleep(0.01)
            held = _try_lock(handle)
        yield held
    finally:
        os.close(handle)


def is_locked(path: str | Path) -> bool:
    """Whether another process (or this one) holds the lock of a file just now. Makes no file."""
    if not os.path.lexists(path):
        return False
    with locked(path) as free:
        return not free


def _try_lock(handle: int) -> bool:
    """Take the lock; true where it is ours, or where the file system has none."""
    try:
        import fcntl
    except ImportError:
        return _try_lock_windows(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        return problem.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def _try_lock_windows(handle: int) -> bool:
    import msvcrt

    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    return True

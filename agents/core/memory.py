"""Room for arrays whose size an option sets: too little is said in one line, before anything is allocated."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

from morl.spec import AgentError

LIMIT = "MORL_MAX_MEMORY"
"""Environment variable: the most gigabytes that one buffer may take; what the machine has by default."""

_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available() -> float:
    """Bytes that may still be taken: by the machine's count, the container's limit and :data:`LIMIT`; ∞ if unknown."""
    found = [_machine()]
    for limit, used in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):
            found.append(float(Path(limit).read_text()) - float(Path(used).read_text()))
    given = os.environ.get(LIMIT)
    if given:
        try:
            most = float(given)
        except ValueError:
            most = math.nan
        if not most > 0:
            raise AgentError(f"{LIMIT} is {given!r}; expected a positive number of gigabytes")
        found.append(most * 1e9)
    return max(0.0, min(found))


def _machine() -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    return math.inf


def readable(size: float) -> str:
    """A size in the unit that suits it.

    >>> readable(181_440_000_000)
    '169 GiB'
    """
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:,.3g} GiB" if size < 1e4 else f"{size:,.0f} GiB"


def require(size: float, what: str, remedy: str) -> None:
    """Refuse to allocate ``size`` bytes where there is no room for them.

    Raises:
        AgentError: naming ``what`` is too large, how large, what there is, and the ``remedy``.
    """
    room = available()
    if size > room:
        raise AgentError(f"{what} needs {readable(size)} of memory, {readable(room)} are available; {remedy}")


@contextlib.contextmanager
def allocating(who: str) -> Iterator[None]:
    """Turn what NumPy and torch say of arrays that are too large into one line.

    Raises:
        AgentError: an array could not be allocated.
    """
    try:
        yield
    except MemoryError as error:
        raise AgentError(_too_large(who, error)) from error
    except (ValueError, RuntimeError, OverflowError) as error:
        signs = (
            "too big",
            "Maximum allowed",
            "not enough memory",
            "allocate memory",
            "negative dimensions",
        )
        if any(sign in str(error) for sign in signs):
            raise AgentError(_too_large(who, error)) from error
        raise


def _too_large(who: str, error: Exception) -> str:
    text = " ".join(str(error).split()) or "not enough memory"
    return f"{who}: an array is too large ({text}); lower the options that set sizes, such as n_envs and buffers"

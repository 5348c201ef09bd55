"""One thread for torch while an agent learns. Imports torch only where something else has imported it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch, where it is in use, compute in one thread.

    More threads round sums differently, and would give other parameters; they gain nothing for networks of the usual
    size. Tables need no torch, and importing it takes seconds.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

"""One text for two ways to run it: physics written once, as numpy over whole batches and compiled one row at a time.

A step function is written with operations that mean the same for a number and for an array (``np.minimum``, masks,
:func:`select`). Called from Python with arrays of shape ``(fields, n)`` it is plain numpy; called from a numba kernel
with one row ``(fields,)`` it compiles to scalar code. Both give the same numbers to rounding, which tests assert.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numba.extending import overload, register_jitable

Function = TypeVar("Function", bound=Callable[..., Any])


def shared(function: Function) -> Function:
    """Mark a function that Python calls with arrays and compiled code calls with numbers."""
    return cast(Function, register_jitable(function))


def kernel(function: Function) -> Function:
    """Compile a loop over rows; the machine code is cached on disk, so that only the first run ever waits."""
    return cast(Function, njit(cache=True)(function))


def select(condition: Any, yes: Any, no: Any) -> Any:
    """``yes`` where the condition holds, else ``no``: ``np.where`` on arrays, a plain branch in compiled code.

    Numba's own ``np.where`` allocates an array even for numbers, which costs twenty times the branch.
    """
    return np.where(condition, yes, no)


@overload(select)  # type: ignore[untyped-decorator]
def _select(condition: Any, yes: Any, no: Any) -> Any:  # pragma: no cover - compiled
    def branch(condition: Any, yes: Any, no: Any) -> Any:
        return yes if condition else no

    return branch

"""Environments with vector rewards: making them, registering new ones, checking them.

Importing this package enters the built-in ids into Gymnasium's registry; the environments themselves load when made.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from morl.envs.catalog import EnvEntry
from morl.envs.core import MOEnv, MOVectorEnv, mo_spec
from morl.envs.imports import import_package
from morl.envs.registering import register, register_dynamics, register_momdp
from morl.envs.registration import entries, make, make_vec, register_builtin

if TYPE_CHECKING:
    from morl.envs.batched import BatchedEnv, BatchedVectorEnv
    from morl.envs.checker import check_env
    from morl.envs.dynamics import Dynamics, Transition
    from morl.envs.finite import FiniteProblem
    from morl.envs.finite.tabular import TabularEnv, TabularVectorEnv
    from morl.envs.vector import AsyncVectorEnv, SyncVectorEnv

_LAZY = {
    "AsyncVectorEnv": "vector",
    "BatchedEnv": "batched",
    "BatchedVectorEnv": "batched",
    "Dynamics": "dynamics",
    "FiniteProblem": "finite",
    "SyncVectorEnv": "vector",
    "TabularEnv": "finite.tabular",
    "TabularVectorEnv": "finite.tabular",
    "Transition": "dynamics",
    "check_env": "checker",
}

__all__ = [
    "AsyncVectorEnv",
    "BatchedEnv",
    "BatchedVectorEnv",
    "Dynamics",
    "EnvEntry",
    "FiniteProblem",
    "MOEnv",
    "MOVectorEnv",
    "SyncVectorEnv",
    "TabularEnv",
    "TabularVectorEnv",
    "Transition",
    "check_env",
    "entries",
    "import_package",
    "make",
    "make_vec",
    "mo_spec",
    "register",
    "register_builtin",
    "register_dynamics",
    "register_momdp",
]

register_builtin()


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"morl.envs.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'morl.envs' has no attribute {name!r}")

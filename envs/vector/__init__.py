"""Parallel environments: our native ones, and others one after the other or in processes of their own."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from morl.envs.vector.parallel import AsyncVectorEnv
    from morl.envs.vector.sync import EnvFn, SubEnvsVectorEnv, SyncVectorEnv

_WHERE = {
    "AsyncVectorEnv": "parallel",  # multiprocessing loads when it is asked for
    "SubEnvsVectorEnv": "sync",
    "EnvFn": "sync",
    "SyncVectorEnv": "sync",
}

__all__ = ["AsyncVectorEnv", "EnvFn", "SubEnvsVectorEnv", "SyncVectorEnv"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"morl.envs.vector.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'morl.envs.vector' has no attribute {name!r}")

"""Runs: folders that hold what was asked, what happened and what came out of training an agent."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from morl.runs.folder import RunFolder

if TYPE_CHECKING:
    from morl.runs.training import RunConfig, evaluate, load_agent, resume, train, verify

__all__ = ["RunConfig", "RunFolder", "evaluate", "load_agent", "resume", "train", "verify"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("morl.runs.training"), name)
    raise AttributeError(f"module 'morl.runs' has no attribute {name!r}")

"""Runs: folders with the configuration, metrics, checkpoints and front of training an agent."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from morl.runs.config import RunConfig
from morl.runs.folder import RunFolder

if TYPE_CHECKING:
    from morl.runs.evaluation import evaluate, verify
    from morl.runs.loading import load_agent
    from morl.runs.training import resume, train

_LAZY = {
    "evaluate": "evaluation",
    "load_agent": "loading",
    "resume": "training",
    "train": "training",
    "verify": "evaluation",
}

__all__ = ["RunConfig", "RunFolder", "evaluate", "load_agent", "resume", "train", "verify"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"morl.runs.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'morl.runs' has no attribute {name!r}")

"""Conformance suites to subclass in any repository: for environments, and for agents."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from morl.testing.agents import ConformanceError, check_agent
    from morl.testing.envs import EnvConformance

_LAZY = {"ConformanceError": "agents", "EnvConformance": "envs", "check_agent": "agents"}

__all__ = ["ConformanceError", "EnvConformance", "check_agent"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"morl.testing.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'morl.testing' has no attribute {name!r}")

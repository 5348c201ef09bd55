"""Multi-objective reinforcement learning, with the exact front beside every learned one.

Heavy parts (torch, stable-baselines3, pyplot) load when they are first used, so ``import morl`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from morl.spec import MOSpec, Objective

if TYPE_CHECKING:
    import morl.testing as testing
    from morl import agents, envs, exact
    from morl.envs import check_env, make, make_vec, register, register_dynamics, register_momdp
    from morl.explorer import explore
    from morl.momdp import MOMDP
    from morl.pareto import Front, compare
    from morl.solving import solve
    from morl.studies import study

__version__ = "0.1.0"

_LAZY = {
    "Front": "morl.pareto",
    "MOMDP": "morl.momdp",
    "check_env": "morl.envs",
    "compare": "morl.pareto",
    "explore": "morl.explorer",
    "make": "morl.envs",
    "make_vec": "morl.envs",
    "register": "morl.envs",
    "register_dynamics": "morl.envs",
    "register_momdp": "morl.envs",
    "solve": "morl.solving",
    "study": "morl.studies",
}
_MODULES = ("agents", "envs", "exact", "pareto", "runs", "sb3", "studies", "testing", "utility")

__all__ = [
    "MOMDP",
    "Front",
    "MOSpec",
    "Objective",
    "agents",
    "check_env",
    "compare",
    "envs",
    "exact",
    "explore",
    "make",
    "make_vec",
    "register",
    "register_dynamics",
    "register_momdp",
    "solve",
    "study",
    "testing",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"morl.{name}")
    raise AttributeError(f"module 'morl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_MODULES})


importlib.import_module("morl.envs")  # enters the built-in ids into Gymnasium's registry, so that gym.make knows them

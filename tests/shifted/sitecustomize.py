"""Shifts the seeds of environments and agents by ``MORL_TEST_SEED_SHIFT``, in this process and in those it starts.

Python imports this module by itself where its folder is on ``PYTHONPATH``, which ``conftest.py`` sees to. Modules are
patched when they are imported, so that nothing is imported which would not be.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, ClassVar

SHIFT = int(os.environ.get("MORL_TEST_SEED_SHIFT", "0"))


def _shift_environments(seeding: ModuleType) -> None:
    original = seeding.np_random

    def np_random(seed: int | None = None) -> Any:
        """Another generator, under the seed that was asked for."""
        if seed is None or isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            return original(seed)
        return original(seed + SHIFT)[0], seed

    seeding.np_random = np_random  # type: ignore[attr-defined]


def _shift_agents(base: ModuleType) -> None:
    import numpy as np

    original = base.Agent.seeds

    def seeds(agent: Any, purpose: str, *index: int) -> Any:
        branch = original(agent, purpose, *index)
        return np.random.SeedSequence(branch.entropy + SHIFT, spawn_key=branch.spawn_key)

    base.Agent.seeds = seeds


class _AfterImport:
    """Finds the modules to patch where Python would, and patches each once it has been executed."""

    patches: ClassVar[dict[str, Callable[[ModuleType], None]]] = {
        "gymnasium.utils.seeding": _shift_environments,
        "morl.agents.base": _shift_agents,
    }

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        patch = cls.patches.pop(name, None)
        if patch is None:
            return None
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            patch(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if SHIFT:
    sys.meta_path.insert(0, _AfterImport)

"""Environments that are finite models: their tables, the environments over them, and builders."""

from __future__ import annotations

from morl.envs.finite.problems import Build, FiniteEnv, FiniteProblem, FiniteVectorEnv, entry_points, problem_of
from morl.envs.finite.problems import __getattr__ as __getattr__  # the strings of entry_points

__all__ = ["Build", "FiniteEnv", "FiniteProblem", "FiniteVectorEnv", "entry_points", "problem_of"]

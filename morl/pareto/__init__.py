"""Fronts: what they hold, how good they are, and how they look."""

from morl.pareto.front import Front

__all__ = ["Front"]

"""Utilities with a weight per objective: linear, Chebyshev and augmented Chebyshev."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from morl.spec import FloatArray, SpecError
from morl.utility.base import Vector, Weighted, as_text, check_finite


@dataclass(frozen=True)
class Linear(Weighted):
    """Weighted sum ``Σ w_i f_i``, weights on the simplex.

    >>> float(Linear((0.25, 0.75))([4.0, 8.0]))
    7.0
    """

    @property
    def name(self) -> str:
        return f"linear:{as_text(self.weights)}"

    def _value(self, f: FloatArray) -> FloatArray:
        return np.asarray(f @ np.array(self.weights))

    def _gradient(self, f: FloatArray) -> FloatArray:
        return np.broadcast_to(np.array(self.weights), f.shape).copy()


@dataclass(frozen=True)
class Chebyshev(Weighted):
    """``−max_i w_i (z_i − f_i)``, the weighted shortfall from an ideal z where it is largest (Bowman, 1976).

    Without absolute values: exceeding the ideal is never punished, so the utility is monotone everywhere.

    Args:
        weights: ``(K,)`` on the simplex.
        ideal: ``(K,)`` the ideal point z, on the utility's scale (after normalisation).

    >>> float(Chebyshev((0.5, 0.5), ideal=(1.0, 1.0))([1.0, 0.5]))
    -0.25
    """

    ideal: Vector

    def __post_init__(self) -> None:
        super().__post_init__()
        check_finite(self, "ideal", len(self.weights))

    @property
    def name(self) -> str:
        return f"chebyshev:{as_text(self.weights)};ideal={as_text(self.ideal)}"

    def _value(self, f: FloatArray) -> FloatArray:
        return np.asarray(-np.max(np.array(self.weights) * (np.array(self.ideal) - f), axis=-1))


@dataclass(frozen=True)
class AugmentedChebyshev(Chebyshev):
    """``−max_i w_i (z_i − f_i) − ρ Σ_i (z_i − f_i)`` (Steuer & Choo, 1983): no weakly dominated point is optimal.

    >>> round(float(AugmentedChebyshev((0.5, 0.5), ideal=(1.0, 1.0), rho=0.1)([1.0, 0.5])), 12)
    -0.3
    """

    rho: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isinstance(self.rho, int | float) and math.isfinite(self.rho) and self.rho >= 0):
            raise SpecError(f"rho is {self.rho!r}; expected a small number, 0 or more")

    @property
    def name(self) -> str:
        return f"augmented-{super().name};rho={as_text((self.rho,))}"

    def _value(self, f: FloatArray) -> FloatArray:
        return np.asarray(super()._value(f) - self.rho * np.sum(np.array(self.ideal) - f, axis=-1))

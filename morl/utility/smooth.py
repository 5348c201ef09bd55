"""Smooth concave utilities: their gradient says what a little more of each objective is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from morl.spec import FloatArray, SpecError
from morl.utility.base import Vector, Weighted, as_text, check_finite


@dataclass(frozen=True)
class Logarithm(Weighted):
    """``Σ w_i log f_i``, the weighted Nash welfare of the objectives (Nash 1950; Kelly 1997: proportional fairness).

    Below ``floor`` the logarithm goes on as its tangent, so that it has a gradient everywhere.

    Args:
        weights: ``(K,)`` on the simplex.
        floor: where the tangent begins, on the utility's scale.

    >>> round(float(Logarithm((0.5, 0.5))([1.0, math.e])), 12)
    0.5
    """

    floor: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isinstance(self.floor, int | float) and math.isfinite(self.floor) and self.floor > 0):
            raise SpecError(f"floor is {self.floor!r}; expected a small positive number")

    @property
    def name(self) -> str:
        return f"log:{as_text(self.weights)};floor={as_text((self.floor,))}"

    def _value(self, f: FloatArray) -> FloatArray:
        above = np.maximum(f, self.floor)
        return np.asarray((np.log(above) + np.minimum(f - self.floor, 0.0) / self.floor) @ np.array(self.weights))

    def _gradient(self, f: FloatArray) -> FloatArray:
        return np.asarray(np.array(self.weights) / np.maximum(f, self.floor))


@dataclass(frozen=True)
class SmoothChebyshev(Weighted):
    """``−(1/β) log Σ_i exp(β w_i (z_i − f_i))``: at most log(K)/β below the Chebyshev utility, and differentiable.

    The smooth Chebyshev scalarisation of Lin et al. (2024, "Smooth Tchebycheff scalarization for multi-objective
    optimization").

    Args:
        weights: ``(K,)`` on the simplex.
        ideal: ``(K,)`` the ideal point z, on the utility's scale.
        sharpness: β; the larger, the nearer to the largest shortfall alone.

    >>> round(float(SmoothChebyshev((0.5, 0.5), (1.0, 1.0), 1000.0)([1.0, 0.5])), 3)
    -0.25
    """

    ideal: Vector
    sharpness: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_finite(self, "ideal", len(self.weights))
        if not (isinstance(self.sharpness, int | float) and math.isfinite(self.sharpness) and self.sharpness > 0):
            raise SpecError(f"sharpness is {self.sharpness!r}; expected a positive number")

    @property
    def name(self) -> str:
        ideal = as_text(self.ideal)
        return f"smooth-chebyshev:{as_text(self.weights)};ideal={ideal};sharpness={as_text((self.sharpness,))}"

    def _shortfalls(self, f: FloatArray) -> FloatArray:
        return np.asarray(self.sharpness * np.array(self.weights) * (np.array(self.ideal) - f))

    def _value(self, f: FloatArray) -> FloatArray:
        return np.asarray(-np.logaddexp.reduce(self._shortfalls(f), axis=-1) / self.sharpness)

    def _gradient(self, f: FloatArray) -> FloatArray:
        terms = self._shortfalls(f)
        shares = np.exp(terms - np.logaddexp.reduce(terms, axis=-1, keepdims=True))
        return np.asarray(shares * np.array(self.weights))

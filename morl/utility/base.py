"""Base class of utilities: normalisation, evaluation, the best of several returns, checked parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from morl.spec import FloatArray, SpecError, check_vector, check_weights

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Utility(ABC):
    """Base of all utilities: callable, immutable, comparable.

    Args:
        scale: ``(low, high)`` returns ``(K,)`` each, that become 0 and 1 before the utility is applied.

    Raises:
        SpecError: parameters that do not fit together, or returns with another number of objectives.
    """

    scale: tuple[Vector, Vector] | None = field(default=None, kw_only=True)

    scalar: ClassVar[bool] = True
    """False where the preference is an order that no real function represents: use :meth:`best`."""

    def __post_init__(self) -> None:
        if self.scale is not None:
            low = check_vector(self.scale[0], np.size(self.scale[0]), "scale low")
            high = check_vector(self.scale[1], low.size, "scale high")
            if np.any(low >= high):
                i = int(np.argmax(low >= high))
                raise SpecError(f"scale of objective {i} is ({low[i]:g}, {high[i]:g}); expected low < high")
            object.__setattr__(self, "scale", (as_vector(low), as_vector(high)))
            if self.k is not None and self.k != low.size:
                raise SpecError(f"scale has {low.size} objectives; {self.name} has {self.k}")

    @property
    def k(self) -> int | None:
        """The number of objectives that the parameters fix, or ``None`` where any will do."""
        return None

    @property
    @abstractmethod
    def name(self) -> str:
        """A short text that :func:`parse_utility` reads back (the scale apart)."""

    @property
    def monotone(self) -> bool:
        """True where no objective that rises can lower the utility."""
        return True

    @property
    @abstractmethod
    def concave(self) -> bool:
        """True where the utility of a mixture of returns is at least the mixture of the utilities."""

    @abstractmethod
    def _value(self, f: FloatArray) -> FloatArray:
        """Utility of normalised returns ``(..., K)``."""

    def __call__(self, returns: ArrayLike) -> FloatArray:
        """Utility of each return vector: ``(..., K)`` to ``(...)``."""
        return np.asarray(self._value(self.normalise(returns)), dtype=np.float64)

    def gradient(self, returns: ArrayLike) -> FloatArray:
        """What a little more of each objective is worth, ∂u/∂J ``(..., K)`` at returns ``(..., K)``.

        Raises:
            SpecError: the utility has no gradient everywhere.
        """
        slope = self._gradient(self.normalise(returns))
        return slope if self.scale is None else slope / (np.array(self.scale[1]) - np.array(self.scale[0]))

    def _gradient(self, f: FloatArray) -> FloatArray:
        """The gradient ``(..., K)`` at normalised returns, in their units."""
        raise SpecError(
            f"utility {self.name} has no gradient everywhere; smooth ones are linear, log and smooth-chebyshev"
        )

    def normalise(self, returns: ArrayLike) -> FloatArray:
        """Returns ``(..., K)`` on the utility's scale."""
        values = np.asarray(returns, dtype=np.float64)
        k = self.k if self.scale is None else len(self.scale[0])
        if values.ndim == 0 or (k is not None and values.shape[-1] != k):
            raise SpecError(f"returns have shape {values.shape}; {self.name} expects the last axis to be {k or 'K'}")
        if self.scale is None:
            return values
        low, high = np.array(self.scale[0]), np.array(self.scale[1])
        return np.asarray((values - low) / (high - low))

    def best(self, returns: ArrayLike) -> int:
        """Index of the preferred row of ``(n, K)``; the first of equals."""
        values = self(returns)
        if values.ndim != 1 or not len(values):
            raise SpecError(f"returns have shape {np.shape(returns)}; expected (n, K) with n >= 1")
        return int(np.argmax(values))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Weighted(Utility):
    """Base of concave utilities with a weight per objective.

    Args:
        weights: ``(K,)`` on the simplex.
    """

    weights: Vector

    def __post_init__(self) -> None:
        check_simplex(self, "weights")
        super().__post_init__()

    @property
    def k(self) -> int:
        return len(self.weights)

    @property
    def concave(self) -> bool:
        return True


def as_vector(values: FloatArray) -> Vector:
    """A plain tuple, so that utilities compare and hash."""
    return tuple(float(x) for x in values)


def check_simplex(utility: Utility, name: str) -> None:
    """Check a field to be a point of the simplex and store it as floats."""
    values = getattr(utility, name)
    object.__setattr__(utility, name, as_vector(check_weights(values, int(np.size(values)), name)))


def check_finite(utility: Utility, name: str, k: int) -> None:
    """Check a field to hold K finite numbers and store it as floats."""
    object.__setattr__(utility, name, as_vector(check_vector(getattr(utility, name), k, name)))


def as_text(values: Sequence[float]) -> str:
    """Numbers with commas, short where nothing is lost."""
    return ",".join(f"{x:g}" if float(f"{x:g}") == x else repr(x) for x in values)

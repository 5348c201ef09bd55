"""Utility functions of return vectors: linear, logarithm, Chebyshev, worst case, quantile, CVaR, thresholds, orders.

A utility maps returns ``(..., K)`` to numbers ``(...)``. *Scalarised expected return* (SER) applies it to an
expected return, *expected scalarised return* (ESR) to the return of each episode; which of the two is optimal
is for the solver to say, not for the utility. Each utility knows whether it is ``monotone`` (never falls when
an objective rises) and ``concave`` (so that SER over mixtures is a convex problem).

Objectives must be comparable before a minimum or a quantile is taken across them: pass ``scale=(low, high)``
and the utility sees ``f = (J − low) / (high − low)``.
"""

from morl.utility.across import CVaRAcross, QuantileAcross, WorstCase
from morl.utility.base import Utility
from morl.utility.functions import as_function
from morl.utility.levels import Lexicographic, Threshold
from morl.utility.scalar import AugmentedChebyshev, Chebyshev, Linear
from morl.utility.smooth import Logarithm, SmoothChebyshev
from morl.utility.text import parse_utility

__all__ = [
    "AugmentedChebyshev",
    "CVaRAcross",
    "Chebyshev",
    "Lexicographic",
    "Linear",
    "Logarithm",
    "QuantileAcross",
    "SmoothChebyshev",
    "Threshold",
    "Utility",
    "WorstCase",
    "as_function",
    "parse_utility",
]

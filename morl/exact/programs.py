"""Utilities and constraints on an expected return as linear programs.

Every concave utility of :mod:`morl.utility` is piecewise linear: ``u(x) = max c·y`` over auxiliary variables y
with ``A y + B x <= b``. A quantile across objectives is not concave, but it is the best of several minima over
subsets of the objectives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from morl.momdp import MOMDP
from morl.spec import FloatArray, MOSpec, SpecError, check_vector
from morl.utility import (
    AugmentedChebyshev,
    Chebyshev,
    CVaRAcross,
    Linear,
    QuantileAcross,
    Threshold,
    Utility,
    WorstCase,
)

Constraint = Any
"""``"cost>=-5"``, or ``(objective, ">=" | "<=" | "==", bound)`` with a name or number, or coefficients ``(K,)``."""


@dataclass(frozen=True)
class Block:
    """``max gain·x + cost·y`` subject to ``on_y y + on_x x <= bound``, y free."""

    gain: FloatArray
    cost: FloatArray
    on_y: FloatArray
    on_x: FloatArray
    bound: FloatArray
    constant: float = 0.0


@dataclass(frozen=True)
class Bounds:
    """Constraints ``matrix @ x >= bound`` ``(m, K)``, with the text of each.

    ``below`` is true for those whose text bounds from above: what they speak of is ``−matrix @ x``.
    """

    matrix: FloatArray
    bound: FloatArray
    text: tuple[str, ...]
    below: tuple[bool, ...] = ()


def utility_blocks(utility: Utility, k: int) -> list[Block]:
    """Blocks of which the best one is the utility; one for concave utilities.

    Raises:
        SpecError: a utility without a piecewise linear form, or for another number of objectives.
    """
    utility.normalise(np.zeros(k))  # checks the number of objectives
    if not utility.scalar:
        raise SpecError(f"{utility.name} is an order, not a number; use lexicographic(momdp, order, slack)")
    low, width = np.zeros(k), np.ones(k)
    if utility.scale is not None:
        low = np.array(utility.scale[0])
        width = np.array(utility.scale[1]) - low
    return [_shift(block, low, width) for block in _normalised(utility, k)]


def _normalised(utility: Utility, k: int) -> list[Block]:
    """Blocks in the utility's own scale."""
    if isinstance(utility, Linear):
        return [_plain(np.array(utility.weights))]
    if isinstance(utility, WorstCase):
        return [_minimum(np.eye(k), np.zeros(k))]
    if isinstance(utility, Chebyshev):
        w, z = np.array(utility.weights), np.array(utility.ideal)
        block = _minimum(np.diag(w), -w * z)
        if isinstance(utility, AugmentedChebyshev):
            rho = float(utility.rho)
            return [_plus(block, np.full(k, rho), -rho * float(z.sum()))]
        return [block]
    if isinstance(utility, CVaRAcross):
        p = utility.probabilities(k)
        return [_cvar(utility.alpha, p)]
    if isinstance(utility, QuantileAcross):
        p = utility.probabilities(k)
        return [_minimum(np.eye(k)[list(s)], np.zeros(len(s))) for s in winning_subsets(p, utility.q)]
    if isinstance(utility, Threshold):
        return [_shortfall(utility, k)]
    raise SpecError(
        f"{utility.name} has no known linear-program form; "
        "expected linear, worst, chebyshev, cvar, quantile or threshold"
    )


def winning_subsets(p: FloatArray, q: float) -> list[tuple[int, ...]]:
    """Minimal sets S of objectives such that ``f_i >= z`` on S makes the lower q-quantile at least z.

    The quantile is at least z exactly where the objectives below z weigh less than q; at q = 0 it is the minimum.

    >>> winning_subsets(np.array([0.25, 0.25, 0.5]), 0.5)
    [(0, 2), (1, 2)]
    """
    live = [int(i) for i in np.flatnonzero(p > 0)]
    if q <= 0.0:
        return [tuple(live)]
    found: list[tuple[int, ...]] = []
    for size in range(1, len(live) + 1):
        for subset in combinations(live, size):
            rest = float(sum(p[i] for i in live if i not in subset))
            if rest < q - 1e-12 and not any(set(s) <= set(subset) for s in found):
                found.append(subset)
    return found


def _plain(gain: FloatArray) -> Block:
    k = len(gain)
    return Block(gain, np.zeros(0), np.zeros((0, 0)), np.zeros((0, k)), np.zeros(0))


def _minimum(matrix: FloatArray, shift: FloatArray) -> Block:
    """``min_i (matrix x + shift)_i``: y <= that, for every i."""
    m, k = matrix.shape
    return Block(np.zeros(k), np.ones(1), np.ones((m, 1)), -matrix, shift)


def _plus(block: Block, gain: FloatArray, constant: float) -> Block:
    return Block(block.gain + gain, block.cost, block.on_y, block.on_x, block.bound, block.constant + constant)


def _cvar(alpha: float, p: FloatArray) -> Block:
    """``z − (1/α) Σ p_i s_i`` with ``s_i >= z − x_i, s_i >= 0``."""
    live, k = np.flatnonzero(p > 0), len(p)
    if alpha <= 0.0:
        return _minimum(np.eye(k)[live], np.zeros(len(live)))
    m = len(live)
    cost = np.concatenate([[1.0], -p[live] / alpha])
    on_y = np.block([[np.ones((m, 1)), -np.eye(m)], [np.zeros((m, 1)), -np.eye(m)]])
    on_x = np.vstack([-np.eye(k)[live], np.zeros((m, k))])
    return Block(np.zeros(k), cost, on_y, on_x, np.zeros(2 * m))


def _shortfall(utility: Threshold, k: int) -> Block:
    """``−Σ w_i s_i`` with ``s_i >= t_i − x_i, s_i >= 0``."""
    asked = np.array(utility.thresholds)
    live = np.flatnonzero(np.isfinite(asked))
    w = np.ones(k) if utility.weights is None or utility.mode == "satisfied" else np.array(utility.weights)
    m = len(live)
    return Block(
        np.zeros(k),
        -w[live],
        np.vstack([-np.eye(m), -np.eye(m)]),
        np.vstack([-np.eye(k)[live], np.zeros((m, k))]),
        np.concatenate([-asked[live], np.zeros(m)]),
    )


def _shift(block: Block, low: FloatArray, width: FloatArray) -> Block:
    """The block as a function of raw returns, ``f = (x − low) / width``."""
    on_x = block.on_x / width
    return Block(
        block.gain / width,
        block.cost,
        block.on_y,
        on_x,
        block.bound + on_x @ low,
        block.constant - float((block.gain / width) @ low),
    )


_TEXT = re.compile(r"^\s*(?P<name>.+?)\s*(?P<op>>=|<=|==|=|≥|≤)\s*(?P<bound>[-+]?[0-9.]+(?:[eE][-+]?\d+)?)\s*$")


def parse_constraints(constraints: Iterable[Constraint] | str, momdp: MOMDP) -> Bounds:
    """Constraints on the expected return as ``matrix @ x >= bound``; an equality becomes two.

    A constraint by an objective's name, text or triple, speaks of its shown number: ``"cost<=120"`` for a minimised
    cost. Coefficients and objectives by number speak of returns, maximised.

    Raises:
        SpecError: not a constraint, an unknown comparison or a bound that is not finite.
        UnknownNameError: an unknown objective.

    >>> m = MOMDP.from_arrays([[[1.0]]], [[[1.0, 2.0]]], discount=0.5, objectives=("speed", "cost"))
    >>> parse_constraints(["cost>=3"], m).matrix.tolist()
    [[0.0, 1.0]]
    """
    spec = MOSpec(tuple(momdp.objectives or ()))
    given = [constraints] if isinstance(constraints, str) else list(constraints)
    rows: list[FloatArray] = []
    bounds: list[float] = []
    texts: list[str] = []
    below: list[bool] = []
    for constraint in given:
        left, op, bound, text = _parts(constraint)
        row = _left(left, spec)
        if isinstance(left, str):
            row = row * spec.objectives[spec.index(left)].sign
        value = float(check_vector([bound], 1, f"bound of {text!r}")[0])
        for sign, used in ((1.0, op in (">=", "==")), (-1.0, op in ("<=", "=="))):
            if used:
                rows.append(sign * row)
                bounds.append(sign * value)
                texts.append(text)
                below.append(sign < 0)
    return Bounds(np.array(rows).reshape(-1, momdp.k), np.array(bounds), tuple(texts), tuple(below))


def _parts(constraint: Constraint) -> tuple[Any, str, Any, str]:
    alike = {"≥": ">=", "≤": "<=", "=": "=="}
    if isinstance(constraint, str):
        match = _TEXT.match(constraint)
        if match is None:
            raise SpecError(f'constraint {constraint!r} is not understood; expected e.g. "cost>=-5"')
        op = match["op"]
        return match["name"], alike.get(op, op), float(match["bound"]), constraint
    if not isinstance(constraint, Sequence) or len(constraint) != 3:
        raise SpecError(f"constraint {constraint!r} is not understood; expected (objective, '>=', bound) or text")
    left, op, bound = constraint
    op = alike.get(op, op)
    if op not in (">=", "<=", "=="):
        raise SpecError(f"constraint {constraint!r} compares with {op!r}; expected '>=', '<=' or '=='")
    return left, op, bound, f"{left if isinstance(left, str) else np.asarray(left).tolist()}{op}{bound}"


def _left(left: Any, spec: MOSpec) -> FloatArray:
    if isinstance(left, str | int | np.integer):
        return np.asarray(np.eye(spec.k)[spec.index(left if isinstance(left, str) else int(left))])
    return check_vector(left, spec.k, "coefficients of a constraint", spec.names)

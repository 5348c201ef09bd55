"""Parsing utilities from short texts, as on the command line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from morl.spec import Objective, SpecError, UnknownNameError, as_objectives
from morl.utility.across import CVaRAcross, QuantileAcross, WorstCase
from morl.utility.base import Utility, Vector, as_vector
from morl.utility.levels import Lexicographic, Threshold
from morl.utility.scalar import AugmentedChebyshev, Chebyshev, Linear
from morl.utility.smooth import Logarithm, SmoothChebyshev

FORMS = {
    "linear": "linear:0.7,0.3",
    "worst": "worst",
    "log": "log:0.7,0.3;floor=0.01",
    "chebyshev": "chebyshev:0.5,0.5;ideal=1,1",
    "augmented-chebyshev": "augmented-chebyshev:0.5,0.5;ideal=1,1;rho=0.01",
    "smooth-chebyshev": "smooth-chebyshev:0.5,0.5;ideal=1,1;sharpness=20",
    "quantile": "quantile:0.5;p=0.2,0.8",
    "cvar": "cvar:0.3;p=0.2,0.8",
    "lex": "lex:0,1;slack=0.1,0",
    "threshold": "threshold:1,-5;weights=1,1;mode=shortfall",
}
"""An example of each form that :func:`parse_utility` reads, for help texts."""

_OPTIONS = {
    "chebyshev": ("ideal",),
    "augmented-chebyshev": ("ideal", "rho"),
    "smooth-chebyshev": ("ideal", "sharpness"),
    "log": ("floor",),
    "quantile": ("p",),
    "cvar": ("p",),
    "lex": ("slack",),
    "threshold": ("weights", "mode"),
}


def parse_utility(
    text: str,
    k: int,
    names: Sequence[str | Objective] | None = None,
    scale: tuple[ArrayLike, ArrayLike] | None = None,
) -> Utility:
    """A utility from a short text.

    ``name:values;option=values``: ``linear:0.7,0.3``, ``linear`` (equal weights), ``worst``, ``cvar:0.3``,
    ``quantile:0.5;p=0.2,0.8``, ``chebyshev:0.5,0.5;ideal=1,1`` (the ideal is 1 where a scale is given),
    ``augmented-chebyshev:…;rho=0.01``, ``smooth-chebyshev:…;sharpness=20``, ``log:0.7,0.3;floor=0.01``,
    ``lex:0,1;slack=0.1,0``, ``threshold:1,-5;mode=satisfied``. Objectives may be named:
    ``linear:time=0.3,treasure=0.7``, ``threshold:time=-5`` (others ask nothing), ``lex:time,treasure``.

    Args:
        k: the number of objectives.
        names: their names, or the objectives themselves. A threshold or ideal that a minimised objective is given
            by name is its shown number where nothing is scaled: ``threshold:cost=120``. Numbers in a list are returns.
        scale: ``(low, high)`` returns, ``(K,)`` each, that become 0 and 1.

    Raises:
        SpecError: values that do not fit, naming them and the form expected.
        UnknownNameError: an unknown utility or objective.

    >>> parse_utility("cvar:0.3", k=3).name
    'cvar:0.3'
    >>> parse_utility("linear:time=0.25,treasure=0.75", 2, ["treasure", "time"]).name
    'linear:0.75,0.25'
    """
    head, *rest = (part.strip() for part in text.strip().split(";"))
    kind, colon, body = (part.strip() for part in head.partition(":"))
    if kind not in FORMS:
        raise UnknownNameError("utility", kind, FORMS)
    objectives = [] if names is None else as_objectives(names)
    signs = None if scale is not None or names is None else [o.sign for o in objectives]
    read = _Reader(text, kind, k, None if names is None else [o.name for o in objectives], signs)
    if colon and not body:
        raise read.fail(head)
    options = read.options(rest)
    pair = None if scale is None else (as_vector(np.asarray(scale[0], float)), as_vector(np.asarray(scale[1], float)))
    if kind == "worst":
        if body:
            raise read.fail(head)
        return WorstCase(scale=pair)
    if kind in ("quantile", "cvar"):
        p = read.vector(options["p"]) if "p" in options else None
        level = read.number(body)
        return QuantileAcross(level, p, scale=pair) if kind == "quantile" else CVaRAcross(level, p, scale=pair)
    if kind == "lex":
        slack = tuple(map(read.number, options["slack"].split(","))) if "slack" in options else None
        return Lexicographic(tuple(map(read.index, body.split(","))) if body else tuple(range(k)), slack, scale=pair)
    if kind == "threshold":
        importance = read.vector(options["weights"], missing=1.0) if "weights" in options else None
        asked = read.vector(body, missing=-math.inf, shown=True)
        return Threshold(asked, importance, options.get("mode", "shortfall"), scale=pair)
    weights = read.vector(body) if body else (1.0 / k,) * k
    if kind == "linear":
        return Linear(weights, scale=pair)
    if kind == "log":
        return Logarithm(weights, read.number(options.get("floor", "0.01")), scale=pair)
    if "ideal" not in options and pair is None:
        raise SpecError(f"utility {text!r} has no ideal point; expected a form like {FORMS[kind]!r}")
    ideal = read.vector(options["ideal"], shown=True) if "ideal" in options else (1.0,) * k
    if kind == "chebyshev":
        return Chebyshev(weights, ideal, scale=pair)
    if kind == "smooth-chebyshev":
        return SmoothChebyshev(weights, ideal, read.number(options.get("sharpness", "20")), scale=pair)
    return AugmentedChebyshev(weights, ideal, read.number(options.get("rho", "0.01")), scale=pair)


@dataclass(frozen=True)
class _Reader:
    """Reads the pieces of a utility's text; every error shows the text and the form expected."""

    text: str
    kind: str
    k: int
    names: Sequence[str] | None
    signs: Sequence[float] | None = None

    def fail(self, piece: str) -> SpecError:
        return SpecError(f"utility {self.text!r}: {piece!r} cannot be read; expected a form like {FORMS[self.kind]!r}")

    def options(self, parts: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for part in parts:
            key, equals, value = (x.strip() for x in part.partition("="))
            if not equals or not value or key not in _OPTIONS.get(self.kind, ()) or key in found:
                raise self.fail(part)
            found[key] = value
        return found

    def number(self, piece: str) -> float:
        try:
            return float(piece)
        except ValueError:
            raise self.fail(piece) from None

    def index(self, piece: str) -> int:
        piece = piece.strip()
        if self.names is not None and piece in self.names:
            return list(self.names).index(piece)
        if not piece.isdecimal():
            raise UnknownNameError("objective", piece, self.names or map(str, range(self.k)))
        if int(piece) >= self.k:
            raise SpecError(f"utility {self.text!r} names objective {piece}; expected 0 to {self.k - 1}")
        return int(piece)

    def vector(self, body: str, missing: float = 0.0, shown: bool = False) -> Vector:
        """K numbers in order, or ``objective=number`` pairs with the others at ``missing``.

        Args:
            shown: the numbers of pairs are shown ones: costs of minimised objectives are positive.
        """
        if "=" in body:
            values = [missing] * self.k
            for pair in body.split(","):
                name, _, value = pair.partition("=")
                sign = 1.0 if self.signs is None or not shown else self.signs[self.index(name)]
                values[self.index(name)] = sign * self.number(value)
            return tuple(values)
        values = [self.number(piece) for piece in body.split(",")]
        if len(values) != self.k:
            of = f" ({', '.join(self.names)})" if self.names else ""
            given = f"{len(values)} number{'s' * (len(values) != 1)}"
            raise SpecError(f"utility {self.text!r} has {given}; expected {self.k}, one per objective{of}")
        return tuple(values)

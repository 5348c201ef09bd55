"""Objectives, the specification of a multi-objective problem, and the errors of the whole package.

Every other layer describes its objectives with :class:`Objective` and :class:`MOSpec`, so that an
environment, an exact solver, a learned front, a plot and a file agree on names, units and reference points.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class MorlError(Exception):
    """Base of every error that `morl` raises on purpose: one line with the value, the expectation and the fix."""

    def __reduce__(self) -> tuple[Any, ...]:
        """For the way between processes: by the message, whatever the constructor makes it from."""
        return _revived, (type(self), self.args), self.__dict__


def _revived(kind: type[MorlError], args: tuple[Any, ...]) -> MorlError:
    return kind.__new__(kind, *args)


class SpecError(MorlError, ValueError):
    """Objectives, weights, preferences or reference points that do not fit together."""


class FrontError(MorlError, ValueError):
    """A front that cannot be built, measured or read."""


class ModelError(MorlError, ValueError):
    """A finite model (MOMDP) that is malformed, or a question it has no answer to."""


class EnvError(MorlError, ValueError):
    """An environment that breaks the vector-reward contract, or is used against it."""


class AgentError(MorlError, ValueError):
    """An agent that does not fit the environment, or an option it does not have."""


class RunError(MorlError, RuntimeError):
    """A run folder or checkpoint that is missing, damaged or belongs to something else."""


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """Up to three known names that are spelled nearly like ``name``, and no much worse ones beside a good one.

    Case, hyphens, underscores, spaces, the namespace before ``/`` and the version ``-v0`` do not matter.

    >>> nearest("deep sea treasure", ["morl/DeepSeaTreasure-v0", "morl/DeepSeaTreasureConcave-v0"])
    ['morl/DeepSeaTreasure-v0']
    """
    plain: dict[str, str] = {}
    for one in known:
        plain.setdefault(_plain(one), one)
    matches = difflib.get_close_matches(_plain(name), plain, n=3, cutoff=cutoff)
    ratios = [difflib.SequenceMatcher(None, match, _plain(name)).ratio() for match in matches]
    return [plain[match] for match, ratio in zip(matches, ratios, strict=True) if ratio > ratios[0] - 0.1]


def _plain(name: str) -> str:
    return re.sub(r"^.*/|[-_]v\d+$|[-_ ]", "", str(name).casefold())


def listed(names: Iterable[Any], most: int = 12) -> str:
    """Names with commas for a message of one line; "…" where some were left out, and how many.

    >>> listed(["a", "b", "c"], most=2)
    'a, b, … (3 in all)'
    """
    texts = [str(name) for name in names]
    return ", ".join(texts) if len(texts) <= most else f"{', '.join(texts[:most])}, … ({len(texts)} in all)"


class UnknownNameError(MorlError, LookupError):
    """A name that is not registered; the message suggests the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, hint: str | None = None) -> None:
        near = nearest(name, known := sorted(known))
        if hint is None:
            hint = f"did you mean {' or '.join(near)}?" if near else f"known: {listed(known)}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")


class MissingExtraError(MorlError, ImportError):
    """An optional dependency that was asked for and is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra {extra!r}; install it with: pip install 'morl-suite[{extra}]'")


@dataclass(frozen=True)
class Objective:
    """One component of the reward vector: something to maximise, or with ``minimise=True`` a cost to minimise.

    Inside, everything is maximised. A minimised objective is stored negated: in code (rewards, returns, fronts,
    reference points, utilities) a cost of 120 is the return −120. People see it as the positive number that it is:
    in tables, on the axes of plots, in front files (CSV and JSON), as ``--ref-point`` and in constraints and
    thresholds by name (``"cost<=120"``). :func:`shown` goes from one to the other and back. An environment
    registered with :func:`morl.register` returns its cost as a positive reward, and the suite negates it there.

    Args:
        name: a short name, used in tables, plots, files and constraints (``"cost<=5"``).
        unit: the unit of the *reward*, for axis labels.
        low: smallest reward of **one step**, not of an episode (for a cost: the smallest cost of one step).
        high: largest reward of **one step**. A return adds up many steps, so bounds on returns belong into
            ``MOSpec(return_scale=...)``.
        description: one sentence for people.
        minimise: less is better.

    Raises:
        SpecError: the name is empty, or ``low`` exceeds ``high``.

    >>> cost = Objective("cost", "EUR", low=0, high=12, minimise=True)
    >>> cost.label, cost.reward_low, cost.reward_high
    ('cost (EUR)', -12.0, 0.0)
    """

    name: str
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    description: str = ""
    minimise: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.minimise, bool | np.bool_):
            raise SpecError(f"objective {self.name!r} has minimise={self.minimise!r}; expected True or False")
        object.__setattr__(self, "minimise", bool(self.minimise))
        if not isinstance(self.name, str) or not self.name.strip():
            raise SpecError(f"objective name is {self.name!r}; expected a non-empty string")
        if not self.low <= self.high:
            raise SpecError(f"objective {self.name!r} has low={self.low} and high={self.high}; expected low <= high")
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))

    @property
    def label(self) -> str:
        """The name with its unit, for axes and table heads."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def sign(self) -> float:
        """1, or −1 for a minimised objective: what its shown number is multiplied by to be a return."""
        return -1.0 if self.minimise else 1.0

    @property
    def reward_low(self) -> float:
        """Smallest reward of one step as it is stored: maximised."""
        return -self.high if self.minimise else self.low

    @property
    def reward_high(self) -> float:
        """Largest reward of one step as it is stored: maximised."""
        return 0.0 - self.low if self.minimise else self.high

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; infinite bounds become ``None``."""
        return {
            "name": self.name,
            "unit": self.unit,
            "low": self.low if math.isfinite(self.low) else None,
            "high": self.high if math.isfinite(self.high) else None,
            "description": self.description,
            **({"minimise": True} if self.minimise else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Objective:
        """The inverse of :meth:`to_dict`."""
        try:
            low, high = data.get("low"), data.get("high")
            return cls(
                str(data["name"]),
                str(data.get("unit", "")),
                -math.inf if low is None else float(low),
                math.inf if high is None else float(high),
                str(data.get("description", "")),
                data.get("minimise", False),
            )
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise SpecError(f"objective {data!r} cannot be read ({error}); expected at least a name") from None


def as_objectives(objectives: Iterable[Objective | str]) -> tuple[Objective, ...]:
    """Objectives from objects or plain names, checked to be distinct.

    >>> [o.name for o in as_objectives(["speed", "comfort"])]
    ['speed', 'comfort']
    """
    result = tuple(o if isinstance(o, Objective) else Objective(o) for o in objectives)
    names = [o.name for o in result]
    if not names:
        raise SpecError("no objectives given; expected at least one")
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise SpecError(f"objective {twice!r} is given twice in {names}; names must be distinct")
    return result


def shown(returns: ArrayLike, objectives: Iterable[Objective]) -> FloatArray:
    """Returns ``(..., K)`` as people read them, costs positive; and, since it is its own inverse, back again.

    >>> shown([3.0, -120.0], [Objective("speed"), Objective("cost", minimise=True)]).tolist()
    [3.0, 120.0]
    """
    signs = np.array([o.sign for o in objectives])
    return np.asarray(np.asarray(returns, dtype=np.float64) * signs + 0.0)  # + 0: there is no cost of −0


def as_returns(values: ArrayLike, objectives: Sequence[Objective], what: str = "reference point") -> FloatArray:
    """K numbers that a person gave, costs positive, as returns ``(K,)``.

    Raises:
        SpecError: not one finite number for each objective.

    >>> as_returns([0, 120], [Objective("speed"), Objective("cost", minimise=True)]).tolist()
    [0.0, -120.0]
    """
    return shown(check_vector(values, len(objectives), what, [o.name for o in objectives]), objectives)


@dataclass(frozen=True)
class MOSpec:
    """The objectives of a problem and how its returns are measured.

    Args:
        objectives: one per reward component, in order.
        discount: γ in ``[0, 1]``; the first reward counts with γ⁰ = 1.
        horizon: the time limit in steps, or ``None``.
        ref_point: raw return, dominated by every return of interest, for hypervolume. Shape ``(K,)``.
        return_scale: ``(low, high)`` returns used to normalise, ``f = (J − low) / (high − low)``. Shapes ``(K,)``.

    Both are returns as they are stored, maximised: −120 for a minimised cost of 120.

    Raises:
        SpecError: lengths disagree, γ is outside ``[0, 1]``, or the scale is empty.
    """

    objectives: tuple[Objective, ...]
    discount: float = 1.0
    horizon: int | None = None
    ref_point: tuple[float, ...] | None = None
    return_scale: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", as_objectives(self.objectives))
        if not 0.0 <= self.discount <= 1.0:
            raise SpecError(f"discount is {self.discount}; expected a number in [0, 1]")
        if self.horizon is not None and self.horizon < 1:
            raise SpecError(f"horizon is {self.horizon}; expected a positive number of steps or None")
        if self.ref_point is not None:
            point = check_vector(self.ref_point, self.k, "reference point", self.names)
            object.__setattr__(self, "ref_point", tuple(float(x) for x in point))
        if self.return_scale is not None:
            low = check_vector(self.return_scale[0], self.k, "return_scale low", self.names)
            high = check_vector(self.return_scale[1], self.k, "return_scale high", self.names)
            if np.any(low >= high):
                i = int(np.argmax(low >= high))
                raise SpecError(f"return_scale of {self.names[i]!r} is ({low[i]}, {high[i]}); expected low < high")
            object.__setattr__(self, "return_scale", (tuple(map(float, low)), tuple(map(float, high))))

    @property
    def k(self) -> int:
        """The number of objectives, K."""
        return len(self.objectives)

    @property
    def names(self) -> tuple[str, ...]:
        """The objectives' names, in order."""
        return tuple(o.name for o in self.objectives)

    @property
    def reward_low(self) -> FloatArray:
        """Smallest reward of one step, maximised, shape ``(K,)``."""
        return np.array([o.reward_low for o in self.objectives])

    @property
    def reward_high(self) -> FloatArray:
        """Largest reward of one step, maximised, shape ``(K,)``."""
        return np.array([o.reward_high for o in self.objectives])

    def index(self, objective: str | int) -> int:
        """Position of an objective given by name or number.

        Raises:
            UnknownNameError: no objective has that name.
            SpecError: the number is out of range.
        """
        if isinstance(objective, str):
            if objective not in self.names:
                raise UnknownNameError("objective", objective, self.names)
            return self.names.index(objective)
        if not 0 <= objective < self.k:
            raise SpecError(f"objective number is {objective}; expected 0 to {self.k - 1}")
        return int(objective)

    def normalise(self, returns: ArrayLike) -> FloatArray:
        """Returns ``(..., K)`` on the scale of ``return_scale``: 0 is its low end, 1 its high end.

        >>> MOSpec((Objective("a"),), return_scale=((-2.0,), (2.0,))).normalise([1.0])
        array([0.75])
        """
        if self.return_scale is None:
            raise SpecError("this problem has no return_scale; give MOSpec(return_scale=(low, high))")
        low, high = np.array(self.return_scale[0]), np.array(self.return_scale[1])
        return np.asarray((np.asarray(returns, float) - low) / (high - low))

    @property
    def span(self) -> FloatArray:
        """Width of the return scale ``(K,)``; ones where there is none.

        >>> MOSpec((Objective("a"),), return_scale=((-2.0,), (2.0,))).span
        array([4.])
        """
        if self.return_scale is None:
            return np.ones(self.k)
        return np.subtract(self.return_scale[1], self.return_scale[0], dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description."""
        return {
            "objectives": [o.to_dict() for o in self.objectives],
            "discount": self.discount,
            "horizon": self.horizon,
            "ref_point": None if self.ref_point is None else list(self.ref_point),
            "return_scale": None if self.return_scale is None else [list(x) for x in self.return_scale],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MOSpec:
        """The inverse of :meth:`to_dict`."""
        try:
            scale, point, horizon = data.get("return_scale"), data.get("ref_point"), data.get("horizon")
            return cls(
                tuple(Objective.from_dict(o) for o in data["objectives"]),
                float(data.get("discount", 1.0)),
                None if horizon is None else int(horizon),
                None if point is None else tuple(point),
                None if scale is None else (tuple(scale[0]), tuple(scale[1])),
            )
        except SpecError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError) as error:
            raise SpecError(f"specification {data!r} cannot be read ({error}); expected at least objectives") from None


def check_vector(values: ArrayLike, k: int, what: str, names: Sequence[str] | None = None) -> FloatArray:
    """A finite float vector of length K, or a :class:`SpecError` that names what is wrong with it.

    >>> check_vector([0, -25], 2, "reference point")
    array([  0., -25.])
    """
    try:
        vector = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise SpecError(f"{what} is {values!r}; expected {k} numbers") from None
    if vector.shape != (k,):
        given = f"{vector.size} number{'s' * (vector.size != 1)}" if vector.ndim <= 1 else f"shape {vector.shape}"
        of = f" ({', '.join(names)})" if names else ""
        raise SpecError(f"{what} has {given}; expected {k}, one per objective{of}")
    if not np.isfinite(vector).all():
        i = int(np.argmin(np.isfinite(vector)))
        raise SpecError(f"{what} has {vector[i]} at position {i}; expected finite numbers")
    return vector


def check_weights(weights: ArrayLike, k: int, what: str = "weights", tolerance: float = 1e-6) -> FloatArray:
    """A point of the unit simplex in K dimensions, shape ``(K,)``; integers are welcome.

    Raises:
        SpecError: wrong length, a negative or non-finite weight, or a sum that is not 1.

    >>> check_weights([1, 0], 2)
    array([1., 0.])
    """
    vector = check_vector(weights, k, what)
    if np.any(vector < -1e-12):  # 1 − .3 − .05 − .65 is −1e-17, and a weight of 0
        i = int(np.argmin(vector))
        raise SpecError(f"{what} {vector.tolist()} has {vector[i]} at position {i}; expected no negative weight")
    total = float((vector := np.maximum(vector, 0.0)).sum())
    if abs(total - 1.0) > tolerance:
        fix = "" if total <= 0 else f"; divide by {total:g} to get {np.round(vector / total, 6).tolist()}"
        raise SpecError(f"{what} {vector.tolist()} sum to {total:g}; expected a sum of 1{fix}")
    return np.asarray(vector / total)

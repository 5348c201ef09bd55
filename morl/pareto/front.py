"""Pareto fronts: the value vectors of policies, with everything that is known about them.

An exact solver, an agent, a file and another library's result all become a :class:`Front`, so any two can be
measured against each other and drawn together. Points are always maximised.

Methods that measure, draw, read and write call :mod:`morl.pareto.indicators`, :mod:`morl.pareto.plots` and
:mod:`morl.pareto.files`, and import them when they are called: those modules know Front as a type only, and matplotlib
is loaded where a figure is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from morl.pareto.arrays import frozen, points_of
from morl.pareto.identity import check_identities, find_identity, identities_of
from morl.pareto.roles import EXACT, role_of
from morl.spec import (
    BoolArray,
    FloatArray,
    FrontError,
    IntArray,
    MOSpec,
    Objective,
    as_objectives,
    check_vector,
    shown,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from morl.pareto.choice import Choice


@dataclass(frozen=True, eq=False)
class Front:
    """Value vectors of policies, best trade-offs first to last along objective 0 (descending).

    Args:
        points: ``(n, K)`` returns, finite. Stored read-only and sorted; everything per point is sorted along.
        objectives: names and units, one per column; plain names are welcome.
        ref_point: ``(K,)`` reference point for hypervolume, in the unit of the returns.
        discount: the γ under which the points are returns; 1 is undiscounted; ``None`` is unknown.
        policies: what is behind each point: a policy, a mixture, an action sequence, a preference. Files keep tables.
        weights: ``(n, K)`` simplex weight, preference or command that produced each point.
        supported: ``(n,)`` true where some linear weight makes the point optimal among *all* points; for sampled
            averages false only where a mixture beats the point beyond noise.
        covariance: ``(n, K, K)`` covariance of the *mean*, where points are sampled averages.
        episodes: ``(n,)`` episodes behind each average; 0 means computed exactly.
        epsilon: certified additive error: every achievable vector has a point (or, for convex sets, a mixture
            of points) at least as good up to ε in every objective. ``None`` where nothing is certified.
        complete: true where the set is proved to be complete at ``epsilon``.
        outer: ``(n_cuts, K + 1)`` half-spaces ``w·x <= b`` (columns w, then b) that contain every achievable vector.
        scale: ``(low, high)`` returns for normalised indicators; ``None`` where the problem names none.
        provenance: JSON-able facts: policy class, criterion (SER or ESR), algorithm, seed, steps, seconds.
        identities: :attr:`ids` of points whose policies are known; ``None`` makes them of the values.

    Raises:
        FrontError: NaN or inf (named by index and objective), or shapes that disagree.

    >>> f = Front([[1, 3], [3, 1], [2, 0]], objectives=["a", "b"]).nondominated()
    >>> f.points.tolist()
    [[3.0, 1.0], [1.0, 3.0]]
    """

    points: FloatArray
    objectives: tuple[Objective, ...] = ()
    ref_point: FloatArray | None = None
    discount: float | None = None
    policies: tuple[Any, ...] | None = None
    weights: FloatArray | None = None
    supported: BoolArray | None = None
    covariance: FloatArray | None = None
    episodes: IntArray | None = None
    epsilon: float | None = None
    complete: bool = False
    outer: FloatArray | None = None
    scale: tuple[FloatArray, FloatArray] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    identities: tuple[str, ...] | None = None

    def __init__(
        self,
        points: ArrayLike,
        objectives: Sequence[Objective | str] | None = None,
        ref_point: ArrayLike | None = None,
        discount: float | None = None,
        policies: Sequence[Any] | None = None,
        weights: ArrayLike | None = None,
        supported: ArrayLike | None = None,
        covariance: ArrayLike | None = None,
        episodes: ArrayLike | None = None,
        epsilon: float | None = None,
        complete: bool = False,
        outer: ArrayLike | None = None,
        scale: tuple[ArrayLike, ArrayLike] | None = None,
        provenance: Mapping[str, Any] | None = None,
        identities: Sequence[str] | None = None,
    ) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        values = points_of(points, None if objectives is None else len(tuple(objectives)))
        n, k = values.shape
        named = as_objectives([f"r{i}" for i in range(k)] if objectives is None else objectives)
        if len(named) != k:
            raise FrontError(f"points have {k} columns; expected {len(named)}, one per objective")
        if not np.isfinite(values).all():
            i, j = (int(x) for x in np.argwhere(~np.isfinite(values))[0])
            raise FrontError(f"point {i} has {values[i, j]} in objective {named[j].name!r}; expected finite numbers")
        order = np.lexsort(tuple(-values[:, j] for j in reversed(range(k)))) if n else np.zeros(0, dtype=np.int64)

        def aligned(value: ArrayLike | None, name: str, dtype: Any, *tail: int) -> Any:
            if value is None:
                return None
            array = np.array(value, dtype=dtype)
            if n == 0:
                array = array.reshape((0, *tail))
            if array.shape != (n, *tail):
                raise FrontError(f"{name} has shape {array.shape}; expected {(n, *tail)}, one entry per point")
            return frozen(array[order])

        if policies is not None and len(policies) != n:
            raise FrontError(f"{len(policies)} policies for {n} points; expected one per point")
        if discount is not None and not 0.0 <= discount <= 1.0:
            raise FrontError(f"discount is {discount}; expected a number in [0, 1], or None where it is unknown")
        put("points", frozen(values[order]))
        put("objectives", named)
        put("ref_point", None if ref_point is None else _ref(ref_point, named))
        put("discount", None if discount is None else float(discount))
        put("policies", None if policies is None else tuple(policies[i] for i in order))
        put("weights", aligned(weights, "weights", np.float64, k))
        put("supported", aligned(supported, "supported", np.bool_))
        put("covariance", aligned(covariance, "covariance", np.float64, k, k))
        if self.covariance is not None and not np.isfinite(self.covariance).all():
            i = int(np.argmin(np.isfinite(self.covariance).all(axis=(1, 2))))
            raise FrontError(
                f"covariance of point {self.points[i].tolist()} is not finite; expected at least 2 episodes"
            )
        put("episodes", aligned(episodes, "episodes", np.int64))
        put("epsilon", None if epsilon is None else float(epsilon))
        put("complete", bool(complete))
        put("outer", None if outer is None else frozen(np.array(outer, dtype=np.float64).reshape(-1, k + 1)))
        if scale is not None and len(scale) != 2:
            raise FrontError(f"scale has {len(scale)} parts; expected two, (low, high)")
        put("scale", None if scale is None else tuple(frozen(check_vector(x, k, "scale")) for x in scale))
        put("provenance", dict(provenance or {}))
        ids = None if identities is None else check_identities(identities, n)
        put("identities", None if ids is None else tuple(ids[i] for i in order))

    # ---- reading ---------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[FloatArray]:
        """The points one after the other, ``(K,)`` each."""
        return iter(self.points)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The points, so that a front may stand where an array ``(n, K)`` is expected."""
        return np.array(self.points, dtype=dtype) if copy or dtype is not None else self.points

    @property
    def k(self) -> int:
        """K, the number of objectives."""
        return len(self.objectives)

    @property
    def names(self) -> tuple[str, ...]:
        """The objectives' names."""
        return tuple(o.name for o in self.objectives)

    def __repr__(self) -> str:
        what = ", ".join(
            str(self.provenance[key]) for key in ("algorithm", "policy_class", "criterion") if key in self.provenance
        )
        gamma = "" if self.discount is None else f", γ={self.discount:g}"
        return f"Front({len(self)} points, {' / '.join(self.names)}{gamma}{', ' + what if what else ''})"

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Identities of the points, by which commands, files and pages name them; see :mod:`morl.pareto.identity`.

        Equal ones are of one policy, or of equal values where no policy is known.
        """
        return identities_of(shown(self.points, self.objectives)) if self.identities is None else self.identities

    def find(self, id: str) -> int:
        """Position of the point with this identity, or with the only one that begins so (three signs or more).

        Raises:
            UnknownNameError: there is none; the message names similar ones.
            SpecError: several begin so.
        """
        return find_identity(self.ids, id)

    @property
    def best_known(self) -> bool:
        """True where better points may exist: the front is a record, a union or a sample, not the exact front."""
        return self.role != EXACT

    @property
    def role(self) -> str:
        """Name of the front in tables and legends where others are measured against it: see :mod:`morl.pareto.roles`.

        >>> Front([[1, 2]], provenance={"status": "best known, not proved optimal"}).role
        'best-known front'
        """
        return role_of(self)

    # ---- deriving --------------------------------------------------------------------------------------

    def subset(self, keep: ArrayLike) -> Front:
        """Some of the points, by a mask ``(n,)`` or by their numbers, with everything that belongs to them."""
        index = np.flatnonzero(keep) if np.asarray(keep).dtype == bool else np.asarray(keep, dtype=np.int64)

        def pick(x: Any) -> Any:
            return None if x is None else x[index]

        return self.replace(
            points=self.points[index],
            policies=None if self.policies is None else tuple(self.policies[i] for i in index),
            weights=pick(self.weights),
            supported=pick(self.supported),
            covariance=pick(self.covariance),
            episodes=pick(self.episodes),
            identities=None if self.identities is None else tuple(self.identities[i] for i in index),
        )

    def replace(self, **changes: Any) -> Front:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def nondominated(self) -> Front:
        """Only the points that no other point dominates; of equal points the first is kept."""
        from morl.pareto.indicators import nondominated_mask

        return self.subset(nondominated_mask(self.points))

    def classified(self) -> Front:
        """The same points with ``supported`` filled: which of them some linear weight may find among all.

        Where points are sampled averages, only those are marked false that a mixture beats by more than their
        confidence intervals, see :func:`morl.pareto.kinds.supported_by_intervals`; :attr:`kinds` says which of
        the others are supported as measured and which lie within noise.
        """
        return self.replace(supported=self.found_by_weights)

    @cached_property
    def found_by_weights(self) -> BoolArray:
        """What ``supported`` is where it is worked out from the points themselves, ``(n,)``; computed once."""
        from morl.pareto.kinds import supported_by_intervals

        return np.asarray(frozen(supported_by_intervals(self)))

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """For each point "supported", "non-convex", "dominated" or "within noise"; computed once.

        >>> Front([[0, 4], [1, 1], [4, 0], [0, 0]]).kinds
        ('supported', 'non-convex', 'supported', 'dominated')
        """
        from morl.pareto.kinds import kinds_of

        return kinds_of(self)

    def with_spec(self, spec: MOSpec) -> Front:
        """The same points under a problem's objectives, reference point and scale, where the front has none."""
        if spec.k != self.k:
            raise FrontError(f"front has {self.k} objectives; the problem has {spec.k} ({', '.join(spec.names)})")
        return self.replace(
            objectives=spec.objectives,
            ref_point=self.ref_point if self.ref_point is not None else spec.ref_point,
            scale=self.scale if self.scale is not None else spec.return_scale,
        )

    def reference(self, ref_point: ArrayLike | None = None) -> FloatArray:
        """The reference point to use: the one given, or the front's own.

        Raises:
            FrontError: neither exists. A reference point is never guessed.
        """
        if ref_point is not None:
            return _ref(ref_point, self.objectives)
        if self.ref_point is None:
            raise FrontError(
                f"no reference point for {' / '.join(self.names)}; give ref_point, or set it in the env's metadata"
            )
        return self.ref_point

    # ---- choosing (see morl.pareto.choice) -------------------------------------------------------------

    def choose(self, *constraints: Any, **criterion: Any) -> Choice:
        """The best point under constraints by name, for a criterion; see :func:`morl.pareto.choice.choose`.

        >>> Front([[0, 4], [3, 3], [4, 0]], ["service", "profit"]).choose("service >= 1", utility="worst").index
        1
        """
        from morl.pareto.choice import choose

        return choose(self, *constraints, **criterion)

    # ---- measuring (see morl.pareto.indicators) --------------------------------------------------------

    def hypervolume(self, ref_point: ArrayLike | None = None) -> float:
        """Volume dominated by the points above the reference point; warns of points outside it.

        >>> Front([[1, 3], [3, 1]], ref_point=[0, 0]).hypervolume()
        5.0
        """
        from morl.pareto.indicators import hypervolume, warn_outside

        point = self.reference(ref_point)
        warn_outside(self.points, point)
        return hypervolume(self.points, point)

    # ---- drawing (see morl.pareto.plots) ---------------------------------------------------------------

    def plot(self, reference: Front | None = None, **options: Any) -> Axes | Any:
        """Plot the front with matplotlib, over a reference front; see :func:`morl.pareto.plots.plot_front`."""
        from morl.pareto.plots import plot_front

        return plot_front(self, reference, **options)

    # ---- files (see morl.pareto.files) -----------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description of everything but the policies; minimised objectives are positive costs in it."""
        from morl.pareto.files import to_dict

        return to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Front:
        """The inverse of :meth:`to_dict`."""
        from morl.pareto.files import from_dict

        return from_dict(cls, data)

    def save(self, path: str | Path) -> Path:
        """Write as ``.json`` (everything) or ``.csv`` (points only, one column per objective), atomically.

        With a SHA-256 digest, inside the JSON or in ``NAME.csv.sha256`` beside the table, by which :meth:`load`
        tells whether the file is as it was written.
        """
        from morl.pareto.files import save_front

        return save_front(self, path)

    @classmethod
    def load(cls, path: str | Path, minimise: bool | Sequence[str] = False) -> Front:
        """Read a file written by :meth:`save`, or a table of points of another program.

        Tables (``.csv``, ``.tsv``, ``.txt``, ``.dat``, ``.pf``) may have a header or none, and any of the dialects
        of :func:`morl.pareto.tables.read_points`. A column called ``"cost (minimise)"`` is a minimised objective.
        A front that was altered since it was saved is read, with a warning and ``provenance["altered"]``.

        Args:
            path: a regular file.
            minimise: objectives of the file that are costs: their names, or true for all of them, as in the
                point sets of minimisation libraries.

        Raises:
            FrontError: no such file, or not a front.
        """
        from morl.pareto.files import load_front

        return load_front(cls, path, minimise)

    def to_csv(self) -> str:
        """The points as CSV with a header of objective names, at full precision; costs are positive and marked."""
        from morl.pareto.files import to_csv

        return to_csv(self)

    @classmethod
    def from_csv(cls, text: str) -> Front:
        """Points from the text of a table; see :func:`morl.pareto.tables.read_points`."""
        from morl.pareto.files import from_csv

        return from_csv(cls, text)


def _ref(ref_point: ArrayLike, objectives: Sequence[Objective]) -> FloatArray:
    point = check_vector(ref_point, len(objectives), "reference point", [o.name for o in objectives])
    return np.asarray(frozen(point))

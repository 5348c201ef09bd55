"""Fronts beside the numbers that a protocol's source reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from morl.bench.protocols import Protocol, Setup, get
from morl.spec import FrontError

if TYPE_CHECKING:
    from morl.pareto import Front


@dataclass(frozen=True)
class Standing:
    """One row: a front that was measured here, or a number that was published.

    Args:
        name: of the front, or of the published algorithm.
        steps: environment steps of learning; ``None`` where they are not known.
        points: non-dominated points; ``None`` for what was published.
        hypervolume, utility: discounted, under the protocol; ``None`` where nothing is published.
        known: ``"measured"``, or how the published number is known (:class:`~morl.bench.protocols.Published`).
        minutes: of wall-clock, where they are known.
    """

    name: str
    steps: int | None
    points: int | None
    hypervolume: float | None
    utility: float | None
    known: str
    minutes: float | None = None


@dataclass(frozen=True)
class Standings:
    """Result of :func:`compare_under`: rows of fronts in the order given, then the published ones."""

    protocol: Protocol
    setup: Setup
    rows: tuple[Standing, ...]

    @property
    def title(self) -> str:
        """What was measured, in one line."""
        s = self.setup
        ref = ", ".join(f"{x:g}" for x in s.ref_point)
        return (
            f"{self.protocol.name}, {s.problem}: γ = {s.discount:g}, reference point ({ref}), utility over {s.weights} "
            f"even weights, {s.episodes} episode{'s' * (s.episodes != 1)} a policy"
        )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description."""
        s = self.setup
        return {
            "protocol": self.protocol.name,
            "problem": s.problem,
            "env": s.env,
            "env_options": dict(s.env_options),
            "differs": s.differs,
            "discount": s.discount,
            "ref_point": list(s.ref_point),
            "rows": [vars(row) for row in self.rows],
        }


def compare_under(
    protocol: str, fronts: Mapping[str, Front], env: str | None = None, *, any_protocol: bool = False
) -> Standings:
    """Measure fronts as a protocol does, beside what its source reports.

    Args:
        protocol: its name.
        fronts: by name.
        env: the protocol's environment; by default the one that the fronts' provenance names.
        any_protocol: also take fronts that do not say that they were measured under this protocol.

    Raises:
        FrontError: a front of another protocol or environment, or none given.
        SpecError: a front of another discount or number of objectives.
        UnknownNameError: no such protocol, or it has no such environment.
    """
    found = get(protocol)
    if not fronts:
        raise FrontError("no front is given; expected at least one to measure")
    for name, front in fronts.items():
        under = front.provenance.get("protocol")
        if under != found.name and not any_protocol:
            what = "names no protocol" if under is None else f"was measured under protocol {under}"
            raise FrontError(
                f"{name} {what}, not under {found.name}: train it with --protocol {found.name}, or compare all the "
                "same with any_protocol=True (--any-protocol)"
            )
    setups = {name: _setup(found, front, env) for name, front in fronts.items()}
    setup = next(iter(setups.values()))
    for name, other in setups.items():
        if other.problem != setup.problem:
            raise FrontError(f"{name} is of {other.problem}; expected {setup.problem}, as {next(iter(setups))} is")
    rows = [_measured(name, front, setup) for name, front in fronts.items()]
    rows += [
        Standing(p.algorithm, p.steps or None, None, p.hypervolume, p.utility, p.known, p.minutes)
        for p in setup.published
    ]
    return Standings(found, setup, tuple(rows))


def _setup(protocol: Protocol, front: Front, env: str | None) -> Setup:
    """The set-up that a front is of."""
    facts = front.provenance
    return protocol.setup(env or facts.get("env"), facts.get("env_options"))


def _measured(name: str, front: Front, setup: Setup) -> Standing:
    volume, utility = setup.measure(front)
    seconds = front.provenance.get("seconds")
    minutes = float(seconds) / 60 if isinstance(seconds, int | float) else None
    steps = front.provenance.get("steps")
    return Standing(name, steps, len(front.nondominated()), volume, utility, "measured", minutes)

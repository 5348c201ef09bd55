"""Protocols: how published hypervolumes and utilities were measured, as data.

A hypervolume says nothing without its reference point, discount, budget, number of episodes and version of the
environment; the same name with other ones is another problem. A :class:`Protocol` names them for one publication, a
:class:`Setup` for one of its environments, and :class:`Published` repeats what was reported. Each number says how it is
known: ``"read"`` in the source named, ``"figure"`` read off a picture (a few percent), ``"recalled"`` from memory
(check before citing) or ``"derived"`` by computation.

    from morl.runs import RunConfig, train

    run = train(RunConfig.under("openrlbenchmark-2023", "CAPQL", "mo-hopper-2d-v4", seed=1))

Utilities are of raw discounted returns: the mean over even weights w of ``max_v w·v`` (EU; EUM in MORL-Baselines).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.spec import SpecError, UnknownNameError, listed

if TYPE_CHECKING:
    from morl.pareto import Front


@dataclass(frozen=True)
class Published:
    """What a source reports for one algorithm.

    Args:
        algorithm: its name there.
        steps: environment steps of learning; 0 for what is known of the problem itself.
        hypervolume, utility: the numbers; ``None`` where there is none.
        known: ``"read"``, ``"figure"``, ``"recalled"`` or ``"derived"``.
        minutes: of wall-clock, where the source says.
        source: where, if not in the protocol's own.
    """

    algorithm: str
    steps: int
    hypervolume: float | None
    utility: float | None = None
    known: str = "read"
    minutes: float | None = None
    source: str = ""


@dataclass(frozen=True)
class Setup:
    """One environment of a protocol.

    Args:
        problem: its name in the source, version included.
        env: the environment here that comes nearest.
        ref_point: ``(K,)`` as people write it: costs of minimised objectives would be positive.
        discount: γ of the returns that are measured.
        steps: environment steps of learning.
        episodes: per policy, when it is measured.
        weights: even weights that the utility is averaged over.
        learning_discount: γ to learn with, where it is another than that of the returns.
        env_options: arguments of the environment that make its rewards and episodes the source's.
        differs: what still differs from the source's environment; empty where nothing is known to.
        published: numbers to compare with.
    """

    problem: str
    env: str
    ref_point: tuple[float, ...]
    discount: float
    steps: int
    episodes: int
    weights: int = 100
    learning_discount: float | None = None
    env_options: Mapping[str, Any] = field(default_factory=dict)
    differs: str = ""
    published: tuple[Published, ...] = ()

    @property
    def learned_with(self) -> float:
        """γ to learn with."""
        return self.discount if self.learning_discount is None else self.learning_discount

    def require(
        self, discount: float | None, ref_point: Sequence[float] | None, env_options: Mapping[str, Any] | None
    ) -> None:
        """Refuse what a caller gave (``None``: nothing) where the set-up says otherwise.

        Raises:
            SpecError: it does.
        """
        ref = None if not ref_point else tuple(float(x) for x in ref_point)
        more = {key: value for key, value in (env_options or {}).items() if self.env_options.get(key) != value}
        pairs = (("discount", discount, self.learned_with), ("reference point", ref, self.ref_point))
        for what, given, ours in (*pairs, ("environment options", more or None, dict(self.env_options))):
            if given not in (None, ours):
                raise SpecError(
                    f"{what} {given} given; the protocol measures {self.problem} with {ours}: leave it out, or leave "
                    "out the protocol"
                )

    def measure(self, front: Front) -> tuple[float, float]:
        """Hypervolume and expected utility of a front's discounted returns.

        Raises:
            SpecError: the front has another number of objectives, or another discount.

        >>> from morl.pareto import Front
        >>> setup = setup_of("pdmorl-dst")
        >>> front = Front([[0.7, -1.0], [23.7, -17.4]], ["treasure", "time"], discount=0.99)
        >>> [round(x, 2) for x in setup.measure(front)]
        [49.4, 6.61]
        """
        from morl.pareto.indicators import hypervolume
        from morl.pareto.weights import das_dennis

        if front.k != len(self.ref_point):
            raise SpecError(f"front has {front.k} objectives; expected {len(self.ref_point)}, as {self.problem} has")
        if front.discount is not None and front.discount != self.discount:
            raise SpecError(f"front is of γ = {front.discount:g}; expected {self.discount:g}, as {self.problem} is")
        weights = das_dennis(front.k, number=self.weights)
        points = front.points if len(front) else np.array([self.ref_point])
        return hypervolume(points, np.array(self.ref_point)), float((weights @ points.T).max(axis=1).mean())


@dataclass(frozen=True)
class Protocol:
    """A published set-up.

    Args:
        name: ``"source-year"``.
        source: the publication, with where it can be read.
        about: what is peculiar about it.
        setups: one for each environment.
    """

    name: str
    source: str
    about: str
    setups: tuple[Setup, ...]

    def setup(self, env: str | None = None, options: Mapping[str, Any] | None = None) -> Setup:
        """The set-up for an environment, named as in the source or by its id here; the only one for ``None``.

        Args:
            env: its name.
            options: arguments of the environment that tell several set-ups with one id apart.

        Raises:
            SpecError: several set-ups fit.
            UnknownNameError: the protocol has no such environment.
        """
        known = {s.problem: s for s in self.setups}
        fits = [s for s in self.setups if env is None or _plain(env) in (_plain(s.problem), _plain(s.env))]
        if not fits:
            raise UnknownNameError(f"environment of protocol {self.name}", str(env), known)
        if len(fits) > 1 and options:
            fits = [s for s in fits if {**s.env_options, **options} == dict(s.env_options)] or fits
        if len(fits) > 1:
            what = "several environments" if env is None else f"{env} with several arguments"
            raise SpecError(f"protocol {self.name} has {what}; name one of {listed(s.problem for s in fits)}")
        return fits[0]


def _plain(env: str) -> str:
    return env.removeprefix("morl/").casefold()


# ---- the protocols --------------------------------------------------------------------------------------------------


def _known(source: str, steps: int, **numbers: tuple[float, float | None]) -> tuple[Published, ...]:
    """Rows of one table that was read: algorithm = (hypervolume, utility)."""
    names = {"pgmorl": "PG-MORL", "gpi_ls": "GPI-LS", "cmorl": "C-MORL", "d3po": "D³PO"}
    return tuple(Published(names[key], steps, *pair, source=source) for key, pair in numbers.items())


_HOPPER: dict[str, Any] = {
    "problem": "mo-hopper-2d-v4",
    "env": "morl/Hopper2Obj-v5",
    "ref_point": (-100.0, -100.0),
    "discount": 0.99,
    "episodes": 5,
    "differs": "v4 pays the bonus for being upright also in the step in which the hopper falls; v5 does not",
}


def _openrlbenchmark() -> Protocol:
    capql: dict[str, Any] = {"known": "figure", "minutes": 100.0}
    gpi_ls: dict[str, Any] = {"known": "figure", "minutes": 300.0}
    hopper = (
        Published("CAPQL", 45_000, 60e3, 137.0, **capql),
        Published("CAPQL", 100_000, 71e3, 159.0, **capql),
        Published("GPI-LS", 100_000, 99e3, 203.0, **gpi_ls),
    )
    cheetah = (
        Published("CAPQL", 40_000, 24e3, 72.0, **capql),
        Published("CAPQL", 100_000, 33e3, 130.0, **capql),
        Published("GPI-LS", 50_000, 41e3, 190.0, **gpi_ls),
        Published("GPI-LS", 100_000, 48e3, 248.0, **gpi_ls),
    )
    return Protocol(
        "openrlbenchmark-2023",
        "Felten et al. 2023, A toolkit for reliable benchmarking and research in MORL; its runs on openrlbenchmark",
        "MORL-Baselines' defaults; fronts of 100 even weights, 5 episodes each; utility over 50; minutes are those of "
        "100,000 steps; numbers are read off its figures (3 %)",
        (
            Setup(**_HOPPER, steps=100_000, weights=50, published=hopper),
            Setup(
                problem="mo-halfcheetah-v4",
                env="morl/HalfCheetah-v5",
                env_options={"effort": 0.1},
                ref_point=(-100.0, -100.0),
                discount=0.99,
                steps=100_000,
                episodes=5,
                weights=50,
                published=cheetah,
            ),
        ),
    )


def _cmorl() -> Protocol:
    page = "table of arXiv 2602.07764"
    ant: dict[str, Any] = {"contact_cost_weight": 0.0, "include_cfrc_ext_in_observation": False}
    human: dict[str, Any] = {"contact_cost_weight": 0.0, "forward_reward_weight": 1.0}

    def robot(problem: str, env: str, numbers: dict[str, Any], differs: str = "", **options: Any) -> Setup:
        k, steps = (3, 2_000_000) if "3d" in problem else (2, 1_500_000)
        return Setup(
            problem,
            env,
            ref_point=(-100.0,) * k,
            discount=0.99,
            steps=steps,
            episodes=5,
            weights=101,
            env_options={"max_steps": 500, **({"bonus": "all"} if k == 3 else {}), **options},
            differs=differs,
            published=_known(page, steps, **numbers),
        )

    hopper_2d = {"pgmorl": (1.20e5, 234), "gpi_ls": (1.19e5, 233), "cmorl": (1.37e5, 253), "d3po": (1.30e5, 247)}
    hopper_3d = {"pgmorl": (1.59e7, 147), "gpi_ls": (1.70e7, 162), "cmorl": (2.19e7, 181), "d3po": (2.12e7, 174)}
    ant_2d = {"pgmorl": (0.35e5, 81), "gpi_ls": (1.17e5, 428), "cmorl": (1.31e5, 250), "d3po": (1.91e5, 314)}
    ant_3d = {"pgmorl": (0.94e7, 107), "gpi_ls": (0.55e7, 241), "cmorl": (2.61e7, 206), "d3po": (2.68e7, 199)}
    humanoid = {"pgmorl": (2.62e5, 406), "gpi_ls": (1.98e5, 367), "cmorl": (3.43e5, 478), "d3po": (3.76e5, 511)}
    minecart = Published("C-MORL", 500_000, 677.0, known="recalled"), *_known(page, 500_000, d3po=(739.0, None))
    falls, zeros = _HOPPER["differs"], "v5 leaves constant zeros out of the observation"
    return Protocol(
        "cmorl-2025",
        "Liu et al. 2025 (ICLR), Efficient discovery of Pareto front for MORL, arXiv 2410.02236, and its scripts",
        "robots in episodes of 500 steps; means of six seeds; D³PO (arXiv 2602.07764) measures alike",
        (
            robot("mo-hopper-2d-v4", "morl/Hopper2Obj-v5", hopper_2d, falls),
            robot("mo-hopper-3d-v4", "morl/Hopper-v5", hopper_3d, falls),
            robot("mo-ant-2d-v4", "morl/Ant2Obj-v5", ant_2d, **ant),
            robot("mo-ant-3d-v4", "morl/Ant-v5", ant_3d, **ant),
            robot("mo-humanoid-2d-v4", "morl/Humanoid-v5", humanoid, zeros, bonus="all", **human),
            Setup("minecart-v0", "morl/Minecart-v0", (-1.0, -1.0, -200.0), 0.98, 500_000, 10, 6, published=minecart),
        ),
    )


def _pdmorl() -> tuple[Protocol, Protocol]:
    source = "Basaklar, Gumussoy & Ogras 2023 (ICLR), PD-MORL, arXiv 2208.07914"
    about = "both problems are deterministic, so returns are exact; hypervolume of discounted returns"

    def numbers(pdmorl: float, envelope: float, exact: float) -> tuple[Published, ...]:
        learned = (("PD-MORL", pdmorl), ("Envelope", envelope))
        recalled = tuple(Published(name, 100_000, volume, known="recalled") for name, volume in learned)
        return *recalled, Published("exact front", 0, exact, known="derived")

    def tree(depth: int, *known: float) -> Setup:
        name, options = f"fruit-tree-depth-{depth}", {"depth": depth}
        return Setup(
            name, "morl/FruitTree-v0", (0.0,) * 6, 0.99, 100_000, 1, env_options=options, published=numbers(*known)
        )

    sea = numbers(241.73, 227.89, 241.73)
    trees = (
        tree(5, 6920.58, 6920.58, 6920.58),
        tree(6, 9299.15, 8427.51, 9302.38),
        tree(7, 11419.58, 6395.27, 12302.34),
    )
    return (
        Protocol(
            "pdmorl-dst",
            source,
            about,
            (Setup("deep-sea-treasure", "morl/DeepSeaTreasure-v0", (0.0, -19.0), 0.99, 100_000, 1, published=sea),),
        ),
        Protocol("pdmorl-ftn", source, about, trees),
    )


def _pgmorl() -> Protocol:
    differs = "Gymnasium's v5 robots, on MuJoCo's own bindings instead of mujoco-py"

    def task(name: str, volume: float, *more: Published) -> Setup:
        return Setup(
            f"MO-{name}-v2",
            f"morl/PGMORL{name}-v2",
            ref_point=(0.0, 0.0),
            discount=1.0,
            learning_discount=0.995,
            steps=5_000_000,
            episodes=1,
            differs=differs,
            published=(Published("PGMORL", 5_000_000, volume, known="recalled"), *more),
        )

    return Protocol(
        "pgmorl-2020",
        "Xu et al. 2020 (ICML), Prediction-guided MORL for continuous robot control; code at mit-gfx/PGMORL",
        "its own tasks: other rewards than Gymnasium's and MO-Gymnasium's; undiscounted returns of 500 steps",
        (
            task("HalfCheetah", 5.77e6, Published("bound", 0, 6.25e6, known="derived")),
            task("Walker2d", 4.82e6),
            task("Swimmer", 2.57e4),
            task("Ant", 6.35e6),
        ),
    )


@functools.cache
def _all() -> dict[str, Protocol]:
    return {one.name: one for one in (_cmorl(), _openrlbenchmark(), *_pdmorl(), _pgmorl())}


def names() -> tuple[str, ...]:
    """Names of the protocols."""
    return tuple(_all())


def get(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        UnknownNameError: there is none.
    """
    plain = {known.casefold(): one for known, one in _all().items()}
    if name.casefold() not in plain:
        raise UnknownNameError("protocol", name, _all())
    return plain[name.casefold()]


def setup_of(name: str, env: str | None = None, options: Mapping[str, Any] | None = None) -> Setup:
    """Set-up of a protocol for an environment (see :meth:`Protocol.setup`)."""
    return get(name).setup(env, options)

"""From what a person types (run folders and front files) to fronts by name, and the exact front beside them.

A file names an environment as data does: one that is registered, with arguments that it declares. A run's own imports
are executed where this user made the run; see :mod:`morl.runs.trust`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import UseAppendAction, arg

from morl.cli.console import note
from morl.spec import FrontError, MorlError, UnknownNameError

if TYPE_CHECKING:
    from morl.pareto import Front
    from morl.runs import RunFolder

Imports = Annotated[
    UseAppendAction[tuple[str, ...]],
    arg(
        name="import",
        metavar="PACKAGE|FILE.py",
        help="Import this first, so that it registers environments and algorithms; give it as often as needed.",
    ),
]
Trust = Annotated[bool, arg(help="Execute what the run or file names, although somebody else made it. Read it first.")]


@dataclass(frozen=True)
class Source:
    """A front, and the run that it comes from where it comes from one."""

    front: Front
    run: RunFolder | None = None

    @property
    def env(self) -> tuple[Any, Any]:
        """Environment and its arguments, as the run or the front's provenance has them; unchecked."""
        facts = self.front.provenance if self.run is None else self.run.config
        return facts.get("env"), facts.get("env_options") or {}


def load_sources(sources: Sequence[str]) -> dict[str, Source]:
    """Fronts of run folders and of ``.json``/``.csv`` files, by the shortest names that tell them apart.

    Raises:
        RunError: a folder that is not a run, or a run without a front.
        FrontError: a file that is not a front, or the same source twice.
    """
    from morl.pareto import Front
    from morl.pareto.files import SUFFIXES
    from morl.runs import RunFolder

    found: dict[str, Source] = {}
    for source in sources:
        path = Path(source)
        if path.suffix.lower() in SUFFIXES:
            made = Source(Front.load(path))
        else:
            run = RunFolder.open(path)
            made = Source(run.front(), run)
        name = path.stem if path.stem not in found else str(path)
        if name in found:
            raise FrontError(f"{source!r} is given twice; give each run or file once")
        found[name] = made
    return found


def load_truth(
    sources: Mapping[str, Source], wanted: str | None, imports: Sequence[str] = (), trust: bool = False
) -> Front | None:
    """The exact front to compare with: a front file, or the one of the environment that the fronts come from.

    Args:
        wanted: a front file, an environment id, ``"env"`` for that of the sources, or ``None`` for none.
        imports: packages and files to import first.
        trust: execute what the sources name, whoever made them.
    """
    from morl.envs.core import published_front
    from morl.pareto import Front
    from morl.pareto.files import SUFFIXES

    if wanted is None:
        return None
    if Path(wanted).suffix.lower() in SUFFIXES:
        return Front.load(wanted)
    discounts = {source.front.discount for source in sources.values()}
    if len(discounts) != 1:
        raise FrontError(
            f"the fronts have discounts {sorted(map(str, discounts))}; expected one to compute the truth for"
        )
    env = _typed_env(wanted, imports) if wanted != "env" else _recorded_env(sources, imports, trust)
    try:
        if not hasattr(env.unwrapped, "pareto_front"):
            raise FrontError("the environment has no exact front; give --truth FILE with a front to compare with")
        return published_front(env, discounts.pop())
    finally:
        env.close()


def _typed_env(id: str, imports: Sequence[str]) -> Any:
    from morl.envs import import_package, make

    for name in imports:
        import_package(name)
    return make(id)


def _recorded_env(sources: Mapping[str, Source], imports: Sequence[str], trust: bool) -> Any:
    """The one environment that all sources come from."""
    from morl.envs import import_package, make
    from morl.envs.recorded import make_recorded
    from morl.runs.trust import open_env

    named = {json.dumps(source.env, sort_keys=True): source for source in sources.values() if source.env[0]}
    if len(named) != 1:
        raise FrontError(
            f"the fronts come from {', '.join(sorted(named)) or 'no named environment'}; expected one environment, or "
            "a truth given as a front file or an id"
        )
    ((_, (id, options)),) = [(name, source.env) for name, source in named.items()]
    run = next((source.run for source in sources.values() if source.run is not None and source.env[0]), None)
    if run is not None:
        return open_env(run, trust=trust, imports=imports)
    for name in imports:
        import_package(name)
    try:
        return make(id, **options) if trust else make_recorded(id, options, where="the front")
    except UnknownNameError as error:
        raise FrontError(f"{error} (if a package or a file registers it: --import)") from None


def try_truth(sources: Mapping[str, Source], imports: Sequence[str] = (), trust: bool = False) -> Front | None:
    """The environment's exact front where there is one; a note on stderr where there is not."""
    try:
        return load_truth(sources, "env", imports, trust)
    except MorlError as error:
        note(f"no exact front to compare with: {error}")
        return None


def union(fronts: dict[str, Front]) -> Front:
    """The best of several fronts together."""
    import numpy as np

    first = next(iter(fronts.values()))
    for name, front in fronts.items():
        if front.names != first.names:
            raise FrontError(f"{name!r} has objectives {', '.join(front.names)}; expected {', '.join(first.names)}")
    points = np.concatenate([front.points for front in fronts.values()])
    noise: dict[str, Any] = {}
    if any(front.covariance is not None for front in fronts.values()):  # so that noise is not taken for shape
        k, given = first.k, list(fronts.values())
        noise["covariance"] = np.concatenate(
            [np.zeros((len(f), k, k)) if f.covariance is None else f.covariance for f in given]
        )
        noise["episodes"] = np.concatenate(
            [np.full(len(f), 0 if f.covariance is None else 2) if f.episodes is None else f.episodes for f in given]
        )
    facts = {"status": "union of the fronts given"}
    return type(first)(
        points, first.objectives, first.ref_point, first.discount, scale=first.scale, provenance=facts, **noise
    ).nondominated()

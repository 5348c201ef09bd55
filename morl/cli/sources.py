"""Fronts from what a person types (run folders and front files), and the reference front to compare them with.

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
from morl.spec import FrontError, MorlError, UnknownNameError, listed

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
    """A front with the run that it comes from, where it comes from one."""

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
    found: dict[str, Source] = {}
    for source in sources:
        path = Path(source)
        made = load_source(source)
        name = path.stem if path.stem not in found else str(path)
        if name in found:
            raise FrontError(f"{source!r} is given twice; give each run or file once")
        found[name] = made
    return found


def load_source(source: str) -> Source:
    """The front of one run (a folder, or ``zoo:NAME``) or file.

    Raises:
        RunError: a folder that is not a run, or a run without a front.
        FrontError: a file that is not a front.
    """
    from morl.pareto import Front
    from morl.pareto.files import SUFFIXES
    from morl.runs import RunFolder

    path = Path(source)
    if path.suffix.lower() in SUFFIXES:
        return Source(Front.load(path))
    if path.is_file():
        raise FrontError(f"{source!r} is no front file; expected a run folder, or {listed(SUFFIXES, most=20)}")
    run = RunFolder.open(path)
    return Source(run.front(), run)


def load_reference(
    sources: Mapping[str, Source], wanted: str, imports: Sequence[str] = (), trust: bool = False
) -> Front:
    """The reference front: a front file, or the exact (or best-known) front of an environment.

    Args:
        wanted: a front file, ``zoo:NAME``, an environment id, or ``"env"`` for the environment of the sources. An id
            that the sources have too is made with their arguments; what their runs import is imported for it.
        imports: packages and files to import first.
        trust: execute what the sources name, whoever made them.

    Raises:
        FrontError: the sources have different discounts or environments, or the environment has no front.
        RunError: a run would execute something that this user did not make.
    """
    from morl.envs.core import published_front
    from morl.pareto.files import SUFFIXES
    from morl.runs.zoo import PREFIX

    if Path(wanted).suffix.lower() in SUFFIXES or wanted.startswith(PREFIX):
        return load_source(wanted).front
    discounts = {source.front.discount for source in sources.values()}
    if len(discounts) != 1:
        raise FrontError(
            f"the fronts have discounts {sorted(map(str, discounts))}; expected one to compute the exact front for"
        )
    env = _typed_env(wanted, sources, imports, trust) if wanted != "env" else _recorded_env(sources, imports, trust)
    try:
        if not hasattr(env.unwrapped, "pareto_front"):
            raise FrontError("the environment has no exact front; give --reference FILE with a front to compare with")
        return published_front(env, discounts.pop())
    finally:
        env.close()


def _typed_env(id: str, sources: Mapping[str, Source], imports: Sequence[str], trust: bool) -> Any:
    """The environment that a person names, as the sources have it where they name the same one."""
    from morl.envs import import_package, make
    from morl.runs.trust import import_recorded

    same = {name: source for name, source in sources.items() if source.env[0] == id.rpartition(":")[2]}
    runs = [source.run for source in sources.values() if source.run is not None]
    for name in (*imports, *([id.rpartition(":")[0]] if ":" in id else [])):
        import_package(name)
    try:
        return _recorded_env(same, imports, trust) if same else make(id)
    except UnknownNameError:
        for run in runs:
            import_recorded(run, trust=trust, imports=imports)
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
            "a reference front: --reference FILE or --reference ID"
        )
    ((id, options),) = [source.env for source in named.values()]
    run = next((source.run for source in sources.values() if source.run is not None and source.env[0]), None)
    if run is not None:
        return open_env(run, trust=trust, imports=imports)
    for name in imports:
        import_package(name)
    try:
        return make(id, **options) if trust else make_recorded(id, options, where="the front")
    except UnknownNameError as error:
        raise FrontError(f"{error} (if a package or a file registers it: --import)") from None


def find_reference(sources: Mapping[str, Source], imports: Sequence[str] = (), trust: bool = False) -> Front | None:
    """The exact (or best-known) front of the sources' environment; a note on stderr where there is none."""
    try:
        return load_reference(sources, "env", imports, trust)
    except MorlError as error:
        note(f"no exact front to compare with: {error}")
        return None

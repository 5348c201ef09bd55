"""From what a person types (run folders and front files) to fronts by name, and the truth beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl.cli.console import note
from morl.spec import FrontError, MorlError

if TYPE_CHECKING:
    from morl.pareto import Front


def load_fronts(sources: Sequence[str]) -> dict[str, Front]:
    """Fronts of run folders and of ``.json``/``.csv`` files, by the shortest names that tell them apart.

    Raises:
        RunError: a folder that is not a run, or a run without a front.
        FrontError: a file that is not a front, or the same source twice.
    """
    from morl.pareto import Front
    from morl.pareto.files import SUFFIXES
    from morl.runs import RunFolder

    fronts: dict[str, Front] = {}
    for source in sources:
        path = Path(source)
        front = Front.load(path) if path.suffix.lower() in SUFFIXES else RunFolder.open(path).front()
        name = path.stem if path.stem not in fronts else str(path)
        if name in fronts:
            raise FrontError(f"{source!r} is given twice; give each run or file once")
        fronts[name] = front
    return fronts


def load_truth(fronts: dict[str, Front], wanted: str | None, imports: Sequence[str] = ()) -> Front | None:
    """The exact front to compare with: a front file, or the one of the environment that the fronts name.

    Args:
        wanted: a front file, ``"env"`` for the environment's own exact front, or ``None`` for none.
    """
    from morl.pareto import Front
    from morl.pareto.files import SUFFIXES

    if wanted is None:
        return None
    if Path(wanted).suffix.lower() in SUFFIXES:
        return Front.load(wanted)
    from morl.envs import import_package, make
    from morl.envs.core import published_front

    for package in imports:
        import_package(package)
    named = {
        (str(front.provenance["env"]), json.dumps(front.provenance.get("env_options", {}), sort_keys=True))
        for front in fronts.values()
        if front.provenance.get("env")
    }
    if wanted != "env":
        named = {(wanted, "{}")}
    if len(named) != 1:
        raise FrontError(
            f"the fronts come from {', '.join(sorted(' '.join(pair) for pair in named)) or 'no named environment'}; "
            "expected one environment, or a truth given as a front file or an id"
        )
    discounts = {front.discount for front in fronts.values()}
    if len(discounts) != 1:
        raise FrontError(
            f"the fronts have discounts {sorted(map(str, discounts))}; expected one to compute the truth for"
        )
    name, options = named.pop()
    env = make(name, **json.loads(options))
    try:
        if not hasattr(env.unwrapped, "pareto_front"):
            raise FrontError("the environment has no exact front; give --truth FILE with a front to compare with")
        return published_front(env, discounts.pop())
    finally:
        env.close()


def try_truth(fronts: dict[str, Front], imports: Sequence[str] = ()) -> Front | None:
    """The environment's exact front where there is one; a note on stderr where there is not."""
    try:
        return load_truth(fronts, "env", imports)
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

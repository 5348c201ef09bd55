"""``morl env``: list, show, check and create environments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg, subcommand

from morl.cli.console import emit, emit_json, emit_points, emit_table, note
from morl.cli.sources import Imports
from morl.spec import EnvError, MissingExtraError, shown


@dataclass
class EnvList:
    """List the registered environments."""

    search: Annotated[Positional[str], arg(metavar="WORD")] = ""
    """Only ids and summaries that contain this."""
    json: bool = False
    """Print JSON."""
    imports: Imports = ()

    details: bool = False
    """Also construct each environment and show its objectives, spaces, discount and reference point."""

    def run(self) -> int:
        """Print the list; without --details nothing is constructed, so it is quick."""
        from morl.envs import entries, import_package

        for package in self.imports:
            import_package(package)
        found = [e for e in entries() if self.search.lower() in f"{e.id} {e.summary} {e.group}".lower()]
        rows: list[dict[str, Any]] = [
            {"id": e.id, "group": e.group, "extra": e.extra or "", "summary": e.summary} for e in found
        ]
        if self.details:
            rows = [{**row, **_details(row["id"])} for row in rows]
        if self.json:
            emit_json(rows)
        elif rows:
            emit_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
        return 0


def _details(name: str) -> dict[str, Any]:
    """What only a constructed environment knows; empty cells where an extra is missing."""
    from morl.envs import make
    from morl.envs.core import mo_spec

    columns = ("objectives", "observation", "action", "discount", "horizon", "ref_point", "finite")
    try:
        env = make(name)
    except MissingExtraError as error:
        note(str(error))
        return dict.fromkeys(columns)
    spec = mo_spec(env)
    ref = None if spec.ref_point is None else shown(spec.ref_point, spec.objectives).tolist()
    known = (", ".join(spec.names), str(env.observation_space), str(env.action_space), spec.discount, spec.horizon, ref)
    finite = hasattr(env.unwrapped, "momdp")
    env.close()
    return dict(zip(columns, (*known, finite), strict=True))


@dataclass
class EnvShow:
    """Show an environment: objectives, spaces, discount, reference point, and its exact front where it has one."""

    id: Annotated[Positional[str], arg(metavar="ID")]
    """Environment id."""
    front: bool = False
    """Compute and print the exact front."""
    json: bool = False
    """Print JSON."""
    imports: Imports = ()

    def run(self) -> int:
        """Print the facts."""
        from morl.envs import import_package, make
        from morl.envs.core import mo_spec, published_front

        for package in self.imports:
            import_package(package)
        env = make(self.id)
        spec = mo_spec(env)
        facts: dict[str, Any] = {
            "id": self.id,
            "observation": str(env.observation_space),
            "action": str(env.action_space),
            "discount": spec.discount,
            "horizon": spec.horizon,
            "reference point": None if spec.ref_point is None else shown(spec.ref_point, spec.objectives).tolist(),
        }
        build = getattr(env.unwrapped, "momdp", None)
        if build is not None:
            model = build()
            facts["states"] = model.n_states
            facts["state-action pairs"] = model.n_rows
        points = None
        if self.front:
            if not hasattr(env.unwrapped, "pareto_front"):
                raise EnvError(f"{self.id!r} has no exact front; train an agent on it instead (morl train)")
            points = published_front(env)
            facts["front size"] = len(points)
        env.close()
        if self.json:
            extra = {} if points is None else {"front": shown(points.points, points.objectives).tolist()}
            emit_json({**facts, "objectives": [o.to_dict() for o in spec.objectives], **extra})
            return 0
        emit_table(("", "value"), [(k, v) for k, v in facts.items() if v is not None])
        emit_table(
            ("objective", "unit", "low", "high", "", "what it is"),
            [
                (o.name, o.unit, o.low, o.high, "minimised" if o.minimise else "", o.description)
                for o in spec.objectives
            ],
        )
        if points is not None:
            emit_points(points)
        return 0


@dataclass
class EnvCheck:
    """Check an environment against the vector-reward interface; exit 1 where it has faults, 0 with mere warnings."""

    id: Annotated[Positional[str], arg(metavar="ID")]
    """Environment id."""
    json: bool = False
    """Print JSON."""
    imports: Imports = ()

    def run(self) -> int:
        """Check and print one line per finding."""
        from morl.envs import import_package
        from morl.envs.checker import find_faults, find_warnings

        for package in self.imports:
            import_package(package)
        faults, advice = find_faults(self.id), find_warnings(self.id)
        if self.json:
            emit_json([found.to_dict() for found in (*faults, *advice)])
        else:
            for found in (*faults, *advice):
                emit(found)
            told = f"{len(faults)} fault{'s' * (len(faults) != 1)}" if faults else "no faults found"
            more = f", {len(advice)} warning{'s' * (len(advice) != 1)}" if advice else ""
            note(f"{self.id}: {told}{more}")
        return int(bool(faults))


@dataclass
class EnvNew:
    """Create a small project with an environment, its test and a notebook that pass as they are."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """Name of the project, such as my-problem."""
    out: Path = Path()
    """Folder to create it in."""

    def run(self) -> int:
        """Write the project and say what to do next."""
        from morl.envs.template import create_project

        path = create_project(self.name, self.out)
        note(f"wrote {path}; next: cd {path} && pip install -e . && pytest")
        emit(path)
        return 0


@dataclass
class EnvGroup:
    """Environments."""

    command: (
        Annotated[EnvList, subcommand("list")]
        | Annotated[EnvShow, subcommand("show")]
        | Annotated[EnvCheck, subcommand("check")]
        | Annotated[EnvNew, subcommand("new")]
    )

    def run(self) -> int:
        """Run the sub-command."""
        return self.command.run()

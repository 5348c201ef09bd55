"""What a study runs: algorithms × environments × seeds, with their options, as a TOML file or a mapping says it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from morl import storage
from morl.counts import as_count
from morl.runs.config import RunConfig
from morl.spec import SpecError, UnknownNameError

STEPS = 100_000
"""Environment steps of a cell, where nothing says how many."""
SEGMENTS = 10
"""Saves of a cell, where no interval is given: a cell that is killed loses a tenth of its steps at most."""


@dataclass(frozen=True)
class Entrant:
    """An algorithm with options, as the tables of a study call it.

    Args:
        algo: name of the algorithm.
        name: what tables and figures call it; by default the algorithm's name.
        options: options of the algorithm.
        steps: environment steps to learn from, where they differ from the study's.
    """

    algo: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: int | None = None


@dataclass(frozen=True)
class Task:
    """An environment with arguments, as the tables of a study call it.

    Args:
        env: a registered id.
        name: what tables and figures call it; by default the id without its namespace.
        options: arguments of the environment.
        steps: environment steps to learn from, where they differ from the study's.
        ref_point: replaces the environment's reference point; costs are positive.
    """

    env: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: int | None = None
    ref_point: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Cell:
    """One run of a study.

    Attributes:
        name: of its folder.
        algorithm, environment: what the tables call them.
        config: of the run.
    """

    name: str
    algorithm: str
    environment: str
    config: RunConfig

    @property
    def seed(self) -> int:
        """The random seed."""
        return self.config.seed


@dataclass(frozen=True)
class StudySpec:
    """Algorithms × environments × seeds, and how each cell is trained and measured.

    Args:
        name: of the study.
        algorithms: who learns; names must differ.
        environments: what is learned; names must differ.
        seeds: random seeds, one run each.
        steps: environment steps of each cell, unless its algorithm or environment says otherwise; by default the
            protocol's, or 100,000.
        checkpoint_every: environment steps between saves; a tenth of a cell's steps by default. Episodes begin anew
            after a save, so the interval is part of what determines the results.
        episodes: as in :class:`~morl.runs.RunConfig`.
        eval_share: as in :class:`~morl.runs.RunConfig`.
        tuned: take over the options that the package ships.
        protocol: name of the published protocol under which all fronts are measured (:mod:`morl.bench.protocols`).
        imports: packages and files that register environments and algorithms. A file cannot set this.

    Raises:
        SpecError: nothing to run, or two cells of one name.
    """

    name: str
    algorithms: tuple[Entrant, ...]
    environments: tuple[Task, ...]
    seeds: tuple[int, ...]
    steps: int | None = None
    checkpoint_every: int | None = None
    episodes: int | None = None
    eval_share: float = 0.1
    tuned: bool = True
    protocol: str | None = None
    imports: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what, names in (
            ("algorithms", [one.name for one in self.algorithms]),
            ("environments", [one.name for one in self.environments]),
            ("seeds", list(self.seeds)),
        ):
            if not names:
                raise SpecError(f"study {self.name!r} has no {what}; expected at least one")
            twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
            if twice is not None:
                raise SpecError(
                    f"study {self.name!r} has {twice!r} twice among its {what}; give each a name of its own"
                )
        folders = [cell.name.casefold() for cell in self.cells()]
        twice = next((name for i, name in enumerate(folders) if name in folders[:i]), None)
        if twice is not None:
            raise SpecError(f"two cells of study {self.name!r} would be called {twice!r}; give them other names")

    # ---- cells -----------------------------------------------------------------------------------------

    def cells(self) -> list[Cell]:
        """Every cell; the first seed of every pair comes before the second of any, so that a table fills evenly."""
        return [
            self._cell(entrant, task, seed)
            for seed, task, entrant in itertools.product(self.seeds, self.environments, self.algorithms)
        ]

    def _cell(self, entrant: Entrant, task: Task, seed: int) -> Cell:
        shared: dict[str, Any] = {
            "seed": seed,
            "options": dict(entrant.options),
            "env_options": dict(task.options) or None,
            "ref_point": task.ref_point,
            "steps": entrant.steps or task.steps or self.steps,
            "episodes": self.episodes,
            "imports": self.imports,
            "tuned": self.tuned,
            "eval_share": self.eval_share,
        }
        if self.protocol is not None:
            config = RunConfig.under(self.protocol, entrant.algo, task.env, **shared)
        else:
            given = {"steps": STEPS, **{key: value for key, value in shared.items() if value is not None}}
            config = RunConfig(entrant.algo, task.env, **given)
        every = self.checkpoint_every or max(1, -(-config.steps // SEGMENTS))
        config = replace(config, checkpoint_every=every)
        return Cell(f"{slug(entrant.name)}--{slug(task.name)}--s{seed}", entrant.name, task.name, config)

    # ---- reading and writing ---------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; :meth:`from_dict` reads it."""
        return {key: value for key, value in asdict(self).items() if value is not None and key != "imports"}

    @classmethod
    def from_file(cls, path: str | Path, imports: Sequence[str] = ()) -> StudySpec:
        """A study from a TOML file; see docs/howto/studies.md for its keys.

        Raises:
            SpecError: no such file, not TOML, or something in it is not as expected.
            EnvError: an environment that would import code.
        """
        path = Path(path)
        data = storage.read_toml(path, "study file", error=SpecError)
        return cls.from_dict({"name": path.stem, **data}, imports, where=f"study file {str(path)!r}")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], imports: Sequence[str] = (), *, where: str = "study") -> StudySpec:
        """A study from a mapping with the keys of the TOML file.

        Args:
            data: what the file holds.
            imports: packages and files to import; the mapping itself cannot name code.
            where: what holds it, for messages.

        Raises:
            SpecError: a key or value that is not as expected.
            UnknownNameError: a key that does not exist.
            EnvError: an environment that would import code.

        >>> spec = StudySpec.from_dict({"algorithms": ["PCN"], "environments": ["morl/FruitTree-v0"], "steps": "10k"})
        >>> len(spec.cells()), spec.cells()[0].name
        (5, 'PCN--FruitTree-v0--s0')
        """
        require_known(data, _KEYS, where)
        shared = table_of(data.get("options", {}), f"{where}: options")
        entrants = _list(data, "algorithms", where)
        return cls(
            text_of(data.get("name", "study"), f"{where}: name"),
            tuple(e for one in entrants for e in _entrants(one, shared, where)),
            tuple(_task(one, where) for one in _list(data, "environments", where)),
            _seeds(data.get("seeds", 5), where),
            maybe_count(data.get("steps"), f"{where}: steps"),
            maybe_count(data.get("checkpoint_every"), f"{where}: checkpoint_every"),
            maybe_count(data.get("episodes"), f"{where}: episodes"),
            _number(data.get("eval_share", 0.1), f"{where}: eval_share"),
            _flag(data.get("tuned", True), f"{where}: tuned"),
            None if data.get("protocol") is None else text_of(data["protocol"], f"{where}: protocol"),
            tuple(imports),
        )


_KEYS = (
    "name", "algorithms", "environments", "seeds", "steps", "checkpoint_every", "episodes", "eval_share", "tuned",
    "options", "protocol",
)  # fmt: skip
_OF_ALGORITHM = ("algo", "name", "options", "grid", "steps")
_OF_ENVIRONMENT = ("env", "name", "options", "steps", "ref_point")


def slug(name: str) -> str:
    """A name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.") or "x"


def _entrants(given: Any, shared: Mapping[str, Any], where: str) -> Iterator[Entrant]:
    """An algorithm, or one for each point of its grid of options."""
    from morl.envs.recorded import check_words

    data = _named(given, "algo", _OF_ALGORITHM, f"{where}: an algorithm")
    inside = f"{where}: algorithm {data['algo']!r}"
    options = {**shared, **table_of(data.get("options", {}), f"{inside}: options")}
    steps = maybe_count(data.get("steps"), f"{inside}: steps")
    one = Entrant(data["algo"], text_of(data.get("name", data["algo"]), f"{inside}: name"), options, steps)
    grid = table_of(data.get("grid", {}), f"{inside}: grid")
    for name, values in grid.items():
        if not isinstance(values, list | tuple) or not values:
            raise SpecError(f"{inside}: grid has {name} = {values!r}; expected a list of values")
    for point in itertools.product(*grid.values()):
        chosen = dict(zip(grid, point, strict=True))
        label = " ".join([one.name, *(f"{name}={_shown(value)}" for name, value in chosen.items())])
        check_words({**options, **chosen}, inside)
        yield replace(one, name=label, options={**options, **chosen})


def _task(given: Any, where: str) -> Task:
    from morl.envs.recorded import check_id

    data = _named(given, "env", _OF_ENVIRONMENT, f"{where}: an environment")
    inside = f"{where}: environment {data['env']!r}"
    check_id(data["env"], where)
    ref = data.get("ref_point")
    if ref is not None:
        if not isinstance(ref, list | tuple):
            raise SpecError(f"{inside}: ref_point is {ref!r}; expected a list of numbers, one per objective")
        ref = tuple(_number(x, f"{inside}: ref_point") for x in ref)
    name = text_of(data.get("name", data["env"].rpartition("/")[2]), f"{inside}: name")
    steps = maybe_count(data.get("steps"), f"{inside}: steps")
    return Task(data["env"], name, table_of(data.get("options", {}), f"{inside}: options"), steps, ref)


def _named(given: Any, key: str, known: Sequence[str], where: str) -> dict[str, Any]:
    """A table with its key, or the text of the key alone."""
    data = {key: given} if isinstance(given, str) else given
    if not isinstance(data, Mapping) or not isinstance(data.get(key), str) or not data[key]:
        raise SpecError(f"{where} is {_shown(given)}; expected its name, or a table with {key} = NAME")
    require_known(data, known, f"{where} {data[key]!r}")
    return dict(data)


def require_known(data: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Refuse keys that nothing reads.

    Raises:
        UnknownNameError: naming the first of them.
    """
    for key in data:
        if key not in known:
            raise UnknownNameError(f"key of {where}", str(key), known, hint=_KEY_HINTS.get(str(key)))


_KEY_HINTS = {
    "imports": "a file cannot import code: give --import PACKAGE, or imports= in Python",
    "environment": "did you mean environments?",
    "algorithm": "did you mean algorithms?",
}


def _list(data: Mapping[str, Any], key: str, where: str) -> list[Any]:
    given = data.get(key)
    if not isinstance(given, list | tuple) or not given:
        raise SpecError(f"{where} has {key} = {_shown(given)}; expected a list of names or tables, at least one")
    return list(given)


def _seeds(given: Any, where: str) -> tuple[int, ...]:
    if isinstance(given, list | tuple):
        if all(isinstance(x, int) and not isinstance(x, bool) and 0 <= x < 1 << 63 for x in given):
            return tuple(given)
    elif not isinstance(given, bool):
        count = as_count(given, f"{where}: seeds", 1)
        if count <= 100_000:
            return tuple(range(count))
    raise SpecError(f"{where} has seeds = {_shown(given)}; expected how many (5), or a list such as [0, 1, 2]")


def _count(given: Any, what: str) -> int:
    return as_count(given, what, 1)


def maybe_count(given: Any, what: str) -> int | None:
    """A count of at least 1, or ``None``."""
    return None if given is None else _count(given, what)


def _number(given: Any, what: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise SpecError(f"{what} is {_shown(given)}; expected a number")
    return float(given)


def _flag(given: Any, what: str) -> bool:
    if not isinstance(given, bool):
        raise SpecError(f"{what} is {_shown(given)}; expected true or false")
    return given


def text_of(given: Any, what: str) -> str:
    """Text that is not empty."""
    if not isinstance(given, str) or not given.strip():
        raise SpecError(f"{what} is {_shown(given)}; expected text")
    return given


def table_of(given: Any, what: str) -> dict[str, Any]:
    """A table of names and values."""
    if not isinstance(given, Mapping):
        raise SpecError(f"{what} is {_shown(given)}; expected a table of names and values")
    return dict(given)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) and value.isalnum() else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"

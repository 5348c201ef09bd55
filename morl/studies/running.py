"""Running a study, and the folder that it leaves behind.

::

    study.json            what was asked for
    cells/NAME/           the run folder of each cell
    references/ENV.json   the front that each environment's are measured against, and doing nothing
    table.csv, .parquet   everything as one table

The table, the references and ``study.json`` are enough to compare, draw and export; the cells may be deleted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl import __version__, storage
from morl.engines import Engine, Listener, Silent, engine_of
from morl.pareto.front import Front
from morl.runs.folder import RunFolder, read_json
from morl.spec import MorlError, RunError
from morl.studies.cells import existing, finished, run_cell
from morl.studies.progress import Watch
from morl.studies.references import measured_reference
from morl.studies.spec import Cell, StudySpec, slug
from morl.studies.table import STEM, Row, Table, fronts_in, has_parquet, rows_of_cell, rows_of_front

if TYPE_CHECKING:
    from morl.studies.comparison import StudyComparison

_FORMAT = "morl-study-1"


def study(
    what: StudySpec | Mapping[str, Any] | str | Path,
    out: str | Path | None = None,
    *,
    jobs: int = 1,
    imports: Sequence[str] = (),
    progress: bool = False,
    engine: Engine | str = "local",
    references: str | Path | None = None,
) -> Study:
    """Run every cell of a study that has not come to its end, and leave one table behind.

    Run it again to go on: finished cells are not run again, others go on from their last checkpoint, and the table is
    that of a study that was never stopped. More seeds, algorithms or environments may be added in between.

    Args:
        what: a TOML file, a mapping with its keys, or a :class:`StudySpec`.
        out: the study's folder; ``studies/NAME`` by default.
        jobs: cells at a time, each in a process; one runs here.
        imports: packages and files that register environments and algorithms.
        progress: show how far every cell is, and the time left, on stderr.
        engine: where cells run: ``"local"``, ``"ray"`` (extra ``ray``), or an engine of :mod:`morl.engines`.
        references: folder of reference fronts that several studies share; the study's own by default.

    Returns:
        The study. Cells that failed are in :attr:`Study.failures`; the others are in its table.

    Raises:
        MorlError: something does not fit together (nothing is run), or the folder is of another study.
    """
    spec = _spec(what, imports)
    folder = Path("studies") / slug(spec.name) if out is None else Path(out)
    chosen = engine_of(engine, jobs)
    check_fits(spec)
    with locked_folder(folder):
        made = Study._create(folder, spec)
        made.reference_folder = made.reference_folder if references is None else Path(references)
        made._run(chosen, progress)
        made.collect()
    return made


def _spec(what: StudySpec | Mapping[str, Any] | str | Path, imports: Sequence[str]) -> StudySpec:
    if isinstance(what, StudySpec):
        return replace(what, imports=(*what.imports, *imports))
    if isinstance(what, Mapping):
        return StudySpec.from_dict(what, imports)
    return StudySpec.from_file(what, imports)


def check_fits(spec: StudySpec) -> None:
    """Refuse what could only fail later: every algorithm is made once for every environment.

    Raises:
        MorlError: naming the pair.
    """
    from morl.envs import import_package
    from morl.envs.recorded import check_options
    from morl.runs.training import prepared

    for name in spec.imports:
        import_package(name)
    for cell in spec.cells()[: len(spec.algorithms) * len(spec.environments)]:  # those of the first seed
        check_options(cell.config.env, cell.config.env_options, f"study {spec.name!r}")
        try:
            prepared(cell.config).problem.env.close()
        except MorlError as error:
            error.args = (f"{cell.algorithm} in {cell.environment}: {error}",)
            raise


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Make a folder and hold its lock.

    Raises:
        RunError: it cannot be written, or another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {str(folder)!r} ({error.strerror}); give another --out") from None
    with storage.locked(folder / ".lock") as ours:
        if not ours:
            raise RunError(f"study {str(folder)!r} is being run by another process; wait until it has ended")
        yield


class Study:
    """The folder of a study.

    Use :func:`study` to make or go on with one, and :meth:`open` for one that exists.

    Attributes:
        path: the folder.
        spec: what was asked for.
        failures: why cells have no result, by cell.
        warnings: what cells warned of, each once.
        reference_folder: where the reference fronts lie.
    """

    def __init__(self, path: Path, spec: StudySpec) -> None:
        self.path, self.spec, self.reference_folder = path, spec, path / "references"
        self.failures: dict[str, str] = {}
        self.warnings: list[str] = []

    def __repr__(self) -> str:
        return f"Study({str(self.path)!r}, {len(self.spec.cells())} cells)"

    @classmethod
    def open(cls, path: str | Path) -> Study:
        """An existing study. Nothing that it names is imported or made.

        Raises:
            RunError: no such folder, or it is damaged.
        """
        path = Path(path)
        if not path.is_dir():
            raise RunError(f"study folder {str(path)!r} does not exist; `morl study FILE.toml` makes one")
        data = read_json(path / "study.json", "study")
        if data.get("format") != _FORMAT or not isinstance(data.get("study"), dict):
            raise RunError(f"{str(path / 'study.json')!r} has format {data.get('format')!r}; expected {_FORMAT!r}")
        try:
            return cls(path, StudySpec.from_dict(data["study"], where=f"study {str(path)!r}"))
        except MorlError as error:
            raise RunError(f"{str(path / 'study.json')!r} is damaged: {error}") from None

    @classmethod
    def _create(cls, path: Path, spec: StudySpec) -> Study:
        if not (path / "study.json").exists():
            strange = next((file.name for file in path.iterdir() if not file.name.startswith(".")), None)
            if strange is not None:
                raise RunError(f"{str(path)!r} is no study's folder (it holds {strange}); give another --out")
        for cell in spec.cells():
            existing(path / "cells" / cell.name, cell)  # refuses those of another study
        data = {"format": _FORMAT, "morl": __version__, "study": spec.to_dict()}
        try:
            storage.write_json(path / "study.json", data)
            (path / "cells").mkdir(exist_ok=True)
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"cannot write {str(path / 'study.json')!r} ({error}); give another --out") from None
        return cls(path, spec)

    # ---- cells -----------------------------------------------------------------------------------------

    def run_of(self, cell: Cell) -> RunFolder | None:
        """The run of a cell, where it has come to its end."""
        path = self.path / "cells" / cell.name
        with contextlib.suppress(RunError):
            run = existing(path, cell)
            if run is not None and finished(run):
                return run
        return None

    def _run(self, engine: Engine, progress: bool) -> None:
        """Run what is left to be run."""
        left = [cell for cell in self.spec.cells() if self.run_of(cell) is None]
        done = len(self.spec.cells()) - len(left)
        listener: Listener
        with Watch(self.spec.name, left, done) if progress else contextlib.nullcontext(Silent()) as listener:
            root = str(self.path / "cells")
            outcomes = engine.run(run_cell, [(cell, root) for cell in left], listener)
        for cell, outcome in zip(left, outcomes, strict=True):
            if outcome.error is not None:
                self.failures[cell.name] = outcome.error
        self.warnings = list(dict.fromkeys(text for outcome in outcomes for text in outcome.warnings))

    # ---- results ---------------------------------------------------------------------------------------

    def collect(self) -> Table:
        """Write the table (and the references) of the cells that have come to their end.

        Raises:
            RunError: none has.
        """
        found = {cell.name: (cell, run) for cell in self.spec.cells() if (run := self.run_of(cell)) is not None}
        if not found:
            first = next(iter(self.failures.items()), None)
            why = "" if first is None else f" (the first: {first[0]}: {first[1]})"
            raise RunError(f"no cell of study {str(self.path)!r} has come to its end{why}")
        rows: list[Row] = []
        for task in self.spec.environments:
            runs = {name: run for name, (cell, run) in found.items() if cell.environment == task.name}
            if runs:
                pair = measured_reference(slug(task.name), self.reference_folder, runs)
                for kind, front in zip(("reference", "nothing"), pair, strict=True):
                    rows += rows_of_front(("", task.name, None), kind, front)
        for cell, run in found.values():
            rows += rows_of_cell(cell, run)
        table = Table(tuple(rows))
        table = Table((*table.rows, *self._indicators(table)))
        table.save(self.path / f"{STEM}.csv")
        if has_parquet():
            table.save(self.path / f"{STEM}.parquet")
        self.__dict__["table"] = table
        return table

    def _indicators(self, table: Table) -> Iterator[Row]:
        from morl.studies.comparison import compare_fronts

        for score in compare_fronts(fronts_in(table, self.references), self.references, self.nothing).scores:
            for name, value in score.values.items():
                yield Row(score.algorithm, score.environment, score.seed, "indicator", name, value=value)

    @cached_property
    def table(self) -> Table:
        """Everything that the study found, as one table.

        Raises:
            RunError: there is none yet, or it is damaged.
        """
        files = [self.path / f"{STEM}{ending}" for ending in (".csv", ".parquet")]
        file = next((file for file in files if file.exists()), None)
        if file is None:
            raise RunError(f"study {str(self.path)!r} has no table yet; run it: morl study FILE.toml")
        return Table.load(file)

    @property
    def references(self) -> dict[str, Front]:
        """The reference front of each environment that has results."""
        return self._fronts("")

    @property
    def nothing(self) -> dict[str, Front]:
        """Doing nothing, in each environment that has results."""
        return self._fronts(".nothing")

    def _fronts(self, ending: str) -> dict[str, Front]:
        files = {
            task.name: self.reference_folder / f"{slug(task.name)}{ending}.json" for task in self.spec.environments
        }
        return {name: Front.load(file) for name, file in files.items() if file.exists()}

    def fronts(self) -> dict[str, dict[str, dict[int, Front]]]:
        """Every front, by environment, algorithm and seed."""
        return fronts_in(self.table, self.references)

    def compare(self) -> StudyComparison:
        """The algorithms compared, over seeds and environments."""
        from morl.studies.comparison import compare_fronts

        return compare_fronts(self.fronts(), self.references, self.nothing)

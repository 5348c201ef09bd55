"""Run folders: configuration (``config.json``), status (``status.json``), metrics (``metrics.jsonl``), front
(``front.json``, ``front.csv``), checkpoints, and a seal over all of it (``seal.json``).

Every file is written to a temporary name, flushed and renamed: a run killed at any moment leaves whole files behind. A
folder may come from a stranger: only regular files in it are read, and nothing outside it is read, written or deleted.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import secrets
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl import storage
from morl.runs.seal import ALTERED, MISSING, NAME, UNSEALED, WHOLE, Seal
from morl.runs.zoo import run_path
from morl.spec import FrontError, MorlError, RunError, listed

if TYPE_CHECKING:
    from morl.pareto import Front

_FORMAT = "morl-run-1"
_NUMBERS = ("steps", "seconds", "compile_seconds", "eval_steps", "points")  # of a status
METRICS = "metrics.jsonl"


class RunFolder:
    """The folder of one run: reading, writing, locking and sealing its files.

    Use :meth:`create` for a new run and :meth:`open` for one that exists.

    Attributes:
        path: the folder.
        config: the configuration.
        identity: tells this run from every other; ``None`` for runs of earlier versions, which have no seal.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self.path = path
        self.config = dict(config)

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r}, {self.state})"

    @property
    def identity(self) -> str | None:
        """Tells this run from every other; ``None`` for runs of earlier versions."""
        known = self.config.get("run")
        return None if known is None else str(known)

    # ---- making and finding ----------------------------------------------------------------------------

    @classmethod
    def create(cls, root: str | Path, name: str, config: Mapping[str, Any]) -> RunFolder:
        """A new folder ``root/name``, or ``root/name-2`` and so on where that exists.

        Raises:
            RunError: the folder cannot be written.
        """
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"
        root = Path(root)
        path = _new_folder(root, stem)
        run = cls(path, {"format": _FORMAT, "run": secrets.token_hex(16), **config})
        try:
            run.write("config.json", storage.as_json(run.config))
            run.set_status("created")
        except (OSError, MorlError, TypeError, ValueError) as error:
            shutil.rmtree(path, ignore_errors=True)
            reason = getattr(error, "strerror", None) or error
            raise RunError(f"cannot write runs to {str(root)!r} ({reason}); give another --out") from None
        return run

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """An existing run, by its folder or as ``zoo:NAME``. A damaged ``config.json`` is read from the seal's copy.

        Raises:
            RunError: no such folder, its configuration is missing or damaged, something in it is a symbolic link,
                a FIFO or a device, or a folder stands where a file should be.
            UnknownNameError: no run of the zoo has that name.
        """
        path = run_path(path)
        if not path.is_dir():
            near = sorted(p.name for p in path.parent.glob("*") if (p / "config.json").is_file())
            hint = f"; there: {listed(near, most=5)}" if near else "; `morl runs list` shows what there is"
            raise RunError(f"run folder {str(path)!r} does not exist{hint}")
        storage.refuse_links(path, files=("config.json", "status.json", METRICS, "front.json", "front.csv", NAME))
        return cls(path, _config(path))

    @classmethod
    def all(cls, root: str | Path) -> Iterator[RunFolder]:
        """Every readable run below ``root``, oldest first, in the order in which they were begun."""
        return (run for _, run in cls.each(root) if run is not None)  # `morl runs verify` names damaged ones

    @classmethod
    def each(cls, root: str | Path) -> Iterator[tuple[Path, RunFolder | None]]:
        """Every run folder below ``root``, oldest first, and the run in it; ``None`` where that cannot be read."""
        for path in run_folders(root):
            try:
                run = cls(path, read_json(path / "config.json", "run"))
            except RunError:
                run = None
            yield path, run

    # ---- what happened ---------------------------------------------------------------------------------

    @property
    def status(self) -> dict[str, Any]:
        """``state`` (created, running, finished, interrupted, failed), ``steps``, ``seconds`` and ``error``.

        Raises:
            RunError: ``status.json`` is damaged.
        """
        status, seal = self._status(), None
        with contextlib.suppress(RunError):
            seal = Seal.read(self.path) if self.identity is not None else None
        if seal is not None and seal.state(self.path, "status.json") == ALTERED:
            raise RunError(f"{str(self.path / 'status.json')!r} was altered after the run wrote it")
        return status

    def _status(self) -> dict[str, Any]:
        if not os.path.lexists(file := self.path / "status.json"):
            return {"state": "unknown", "steps": 0}
        status = read_json(file, "run")
        unfit = any(isinstance(status.get(name), str | list | dict) for name in _NUMBERS)
        if unfit or not isinstance(status.get("state"), str):
            raise RunError(f"{str(file)!r} is damaged: it names no state, or no numbers")
        return status

    @property
    def state(self) -> str:
        """The state of :attr:`status`; "killed" where no process holds the lock of a run that should be running,
        "damaged" where it cannot be read."""
        try:
            return self._really(self.status)
        except RunError:
            return "damaged"

    def glance(self) -> tuple[str, dict[str, Any]]:
        """:attr:`state` and :attr:`status` for lists of many runs: one file is read, and no seal."""
        try:
            status = self._status()
        except RunError:
            return "damaged", {}
        return self._really(status), status

    def _really(self, status: Mapping[str, Any]) -> str:
        state = str(status["state"])
        return "killed" if state in ("created", "running") and not storage.is_locked(self.lock) else state

    def set_status(self, state: str, **facts: Any) -> None:
        """Record where the run stands."""
        self.write("status.json", storage.as_json({"state": state, "updated": _now(), **facts}))

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl``; a last line cut short by a kill is left out."""
        file = self.path / METRICS
        rows: list[dict[str, Any]] = []
        if not file.is_file():
            return rows
        for line in storage.read_text(file, follow=False).splitlines():
            try:
                row = storage.parse_json(line)
            except RunError:
                break
            if isinstance(row, dict):
                rows.append(row)
        return rows

    def trim_metrics(self, steps: int) -> None:
        """Forget the lines about steps after ``steps``, which a resumed run takes again, and a line cut short.

        A run that begins anew measures its baselines anew: nothing is kept of one that had learned nothing.
        """
        if (self.path / METRICS).is_file():
            rows = [x for x in self.metrics() if isinstance(x.get("step"), int) and 0 < steps >= x["step"]]
            self.write(METRICS, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))

    # ---- writing ---------------------------------------------------------------------------------------

    def write(self, name: str, payload: bytes | str) -> Path:
        """Write one of the run's files, whole, and enter it in the seal first.

        Raises:
            OSError: the folder cannot be written.
            RunError: ``name`` leads out of the folder.
        """
        data = payload.encode() if isinstance(payload, str) else payload
        path = self.path / name
        if path.parent != self.path or name in ("", ".", ".."):
            raise RunError(f"{name!r} is not the name of a file of the run")
        if self.identity is not None:
            with self._sealing() as seal:
                seal.expect(self.path, name, data)
        return storage.write_atomic(path, data)

    def seal_metrics(self) -> None:
        """Enter ``metrics.jsonl``, which grows line by line, as it is now."""
        file = self.path / METRICS
        if self.identity is not None and file.is_file():
            with self._sealing() as seal:
                seal.expect(self.path, METRICS, storage.read_regular(file, follow=False))

    @contextlib.contextmanager
    def _sealing(self) -> Iterator[Seal]:
        """Change the seal; one process at a time."""
        with storage.locked(self.path / ".seal-lock", wait=10.0):
            try:
                seal = Seal.read(self.path)
            except RunError:
                seal = None  # damaged: what is written from now on is sealed again
            if seal is None or seal.run != self.identity:
                seal = Seal(str(self.identity), self.config, {})
            yield seal
            seal.write(self.path)

    @property
    def lock(self) -> Path:
        """Locked by the process that trains this run."""
        return self.path / ".lock"

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Hold the run's lock.

        Raises:
            RunError: another process trains this run.
        """
        with storage.locked(self.lock) as ours:
            if not ours:
                raise RunError(f"run {str(self.path)!r} is being trained by another process; wait until it has ended")
            yield

    # ---- what came out ---------------------------------------------------------------------------------

    def save_front(self, front: Front) -> None:
        """Write ``front.json`` and ``front.csv``."""
        self.write("front.csv", front.to_csv())
        self.write("front.json", json.dumps(front.to_dict(), indent=1, allow_nan=False) + "\n")

    def front(self) -> Front:
        """The front that the run reported last; warns where its file was altered since, or is not the run's.

        Raises:
            RunError: the run has not reported one yet.
            FrontError: its file cannot be read.
        """
        from morl.pareto import Front

        file = self.path / "front.json"
        if not file.is_file():
            how = "morl eval" if self.state == "finished" else "morl resume"
            raise RunError(f"run {str(self.path)!r} has no front yet ({self.state}); measure it: {how} {self.path}")
        front = Front.from_dict(storage.read_json(file, follow=False, error=FrontError))
        with contextlib.suppress(RunError):
            seal = Seal.read(self.path)
            state = WHOLE if seal is None else seal.state(self.path, "front.json")
            if state == ALTERED:
                warnings.warn(f"front {str(file)!r} was altered after the run wrote it", stacklevel=2)
            elif state == UNSEALED:
                warnings.warn(f"front {str(file)!r} is none that the run sealed", stacklevel=2)
        return front

    def damage(self) -> list[str]:
        """What differs from the seal, one line per file; for a run of an earlier version nothing is known.

        Files that the run did not write are named too. Hidden ones (locks, what a kill left half-written) do not count.
        """
        try:
            seal = Seal.read(self.path)
        except RunError as error:
            return [str(error)]
        if seal is None:
            return [] if self.identity is None else [f"{str(self.path / 'seal.json')!r} is missing"]
        if seal.run != self.identity:
            return [f"config.json and seal.json are of two runs ({self.identity} and {seal.run})"]
        problems = []
        finished = False
        with contextlib.suppress(RunError):
            finished = self.status["state"] == "finished"
        for name, pairs in seal.files.items():
            try:
                state = seal.state(self.path, name, growing=name == METRICS and not finished)
            except RunError as error:
                problems.append(str(error))
                continue
            if state == MISSING and len(pairs) == 1 and not finished:
                continue  # it was about to be written for the first time
            if state != WHOLE:
                problems.append(f"{str(self.path / name)!r} is {state}: it is not what the run wrote")
        known = {*seal.files, NAME, *(() if finished else (METRICS,))}  # metrics are sealed at times
        strange = [file for file in sorted(self.path.iterdir()) if file.name not in known and not file.is_dir()]
        return problems + [
            f"{str(file)!r} is {UNSEALED}: not of this run, or its seal was lost; move it out if it is yours"
            for file in strange
            if not file.name.startswith(".")
        ]

    @property
    def checkpoint(self) -> Path:
        """Where the agent is saved at clean boundaries; the save before the last is kept inside."""
        return self.path / "checkpoints"

    @property
    def stopped(self) -> Path:
        """Where the agent is saved when an interrupt or an error stops it between boundaries."""
        return self.path / "checkpoints-stopped"

    @property
    def places(self) -> tuple[Path, Path]:
        """Both of them."""
        return self.checkpoint, self.stopped


def run_folders(root: str | Path) -> list[Path]:
    """The folders below ``root`` that hold a configuration, oldest first. Links are left out."""
    found = []
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if not entry.is_symlink():
                    config = os.path.join(entry.path, "config.json")
                    found.append((os.stat(config, follow_symlinks=False).st_mtime_ns, entry.path))
    return [Path(path) for _, path in sorted(found)]


def _new_folder(root: Path, stem: str) -> Path:
    for number in itertools.count(1):
        path = root / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not root.is_dir() or not (path.is_dir() or path.is_symlink()):
                raise RunError(f"{str(root)!r} is not a folder; give another --out") from None
            continue
        except OSError as error:
            raise RunError(f"cannot write runs to {str(root)!r} ({error.strerror}); give another --out") from None
        return path
    raise AssertionError


def _config(path: Path) -> dict[str, Any]:
    """The configuration of a run: ``config.json``, or the seal's copy where that is damaged."""
    seal, config = None, None
    with contextlib.suppress(RunError):
        seal = Seal.read(path)
    try:
        config = read_json(path / "config.json", "run")
        if config.get("format") != _FORMAT:
            raise RunError(f"{str(path / 'config.json')!r} has format {config.get('format')!r}; expected {_FORMAT!r}")
        if seal is None or seal.state(path, "config.json") != ALTERED:
            return config
        problem = f"{str(path / 'config.json')!r} was altered after the run wrote it"
    except RunError as error:
        if seal is None or not (path / "config.json").exists():
            raise
        problem = str(error)
    if config is not None and config.get("run") != seal.run and _owner(path / "checkpoints") != seal.run:
        raise RunError(f"config.json and seal.json of {str(path)!r} are of two runs; put the right ones back")
    warnings.warn(f"{problem}; using the copy of it in seal.json", stacklevel=3)
    return seal.config


def _owner(folder: Path) -> Any:
    """The run that a checkpoint names."""
    from morl.agents.core import checkpoint

    try:
        return checkpoint.load_meta(folder).get("run")
    except MorlError:
        return None


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a small JSON object of a run folder.

    Raises:
        RunError: missing or damaged.
    """
    if not os.path.lexists(path):
        raise RunError(f"{str(path.parent)!r} is not a {what}: {path.name} is missing")
    data = storage.read_json(path, limit=1 << 22, follow=False)
    if not isinstance(data, dict):
        raise RunError(f"{str(path)!r} holds a {type(data).__name__}; expected a JSON object")
    return data

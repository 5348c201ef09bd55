"""A run is a folder: what was asked (``config.json``), what happened (``status.json``, ``metrics.jsonl``), what came
out (``front.json``, ``front.csv``), and checkpoints to go on from.

Every file is written to a temporary name, flushed to disk and renamed, so a run that is killed at any moment leaves
whole files behind.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl.spec import RunError, listed

if TYPE_CHECKING:
    from morl.pareto import Front

_FORMAT = "morl-run-1"


class RunFolder:
    """One run on disk.

    Use :meth:`create` for a new run and :meth:`open` for one that exists.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self.path = path
        self.config = dict(config)

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r}, {self.status['state']})"

    # ---- making and finding ----------------------------------------------------------------------------

    @classmethod
    def create(cls, root: str | Path, name: str, config: Mapping[str, Any]) -> RunFolder:
        """A new folder ``root/name``, or ``root/name-2`` and so on where that exists.

        Raises:
            RunError: the folder cannot be written.
        """
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")
        root = Path(root)
        for number in range(1, 10_000):
            path = root / (stem if number == 1 else f"{stem}-{number}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                if not root.is_dir() or not path.is_dir():
                    raise RunError(f"{str(root)!r} is not a folder; give another --out") from None
                continue
            except OSError as error:
                raise RunError(f"cannot write runs to {str(root)!r} ({error.strerror}); give another --out") from None
            break
        run = cls(path, {"format": _FORMAT, **config})
        write_json(path / "config.json", run.config)
        run.set_status("created")
        return run

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """An existing run.

        Raises:
            RunError: no such folder, or its ``config.json`` is missing or damaged.
        """
        path = Path(path)
        if not path.is_dir():
            near = sorted(p.name for p in path.parent.glob("*") if (p / "config.json").is_file())
            hint = f"; there: {listed(near, most=5)}" if near else "; `morl runs list` shows what there is"
            raise RunError(f"run folder {str(path)!r} does not exist{hint}")
        config = read_json(path / "config.json", "run")
        if config.get("format") != _FORMAT:
            raise RunError(f"{str(path / 'config.json')!r} has format {config.get('format')!r}; expected {_FORMAT!r}")
        return cls(path, config)

    @classmethod
    def all(cls, root: str | Path) -> Iterator[RunFolder]:
        """Every readable run below ``root``, oldest first."""
        files = sorted(Path(root).glob("*/config.json"), key=lambda file: file.stat().st_mtime)
        for file in files:
            try:
                yield cls.open(file.parent)
            except RunError:
                continue  # `morl runs verify` names damaged ones

    # ---- what happened ---------------------------------------------------------------------------------

    @property
    def status(self) -> dict[str, Any]:
        """``state`` (created, running, finished, interrupted, failed), ``steps``, ``seconds`` and ``error``."""
        file = self.path / "status.json"
        return read_json(file, "run") if file.is_file() else {"state": "unknown", "steps": 0}

    def set_status(self, state: str, **facts: Any) -> None:
        """Record where the run stands."""
        write_json(self.path / "status.json", {"state": state, "updated": _now(), **facts})

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl``; a last line cut short by a kill is left out."""
        file = self.path / "metrics.jsonl"
        rows = []
        for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return rows

    # ---- what came out ---------------------------------------------------------------------------------

    def save_front(self, front: Front) -> None:
        """Write ``front.json`` and ``front.csv``."""
        front.save(self.path / "front.json")
        front.save(self.path / "front.csv")

    def front(self) -> Front:
        """The front that the run reported last.

        Raises:
            RunError: the run has not reported one yet.
        """
        from morl.pareto import Front

        file = self.path / "front.json"
        if not file.is_file():
            state = self.status["state"]
            raise RunError(f"run {str(self.path)!r} has no front yet ({state}); evaluate it: morl eval {self.path}")
        return Front.load(file)

    @property
    def checkpoint(self) -> Path:
        """Where the agent is saved at clean boundaries; the save before the last is kept inside."""
        return self.path / "checkpoints"

    @property
    def stopped(self) -> Path:
        """Where the agent is saved when an interrupt or an error stops it between boundaries."""
        return self.path / "checkpoints-stopped"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON so that the file is either the old one or the new one, whole."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(data, file, indent=1, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: missing or damaged.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{str(path.parent)!r} is not a {what}: {path.name} is missing") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{str(path)!r} is damaged ({error}); restore it or train again") from None
    if not isinstance(data, dict):
        raise RunError(f"{str(path)!r} holds a {type(data).__name__}; expected a JSON object")
    return data

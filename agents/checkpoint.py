"""Checkpoints that survive a crash: safetensors and JSON with checksums, no pickle, loading runs no code.

A checkpoint is a folder::

    checkpoint.json                 facts, and the name and SHA-256 of the arrays; ends with its own checksum
    arrays-<hash>.safetensors       every array
    previous.json                   the checkpoint before this one (and its arrays)

Writing never touches a file that the last good checkpoint needs: arrays go to a new name, are fsynced and
renamed, then the JSON is. A killed writer leaves the old checkpoint; an altered or truncated file is refused
and the previous checkpoint is used instead.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from morl.spec import RunError

FORMAT = "morl-checkpoint-1"
_CURRENT, _PREVIOUS = "checkpoint.json", "previous.json"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds: JSON-able facts and named arrays."""

    meta: dict[str, Any]
    arrays: dict[str, np.ndarray[Any, Any]]


def save(folder: str | Path, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> Path:
    """Write a checkpoint atomically; the one before it is kept as the previous one.

    Raises:
        RunError: the disk is full or the folder cannot be written (the last good checkpoint is intact).
    """
    from safetensors.numpy import save as to_bytes

    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        payload = to_bytes(plain)
        digest = hashlib.sha256(payload).hexdigest()
        name = f"arrays-{digest[:16]}.safetensors"
        if not (folder / name).is_file() or _sha256(folder / name) != digest:
            _write(folder / name, payload)
        body = {"format": FORMAT, "arrays": name, "sha256": digest, "bytes": len(payload), "meta": dict(meta)}
        _keep_previous(folder)
        _write(folder / _CURRENT, _seal(body))
        _sweep(folder)
    except OSError as error:
        raise RunError(
            f"checkpoint {str(folder)!r} cannot be written ({error.strerror or error}); the last good one is intact"
        ) from None
    return folder


def load(folder: str | Path) -> Checkpoint:
    """Read a checkpoint; where it is damaged, warn and use the previous one.

    Raises:
        RunError: no checkpoint there, or neither it nor the previous one is valid.
    """
    folder = Path(folder)
    if not (folder / _CURRENT).is_file() and not (folder / _PREVIOUS).is_file():
        raise RunError(f"no checkpoint in {str(folder)!r}; expected a folder written by Agent.save")
    try:
        return _read(folder, _CURRENT)
    except RunError as error:
        if not (folder / _PREVIOUS).is_file():
            raise
        try:
            previous = _read(folder, _PREVIOUS)
        except RunError as worse:
            raise RunError(f"{error}; the previous one is damaged too ({worse})") from None
        warnings.warn(f"{error}; using the previous checkpoint", stacklevel=2)
        return previous


def check(folder: str | Path) -> None:
    """Read the newest checkpoint whole, without falling back on the one before.

    Raises:
        RunError: it is missing, truncated or altered.
    """
    _read(Path(folder), _CURRENT)


def _seal(body: dict[str, Any]) -> bytes:
    text = json.dumps(body, sort_keys=True, allow_nan=False)
    return json.dumps({**body, "seal": hashlib.sha256(text.encode()).hexdigest()}, indent=1, sort_keys=True).encode()


def _read(folder: Path, name: str) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    where = str(folder / name)
    try:
        body = json.loads((folder / name).read_bytes())
        seal = body.pop("seal")
        text = json.dumps(body, sort_keys=True)
        if body["format"] != FORMAT:
            raise RunError(f"checkpoint {where!r} has format {body['format']!r}; expected {FORMAT!r}")
        if hashlib.sha256(text.encode()).hexdigest() != seal:
            raise RunError(f"checkpoint {where!r} is damaged: its checksum does not match")
        payload = (folder / body["arrays"]).read_bytes()
        if hashlib.sha256(payload).hexdigest() != body["sha256"]:
            raise RunError(
                f"checkpoint {where!r} is damaged: {body['arrays']} has {len(payload)} bytes and another checksum "
                f"than the {body['bytes']} bytes written"
            )
        return Checkpoint(body["meta"], from_bytes(payload))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise RunError(f"checkpoint {where!r} cannot be read ({error})") from None


def _keep_previous(folder: Path) -> None:
    """Make the current checkpoint the previous one, unless it is damaged."""
    current = folder / _CURRENT
    if not current.is_file():
        return
    try:
        _read(folder, _CURRENT)
    except RunError:
        return
    _write(folder / _PREVIOUS, current.read_bytes())


def _sweep(folder: Path) -> None:
    """Remove arrays that neither checkpoint names, and parts of writes that never finished."""
    wanted = set()
    for name in (_CURRENT, _PREVIOUS):
        try:
            wanted.add(json.loads((folder / name).read_bytes())["arrays"])
        except (OSError, ValueError, KeyError):
            continue
    for path in folder.glob("arrays-*.safetensors"):
        if path.name not in wanted:
            path.unlink(missing_ok=True)
    for path in folder.glob("*.part"):
        path.unlink(missing_ok=True)


def _write(path: Path, payload: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY) if os.name == "posix" else None
    if directory is not None:
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""Checkpoints that survive a crash: safetensors and JSON with checksums, no pickle, loading runs no code.

A checkpoint is a folder::

    checkpoint.json                 facts, and the name and SHA-256 of the arrays; ends with its own checksum
    arrays-<hash>.safetensors       every array
    previous.json                   the checkpoint before this one (and its arrays)

Writing never touches a file that the last good checkpoint needs: arrays go to a new name, are fsynced and
renamed, then the JSON is. A killed writer leaves the old checkpoint; an altered or truncated file is refused
and the previous checkpoint is used instead. There are always two: where there is no earlier state, the
previous checkpoint is a copy of this one, so that no single damaged file loses what was learned.
"""

from __future__ import annotations

import contextlib
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from morl import storage
from morl.spec import RunError

FORMAT = "morl-checkpoint-2"
_READABLE = ("morl-checkpoint-1", FORMAT)
_CURRENT, _PREVIOUS = "checkpoint.json", "previous.json"
_MANIFEST_LIMIT = 1 << 26
_NAME = re.compile(r"arrays-[0-9a-f]{16}(-copy)?\.safetensors")

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds: JSON-able facts and named arrays.

    Attributes:
        complete: whether every array of the agent's state is in it; false for the first format, which left out some
            that can be measured again.
    """

    meta: dict[str, Any]
    arrays: dict[str, Array]
    complete: bool = True


def save(
    folder: str | Path, meta: Mapping[str, Any], arrays: Mapping[str, Array], unset: Mapping[str, float] | None = None
) -> Path:
    """Write a checkpoint atomically; the one before it is kept as the previous one.

    Args:
        folder: where.
        meta: JSON-able facts.
        arrays: named arrays.
        unset: the NaN or inf (of any sign) that says "not known yet", by the names of the arrays that may hold it.

    Raises:
        RunError: a number is not finite (nothing is written), the disk is full or the folder cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    folder = Path(folder)
    require_finite(arrays, unset, f"checkpoint {str(folder)!r} is not written")
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    payload = to_bytes(plain)
    digest = storage.sha256(payload)
    body = {"format": FORMAT, "sha256": digest, "bytes": len(payload), "meta": dict(meta)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        current = _manifest(folder, _CURRENT)
        if current is None or current["sha256"] != digest:
            _keep_previous(folder)
        name = f"arrays-{digest[:16]}.safetensors"
        _put(folder / name, payload, digest)
        storage.write_atomic(folder / _CURRENT, _seal({**body, "arrays": name}))
        previous = _manifest(folder, _PREVIOUS)
        if previous is None or previous["arrays"] == name:
            copy = f"arrays-{digest[:16]}-copy.safetensors"
            _put(folder / copy, payload, digest)
            storage.write_atomic(folder / _PREVIOUS, _seal({**body, "arrays": copy}))
        _sweep(folder)
    except ValueError as error:
        raise RunError(f"checkpoint {str(folder)!r} is not written: its facts are not JSON ({error})") from None
    except OSError as error:
        kept = (folder / _CURRENT).is_file()
        with contextlib.suppress(OSError):
            _sweep(folder)
            folder.rmdir()  # where nothing is in it
        raise RunError(
            f"checkpoint {str(folder)!r} cannot be written ({error.strerror or error}); "
            + ("the last good one is intact" if kept else "there is none before it")
        ) from None
    return folder


def load(folder: str | Path) -> Checkpoint:
    """Read a checkpoint; where it is damaged, warn and use the previous one.

    Raises:
        RunError: no checkpoint there, or neither it nor the previous one is valid.
    """
    folder = Path(folder)
    if not exists(folder):
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


def load_meta(folder: str | Path) -> dict[str, Any]:
    """The facts of a checkpoint, without its arrays; falls back as :func:`load` does.

    Raises:
        RunError: neither it nor the previous one can be read.
    """
    for name in (_CURRENT, _PREVIOUS):
        body = _manifest(Path(folder), name)
        if body is not None:
            return dict(body["meta"])
    return load(folder).meta


def exists(folder: str | Path) -> bool:
    """Whether anything was saved in a folder."""
    return any((Path(folder) / name).is_file() for name in (_CURRENT, _PREVIOUS))


def check(folder: str | Path) -> Checkpoint:
    """Read the newest checkpoint and the one before whole, without falling back; returns the newest.

    Raises:
        RunError: one is missing, truncated or altered.
    """
    if (Path(folder) / _PREVIOUS).exists():
        _read(Path(folder), _PREVIOUS)
    return _read(Path(folder), _CURRENT)


def require_finite(arrays: Mapping[str, Array], unset: Mapping[str, float] | None, what: str) -> None:
    """Refuse arrays with NaN or inf in them, except what ``unset`` allows.

    Raises:
        RunError: the first such array, by name.
    """
    for name, array in arrays.items():
        values = np.asarray(array)
        if values.dtype.kind not in "fc":
            continue
        bad = values[~np.isfinite(values)]
        if unset and name in unset:
            bad = bad[~np.isnan(bad)] if np.isnan(unset[name]) else bad[np.isnan(bad)]
        if len(bad):
            raise RunError(
                f"{what}: {name} holds {bad[0]}. Learning diverged: lower the learning rate, or scale the rewards"
            )


def require_within(name: str, array: Array, low: int, high: int) -> None:
    """Refuse an array of positions or counts that leads out of what it points into; compiled code does not look.

    Raises:
        RunError: an entry outside ``[low, high)``.
    """
    outside = (array < low) | (array >= high)
    if outside.any():
        raise RunError(f"{name} holds {array[outside].ravel()[0]}; expected {low} to {high - 1}")


def require_alike(what: str, given: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    """Refuse arrays that lack one of those expected, or have it in another dtype or shape.

    Raises:
        RunError: the first such array, by name.
    """
    for name, array in expected.items():
        held = given.get(name)
        if held is None or held.dtype != array.dtype or held.shape != array.shape:
            found = "missing" if held is None else f"{held.dtype} {held.shape}"
            raise RunError(f"{what}: {name} is {found}; expected {array.dtype} {array.shape}")


def _seal(body: dict[str, Any]) -> bytes:
    text = json.dumps(body, sort_keys=True, allow_nan=False)
    return json.dumps({**body, "seal": storage.sha256(text.encode())}, indent=1, sort_keys=True).encode()


def read_manifest(folder: Path, name: str = _CURRENT) -> dict[str, Any]:
    """A manifest whose own checksum holds: ``arrays`` names the file beside it, of so many ``bytes``.

    Raises:
        RunError: it is missing, damaged or not one.
    """
    where = str(folder / name)
    body = storage.read_json(folder / name, limit=_MANIFEST_LIMIT, follow=False)
    try:
        seal = body.pop("seal")
        if body["format"] not in _READABLE:
            raise RunError(f"checkpoint {where!r} has format {body['format']!r}; expected {FORMAT!r}")
        if storage.sha256(json.dumps(body, sort_keys=True).encode()) != seal:
            raise RunError(f"checkpoint {where!r} is damaged: its checksum does not match")
        if not isinstance(body["meta"], dict) or not _NAME.fullmatch(body["arrays"]):
            raise RunError(f"checkpoint {where!r} names the arrays {body['arrays']!r}; expected a file beside it")
        body["sha256"], body["bytes"] = str(body["sha256"]), int(body["bytes"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"checkpoint {where!r} cannot be read ({error!r})") from None
    return dict(body)


def _manifest(folder: Path, name: str) -> dict[str, Any] | None:
    try:
        return read_manifest(folder, name)
    except RunError:
        return None


def _payload(folder: Path, body: Mapping[str, Any], where: str) -> bytes:
    payload = storage.read_regular(folder / body["arrays"], limit=max(0, body["bytes"]), follow=False)
    if storage.sha256(payload) != body["sha256"]:
        raise RunError(
            f"checkpoint {where!r} is damaged: {body['arrays']} has {len(payload)} bytes and another checksum "
            f"than the {body['bytes']} bytes written"
        )
    return payload


def _read(folder: Path, name: str) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    where = str(folder / name)
    body = read_manifest(folder, name)
    try:
        return Checkpoint(body["meta"], from_bytes(_payload(folder, body, where)), body["format"] == FORMAT)
    except (ValueError, KeyError, TypeError, AttributeError, SafetensorError, MemoryError) as error:
        raise RunError(f"checkpoint {where!r} cannot be read ({error})") from None


def _keep_previous(folder: Path) -> None:
    """Make the current checkpoint the previous one, unless it is damaged."""
    body = _manifest(folder, _CURRENT)
    if body is None:
        return
    try:
        _payload(folder, body, str(folder / _CURRENT))
    except RunError:
        return
    storage.write_atomic(folder / _PREVIOUS, _seal(body))


def _put(path: Path, payload: bytes, digest: str) -> None:
    """Write arrays, unless the file is there and whole."""
    with contextlib.suppress(RunError):
        if storage.sha256(storage.read_regular(path, limit=len(payload), follow=False)) == digest:
            return
    storage.write_atomic(path, payload)


def _sweep(folder: Path) -> None:
    """Remove arrays that neither checkpoint names, and parts of writes that never finished."""
    manifests = [_manifest(folder, name) for name in (_CURRENT, _PREVIOUS)]
    wanted = {body["arrays"] for body in manifests if body is not None}
    for path in folder.iterdir():
        if path.name.endswith(".part") or (_NAME.fullmatch(path.name) and path.name not in wanted):
            path.unlink(missing_ok=True)

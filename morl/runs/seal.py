"""Seal of a run folder: the SHA-256 of each of its files, tied to the run's identity.

``seal.json`` lists, for each small file, its size and SHA-256. A file's new digest is written before the file itself
and the old one stays until the next write, so that a run killed at any moment is whole. A copy of the configuration
is in it, from which a damaged ``config.json`` is read. Checkpoints have checksums of their own and name the run that
they belong to. A seal shows damage and mix-ups; whoever alters a file on purpose can seal it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morl import storage
from morl.spec import RunError

NAME = "seal.json"
_FORMAT = "morl-seal-1"
_LIMIT = 1 << 24

WHOLE, ALTERED, UNSEALED, MISSING = "whole", "altered", "unsealed", "missing"


@dataclass
class Seal:
    """What ``seal.json`` says.

    Attributes:
        run: identity of the run.
        config: the run's configuration.
        files: by name, up to two pairs ``[bytes, sha256]``: what the file was, and what it was to become.
    """

    run: str
    config: dict[str, Any]
    files: dict[str, list[tuple[int, str]]]

    @classmethod
    def read(cls, folder: Path) -> Seal | None:
        """The seal of a folder; ``None`` where it has none (runs of earlier versions).

        Raises:
            RunError: it is damaged.
        """
        path = folder / NAME
        if not path.is_symlink() and not path.exists():
            return None
        data = storage.read_json(path, limit=_LIMIT, follow=False)
        try:
            given = data.pop("seal")
            if data["format"] != _FORMAT:
                raise RunError(f"{str(path)!r} has format {data['format']!r}; expected {_FORMAT!r}")
            if _digest(data) != given:
                raise RunError(f"{str(path)!r} is damaged: its checksum does not match")
            files = {
                str(name): [(int(size), str(digest)) for size, digest in pairs] for name, pairs in data["files"].items()
            }
            return cls(str(data["run"]), dict(data["config"]), files)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(f"{str(path)!r} cannot be read ({error!r})") from None

    def write(self, folder: Path) -> None:
        """Write ``seal.json``."""
        data = {"format": _FORMAT, "run": self.run, "config": self.config, "files": self.files}
        storage.write_json(folder / NAME, {**data, "seal": _digest(data)})

    def state(self, folder: Path, name: str, *, growing: bool = False) -> str:
        """Whether a file is what was sealed: whole, altered, unsealed or missing.

        Args:
            folder: the run folder.
            name: name of the file.
            growing: what comes after the sealed bytes does not count (lines that were added since).
        """
        pairs = self.files.get(name)
        if not (folder / name).exists():
            return UNSEALED if pairs is None else MISSING
        if pairs is None:
            return UNSEALED
        payload = storage.read_regular(folder / name, follow=False)
        for size, digest in pairs:
            if (growing or size == len(payload)) and storage.sha256(payload[:size]) == digest:
                return WHOLE
        return ALTERED

    def expect(self, folder: Path, name: str, payload: bytes) -> None:
        """Enter what a file is about to become beside what it is."""
        now = None
        if name in self.files and (folder / name).is_file():
            data = storage.read_regular(folder / name, follow=False)
            now = next((pair for pair in self.files[name] if storage.sha256(data[: pair[0]]) == pair[1]), None)
        self.files[name] = [*([] if now is None else [now]), (len(payload), storage.sha256(payload))]


def _digest(data: Mapping[str, Any]) -> str:
    return storage.sha256(json.dumps(data, sort_keys=True, allow_nan=False).encode())

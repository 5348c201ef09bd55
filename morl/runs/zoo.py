"""Runs by the names of the zoo: ``zoo:NAME`` is a run that ships with the package, or that this user pulled.

Runs of the zoo are read and never written: evaluating one leaves no file, and going on with one needs a copy.
"""

from __future__ import annotations

import re
from pathlib import Path

from morl.runs.places import user_folder
from morl.spec import RunError, UnknownNameError

PREFIX = "zoo:"
SHIPPED = Path(__file__).resolve().parent.parent / "zoo" / "shipped"
"""Folder of the runs that ship with the package."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def pulled_folder() -> Path | None:
    """Where ``morl zoo pull`` puts runs; ``None`` where the user has no home."""
    folder = user_folder("data")
    return None if folder is None else folder / "zoo"


def zoo_folders() -> list[Path]:
    """Folders with runs of the zoo, those that ship with the package first: nothing pulled takes one of their names."""
    pulled = pulled_folder()
    return [SHIPPED, *([] if pulled is None else [pulled])]


def check_name(name: str) -> str:
    """The name, where it can be one in a zoo.

    Raises:
        RunError: it could lead out of a folder, or is no name.
    """
    if not _NAME.fullmatch(name):
        raise RunError(f"{name[:100]!r} cannot be a name in a zoo; expected letters, digits, '.', '_' and '-'")
    return name


def names_in(folder: Path) -> list[str]:
    """Names of the runs in the folder of a zoo, sorted."""
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if _NAME.fullmatch(p.name) and (p / "seal.json").is_file())


def run_path(source: str | Path) -> Path:
    """The folder that ``zoo:NAME`` means; any other path as it is.

    Raises:
        UnknownNameError: no run of the zoo has that name.
    """
    text = str(source)
    if not text.startswith(PREFIX):
        return Path(source)
    name = text.removeprefix(PREFIX)
    for folder in zoo_folders():
        if name in names_in(folder):
            return folder / name
    known = [name for folder in zoo_folders() for name in names_in(folder)]
    raise UnknownNameError("run of the zoo", name, known)


def is_in_zoo(path: Path) -> bool:
    """Whether a run folder is one of the zoo, which nothing is written to."""
    return path.resolve().parent in [folder.resolve() for folder in zoo_folders()]

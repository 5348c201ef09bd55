"""Where zoos lie: a folder of this machine, or whatever has a URL that fsspec opens (the Hugging Face Hub among them).

A zoo is a folder of run folders. What it holds was made by others: names that lead elsewhere, links and files larger
than they say are refused here, before anything is written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from morl import storage
from morl.runs.zoo import check_name, names_in
from morl.spec import MissingExtraError, MorlError, RunError

_HUB = "hf"


class Store(Protocol):
    """A folder of run folders, somewhere."""

    def names(self) -> list[str]:
        """Names of the runs in it."""

    def read(self, name: str, limit: int) -> bytes:
        """The file ``name`` (``RUN/FILE``), of at most ``limit`` bytes."""

    def put(self, folder: Path, name: str) -> None:
        """Copy a folder into it under a name that is free."""


def store_of(where: str | Path) -> Store:
    """The zoo at a folder or URL.

    Raises:
        MissingExtraError: a library for this kind of URL is missing.
        RunError: the URL cannot be opened.
    """
    text = str(where)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return FolderStore(Path(where))
    return FolderStore(Path(rest)) if scheme in ("file", "local") else UrlStore(text)


class FolderStore:
    """A zoo in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Names of the runs in it.

        Raises:
            RunError: there is no such folder.
        """
        if not self.root.is_dir():
            raise RunError(f"there is no zoo in {str(self.root)!r}: no such folder")
        return names_in(self.root)

    def read(self, name: str, limit: int) -> bytes:
        """A file; links are not followed.

        Raises:
            RunError: it is missing, too large or no regular file.
        """
        for folder in list(PurePosixPath(name).parents)[:-1]:
            if (self.root / folder).is_symlink():
                raise RunError(f"{str(self.root / folder)!r} is a symbolic link; expected a folder")
        return storage.read_regular(self.root / name, limit=limit, follow=False)

    def put(self, folder: Path, name: str) -> None:
        """Copy a folder into it, whole or not at all.

        Raises:
            RunError: it cannot be written, or has such a run.
        """
        with new_folder(self.root / check_name(name)) as part:
            shutil.copytree(folder, part, dirs_exist_ok=True)


class UrlStore:
    """A zoo under a URL, opened with fsspec."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.scheme = url.partition("://")[0].rpartition(":")[2]
        with self._told("opened"):
            try:
                import fsspec

                self.files, self.root = fsspec.core.url_to_fs(url)
            except ImportError as error:
                if self.scheme == _HUB:
                    raise MissingExtraError("The Hugging Face Hub", "hub") from None
                if error.name == "fsspec":
                    raise MissingExtraError("A zoo under a URL", "zoo") from None
                raise RunError(f"URLs with {self.scheme}:// need another package ({error})") from None

    def names(self) -> list[str]:
        """Names of the runs in it: its folders that hold a seal.

        Raises:
            RunError: it cannot be reached.
        """
        with self._told("listed"):
            folders = [path.rstrip("/") for path in self.files.ls(self.root, detail=False)]
            return sorted(PurePosixPath(p).name for p in folders if self.files.isfile(f"{p}/seal.json"))

    def read(self, name: str, limit: int) -> bytes:
        """A file.

        Raises:
            RunError: it is missing, too large or cannot be reached.
        """
        with self._told(f"read at {name}"), self.files.open(self._at(name), "rb") as file:
            data: bytes = file.read(limit + 1)
        if len(data) > limit:
            raise RunError(f"{self.url}/{name} has more than {limit:,} bytes; expected at most that")
        return data

    def put(self, folder: Path, name: str) -> None:
        """Copy a folder into it, in one commit on the Hub; elsewhere the seal comes last, so that it is listed whole.

        Raises:
            RunError: it cannot be written, or has such a run.
        """
        with self._told("written to"):
            if self.files.exists(self._at(check_name(name))):
                raise RunError(f"{self.url} has a run {name!r}; give another --name")
            if self.scheme == _HUB:
                self._commit(folder, name)
                return
            paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
            for path in sorted(paths, key=lambda path: path.name == "seal.json"):
                target = self._at(f"{name}/{path.relative_to(folder).as_posix()}")
                self.files.makedirs(target.rpartition("/")[0], exist_ok=True)
                self.files.put_file(str(path), target)

    def _commit(self, folder: Path, name: str) -> None:
        from huggingface_hub import upload_folder

        place = self.files.resolve_path(self._at(name))
        upload_folder(
            folder_path=str(folder),
            path_in_repo=place.path_in_repo,
            repo_id=place.repo_id,
            repo_type=place.repo_type,
            revision=place.revision,
            commit_message=f"morl zoo: {name}",
        )

    def _at(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Errors as one line: each of fsspec's file systems raises its own kinds."""
        try:
            yield
        except MorlError:
            raise
        except Exception as error:
            said = next(iter(str(error).strip().splitlines()), "") or "no reason is given"
            raise RunError(f"{self.url} cannot be {what} ({type(error).__name__}: {said[:200]})") from None


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which takes its name when the body has ended well, and is gone where it has not.

    Raises:
        RunError: something lies there, or it cannot be written.
    """
    if os.path.lexists(path):
        raise RunError(f"{str(path)!r} exists; give another name")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        yield part
        part.rename(path)
    except OSError as error:
        raise RunError(f"cannot write to {str(path.parent)!r} ({error.strerror or error})") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)

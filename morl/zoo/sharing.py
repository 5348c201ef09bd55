"""Listing, fetching and giving away runs of a zoo.

What is fetched was made by a stranger: its seal says which files there are, each is read up to its sealed size and
compared with its checksum, and nothing takes its name before the whole folder is verified. Nothing of it is imported.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from morl import storage
from morl.agents.core import checkpoint
from morl.runs.evaluation import verify
from morl.runs.folder import RunFolder
from morl.runs.seal import NAME as SEAL
from morl.runs.seal import Seal
from morl.runs.zoo import PREFIX, SHIPPED, check_name, pulled_folder, run_path, zoo_folders
from morl.spec import MorlError, RunError, UnknownNameError
from morl.zoo.card import NAME as CARD
from morl.zoo.card import Card
from morl.zoo.stores import FolderStore, Store, new_folder, store_of

_SMALL = 1 << 24  # bytes of a seal, a card, or the list of a checkpoint
_LARGE = 1 << 30  # bytes of any file
_CHECKPOINT = "checkpoints"
_MANIFEST = f"{_CHECKPOINT}/checkpoint.json"


def cards(where: str | Path | None = None) -> dict[str, Card | None]:
    """The cards of a zoo, by name; ``None`` where a run has none that can be read.

    Args:
        where: a folder or a URL; by default what ships with the package, and what was pulled.

    Raises:
        RunError: there is no zoo, or it cannot be reached.
    """
    stores = [store_of(where)] if where is not None else [FolderStore(f) for f in zoo_folders() if f.is_dir()]
    found: dict[str, Card | None] = {}
    for store in stores:
        for name in store.names():
            try:
                found.setdefault(name, _card(store, name))
            except MorlError:
                found.setdefault(name, None)
    return found


def _card(store: Store, name: str) -> Card:
    where = f"{name}/{CARD}"
    return Card.from_dict(storage.parse_json(store.read(where, _SMALL), what=where), where)


def pull(where: str | Path, name: str, out: str | Path | None = None, rename: str | None = None) -> RunFolder:
    """Fetch a run and verify it.

    Args:
        where: the zoo, a folder or a URL; ``"zoo:"`` is what ships and what was pulled, to take a copy of.
        name: of the run there.
        out: folder to put it in, as a run like any other; by default it becomes ``zoo:NAME``, which is never written.
        rename: name that it gets.

    Raises:
        UnknownNameError: the zoo has no such run.
        RunError: it is damaged, larger than it says, or cannot be written; nothing is left of it.
    """
    store = store_of(run_path(f"{PREFIX}{name}").parent if str(where) == PREFIX else where)
    known = store.names()
    if check_name(name) not in known:
        raise UnknownNameError("run of the zoo", name, known)
    target = _target(check_name(rename or name), out)
    with new_folder(target) as part:
        _fetch(store, name, part)
        _require_whole(part, name)
        _card(FolderStore(part.parent), part.name)
    return RunFolder.open(target)


def _target(name: str, out: str | Path | None) -> Path:
    if out is not None:
        return Path(out) / name
    if (SHIPPED / name).exists():
        raise RunError(f"zoo:{name} ships with the package; give another name with --as, or a folder with --out")
    pulled = pulled_folder()
    if pulled is None:
        raise RunError("there is no home folder for what is pulled; give a folder with --out")
    return pulled / name


def _fetch(store: Store, name: str, part: Path) -> None:
    """Read what the seal and the checkpoint name, and nothing else."""
    (part / _CHECKPOINT).mkdir()
    storage.write_atomic(part / SEAL, store.read(f"{name}/{SEAL}", _SMALL))
    seal = Seal.read(part)
    assert seal is not None
    for file, pairs in seal.files.items():
        if check_name(file) == SEAL or not pairs:
            raise RunError(f"the seal of {name!r} names {file!r}; expected a file of a run")
        limit = min(_LARGE, max(size for size, _ in pairs))
        storage.write_atomic(part / file, store.read(f"{name}/{file}", limit))
    storage.write_atomic(part / _MANIFEST, store.read(f"{name}/{_MANIFEST}", _SMALL))
    saved = checkpoint.read_manifest(part / _CHECKPOINT)
    arrays = f"{_CHECKPOINT}/{saved['arrays']}"
    storage.write_atomic(part / arrays, store.read(f"{name}/{arrays}", min(_LARGE, max(0, saved["bytes"]))))


def _require_whole(folder: Path, name: str) -> None:
    """Refuse a run that is not finished and whole.

    Raises:
        RunError: naming what is wrong.
    """
    run = RunFolder.open(folder)
    problems = [problem.replace(f"{folder}/", "") for problem in verify(run)]
    if run.identity is None or run.state != "finished":
        problems.append(f"it is {run.state}, not finished" if run.identity else "it has no seal")
    if problems:
        raise RunError(f"run {name!r} is not fit for a zoo: {'; '.join(problems)}")


def push(
    run: RunFolder,
    where: str | Path,
    name: str | None = None,
    *,
    licence: str,
    about: str = "",
    command: str | None = None,
) -> Card:
    """Give a finished run to a zoo: its sealed files and its checkpoint, with a card.

    Args:
        run: the run; it is left as it is.
        where: the zoo, a folder or a URL.
        name: of the run there; its folder's by default.
        licence: as SPDX writes it.
        about: a sentence for the card.
        command: what makes the run again; made from its configuration by default.

    Raises:
        RunError: the run is not finished and whole, or the zoo has a run of that name or cannot be written.
    """
    name = check_name(run.path.name if name is None else name)
    card = Card.of(run, licence, about, command)
    with tempfile.TemporaryDirectory() as place:
        staged = Path(place) / "run"
        _copy(run, staged)
        RunFolder.open(staged).write(CARD, storage.as_json(card.to_dict()))
        for hidden in staged.glob(".*"):  # locks
            hidden.unlink()
        _require_whole(staged, name)
        store_of(where).put(staged, name)
    return card


def _copy(run: RunFolder, staged: Path) -> None:
    """The files of a run that others need: those of its seal, and its newest checkpoint."""
    seal = Seal.read(run.path)
    if seal is None or not (run.path / _MANIFEST).is_file():
        raise RunError(f"run {str(run.path)!r} has no {'seal' if seal is None else 'checkpoint'}; train it again")
    arrays = f"{_CHECKPOINT}/{checkpoint.read_manifest(run.checkpoint)['arrays']}"
    (staged / _CHECKPOINT).mkdir(parents=True)
    for file in (SEAL, *seal.files, _MANIFEST, arrays):
        if (run.path / file).is_file():
            shutil.copyfile(run.path / file, staged / file, follow_symlinks=False)

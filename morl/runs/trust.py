"""Signatures of run configurations: what this user made may execute its imports, and everybody else's is data.

A run records what registers its environment (``imports``). Opening the run executes that, so it must be known that this
user once asked for it: ``config.json`` carries a signature made with a key that lies in the user's configuration folder
(HMAC-SHA256), over the names that become code and over the contents of the imported files. Without a valid signature
nothing recorded is executed, unless the person opening the run says so (``trust=True``, ``--trust``) or names the
imports (``imports=``, ``--import``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import hmac
import importlib.util
import json
import os
import secrets
import shlex
import stat
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl.runs.config import RunConfig
from morl.runs.places import user_folder
from morl.spec import EnvError, RunError

if TYPE_CHECKING:
    from morl.runs.folder import RunFolder

_SIGNED = ("algo", "env", "env_options", "options", "imports", "files")
"""What of a configuration decides which code runs, and how."""

_KEY_BYTES = 32


# ---- the key ------------------------------------------------------------------------------------------------------


def key_file() -> Path | None:
    """Where this user's key lies; ``None`` where the user has no home."""
    folder = user_folder("config")
    return None if folder is None else folder / "key"


def _key(create: bool = False) -> bytes | None:
    """The key, made on first use; ``None`` where there is none, or none that only this user can read."""
    file = key_file()
    if file is None:
        return None
    try:
        return _read_key(file)
    except FileNotFoundError:
        pass
    except OSError:
        return None
    if create:
        with contextlib.suppress(OSError):
            _write_key(file)
            return _read_key(file)
    return None


def _read_key(file: Path) -> bytes | None:
    handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as opened:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            return None
        if hasattr(os, "getuid") and (facts.st_uid != os.getuid() or facts.st_mode & 0o077):
            return None
        key = opened.read(_KEY_BYTES + 1)
    return key if len(key) == _KEY_BYTES else None


def _write_key(file: Path) -> None:
    """Make a key unless another process is quicker; the file appears whole, readable by its owner only."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, part = tempfile.mkstemp(dir=file.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(secrets.token_bytes(_KEY_BYTES))
        try:
            os.link(part, file)
        except FileExistsError:
            pass
        except (OSError, NotImplementedError):  # a file system without links
            if not file.exists():
                os.replace(part, file)
    finally:
        Path(part).unlink(missing_ok=True)


# ---- signing ------------------------------------------------------------------------------------------------------


def located(config: RunConfig) -> RunConfig:
    """The configuration with names that mean the same everywhere: files by absolute path, ``package:id`` as an import.

    Raises:
        EnvError: a file to be imported does not exist.
    """
    from morl.envs.imports import located as found

    package, _, id = config.env.rpartition(":")
    imports = [found(name) for name in (*config.imports, *([package] if package else []))]
    return dataclasses.replace(config, env=id, imports=tuple(dict.fromkeys(imports)))


def signed(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with what its imports are (``files``) and this user's signature, where the user has a key."""
    body = {**config, "files": {name: _origin(name) for name in config.get("imports", ())}}
    key = _key(create=True)
    return body if key is None else {**body, "signature": _signature(body, key)}


def is_own(config: Mapping[str, Any]) -> bool:
    """Whether this user signed the configuration, and nobody changed it since."""
    given, key = config.get("signature"), _key()
    if key is None or not isinstance(given, str) or not given.isascii():
        return False
    return hmac.compare_digest(given, _signature(config, key))


def _signature(config: Mapping[str, Any], key: bytes) -> str:
    text = json.dumps([config.get(name) for name in _SIGNED], sort_keys=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _origin(name: str) -> str | None:
    """What a name stands for now: the digest of a file's contents, or where a package lies; nothing is executed."""
    try:
        if name.endswith(".py"):
            return hashlib.sha256(Path(name).read_bytes()).hexdigest()
        top = name.partition(".")[0]
        module = sys.modules.get(top)
        spec = getattr(module, "__spec__", None) or importlib.util.find_spec(top)
    except (OSError, ValueError, ImportError):
        return None
    places = list(getattr(spec, "submodule_search_locations", None) or ())
    return getattr(spec, "origin", None) or next(iter(places), None)


# ---- opening ------------------------------------------------------------------------------------------------------


def open_env(
    run: RunFolder, *, trust: bool = False, imports: Sequence[str] = (), render_mode: str | None = None
) -> Any:
    """The environment of a run, after the imports that it needs.

    Args:
        run: the run folder.
        trust: execute what the run records, whoever made it.
        imports: packages and files to import; one of the same name replaces a recorded one.
        render_mode: how the environment is drawn.

    Raises:
        RunError: the run would execute something that this user did not make; the message says what.
        EnvError: an import fails, or the environment does not take what the run gives it.
    """
    from morl.envs import make
    from morl.envs.recorded import check_words, make_recorded

    config = RunConfig.from_dict(run.config)
    where = f"run {str(run.path)!r}"
    options = {**config.env_options, **({} if render_mode is None else {"render_mode": render_mode})}
    if import_recorded(run, trust=trust, imports=imports):
        return make(config.env, **options)
    check_words(config.options, where)
    return make_recorded(config.env, options, where=where)


def import_recorded(run: RunFolder, *, trust: bool = False, imports: Sequence[str] = ()) -> bool:
    """Import what a run records, where that may be executed; true where its other names may be trusted as well.

    Args:
        run: the run folder.
        trust: execute what the run records, whoever made it.
        imports: packages and files to import; one of the same name replaces a recorded one.

    Raises:
        RunError: the run would execute something that this user did not make; the message says what.
        EnvError: an import fails.
    """
    from morl.envs import import_package

    own = is_own(run.config)
    for name in imports:
        import_package(name)
    for name in _wanted(run.config, imports, own or trust, trust, f"run {str(run.path)!r}"):
        import_package(name)
    return own or trust


def _wanted(config: Mapping[str, Any], given: Sequence[str], own: bool, trust: bool, where: str) -> list[str]:
    """The recorded imports that may be executed; those that the person gave are left out."""
    recorded, files = config.get("imports", ()), config.get("files", {})
    if not isinstance(recorded, list | tuple) or not all(isinstance(n, str) for n in recorded):
        raise RunError(f"{where} has imports {recorded!r}; expected a list of names")
    known = {_short(name) for name in given}
    wanted = [name for name in recorded if _short(name) not in known]
    again = " ".join(f"--import {shlex.quote(name)}" for name in wanted)
    if wanted and not own:
        raise RunError(
            f"{where} was not made by you on this machine, and opening it would run the code of {', '.join(wanted)}; "
            f"read that first, then add --trust (or name the code yourself: {again})"
        )
    for name in wanted:
        if name.endswith(".py") and not Path(name).is_file():
            raise EnvError(
                f"{where} needs the file {name!r}, which is not there; say where it is now: "
                f"--import FOLDER/{shlex.quote(_short(name))}"
            )
        if not trust and _origin(name) != (files.get(name) if isinstance(files, Mapping) else None):
            raise RunError(
                f"{name!r} is not what {where} imported: it has changed or moved since; if that was you, add --trust "
                f"(or --import {shlex.quote(name)})"
            )
    return wanted


def _short(name: str) -> str:
    return Path(name).name if name.endswith(".py") else name

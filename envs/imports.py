"""Packages and ``.py`` files that people name so that their environments and agents are registered.

A file becomes one module, executed once in a process, and worker processes get the same modules under the same names.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import CodeType
from typing import Any

from morl.spec import EnvError, MorlError

_FILES: dict[str, str] = {}
"""Modules that were made from files: their names and the files' resolved paths."""


class _Source(importlib.machinery.SourceFileLoader):
    """Executes the source that people can read: byte code lying in ``__pycache__`` beside it is not looked at."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def import_package(name: str) -> None:
    """Import a package, or a ``.py`` file, for the environments and agents that it registers.

    A file is executed once in a process, however often and by whatever path it is named.

    Raises:
        EnvError: it does not exist, or its import fails; the reason is given.
    """
    try:
        if name.endswith(".py"):
            _import_file(name)
            return
        if not all(part.isidentifier() for part in name.split(".")):
            raise EnvError(f"{name!r} is no module; expected a package such as my_package or a file such as lab.py")
        importlib.import_module(name)
    except MorlError:
        raise
    except ModuleNotFoundError as error:
        raise EnvError(f"package {name!r} cannot be imported: {error}; {_advice(name)}") from None
    except Exception as error:
        raise EnvError(f"importing {name!r} failed: {type(error).__name__}: {error}") from error


def _advice(name: str) -> str:
    file = Path(f"{name.replace('.', '/')}.py")
    if file.is_file():
        return f"for the file of that name here, write {str(file)!r}"
    return "install it, or check the name"


def located(name: str) -> str:
    """What is imported, by a name that means the same everywhere: a file by its absolute path.

    Raises:
        EnvError: a file that does not exist.
    """
    if not name.endswith(".py"):
        return name
    path = Path(name)
    if not path.is_file():
        raise EnvError(f"file {name!r} does not exist; expected a Python file that registers environments")
    return str(path.resolve())


def _import_file(name: str) -> None:
    path = located(name)
    if not any(_is_file(module, path) for module in list(sys.modules.values())):
        name = re.sub(r"\W", "_", Path(path).stem)
        _execute(name if _is_free(name, path) else f"{name}_{hashlib.sha256(path.encode()).hexdigest()[:8]}", path)


def _is_file(module: Any, path: str) -> bool:
    """Whether a module, the script that is running included, was made from this file."""
    file = getattr(module, "__dict__", {}).get("__file__")
    return isinstance(file, str) and Path(file).name == Path(path).name and str(Path(file).resolve()) == path


def _is_free(name: str, path: str) -> bool:
    """Whether no other module has this name, loaded or not."""
    if name in sys.modules:
        return False
    other = importlib.util.find_spec(name)
    return other is None or (other.origin is not None and str(Path(other.origin).resolve()) == path)


def _execute(name: str, path: str) -> None:
    spec = importlib.util.spec_from_file_location(name, path, loader=_Source(name, path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # first, so that what it registers is known by this name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    _FILES[name] = path


class Imported:
    """What this process has imported from files. Sent first to another process, it imports the same there."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _import_again, ({name: path for name, path in _FILES.items() if name in sys.modules},)


def _import_again(files: Mapping[str, str]) -> Imported:
    for name, path in files.items():
        if name not in sys.modules:
            _execute(name, path)
    return Imported()

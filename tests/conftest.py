"""Seeds of the tests can be shifted: ``MORL_TEST_SEED_SHIFT=3 pytest``.

A test of something random must hold for other seeds than its own. With a shift, every generator that a test makes
from an integer, every agent and every environment that is seeded begins elsewhere; ``tools/portable.py`` runs the
suite under several. What a seed *defines* (a published instance, a corpus) is left alone.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SHIFT = int(os.environ.get("MORL_TEST_SEED_SHIFT", "0"))
_HERE = str(Path(__file__).resolve().parent)


if SHIFT:  # environments and agents, here and in the processes that tests start
    _folder = os.path.join(_HERE, "shifted")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_folder, os.environ.get("PYTHONPATH", "")]))
    sys.path.insert(0, _folder)
    loaded = getattr(sys.modules.get("sitecustomize"), "__file__", None) or ""
    if not loaded.startswith(_folder):  # a process started by another test process has it already
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")


def _is_integer(seed: Any) -> bool:
    return isinstance(seed, int | np.integer) and not isinstance(seed, bool)


def _shifted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with another seed where a test calls it with an integer."""

    def call(seed: Any = None) -> Any:
        asked_by = sys._getframe(1).f_code.co_filename
        return function(seed + SHIFT if _is_integer(seed) and asked_by.startswith(_HERE) else seed)

    return call


@pytest.fixture(autouse=True, scope="session")
def _shifted_seeds() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if SHIFT:
            import torch

            patch.setattr(np.random, "default_rng", _shifted(np.random.default_rng))
            patch.setattr(torch, "manual_seed", _shifted(torch.manual_seed))
        yield


@pytest.fixture(autouse=True, scope="session")
def _own_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs made by tests are signed with a key of their own, here and in processes; what was pulled is not theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("configuration")))
        yield


@pytest.fixture(autouse=True)
def _files_are_forgotten() -> Iterator[None]:
    """What a test imported from a file is not imported by the processes of later tests."""
    yield
    imports = sys.modules.get("morl.envs.imports")
    for name in list(getattr(imports, "_FILES", ())):
        sys.modules.pop(name, None)
        del imports._FILES[name]  # type: ignore[union-attr]


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Somebody with a home of their own, and with nothing registered that this test did not register."""
    import gymnasium as gym
    from strangers import User

    from morl.envs import registration

    registered = set(gym.registry)
    yield User(tmp_path, monkeypatch)
    for id in set(gym.registry) - registered:
        gym.registry.pop(id)
        registration._ENTRIES.pop(id, None)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; copy it before anything in it is changed."""
    from run_folders import CONFIG

    from morl.runs import train

    return train(CONFIG, tmp_path_factory.mktemp("finished"), name="whole").path


@pytest.fixture(scope="session")
def whole_study(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small study that was never stopped; copy its folder before anything in it is changed."""
    from study_programs import TINY

    import morl

    return morl.study(TINY, tmp_path_factory.mktemp("whole") / "study")


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A finished run's folder of one's own."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def pytest_report_header() -> str | None:
    """Say that the seeds are not the usual ones."""
    return f"every seed of the tests is shifted by {SHIFT}" if SHIFT else None

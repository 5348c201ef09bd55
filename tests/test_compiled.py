"""One policy for compiled code: it runs wherever the package is read, and never runs another version's code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from morl import compiled as policy
from morl.compiled import cache_directory, enabled, jit, select, shared

ROOT = Path(__file__).resolve().parent.parent
with_numba = pytest.mark.skipif(not enabled(), reason="numba is off")


def fresh(code: str, **environment: str) -> str:
    """What code prints in a fresh interpreter."""
    path = os.pathsep.join(filter(None, [str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **environment},
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


NOWHERE = {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": "/proc", "TMPDIR": "/proc", "NUMBA_CACHE_DIR": ""}
"""An environment in which nothing can be written (for root neither): a read-only installation and home.

Matplotlib alone must have some folder to write to.
"""


def test_only_one_module_compiles() -> None:
    found = [
        str(path.relative_to(ROOT))
        for folder in ("morl", "envs", "agents")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\bn?jit\(cache|from numba import|numba\.n?jit", path.read_text(encoding="utf-8"))
        and path.resolve() != Path(policy.__file__).resolve()
    ]
    assert found == []


def test_where_nothing_can_be_written_everything_is_imported(tmp_path: Path) -> None:
    code = """
import importlib, pkgutil, tempfile
tempfile.tempdir = "/proc"
import morl
from morl.compiled import cache_directory
names = [m.name for m in pkgutil.walk_packages(morl.__path__, "morl.") if not m.name.endswith("__main__")]
names += [m.name for part in ("agents", "envs") for m in pkgutil.walk_packages(
    importlib.import_module(f"morl.{part}").__path__, f"morl.{part}.")]
for name in sorted(set(names)):
    importlib.import_module(name)
print(cache_directory(), len(set(names)) > 150)
"""
    assert fresh(code, **NOWHERE, MPLCONFIGDIR=str(tmp_path)).split() == ["None", "True"]


@pytest.mark.slow
def test_where_nothing_can_be_written_agents_learn() -> None:
    code = """
import tempfile
tempfile.tempdir = "/proc"
import morl
agent = morl.agents.ParetoQLearning("morl/DeepSeaTreasureConcave-v0", seed=0, discount=0.99)
print(len(agent.learn(20_000).front()))
"""
    assert fresh(code, **NOWHERE).strip() == "10"


@with_numba
def test_other_sources_have_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert cache_directory.__wrapped__() == tmp_path / policy.sources_digest()


def test_another_version_or_an_edited_helper_gives_another_digest(tmp_path: Path) -> None:
    package = tmp_path / "morl"
    package.mkdir()
    (package / "__init__.py").write_text('__version__ = "1"\n', encoding="utf-8")
    text = Path(policy.__file__).read_text(encoding="utf-8")
    (package / "compiled.py").write_text(text, encoding="utf-8")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from morl.compiled import *; print(sources_digest())"
    digests = []
    (package / "helper.py").write_text("x = 1", encoding="utf-8")
    digests.append(fresh(code))
    (package / "__init__.py").write_text('__version__ = "2"\n', encoding="utf-8")
    for body in ("x = 1", "# morl.compiled\nx = 1", "# morl.compiled\nx = 2"):
        (package / "helper.py").write_text(body, encoding="utf-8")
        digests.append(fresh(code))
    assert len(set(digests)) == 4


def test_unused_code_of_other_versions_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    old, recent, mine = tmp_path / ("0" * 16), tmp_path / ("1" * 16), tmp_path / "not-ours"
    for folder in (old, recent, mine):
        folder.mkdir()
    for folder, days in ((old, 40), (recent, 5), (mine, 400)):
        stamp = time.time() - 86_400 * days
        os.utime(folder, (stamp, stamp))
    cache_directory.__wrapped__()
    assert not old.exists()
    assert recent.exists()
    assert mine.exists()


@with_numba
@pytest.mark.slow
def test_a_missing_home_directory_is_no_obstacle(tmp_path: Path) -> None:
    code = "from morl.compiled import cache_directory; print(cache_directory())"
    at_home = fresh(code, HOME=str(tmp_path), XDG_CACHE_HOME="", NUMBA_CACHE_DIR="").strip()
    assert Path(at_home).parent == tmp_path / ".cache" / "morl" / "compiled"
    elsewhere = fresh(code, HOME="/proc/nowhere", XDG_CACHE_HOME="", TMPDIR=str(tmp_path), NUMBA_CACHE_DIR="").strip()
    assert Path(elsewhere).parent.parent == tmp_path
    work = "import numpy as np; from ccs_oracles import random_model; from morl.exact import solve_weight; "
    work += "print(solve_weight(random_model(np.random.default_rng(0), 4, 2, 2), [1, 1]).error < 1e-6)"
    assert fresh(work, HOME="/proc/nowhere", XDG_CACHE_HOME="/proc", TMPDIR=str(tmp_path)).strip() == "True"


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners of files are known on POSIX only")
def test_a_cache_that_others_may_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "morl" / "compiled"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    refused = cache_directory.__wrapped__()
    assert refused is None or refused.parent != folder
    folder.chmod(0o700)
    assert cache_directory.__wrapped__() == folder / policy.sources_digest()


def test_one_text_runs_on_arrays_and_on_numbers() -> None:
    @shared
    def clip(x):  # type: ignore[no-untyped-def]
        return select(x > 1.0, 1.0, x)

    @jit
    def rows(x, out):  # type: ignore[no-untyped-def]
        for i in range(len(x)):
            out[i] = clip(x[i])

    x = np.array([0.5, 2.0, -1.0])
    out = np.zeros(3)
    rows(x, out)
    assert out.tolist() == clip(x).tolist() == [0.5, 1.0, -1.0]


@with_numba
def test_constants_are_no_version_of_their_own() -> None:
    @jit
    def scaled(x, by):  # type: ignore[no-untyped-def]
        return x * by

    @jit
    def both(x):  # type: ignore[no-untyped-def]
        total = 0
        for step in range(2):
            x += scaled(x, total)
            total += step + 1
        return scaled(x, 0) + scaled(x, 3)

    assert both(2) == 12
    assert both(2.0) == 12.0
    assert sorted(map(str, scaled.signatures)) == ["(float64, int64)", "(int64, int64)"]

"""No model file, however damaged, crashes, hangs or ends in a traceback (see ``fuzz_models.py``)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def go(tmp_path: Path, cases: int, seed: int) -> dict[str, object]:
    """Cases in a child process, whose end is watched."""
    log = tmp_path / "case"
    words = [sys.executable, "-W", "ignore", str(HERE / "fuzz_models.py"), "--cases", str(cases), "--seed", str(seed)]
    where = {"PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [*words, "--log", str(log)], capture_output=True, text=True, env={**os.environ, **where}, timeout=3600
    )
    case = log.read_text() if log.exists() else "none"
    assert done.returncode >= 0, f"case {case} of seed {seed} died of signal {-done.returncode}: {done.stderr[-2000:]}"
    assert done.stdout, f"case {case} of seed {seed}: {done.stderr[-2000:]}"
    found: dict[str, object] = json.loads(done.stdout)
    assert found["faults"] == [], f"seed {seed}: {found['faults']}"
    assert found["refused"], "every file was taken: they were not altered"
    assert found["solved"], "no file was read: they were altered beyond recognition"
    return found


def test_some_hundred_files(tmp_path):
    go(tmp_path, 200, 7)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12])
def test_some_thousand_files(tmp_path, seed):
    go(tmp_path, 800, seed)

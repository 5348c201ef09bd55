"""The README tells the truth: its Python runs from top to bottom, and the commands it names exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), flags=re.S | re.M)


@pytest.mark.slow
def test_python_of_the_readme_runs(tmp_path: Path) -> None:
    mpl.use("Agg")
    code = "\n".join(blocks("python")).replace("/tmp/dst", str(tmp_path / "dst"))
    namespace: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), namespace)
    assert len(namespace["truth"]) == 10
    assert namespace["front"].hypervolume() == pytest.approx(namespace["truth"].hypervolume())


def test_commands_of_the_readme_parse(capsys: pytest.CaptureFixture[str]) -> None:
    from morl.cli import main

    found = [line for block in blocks("") for line in block.splitlines() if line.startswith("morl ")]
    assert len(found) >= 5
    for line in found:
        words = shlex.split(line.partition("#")[0])[1:]
        named = [word for word in words if not word.startswith("-")]
        depth = 2 if named[0] in ("env", "algo", "runs") else 1
        with pytest.raises(SystemExit) as stop:
            main([*named[:depth], "--help"])
        assert stop.value.code == 0
        shown = capsys.readouterr().out
        for flag in (word for word in words if re.match(r"--?[a-z]", word)):
            assert flag in shown, f"{line}: {flag}"

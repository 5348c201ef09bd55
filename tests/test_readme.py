"""The commands that the README names exist. Its Python is run by ``test_snippets.py``."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    """Fenced blocks of one language; a fence without a language is ``""``."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README.read_text(encoding="utf-8"), flags=re.S | re.M)
    return [body for name, body in found if name == language]


def test_commands_of_the_readme_parse(capsys: pytest.CaptureFixture[str]) -> None:
    from morl.cli import main

    found = [line for block in blocks("") for line in block.splitlines() if line.startswith("morl ")]
    assert len(found) >= 5
    for line in found:
        words = shlex.split(line.partition("#")[0])[1:]
        named = itertools.takewhile(lambda word: not word.startswith("-"), words)
        with pytest.raises(SystemExit) as stop:
            main([*named, "--help"])
        assert stop.value.code == 0, line
        shown = capsys.readouterr().out
        for flag in (word for word in words if re.match(r"--?[a-z]", word)):
            assert flag in shown, f"{line}: {flag}"

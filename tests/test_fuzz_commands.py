"""No words and no damaged file end a command in a traceback, let it hang, or leave half a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import fuzz_commands
import pytest
from fuzz_commands import Runner, go, playground, unfinished

posix = pytest.mark.skipif(os.name != "posix", reason="FIFOs and alarms are POSIX's")


@pytest.fixture(scope="module", autouse=True)
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Made once for all tests here."""
    place = playground(tmp_path_factory.mktemp("playground"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fuzz_commands, "playground", lambda root: place)
        yield place


def require_sound(found: dict[str, object]) -> None:
    assert found["faults"] == {}
    assert found["taken"], "every case was refused: no word fits"
    assert found["refused"], "every case was taken: nothing was wrong with them"


@posix
def test_a_few_cases() -> None:
    require_sound(go(12, 5))


@pytest.mark.slow
@posix
def test_some_hundred_cases() -> None:
    require_sound(go(150, 6))


@posix
def test_what_is_looked_for_is_found(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted traceback, a planted hang and half a file."""
    monkeypatch.setattr(fuzz_commands, "SECONDS", 1)
    case = fuzz_commands.Case((), "planted", None, "none", 0.0, b"")
    runner = Runner(tmp_path)

    def hang() -> None:
        while True:
            pass

    for planted in (lambda: {}["missing"], hang, lambda: Path("out.json").write_text('{"a": ')):
        monkeypatch.setitem(fuzz_commands.READERS, "planted", planted)
        runner.run(case)
    assert runner.ends == {"fault": 2, "taken": 1}
    assert [what.split(" ")[0] for what in runner.faults] == ["KeyError", "hangs", "left"]
    assert list(unfinished(pristine)) == []

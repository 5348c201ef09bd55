"""Checkpoints are whole or refused, whatever happens while they are written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from morl.agents.core import checkpoint
from morl.spec import RunError


def test_checkpoint_round_trip_keeps_the_previous_one(tmp_path) -> None:
    for i in range(3):
        checkpoint.save(tmp_path / "c", {"i": i}, {"x": np.arange(i + 1.0), "empty": np.zeros((0, 2))})
    assert checkpoint.load(tmp_path / "c").meta == {"i": 2}
    assert len(list((tmp_path / "c").glob("arrays-*"))) == 2


@pytest.mark.parametrize("damage", ["truncate", "flip", "json", "missing"])
def test_damaged_checkpoint_is_refused_and_the_previous_one_used(tmp_path, damage) -> None:
    folder = tmp_path / "c"
    checkpoint.save(folder, {"i": 0}, {"x": np.zeros(3)})
    checkpoint.save(folder, {"i": 1}, {"x": np.ones(3)})
    body = json.loads((folder / "checkpoint.json").read_text())
    arrays = folder / body["arrays"]
    if damage == "truncate":
        arrays.write_bytes(arrays.read_bytes()[:-3])
    elif damage == "flip":
        raw = bytearray(arrays.read_bytes())
        raw[-1] ^= 1
        arrays.write_bytes(bytes(raw))
    elif damage == "json":
        text = (folder / "checkpoint.json").read_text()
        (folder / "checkpoint.json").write_text(text.replace('"i": 1', '"i": 7'))
    else:
        arrays.unlink()
    with pytest.warns(UserWarning, match="using the previous checkpoint"):
        assert checkpoint.load(folder).meta == {"i": 0}
    (folder / "previous.json").unlink()
    with pytest.raises(RunError):
        checkpoint.load(folder)


def test_a_crash_while_writing_leaves_the_old_checkpoint(tmp_path, monkeypatch) -> None:
    checkpoint.save(tmp_path / "c", {"i": 0}, {"x": np.zeros(3)})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match="No space left"):
        checkpoint.save(tmp_path / "c", {"i": 1}, {"x": np.ones(3)})
    monkeypatch.undo()
    assert checkpoint.load(tmp_path / "c").meta == {"i": 0}
    assert not list((tmp_path / "c").glob("*.part"))

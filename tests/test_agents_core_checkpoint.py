"""Checkpoints are whole or refused, whatever happens while they are written."""

from __future__ import annotations

import json
import shutil
import warnings

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


def test_two_hundred_corrupted_checkpoints_are_refused_or_recovered(tmp_path) -> None:
    """Bytes flipped, cut off, inserted and moved between files: what is read is one of the two that were saved."""
    whole = tmp_path / "whole"
    saved = [{"x": np.arange(40.0) + i, "n": np.arange(7) * i} for i in range(2)]
    for i, arrays in enumerate(saved):
        checkpoint.save(whole, {"i": i, "names": ["a", "b"]}, arrays)
    files = sorted(file.name for file in whole.iterdir())
    rng, ends = np.random.default_rng(3), {"refused": 0, "recovered": 0, "harmless": 0}
    for number in range(200):
        folder = shutil.copytree(whole, tmp_path / str(number))
        for name in rng.choice(files, size=rng.integers(1, 4)):
            raw = bytearray((folder / name).read_bytes())
            at, kind = int(rng.integers(len(raw) + 1)), rng.integers(5)
            if kind == 0:
                raw[min(at, len(raw) - 1)] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                del raw[at:]
            elif kind == 2:
                raw[at:at] = rng.bytes(int(rng.integers(1, 30)))
            elif kind == 3:
                raw[at : at + 16] = bytes(16)
            else:
                raw = bytearray((folder / rng.choice(files)).read_bytes())
            (folder / name).write_bytes(raw or b" ")
        try:
            with warnings.catch_warnings(record=True):
                found = checkpoint.load(folder)
        except RunError:
            ends["refused"] += 1
            continue
        newest = found.meta["i"]
        ends["harmless" if newest else "recovered"] += 1
        assert found.meta == {"i": newest, "names": ["a", "b"]}, number
        assert {name: array.tolist() for name, array in found.arrays.items()} == {
            name: array.tolist() for name, array in saved[newest].items()
        }, number
    assert min(ends["refused"], ends["recovered"]) > 20, ends

"""Files: written whole, read without being led astray, locked."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morl import storage
from morl.agents.core.config import load_options
from morl.exact import write_drn
from morl.momdp import MOMDP
from morl.pareto import Front
from morl.spec import AgentError, FrontError, RunError, SpecError

posix = pytest.mark.skipif(os.name != "posix", reason="permissions, links and FIFOs are POSIX's")


def written(folder: Path) -> list[Path]:
    """A file of every writer."""
    model = MOMDP.from_arrays([[[1.0]]], [[[1.0, 3.0]]], discount=0.5)
    front = Front([[1.0, 2.0]])
    tables = [front.save(folder / "f.csv"), folder / "f.csv.sha256"]
    models = [model.save(folder / "m"), write_drn(model, folder / "d")]
    return [storage.write_atomic(folder / "f", "text"), front.save(folder / "f.json"), *tables, *models]


@posix
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_take_the_umasks_permissions(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        files = written(tmp_path)
    finally:
        os.umask(before)
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o666 & ~mask}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="directory"):
        storage.write_atomic(".", b"new")
    storage.write_atomic(tmp_path / "f", b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        storage.write_atomic(tmp_path / "f", b"new")
    with pytest.raises(OSError, match="No space"):
        storage.write_atomic(tmp_path / "f", lambda file: file.write(b"new"))
    with pytest.raises(OSError, match="No space"):
        write_drn(MOMDP.from_arrays([[[1.0]]], [[[1.0, 3.0]]], discount=0.5), tmp_path / "f")
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


@posix
def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "f").symlink_to(tmp_path / "outside")
    with pytest.raises(RunError, match="symbolic link"):
        storage.read_regular(tmp_path / "f", follow=False)
    assert storage.read_regular(tmp_path / "f") == b"mine"
    storage.write_atomic(tmp_path / "f", "yours")
    assert (tmp_path / "outside").read_text() == "mine"
    assert not (tmp_path / "f").is_symlink()


@posix
def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(tmp_path)  # the names of sockets are short
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
    for name in ("fifo", "folder", "socket", "missing", "zero\0byte"):
        with pytest.raises(FrontError, match=r"cannot be read|expected a regular file") as caught:
            storage.read_json(tmp_path / name, error=FrontError)
        assert "\n" not in str(caught.value)
    with pytest.raises(RunError, match="device"):
        storage.read_regular("/dev/zero")
    for name in ("fifo", "socket"):
        with pytest.raises(RunError, match=name):
            storage.refuse_links(tmp_path)
        (tmp_path / name).unlink()
    storage.refuse_links(tmp_path)
    (tmp_path / "folder" / "deep").symlink_to("..")
    with pytest.raises(RunError, match="deep' is a symbolic link"):
        storage.refuse_links(tmp_path)


def test_sizes_are_bounded(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RunError, match=r"1,099,511,627,776 bytes; expected at most"):
        storage.read_regular(tmp_path / "sparse")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000 + "]" * 100_000, "nested 100,000 deep"),
        ('{"a":' * 500 + "1" + "}" * 500, "nested 500 deep"),
        ("[" * 65, "nested 65 deep"),
        ("1" * 6000, "6,000 digits"),
        ("[1" + "0" * 200 + "]", "digits"),
        ("1e999", "too large"),
        ("-1E400", "too large"),
        ("NaN", "NaN"),
        ("[-Infinity]", "Infinity"),
        ('{"a": 1', "not JSON"),
        ("", "not JSON"),
        ("\x00", "not JSON"),
    ],
)
def test_json_is_bounded(text: str, said: str) -> None:
    with pytest.raises(RunError, match=said) as caught:
        storage.parse_json(text)
    assert len(str(caught.value)) < 300


def test_brackets_in_strings_are_no_depth() -> None:
    text = json.dumps({"a": "[" * 1000, 'b"': "\\" + "{" * 1000, "c": '\\"' + "[" * 100})
    assert storage.parse_json(text) == json.loads(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**99), 10**99) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(values)
def test_what_is_written_is_read(value: object) -> None:
    assert storage.parse_json(json.dumps(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(RunError):
        storage.parse_json(data)


@pytest.mark.parametrize("text", ["a = = 1", "a = " + "[" * 5000, "a = " + "9" * 5000, "a = 1\na = 2", "\x00"])
def test_toml_that_is_none_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text(text)
    with pytest.raises(SpecError, match=r"options file '.*f.toml' is not TOML: ") as info:
        storage.read_toml(tmp_path / "f.toml", "options file", error=SpecError)
    assert "\n" not in str(info.value)


@posix
def test_toml_is_read_from_regular_files_of_bounded_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.toml")
    (tmp_path / "device.toml").symlink_to("/dev/zero")
    with open(tmp_path / "large.toml", "wb") as file:
        file.truncate(storage.TOML_LIMIT + 1)
    for name in ("fifo", "device", "large"):
        with pytest.raises(AgentError, match=f"{name}.toml"):
            load_options(tmp_path / f"{name}.toml")


HOLD = """
import sys
from morl import storage
from morl.agents.core.config import load_options
from morl.exact import write_drn
from morl.momdp import MOMDP
from morl.pareto import Front

with storage.locked(sys.argv[1]) as ours:
    print(ours, flush=True)
    input()
"""


def test_a_lock_is_held_by_one_process_and_dropped_with_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert not storage.is_locked(lock)
    assert not lock.exists()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    assert storage.is_locked(lock)
    with storage.locked(lock) as ours:
        assert not ours
    holder.kill()
    holder.communicate()
    assert lock.exists(), "the file stays and blocks nobody"
    with storage.locked(lock, wait=30.0) as ours:
        assert ours
        with storage.locked(lock) as again:
            assert not again
    assert not storage.is_locked(lock)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs a file that names no size")
def test_a_file_that_names_no_size_is_read_whole_and_bounded() -> None:
    assert b"Threads:" in storage.read_regular("/proc/self/status")
    with pytest.raises(RunError, match="more than 20 bytes"):
        storage.read_regular("/proc/self/status", limit=20)

"""Runs go to a zoo and come back whole, or not at all; what a stranger put there leads nowhere else."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from run_folders import result
from strangers import User, command

from morl.runs import RunFolder, load_agent, resume, verify
from morl.runs.seal import Seal
from morl.runs.zoo import pulled_folder
from morl.spec import MissingExtraError, RunError, UnknownNameError
from morl.zoo import Card, cards, pull, push
from morl.zoo.stores import UrlStore, store_of


@pytest.fixture
def zoo(finished: Path, tmp_path: Path) -> Path:
    """A zoo in a folder, with one run."""
    push(RunFolder.open(finished), tmp_path / "zoo", "sea", licence="MIT", about="a sea")
    return tmp_path / "zoo"


@pytest.mark.parametrize("url", [False, True], ids=["folder", "url"])
def test_a_run_comes_back_whole(url: bool, finished: Path, tmp_path: Path) -> None:
    where = f"memory://{uuid.uuid4().hex}/zoo" if url else str(tmp_path / "zoo")
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    card = push(RunFolder.open(finished), where, "sea", licence="CC-BY-4.0", about="a sea")
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before
    assert cards(where) == {"sea": card}
    run = pull(where, "sea", tmp_path / "runs")
    assert verify(run) == []
    assert result(run.path) == result(finished)
    assert Card.from_dict(card.to_dict() | {"objectives": list(card.objectives)}, "card") == card
    with pytest.raises(RunError, match=r"exists|has a run"):
        push(RunFolder.open(finished), where, "sea", licence="MIT")
    with pytest.raises(RunError, match="exists"):
        pull(where, "sea", tmp_path / "runs")
    with pytest.raises(UnknownNameError, match="sea"):
        pull(where, "see", tmp_path / "runs")


def test_what_was_pulled_has_a_name_and_is_never_written(zoo: Path) -> None:
    try:
        assert command(["zoo", "pull", str(zoo), "sea", "--as", "my-sea"]) == 0
        assert "my-sea" in cards()
        assert command(["eval", "zoo:my-sea"]) == 0
        assert command(["resume", "zoo:my-sea", "-n", "10", "-q"]) == 1
        run = RunFolder.open("zoo:my-sea")
        assert verify(run) == []
        assert not (run.path / "evaluations").exists()
        copy = pull("zoo:", "my-sea", zoo.parent / "runs")
        assert resume(copy, 100).state == "finished"
        with pytest.raises(RunError, match="--as"):
            pull(zoo, "sea", rename="deep-sea-treasure")
    finally:
        shutil.rmtree(pulled_folder() or zoo)


def test_only_finished_and_whole_runs_are_given_away(copied: Path, tmp_path: Path) -> None:
    run = RunFolder.open(copied)
    with pytest.raises(RunError, match="licence"):
        push(run, tmp_path / "zoo", licence=" ")
    (copied / "front.csv").write_text("altered\n")
    with pytest.raises(RunError, match=r"front\.csv"):
        push(run, tmp_path / "zoo", licence="MIT")
    run.set_status("running", steps=10)
    with pytest.raises(RunError, match="not fit"):
        push(run, tmp_path / "zoo", licence="MIT")
    assert not (tmp_path / "zoo").exists()


def test_damage_is_refused_wherever_it_is(zoo: Path, tmp_path: Path) -> None:
    """One byte of each file in turn; what is left behind is nothing."""
    for file in sorted(path for path in (zoo / "sea").rglob("*") if path.is_file()):
        whole = file.read_bytes()
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
        for damaged in (flipped, whole[:middle], b""):
            file.write_bytes(damaged)
            with pytest.raises(RunError):
                pull(zoo, "sea", tmp_path / "runs")
        file.unlink()
        with pytest.raises((RunError, UnknownNameError)):
            pull(zoo, "sea", tmp_path / "runs")
        file.write_bytes(whole)
    assert list((tmp_path / "runs").iterdir()) == []
    assert verify(pull(zoo, "sea", tmp_path / "runs")) == []


def reseal(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write another seal whose own checksum holds."""
    seal = Seal.read(folder)
    assert seal is not None
    change(seal.files)
    seal.write(folder)


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "checkpoints/checkpoint.json", ".lock", "a\x00b", "seal.json"]
)
def test_a_seal_leads_nowhere_else(name: str, zoo: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    reseal(zoo / "sea", lambda files: files.update({name: [(4, "0" * 64)]}))
    with pytest.raises(RunError, match=r"cannot be a name|expected a file"):
        pull(zoo, "sea", tmp_path / "runs")
    assert (tmp_path / "outside").read_text() == "mine"


def test_links_in_a_zoo_are_not_followed(zoo: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("{}")
    (zoo / "sea" / "config.json").unlink()
    (zoo / "sea" / "config.json").symlink_to(secret)
    with pytest.raises(RunError, match="symbolic link"):
        pull(zoo, "sea", tmp_path / "runs")
    with pytest.raises(RunError, match="symbolic link"):
        pull(f"file://{zoo}", "sea", tmp_path / "runs")
    (zoo / "lake").symlink_to(zoo / "sea")
    with pytest.raises(RunError, match="symbolic link"):
        pull(zoo, "lake", tmp_path / "runs")


def test_a_pulled_run_executes_nothing(user: User) -> None:
    """Its front is shown; its imports wait for --trust."""
    lab = user.lab("theirs")
    push(RunFolder.open(user.run(lab)), user.folder / "zoo", "theirs", licence="MIT")
    user.becomes("somebody")
    run = pull(user.folder / "zoo", "theirs", user.folder / "pulled")
    assert len(run.front()) > 0
    with pytest.raises(RunError, match="was not made by you"):
        load_agent(run)
    assert not user.executed
    assert load_agent(run, trust=True) is not None


def test_cards_of_strangers_are_checked(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = zoo / "sea" / "card.json"
    card = json.loads(file.read_text())
    for key, value in {"points": "many", "objectives": [1], "hypervolume": True, "about": None, "format": "x"}.items():
        file.write_text(json.dumps({**card, key: value}))
        assert cards(zoo) == {"sea": None}
    file.write_text(json.dumps({**card, "about": "\x1b[2J"}))
    assert command(["zoo", "list", str(zoo)]) == 0
    assert "\x1b[2J" not in capsys.readouterr().out


def test_the_hub_gets_one_commit_and_says_what_is_missing(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    commits: list[dict[str, Any]] = []
    place = SimpleNamespace(repo_id="me/zoo", repo_type="dataset", revision="main", path_in_repo="sea")
    files = SimpleNamespace(exists=lambda path: False, resolve_path=lambda path: place)
    monkeypatch.setitem(
        sys.modules, "fsspec", SimpleNamespace(core=SimpleNamespace(url_to_fs=lambda url: (files, "x")))
    )
    monkeypatch.setitem(
        sys.modules, "huggingface_hub", SimpleNamespace(upload_folder=lambda **how: commits.append(how))
    )
    push(RunFolder.open(finished), "hf://datasets/me/zoo", "sea", licence="MIT")
    (commit,) = commits
    assert (commit["repo_id"], commit["path_in_repo"]) == ("me/zoo", "sea")

    def missing(url: str) -> None:
        raise ImportError("Please install huggingface_hub")

    monkeypatch.setitem(sys.modules, "fsspec", SimpleNamespace(core=SimpleNamespace(url_to_fs=missing)))
    with pytest.raises(MissingExtraError, match="hub"):
        store_of("hf://datasets/me/zoo")
    with pytest.raises(RunError, match="another package"):
        store_of("s3://bucket/zoo")


def test_urls_that_cannot_be_reached_are_one_line() -> None:
    with pytest.raises(RunError, match="cannot be listed"):
        UrlStore("memory://nothing/there").names()
    with pytest.raises(RunError, match="cannot be opened"):
        store_of("nosuchscheme://x")

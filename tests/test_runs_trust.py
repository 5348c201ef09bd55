"""Whose code a run executes: own runs are opened from anywhere, a stranger's when they are trusted."""

from __future__ import annotations

import json
import os
import py_compile
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from strangers import GATHER, READERS, User, command

import morl
from morl.cli import main
from morl.envs import imports
from morl.runs import RunConfig, RunFolder, load_agent, train, trust
from morl.spec import EnvError, RunError

# ---- imports of runs -----------------------------------------------------------------------------------------------


def test_own_runs_are_opened_from_anywhere(user: User, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    file = user.lab("lab_own")
    monkeypatch.chdir(file.parent)
    words = ["train", "--algo", "ParetoQLearning", "--env", "lab_own/Model-v0", "-n", "200", "-q"]
    assert main([*words, "--import", "lab_own.py", "--out", str(user.folder / "runs")]) == 0
    assert user.executed == ["lab_own"], "a file is executed once in a process"
    (run,) = (user.folder / "runs").iterdir()
    monkeypatch.chdir(user.folder)
    for words in (
        ["eval", str(run)],
        ["compare", str(run), "--reference", "env"],
        ["resume", str(run), "-n", "9", "-q"],
    ):
        user.forgets(file)
        assert main(words) == 0, capsys.readouterr().err
        assert user.executed == ["lab_own"]
    user.forgets(file)
    capsys.readouterr()
    assert main(["compare", str(run), "--json"]) == 0
    assert "no exact front" not in capsys.readouterr().err


def test_package_and_id_become_an_import_and_an_id(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    file = user.lab("security_lab")
    monkeypatch.syspath_prepend(file.parent)
    run = train(RunConfig("ParetoQLearning", "security_lab:security_lab/Model-v0", 200), user.folder / "runs")
    assert run.config["env"] == "security_lab/Model-v0"
    assert list(run.config["imports"]) == ["security_lab"]
    assert run.front().provenance["env"] == "security_lab/Model-v0"
    assert load_agent(RunFolder.open(run.path)).num_timesteps == 200


def test_somebody_elses_run_is_imported_when_trusted_only(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    user.becomes("stranger")
    file = user.lab("lab_theirs")
    run = user.run(file)
    user.becomes("me")
    for words in READERS:
        command(words(str(run)))
        assert not user.executed, words(str(run))
    capsys.readouterr()
    assert main(["eval", str(run)]) == 1
    said = capsys.readouterr().err
    assert "would run the code of " + str(file) in said
    assert "--trust" in said
    assert f"--import {file}" in said
    with pytest.raises(RunError, match="not made by you"):
        load_agent(RunFolder.open(run))
    assert not user.executed
    for allowed in (["--trust"], ["--import", str(file)]):
        for words in (["eval", str(run)], ["resume", str(run), "-n", "9", "-q"], ["compare", str(run)]):
            assert main([*words, *allowed]) == 0
            assert user.executed
            user.forgets(file)


def test_a_moved_file_is_named_where_it_is_now(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    file = user.lab("lab_moved")
    run = user.run(file)
    there = user.folder / "there" / file.name
    there.parent.mkdir()
    file.rename(there)
    for words in (["eval", str(run)], ["eval", str(run), "--trust"]):
        assert main(words) == 1
        assert f"needs the file '{file}', which is not there" in capsys.readouterr().err
    assert main(["eval", str(run), "--import", str(there)]) == 0
    user.forgets(there)


def test_a_changed_file_asks_again(user: User) -> None:
    file = user.lab("lab_changed")
    run = RunFolder.open(user.run(file))
    file.write_text(file.read_text() + f"\nopen({str(user.marker)!r}, 'a').write('more')\n")
    with pytest.raises(RunError, match=r"changed or moved since; if that was you, add --trust"):
        load_agent(run)
    assert not user.executed
    assert load_agent(run, trust=True).num_timesteps == 200


@pytest.mark.parametrize("field", ["algo", "env", "env_options", "options", "imports", "files", "signature"])
def test_a_signature_covers_all_that_becomes_code(field: str, user: User) -> None:
    config = trust.signed(RunConfig("PCN", GATHER, 10, imports=("json",)).to_dict())
    assert trust.is_own(json.loads(json.dumps(config)))
    for other in (None, "other", {"other": 1}, ["other"], 3):
        assert not trust.is_own({**config, field: other})
    assert not trust.is_own({k: v for k, v in config.items() if k != field})
    assert trust.is_own({**config, "steps": 11}), "facts that run nothing may be edited"
    user.becomes("somebody else")
    assert not trust.is_own(config)


def test_the_key_is_its_owners_only(user: User) -> None:
    file = trust.key_file()
    assert file is not None
    assert not file.exists()
    config = trust.signed({"env": GATHER})
    assert len(file.read_bytes()) == 32
    key = file.read_bytes()
    trust._write_key(file)
    assert file.read_bytes() == key, "a second process keeps the key of the first"
    assert sorted(p.name for p in file.parent.iterdir()) == [file.name]
    if os.name == "posix":
        assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(0o644)
        assert not trust.is_own(config), "a key that others can read proves nothing"
        file.chmod(0o600)
        assert trust.is_own(config)
        target = file.with_name("elsewhere")
        file.rename(target)
        file.symlink_to(target)
        assert not trust.is_own(config)
        file.unlink()
        os.mkfifo(file, 0o600)
        assert not trust.is_own(config), "and does not hang"
    file.unlink()
    file.write_bytes(b"short")
    file.chmod(0o600)
    assert not trust.is_own(config)


def test_without_a_home_everything_works_and_asks(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = user.folder / "blocked"
    blocked.write_text("a file, so nothing can be made below it")
    for variable in ("HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(blocked / "home"))
    file = user.lab("lab_homeless")
    run = RunFolder.open(user.run(file))
    assert "signature" not in run.config
    with pytest.raises(RunError, match="--trust"):
        load_agent(run)
    assert not user.executed
    assert load_agent(run, imports=[str(file)]).num_timesteps == 200
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert trust.key_file() is None
    assert not trust.is_own(trust.signed({"env": GATHER}))


# ---- importing files ------------------------------------------------------------------------------------------------


def test_a_file_is_one_module_whatever_it_is_called(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    file = user.lab("lab_once")
    monkeypatch.chdir(file.parent)
    for name in ("lab_once.py", "./lab_once.py", str(file), f"../{file.parent.name}/lab_once.py"):
        imports.import_package(name)
    assert user.executed == ["lab_once"]
    twin = user.lab("lab_once", "twin")
    imports.import_package(str(twin))
    assert len(user.executed) == 2
    assert user.executed[1].startswith("lab_once_"), "another file of that name is another module"
    hidden = user.lab("json", "hidden")
    imports.import_package(str(hidden))
    assert json.loads("1") == 1
    assert sys.modules["json"] is json, "no module is replaced"


def test_a_file_whose_import_fails_can_be_mended(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    file = user.folder / "lab_mended.py"
    file.write_text("1 / 0\n")
    with pytest.raises(EnvError, match="ZeroDivisionError"):
        imports.import_package(str(file))
    file.write_text("")
    imports.import_package(str(file))
    monkeypatch.chdir(user.folder)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(user.folder))])
    (user.folder / "lab_here.py").write_text("")
    with pytest.raises(EnvError, match=r"for the file of that name here, write 'lab_here.py'"):
        imports.import_package("lab_here")


def test_byte_code_beside_a_file_is_not_run(user: User) -> None:
    """A ``__pycache__`` that claims to be of a harmless file, with the right time and size, is not looked at."""
    file = user.folder / "lab_cached.py"
    harmless = "x = 1" + " " * 200 + "\n"
    hostile = f"open({str(user.marker)!r}, 'w').write('executed')"
    file.write_text(hostile.ljust(len(harmless) - 1) + "\n")
    assert len(file.read_text()) == len(harmless)
    os.utime(file, (10**9, 10**9))
    py_compile.compile(str(file))
    file.write_text(harmless)
    os.utime(file, (10**9, 10**9))
    imports.import_package(str(file))
    assert not user.executed


ALGORITHM = """
import dataclasses
from morl.agents import registry
from morl.agents.pareto_q import ParetoQLearning


@registry.register
class {name}(ParetoQLearning):
    info = dataclasses.replace(ParetoQLearning.info, name="{name}")
"""


def test_an_algorithm_in_a_file_trains_from_the_command_line(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    file = user.lab("lab_algorithm")
    file.write_text(file.read_text() + ALGORITHM.format(name="LabAlgorithm"))
    out = user.folder / "runs"
    words = ["--algo", "LabAlgorithm", "--env", "lab_algorithm/Model-v0", "--import", str(file), "-q", "-n", "200"]
    for given in (["train", *words, "--out", str(out)], ["eval", str(out / "LabAlgorithm-Model-v0-s0")]):
        done = subprocess.run([sys.executable, "-m", "morl", *given], cwd=user.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert user.executed == ["lab_algorithm"] * 2, "once in each of the two processes"


def _names(env: Any) -> tuple[str, ...]:
    return tuple(env.call("where"))


@pytest.mark.parametrize("context", ["spawn", "forkserver"] if os.name == "posix" else ["spawn"])
def test_worker_processes_import_a_file_once(context: str, user: User) -> None:
    file = user.lab("lab_worker")
    imports.import_package(str(user.lab("lab_worker", "first")))  # so that the second has another module name
    user.forgets(user.folder / "first" / "lab_worker.py")
    sys.modules.setdefault("lab_worker", type(sys)("lab_worker"))
    try:
        imports.import_package(str(file))
        (name,) = user.executed
        assert name != "lab_worker"
        kinds = {"vectorization_mode": "async", "num_workers": 2, "context": context}
        env = morl.make_vec("lab_worker/Model-v0", 4, **kinds)
        try:
            env.reset(seed=0)
            assert env.step(np.zeros(4, int))[1].tolist() == [[1.0, 0.0]] * 4
        finally:
            env.close()
        assert user.executed == [name] * 3, "here and in two workers"
    finally:
        del sys.modules["lab_worker"]

"""What a stranger gives runs no code: each reader is attacked, and a marker file would show that something ran."""

from __future__ import annotations

import io
import json
import os
import pickle
import py_compile
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

import morl
from morl.agents.core.config import load_options
from morl.cli import main
from morl.envs import imports, recorded
from morl.envs.catalog import BUILTIN
from morl.envs.template import create_project
from morl.pareto import Front
from morl.runs import RunConfig, RunFolder, load_agent, train, trust
from morl.spec import EnvError, MorlError, RunError, SpecError

GATHER, SEA = "morl/ResourceGathering-v0", "morl/DeepSeaTreasure-v0"

LAB = """
import pathlib
import morl

with pathlib.Path({marker!r}).open("a") as file:
    file.write(__name__ + "\\n")


def model(gain: float = 1.0) -> morl.MOMDP:
    p = [[[0.0, 1.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]
    r = [[[gain, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]
    return morl.MOMDP.from_arrays(p, r, discount=0.9, terminal=[False, True], objectives=["gain", "calm"])


morl.register_momdp("{id}", model)
"""

STRIKE = """
import pathlib

def strike(*args, **options):
    pathlib.Path({marker!r}).write_text("executed")

strike()
"""


class User:
    """Somebody with a home, and a file that shows whether code of a stranger ran."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.marker, self._patch = folder, folder / "executed", monkeypatch
        self.evil = folder / "evil_module.py"
        self.evil.write_text(STRIKE.format(marker=str(self.marker)))
        monkeypatch.syspath_prepend(folder)
        self.becomes("me")

    def becomes(self, name: str) -> None:
        """Be another user: a home of another name, and so another key."""
        home = self.folder / "home" / name
        for variable in ("HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME"):
            self._patch.setenv(variable, str(home))

    @property
    def executed(self) -> list[str]:
        return self.marker.read_text().splitlines() if self.marker.exists() else []

    def lab(self, name: str, folder: str = "lab") -> Path:
        """A file that registers ``NAME/Model-v0`` and says so in the marker."""
        path = self.folder / folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(LAB.format(marker=str(self.marker), id=f"{name}/Model-v0"))
        return path

    def run(self, file: Path) -> Path:
        """A run of that file's environment, as its maker leaves it behind."""
        config = RunConfig("ParetoQLearning", f"{file.stem}/Model-v0", 200, imports=(str(file),))
        made = train(config, self.folder / "runs").path
        self.forgets(file)
        return made

    def forgets(self, file: Path) -> None:
        """Go on as a process that has imported nothing yet."""
        for name, path in list(imports._FILES.items()):
            if path == str(file.resolve()):
                del imports._FILES[name], sys.modules[name]
                gym.registry.pop(f"{file.stem}/Model-v0", None)
                morl.envs.registration._ENTRIES.pop(f"{file.stem}/Model-v0", None)
        self.marker.unlink(missing_ok=True)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[User]:
    registered = set(gym.registry)
    made = User(tmp_path, monkeypatch)
    yield made
    for id in set(gym.registry) - registered:
        gym.registry.pop(id)
        morl.envs.registration._ENTRIES.pop(id, None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a built-in environment."""
    return train(RunConfig("ParetoQLearning", SEA, 300), tmp_path_factory.mktemp("sea")).path


def command(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as stop:
        return int(stop.code or 0)


def alter(run: Path, **fields: Any) -> None:
    """Write into a run's configuration as a stranger would."""
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, **fields}))


READERS: list[Callable[[str], list[str]]] = [
    lambda run: ["eval", run],
    lambda run: ["eval", run, "--preference", "0.4", "0.6"],
    lambda run: ["resume", run, "-n", "10", "-q"],
    lambda run: ["compare", run],
    lambda run: ["compare", run, "--truth", "env"],
    lambda run: ["front", run, "--truth", "--plot", str(Path(run).parent / "plot.png")],
    lambda run: ["runs", "list", str(Path(run).parent)],
    lambda run: ["runs", "verify", run],
]
HOSTILE: list[dict[str, Any]] = [
    {"env_options": {"build": "evil_module:strike", "cmd": "x"}},
    {"env_options": {"builder": "evil_module:strike"}},
    {"env_options": {"entry_point": "evil_module:strike"}},
    {"env_options": {"wrappers": ["evil_module:strike"]}},
    {"env_options": {"max_steps": "evil_module:strike"}},
    {"env_options": {"vector_entry_point": "evil_module:strike", "render_mode": "evil_module:strike"}},
    {"env_options": "evil_module:strike"},
    {"env": f"evil_module:{SEA}"},
    {"env": f"evil_module.py:{SEA}"},
    {"env": ["evil_module:x"]},
    {"algo": "evil_module:strike"},
    {"algo": "evil_module"},
    {"imports": ["evil_module"]},
    {"imports": ["evil_module.py"]},
    {"imports": "evil_module"},
    {"imports": [["evil_module"]]},
    {"imports": {"evil_module": 1}},
    {"imports": ["evil_module"], "files": {"evil_module": None}},
    {"options": {"utility": "evil_module:strike"}},
    {"entry_point": "evil_module:strike", "build": "evil_module:strike"},
]


@pytest.mark.parametrize("fields", HOSTILE, ids=str)
def test_a_strangers_configuration_runs_no_code(
    fields: dict[str, Any], trained: Path, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = user.folder / "runs" / "x"
    shutil.copytree(trained, run)
    (user.folder / "runs" / "evil_module.py").write_text(user.evil.read_text())
    user.becomes("somebody")
    alter(run, **fields)
    monkeypatch.chdir(run.parent)
    for words in READERS:
        command(words(str(run)))
        assert not user.executed, words(str(run))
    assert "evil_module" not in sys.modules


@pytest.mark.parametrize("id", [entry.id for entry in BUILTIN if entry.build is not None])
def test_no_argument_replaces_a_builder(id: str, user: User) -> None:
    hostile = {"build": "evil_module:strike"}
    for make in (morl.make, morl.make_vec, gym.make, gym.make_vec):
        with pytest.raises((MorlError, TypeError), match="unexpected keyword argument 'build'"):
            make(id, **hostile)
    with pytest.raises(EnvError, match="argument 'build', which is not one that files may set"):
        recorded.make_recorded(id, hostile)
    assert not user.executed


def test_a_builder_may_declare_an_argument_called_build_which_files_do_not_set() -> None:
    def bandit(build: str = "plain") -> morl.MOMDP:
        return morl.MOMDP.from_arrays([[[1.0]]], [[[float(len(build)), 0.0]]], discount=0.5)

    morl.register_momdp("security/Build-v0", bandit)
    assert morl.make("security/Build-v0", build="wide").momdp().rewards.max() == 4.0
    with pytest.raises(EnvError, match="argument 'build'"):
        recorded.make_recorded("security/Build-v0", {"build": "wide"})


def test_files_set_what_an_environment_declares_and_nothing_else(user: User) -> None:
    make = recorded.make_recorded
    assert make("morl/FruitTree-v0", {"depth": 5}).unwrapped.options == {"depth": 5}
    assert make("morl/MultiDrugDosing-v0", {"discrete": True, "max_steps": 7}).unwrapped.max_steps == 7
    assert make("morl/MountainCar-v0", {"max_episode_steps": 9}).spec.max_episode_steps == 9
    for options, message in (
        ({"dept": 5}, "did you mean depth"),
        ({"depth": "evil_module:strike"}, "names code"),
        ({"depth": {"a": [1, "evil_module:strike"]}}, "names code"),
        ({"depth": "evil_module.py"}, "names code"),
        ({"depth": {"env_id": "x"}}, "names code"),
        ([1], "expected a table"),
    ):
        with pytest.raises(EnvError, match=message):
            make("morl/FruitTree-v0", options)
    with pytest.raises(EnvError, match="not one that files may set"):
        make("morl/Hopper-v5", {"xml_file": "/etc/passwd"})
    assert not user.executed


def test_functions_and_classes_are_no_arguments_for_files(user: User) -> None:
    class Called(gym.Env[int, int]):
        def __init__(self, judge: Callable[[int], float] | None = None, kind: type | None = None, n: int = 2) -> None:
            raise AssertionError

    gym.register("security/Called-v0", Called)
    for name in ("judge", "kind", "id", "env_fn"):
        with pytest.raises(EnvError, match=f"argument '{name}'"):
            recorded.make_recorded("security/Called-v0", {name: "os"})


# ---- fronts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "provenance",
    [
        {"env": "evil_module:lab/X-v0"},
        {"env": "evil_module.py:lab/X-v0"},
        {"env": "{folder}/evil_module.py:lab/X-v0"},
        {"env": "evil_module.py"},
        {"env": "evil_module"},
        {"env": SEA, "env_options": {"build": "evil_module:strike"}},
        {"env": SEA, "env_options": ["evil_module:strike"]},
        {"env": SEA, "imports": ["evil_module"]},
        {"env": {"id": "evil_module:x"}},
        {"algorithm": "evil_module:strike", "policy_class": "evil_module:strike"},
    ],
    ids=str,
)
def test_a_front_file_runs_no_code(provenance: dict[str, Any], user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    provenance = {k: v.format(folder=user.folder) if isinstance(v, str) else v for k, v in provenance.items()}
    file = user.folder / "x.json"
    Front([[0.0, -1.0], [1.0, -9.0]], ["treasure", "time"], discount=0.9, provenance=provenance).save(file)
    monkeypatch.chdir(user.folder)
    command(["compare", str(file)])
    command(["compare", str(file), "--truth", "env"])
    command(["front", str(file), "--truth", "--plot", str(user.folder / "x.png")])
    assert not user.executed
    assert "evil_module" not in sys.modules


def test_what_a_front_would_import_is_said(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    file = user.folder / "x.json"
    Front([[0.0, 1.0]], ["a", "b"], discount=0.9, provenance={"env": "evil; rm -rf:lab/X-v0"}).save(file)
    assert main(["compare", str(file)]) == 0
    said = capsys.readouterr().err
    assert "would import and run 'evil; rm -rf'" in said
    assert "--import 'evil; rm -rf'" in said, "what is to be pasted into a shell is quoted"
    assert main(["compare", str(file), "--truth", "env"]) == 1


# ---- imports of runs -----------------------------------------------------------------------------------------------


def test_own_runs_are_opened_from_anywhere(user: User, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    file = user.lab("lab_own")
    monkeypatch.chdir(file.parent)
    words = ["train", "--algo", "ParetoQLearning", "--env", "lab_own/Model-v0", "-n", "200", "-q"]
    assert main([*words, "--import", "lab_own.py", "--out", str(user.folder / "runs")]) == 0
    assert user.executed == ["lab_own"], "a file is executed once in a process"
    (run,) = (user.folder / "runs").iterdir()
    monkeypatch.chdir(user.folder)
    for words in (["eval", str(run)], ["compare", str(run), "--truth", "env"], ["resume", str(run), "-n", "9", "-q"]):
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
    for command in (["train", *words, "--out", str(out)], ["eval", str(out / "LabAlgorithm-Model-v0-s0")]):
        done = subprocess.run([sys.executable, "-m", "morl", *command], cwd=user.folder, capture_output=True, text=True)
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


# ---- other readers ---------------------------------------------------------------------------------------------------


def test_option_files_name_no_code(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    file = user.folder / "options.toml"
    words = ["train", "--algo", "EUPG", "--env", GATHER, "-n", "10", "-q", "--config", str(file)]
    for text in ('utility = "evil_module:strike"', '[options]\nutility = "evil_module:strike"'):
        file.write_text(text)
        with pytest.raises(SpecError, match="names code"):
            load_options(file)
        assert main([*words, "--out", str(user.folder / "runs")]) == 2
    for text in ('build = "evil_module"', 'imports = ["evil_module"]', 'sb3 = {policy = "evil_module:P"}'):
        file.write_text(text)
        assert main([*words, "--out", str(user.folder / "runs")]) == 2
    assert not user.executed
    assert not (user.folder / "runs").exists()
    file.write_text('utility = "linear:gold=0.3,gem=0.7"')
    assert load_options(file) == {"utility": "linear:gold=0.3,gem=0.7"}


def test_an_option_is_no_place_to_write_to(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    place = user.folder / "elsewhere"
    sb3 = json.dumps({"tensorboard_log": str(place), "verbose": 1})
    words = ["--algo", "LinearScalarization", "--set", "algorithm=DQN", "--set", f"sb3={sb3}", "-n", "100", "-q"]
    assert main(["train", "--env", GATHER, *words, "--out", str(user.folder / "runs")]) == 2
    assert "unknown option of stable-baselines3 DQN 'tensorboard_log'" in capsys.readouterr().err
    assert not place.exists()


def test_a_spec_from_text_names_registered_code_only(user: User) -> None:
    spec = gym.spec(GATHER)
    text = json.loads(spec.to_json())
    assert morl.make(EnvSpec.from_json(json.dumps(text))).unwrapped.momdp().k == 3
    wrapper = {"name": "W", "entry_point": "evil_module:strike", "kwargs": {}}
    for fields in (
        {"entry_point": "evil_module:strike"},
        {"vector_entry_point": "evil_module:strike"},
        {"entry_point": "morl.envs.finite:FiniteEnv(evil_module.strike)"},
        {"id": "lab/Unknown-v0", "entry_point": "evil_module:strike"},
        {"additional_wrappers": [wrapper]},
        {"additional_wrappers": [{**wrapper, "entry_point": "subprocess:run"}]},
        {"kwargs": {"build": "evil_module:strike"}},
    ):
        hostile = EnvSpec.from_json(json.dumps({**text, **fields}))
        for make in (morl.make, morl.make_vec):
            if make is morl.make_vec and "additional_wrappers" in fields:
                continue
            with pytest.raises(MorlError):
                make(hostile)
    assert not user.executed


class _Bomb:
    """Pickled, it touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


def test_model_files_hold_no_objects(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    good = user.folder / "good.npz"
    morl.MOMDP.from_arrays([[[1.0]]], [[[1.0, 0.0]]], discount=0.5).save(good)
    with np.load(good, allow_pickle=False) as file:
        arrays = dict(file)
    bomb = np.array([_Bomb(user.marker)], dtype=object)
    for name in arrays:
        np.savez(user.folder / "bad.npz", **{**arrays, name: bomb})
        with pytest.raises(MorlError):
            morl.MOMDP.load(user.folder / "bad.npz")
        assert main(["solve", str(user.folder / "bad.npz")]) == 1
    (user.folder / "bad.npz").write_bytes(pickle.dumps(_Bomb(user.marker)))
    assert main(["solve", str(user.folder / "bad.npz")]) == 1
    assert not user.executed


def test_checkpoints_hold_no_objects(trained: Path, user: User) -> None:
    import hashlib

    header = json.dumps({"__metadata__": {"build": "evil_module:strike"}, "x": {"dtype": "O", "shape": [1]}}).encode()
    npy = io.BytesIO()
    np.save(npy, np.array([_Bomb(user.marker)], dtype=object), allow_pickle=True)
    payloads = [
        pickle.dumps(_Bomb(user.marker)),
        npy.getvalue(),
        struct.pack("<Q", len(header)) + header,
        struct.pack("<Q", 2**60) + b"{",
        struct.pack("<Q", 5) + b"[1,2]",
        b"",
    ]
    for number, payload in enumerate(payloads):
        run = user.folder / "runs" / str(number)
        shutil.copytree(trained, run)
        place = run / "checkpoints"
        for name in ("checkpoint.json", "previous.json"):
            if not (place / name).is_file():
                continue
            body = json.loads((place / name).read_text())
            (place / body["arrays"]).write_bytes(payload)
            body |= {"sha256": hashlib.sha256(payload).hexdigest(), "bytes": len(payload)}
            body.pop("seal")
            seal = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
            (place / name).write_text(json.dumps({**body, "seal": seal}, sort_keys=True))
        for words in (["eval", str(run)], ["resume", str(run), "-n", "9", "-q"], ["runs", "verify", str(run)]):
            assert command(words) == 1
        with pytest.raises(MorlError):
            load_agent(RunFolder.open(run), trust=True)
    assert not user.executed


@pytest.mark.parametrize(
    "name",
    [
        "../up", "/abs", "a/b", "a\\b", "", ".", "-rf", "a b", 'a"b', "a'b", "a\nb", "a\n", "a;b", "@CLASS@", "${x}",
        "a\x1b[2J", "numpy", "morl", "json", "os", "class", "ünïcode", "a" + "\u202e" + "b", "__init__", "3d", "x.py",
    ],
)  # fmt: skip
def test_hostile_project_names_are_refused(name: str, user: User) -> None:
    before = sorted(user.folder.rglob("*"))
    with pytest.raises(EnvError, match="project name is"):
        create_project(name, user.folder)
    assert sorted(user.folder.rglob("*")) == before


def test_a_project_says_nothing_but_its_name(user: User) -> None:
    """Every code cell and file of a new project is the template's, with names that are plain identifiers in it."""
    plain = create_project("night-bus", user.folder)
    other = create_project("Print-exec-Import", user.folder)
    for file in (p for p in plain.rglob("*") if p.is_file()):
        twin = other / str(file.relative_to(plain)).replace("night_bus", "print_exec_import")
        text = file.read_text()
        for mine, theirs in (("night_bus", "print_exec_import"), ("night-bus", "print-exec-import")):
            text = text.replace(mine, theirs)
        assert twin.read_text() == text.replace("NightBus", "PrintExecImport")
    assert json.loads((plain / "night_bus.ipynb").read_text())["nbformat"] == 4


# ---- the terminal ---------------------------------------------------------------------------------------------------

NAMES = ["cost\x1b[2J\x1b]0;owned\x07", "[bold red]x[/] :skull: \u202egnp.exe\u2066", "a\rb\x9bc\u200b\x00\x7f"]


def test_names_from_files_do_not_reach_the_terminal(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    file = user.folder / "names.json"
    front = Front([[0.0, 1.0, 2.0], [1.0, 0.0, 2.0]], NAMES, discount=0.9, provenance={"env": NAMES[0]})
    front.save(file)
    for words in (["front", str(file)], ["compare", str(file)], ["compare", str(file), "--truth", "env"]):
        command(words)
        out, err = capsys.readouterr()
        for text in (out, err):
            assert all(c.isprintable() or c == "\n" for c in text), ascii(text)
    main(["front", str(file)])
    shown = "".join(capsys.readouterr().out.split())
    assert "cost\\x1b[2J" in shown
    assert "[boldred]x[/]:skull:\\u202egnp.exe\\u2066" in shown, "no markup, no emoji"


def test_names_of_runs_and_errors_do_not_reach_the_terminal(
    trained: Path, user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    run = user.folder / "runs" / "x"
    shutil.copytree(trained, run)
    for fields in ({"env": NAMES[0]}, {"algo": NAMES[1]}, {"imports": [NAMES[2]]}, {"format": NAMES[0]}):
        alter(run, **fields)
        for words in [*(words(str(run)) for words in READERS), ["runs", "prune", str(run.parent)]]:
            command(words)
            out, err = capsys.readouterr()
            assert all(c.isprintable() or c == "\n" for c in out + err), ascii(out + err)
    for words in (["env", "show", NAMES[0]], ["solve", NAMES[2]], ["env", "new", NAMES[1]], ["front", NAMES[0]]):
        command(words)
        out, err = capsys.readouterr()
        assert all(c.isprintable() or c == "\n" for c in out + err), ascii(out + err)

"""``morl algo new`` writes an algorithm that learns, resumes and conforms, and that the tutorial shows."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morl.agents import Agent, registry
from morl.cli import main
from morl.spec import AgentError
from morl.templates import class_name, create_algorithm, module_name
from morl.testing.agents import CHECKS, check_agent

ROOT = Path(__file__).parent.parent
TEMPLATE = ROOT / "morl" / "templates" / "my_algorithm.py"
SEA = "morl/DeepSeaTreasureConcave-v0"
LONG = {name for name in CHECKS if name.startswith("optimum")} | {"other_process", "scale_invariance", "truncation"}
QUICK = [name for name in CHECKS if name not in LONG]


@pytest.fixture(scope="module")
def algorithm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Agent]]:
    """The class that ``morl algo new`` writes, imported from its file."""
    folder = tmp_path_factory.mktemp("own")
    create_algorithm("MyAlgorithm", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module("my_algorithm").MyAlgorithm
    del sys.modules["my_algorithm"], registry._registered["MyAlgorithm"]


@pytest.mark.parametrize("check", QUICK)
def test_it_conforms(algorithm: type[Agent], check: str) -> None:
    check_agent(algorithm, only=[check])


@pytest.mark.slow
@pytest.mark.parametrize("check", sorted(LONG))
def test_it_finds_the_optima_of_tiny_problems(algorithm: type[Agent], check: str) -> None:
    check_agent(algorithm, only=[check])


KILLED = """
import os, sys
from morl.runs import RunConfig, train

config = RunConfig("MyAlgorithm", sys.argv[2], 1280, checkpoint_every=640, imports=(sys.argv[3],))
train(config, sys.argv[1], name="parts", callbacks=[lambda agent: os._exit(9) if agent.num_timesteps > 900 else None])
"""


def test_it_trains_from_the_command_line_and_resumes_bit_for_bit(algorithm: type[Agent], tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    file = str(sys.modules[algorithm.__module__].__file__)
    words = ["--algo", "MyAlgorithm", "--import", file, "--env", SEA, "-n", "1280", "--checkpoint-every", "640", "-q"]
    assert main(["train", *words, "--out", str(tmp_path), "--name", "whole"]) == 0
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), SEA, file], check=False)
    assert killed.returncode == 9
    assert main(["resume", str(tmp_path / "parts"), "-q"]) == 0

    def arrays(name: str) -> dict[str, np.ndarray[Any, Any]]:
        folder = tmp_path / name / "checkpoints"
        return load_file(folder / json.loads((folder / "checkpoint.json").read_text())["arrays"])

    whole, parts = arrays("whole"), arrays("parts")
    assert whole.keys() == parts.keys()
    assert all(np.array_equal(value, parts[name]) for name, value in whole.items())


def test_it_is_eighty_lines_and_its_names_are_public() -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    used = [x for x in ast.walk(ast.parse(text)) if isinstance(x, ast.ImportFrom) and str(x.module).startswith("morl")]
    assert not [alias.name for x in used for alias in x.names if alias.name.startswith("_")]


def test_the_tutorial_shows_the_template() -> None:
    page, text = (ROOT / "docs/agents/write-your-own.md").read_text(encoding="utf-8"), TEMPLATE.read_text("utf-8")
    blocks = re.findall(r"```py\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        assert block in text, block
    imports = [x for x in ast.walk(ast.parse(text)) if isinstance(x, ast.ImportFrom)]
    ours = {alias.name for x in imports if str(x.module).startswith("morl") for alias in x.names}
    assert not [name for name in ours if f"{name}" not in page]
    assert len(re.findall(r"^\*\*\d\.", page, re.MULTILINE)) <= 8


def test_its_files_carry_the_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["algo", "new", "sea-lion", "--out", str(tmp_path / "new")]) == 0
    said = capsys.readouterr()
    paths = [Path(line) for line in said.out.split()]
    assert [path.name for path in paths] == ["sea_lion.py", "test_sea_lion.py", "sea_lion.md"]
    assert "--algo SeaLion" in said.err
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert "SeaLion" in text
        assert "my_algorithm" not in text.lower().replace("myalgorithm", "my_algorithm")
    ours = TEMPLATE.read_text(encoding="utf-8").replace("MyAlgorithm", "SeaLion").replace("my_algorithm", "sea_lion")
    assert paths[0].read_text(encoding="utf-8") == ours


@pytest.mark.parametrize("name", ["sea_lion.py", "test_sea_lion.py", "sea_lion.md"])
def test_nothing_is_overwritten(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text("mine")
    assert main(["algo", "new", "SeaLion", "--out", str(tmp_path)]) == 2
    assert f"{name}' exists already; nothing was written" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pcn", "an algorithm called PCN exists already"),
        ("Pareto-Q-Learning", "an algorithm called ParetoQLearning exists already"),
        ("9lives", "no name for an algorithm"),
        ("../up", "no name for an algorithm"),
        ("", "no name for an algorithm"),
        ("Käfer!", "no name for an algorithm"),
    ],
)
def test_bad_names_are_refused(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=said):
        create_algorithm(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AgentError, match="cannot be written to"):
        create_algorithm("SeaLion", tmp_path / "file" / "folder")


def test_names_of_files() -> None:
    assert [module_name(x) for x in ("MyAlgorithm", "MOPPO", "MyPPO", "A2CFront")] == [
        "my_algorithm", "moppo", "my_ppo", "a2_c_front",
    ]  # fmt: skip
    assert class_name("deep sea_diver") == "DeepSeaDiver"

"""``morl choose``, ``morl play`` and ``morl export`` on a small run and on front files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from morl.cli import main
from morl.pareto import Front
from morl.runs import RunConfig, train
from morl.spec import Objective

SHOP = [Objective("service"), Objective("cost", "EUR", minimise=True)]


@pytest.fixture
def shop(tmp_path: Path) -> str:
    front = Front([[0.90, -60.0], [0.96, -110.0], [0.99, -180.0]], SHOP, scale=([0.0, -200.0], [1.0, 0.0]))
    return str(front.save(tmp_path / "shop.json"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    config = RunConfig("MultiWeightQLearning", "morl/DeepSeaTreasure-v0", 3000)
    return str(train(config, tmp_path_factory.mktemp("runs")).path)


def facts(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_choose_prints_facts(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = facts(capsys, "choose", shop, "service >= 0.95", "cost <= 120 EUR", "--mixture", "never")
    front = Front.load(shop)
    assert found["id"] == front.ids[front.points[:, 0].tolist().index(0.96)]
    assert found["point"] == {"service": 0.96, "cost": 110.0}
    assert found["feasible"] == 1
    assert found["chances"] == [1.0, 1.0]
    levels = ["--aspiration", "cost=70", "--reservation", "service=0.9"]
    assert facts(capsys, "choose", shop, "--order", "cost", "service")["point"]["cost"] == 60
    assert facts(capsys, "choose", shop, *levels)["criterion"].startswith(
        "achievement (aspiration service 0.99, cost 70"
    )


def test_choose_prints_words_and_what_to_do_next(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["choose", shop, "service >= 0.95", "--weights", "service=0.1", "cost=0.9"]) == 0
    shown = capsys.readouterr()
    assert "best for weights service 0.1, cost 0.9" in shown.out
    assert "chance of service >= 0.95" in shown.out
    assert f"morl play {shop} --point" in shown.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["service >= 2"], 1, "nearest is"),
        (["servce >= 1"], 2, "did you mean service?"),
        (["--utility", "kne"], 2, "did you mean knee"),
        (["--weights", "1", "1"], 2, "sum to 2"),
        (["cost <= 5 USD"], 2, "cost is in 'EUR'"),
        (["--ask", "--epsilon", "nan"], 2, "--epsilon is nan; expected a share of the scale, 0 or more"),
    ],
)
def test_one_clear_line(shop: str, words: list[str], code: int, message: str, capsys) -> None:
    assert main(["choose", shop, *words]) == code
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


def test_asking(shop: str, capsys, monkeypatch) -> None:
    typed = iter(["what?", "1", "u", "2", "2", "2", "2"])
    prompts = []

    def answer(prompt: str) -> str:
        prompts.append(prompt)
        return next(typed)

    monkeypatch.setattr("builtins.input", answer)
    assert main(["choose", shop, "--ask", "--epsilon", "0.001"]) == 0
    shown = capsys.readouterr()
    assert "'what?' is no answer; expected 1, 2, =, u or q" in shown.err
    assert "whatever your true weights" in shown.out
    assert len(prompts) >= 4


def test_asking_ends_with_the_input(shop: str, capsys, monkeypatch) -> None:
    def nothing(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nothing)
    assert main(["choose", shop, "--ask"]) == 0
    shown = capsys.readouterr()
    assert "ended before the bound was reached" in shown.err
    assert "whatever your true weights" in shown.out


def test_play_by_identity(run: str, capsys, tmp_path: Path) -> None:
    front = Front.load(Path(run) / "front.json")
    for i in (0, len(front) - 1):
        played = facts(capsys, "play", run, "--point", front.ids[i][:6])
        rewards = np.array([step["reward"] for step in played["steps"]])
        worth = front.discount ** np.arange(len(rewards)) @ rewards
        assert worth == pytest.approx(front.points[i])
        assert played["over"]
    explained = facts(capsys, "play", run, "--point", front.ids[0], "--explain")
    assert explained["steps"][0]["why"].startswith("not ")
    assert main(["play", run, "--preference", "1", "0", "--gif", str(tmp_path / "a.gif")]) == 0
    assert (tmp_path / "a.gif").read_bytes()[:4] == b"GIF8"
    capsys.readouterr()
    assert main(["play", run, "--text", "--max-steps", "1"]) == 0
    assert "step 0: action" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--point", "qqqq"], "unknown point 'qqqq'"),
        (["--point", "qqqq", "--preference", "1", "0"], "expected one of them"),
        (["--gif", "a.png"], "expected .gif or .mp4"),
        (["--preference", "1", "0", "--max-steps", "0"], "max_steps is 0; expected a positive integer"),
        (["--preference", "1", "0", "--seed", "-1"], "seed is -1; expected a non-negative integer"),
    ],
)
def test_play_refuses(run: str, words: list[str], message: str, capsys) -> None:
    assert main(["play", run, *words]) in (1, 2)
    assert message in capsys.readouterr().err


def test_play_and_export_of_a_file_of_values(shop: str, capsys, tmp_path: Path) -> None:
    assert main(["play", shop]) == 1
    assert "it knows values, not policies" in capsys.readouterr().err
    assert main(["export", shop, "-o", str(tmp_path / "p.onnx")]) == 1
    assert "it knows values, not policies" in capsys.readouterr().err


def test_export_of_a_run(run: str, capsys, tmp_path: Path) -> None:
    front = Front.load(Path(run) / "front.json")
    file = tmp_path / "policy.json"
    assert main(["export", run, "--point", front.ids[0], "-o", str(file)]) == 0
    data = json.loads(file.read_text())
    assert data["id"] == front.ids[0]
    assert len(data["observations"]) == len(data["actions"])
    assert main(["eval", run, "--point", front.ids[0], "--json"]) == 0
    capsys.readouterr()

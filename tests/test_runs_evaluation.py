"""``morl eval``: fresh episodes each time, beside what is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from morl.cli import main
from morl.pareto import Front
from morl.runs import RunConfig, RunFolder, evaluate, load_agent, train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run in an environment whose every episode is random."""
    root = tmp_path_factory.mktemp("runs")
    options = {"population": 8, "hidden": 4}
    config = RunConfig("ParetoEvolution", "morl/WaterReservoir-v0", 2_000, options=options, episodes=6)
    return train(config, root)


def evaluations(run: RunFolder) -> list[Path]:
    return sorted((run.path / "evaluations").glob("*.json"))


def test_every_evaluation_is_fresh_and_written_beside(run: RunFolder) -> None:
    before = (run.path / "front.json").read_bytes(), (run.path / "front.csv").read_bytes()
    count = len(evaluations(run))
    fronts = [evaluate(run, 4) for _ in range(3)]
    assert len({front.provenance["eval_seed"] for front in fronts}) == 3
    drawn = [front.points.tolist() for front in [*fronts, run.front()]]
    assert all(drawn[i] != drawn[j] for i in range(4) for j in range(i))
    assert ((run.path / "front.json").read_bytes(), (run.path / "front.csv").read_bytes()) == before
    assert len(evaluations(run)) == count + 3
    for front in fronts:
        assert Front.load(run.path / front.provenance["file"]).points.tolist() == front.points.tolist()
        assert front.covariance is not None


def test_a_seed_repeats_an_evaluation_and_overwrites_nothing(run: RunFolder) -> None:
    count = len(evaluations(run))
    once, again = evaluate(run, 4, 7), evaluate(run, 4, 7)
    assert once.points.tolist() == again.points.tolist()
    assert once.provenance["file"] != again.provenance["file"]
    assert len(evaluations(run)) == count + 2
    assert evaluate(run, 4, 8).points.tolist() != once.points.tolist()


@pytest.mark.parametrize("seed", [0, 1])
def test_no_seed_repeats_the_evaluation_of_training(run: RunFolder, seed: int) -> None:
    reported = {tuple(point) for point in run.front().points.tolist()}
    assert run.config["seed"] == 0
    found = {tuple(point) for point in evaluate(run, 6, seed).points.tolist()}
    assert not found & reported


def test_one_preference_by_position_by_name_and_raw(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    names = [o["name"] for o in json.loads((run.path / "front.json").read_text())["objectives"]]
    asked = [
        ["--preference", "0.2", "0.8"],
        ["--preference", f"{names[1]}=0.8", f"{names[0]}=0.2"],
    ]
    results: list[Any] = []
    for words in asked:
        capsys.readouterr()
        assert main(["eval", str(run.path), *words, "--episodes", "4", "--seed", "3", "--json"]) == 0
        results.append(json.loads(capsys.readouterr().out))
    assert results[0]["mean"] == results[1]["mean"]
    assert results[0]["seed"] == 3
    assert min(results[0]["standard_error"]) > 0
    assert Front.load(results[0]["file"]).points.tolist() == [results[0]["mean"]]
    for words, fragment in [(["1", "x"], "expected 0.7 0.3, or time=0.3"), (["gold=1"], "unknown objective 'gold'")]:
        assert main(["eval", str(run.path), "--preference", *words]) == 2
        assert fragment in capsys.readouterr().err


def test_the_seed_is_printed(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(run.path), "--episodes", "4"]) == 0
    said = capsys.readouterr().err
    newest = json.loads(max(evaluations(run), key=lambda file: file.stat().st_mtime_ns).read_text())
    assert f"--seed {newest['provenance']['eval_seed']}" in said
    assert main(["eval", str(run.path), "--seed", "-1"]) == 2
    assert "expected a non-negative integer" in capsys.readouterr().err


def test_a_run_without_a_front_gets_its_first_one(run: RunFolder, tmp_path: Path) -> None:
    import shutil

    copied = RunFolder.open(shutil.copytree(run.path, tmp_path / "copy"))
    for file in ("front.json", "front.csv"):
        (copied.path / file).unlink()
    front = evaluate(copied, 4)
    assert copied.front().points.tolist() == front.points.tolist()


def test_a_loaded_agent_plays_what_training_measured(run: RunFolder) -> None:
    agent = load_agent(run)
    assert agent.measured is not None
    assert agent.measured.points.tolist() == run.front().points.tolist()


def test_python_and_the_command_line_train_the_same_agent(tmp_path: Path) -> None:
    from morl.agents import registry

    for name, env in [("LinearScalarization", "morl/DeepSeaTreasureConcave-v0"), ("GPILS", "morl/DeepSeaTreasure-v0")]:
        words = ["train", "--algo", name, "--env", env, "-n", "1k", "--seed", "4", "-q", "--out", str(tmp_path)]
        assert main(words) == 0
        agent = registry.get(name)(env, seed=4).learn(1000)
        (folder,) = tmp_path.glob(f"{name}*")
        assert agent.front().points.tolist() == RunFolder.open(folder).front().points.tolist()
        assert load_agent(RunFolder.open(folder)).config == agent.config
        assert agent.tuned
        untuned = registry.get(name)(env, seed=4, tuned=False)
        assert not untuned.tuned
        assert untuned.config != agent.config
        assert main([*words, "--no-tuned", "--name", f"plain-{name}"]) == 0
        assert load_agent(RunFolder.open(tmp_path / f"plain-{name}")).config == untuned.config

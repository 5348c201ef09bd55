"""The command line: data on stdout, one-line errors with the fix, and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from morl.cli import main
from morl.pareto import Front

TREASURE = "morl/DeepSeaTreasureConcave-v0"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    words = [
        "train",
        "--algo",
        "ParetoQLearning",
        "--env",
        TREASURE,
        "-n",
        "20000",
        "--out",
        str(out),
        "-q",
        "--discount",
        "0.99",
    ]
    assert main(words) == 0
    (folder,) = out.iterdir()
    return folder


def error_of(capsys: pytest.CaptureFixture[str], words: list[str]) -> tuple[int, str]:
    capsys.readouterr()
    try:
        code = main(words)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, capsys.readouterr().err


def test_solve_prints_the_exact_front_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["solve", TREASURE, "--policies", "history", "--discount", "0.99", "--ref-point", "0", "-25", "--json"]
    assert main(words) == 0
    front = Front.from_dict(json.loads(capsys.readouterr().out))
    assert len(front) == 10
    assert front.ref_point is not None
    assert front.ref_point.tolist() == [0.0, -25.0]
    assert front.hypervolume() == pytest.approx(1101.4, abs=0.05)
    assert front.supported is not None
    assert front.supported.sum() == 2
    assert front.subset(front.supported).hypervolume() == pytest.approx(804.6, abs=0.05)


def test_solve_writes_files_and_picture(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("front.csv", "front.json", "front.png")]
    words = ["solve", TREASURE, "--policies", "history", "--discount", "1"]
    assert main([*words, "--csv", str(files[0]), "--out", str(files[1]), "--plot", str(files[2])]) == 0
    assert Front.load(files[0]).points.tolist() == Front.load(files[1]).points.tolist()
    assert files[2].read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (["--utility", "worst"], "utility value", 0.4801),
        (["--utility", "worst", "--policies", "stationary"], "utility value", 0.4063),
        (["--utility", "worst", "--criterion", "esr"], "utility value", 0.3764),
        (["--utility", "cvar:1"], "gap", 0.0),
    ],
)
def test_solve_answers_utilities(capsys: pytest.CaptureFixture[str], words: list[str], key: str, value: float) -> None:
    assert main(["solve", "morl/ScientificDiscovery-v0", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[key] == pytest.approx(value, abs=1e-4)


def test_constraints_hold_or_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["solve", "morl/ScientificDiscovery-v0", "--utility", "worst", "--json", "--constraint"]
    assert main([*words, "money>=-4"]) == 0
    assert json.loads(capsys.readouterr().out)["value"][1] >= -4 - 1e-6  # the linear program's own tolerance
    code, message = error_of(capsys, [*words, "accuracy>=0.9"])
    assert code == 1
    assert "accuracy>=0.9" in message


def test_train_leaves_a_whole_run(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {p.name for p in run_folder.iterdir()} >= {
        "config.json", "status.json", "metrics.jsonl", "front.json", "front.csv", "checkpoints",
    }  # fmt: skip
    assert main(["runs", "verify", str(run_folder)]) == 0
    assert main(["compare", str(run_folder), "--json"]) == 0
    out = capsys.readouterr().out
    result = json.loads(out[out.index("{") :])
    assert result["reference"]["kind"] == "exact front"
    assert result["fronts"][0]["hypervolume_ratio"] == pytest.approx(1.0)


def test_a_file_alone_has_no_ratio_and_no_reference(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one, two = tmp_path / "one.CSV", tmp_path / "two.dat"
    one.write_text("a;b\n1,5;2\n", encoding="utf-8")
    two.write_text("a b\n2 1\n", encoding="utf-8")
    assert main(["compare", str(one), "--ref-point", "0", "0"]) == 0
    said = capsys.readouterr().out
    assert "no ratio" in said
    assert "union" not in said
    assert main(["compare", str(one), str(two), "--ref-point", "0", "0", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["reference"]["kind"] == "union of the fronts"
    assert [round(row["hypervolume_ratio"], 4) for row in result["fronts"]] == [0.8571, 0.5714]


def test_tables_show_standard_errors_of_sampled_means(capsys: pytest.CaptureFixture[str]) -> None:
    from morl.cli.console import emit_points

    covariance = [np.diag([0.04, 0.0]), np.diag([0.09, 1e-4])]
    emit_points(Front([[3.0, 1.0], [2.0, 4.0]], ["a", "b"], covariance=covariance, episodes=[0, 50]))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.split()[:1] in (["0"], ["1"])] == [
        ["0", "3", "1"],
        ["1", "2", "±", "0.3", "4", "±", "0.01"],
    ]


def test_the_demo_shares_within_one_policy_class(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from morl.cli.demo import show

    points = [[0, 4], [1.5, 1.5], [4, 0]]
    kinds = ("history-dependent deterministic", "mixture", "stationary deterministic")
    fronts = {
        name: Front(points, ["a", "b"], [-1, -1], 1.0, provenance={"policy_class": kind})
        for name, kind in zip(("exact front", "vertices of the convex hull", "linear agent"), kinds, strict=True)
    }
    show(TREASURE, fronts, tmp_path / "a.png")
    rows = [line for line in capsys.readouterr().out.splitlines() if "deterministic" in line or "mixture" in line]
    assert ["other policy class" in row for row in rows] == [False, True, False]


@pytest.mark.slow
def test_the_demo_shows_two_problems(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from morl.cli import demo

    few = {env: {name: (a, 512, o) for name, (a, _, o) in agents.items()} for env, agents in demo.LEARNED.items()}
    few[demo.DISCOVERY][demo.NETWORKS] = ("LinearScalarization", 512, {"n_weights": 2, "n_envs": 4})
    monkeypatch.setattr(demo, "LEARNED", few)
    monkeypatch.setitem(demo.EXACT[demo.DISCOVERY]["best known, history-dependent"], "time_limit", 0.5)
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    told = capsys.readouterr()
    assert all(told.out.count(name) >= 1 for agents in few.values() for name in agents)
    assert "waiting for the linear agent" in told.err
    files = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert {"deep-sea-treasure.png", "scientific-discovery.png"} < set(files)
    fronts = [Front.load(tmp_path / "demo" / name) for name in files if name.endswith(".json")]
    assert len(fronts) == sum(len(demo.EXACT[env]) + len(few[env]) for env in few)
    assert all(len(front) for front in fronts)


def test_eval_of_one_preference(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(run_folder), "--preference", "1", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mean"][0] == pytest.approx(103.48, abs=0.01)


def test_list_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "list", "--json"]) == 0
    ids = [row["id"] for row in json.loads(capsys.readouterr().out)]
    assert TREASURE in ids
    assert main(["env", "show", TREASURE, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [o["name"] for o in shown["objectives"]] == ["treasure", "time"]
    assert main(["algo", "list", "--json"]) == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert "PCN" in names
    assert main(["algo", "show", "pcn", "--json"]) == 0
    assert "learning_rate" in [o["name"] for o in json.loads(capsys.readouterr().out)["options"]]


def test_solve_reads_gamma_and_counts_as_train_does(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["solve", TREASURE, "--policies", "history", "--horizon", "1e1", "--json"]
    assert main([*words, "--gamma", "0.9"]) == 0
    front = json.loads(capsys.readouterr().out)
    assert main([*words, "--discount", "0.9", "--horizon", "10"]) == 0
    assert json.loads(capsys.readouterr().out)["points"] == front["points"]


TRAIN = ["train", "--env", TREASURE, "-n", "100", "-q", "--algo"]
MISTAKES = [
    (["train", "--env", "morl/DeepSee-v0", "--algo", "PCN"], 2, "did you mean morl/DeepSeaTreasure"),
    ([*TRAIN, "ParetoQ"], 2, "did you mean ParetoQLearning"),
    ([*TRAIN, "PCN", "--set", "learning_rat=1"], 2, "did you mean learning_rate"),
    ([*TRAIN, "PCN", "--set", "learning_rate"], 2, "expected name=value"),
    ([*TRAIN, "PCN", "--set", "learning_rate=fast"], 2, "'fast'; expected a number"),
    ([*TRAIN, "PCN", "--ref-point", "0", "-25", "1"], 2, "3 numbers; expected 2"),
    ([*TRAIN, "PCN", "-n", "0"], 2, "0; expected at least 1"),
    ([*TRAIN, "LinearScalarization", "--weights", "0.5", "0.6"], 2, "sum to 1.1; expected a sum of 1"),
    ([*TRAIN, "LinearScalarization", "--weights", "1.5", "-0.5"], 2, "no negative weight"),
    ([*TRAIN, "LinearScalarization", "--weights", "1"], 2, "1 number; expected 2"),
    (["train", "--env", "morl/WaterReservoir-v0", "--algo", "ParetoQLearning"], 2, "needs discrete actions"),
    (["train", "--env", "CartPole-v1", "--algo", "PCN"], 1, "no vector reward"),
    (["solve", "morl/Minecart-v0"], 1, "no exact model"),
    (["solve", "nothing.npz"], 1, "does not exist"),
    (["solve", TREASURE, "--utility", "wurst"], 2, "did you mean worst"),
    (["solve", TREASURE, "--constraint", "time>=-5"], 2, "needs --utility"),
    (["eval", "nowhere"], 1, "does not exist"),
    (["compare", "nothing.csv"], 1, "cannot be read"),
    (["env", "show", "morl/Nope-v0"], 2, "unknown environment"),
    (["env", "show", "anything"], 2, "known: "),
    (["train", "--env", "deep sea treasure", "--algo", "PCN"], 2, "did you mean morl/DeepSeaTreasure-v0?"),
    ([*TRAIN, "PCN", "--set", "batchsize=64"], 2, "did you mean batch_size?"),
    ([*TRAIN, "PCN", "--import", "."], 1, "'.' is no module"),
    (["solve", TREASURE, "--import", "../lab/"], 1, "'../lab/' is no module"),
    (["compare", "/dev/null"], 1, "does not exist"),
    (["compare", __file__], 1, "is no front file"),
    (["train", "--algo", "PCN"], 2, "no environment is given"),
    (["train", "--algo", "PCN", "--protocol", "cmorl-2026"], 2, "did you mean cmorl-2025"),
    (["train", "--algo", "PCN", "--protocol", "pdmorl-dst", "--ref-point", "0", "-9"], 2, "leave out the protocol"),
    (["protocol", "show", "pgmorl"], 2, "did you mean pgmorl-2020"),
]


def test_a_run_under_a_protocol_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["train", "--algo", "MultiWeightQLearning", "--protocol", "pdmorl-dst", "-n", "400", "--out", str(tmp_path)]
    assert main([*words, "-q", "--name", "run"]) == 0
    front = Front.load(tmp_path / "run" / "front.json")
    assert front.provenance["protocol"] == "pdmorl-dst"
    assert front.ref_point is not None
    assert front.ref_point.tolist() == [0, -19]
    capsys.readouterr()
    assert main(["compare", str(tmp_path / "run"), "--protocol", "pdmorl-dst", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows[0]["hypervolume"] == pytest.approx(front.hypervolume())
    assert [row["name"] for row in rows] == ["run", "PD-MORL", "Envelope", "exact front"]
    code, message = error_of(capsys, ["compare", str(tmp_path / "run"), "--protocol", "cmorl-2025"])
    assert (code, "was measured under protocol pdmorl-dst" in message) == (1, True)
    code, message = error_of(capsys, ["compare", str(tmp_path / "run"), "--protocol", "pdmorl-dst", "--ref-point", "0"])
    assert (code, "does not go with --protocol" in message) == (1, True)


@pytest.mark.parametrize(("words", "code", "fragment"), MISTAKES, ids=[" ".join(w[:2] + w[-2:]) for w, *_ in MISTAKES])
def test_a_mistake_gets_one_clear_line(
    words: list[str],
    code: int,
    fragment: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, message = error_of(capsys, words)
    assert found == code, message
    assert fragment in message
    assert message.count("\n") == 1
    assert not list(tmp_path.iterdir()), "nothing is left half-written"


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(LookupError):
        main(["env", "show", "morl/Nope-v0", "--debug"])


def test_a_damaged_run_is_refused(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run_folder, copy)
    for file in (copy / "checkpoints").glob("arrays-*.safetensors"):
        file.write_bytes(file.read_bytes()[:-7])
    code, message = error_of(capsys, ["eval", str(copy)])
    assert code == 1
    assert "damaged" in message
    assert main(["runs", "verify", str(copy)]) == 1
    (copy / "config.json").write_text("{", encoding="utf-8")
    with pytest.warns(UserWarning, match=r"using the copy of it in seal\.json"):
        assert main(["compare", str(copy)]) == 0
    (copy / "seal.json").unlink()
    code, message = error_of(capsys, ["compare", str(copy)])
    assert code == 1
    assert "config.json" in message
    assert "damaged" in message


KILLED = """
import os, sys
from morl.runs import RunConfig, train

config = RunConfig("ParetoQLearning", sys.argv[2], 6000, checkpoint_every=2000)
train(config, sys.argv[1], name="parts", callbacks=[lambda agent: os._exit(9) if agent.num_timesteps > 4500 else None])
"""


def test_a_killed_run_ends_as_an_uninterrupted_one_does(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    words = ["--algo", "ParetoQLearning", "--env", TREASURE, "--checkpoint-every", "2000", "-q", "--out", str(tmp_path)]
    assert main(["train", *words, "-n", "6000", "--name", "whole"]) == 0
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), TREASURE], check=False)
    assert killed.returncode == 9
    assert main(["resume", str(tmp_path / "parts"), "-q"]) == 0

    def arrays(name: str) -> dict[str, np.ndarray]:
        folder = tmp_path / name / "checkpoints"
        return load_file(folder / json.loads((folder / "checkpoint.json").read_text())["arrays"])

    whole, parts = arrays("whole"), arrays("parts")
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        assert np.array_equal(value, parts[name]), name


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_an_interrupt_keeps_what_was_learned(tmp_path: Path) -> None:
    words = ["train", "--algo", "ParetoQLearning", "--env", TREASURE, "-n", "1000000000", "--out", str(tmp_path), "-q"]
    process = subprocess.Popen([sys.executable, "-m", "morl", *words], stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        time.sleep(0.1)
        if any((p / "metrics.jsonl").is_file() or (p / "status.json").is_file() for p in tmp_path.glob("*")):
            break
    time.sleep(3.0)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted after" in said
    assert "morl resume" in said
    (folder,) = tmp_path.iterdir()
    assert json.loads((folder / "status.json").read_text())["state"] == "interrupted"
    assert main(["eval", str(folder)]) == 0


def test_a_union_of_sampled_fronts_keeps_their_noise(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    points = [[0.0, 4.0], [1.9, 1.9], [4.0, 0.0]]
    Front(points, ["a", "b"], covariance=[np.eye(2)] * 3, episodes=[9] * 3).save(tmp_path / "a.json")
    Front([[3.9, 0.0]], ["a", "b"]).save(tmp_path / "b.json")
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--json"]) == 0
    reference = json.loads(capsys.readouterr().out)["reference"]
    assert (reference["kind"], reference["non_convex"], reference["within_noise"]) == ("union of the fronts", 0, 1)

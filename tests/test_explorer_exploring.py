"""What a page of fronts holds, from Python: its data, recordings, limits of size; no browser is needed."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import morl
from morl import Front, Objective
from morl.explorer.data import page_data
from morl.explorer.page import SCRIPTS, as_script
from morl.explorer.recording import FRAMES, STEPS, recording, recordings, sheet, worth_watching
from morl.spec import FrontError

COST = Objective("cost", "EUR", minimise=True)


def front(n: int = 5, **more: Any) -> Front:
    x = np.linspace(0, 1, n)
    return Front(np.column_stack([x, -10 * x**2]), ["gain", COST], **more)


def floats(text: str, kind: str = "<f8") -> Any:
    return np.frombuffer(base64.b64decode(text), kind)


def data_of(path: Path) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.S)
    assert found is not None
    return json.loads(found[1])


def test_the_data_are_the_fronts(tmp_path: Path) -> None:
    noisy = front(4, covariance=np.tile(np.eye(2) * 0.04, (4, 1, 1)), episodes=[0, 9, 9, 9])
    given = {"a": front(), "b": noisy}
    data = data_of(
        morl.explore(given, tmp_path / "page.html", reference=front(7, complete=True), commands={"a": "morl play a"})
    )
    assert floats(data["points"]).reshape(-1, 2).tolist() == np.vstack([f.points for f in given.values()]).tolist()
    assert data["ids"] == [*given["a"].ids, *noisy.ids]
    assert list(base64.b64decode(data["front"])) == [0] * 5 + [1] * 4
    kinds = [data["kinds"][i] for i in base64.b64decode(data["kind"])]
    assert kinds == [*given["a"].kinds, *noisy.kinds]
    covariance = floats(data["covariance"], "<f4").reshape(-1, 2, 2)
    exact = [*range(5), 8]  # the first front, and the point of 0 episodes
    assert not covariance[exact].any()
    assert np.allclose(covariance[5:8], np.eye(2) * 0.04)
    assert data["episodes"] == [0] * 5 + [9, 9, 9, 0]
    assert data["reference"]["name"] == "exact front"
    assert data["objectives"][1] == {"name": "cost", "label": "cost (EUR)", "sign": -1.0}
    assert [f["command"] for f in data["fronts"]] == ["morl play a", None]


def test_weights_count_on_the_return_scale_or_on_the_range_of_the_points() -> None:
    stated = page_data({"a": front(scale=([0, -20], [4, 0]))})["scale"]
    assert stated == {"low": [0, -20], "high": [4, 0], "stated": True}
    assert page_data({"a": front()})["scale"] == {"low": [0, -10], "high": [1, 0], "stated": False}


def test_questions_are_about_points_that_some_weight_finds() -> None:
    data = page_data({"a": Front([[0, 4], [1, 1], [4, 0], [0, 0]])})
    points = floats(data["points"]).reshape(-1, 2).tolist()
    assert [points[i] for i in data["options"]] == [[4, 0], [1, 1], [0, 4]]
    assert [points[i] for i in data["rivals"]] == [[4, 0], [0, 4]]


def test_one_point_and_one_objective_make_a_page(tmp_path: Path) -> None:
    for values in ([[1.0, 2.0]], [[3.0], [1.0]], np.full((3, 2), 7.0)):
        data = data_of(morl.explore(Front(values), tmp_path / "page.html"))
        assert all(high > low for low, high in data["ranges"])


@pytest.mark.parametrize(
    ("fronts", "reference", "message"),
    [
        ({}, None, "nothing to explore"),
        ({"a": Front(np.zeros((0, 2)), ["x", "y"])}, None, "front 'a' has no points; there is nothing to explore"),
        (
            {"a": front(), "b": Front([[1, 2]], ["gain", "cost"])},
            None,
            r"'b' has the objectives gain, cost; 'a' has gain, cost \(minimise\)",
        ),
        ({"a": front()}, Front([[1, 2, 3]]), "'exact front' has the objectives r0, r1, r2"),
        ({str(i): Front([[0, 0]]) for i in range(257)}, None, "257 fronts for one page; expected at most 256"),
    ],
)
def test_what_makes_no_page_says_so_in_one_line(tmp_path: Path, fronts: Any, reference: Any, message: str) -> None:
    with pytest.raises(FrontError, match=message) as caught:
        morl.explore(fronts, tmp_path / "page.html", reference=reference)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_page_that_is_too_large_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("morl.explorer.exploring.LARGEST", 1_000_000)
    with pytest.raises(FrontError, match=r"the page has 1\.\d MB; expected at most 1"):
        morl.explore(front(), tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_no_text_of_data_is_markup() -> None:
    for text in ("</script>", "<!--<script>", "\u2028\u2029", "]]>", "&lt;", "\x00"):
        written = as_script({"a": text})
        assert not set(written) & set("<>&\u2028\u2029\x00")
        assert json.loads(written) == {"a": text}


def test_scripts_of_the_page_end_no_script_and_write_no_markup() -> None:
    folder = Path(morl.__file__).parent / "explorer" / "static"
    for name in SCRIPTS:
        text = (folder / name).read_text(encoding="utf-8")
        assert "</script" not in text
        if not name.startswith("vendor"):
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text)


def test_recordings_fit_their_budget() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (8, 60, 80, 3), dtype=np.uint8)  # hardly compresses

    def play(point: int) -> Iterator[Any]:
        yield from (([point, 0.1 * t], noise[t]) for t in range(8))

    alone = len(json.dumps(recording(play(0))))
    found = recordings([4, 2, 9], play, alone + 400)
    assert list(found) == [4, 2, 9]
    assert [one["frames"] is None for one in found.values()] == [False, True, True]
    assert found[9]["rewards"][7] == [9, 0.7]
    assert recordings([4, 2], play, 50) == {}


def test_long_episodes_are_cut_and_thinned() -> None:
    made = recording(([1.0], np.zeros((4, 4, 3), np.uint8)) for _ in range(STEPS + 7))
    assert made["cut"]
    assert made["steps"] == STEPS
    frames = made["frames"]
    assert frames["count"] <= FRAMES
    assert (frames["count"] - 1) * frames["every"] < STEPS <= frames["count"] * frames["every"]


def test_policies_without_pictures_have_rewards() -> None:
    assert recording([([1, 2], None), ([3, 4], "text")])["frames"] is None
    assert sheet([]) is None


def test_worth_watching_are_the_best_of_each_and_what_lies_apart() -> None:
    points = np.random.default_rng(0).random((200, 3))
    chosen = worth_watching(Front(points), 10)
    ordered = Front(points).points
    assert chosen[:3] == ordered.argmax(axis=0).tolist()
    assert len(set(chosen)) == 10
    assert worth_watching(Front([[1, 1]]), 5) == [0]
    assert len(worth_watching(Front([[1, 1], [1, 1]]), 5)) == 2


def test_a_widget_holds_the_page_and_hears_of_the_point() -> None:
    pytest.importorskip("anywidget")
    made = morl.explore(front())
    assert "Content-Security-Policy" in made.page
    made.point = front().ids[0]  # as the page's message sets it
    assert made.point == front().ids[0]


def test_commands_write_pages_of_runs_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from morl.cli.app import main

    root = tmp_path / "runs"
    words = "train --algo ParetoQLearning --env morl/DeepSeaTreasureConcave-v0 -n 3000 --seed 0 --name a --out"
    assert main([*words.split(), str(root)]) == 0
    out = tmp_path / "deep" / "page.html"
    assert main(["explore", str(root), "-o", str(out), "--recordings", "2", "--steps", "30"]) == 0
    data = data_of(out)
    assert 0 < len(data["media"]) <= 2
    one = next(iter(data["media"].values()))
    assert one["steps"] == len(one["rewards"]) <= 30
    assert one["frames"]["image"].startswith("data:image/")
    assert data["fronts"][0]["command"] == f"morl play {root / 'a'}"
    assert data["reference"]["name"] == "exact front"
    table = tmp_path / "points.csv"
    table.write_text("gain,cost (minimise)\n1,2\n3,4\n")
    assert main(["explore", str(table), "-o", str(out)]) == 0
    assert "no recordings of points" in capsys.readouterr().err
    assert data_of(out)["media"] == {}
    (tmp_path / "empty").mkdir()
    assert main(["explore", str(tmp_path / "empty"), "-o", str(out)]) == 1
    assert "holds no run that has a front" in capsys.readouterr().err

"""The runs that ship with the package: whole, small, and worth what their fronts say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from strangers import command

from morl.agents import registry
from morl.cli import main
from morl.pareto.intervals import standard_errors
from morl.runs import RunFolder, load_agent, verify
from morl.runs.playing import Opened, measure
from morl.runs.zoo import SHIPPED, names_in
from morl.spec import RunError
from morl.zoo import cards

NAMES = names_in(SHIPPED)
LONGER = {"deep-sea-treasure-envelope"}
"""Those that take more than a second to measure."""


def test_they_are_small_and_their_cards_tell_what_they_are() -> None:
    assert len(NAMES) >= 4
    assert sum(file.stat().st_size for file in SHIPPED.rglob("*") if file.is_file()) <= 10_000_000
    for name, card in cards().items():
        run = RunFolder.open(f"zoo:{name}")
        assert card is not None
        assert (card.environment, card.points) == (run.config["env"], len(run.front()))
        assert registry.get(card.algorithm).info.name == run.config["algo"]
        assert card.licence == "MIT"
        assert card.command.startswith(f"morl train --algo {card.algorithm}")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LONGER else n for n in NAMES])
def test_each_is_whole_and_measures_as_it_says(name: str) -> None:
    """A mean of fresh episodes differs from the stated one by no more than their standard errors allow.

    On another processor a network may choose otherwise where two actions are nearly equal: its policy is then another
    of the front's (measured: one of ten, at a preference between two of them). A table may not.
    """
    run = RunFolder.open(f"zoo:{name}")
    assert verify(run) == []
    stated, agent = run.front(), load_agent(run)
    opened, errors = Opened(agent, None, stated), standard_errors(stated)
    elsewhere = []
    for i in range(0, len(stated), max(1, len(stated) // 8)):
        fresh = measure(agent, opened.policy(stated.ids[i]), 50, seed=11)
        allowed = 5 * np.hypot(errors, standard_errors(fresh)[0]) + 1e-9
        same = (np.abs(stated.points - fresh.points[0]) <= allowed).all(axis=1)
        assert same.any(), stated.ids[i]
        if not same[i]:
            elsewhere.append(stated.ids[i])
    assert len(elsewhere) <= (2 if hasattr(agent, "device") else 0), elsewhere


def test_names_work_wherever_a_run_does(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = "zoo:deep-sea-treasure"
    folder = RunFolder.open(run)
    point, before = folder.front().ids[0], sorted(folder.path.rglob("*"))
    for words in (
        ["front", run, "--csv", str(tmp_path / "front.csv"), "--plot", str(tmp_path / "front.png")],
        ["play", run, "--point", point],
        ["choose", run, "treasure >= 5"],
        ["compare", run, "--reference", run],
        ["explore", run, "--out", str(tmp_path / "page.html"), "--recordings", "1"],
        ["eval", run, "--point", point],
        ["plot", run, "--out", str(tmp_path / "curves.png")],
        ["runs", "verify", run],
        ["zoo", "list"],
    ):
        assert main(words) == 0, words
    assert sorted(folder.path.rglob("*")) == before, "a run of the zoo is never written"
    assert "wrote None" not in capsys.readouterr().err


def test_what_does_not_work_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for words, code, said in (
        (["front", "zoo:deep-sea"], 2, "did you mean deep-sea-treasure"),
        (["front", "zoo:../../x"], 2, "unknown run of the zoo"),
        (
            ["resume", "zoo:deep-sea-treasure", "-n", "10", "-q"],
            1,
            "go on with a copy: morl zoo pull zoo: deep-sea-treasure --out runs",
        ),
        (["export", "zoo:deep-sea-treasure", "--out", "x.npz", "--preference", "1", "0"], 2, "no table"),
        (["zoo", "list", "no/such/folder"], 1, "no such folder"),
    ):
        assert command(words) == code, words
        assert said in capsys.readouterr().err
    with pytest.raises(RunError, match=r"symbolic link|does not exist"):
        RunFolder.open(SHIPPED / "nothing")

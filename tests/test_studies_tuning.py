"""Tuning: trials of several seeds, given up by their intervals, gone on with after a kill; the winner is a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from morl.agents.core.config import load_options
from morl.spec import MorlError
from morl.studies.search import Choice, Range, TuneSpec
from morl.studies.tuning import to_toml

TINY: dict[str, Any] = {
    "name": "tiny",
    "algo": "MultiWeightQLearning",
    "environments": ["morl/DeepSeaTreasureConcave-v0"],
    "steps": 300,
    "seeds": 3,
    "eval_share": 0.0,
    "trials": 5,
    "search": {"epsilon_end": {"low": 0.01, "high": 0.5, "log": True}, "exploration": [0.1, 0.9]},
}


def test_ranges_and_choices_are_read() -> None:
    spec = TuneSpec.from_dict({**TINY, "search": {"n_envs": {"low": 1, "high": 8, "step": 2}, "epsilon": [0.5]}})
    assert spec.search == {"n_envs": Range(1, 8, False, 2), "epsilon": Choice((0.5,))}
    assert spec.objectives == ("hypervolume",)
    assert spec.held_out == ()
    assert TuneSpec.from_dict({**TINY, "held_out": [7, 8]}).held_out == (7, 8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"algo": None}, "algo"),
        ({"search": {}}, "searches nothing"),
        ({"search": {"epsilonn": [0.1]}}, "did you mean"),
        ({"search": {"epsilon": {"low": 0.0, "high": 2.0}}}, "epsilon"),
        ({"search": {"epsilon": {"low": 0.5, "high": 0.1}}}, "low < high"),
        ({"search": {"epsilon": {"low": 0.0, "high": 0.5, "log": True}}}, "above 0 with log"),
        ({"search": {"epsilon": 0.5}}, "list of values"),
        ({"search": {"epsilon": {"low": "a", "high": 1}}}, "expected numbers"),
        ({"objectives": ["speed"]}, "objective"),
        ({"objectives": []}, "expected a list"),
        ({"trials": 0}, "trials"),
        ({"pruning": True}, "pruning"),
    ],
)
def test_what_is_not_as_expected_is_said_in_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(MorlError, match=said) as caught:
        TuneSpec.from_dict({**TINY, **change})
    assert "\n" not in str(caught.value)


plain = st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(max_size=8)
values = st.recursive(plain, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=4), x, max_size=3))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.text(min_size=1, max_size=6), values, max_size=4))
def test_option_files_give_back_the_options(options: dict[str, Any]) -> None:
    import tomllib

    try:
        read = tomllib.loads(to_toml(options))
    except UnicodeEncodeError:
        return
    assert read == options


def test_the_winner_is_an_option_file_and_tuning_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    from morl.studies import tune

    found = tune({**TINY, "trials": 3}, tmp_path / "tuning")
    assert found.trials == 3
    assert load_options(tmp_path / "tuning" / "winner.toml") == found.options
    journal = tmp_path / "tuning" / "journal.log"
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "wor')  # a kill in the middle of a line
    began = {path.name for path in (tmp_path / "tuning" / "trials").iterdir()}
    more = tune({**TINY, "held_out": [10, 11]}, tmp_path / "tuning")
    assert more.trials == 5
    assert {path.name for path in (tmp_path / "tuning" / "trials").iterdir()} > began
    assert more.value >= found.value
    lines = (tmp_path / "tuning" / "trials.csv").read_text().splitlines()
    assert len(lines) == 6
    assert lines[0] == "trial,state,seeds,hypervolume,epsilon_end,exploration,scores"
    assert more.held_out is not None
    fronts = more.held_out.fronts()["DeepSeaTreasureConcave-v0"]
    assert {name: sorted(seeds) for name, seeds in fronts.items()} == {"before": [10, 11], "tuned": [10, 11]}


def test_a_trial_is_given_up_when_its_interval_lies_below_the_best(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    from morl.studies.tuning import Trials

    search = optuna.create_study(direction="maximize")
    trials = Trials(TuneSpec.from_dict(TINY), tmp_path, {})
    assert not trials._is_hopeless([np.array([0.0, 0.1])], search)  # nothing to be worse than
    search.tell(search.ask(), 10.0)
    assert trials._is_hopeless([np.array([0.0, 0.1])], search)
    assert not trials._is_hopeless([np.array([0.0, 9.0])], search)
    assert not trials._is_hopeless([np.array([10.0, 10.1])], search)


def test_pruned_trials_take_fewer_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    from morl.studies import tune
    from morl.studies.tuning import Trials

    monkeypatch.setattr(Trials, "_is_hopeless", lambda self, groups, search: len(search.trials) > 1)
    found = tune({**TINY, "trials": 3}, tmp_path / "tuning")
    assert (found.trials, found.pruned) == (3, 2)
    rows = [line.split(",")[1:3] for line in (tmp_path / "tuning" / "trials.csv").read_text().splitlines()[1:]]
    assert rows == [["complete", "3"], ["pruned", "2"], ["pruned", "2"]]


def test_several_objectives_are_searched_together(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    from morl.studies import tune

    spec = {**TINY, "trials": 2, "seeds": 1, "objectives": ["igd_plus", "seconds"]}
    found = tune(spec, tmp_path / "tuning")
    assert found.trials == 2
    with pytest.raises(MorlError, match="other objectives"):
        tune({**spec, "objectives": ["hypervolume"]}, tmp_path / "tuning")

"""Trackers hear what a run measures, are imported only when asked for, and never stop a run."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from run_folders import CONFIG
from strangers import command

from morl.runs import RunFolder, resume, trackers, train
from morl.runs.trackers import TRACKERS, check_tracker
from morl.spec import MissingExtraError, UnknownNameError

SHORT = dataclasses.replace(CONFIG, steps=400, checkpoint_every=200)


class Recorder:
    """Stands for a run of wandb or trackio, and for a client of MLflow."""

    def __init__(self, *names: Any, **facts: Any) -> None:
        self.names, self.facts = names, facts
        self.rows: dict[int, dict[str, float]] = {}
        self.ended = 0

    def log(self, values: dict[str, float], step: int) -> None:
        """As runs do."""
        self.rows.setdefault(step, {}).update(values)

    def finish(self) -> None:
        """As runs do."""
        self.ended += 1


def installed(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    """A module that can be found and imported."""
    module = ModuleType(name)
    module.__spec__ = importlib.util.spec_from_loader(name, None)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_the_numbers_of_the_run_arrive(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Recorder] = []

    def init(*names: Any, **facts: Any) -> Recorder:
        made.append(Recorder(*names, **facts))
        return made[-1]

    installed(monkeypatch, name, init=init)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    run = train(dataclasses.replace(SHORT, track=name), tmp_path, name="r")
    (heard,) = made
    assert heard.ended == 1
    assert heard.facts["config"]["algo"] == "ParetoQLearning"
    assert heard.facts["resume"] == "allow"
    if name == "wandb":
        assert heard.facts["mode"] == "offline"
    for row in run.metrics():
        expected = {key: value for key, value in row.items() if key != "step" and isinstance(value, int | float)}
        assert expected.items() <= heard.rows[row["step"]].items()
    resume(RunFolder.open(run.path), 100)
    assert made[1].names == heard.names
    assert made[1].facts.get("id") == heard.facts.get("id")


class Client:
    """MLflow's client, as far as it is used."""

    runs: list[Any] = []  # noqa: RUF012

    def get_experiment_by_name(self, name: str) -> None:
        """There is none."""

    def create_experiment(self, name: str) -> str:
        """One."""
        return "1"

    def search_runs(self, experiments: list[str], query: str, max_results: int) -> list[Any]:
        """Those with the tag."""
        return [run for run in self.runs if query == f"tags.`morl.run` = '{run.tag}'"]

    def create_run(self, experiment: str, run_name: str, tags: dict[str, str]) -> Any:
        """One more."""
        run = Recorder()
        run.info, run.tag, run.params = run, tags["morl.run"], {}  # type: ignore[attr-defined]
        run.run_id = len(self.runs)  # type: ignore[attr-defined]
        self.runs.append(run)
        return run

    def log_param(self, id: int, name: str, value: str) -> None:
        """A parameter."""
        self.runs[id].params[name] = value

    def log_metric(self, id: int, name: str, value: float, step: int) -> None:
        """A number."""
        self.runs[id].log({name: value}, step)

    def set_terminated(self, id: int) -> None:
        """The end."""
        self.runs[id].finish()


def test_a_resumed_run_goes_on_in_its_run_of_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "runs", [])
    installed(monkeypatch, "mlflow")
    installed(monkeypatch, "mlflow.tracking", MlflowClient=Client)
    run = train(dataclasses.replace(SHORT, track="mlflow"), tmp_path)
    resume(RunFolder.open(run.path), 100)
    (heard,) = Client.runs
    assert heard.ended == 2
    assert heard.params["steps"] == "400"
    assert max(heard.rows) > 400


def test_a_tracker_that_fails_is_given_up_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Recorder):
        def log(self, values: dict[str, float], step: int) -> None:
            raise ConnectionError("no\nnetwork")

    installed(monkeypatch, "trackio", init=Broken)
    with pytest.warns(UserWarning, match=r"trackio is given up \(ConnectionError: no\)"):
        run = train(dataclasses.replace(SHORT, track="trackio"), tmp_path)
    assert run.state == "finished"
    assert run.metrics()


def test_what_is_missing_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trackers, "is_installed", lambda name: False)
    for name, (_, extra) in TRACKERS.items():
        with pytest.raises(MissingExtraError, match=rf"morl-suite\[{extra}\]"):
            check_tracker(name)
    with pytest.raises(UnknownNameError, match="did you mean wandb"):
        check_tracker("wandbb")
    words = ["train", "--algo", "ParetoQLearning", "--env", CONFIG.env, "-n", "100", "--out", str(tmp_path / "runs")]
    assert command([*words, "--track", "mlflow"]) == 1
    assert "pip install 'morl-suite[mlflow]'" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TRACKERS))
def test_the_real_ones_take_a_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: Any) -> None:
    """Where they are installed; nothing is given up, and the run's folder stays readable."""
    pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    for variable in ("WANDB_MODE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    run = train(dataclasses.replace(SHORT, track=name), "runs")
    resume(RunFolder.open(run.path), 100)
    assert not [str(one.message) for one in recwarn if "given up" in str(one.message)]
    assert any(tmp_path.rglob({"tensorboard": "events.out.*", "mlflow": "mlflow*"}.get(name, "*")))

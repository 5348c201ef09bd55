"""Baselines of a run: what doing nothing and random actions earn, and when a front is hardly better."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import morl
from morl import agents
from morl.pareto import Front
from morl.runs import RunConfig, evaluate, train
from morl.runs.baselines import no_better, with_baselines

NAMES = ["a", "b"]


def front(points: object, **fields: object) -> Front:
    return Front(points, NAMES, **{"ref_point": [0, 0], "discount": 1, **fields})


@pytest.mark.parametrize(
    ("points", "scale", "said"),
    [
        ([[2, 2]], None, None),
        ([[1, 1]], None, "hypervolume 1, that of doing nothing 1"),
        ([[1, 0.5]], None, "hypervolume 0.5, that of doing nothing 1"),
        ([[1.1, 1]], ([0, 0], [10, 10]), "hypervolume 1.1, that of doing nothing 1"),  # 0.1 of the 99 that there are
        ([[3, 1]], ([0, 0], [10, 10]), None),
        ([[-1, 5]], ([-2, 0], [2, 10]), "hypervolume 0, that of doing nothing 1"),
        ([[-1, 5]], None, "hypervolume 0, that of doing nothing 1"),
    ],
)
def test_hypervolume_says_who_earns_more(points: object, scale: object, said: str | None) -> None:
    assert no_better(front(points, scale=scale), {"random": [0.5, 0.5], "do_nothing": [1.0, 1.0]}) == said


def test_utility_says_it_where_there_is_no_reference_point() -> None:
    assert no_better(front([[3, 3]], ref_point=[5, 5]), {"random": [1, 1]}) == "hypervolume 0, that of random actions 0"
    none = {"ref_point": None, "scale": ([0, 0], [4, 4])}
    assert no_better(front([[3, 3]], **none), {"random": [1.0, 1.0]}) is None
    said = no_better(front([[1, 1]], **none), {"random": [1.0, 1.0]})
    assert said == "expected utility 0.25, that of random actions 0.25"
    assert no_better(front([[1, 1]], ref_point=None), {"random": [2.0, 2.0]}) is None  # nothing to measure by
    assert no_better(front([[1, 1]])) is None  # no baselines
    assert no_better(front(np.zeros((0, 2))), {"random": [2.0, 2.0]}) is None


def test_returns_are_exact_where_there_is_a_model() -> None:
    agent = agents.ParetoQLearning("morl/DeepSeaTreasure-v0", seed=0).learn(200)
    found = with_baselines(agent.front(), agent).provenance["baselines"]
    np.testing.assert_allclose(found["do_nothing"], [0, -1 / (1 - agent.discount)])  # upwards, against the edge
    assert found["random"][1] < 0 < found["random"][0]


def test_a_run_says_what_its_baselines_earn_and_warns_where_it_is_no_better(tmp_path: Path) -> None:
    config = RunConfig("MultiWeightQLearning", "morl/ResourceGathering-v0", 50)
    with pytest.warns(UserWarning, match=r"MultiWeightQLearning has learned is hardly better .* random|doing nothing"):
        run = train(config, tmp_path)
    known = run.front().provenance["baselines"]
    assert known.keys() == {"do_nothing", "random"}
    assert run.state == "finished"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        good = train(RunConfig("ParetoQLearning", "morl/DeepSeaTreasure-v0", 3000), tmp_path)
    again = evaluate(good, seed=3)
    assert again.provenance["baselines"] == good.front().provenance["baselines"]


def test_gain_is_the_share_of_the_way_from_doing_nothing() -> None:
    exact = front([[0, 4], [4, 0], [3, 3]], ref_point=[-1, -1])
    learned = front([[0, 4], [4, 0]], ref_point=[-1, -1], provenance={"baselines": {"do_nothing": [0.0, 1.0]}})
    result = morl.compare(exact, learned, names=["mine"])
    whole, idle, mine = 1 * 5 + 3 * 4 + 1, 2.0, 9.0
    assert result.nothing == idle
    assert result["mine"].gain == pytest.approx((mine - idle) / (whole - idle))
    assert result.reference.gain == 1.0
    assert "doing nothing: hypervolume 2; gain" in result.table()
    assert " gain " in result.table()
    assert result.to_dict()["nothing"] == idle


@pytest.mark.parametrize("known", [None, {}, {"do_nothing": [1.0]}, {"do_nothing": "ab"}, {"do_nothing": [1.0, None]}])
def test_without_a_baseline_there_is_no_gain(known: object) -> None:
    result = morl.compare(front([[2, 2]]), front([[1, 1]], provenance={"baselines": known}), names=["mine"])
    assert np.isnan(result["mine"].gain)
    assert "gain" not in result.table()

"""``morl.solve`` and ``morl solve``: one function answers both, whatever is asked."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import morl
from morl import exact
from morl.cli import main
from morl.spec import ModelError, MorlError, SpecError, UnknownNameError, shown

LAB, SEA = "morl/ScientificDiscovery-v0", "morl/DeepSeaTreasureConcave-v0"
BOUND = {LAB: "money>=-4", SEA: "treasure>=2"}


def both(capsys, problem, **asked):
    """What Python and the command line answer to the same question: ``(points or error, printed or message)``."""
    words = ["solve", problem, "--json"]
    for name, value in asked.items():
        values = value if isinstance(value, list) else [value]
        words += [w for v in values for w in ("--" + name.rstrip("s" if name == "constraints" else ""), str(v))]
    capsys.readouterr()
    code = main(words)
    out = capsys.readouterr()
    try:
        front = morl.solve(problem, **asked)
    except MorlError as error:
        assert code != 0
        return None, str(error), out.err
    assert code == 0, out.err
    return front, json.loads(out.out), ""


@pytest.mark.parametrize(
    ("problem", "policies"),
    [(LAB, "mixture"), (LAB, "stationary"), (SEA, "mixture"), (SEA, "stationary"), (SEA, "history")],
)
@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("utility", ["worst", "linear", "lex", "threshold:1,-3"])
def test_utilities_of_the_expected_return(capsys, problem, policies, bound, utility):
    utility = "threshold:1,-3,0" if problem == LAB and utility.startswith("threshold") else utility
    asked = {"policies": policies, "utility": utility, "discount": 0.9}
    front, printed, said = both(capsys, problem, **asked, **({"constraints": [BOUND[problem]]} if bound else {}))
    if front is None:
        assert printed in said
        return
    assert len(front) == 1
    assert printed["value"] == pytest.approx(shown(front.points[0], front.objectives).tolist(), abs=0)
    assert printed["utility value"] == front.provenance["value"]
    assert printed["utility"] == front.provenance["utility"]
    assert printed["policy class"] == front.provenance["policy_class"]
    assert front.provenance["env"] == problem


@pytest.mark.parametrize(("problem", "risk"), list(product([LAB, SEA], [None, "cvar:0.5", "quantile:0.5"])))
def test_utilities_of_the_return_of_an_episode(capsys, problem, risk):
    asked = {"utility": "worst", "criterion": "esr", "discount": 1.0, **({"risk": risk} if risk else {})}
    if problem == SEA:
        asked["horizon"] = 8
    front, printed, said = both(capsys, problem, **asked)
    if front is None:
        assert printed in said
        return
    assert printed["value"] == pytest.approx(shown(front.points[0], front.objectives).tolist(), abs=0)
    assert printed["utility value"] == front.provenance["value"]
    assert printed["measure"] == front.provenance["measure"] == (risk or "expectation")


@pytest.mark.parametrize(("problem", "policies"), [(LAB, "mixture"), (LAB, "stationary"), (SEA, "history")])
@pytest.mark.parametrize("epsilon", [None, 0.05])
def test_fronts(capsys, problem, policies, epsilon):
    front, printed, _ = both(capsys, problem, policies=policies, **({} if epsilon is None else {"epsilon": epsilon}))
    assert morl.Front.from_dict(printed).points.tolist() == front.points.tolist()
    assert printed["epsilon"] == front.epsilon


@pytest.mark.parametrize(
    "asked",
    [
        {"constraints": ["money>=-4"]},
        {"risk": "cvar:0.5"},
        {"criterion": "esr"},
        {"utility": "worst", "risk": "cvar:0.5"},
        {"utility": "worst", "criterion": "esr", "risk": "cvar"},
        {"utility": "worst", "criterion": "esr", "constraints": ["money>=-4"]},
        {"utility": "worst", "criterion": "esr", "policies": "markov"},
        {"utility": "lex", "criterion": "esr"},
        {"utility": "worst", "policies": "stationary", "constraints": ["money<=-4"]},
        {"utility": "wurst"},
    ],
)
def test_what_does_not_go_together_is_refused_by_both(capsys, asked):
    front, error, said = both(capsys, LAB, **asked)
    assert front is None
    assert error
    assert said.strip().count("\n") == 0


def test_a_function_of_ones_own(capsys, tmp_path: Path):
    (tmp_path / "mine.py").write_text("def least(r):\n    return min(r[0] / 10, 1 + r[1] / 20)\n")

    def least(r):
        return min(r[0] / 10, 1 + r[1] / 20)

    words = ["solve", SEA, "--discount", "1", "--policies", "history", "--json"]
    assert main([*words, "--utility", f"{tmp_path / 'mine.py'}:least"]) == 0
    printed = json.loads(capsys.readouterr().out)
    front = morl.solve(SEA, "history", discount=1.0, utility=least)
    every = morl.solve(SEA, "history", discount=1.0).points
    assert printed["utility value"] == front.provenance["value"] == max(map(least, every))
    assert printed["utility"] == front.provenance["utility"] == "least"
    with pytest.raises(SpecError, match="least"):
        morl.solve(SEA, discount=1.0, utility=least)  # mixtures need a utility of a known shape


def test_the_order_of_objectives_on_the_command_line(capsys):
    assert main(["solve", LAB, "--lexicographic", "money", "accuracy", "--slack", "0.5", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    model = morl.make(LAB).unwrapped.momdp()
    found = exact.lexicographic(model, ["money", "accuracy"], 0.5)
    assert np.abs(printed["value"]) == pytest.approx(np.abs(found.value))


def test_the_solver_of_models_takes_models_only():
    with pytest.raises(ModelError, match=r"morl\.solve takes"):
        exact.solve(SEA)
    with pytest.raises(UnknownNameError, match="criterion"):
        morl.solve(LAB, utility="worst", criterion="sir")


def test_a_front_that_ran_out_of_time_says_so():
    """Whoever gives no time limit gets one; what it leaves out is certified and shown as not complete."""
    env = morl.make("morl/Fishwood-v0").unwrapped
    whole, part = env.pareto_front(), env.pareto_front(time_limit=0.0)
    assert whole.complete
    assert not part.complete
    assert part.epsilon is not None
    assert np.isfinite(part.epsilon)
    for point in whole.points:  # the certificate holds
        assert (point <= part.points + part.epsilon + 1e-9).all(axis=1).any()
    assert part.to_dict()["complete"] is False

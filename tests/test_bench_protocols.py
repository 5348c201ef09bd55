"""Protocols: their numbers by independent computation, their names, and what does not go together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import morl
from morl.bench import Setup, compare_under, get, names, setup_of
from morl.pareto import Front
from morl.runs import RunConfig
from morl.spec import FrontError, SpecError, UnknownNameError

SETUPS = [(name, setup) for name in names() for setup in get(name).setups]
WORDS = [f"{name} {setup.problem}" for name, setup in SETUPS]


@pytest.mark.parametrize(("name", "setup"), SETUPS, ids=WORDS)
def test_every_set_up_is_complete(name: str, setup: Setup) -> None:
    assert get(name).setup(setup.problem) is setup
    assert setup.published
    assert {p.known for p in setup.published} <= {"read", "figure", "recalled", "derived"}
    for row in setup.published:
        assert row.hypervolume is None or row.hypervolume > 0
    assert (setup.steps > 0, setup.episodes > 0, 0 < setup.discount <= 1) == (True, True, True)
    assert setup.env in {entry.id for entry in morl.envs.entries()}


@pytest.mark.parametrize(("name", "setup"), SETUPS, ids=WORDS)
def test_environments_are_made_with_as_many_objectives(name: str, setup: Setup) -> None:
    if "depth-7" in setup.problem:
        pytest.skip("its model is large")
    group = next(entry for entry in morl.envs.entries() if entry.id == setup.env).extra
    if group:
        pytest.importorskip(group)
    env = morl.make(setup.env, **setup.env_options)
    assert len(env.unwrapped.mo_spec.names) == len(setup.ref_point)
    env.close()


def test_the_page_names_every_protocol_and_environment() -> None:
    page = (Path(__file__).parents[1] / "docs" / "howto" / "protocols.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(" `"): line for line in page.splitlines() if line.startswith("| `")}
    assert set(rows) == set(names())
    for name in names():
        assert all(setup.problem in rows[name] for setup in get(name).setups)


@pytest.mark.parametrize("words", [("pdmorl-dst", None), ("pdmorl-ftn", "fruit-tree-depth-5")])
def test_derived_numbers_are_those_of_the_exact_front(words: tuple[str, str | None]) -> None:
    setup = setup_of(*words)
    front = morl.make(setup.env, **setup.env_options).unwrapped.pareto_front(setup.discount)
    derived = next(p for p in setup.published if p.known == "derived")
    assert setup.measure(front)[0] == pytest.approx(derived.hypervolume, abs=0.01)


def test_utility_is_the_mean_over_even_weights() -> None:
    setup = setup_of("openrlbenchmark-2023", "mo-hopper-2d-v4")
    points = np.array([[10.0, 2.0], [3.0, 8.0], [1.0, 1.0]])
    weights = np.linspace(0, 1, setup.weights)
    expected = np.mean([max(w * a + (1 - w) * b for a, b in points) for w in weights])
    volume, utility = setup.measure(Front(points, ["forward", "height"], discount=0.99))
    assert utility == pytest.approx(expected)
    assert volume == pytest.approx(110 * 102 + 103 * 108 - 103 * 102)


def test_names_are_found_and_suggested() -> None:
    assert setup_of("CMORL-2025", "morl/Ant2Obj-v5").problem == "mo-ant-2d-v4"
    assert setup_of("pdmorl-ftn", "FruitTree-v0", {"depth": 6}).problem == "fruit-tree-depth-6"
    with pytest.raises(UnknownNameError, match=r"unknown protocol 'cmorl-2024'; did you mean cmorl-2025"):
        get("cmorl-2024")
    with pytest.raises(
        UnknownNameError, match=r"environment of protocol cmorl-2025 'mo-ant-2d'; did you mean mo-ant-2d"
    ):
        setup_of("cmorl-2025", "mo-ant-2d")
    with pytest.raises(SpecError, match="several environments; name one of MO-HalfCheetah-v2, "):
        setup_of("pgmorl-2020")
    with pytest.raises(SpecError, match="FruitTree-v0 with several arguments; name one of fruit-tree-depth-5"):
        setup_of("pdmorl-ftn", "morl/FruitTree-v0")


def test_a_configuration_under_a_protocol_is_whole() -> None:
    config = RunConfig.under("pgmorl-2020", "CAPQL", "MO-Swimmer-v2", steps=10, options={"alpha": 0.1})
    assert (config.steps, config.episodes, config.ref_point) == (10, 1, (0.0, 0.0))
    assert dict(config.options) == {"alpha": 0.1, "discount": 0.995}
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    again = RunConfig.under("pdmorl-ftn", "PCN", "FruitTree-v0", env_options={"depth": 5}, ref_point=[0] * 6)
    assert again.env_options == {"depth": 5}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"options": {"discount": 0.9}}, r"discount 0\.9 given; the protocol measures mo-hopper-2d-v4 with 0\.99"),
        ({"ref_point": (0, 0)}, r"reference point \(0\.0, 0\.0\) given; .* with \(-100\.0, -100\.0\)"),
        ({"env_options": {"max_steps": 1000}}, r"environment options \{'max_steps': 1000\} given; .* with .*500"),
    ],
)
def test_what_contradicts_a_protocol_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        RunConfig.under("cmorl-2025", "CAPQL", "mo-hopper-2d-v4", **given)


def front_of(protocol: str | None, **more: object) -> Front:
    facts = {"env": "morl/DeepSeaTreasure-v0", **({} if protocol is None else {"protocol": protocol}), **more}
    return Front([[0.7, -1.0], [23.7, -17.0]], ["treasure", "time"], discount=0.99, provenance=facts)


def test_fronts_stand_beside_what_was_published() -> None:
    result = compare_under("pdmorl-dst", {"mine": front_of("pdmorl-dst", steps=30, seconds=90.0)})
    first, *others = result.rows
    assert (first.name, first.steps, first.points, first.minutes) == ("mine", 30, 2, 1.5)
    assert first.hypervolume == pytest.approx(0.7 * 18 + 23.7 * 2 - 0.7 * 2)
    assert [row.name for row in others] == ["PD-MORL", "Envelope", "exact front"]
    assert "reference point (0, -19)" in result.title
    assert json.loads(json.dumps(result.to_dict()))["rows"][0]["points"] == 2


def test_fronts_of_other_protocols_are_refused_unless_asked_for() -> None:
    for other, said in ((None, "names no protocol"), ("cmorl-2025", "was measured under protocol cmorl-2025")):
        with pytest.raises(FrontError, match=f"mine {said}, not under pdmorl-dst: .*--any-protocol"):
            compare_under("pdmorl-dst", {"mine": front_of(other)})
        assert compare_under("pdmorl-dst", {"mine": front_of(other)}, any_protocol=True).rows[0].points == 2
    with pytest.raises(FrontError, match="a was measured under protocol pdmorl-dst, b under cmorl-2025"):
        morl.compare(front_of(None), front_of("pdmorl-dst"), front_of("cmorl-2025"), names=["a", "b"])
    fronts = front_of(None), front_of("pdmorl-dst"), front_of("cmorl-2025")
    assert morl.compare(*fronts, names=["a", "b"], any_protocol=True)["b"].points == 2
    assert morl.compare(*fronts[:2], names=["a"])["a"].points == 2  # the reference front names none: it is of any


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(FrontError, match="no front is given"):
        compare_under("pdmorl-dst", {})
    with pytest.raises(SpecError, match=r"front is of γ = 1; expected 0\.99"):
        compare_under("pdmorl-dst", {"mine": front_of("pdmorl-dst").replace(discount=1.0)})
    with pytest.raises(SpecError, match="front has 2 objectives; expected 6"):
        compare_under("pdmorl-ftn", {"mine": front_of("pdmorl-ftn")}, "fruit-tree-depth-5")
    two = {d: front_of("pdmorl-ftn", env="morl/FruitTree-v0", env_options={"depth": d}) for d in (5, 6)}
    with pytest.raises(FrontError, match="6 is of fruit-tree-depth-6; expected fruit-tree-depth-5, as 5 is"):
        compare_under("pdmorl-ftn", {str(depth): front for depth, front in two.items()})

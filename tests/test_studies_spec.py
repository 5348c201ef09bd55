"""What a study runs: every cell of the product, and one line for whatever is not as expected."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from morl.spec import MorlError
from morl.studies import StudySpec

PLAIN = {"algorithms": ["PCN"], "environments": ["morl/FruitTree-v0"]}


def test_every_cell_of_the_product_is_there_once() -> None:
    spec = StudySpec.from_dict(
        {
            "steps": "2k",
            "seeds": [3, 1],
            "options": {"discount": 0.9},
            "algorithms": [
                {"algo": "PCN", "name": "big", "options": {"batch_size": 512}, "steps": 500},
                {"algo": "PCN", "grid": {"batch_size": [1, 2], "discount": [0.5]}},
            ],
            "environments": [
                "morl/FruitTree-v0",
                {"env": "morl/FruitTree-v0", "name": "deep", "options": {"depth": 7}},
            ],
        }
    )
    names = [one.name for one in spec.algorithms]
    assert names == ["big", "PCN batch_size=1 discount=0.5", "PCN batch_size=2 discount=0.5"]
    cells = spec.cells()
    assert len(cells) == 12 == len({cell.name for cell in cells})
    assert [cell.seed for cell in cells] == [3] * 6 + [1] * 6
    first, second = cells[0].config, cells[1].config
    assert (first.steps, first.checkpoint_every, dict(first.options)) == (500, 50, {"discount": 0.9, "batch_size": 512})
    assert (second.steps, second.checkpoint_every) == (2000, 200)
    assert dict(second.options) == {"discount": 0.5, "batch_size": 1}
    assert dict(cells[3].config.env_options) == {"depth": 7}
    again = StudySpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again.cells() == cells


def test_a_protocol_sets_what_is_measured() -> None:
    spec = StudySpec.from_dict({**PLAIN, "environments": ["mo-halfcheetah-v4"], "protocol": "openrlbenchmark-2023"})
    config = spec.cells()[0].config
    assert (config.env, config.protocol) == ("morl/HalfCheetah-v5", "openrlbenchmark-2023")
    assert config.checkpoint_every == config.steps // 10


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"algorithms": []}, "at least one"),
        ({"algorithms": [{"name": "x"}]}, "table with algo = NAME"),
        ({"algorithms": ["PCN", "PCN"]}, "twice among its algorithms"),
        ({"algorithms": [{"algo": "PCN", "name": "a b"}, {"algo": "PCN", "name": "a-b"}]}, "would be called"),
        ({"algorithms": [{"algo": "PCN", "grid": {"batch_size": 3}}]}, "list of values"),
        ({"algorithms": [{"algo": "PCN", "options": {"utility": "os:system"}}]}, "names code"),
        ({"algorithms": [{"algo": "PCN", "optoins": {}}]}, "optoins"),
        ({"environments": ["package:id"]}, "would import"),
        ({"environments": [{"env": "x", "ref_point": 3}]}, "list of numbers"),
        ({"seeds": 0}, "seeds"),
        ({"seeds": [-1]}, "how many"),
        ({"seeds": [1, 1]}, "twice among its seeds"),
        ({"steps": "many"}, "steps"),
        ({"eval_share": "much"}, "expected a number"),
        ({"tuned": 1}, "true or false"),
        ({"options": [1]}, "table of names"),
        ({"imports": ["x.py"]}, "give --import"),
        ({"protocol": "no-such"}, "no-such"),
    ],
)
def test_what_is_not_as_expected_is_said_in_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(MorlError, match=said) as caught:
        StudySpec.from_dict({**PLAIN, **change})
    assert "\n" not in str(caught.value)


relaxed = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["name", "algorithms", "environments", "seeds", "steps", "checkpoint_every", "options", "tuned", "eval_share"]


@relaxed
@given(st.dictionaries(st.sampled_from(KEYS), values), st.booleans())
def test_any_mapping_is_a_study_or_refused(change: dict[str, Any], valid: bool) -> None:
    with contextlib.suppress(MorlError):
        spec = StudySpec.from_dict({**PLAIN, **change} if valid else change)
        assert len(spec.cells()) == len(spec.algorithms) * len(spec.environments) * len(spec.seeds)


@relaxed
@given(st.binary(max_size=60))
def test_any_file_is_a_study_or_refused(tmp_path_factory: pytest.TempPathFactory, payload: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "study.toml"
    file.write_bytes(payload)
    with pytest.raises(MorlError):
        StudySpec.from_file(file)


def test_a_file_is_named_for_its_study(tmp_path: Path) -> None:
    file = tmp_path / "first.toml"
    file.write_text('algorithms = ["PCN"]\nenvironments = ["morl/FruitTree-v0"]\nsteps = 1e3\n')
    spec = StudySpec.from_file(file)
    assert (spec.name, spec.steps, len(spec.seeds)) == ("first", 1000, 5)
    assert math.isclose(spec.eval_share, 0.1)
    with pytest.raises(MorlError, match="does not exist"):
        StudySpec.from_file(tmp_path / "second.toml")

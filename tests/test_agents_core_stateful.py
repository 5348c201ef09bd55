"""What an object says that it keeps comes back exactly, and nothing else is let in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from morl.agents.core.stateful import Stateful
from morl.spec import AgentError, RunError


class Table(NamedTuple):
    keys: np.ndarray[Any, Any]
    size: int


@dataclass(frozen=True)
class Pair:
    low: np.ndarray[Any, Any]
    table: Table


class Ring:
    """A part that names its arrays itself."""

    def __init__(self) -> None:
        self.rows = np.zeros((2, 3))

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        return {"rows": self.rows, "deep.er": self.rows[0]}

    def restore(self, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        self.rows = arrays["rows"].copy()


class Inner(Stateful):
    def __init__(self, scale: float = 0.0) -> None:
        self.scale, self.ring = scale, Ring()
        self._keeps("scale", ring=self.ring)


class Learner(Stateful):
    """One of everything."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.values = rng.normal(size=(3, 2))
        self.pair = Pair(rng.integers(9, size=4), Table(rng.normal(size=2).astype(np.float32), seed))
        self.rounds, self.rate, self.ready, self.label = seed, seed / 3, bool(seed % 2), f"number {seed}"
        self.best: Any = None
        self._names = ["a"] * seed
        self.width = np.float64(seed)
        torch.manual_seed(seed)
        self.net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=0.1)
        self.inner = Inner(float(seed))
        self.inner.ring.rows += seed
        self._keeps("values", "pair", "rounds", "rate", "ready", "label", "best", "_names", "width")
        self._keeps(net=self.net, adam=self.optimizer, inner=self.inner)

    def update(self) -> None:
        self.optimizer.zero_grad()
        self.net(torch.ones((4, 2))).square().sum().backward()
        self.optimizer.step()


def written(learner: Stateful) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state as a checkpoint would give it back: facts through JSON, arrays as copies."""
    arrays, facts = learner._state()
    return {name: np.array(a) for name, a in arrays.items()}, json.loads(json.dumps(facts, allow_nan=False))


def same(one: Stateful, two: Stateful) -> bool:
    (a, f), (b, g) = one._state(), two._state()
    return f == g and a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n]) for n in a)


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(0, 2))
def test_everything_comes_back_and_learning_goes_on_alike(seed: int, updates: int) -> None:
    one, two = Learner(seed), Learner(0)
    for _ in range(updates):
        one.update()
    one.best = np.arange(3.0)
    two._restore(*written(one))
    assert same(one, two)
    assert type(two.pair) is Pair
    assert type(two.pair.table) is Table
    one.update()
    two.update()
    assert same(one, two)


def test_names_are_those_of_the_attributes() -> None:
    learner = Learner(1)
    learner.update()
    arrays, facts = learner._state()
    assert {"values", "pair.low", "pair.table.keys", "net.0.weight", "adam.0.exp_avg", "inner.ring.deep.er"} <= set(
        arrays
    )
    assert facts == {
        "pair.table.size": 1, "rounds": 1, "rate": 1 / 3, "ready": True, "label": "number 1", "best": None,
        "names": ["a"], "width": 1.0, "inner.scale": 1.0,
    }  # fmt: skip


def test_what_was_given_stays_the_givers() -> None:
    one, two = Learner(1), Learner(2)
    arrays, facts = written(one)
    two._restore(arrays, facts)
    arrays["values"][:] = 7.0
    facts["names"].append("b")
    assert same(one, two)


BROKEN: dict[str, tuple[str, Any]] = {
    "rounds": ("rounds", 1.5),
    "rounds is no number": ("rounds", True),
    "ready": ("ready", 1),
    "rate": ("rate", "fast"),
    "label": ("label", 3),
    "names": ("names", "a"),
    "inner.scale": ("inner.scale", [1.0]),
    "best": ("best", {"code": 1}),
    "net.0.weight": ("net.0.weight", np.zeros((3, 3), np.float32)),
    "net.0.bias": ("net.0.bias", np.zeros(3)),
    "net.2.weight": ("net.2.weight", np.zeros(3, np.float32)),
    "adam.0.exp_avg": ("adam.0.exp_avg", np.zeros((2, 2), np.float32)),
    "adam.9.exp_avg": ("adam.9.exp_avg", np.zeros((2, 2), np.float32)),
    "adam.x": ("adam.x", np.zeros(())),
}


@pytest.mark.parametrize("case", BROKEN)
def test_another_type_or_shape_is_refused_by_name(case: str) -> None:
    learner = Learner(1)
    learner.update()
    arrays, facts = written(learner)
    name, value = BROKEN[case]
    (arrays if isinstance(value, np.ndarray) else facts)[name] = value
    with pytest.raises(RunError, match=name.split(".")[-1]) as error:
        Learner(0)._restore(arrays, facts)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["values", "pair.low", "rounds", "net.0.weight", "inner.scale"])
def test_what_is_missing_is_named(name: str) -> None:
    arrays, facts = written(Learner(1))
    arrays.pop(name, None)
    facts.pop(name, None)
    with pytest.raises(RunError, match=rf"{name.split('.')[-1]} is missing"):
        Learner(0)._restore(arrays, facts)


def test_only_what_can_be_written_is_kept() -> None:
    class Bad(Stateful):
        def __init__(self) -> None:
            self.there, self.rule, self.net = 1, abs, nn.Linear(1, 1)

    bad = Bad()
    with pytest.raises(AgentError, match="no such attribute; assign it before"):
        bad._keeps("here")
    with pytest.raises(AgentError, match="expected an array, a number"):
        bad._keeps("rule")
    with pytest.raises(AgentError, match=r"expected a torch module.*by their attribute"):
        bad._keeps(there=bad.there)
    with pytest.raises(AgentError, match="keeps 'net' twice"):
        bad._keeps(net=bad.net)._keeps(net=bad.net)
    assert Bad()._state() == ({}, {})

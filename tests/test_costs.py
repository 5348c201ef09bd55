"""A cost that is minimised: paid positive, stored negated, and positive wherever people read or write it."""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import morl
from morl.cli import main
from morl.envs.core import published_front
from morl.exact import maximise
from morl.momdp import MOMDP
from morl.pareto import Front, plot_front
from morl.spec import ModelError, Objective, SpecError, as_returns, shown
from morl.utility import Linear, parse_utility
from morl.utility.constraints import parse_constraints

GOODS = [Objective("goods", "pieces", 0, 5), Objective("cost", "EUR", 0, 12, minimise=True)]


def shop() -> type[Any]:
    """A fresh class: buy 0, 1 or 2 lots a day, three days long; a lot brings 2 pieces, the n-th of a day costs 3n."""

    class Shop(gym.Env[int, int]):
        observation_space = spaces.Discrete(4)
        action_space = spaces.Discrete(3)
        reward_space = spaces.Box(np.array([0.0, 0.0]), np.array([5.0, 12.0]), dtype=np.float64)

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
            super().reset(seed=seed)
            self.day = 0
            return 0, {}

        def step(self, action: int) -> Any:
            if not 0 <= action < 3:
                raise ValueError(f"action is {action}; expected one of Discrete(3)")
            self.day += 1
            return self.day, np.array([2.0 * action, 1.5 * action * (action + 1)]), self.day == 3, False, {}

    return Shop


@pytest.fixture(scope="module")
def shop_id() -> str:
    """The class in a module of its own, as a user's file would have it."""
    module = types.ModuleType("cost_shop")
    sys.modules["cost_shop"] = module
    cls = shop()
    cls.__module__, cls.__qualname__ = "cost_shop", "Shop"
    module.Shop = cls  # type: ignore[attr-defined]
    morl.register("shops/Cost-v0", GOODS, ref_point=(0, 40), return_scale=((0, 0), (12, 27)), max_steps=5)(cls)
    return "shops/Cost-v0"


class TestSpec:
    def test_shown_is_its_own_inverse(self) -> None:
        returns = np.array([[1.0, -2.0], [0.0, 0.0]])
        assert shown(returns, GOODS).tolist() == [[1, 2], [0, 0]]
        assert not np.signbit(shown(returns, GOODS)).any()
        assert np.array_equal(shown(shown(returns, GOODS), GOODS), returns)
        with pytest.raises(SpecError, match="reference point has 1 number; expected 2"):
            as_returns([1], GOODS)

    def test_bounds_and_files(self) -> None:
        cost = GOODS[1]
        assert (cost.reward_low, cost.reward_high) == (-12, 0)
        assert Objective.from_dict(json.loads(json.dumps(cost.to_dict()))) == cost
        assert not Objective.from_dict({"name": "old"}).minimise
        with pytest.raises(SpecError, match="minimise='yes'"):
            Objective("cost", minimise="yes")  # type: ignore[arg-type]


class TestEnvironment:
    def test_everybody_sees_negated_costs(self, shop_id: str) -> None:
        for env in (morl.make(shop_id), gym.make(shop_id), sys.modules["cost_shop"].Shop()):
            env.reset(seed=0)
            assert env.step(2)[1].tolist() == [4, -9]
            assert env.step(0)[1].tolist() == [0, 0]
        assert env.reward_space.low.tolist() == [0, -12]
        vector = morl.make_vec(shop_id, 2)
        vector.reset(seed=0)
        assert vector.step(np.array([1, 2]))[1].tolist() == [[2, -3], [4, -9]]

    def test_numbers_of_register_are_the_environments_own(self, shop_id: str) -> None:
        spec = morl.make(shop_id).unwrapped.mo_spec
        assert spec.ref_point == (0, -40)
        assert spec.return_scale == ((0, -27), (12, 0))

    def test_the_contract_holds(self, shop_id: str) -> None:
        morl.check_env(shop_id)

    @pytest.mark.parametrize("form", [list, tuple, lambda r: r.astype(int), lambda r: r.astype(np.float32)])
    def test_a_cost_is_never_maximised_whatever_the_type_of_the_reward(self, form: Any) -> None:
        Shop = shop()

        class Typed(Shop):  # type: ignore[valid-type, misc]
            def step(self, action: int) -> Any:
                moved = super().step(action)
                return moved[0], form(moved[1]), *moved[2:]

        morl.register("shops/Typed-v0", GOODS, check=False)(Typed)
        env = Typed()
        env.reset()
        reward = env.step(2)[1]
        assert np.asarray(reward).tolist() == [4, -9]
        assert reward.dtype in (np.float32, np.float64)

    def test_its_own_front_is_of_its_own_numbers(self) -> None:
        Shop = shop()

        class Published(Shop):  # type: ignore[valid-type, misc]
            def pareto_front(self, discount: float) -> Any:
                return [[2.0, 3.0], [4.0, 9.0]]

        morl.register("shops/Published-v0", GOODS)(Published)
        front = published_front(morl.make("shops/Published-v0"))
        assert front.points.tolist() == [[4, -9], [2, -3]]

    def test_negated_once_however_often_it_is_registered_and_extended(self) -> None:
        Shop = shop()

        class First(Shop):  # type: ignore[valid-type, misc]
            def step(self, action: int) -> Any:
                return super().step(action)

        class Second(First):
            def __init__(self) -> None:
                super().__init__()
                self.reward_space = spaces.Box(np.zeros(2), np.array([5.0, 12.0]), dtype=np.float64)

            def step(self, action: int) -> Any:
                return super().step(action)

        for id, cls in (("shops/A-v0", First), ("shops/B-v0", First), ("shops/C-v0", Second), ("shops/D-v0", Second)):
            morl.register(id, GOODS)(cls)
        for env in (First(), Second()):
            env.reset()
            assert env.step(1)[1].tolist() == [2, -3]
            assert env.reward_space.low.tolist() == [0, -12]
        untouched = Shop()
        untouched.reset()
        assert untouched.step(1)[1].tolist() == [2, 3]


MODEL = MOMDP.from_arrays(
    [[[1.0], [1.0]]],
    [[[1.0, -1.0], [3.0, -4.0]]],
    discount=0.5,
    objectives=GOODS,
)
"""One state, two actions: returns (2, −2) and (6, −8)."""


class TestNumbersByName:
    def test_constraints(self) -> None:
        assert parse_constraints(["cost<=5"], MODEL.objectives).matrix.tolist() == [[0, 1]]
        assert parse_constraints(["cost<=5"], MODEL.objectives).bound.tolist() == [-5]
        found = maximise(MODEL, Linear((1.0, 0.0)), ["cost<=5"])
        assert found.value.tolist() == pytest.approx([4, -5])
        for text, best in (("cost<=1", "2"), ("cost>=9", "8"), ("goods>=7", "6"), ("goods<=1", "2")):
            with pytest.raises(ModelError, match=f"'{text}' cannot be met: the best any policy reaches is {best},"):
                maximise(MODEL, Linear((1.0, 0.0)), [text])

    def test_thresholds(self) -> None:
        assert parse_utility("threshold:cost=5", 2, GOODS)([[0, -7.0]]).tolist() == [-2]
        assert parse_utility("threshold:1,-5", 2, GOODS)([[1, -7.0]]).tolist() == [-2]  # a list is of returns
        assert parse_utility("linear:cost=0.25,goods=0.75", 2, GOODS).name == "linear:0.75,0.25"


def test_from_training_to_table_and_csv(shop_id: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "runs")
    words = ["--algo", "ParetoEvolution", "--env", shop_id, "-n", "3000", "-q", "--out", out, "--name", "shop"]
    assert main(["train", *words, "--ref-point", "0", "30"]) == 0
    table = capsys.readouterr().out
    assert "cost (EUR)" in table
    assert "-" not in table.replace("—", "").replace("non-convex", "").split("cost (EUR)")[1].replace("─", "")
    front = Front.load(tmp_path / "runs" / "shop" / "front.json")
    assert front.points[:, 1].max() <= 0
    assert front.points.min() < 0
    assert front.ref_point is not None
    assert front.ref_point.tolist() == [0, -30]
    assert len(front) > 3
    text = (tmp_path / "runs" / "shop" / "front.csv").read_text()
    assert text.startswith("goods,cost (minimise),id\n")
    assert "-" not in text
    assert (
        main(["front", str(tmp_path / "runs" / "shop"), "--ref-point", "0", "40", "--csv", str(tmp_path / "a.csv")])
        == 0
    )
    volume = front.hypervolume([0, -40])
    assert f"hypervolume {volume:.6g}" in capsys.readouterr().out
    assert np.array_equal(Front.load(tmp_path / "a.csv").points, front.points)
    assert main(["compare", str(tmp_path / "a.csv"), "--ref-point", "0", "40", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["fronts"][0]["hypervolume"] == pytest.approx(volume)
    assert said["ref_point"] == [0, 40]


def test_axes_show_positive_costs() -> None:
    front = Front([[2, -2], [6, -8]], GOODS, ref_point=[0, -10])
    ax = plot_front(front)
    ax.figure.canvas.draw()
    ticks = [t.get_text() for t in ax.get_yticklabels() if t.get_text()]
    assert ticks
    assert not any("−" in t or "-" in t for t in ticks)
    assert ax.get_ylabel() == "← better   cost (EUR)"
    drawn = [tuple(p) for c in ax.collections for p in np.asarray(c.get_offsets()).tolist()]
    assert (6.0, 8.0) in drawn

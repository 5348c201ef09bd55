"""The best mixture for a utility under constraints: column generation against the occupancy program."""

import numpy as np
import pytest
from exact_models import RETURN_SCALE, all_policies, random_momdp, scientific_discovery

from morl.exact import evaluate, lexicographic, maximise, occupancy_lp
from morl.momdp import MOMDP
from morl.spec import ModelError, SpecError, UnknownNameError
from morl.utility import (
    AugmentedChebyshev,
    Chebyshev,
    CVaRAcross,
    Lexicographic,
    Linear,
    QuantileAcross,
    Threshold,
    WorstCase,
)
from morl.utility.constraints import parse_constraints
from morl.utility.programs import winning_subsets

SCALE = (tuple(RETURN_SCALE[0]), tuple(RETURN_SCALE[1]))
UTILITIES = [
    Linear((0.2, 0.3, 0.5), scale=SCALE),
    WorstCase(scale=SCALE),
    Chebyshev((0.2, 0.3, 0.5), (1.0, 1.0, 1.0), scale=SCALE),
    AugmentedChebyshev((0.2, 0.3, 0.5), (1.0, 1.0, 1.0), rho=0.05, scale=SCALE),
    CVaRAcross(0.5, scale=SCALE),
    CVaRAcross(0.0, scale=SCALE),
    QuantileAcross(0.5, (0.2, 0.5, 0.3), scale=SCALE),
    Threshold((0.5, 0.5, 0.5), (1.0, 2.0, 1.0), scale=SCALE),
]


@pytest.mark.parametrize("constraints", [(), ("money>=-5",), ("accuracy>=.1", "money>=-4"), [((1, 0, 0.1), "<=", 0.2)]])
@pytest.mark.parametrize("utility", UTILITIES, ids=lambda u: u.name)
def test_two_methods_agree(utility, constraints):
    m = scientific_discovery()
    found, program = maximise(m, utility, constraints), occupancy_lp(m, utility, constraints)
    assert found.utility == pytest.approx(program.utility, abs=1e-7)
    assert 0 <= found.gap < 1e-8
    assert float(utility(found.value)) == pytest.approx(found.utility)
    assert evaluate(m, found.mixture).start == pytest.approx(found.value, abs=1e-9)
    assert evaluate(m, found.policy).start == pytest.approx(found.value, abs=1e-9)
    assert evaluate(m, program.policy).start == pytest.approx(program.value, abs=1e-8)
    bounds = parse_constraints(constraints, m.objectives)
    assert (bounds.matrix @ found.value >= bounds.bound - 1e-7).all()


def test_the_best_worst_objective_of_stochastic_policies():
    assert maximise(scientific_discovery(), WorstCase(scale=SCALE)).utility == pytest.approx(0.4801, abs=1e-4)


@pytest.mark.parametrize("horizon", [None, 6])
def test_random_models(horizon):
    rng = np.random.default_rng(0)
    for _ in range(3):
        m = random_momdp(rng, 15, 3, 3).with_horizon(horizon)
        for utility in (WorstCase(), CVaRAcross(0.6), QuantileAcross(0.5)):
            found, program = maximise(m, utility), occupancy_lp(m, utility)
            assert found.utility == pytest.approx(program.utility, abs=1e-7)
            assert evaluate(m, found.policy).start == pytest.approx(found.value, abs=1e-8)


def test_linear_is_the_best_deterministic_policy():
    m = random_momdp(np.random.default_rng(1), 5, 2, 2)
    best = max(float(np.dot([0.3, 0.7], evaluate(m, p).start)) for p in all_policies(m))
    assert maximise(m, Linear((0.3, 0.7))).utility == pytest.approx(best)
    assert occupancy_lp(m, [0.3, 0.7]).utility == pytest.approx(best)


def test_a_constraint_of_two_arms_by_hand():
    m = MOMDP.from_arrays([[[1.0], [1.0]]], [[[1.0, 0.0], [0.0, 3.0]]], discount=0.5, objectives=("a", "b"))
    found = maximise(m, Linear((1.0, 0.0)), "b>=1.5")  # returns (2, 0) and (0, 6): a quarter of the second
    assert found.value == pytest.approx([1.5, 1.5], abs=1e-6)
    assert sorted(found.mixture.probabilities) == pytest.approx([0.25, 0.75], abs=1e-6)
    equal = maximise(m, Linear((1.0, 0.0)), [("b", "==", 3.0)])
    assert equal.value == pytest.approx([1.0, 3.0], abs=1e-6)


def test_infeasible_constraints_say_which_and_by_how_much():
    m = MOMDP.from_arrays([[[1.0], [1.0]]], [[[1.0, 0.0], [0.0, 3.0]]], discount=0.5, objectives=("a", "b"))
    with pytest.raises(ModelError, match=r"'b>=7'.*reaches is 6.*misses by 1"):
        maximise(m, WorstCase(), "b>=7")
    with pytest.raises(ModelError, match=r"'a<=-1'.*reaches is 0.*misses by 1"):
        maximise(m, WorstCase(), "a<=-1")
    with pytest.raises(ModelError, match="together"):
        maximise(m, WorstCase(), ["a>=1.5", "b>=3"])
    for bad in ("b>7", "b>=x", "nothing"):
        with pytest.raises(SpecError):
            maximise(m, WorstCase(), bad)
    with pytest.raises(UnknownNameError):
        maximise(m, WorstCase(), "c>=1")
    with pytest.raises(SpecError, match="lexicographic"):
        maximise(m, Lexicographic((0, 1)))
    with pytest.raises(SpecError):
        maximise(m, Linear((0.2, 0.3, 0.5)))


def test_thresholds_that_can_or_cannot_be_met():
    m = scientific_discovery()
    assert maximise(m, Threshold((0.1, -6.0, 0.3), mode="satisfied")).utility == 1.0
    assert maximise(m, Threshold((0.4, -6.0, 0.3), mode="satisfied")).utility == 0.0


def test_winning_subsets_are_the_quantile():
    rng = np.random.default_rng(2)
    for _ in range(200):
        k = int(rng.integers(1, 5))
        p = rng.dirichlet(np.ones(k)).round(2)
        p[0] += 1.0 - p.sum()
        q = float(rng.choice([0.0, 0.2, 0.5, 0.9, 1.0]))
        f = rng.random(k)
        best = max(min(f[i] for i in s) for s in winning_subsets(p, q))
        assert best == pytest.approx(float(QuantileAcross(q, tuple(p))(f)))


def test_lexicographic_orders():
    m = scientific_discovery()
    first = lexicographic(m, ["accuracy", "money"])
    assert first.value[:2] == pytest.approx([0.3705, -7.7681], abs=1e-4)
    slack = lexicographic(m, ["accuracy", "money"], slack=[0.1, 0.0])
    program = occupancy_lp(m, [0.0, 1.0, 0.0], [("accuracy", ">=", first.value[0] - 0.1)])
    assert slack.value[1] == pytest.approx(program.value[1], abs=1e-5)
    assert slack.value[0] >= first.value[0] - 0.1 - 1e-7
    assert lexicographic(m, [2, 1, 0]).value == pytest.approx([0.0, 0.0, 1.0], abs=1e-7)
    for order, slack_ in ((["accuracy", "accuracy"], 0.0), ([], 0.0), ([0], -1.0), ([0, 1], [0.0])):
        with pytest.raises(SpecError):
            lexicographic(m, order, slack_)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_scaled_objectives_scale_the_answer(factor):
    m = random_momdp(np.random.default_rng(3), 8, 2, 2)
    size = np.array([1.0, factor])
    scaled = MOMDP(m.transitions, m.rewards * size, m.row_ptr, m.discount, m.start)
    scale = ((0.0, 0.0), tuple(20 * size))
    plain = maximise(m, WorstCase(scale=((0.0, 0.0), (20.0, 20.0))))
    other = maximise(scaled, WorstCase(scale=scale))
    assert other.utility == pytest.approx(plain.utility, rel=1e-7)
    assert other.value / size == pytest.approx(plain.value, rel=1e-6)


def test_undiscounted_model_where_waiting_is_possible():
    # waiting costs time and may last without end; the treasure needs two steps
    move = np.zeros((3, 3, 3))
    move[0, 0, 0] = move[0, 1, 1] = move[0, 2, 2] = move[1, 0, 0] = move[1, 1, 2] = move[1, 2, 2] = 1.0
    r = np.zeros((3, 3, 2))
    r[:2, :, 1] = -1.0
    r[1, 1, 0] = 5.0
    m = MOMDP.from_arrays(move, r, discount=1.0, terminal=[False, False, True], objectives=("gold", "time"))
    assert maximise(m, Linear((1.0, 0.0))).value == pytest.approx([5.0, -2.0])
    assert maximise(m, Linear((0.0, 1.0))).value == pytest.approx([0.0, -1.0])
    assert maximise(m, Linear((1.0, 0.0)), "time>=-1.5").value == pytest.approx([2.5, -1.5], abs=1e-6)


def test_solve_with_a_utility_returns_its_best_point():
    from morl.exact import solve

    m = scientific_discovery()
    u = WorstCase(scale=SCALE)
    values = {c: float(u(solve(m, c, utility=u).points)[0]) for c in ("mixture", "stationary")}
    assert values == pytest.approx({"mixture": 0.4801, "stationary": 0.4063}, abs=1e-4)
    bound = solve(m, "stationary", utility=u, constraints=["money>=-5"])
    assert len(bound) == 1
    assert bound.points[0, 1] >= -5
    assert solve(m, utility=Lexicographic((2, 1))).points[0] == pytest.approx([0.0, 0.0, 1.0], abs=1e-7)
    with pytest.raises(ModelError, match="missed by"):
        solve(m, "stationary", utility=u, constraints=["money>=1"])
    with pytest.raises(SpecError, match="utility"):
        solve(m, constraints=["money>=1"])
    with pytest.raises(SpecError, match="above"):
        solve(m, "stationary", utility=u, constraints=["money<=-5"])

"""Utilities: hand-computed values, the definitions as independent oracles, and the properties they claim."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from strategies import return_vectors

from morl.spec import SpecError, UnknownNameError
from morl.utility import (
    AugmentedChebyshev,
    Chebyshev,
    CVaRAcross,
    Lexicographic,
    Linear,
    Logarithm,
    QuantileAcross,
    SmoothChebyshev,
    Threshold,
    WorstCase,
    parse_utility,
)

F = np.array([0.4, 0.1, 0.7])
P = (0.5, 0.2, 0.3)
SCALE = ((0.0, -12.0, 0.0), (0.5, 0.0, 1.0))

EVERY = [
    Linear(P),
    Chebyshev(P, (1, 1, 1)),
    AugmentedChebyshev(P, (1, 1, 1), rho=0.05),
    WorstCase(),
    Logarithm(P),
    Logarithm(P, floor=0.5),
    SmoothChebyshev(P, (1, 1, 1)),
    QuantileAcross(0.0),
    QuantileAcross(0.5, P),
    QuantileAcross(0.2, P),
    QuantileAcross(1.0),
    CVaRAcross(0.0),
    CVaRAcross(0.3),
    CVaRAcross(0.6, P),
    CVaRAcross(1.0, P),
    Threshold((0.5, 0.5, 0.5)),
    Threshold((0.5, -math.inf, 0.2), weights=(1, 0, 2)),
    Threshold((0.5, -math.inf, 0.2), mode="satisfied"),
]


class TestByHand:
    @pytest.mark.parametrize(
        ("utility", "value"),
        [
            (Linear(P), 0.2 + 0.02 + 0.21),
            (Linear((1, 0, 0)), 0.4),
            (WorstCase(), 0.1),
            # shortfalls from (1, 1, 1): .6, .9, .3; weighted: .3, .18, .09
            (Chebyshev(P, (1, 1, 1)), -0.3),
            (AugmentedChebyshev(P, (1, 1, 1), rho=0.1), -0.3 - 0.1 * 1.8),
            # sorted .1 (p .2), .4 (p .5), .7 (p .3): cumulative .2, .7, 1
            (QuantileAcross(0.0, P), 0.1),
            (QuantileAcross(0.2, P), 0.1),
            (QuantileAcross(0.21, P), 0.4),
            (QuantileAcross(0.7, P), 0.4),
            (QuantileAcross(0.71, P), 0.7),
            (QuantileAcross(1.0, P), 0.7),
            (QuantileAcross(2 / 3), 0.4),
            (QuantileAcross(1 / 3), 0.1),
            # the worst 40 %: all of .1 (20 %) and 20 % of .4
            (CVaRAcross(0.4, P), (0.2 * 0.1 + 0.2 * 0.4) / 0.4),
            (CVaRAcross(0.2, P), 0.1),
            (CVaRAcross(0.0, P), 0.1),
            (CVaRAcross(0.5), (0.1 / 3 + 0.4 / 6) / 0.5),
            (CVaRAcross(1.0, P), 0.43),
            # shortfalls of (.5, .5, .5): .1, .4, 0
            (Threshold((0.5, 0.5, 0.5)), -0.5),
            (Threshold((0.5, 0.5, 0.5), weights=(3, 1, 7)), -0.7),
            (Threshold((0.4, -math.inf, 0.7), mode="satisfied"), 1.0),
            (Threshold((0.4, 0.2, 0.7), mode="satisfied"), 0.0),
            (Threshold((-math.inf,) * 3), 0.0),
        ],
        ids=str,
    )
    def test_value(self, utility, value):
        assert float(utility(F)) == pytest.approx(value, abs=1e-12)

    def test_objectives_of_weight_zero_are_ignored(self):
        for utility in (
            QuantileAcross(0.0, (0.5, 0, 0.5)),
            CVaRAcross(0.0, (0.5, 0, 0.5)),
            CVaRAcross(0.5, (0.5, 0, 0.5)),
        ):
            assert float(utility(F)) == 0.4

    def test_normalisation_comes_first(self):
        raw = [0.25, -6.0, 0.1]  # becomes (.5, .5, .1)
        assert float(WorstCase(scale=SCALE)(raw)) == pytest.approx(0.1)
        assert float(Linear(P, scale=SCALE)(raw)) == pytest.approx(0.25 + 0.1 + 0.03)
        assert WorstCase(scale=SCALE).normalise(raw) == pytest.approx([0.5, 0.5, 0.1])


class TestLexicographic:
    POINTS = ((5.0, 1.0, 0.0), (4.8, 3.0, 1.0), (5.0, 2.0, 9.0), (1.0, 9.0, 9.0))

    def test_strict_order(self):
        assert Lexicographic((0, 1, 2)).best(self.POINTS) == 2
        assert Lexicographic((1, 0)).best(self.POINTS) == 3
        assert Lexicographic((0,)).best(self.POINTS) == 0  # the first of equals

    def test_slack_trades_the_first_objective_for_the_second(self):
        assert Lexicographic((0, 1), slack=(0.25, 0)).best(self.POINTS) == 1
        assert Lexicographic((0, 1), slack=(0.1, 0)).best(self.POINTS) == 2
        assert Lexicographic((0, 1), slack=(4.0, 0)).best(self.POINTS) == 3
        assert Lexicographic((0, 1, 2), slack=(0.25, 1.0, 0)).best(self.POINTS) == 2

    @given(arrays(np.float64, (6, 3), elements=st.integers(0, 2).map(float), fill=st.nothing()))
    def test_keys_sort_as_tuples(self, points):
        order = Lexicographic((2, 0, 1))
        keys = [tuple(k) for k in order.key(points)]
        assert keys == [(p[2], p[0], p[1]) for p in points]
        assert order.best(points) == keys.index(max(keys))

    def test_it_is_no_number(self):
        assert not Lexicographic((0, 1)).scalar
        assert Linear((1.0,)).scalar
        with pytest.raises(SpecError, match="is an order, not a number"):
            Lexicographic((0, 1))([1.0, 2.0])

    @pytest.mark.parametrize("order", [(), (0, 0), (-1, 0)])
    def test_bad_orders(self, order):
        with pytest.raises(SpecError, match="distinct objective numbers"):
            Lexicographic(order)

    def test_bad_points(self):
        with pytest.raises(SpecError, match="names objective 2; returns have 2"):
            Lexicographic((2,)).best([[1.0, 2.0]])
        with pytest.raises(SpecError, match="expected \\(n, K\\)"):
            Lexicographic((0,)).best([1.0, 2.0])
        with pytest.raises(SpecError, match="slack"):
            Lexicographic((0, 1), slack=(-0.1, 0))
        with pytest.raises(SpecError, match="slack has 1 number"):
            Lexicographic((0, 1), slack=(0.1,))


class TestDefinitions:
    @given(return_vectors, st.floats(0.01, 1.0))
    def test_cvar_is_the_maximum_over_z(self, f, alpha):
        # the objective is concave and piecewise linear in z with kinks at the returns
        kinks = f[:, None]
        value = np.max(kinks[:, 0] - (np.maximum(kinks - f, 0) @ np.array(P)) / alpha)
        assert float(CVaRAcross(alpha, P)(f)) == pytest.approx(value, abs=1e-9)

    @given(return_vectors, st.floats(0.0, 1.0))
    def test_quantile_is_the_smallest_z_with_enough_weight_below(self, f, q):
        enough = [z for z in f if sum(p for p, x in zip(P, f, strict=True) if x <= z) >= q - 1e-9]
        assert float(QuantileAcross(q, P)(f)) == min(enough)

    @given(return_vectors)
    def test_the_dial_from_worst_case_to_linear(self, f):
        assert float(CVaRAcross(0.0)(f)) == float(WorstCase()(f)) == float(QuantileAcross(0.0)(f))
        assert float(CVaRAcross(1.0, P)(f)) == pytest.approx(float(Linear(P)(f)), abs=1e-12)
        levels = [float(CVaRAcross(a, P)(f)) for a in np.linspace(0, 1, 21)]
        assert all(b >= a - 1e-12 for a, b in itertools.pairwise(levels))
        assert float(CVaRAcross(1e-9, P)(f)) == pytest.approx(f.min(), abs=1e-9)

    @given(return_vectors, st.floats(0, 1 / 3))
    def test_low_quantiles_of_equal_weights_are_the_minimum(self, f, q):
        assert float(QuantileAcross(q)(f)) == f.min()


class TestProperties:
    @pytest.mark.parametrize("utility", EVERY, ids=str)
    @given(f=return_vectors, rise=return_vectors)
    def test_monotone(self, utility, f, rise):
        assert utility.monotone
        assert float(utility(f + np.abs(rise))) >= float(utility(f)) - 1e-12

    @pytest.mark.parametrize("utility", [u for u in EVERY if u.concave], ids=str)
    @given(f=return_vectors, g=return_vectors, t=st.floats(0, 1))
    def test_concave(self, utility, f, g, t):
        mixed = float(utility(t * f + (1 - t) * g))
        assert mixed >= t * float(utility(f)) + (1 - t) * float(utility(g)) - 1e-9

    @pytest.mark.parametrize("utility", [u for u in EVERY if not u.concave], ids=str)
    def test_what_is_not_called_concave_is_not(self, utility):
        rng = np.random.default_rng(0)
        f, g = rng.uniform(-1, 2, (2, 5000, 3))
        assert np.any(utility((f + g) / 2) < (utility(f) + utility(g)) / 2 - 1e-9)

    def test_augmented_chebyshev_is_strictly_monotone(self):
        assert AugmentedChebyshev(P, (1, 1, 1))([0, 0, 0.5]) > AugmentedChebyshev(P, (1, 1, 1))([0, 0, 0])
        assert Chebyshev(P, (1, 1, 1))([0, 0, 0.5]) == Chebyshev(P, (1, 1, 1))([0, 0, 0])

    def test_equal_quantile_on_a_scale_of_known_size_knows_that_it_is_a_minimum(self):
        assert QuantileAcross(0.3, scale=SCALE).concave
        assert not QuantileAcross(0.5, scale=SCALE).concave
        assert not QuantileAcross(0.3).concave  # K is unknown: no promise
        assert QuantileAcross(0.9, (0, 1, 0)).concave

    @pytest.mark.parametrize("utility", EVERY, ids=str)
    def test_batches_of_any_shape(self, utility):
        returns = np.random.default_rng(0).uniform(-1, 1, (4, 5, 3))
        before = returns.copy()
        values = utility(returns)
        assert values.shape == (4, 5)
        assert values.dtype == np.float64
        assert values[2, 3] == pytest.approx(float(utility(returns[2, 3])))
        assert np.array_equal(returns, before)
        assert utility.best(returns[0]) == int(np.argmax(values[0]))

    @pytest.mark.parametrize("utility", [*EVERY, Lexicographic((0, 2), slack=(0.5, 0))], ids=str)
    def test_text_and_back(self, utility):
        assert parse_utility(utility.name, 3) == utility
        assert hash(parse_utility(str(utility), 3)) == hash(utility)


class TestRefusals:
    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda: Linear((0.5, 0.6)), "sum to 1.1"),
            (lambda: Linear((1.5, -0.5)), "no negative weight"),
            (lambda: QuantileAcross(1.5), "q is 1.5"),
            (lambda: QuantileAcross(math.nan), "q is nan"),
            (lambda: CVaRAcross(-0.1), "alpha is -0.1"),
            (lambda: CVaRAcross("half"), "alpha is 'half'"),
            (lambda: CVaRAcross(0.5, (0.5, 0.4)), "p .* sum to 0.9"),
            (lambda: Chebyshev((0.5, 0.5), (1,)), "ideal has 1 number; expected 2"),
            (lambda: AugmentedChebyshev((0.5, 0.5), (1, 1), rho=-1), "rho is -1"),
            (lambda: Threshold(()), "expected one number per objective"),
            (lambda: Threshold((math.nan,)), "expected one number per objective"),
            (lambda: Threshold((1.0,), mode="soft"), "expected 'shortfall' or 'satisfied'"),
            (lambda: Threshold((1.0,), weights=(-1.0,)), "no negative number"),
            (lambda: Linear((0.5, 0.5), scale=((0,), (1,))), "scale has 1 objectives"),
            (lambda: WorstCase(scale=((0, 1), (1, 1))), r"scale of objective 1 is \(1, 1\)"),
            (lambda: Linear((0.5, 0.5))([1.0, 2.0, 3.0]), r"expects the last axis to be 2"),
            (lambda: WorstCase()(1.0), r"returns have shape \(\)"),
            (lambda: WorstCase().best([1.0, 2.0]), r"expected \(n, K\)"),
        ],
    )
    def test_parameters(self, build, message):
        with pytest.raises(SpecError, match=message):
            build()


class TestText:
    NAMES = ("treasure", "time")

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("linear", Linear((0.5, 0.5))),
            (" linear : 0.7, 0.3 ", Linear((0.7, 0.3))),
            ("linear:time=0.3,treasure=0.7", Linear((0.7, 0.3))),
            ("worst", WorstCase()),
            ("cvar:0.3", CVaRAcross(0.3)),
            ("cvar:0.3;p=0.2,0.8", CVaRAcross(0.3, (0.2, 0.8))),
            ("quantile:0.5;p=time=1", QuantileAcross(0.5, (0, 1))),
            ("chebyshev:0.5,0.5;ideal=124,-1", Chebyshev((0.5, 0.5), (124, -1))),
            ("augmented-chebyshev;ideal=1,1;rho=0.1", AugmentedChebyshev((0.5, 0.5), (1, 1), 0.1)),
            ("lex:time,treasure", Lexicographic((1, 0))),
            ("lex:1,0;slack=2,0", Lexicographic((1, 0), (2, 0))),
            ("lex", Lexicographic((0, 1))),
            ("threshold:time=-5", Threshold((-math.inf, -5))),
            ("threshold:1,-5;mode=satisfied", Threshold((1, -5), mode="satisfied")),
            ("threshold:1,-5;weights=time=3", Threshold((1, -5), (1, 3))),
        ],
    )
    def test_forms(self, text, expected):
        assert parse_utility(text, 2, self.NAMES) == expected

    def test_scale_is_kept_and_puts_the_ideal_at_one(self):
        scale = (np.array([0.0, -25.0]), [124.0, 0.0])
        assert parse_utility("worst", 2, scale=scale).scale == ((0, -25), (124, 0))
        assert parse_utility("chebyshev", 2, scale=scale).ideal == (1, 1)

    @pytest.mark.parametrize(
        ("text", "error", "message"),
        [
            ("liner:1,0", UnknownNameError, "unknown utility 'liner'; did you mean linear"),
            ("linear:speed=1", UnknownNameError, "unknown objective 'speed'"),
            ("lex:2,0", SpecError, "names objective 2; expected 0 to 1"),
            ("linear:0.5", SpecError, r"has 1 number; expected 2, one per objective \(treasure, time\)"),
            ("linear:a,b", SpecError, "'a' cannot be read; expected a form like 'linear:0.7,0.3'"),
            ("linear:", SpecError, "cannot be read"),
            ("linear:0.5,0.6", SpecError, "sum to 1.1"),
            ("worst:1", SpecError, "cannot be read"),
            ("cvar", SpecError, "cannot be read"),
            ("cvar:2", SpecError, "alpha is 2.0"),
            ("cvar:0.3;q=1", SpecError, "'q=1' cannot be read"),
            ("cvar:0.3;p", SpecError, "'p' cannot be read"),
            ("chebyshev:0.5,0.5", SpecError, "has no ideal point"),
            ("threshold", SpecError, "cannot be read"),
            ("", UnknownNameError, "unknown utility ''"),
        ],
    )
    def test_mistakes(self, text, error, message):
        with pytest.raises(error, match=message):
            parse_utility(text, 2, self.NAMES)

"""Choosing a point: brute force for every criterion, constraints and their chances, mixtures, refusals."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from morl.pareto import Front
from morl.pareto.choice import InfeasibleError, choose
from morl.spec import FrontError, Objective, SpecError, UnknownNameError
from morl.utility import WorstCase

SHOP = [Objective("service"), Objective("cost", "EUR", minimise=True)]
FRONT = Front([[0.90, -60.0], [0.96, -110.0], [0.99, -180.0]], SHOP, scale=([0.0, -200.0], [1.0, 0.0]))


def random_front(rng, sampled=False):
    """2 to 25 points of 2 to 4 objectives, with ties and dominated points, with costs, with and without a scale."""
    n, k = int(rng.integers(2, 26)), int(rng.integers(2, 5))
    points = rng.random((n, k)) if rng.random() < 0.5 else rng.integers(0, 5, (n, k)).astype(float)
    units = 10.0 ** rng.integers(-2, 3, k)
    costs = rng.random(k) < 0.4
    points = np.where(costs, points - 4.0, points) * units
    objectives = [Objective(f"o{i}", minimise=bool(cost)) for i, cost in enumerate(costs)]
    scale = (points.min(axis=0) - units, points.max(axis=0) + units) if rng.random() < 0.5 else None
    return Front(points, objectives, scale=scale)


def random_constraint(rng, front):
    """A bound on one objective that at least one point meets, as a person would write it."""
    i = int(rng.integers(front.k))
    bound = float(rng.choice(front.points[:, i]))
    cost = front.objectives[i].minimise
    return (f"o{i} {'<=' if cost else '>='} {(-bound if cost else bound)!r}"), i, bound


def dominates(a, b):
    return all(a >= b) and any(a > b)


def comparable(front):
    """Low end and width of the scale that minima and sums are taken on."""
    if front.scale is not None:
        return front.scale[0], front.scale[1] - front.scale[0]
    best = [x for x in front.points if not any(dominates(y, x) for y in front.points)]
    low, high = np.min(best, axis=0), np.max(best, axis=0)
    return low, np.array([h - l if h > l else 1.0 for l, h in zip(low, high, strict=True)])


def linear(front, w, raw=False):
    width = np.ones(front.k) if raw or front.scale is None else front.scale[1] - front.scale[0]
    low = np.zeros(front.k) if raw or front.scale is None else front.scale[0]
    return [sum(w[k] * (x[k] - low[k]) / width[k] for k in range(front.k)) for x in front.points]


def maximin(front):
    low, width = comparable(front)
    return [min((x - low) / width) for x in front.points]


def cvar(front, alpha):
    """Mean of the worst share: objectives in ascending order, the last one in part."""
    low, width = comparable(front)
    values = []
    for x in front.points:
        left, total = alpha, 0.0
        for f in sorted((x - low) / width):
            part = min(left, 1.0 / front.k)
            total, left = total + part * f, left - part
        values.append(total / alpha)
    return values


def achievement(front, wished, least):
    shares = [[(x[k] - least[k]) / (wished[k] - least[k]) for k in range(front.k)] for x in front.points]
    return [-max((1 - s) / front.k for s in row) - 1e-3 * sum(1 - s for s in row) for row in shares]


def trade_off(front):
    """Smallest ratio of what is lost to what is gained on the way to a neighbour; non-dominated points only."""
    rows = [i for i, x in enumerate(front.points) if not any(dominates(y, x) for y in front.points)]
    kept = []
    for i in rows:
        if not any(np.array_equal(front.points[i], front.points[j]) for j in kept):
            kept.append(i)
    scores = [math.nan] * len(front)
    if len(kept) < 3:
        return scores
    values = front.points[kept]
    spread = np.ptp(values, axis=0)
    unit = (values.max(axis=0) - values) / np.where(spread > 0, spread, 1.0)
    for a, i in enumerate(kept):
        distances = [math.dist(unit[a], other) for other in unit]
        near = [b for b in range(len(kept)) if distances[b] <= 0.125]
        most = min(2 * front.k, len(kept) - 1)
        if len(near) < most:
            reach = sorted(distances)[most]
            near = [b for b in range(len(kept)) if distances[b] <= reach + 1e-12]
            if len(near) > most + 1:
                return None  # which of the equally far ones are neighbours is anybody's guess
        ratios = []
        for b in near:
            step = unit[b] - unit[a]
            lost, gained = sum(step[step > 0]), -sum(step[step < 0])
            if lost + gained > 0:
                ratios.append(lost / gained if gained > 0 else math.inf)
        scores[i] = min(ratios)
    return scores


def in_order(front, rows, order, slack):
    """The rows that are left when each objective in turn must be within its slack of the best."""
    left = list(rows)
    for k, s in zip(order, slack, strict=True):
        best = max(front.points[i][k] for i in left)
        left = [i for i in left if front.points[i][k] >= best - s]
    last = [order[-1], *order[:-1]]
    return [max(left, key=lambda i: tuple(front.points[i][k] for k in last))]


class TestBruteForce:
    @pytest.mark.parametrize("part", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2, 3))])
    def test_every_criterion_on_1000_fronts(self, part):
        rng = np.random.default_rng(part)
        for _ in range(250):
            front = random_front(rng)
            text, k, bound = random_constraint(rng, front)
            rows = [i for i, x in enumerate(front.points) if x[k] >= bound]
            w = rng.dirichlet(np.ones(front.k))
            low, width = comparable(front)
            wished, least = low + width * rng.uniform(0.5, 1.2, front.k), low - width * rng.uniform(0.1, 1, front.k)
            sign = np.array([o.sign for o in front.objectives])
            levels = {"aspiration": wished * sign, "reservation": dict(zip(front.names, least * sign, strict=True))}
            for scores, how in (
                (linear(front, w), {"weights": w}),
                (linear(front, w, raw=True), {"weights": dict(zip(front.names, w, strict=True)), "raw": True}),
                (linear(front, np.full(front.k, 1 / front.k)), {}),
                (maximin(front), {"utility": "maximin"}),
                (cvar(front, 0.4), {"utility": "cvar:0.4"}),
                (achievement(front, wished, least), levels),
                ([float(np.min(x)) for x in front.points], {"utility": lambda r: min(r)}),
                (trade_off(front), {"utility": "knee"}),
            ):
                if scores is None:
                    continue
                if all(math.isnan(scores[i]) for i in rows):
                    with pytest.raises(SpecError, match="knee"):
                        choose(front, text, mixture=False, **how)
                    continue
                choice = choose(front, text, mixture=False, **how)
                best = max(scores[i] for i in rows if not math.isnan(scores[i]))
                assert choice.index in rows
                assert scores[choice.index] == pytest.approx(best, rel=1e-9, abs=1e-9), how
                assert choice.score == pytest.approx(best, rel=1e-9, abs=1e-9), how
                assert not any(  # of equally good ones, none that another dominates
                    dominates(front.points[i], front.points[choice.index]) and scores[i] >= best for i in rows
                )
            order = list(rng.permutation(front.k)[: int(rng.integers(1, front.k + 1))])
            slack = rng.choice([0.0, 0.2], len(order)) * width[order]
            wanted = in_order(front, rows, order, slack)
            choice = choose(front, text, order=[f"o{i}" for i in order], slack=slack, mixture=False)
            assert front.points[choice.index][order].tolist() == front.points[wanted[0]][order].tolist()

    def test_mixtures_against_all_pairs(self):
        """In two objectives under one constraint pairs of points, mixed on a grid, come near the best mixture."""
        rng = np.random.default_rng(1)
        grid = np.linspace(0, 1, 201)[:, None]
        for _ in range(40):
            front = Front(rng.random((int(rng.integers(2, 9)), 2)), ["a", "b"], scale=([0, 0], [1, 1]))
            bound = float(rng.uniform(front.points[:, 0].min(), front.points[:, 0].max()))
            pairs = itertools.combinations_with_replacement(front.points, 2)
            mixed = np.concatenate([grid * x + (1 - grid) * y for x, y in pairs])
            mixed = mixed[mixed[:, 0] >= bound]
            w = rng.dirichlet([1, 1])
            for values, how in (
                (mixed @ w, {"weights": w}),
                (mixed.min(axis=1), {"utility": "maximin"}),
                (np.sort(mixed, axis=1) @ [0.5 / 0.75, 0.25 / 0.75], {"utility": "cvar:0.75"}),
                (mixed[:, 1], {"order": ["b"]}),
            ):
                choice = choose(front, f"a >= {bound!r}", mixture=True, **how)
                assert choice.point[0] >= bound - 1e-8
                if "order" in how:
                    reached = choice.point[1]
                else:
                    reached = choice.score
                assert values.max() - 1e-8 <= reached <= values.max() + 0.01
                if choice.mixture is not None:
                    value = choice.mixture.shares @ front.points[list(choice.mixture.members)]
                    assert value == pytest.approx(choice.point)
                    assert sum(share for _, share in choice.members) == pytest.approx(1)


class TestConstraints:
    def test_costs_are_positive_and_units_may_be_said(self):
        choice = FRONT.choose("service >= 0.95", "cost <= 120 EUR", mixture=False)
        assert choice.shown.tolist() == [0.96, 110.0]
        assert choice.feasible.tolist() == [False, True, False]
        assert choice.id == FRONT.ids[1]

    def test_nothing_meets_them(self):
        nearest = f"nearest is {FRONT.ids[1]}, which misses 'cost <= 105' by 5"
        with pytest.raises(InfeasibleError, match=nearest) as info:
            FRONT.choose("service >= 0.95", "cost <= 105", mixture=False)
        assert FRONT.points[info.value.nearest].tolist() == [0.96, -110.0]
        with pytest.raises(InfeasibleError, match=r"misses 'service >= 0.999' by 0.009 \(it has 0.99\)"):
            FRONT.choose("service >= 0.999")

    def test_a_mixture_may_meet_what_no_point_meets(self):
        choice = FRONT.choose("service >= 0.92", "cost <= 80", weights={"service": 1.0})
        assert choice.index is None
        assert choice.id is None
        # 60 + 50 t <= 80 with the next point's share t: t = 0.4, and a service of 0.9 + 0.06 t
        assert choice.shown.tolist() == pytest.approx([0.924, 80.0])
        assert dict(choice.members) == {FRONT.ids[2]: pytest.approx(0.6), FRONT.ids[1]: pytest.approx(0.4)}
        assert "mixture" in choice.lines()[0]

    @pytest.mark.parametrize(
        ("text", "error", "message"),
        [
            ("servce >= 0.9", UnknownNameError, "did you mean service"),
            ("cost <= 120 USD", SpecError, "unit 'USD'; cost is in 'EUR'"),
            ("service >= 0.9 %", SpecError, "without a unit"),
            ("cost", SpecError, "not understood"),
            ("cost <= 1.2.3", SpecError, "."),
        ],
    )
    def test_refusals(self, text, error, message):
        with pytest.raises(error, match=message):
            FRONT.choose(text)


class TestChances:
    sampled = Front(
        [[0.90, -60.0], [0.96, -110.0]],
        SHOP,
        covariance=[np.diag([1e-4, 25.0]), np.diag([4e-4, 25.0])],
        episodes=[11, 11],
    )

    def test_by_students_t(self):
        choice = self.sampled.choose("service >= 0.95", "cost <= 120")
        wanted = [stats.t.cdf(0.01 / 0.02, 10), stats.t.cdf(10 / 5, 10)]
        best = choice.index
        assert self.sampled.points[best].tolist() == [0.96, -110.0]
        assert choice.chances[best] == pytest.approx(wanted)
        assert "holds with chance 68.6%" in choice.lines()[3]
        assert choice.mixture is None  # a mixture of uncertain points is not offered unasked

    def test_confidence_holds_for_all_together(self):
        with pytest.raises(InfeasibleError, match=r"with a chance of 0.9; likeliest is .*, with 0.649"):
            self.sampled.choose("service >= 0.95", "cost <= 120", confidence=0.9)
        assert self.sampled.choose("service >= 0.95", "cost <= 120", confidence=0.6).index == 0
        assert self.sampled.choose("service >= 0.94", confidence=0.8).index == 0

    def test_exact_points_are_sure(self):
        assert FRONT.choose("service >= 0.96", mixture=False).chances.tolist() == [[1.0], [1.0], [0.0]]


def test_policies_behind_a_choice():
    known = FRONT.replace(policies=("cheap", "middle", "dear"))
    choice = known.choose("service >= 0.95", weights=[0.0, 1.0], mixture=False)
    assert choice.policy == ("cheap", "middle", "dear")[choice.index]
    assert known.points[choice.index].tolist() == [0.96, -110.0]
    with pytest.raises(FrontError, match="knows values, not policies"):
        _ = FRONT.choose().policy


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"utility": "kneee"}, UnknownNameError, "did you mean knee"),
        ({"utility": "knee", "weights": [1, 0]}, SpecError, "expected one criterion"),
        ({"weights": {"srvice": 1}}, UnknownNameError, "did you mean service"),
        ({"weights": [1, 1]}, SpecError, "sum to 2"),
        ({"order": ["cots"]}, UnknownNameError, "did you mean cost"),
        ({"order": ["cost"], "slack": [1, 2]}, SpecError, "slack"),
        ({"aspiration": {"cost": 500}}, SpecError, "expected an aspiration that is better"),
        ({"confidence": 1.5}, SpecError, "between 0 and 1"),
        ({"utility": lambda r: float("nan")}, SpecError, "not a number"),
    ],
)
def test_refused_criteria(how, error, message):
    with pytest.raises(error, match=message):
        FRONT.choose(**how)


def test_an_empty_front():
    with pytest.raises(FrontError, match="no points to choose from"):
        Front(np.zeros((0, 2)), SHOP).choose()


def test_a_utility_of_the_package_is_taken_as_it_is():
    assert FRONT.choose(utility=WorstCase(scale=((0.0, -200.0), (1.0, 0.0))), mixture=False).index == 2


def test_ranking_and_what_is_given_up():
    choice = FRONT.choose(weights={"service": 0.5, "cost": 0.5}, mixture=False)
    assert [FRONT.points[i, 0] for i in choice.ranking()] == [0.9, 0.96, 0.99]
    assert choice.given_up == pytest.approx([0.09, 0.0])

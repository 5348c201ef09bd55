"""Elicitation: the certificate against vertices and true regrets, contradictions, and people that answer honestly."""

from itertools import combinations

import numpy as np
import pytest
from elicitation import at_random, converse, random_front, shrinking

from morl.pareto import Front
from morl.pareto.elicitation import Elicitation
from morl.pareto.polytope import Weights
from morl.spec import FrontError, SpecError

CORNERS = Front([[0.0, 1.0], [0.7, 0.7], [1.0, 0.0]], ["a", "b"], scale=([0, 0], [1, 1]))


def simplex_vertices(rows, limits, k):
    """Every vertex of the polytope: K − 1 of its half-spaces with equality, by brute force."""
    rows = np.vstack([np.eye(k), rows])
    limits = np.append(np.zeros(k), limits)
    found = []
    for tight in combinations(range(len(rows)), k - 1):
        matrix = np.vstack([rows[list(tight)], np.ones(k)])
        if abs(np.linalg.det(matrix)) < 1e-12:
            continue
        w = np.linalg.solve(matrix, np.append(-limits[list(tight)], 1.0))
        if (rows @ w >= -limits - 1e-9).all():
            found.append(w)
    return np.array(found)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_vertices_and_certificates_by_brute_force(k):
    rng = np.random.default_rng(k)
    for trial in range(12):
        front = random_front(k, 12, rng, bent=trial % 2 == 0)
        talk = Elicitation(front, slack=0.01 if trial % 3 == 0 else 0.0)
        w = rng.dirichlet(np.ones(k))
        for _ in range(int(rng.integers(1, 5))):
            i, j = rng.choice(talk.options, 2, replace=False)
            talk.answer(int(i), int(j), "first" if (talk.values[i] - talk.values[j]) @ w >= 0 else "second")
        rows, tolerances = talk._rows()
        vertices = simplex_vertices(rows, np.maximum(tolerances, talk.slack), k)
        for vertex in vertices:
            assert np.abs(talk.vertices - vertex).max(axis=1).min() < 1e-7
        for vertex in talk.vertices:
            assert np.abs(vertices - vertex).max(axis=1).min() < 1e-7
        regrets = (vertices @ front.points.T).max(axis=1, keepdims=True) - vertices @ front.points.T
        found = talk.certificate()
        assert found.loss == pytest.approx(regrets.max(axis=0)[found.index], abs=1e-7)
        assert found.loss == pytest.approx(regrets.max(axis=0).min(), abs=1e-7)
        gain = (front.points[found.witness] - front.points[found.index]) @ found.witness_weights
        assert gain == pytest.approx(found.loss, abs=1e-7)


@pytest.mark.parametrize("people", [range(40), pytest.param(range(40, 1000), marks=pytest.mark.slow)], ids=str)
def test_true_regret_is_within_the_certified_bound(people):
    for person in people:
        k = 2 + person % 3
        rng = np.random.default_rng([7, person])
        front, wish = random_front(k, 15, rng, bent=person % 2 == 0), rng.dirichlet(np.ones(k))
        noise = 0.0 if person % 4 else 0.02
        talk = converse(front, wish, shrinking, rng, 0.03 + 2 * noise, noise, most=25)
        assert talk.regret <= talk.bound + 1e-9
        assert noise or talk.bound <= 0.03


def test_fewer_questions_than_random_pairs():
    asked = {shrinking: 0, at_random: 0}
    for ask in asked:
        for person in range(6):
            rng = np.random.default_rng(person)
            front, wish = random_front(3, 20, rng), rng.dirichlet(np.ones(3))
            asked[ask] += converse(front, wish, ask, rng, most=60).questions
    assert 2 * asked[shrinking] < asked[at_random]


class TestContradictions:
    def test_a_cycle_is_trusted_as_far_as_it_can_be(self):
        talk = Elicitation(CORNERS)
        talk.answer(0, 1, "first")
        talk.answer(1, 2, "second")  # the extreme points both beat the middle: no linear utility says that
        # 0.3 w_a − 0.7 w_b >= −s and 0.3 w_b − 0.7 w_a >= −s: at w = (½, ½) the least s is 0.2
        assert talk.slack == pytest.approx(0.2, rel=0.06)
        assert talk.vertices == pytest.approx(np.full((2, 2), 0.5), abs=0.03)
        assert CORNERS.points[talk.recommended].tolist() == [0.7, 0.7]
        assert "give or take 0.2" in str(talk.certificate())
        talk.undo()
        assert talk.slack == 0

    def test_people_who_err_are_answered_to_the_end(self):
        for person in range(8):
            rng = np.random.default_rng(person)
            front = random_front(3, 15, rng)
            talk = Elicitation(front)
            for _ in range(12):
                pair = talk.question()
                if pair is None:
                    break
                talk.answer(*pair, rng.choice(["first", "second", "equal"]))
                assert len(talk.vertices) >= 1
                assert talk.vertices.sum(axis=1) == pytest.approx(np.ones(len(talk.vertices)))
            rows, _ = talk._rows()
            assert (talk.vertices @ rows.T >= -max(talk.slack, talk.indifference) - 1e-7).all()
            assert talk.certificate().loss >= 0


def test_equal_means_within_the_indifference():
    talk = Elicitation(CORNERS, indifference=0.1)
    talk.answer(0, 2, "equal")
    assert sorted(talk.vertices[:, 0]) == pytest.approx([0.45, 0.55])


def test_no_question_is_asked_twice_and_none_when_all_is_known():
    talk = Elicitation(CORNERS, slack=0.05)
    seen = set()
    while (pair := talk.question()) is not None:
        assert frozenset(pair) not in seen
        seen.add(frozenset(pair))
        talk.answer(*pair, "second")
    assert len(seen) <= 3
    assert Elicitation(CORNERS.subset([0])).question() is None
    assert Elicitation(CORNERS.subset([0])).certificate().loss == 0


def test_weights_are_on_the_return_scale():
    """Pounds and pence: on the scale, both objectives count alike."""
    wide = Front(CORNERS.points * [1, 100], ["a", "b"], scale=([0, 0], [1, 100]))
    for said in ("first", "second"):
        talks = Elicitation(CORNERS), Elicitation(wide)
        for talk in talks:
            talk.answer(0, 1, said)
        assert talks[0].vertices == pytest.approx(talks[1].vertices)
        assert talks[0].loss == pytest.approx(talks[1].loss)
    raw = Elicitation(wide, raw=True)
    assert raw.loss == pytest.approx(1.0)  # of (0, 100), where only a counts


def test_noise_and_epsilon_widen_the_bound():
    noisy = CORNERS.replace(covariance=np.full((3, 2, 2), 1e-4) * np.eye(2), episodes=[50, 50, 50])
    found = Elicitation(noisy).certificate()
    assert found.loss == pytest.approx(0.3)
    assert 0.3 + 2 * 0.02 < found.loss_beyond < 0.3 + 2 * 0.04
    assert Elicitation(CORNERS).certificate().loss_beyond is None
    assert Elicitation(CORNERS.replace(epsilon=0.05)).certificate().loss_beyond == pytest.approx(0.35)
    assert Elicitation(CORNERS.replace(complete=True)).certificate().loss_beyond == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.answer(0, 1, "maybe"), "expected one of first, second, equal"),
        (lambda t: t.answer(0, 0, "first"), "expected two of 0 to 2"),
        (lambda t: t.answer(0, 7, "first"), "expected two of 0 to 2"),
        (lambda t: t.undo(), "no answer to take back"),
    ],
)
def test_refused(call, message):
    with pytest.raises(SpecError, match=message):
        call(Elicitation(CORNERS))


def test_no_points_and_bad_slack():
    with pytest.raises(FrontError, match="no points to ask about"):
        Elicitation(Front(np.zeros((0, 2)), ["a", "b"]))
    with pytest.raises(SpecError, match="slack is -1"):
        Elicitation(CORNERS, slack=-1)


def test_cutting_to_nothing():
    assert Weights(2).cut(np.array([[-1.0, -1.0]]), np.array([0.0])) is None
    with pytest.raises(SpecError, match="no weights fit"):
        Weights.most(np.ones(2), np.array([[-1.0, -1.0]]), np.array([0.0]))

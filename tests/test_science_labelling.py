"""Sequence labelling: posteriors against enumeration, the Bayes ceiling against play, and labels of source code."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import morl
from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.science.hmm import HMM, VIEWS, ceiling, make_hmm, posterior, view_mask
from morl.envs.science.labelling import BayesLabeller, LabellingDynamics, bayes_ceiling
from morl.envs.science.token_corpus import (
    CATEGORIES,
    ROLES,
    build_corpus,
    label_source,
    load_corpus,
    save_corpus,
)
from morl.spec import EnvError

SequenceLabelling = partial(BatchedEnv.of, LabellingDynamics)
SequenceLabellingVec = partial(BatchedVectorEnv.of, LabellingDynamics)


def small_model(seed: int) -> HMM:
    rng = np.random.default_rng(seed)
    z, g, v = 2, 3, 4
    return HMM(
        rng.dirichlet(np.ones(z)),
        rng.dirichlet(np.ones(g), z),
        rng.dirichlet(np.ones(g), (z, g)),
        rng.dirichlet(np.ones(v), (z, g)),
        rng.integers(0, 3, (z, g + 1, g)),
    )


@given(seed=st.integers(0, 1000), mask=st.lists(st.booleans(), min_size=4, max_size=4))
@settings(max_examples=25, deadline=None)
def test_posteriors_equal_enumeration_of_all_hidden_paths(seed: int, mask: list[bool]) -> None:
    model = small_model(seed)
    words, _, _ = model.sample(1, 4, np.random.default_rng(seed))
    tags, entities = posterior(model, words, mask)
    expected_tags, expected_entities = np.zeros((4, 3)), np.zeros((4, model.entities))
    for topic in range(2):
        for path in itertools.product(range(3), repeat=4):
            p = model.topic[topic] * model.first[topic, path[0]]
            for t in range(4):
                if t:
                    p *= model.follow[topic, path[t - 1], path[t]]
                if mask[t]:
                    p *= model.emit[topic, path[t], words[0, t]]
            for t in range(4):
                expected_tags[t, path[t]] += p
                previous = path[t - 1] if t else 3
                expected_entities[t, model.entity[topic, previous, path[t]]] += p
    total = expected_tags[0].sum()
    np.testing.assert_allclose(tags[0], expected_tags / total, atol=1e-10)
    np.testing.assert_allclose(entities[0], expected_entities / total, atol=1e-10)


def test_posteriors_are_calibrated() -> None:
    """Among tokens whose tag is given probability p, a share p has that tag."""
    model = make_hmm()
    words, truth, _ = model.sample(2000, 12, np.random.default_rng(0))
    tags, _ = posterior(model, words, np.ones(12, dtype=bool))
    p = tags[..., 2].ravel()
    hit = (truth == 2).ravel()
    for low in np.arange(0, 1, 0.2):
        chosen = (p >= low) & (p < low + 0.2)
        error = np.sqrt(0.25 / chosen.sum())
        assert abs(hit[chosen].mean() - p[chosen].mean()) < 4 * error


def test_seeing_more_never_hurts() -> None:
    points = {str(name): point for point, name in zip(*_ceilings(), strict=True)}
    for small, large in [
        ("word", "window"),
        ("word", "history"),
        ("history", "history+window"),
        ("window", "history+window"),
        ("history+window", "sentence"),
    ]:
        assert np.all(points[small][:2] < points[large][:2] + 1e-12)


def _ceilings() -> tuple[Any, Any]:
    front = bayes_ceiling(sentences=600, seed=1)
    return front.points, front.policies


@pytest.mark.parametrize(("look", "view"), [(False, "word"), (True, "window")])
def test_the_bayes_labeller_reaches_its_ceiling_and_no_more(look: bool, view: str) -> None:
    n = 1500
    dynamics = LabellingDynamics()
    rng = np.random.default_rng(5)
    state = dynamics.initial(n, rng)
    labeller, total = BayesLabeller(dynamics, look), np.zeros((n, 3))
    ended = np.zeros(n, dtype=bool)
    while not ended.all():
        moved = dynamics.step(state, labeller.act(state), rng)
        total += moved.rewards * ~ended[:, None]
        ended |= moved.terminated
        state = moved.state
    assert labeller.model is not None
    expected = ceiling(labeller.model, state["words"], view)
    error = (total[:, :2] - expected).mean(axis=0) / (total[:, :2] - expected).std(axis=0) * np.sqrt(n)
    assert np.all(np.abs(error) < 4)
    assert np.all(total[:, 2] == pytest.approx(-2.0 if look else 0.0))


def test_a_look_is_a_trade_off() -> None:
    """Looking is worth more than it costs on both label objectives, and costs: neither choice dominates."""
    front = bayes_ceiling(("word", "window"), sentences=400)
    assert len(front.nondominated()) == 2


def test_rewards_of_a_sentence_by_hand() -> None:
    env = SequenceLabelling(length=3)
    env.reset(seed=0)
    state = env.state
    tag, entity = state["tags"], state["entities"]
    wrong_tag = (tag[0] + 1) % 6
    _, reward, _, _, _ = env.step(np.array([wrong_tag, 0, 0]))
    np.testing.assert_array_equal(reward, [0, 0, 0])
    observation, reward, _, _, _ = env.step(np.array([tag[1], entity[1], 1]))
    np.testing.assert_allclose(reward, [0, 0, -0.1])
    assert observation[-2] == 1
    assert int(env.state["at"]) == 1
    false_claim = 1 + (entity[1] % 3)
    _, reward, _, _, _ = env.step(np.array([tag[1], false_claim, 1]))
    np.testing.assert_allclose(reward, [1, -1 if false_claim != entity[1] else 1, -0.1])
    _, reward, ended, _, _ = env.step(np.array([tag[2], entity[2], 0]))
    np.testing.assert_allclose(reward, [1, float(entity[2] > 0), 0])
    assert ended


def test_nothing_is_seen_before_it_is_bought() -> None:
    env = SequenceLabelling()
    observation, _ = env.reset(seed=1)
    words = env.state["words"] + 1
    assert observation.tolist() == [0, 0, words[0], 0, 0, 0, 0]
    observation = env.step(np.array([0, 0, 1]))[0]
    assert observation.tolist() == [0, 0, words[0], words[1], words[2], 1, 0]
    for _ in range(3):
        observation = env.step(np.array([0, 0, 0]))[0]
    assert observation.tolist() == [0, 0, words[3], 0, 0, 0, 3]


def test_discrete_actions_mean_the_same() -> None:
    whole, parts = SequenceLabelling(discrete=True), SequenceLabelling()
    whole.reset(seed=3)
    parts.reset(seed=3)
    rng = np.random.default_rng(0)
    ended = False
    while not ended:
        tag, entity, look = int(rng.integers(6)), int(rng.integers(4)), int(rng.integers(2))
        a = whole.step((tag * 4 + entity) * 2 + look)
        b = parts.step(np.array([tag, entity, look]))
        np.testing.assert_array_equal(a[1], b[1])
        ended = a[2]
        assert ended == b[2]


def test_baselines_lie_inside_the_reference_box() -> None:
    for source in ("hmm", "code"):
        venv = SequenceLabellingVec(64, source)
        venv.reset(seed=0)
        total, alive = np.zeros((64, 3)), np.ones(64, dtype=bool)
        for _ in range(40):
            _, rewards, ended, _, _ = venv.step(venv.action_space.sample())
            total += rewards * alive[:, None]
            alive &= ~ended
        assert not alive.any()
        assert np.all(total.mean(axis=0) > np.array(venv.mo_spec.ref_point))
        assert np.all(total > np.array(venv.mo_spec.ref_point))


SOURCE = """
class Box(Base):
    def __init__(self, size, *rest, flag=True, **more):
        self.size = size  # a comment
        print("ä", self.area().real, f(size))

async def g(): return lambda q: q.r
"""


def test_roles_of_identifiers_in_source() -> None:
    labelled = label_source(SOURCE)
    by_role: dict[str, list[str]] = {role: [] for role in ROLES}
    for text, _, role in labelled:
        by_role[ROLES[role]].append(text)
    assert by_role["class"] == ["Box"]
    assert by_role["function"] == ["__init__", "g"]
    assert by_role["parameter"] == ["self", "size", "rest", "flag", "more", "q"]
    assert by_role["callee"] == ["print", "area", "f"]
    assert by_role["attribute"] == ["size", "real", "r"]
    kinds = {text: CATEGORIES[category] for text, category, _ in labelled}
    assert kinds["class"] == "keyword"
    assert kinds["Box"] == "name"
    assert kinds['"ä"'] == "string"
    assert kinds["("] == "operator"
    assert not any("comment" in text for text in kinds)


def test_the_shipped_corpus_is_ours_and_imbalanced() -> None:
    corpus = load_corpus()
    assert len(corpus) > 20_000
    assert len(corpus.vocabulary) == 200
    counts = np.bincount(corpus.entities, minlength=len(ROLES))
    assert counts[0] > 10 * counts[1:].max()
    assert 0 < counts[ROLES.index("class")] < counts[ROLES.index("function")] < counts[ROLES.index("callee")]
    assert set(np.unique(corpus.tags)) == set(range(len(CATEGORIES)))
    assert "MOMDP" in corpus.vocabulary or "FloatArray" in corpus.vocabulary


def test_a_corpus_survives_its_file(tmp_path: Any) -> None:
    corpus = build_corpus([SOURCE, "x = 1\n"])
    save_corpus(corpus, tmp_path / "c.npz")
    again = load_corpus(tmp_path / "c.npz")
    np.testing.assert_array_equal(corpus.words, again.words)
    np.testing.assert_array_equal(corpus.entities, again.entities)
    assert corpus.vocabulary == again.vocabulary
    with pytest.raises(EnvError, match="cannot be read"):
        load_corpus(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"source": "news"}, "'hmm' or 'code'"),
        ({"length": 1}, "2 to 200"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(EnvError, match=words):
        SequenceLabelling(**options)


def test_bad_models_views_and_sources_are_refused() -> None:
    good = small_model(0)
    with pytest.raises(EnvError, match="not distributions"):
        HMM(good.topic * 2, good.first, good.follow, good.emit, good.entity)
    with pytest.raises(EnvError, match="shape"):
        HMM(good.topic, good.first[:1], good.follow, good.emit, good.entity)
    with pytest.raises(EnvError, match=VIEWS[1]):
        view_mask("page", 0, 5)
    with pytest.raises(EnvError, match="not valid Python"):
        label_source("def (")
    with pytest.raises(EnvError, match="no tokens"):
        build_corpus([])
    with pytest.raises(EnvError, match="source='hmm'"):
        BayesLabeller(LabellingDynamics("code"), True)


def test_pictures_and_text() -> None:
    for source in ("hmm", "code"):
        env = morl.make("morl/SequenceLabelling-v0", source=source, render_mode="rgb_array")
        env.reset(seed=0)
        for look in (0, 1, 0, 1):
            env.step(np.array([0, 1, look]))
        picture = env.render()
        assert picture.ndim == 3
        assert picture.dtype == np.uint8
        text = morl.make("morl/SequenceLabelling-v0", source=source, render_mode="ansi")
        text.reset(seed=0)
        text.step(np.array([0, 1, 0]))
        assert len(text.render().splitlines()) == 20

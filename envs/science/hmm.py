"""A hidden Markov model of tagged sentences, and exact posteriors of its hidden labels by forward–backward.

A sentence has a latent topic; tags follow a Markov chain that depends on the topic, words are emitted by
(topic, tag) with Zipf frequencies, and each token carries an entity label that is a function of (topic, previous tag,
tag). Whatever subset of the words is visible, :func:`posterior` gives the exact probabilities of every tag and
entity, and so the best any labeller with that view can expect (:func:`ceiling`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from morl.spec import EnvError, FloatArray, IntArray

VIEWS = ("word", "window", "history", "history+window", "sentence")
LOOK = 2  # words to each side that a look reveals


@dataclass(frozen=True, eq=False)
class HMM:
    """The parameters: Z topics, G tags, V words, E entity labels (0 is "none").

    Args:
        topic: ``(Z,)`` prior of the topic.
        first: ``(Z, G)`` distribution of the first tag.
        follow: ``(Z, G, G)`` distribution of the next tag.
        emit: ``(Z, G, V)`` distribution of the word.
        entity: ``(Z, G + 1, G)`` entity label by topic, previous tag (G: none, the sentence begins) and tag.

    Raises:
        EnvError: shapes that disagree, or rows that are not distributions.
    """

    topic: FloatArray
    first: FloatArray
    follow: FloatArray
    emit: FloatArray
    entity: IntArray

    def __post_init__(self) -> None:
        z, g, v = self.emit.shape
        shapes = {"topic": (z,), "first": (z, g), "follow": (z, g, g), "emit": (z, g, v), "entity": (z, g + 1, g)}
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise EnvError(f"{name} has shape {array.shape}; expected {shape}")
            if name != "entity" and not (np.all(array >= 0) and np.allclose(array.sum(axis=-1), 1.0)):
                raise EnvError(f"{name} has rows that are not distributions; expected entries >= 0 that sum to 1")

    @property
    def tags(self) -> int:
        """G, the number of tags."""
        return int(self.emit.shape[1])

    @property
    def words(self) -> int:
        """V, the size of the vocabulary."""
        return int(self.emit.shape[2])

    @property
    def entities(self) -> int:
        """E, the number of entity labels, "none" included."""
        return int(self.entity.max()) + 1

    def sample(self, n: int, length: int, rng: np.random.Generator) -> tuple[IntArray, IntArray, IntArray]:
        """Sentences: words, tags and entities, each ``(n, length)``."""
        rows = np.arange(n)
        topic = _draw(np.cumsum(np.broadcast_to(self.topic, (n, len(self.topic))), axis=1), rng)
        first, follow, emit = (np.cumsum(table, axis=-1) for table in (self.first, self.follow, self.emit))
        words, tags, entities = (np.empty((n, length), dtype=np.int64) for _ in range(3))
        previous = np.full(n, self.tags)
        for t in range(length):
            table = first[topic] if t == 0 else follow[topic, previous]
            tags[:, t] = _draw(table, rng)
            words[:, t] = _draw(emit[topic, tags[:, t]], rng)
            entities[:, t] = self.entity[topic, previous, tags[:, t]]
            previous = tags[rows, t]
        return words, tags, entities


def _draw(cumulative: FloatArray, rng: np.random.Generator) -> IntArray:
    """One index per row of cumulative distributions."""
    u = rng.random((len(cumulative), 1)) * cumulative[:, -1:]
    return np.asarray(np.minimum((u >= cumulative).sum(axis=1), cumulative.shape[1] - 1))


@lru_cache(maxsize=8)
def make_hmm(seed: int = 0, tags: int = 6, words: int = 200, topics: int = 3, entities: int = 4) -> HMM:
    """The model of :class:`SequenceLabelling`: random, fixed by its seed (an assumption, not a language).

    Words are ranked anew for every tag, with ranks perturbed by topic, and drawn with Zipf weights 1/rank; tags follow
    each other with sparse random preferences; two fifths of the (topic, previous tag, tag) triples are no entity.
    """
    rng = np.random.default_rng(seed)
    rank = np.argsort(rng.random((tags, words)), axis=1)[None] * 0.6 + rng.random((topics, tags, words)) * 0.4 * words
    emit = 1.0 / (1.0 + np.argsort(np.argsort(rank, axis=2), axis=2))
    emit /= emit.sum(axis=2, keepdims=True)
    follow = 0.75 * rng.dirichlet(np.full(tags, 0.4), tags)[None] + 0.25 * rng.dirichlet(
        np.full(tags, 0.4), (topics, tags)
    )
    first = rng.dirichlet(np.full(tags, 2.0), topics)
    label = np.where(rng.random((topics, tags + 1, tags)) < 0.4, 0, rng.integers(1, entities, (topics, tags + 1, tags)))
    return HMM(np.full(topics, 1.0 / topics), first, follow, np.asarray(emit, dtype=np.float64), label)


def posterior(model: HMM, words: IntArray, visible: Any) -> tuple[FloatArray, FloatArray]:
    """Exact probabilities of tags and entities given the visible words of each sentence.

    Args:
        words: ``(n, T)`` word numbers; invisible ones are not read.
        visible: ``(n, T)`` or ``(T,)`` booleans.

    Returns:
        Tag probabilities ``(n, T, G)`` and entity probabilities ``(n, T, E)``.
    """
    words = np.asarray(words)
    n, length = words.shape
    seen = np.broadcast_to(np.asarray(visible, dtype=bool), (n, length))
    likelihood = np.where(seen[:, :, None, None], model.emit.transpose(2, 0, 1)[words], 1.0)  # (n, T, Z, G)
    forward, backward = np.empty_like(likelihood), np.empty_like(likelihood)
    forward[:, 0] = model.topic[:, None] * model.first * likelihood[:, 0]
    for t in range(1, length):
        carried = np.einsum("nzg,zgh->nzh", forward[:, t - 1], model.follow) * likelihood[:, t]
        forward[:, t] = carried / carried.sum(axis=(1, 2), keepdims=True)
    backward[:, -1] = 1.0
    for t in range(length - 2, -1, -1):
        carried = np.einsum("zgh,nzh->nzg", model.follow, likelihood[:, t + 1] * backward[:, t + 1])
        backward[:, t] = carried / carried.max(axis=(1, 2), keepdims=True)
    joint = forward * backward
    tags = joint.sum(axis=2) / joint.sum(axis=(2, 3))[:, :, None]
    pairs = np.zeros((n, length, *model.entity.shape))
    pairs[:, 0, :, -1, :] = joint[:, 0]
    ahead = likelihood[:, 1:] * backward[:, 1:]
    pairs[:, 1:, :, :-1, :] = forward[:, :-1, :, :, None] * model.follow[None, None] * ahead[:, :, :, None, :]
    pairs /= pairs.sum(axis=(2, 3, 4), keepdims=True)
    label = np.eye(model.entities)[model.entity]  # (Z, G + 1, G, E)
    return tags, np.einsum("ntzgh,zghe->nte", pairs, label)


def view_mask(view: str, t: int, length: int) -> Any:
    """Which words of a sentence a view shows to the labeller of token t, ``(length,)``.

    Raises:
        EnvError: an unknown view.
    """
    s = np.arange(length)
    masks = {
        "word": s == t,
        "window": np.abs(s - t) <= LOOK,
        "history": s <= t,
        "history+window": s <= t + LOOK,
        "sentence": s >= 0,
    }
    if view not in masks:
        raise EnvError(f"view is {view!r}; expected one of {', '.join(VIEWS)}")
    return masks[view]


def best_labels(tags: FloatArray, entities: FloatArray) -> tuple[IntArray, IntArray]:
    """The labels of largest expected reward: the likeliest tag; the likeliest entity if it is more than even odds."""
    claim = entities[..., 1:].argmax(axis=-1) + 1
    chance = entities[..., 1:].max(axis=-1)
    return tags.argmax(axis=-1), np.where(chance > 0.5, claim, 0)


def ceiling(model: HMM, words: IntArray, view: str) -> FloatArray:
    """The best expected (tags right, entity score) of each sentence for a labeller with a view, ``(n, 2)``.

    Exact given the words; average it over sampled sentences for the ceiling of the environment. The entity score of a
    token is +1 for the right entity, −1 for a wrong one and 0 for claiming none.
    """
    n, length = words.shape
    total = np.zeros((n, 2))
    for t in range(length):
        tags, entities = posterior(model, words, view_mask(view, t, length))
        total[:, 0] += tags[:, t].max(axis=-1)
        total[:, 1] += np.maximum(0.0, 2.0 * entities[:, t, 1:].max(axis=-1) - 1.0)
    return total

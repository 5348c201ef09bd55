"""Labelling a sentence token by token, with a price on context.

For every token the agent says a tag and an entity label. A correct tag earns 1 on the first objective; a claimed
entity earns +1 on the second if right and −1 if wrong, and claiming none earns 0. It first sees the word alone. Asking
to look (the third part of the action) costs 0.1 on the third objective and shows the two words to each side; the
labels said with that action do not count, and the token is answered at the next step. Looking twice at a token costs
again and shows nothing new, and its labels count. γ = 1; an episode is one sentence.

Tagging alone has no conflict of objectives: the best labels for each objective can be said together. The price of
looking makes the trade-off, and how much a look is worth is known exactly for the synthetic sentences: forward–backward
gives the Bayes ceiling of any fixed view (:func:`bayes_ceiling`).

``source="hmm"`` draws sentences from :func:`morl.envs.science.hmm.make_hmm` (6 tags, 200 words, 3 entity classes and
"none"); ``source="code"`` cuts windows out of labelled Python source (:mod:`morl.envs.science.token_corpus`: 6 token
categories, 5 identifier roles and "none", naturally imbalanced).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.dynamics import Dynamics, State, Transition
from morl.envs.science.hmm import LOOK, VIEWS, best_labels, ceiling, make_hmm, posterior, view_mask
from morl.envs.science.token_corpus import CATEGORIES, ROLES, load_corpus
from morl.pareto import Front
from morl.spec import EnvError, IntArray, MOSpec, Objective

PRICE = 0.1
LENGTH = 20
SOURCES = ("hmm", "code")
_SLOTS = 2 * LOOK + 1


def _spec(length: int) -> MOSpec:
    objectives = (
        Objective("tags", "correct", 0.0, 1.0, "tokens whose tag is right"),
        Objective("entities", "right-wrong", -1.0, 1.0, "claimed entities that are right, minus those that are wrong"),
        Objective("looks", "0.1 per look", -PRICE, 0.0, "price of looking at the neighbouring words"),
    )
    ref = (-1.0, -length - 1.0, -2 * PRICE * length - 0.1)
    scale = ((0.0, -float(length), -2 * PRICE * length), (float(length), float(length), 0.0))
    return MOSpec(objectives, 1.0, 2 * length, ref, scale)


class LabellingDynamics(Dynamics):
    """The pure dynamics of :mod:`morl.envs.science.labelling`, batched over sentences.

    Args:
        source: ``"hmm"`` or ``"code"``.
        length: tokens in a sentence, 2 to 200.
        discrete: number the actions ``(tag · E + entity) · 2 + look`` instead of giving three parts.
        model_seed: which synthetic model; ``"hmm"`` only.

    Raises:
        EnvError: an option that does not exist.
    """

    def __init__(
        self,
        source: str = "hmm",
        length: int = LENGTH,
        *,
        discrete: bool = False,
        model_seed: int = 0,
    ) -> None:
        if source not in SOURCES:
            raise EnvError(f"source is {source!r}; expected 'hmm' or 'code'")
        if not isinstance(length, int | np.integer) or isinstance(length, bool) or not 2 <= length <= 200:
            raise EnvError(f"length is {length!r}; expected 2 to 200 tokens")
        self.length, self.discrete = int(length), bool(discrete)
        self.model = make_hmm(model_seed) if source == "hmm" else None
        self.corpus = load_corpus() if source == "code" else None
        if self.model is not None:
            self.tag_names = tuple(f"T{i}" for i in range(self.model.tags))
            self.entity_names = ("none", *(f"E{i}" for i in range(1, self.model.entities)))
            self.vocabulary = tuple(f"w{i}" for i in range(self.model.words))
        else:
            assert self.corpus is not None
            self.tag_names, self.entity_names, self.vocabulary = CATEGORIES, ROLES, self.corpus.vocabulary
        parts = [len(self.tag_names), len(self.entity_names), 2]
        self.action_space: spaces.Space[Any]
        self.action_space = spaces.Discrete(int(np.prod(parts))) if discrete else spaces.MultiDiscrete(parts)
        self.mo_spec = _spec(self.length)
        v = len(self.vocabulary)
        self.observation_space = spaces.MultiDiscrete([v + 1] * _SLOTS + [2, self.length + 1])

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """Fresh sentences."""
        if self.model is not None:
            words, tags, entities = self.model.sample(n, self.length, rng)
        else:
            assert self.corpus is not None
            begin = rng.integers(0, len(self.corpus) - self.length + 1, size=n)
            index = begin[:, None] + np.arange(self.length)
            words, tags, entities = self.corpus.words[index], self.corpus.tags[index], self.corpus.entities[index]
        unsaid = np.full((n, self.length), -1, dtype=np.int64)
        return {
            "words": words,
            "tags": tags,
            "entities": entities,
            "said_tags": unsaid,
            "said_entities": unsaid.copy(),
            "at": np.zeros(n, dtype=np.int64),
            "looking": np.zeros(n, dtype=np.bool_),
        }

    def parts(self, actions: Any) -> tuple[IntArray, IntArray, IntArray]:
        """Tag, entity and look of actions in either form, each ``(n,)``."""
        if not self.discrete:
            return actions[:, 0], actions[:, 1], actions[:, 2]
        labels, look = actions // 2, actions % 2
        return labels // len(self.entity_names), labels % len(self.entity_names), look

    def step(self, state: State, actions: Any, rng: np.random.Generator) -> Transition:
        """Answer the current token, or look around it first."""
        rows = np.arange(len(state["at"]))
        tag, entity, look = self.parts(np.asarray(actions))
        at = np.minimum(state["at"], self.length - 1)
        answer = (look == 0) | state["looking"]
        after = dict(state)
        for key, said in (("said_tags", tag), ("said_entities", entity)):
            after[key] = state[key].copy()
            after[key][rows[answer], at[answer]] = said[answer]
        rewards = np.zeros((len(rows), 3))
        rewards[:, 0] = answer & (tag == state["tags"][rows, at])
        right = entity == state["entities"][rows, at]
        rewards[:, 1] = np.where(answer & (entity > 0), np.where(right, 1.0, -1.0), 0.0)
        rewards[:, 2] = np.where(look == 1, -PRICE, 0.0)
        after["at"] = state["at"] + answer
        after["looking"] = ~answer
        return Transition(after, rewards, after["at"] >= self.length, {"token": after["at"]})

    def observe(self, state: State) -> Any:
        """Words at −2 … +2, numbered from 1 (0: unseen), whether a look was bought, and the position; ``(n, 7)``."""
        rows = np.arange(len(state["at"]))
        offset = np.arange(-LOOK, LOOK + 1)
        index = state["at"][:, None] + offset
        seen = (index >= 0) & (index < self.length) & ((offset == 0) | state["looking"][:, None])
        word = np.where(seen, state["words"][rows[:, None], np.clip(index, 0, self.length - 1)] + 1, 0)
        return np.concatenate([word, state["looking"][:, None], state["at"][:, None]], axis=1).astype(np.int64)

    def render(self, state: State, mode: str) -> Any:
        """The sentence with what was said of each word."""
        from morl.envs.science.labelling_render import LabelRenderer

        return LabelRenderer(self.vocabulary, self.tag_names, self.entity_names)(state, mode)


class BayesLabeller:
    """The best labeller without memory: exact posteriors of what one observation shows, looking always or never.

    Args:
        dynamics: of the synthetic source.
        look: buy a look at every token.
    """

    def __init__(self, dynamics: LabellingDynamics, look: bool) -> None:
        if dynamics.model is None:
            raise EnvError("exact posteriors need the synthetic source; make the environment with source='hmm'")
        self.dynamics, self.model, self.look = dynamics, dynamics.model, bool(look)

    def act(self, state: State) -> IntArray:
        """Actions ``(n, 3)`` for the states of a batch."""
        length, rows = self.dynamics.length, np.arange(len(state["at"]))
        at = np.minimum(state["at"], length - 1)
        away = np.abs(np.arange(length) - at[:, None])
        visible = np.where(state["looking"][:, None], away <= LOOK, away == 0)
        tags, entities = posterior(self.model, state["words"], visible)
        tag, entity = best_labels(tags[rows, at], entities[rows, at])
        ask = self.look & ~state["looking"]
        return np.stack([tag, entity, ask.astype(np.int64)], axis=-1)


def bayes_ceiling(
    views: tuple[str, ...] = VIEWS, *, sentences: int = 2000, length: int = LENGTH, seed: int = 0, model_seed: int = 0
) -> Front:
    """The best expected returns of labellers with fixed views of synthetic sentences.

    ``"word"`` and ``"window"`` are reached by memoryless agents that never or always look, ``"history"`` and
    ``"history+window"`` by agents with memory, and ``"sentence"`` bounds every labeller (it is charged for looking).
    Posteriors are exact; the average over sentences is sampled, and its covariance is part of the front.

    Raises:
        EnvError: an unknown view.
    """
    model = make_hmm(model_seed)
    words, _, _ = model.sample(sentences, length, np.random.default_rng(seed))
    points, spreads = [], []
    for view in views:
        view_mask(view, 0, length)
        price = -PRICE * length if view in ("window", "history+window", "sentence") else 0.0
        returns = np.column_stack([ceiling(model, words, view), np.full(sentences, price)])
        points.append(returns.mean(axis=0))
        spreads.append(np.cov(returns.T) / sentences)
    spec = _spec(length)
    return Front(
        points,
        spec.objectives,
        ref_point=spec.ref_point,
        discount=1.0,
        policies=list(views),
        covariance=spreads,
        episodes=np.full(len(views), sentences),
        scale=spec.return_scale,
        provenance={
            "algorithm": "forward-backward",
            "policy_class": "Bayes-optimal with a fixed view",
            "criterion": "SER",
            "env": "morl/SequenceLabelling-v0",
            "seed": seed,
        },
    )

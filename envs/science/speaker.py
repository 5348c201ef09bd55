"""SpeakerCommand-v0: answer a noisy command now, or pay to hear it again, while a voice misleads.

A hidden goal g ∈ {0, 1}. Its content is (2g − 1)·0.8416/√8 + N(0, 1) in eight coordinates, which alone supports an
accuracy of Φ(0.8416) = .80; a second sample raises it to Φ(0.8416·√2) = .883. Actions: answer 0, answer 1, or listen
again, which costs 0.1 and is possible once (a second request ends the episode without an answer). Beside the content
comes the code of a speaker who agrees with g with probability ρ: see :mod:`morl.envs.wrappers.nuisance`.

Without the nuisance, or at ρ = ½ where it says nothing, the front is exact: listen if and only if the projected
content is within ±c. Sources: the sequential probability ratio test (Wald 1945) for the rule; Ganin et al. 2016 for
the nuisance. Assumption: all numbers above but the accuracies, which follow from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.dynamics import Dynamics, State, Transition
from morl.envs.science.convex_front import half_spaces, sandwich
from morl.envs.wrappers.nuisance import DIMENSION, check_rho, draw_code, draw_speaker
from morl.pareto import Front
from morl.spec import EnvError, FloatArray, MOSpec, Objective

STRENGTH = 0.8416
"""Distance of the content's mean from zero; Φ(0.8416) = 0.80."""
COST = 0.1
ANSWERS = ("answer 0", "answer 1", "listen again")
_SPEC = MOSpec(
    (
        Objective("accuracy", "right answers", 0.0, 1.0, "1 for the right answer"),
        Objective("effort", "", -COST, 0.0, "minus 0.1 for every time of listening again"),
    ),
    discount=1.0,
    horizon=2,
    ref_point=(0.0, -0.25),
    return_scale=((0.0, -0.2), (1.0, 0.0)),
)


class SpeakerDynamics(Dynamics):
    """The pure dynamics of ``morl/SpeakerCommand-v0``.

    Observation: first content (8), second content (8, zeros before), whether it was heard again (1), code (8, absent
    without nuisance). ``info`` has ``goal`` and ``speaker``, which no agent may see.

    Args:
        rho: probability that the speaker agrees with the goal.
        nuisance: ``False`` leaves the code out (for :class:`morl.envs.wrappers.nuisance.NuisanceObservation`).

    Raises:
        EnvError: ρ outside [0, 1].
    """

    mo_spec = _SPEC
    render_fps = 2
    reset_options = ("goal",)

    def __init__(self, *, rho: float = 0.95, nuisance: bool = True) -> None:
        self.rho, self.nuisance = check_rho(rho), bool(nuisance)
        self.no_front = ""
        if self.nuisance and self.rho != 0.5:
            self.no_front = (
                f"SpeakerCommand-v0 has a known front without the nuisance or at rho=0.5, and rho is {self.rho}; "
                "make it with nuisance=False"
            )
        size = 2 * DIMENSION + 1 + (DIMENSION if nuisance else 0)
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.action_space = spaces.Discrete(3)

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """New commands; ``options["goal"]`` fixes the goal, 0 or 1."""
        goal = rng.integers(2, size=n)
        if options and "goal" in options:
            if options["goal"] not in (0, 1):
                raise EnvError(f"reset option 'goal' is {options['goal']!r}; expected 0 or 1")
            goal[:] = int(options["goal"])
        speaker = draw_speaker(goal, self.rho, rng)
        state = {"goal": goal, "speaker": speaker, "first": _content(goal, rng)}
        state |= {"second": np.zeros((n, DIMENSION)), "heard": np.zeros(n), "code": draw_code(speaker, rng)}
        return state | {"answer": np.full(n, -1)}

    def step(self, state: State, actions: np.ndarray[Any, Any], rng: np.random.Generator) -> Transition:
        """Answer, or hear another sample of content and code."""
        goal, speaker = state["goal"], state["speaker"]
        listen = actions == 2
        again = listen & (state["heard"] == 0)
        second = np.where(again[:, None], _content(goal, rng), state["second"])
        rewards = np.stack([(actions == goal).astype(float), -COST * listen], axis=1)
        new = {
            "goal": goal.copy(),
            "speaker": speaker.copy(),
            "first": state["first"].copy(),
            "second": second,
            "heard": state["heard"] + listen,
            "code": draw_code(speaker, rng),
            "answer": np.where(listen, -1, actions),
        }
        return Transition(new, rewards, ~again, {"goal": goal.copy(), "speaker": speaker.copy()})

    def observe(self, state: State) -> np.ndarray[Any, Any]:
        """Contents, flag and code, ``(n, 25)`` or ``(n, 17)`` float32."""
        parts = [state["first"], state["second"], np.minimum(state["heard"], 1.0)[:, None]]
        if self.nuisance:
            parts.append(state["code"])
        return np.concatenate(parts, axis=1).astype(np.float32)

    def reset_info(self, state: State) -> Mapping[str, np.ndarray[Any, Any]]:
        """The hidden goal and speaker."""
        return {"goal": state["goal"], "speaker": state["speaker"]}

    def render(self, state: State, mode: str) -> Any:
        """What was heard, what the voice hints at, and the answer."""
        from morl.envs.science.speaker_render import render

        return render(state, mode)

    def front(self, discount: float, max_steps: int | None) -> Front | None:
        """The exact front of an honest listener, where the nuisance says nothing; see :func:`pareto_front`."""
        return None if self.no_front else pareto_front(discount=discount)


def _content(goal: Any, rng: np.random.Generator) -> FloatArray:
    sign = (2.0 * goal - 1.0)[:, None] * (STRENGTH / np.sqrt(DIMENSION))
    return np.asarray(sign + rng.standard_normal((len(goal), DIMENSION)))


def listener_value(threshold: float, discount: float = 1.0) -> FloatArray:
    """Exact (accuracy, effort) of listening again if and only if |projected content| < threshold.

    For g = 1 the projection y is N(m, 1), m = 0.8416; answering at once is right if y ≥ c, and after a second sample y₂
    if y + y₂ > 0, so accuracy = 1 − Φ(c − m) + γ·∫₋c^c φ(y − m)·Φ(y + m) dy.

    >>> listener_value(0.0).round(3).tolist(), listener_value(40.0).round(3).tolist()
    ([0.8, -0.0], [0.883, -0.1])
    """
    from scipy.special import ndtr

    nodes, node_weights = np.polynomial.legendre.leggauss(200)
    c = min(float(threshold), 10.0)
    y = c * nodes
    inside = c * np.sum(node_weights * _normal(y - STRENGTH) * ndtr(y + STRENGTH))
    listens = ndtr(c - STRENGTH) - ndtr(-c - STRENGTH)
    return np.array([1.0 - ndtr(c - STRENGTH) + discount * inside, -COST * listens])


def listening_gain(y: Any, discount: float = 1.0) -> FloatArray:
    """Expected gain in (discounted) accuracy of a second sample when the first projected to ±y."""
    from scipy.special import ndtr

    y = np.abs(np.asarray(y, float))
    right, wrong = _normal(y - STRENGTH), _normal(y + STRENGTH)
    later = right * ndtr(y + STRENGTH) + wrong * ndtr(STRENGTH - y)
    return np.asarray((discount * later - right) / (right + wrong))


def _normal(x: Any) -> Any:
    return np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi)


def _thresholds(points: int, discount: float) -> FloatArray:
    """From never listening to listening wherever it gains anything."""
    if discount == 1.0:
        return np.concatenate([[0.0], np.linspace(0.05, 3.5, points - 2), [10.0]])
    if listening_gain(0.0, discount) <= 0.0:
        return np.zeros(1)
    low, high = 0.0, 10.0  # the gain falls with |y|: bisect for where it ends
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if listening_gain(middle, discount) > 0.0 else (low, middle)
    return np.linspace(0.0, low, points)


def pareto_front(points: int = 33, discount: float = 1.0) -> Front:
    """The exact front of an honest listener, sampled at thresholds c from never to always listening, with its ε."""
    if not 0.0 <= discount <= 1.0:
        raise EnvError(f"discount is {discount}; expected a number in [0, 1]")
    c = _thresholds(points, discount)
    values = np.array([listener_value(x, discount) for x in c])
    share = COST / (COST + np.maximum(listening_gain(c, discount), 0.0))  # w·gain = (1 − w)·cost at the threshold
    share[-1] = 1.0
    weights = np.column_stack([share, 1.0 - share])
    return Front(
        values,
        _SPEC.objectives,
        _SPEC.ref_point,
        discount,
        policies=[Listener(x) for x in c],
        weights=weights,
        supported=np.ones(len(c), bool),
        episodes=np.zeros(len(c), int),
        epsilon=sandwich(values, weights),
        complete=True,
        outer=half_spaces(values, weights),
        scale=_SPEC.return_scale,
        provenance={
            "algorithm": "Gauss–Legendre quadrature over the Bayes rule",
            "policy_class": "mixture",
            "criterion": "SER",
            "env": "morl/SpeakerCommand-v0",
        },
    )


class Listener:
    """A hand-written policy that hears only the content: optimal wherever the code says nothing.

    Args:
        threshold: listen again if the first content projects to less than this in size.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = float(threshold)

    def __call__(self, observation: Any) -> Any:
        """Actions for observations ``(n, 17 or 25)`` or one of them."""
        obs = np.atleast_2d(np.asarray(observation, float))
        one, two = (obs[:, i : i + DIMENSION].sum(axis=1) / np.sqrt(DIMENSION) for i in (0, DIMENSION))
        heard = obs[:, 2 * DIMENSION] > 0
        action = np.where(~heard & (np.abs(one) < self.threshold), 2, (one + two > 0).astype(int))
        return action if np.ndim(observation) > 1 else int(action[0])

"""The conformance suite for agents: what every algorithm must do, whoever wrote it.

    from morl.testing import check_agent
    check_agent(MyAgent)

Each check is a function of a :class:`Case`; :data:`CHECKS` names them all, so that a test suite can run them one by
one. A check that does not apply (an ESR agent has no preferences) says so by returning a reason.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from morl.agents import registry
from morl.agents.base import Agent
from morl.agents.core.callbacks import CheckpointCallback
from morl.envs.vector import SyncVectorEnv
from morl.spec import AgentError, EnvError, FloatArray, MorlError, RunError, SpecError, UnknownNameError
from morl.testing import problems

Errors = type[MorlError] | tuple[type[MorlError], ...]


class ConformanceError(AssertionError):
    """An agent broke the contract; the message says which part, and how."""


@dataclass(frozen=True)
class Case:
    """What is checked.

    Args:
        agent: the class.
        options: options given to every instance.
        steps: environment steps for checks of mechanics.
        optimum_steps: environment steps within which the optimum of a tiny problem is to be found.
        optimum_options: options for those, over ``options``.
        tolerance: how far from the optimum is near enough, as a fraction of the return scale.
        actions: ``"discrete"`` or ``"continuous"`` problems; discrete ones by default, where the agent can.
    """

    agent: type[Agent]
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 600
    optimum_steps: int = 20_000
    optimum_options: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 0.03
    actions: str | None = None

    @property
    def name(self) -> str:
        """The algorithm's name."""
        return self.agent.info.name

    @property
    def discrete(self) -> bool:
        """Whether the tiny problems have discrete actions."""
        return (self.actions or self.agent.info.actions[0]) == "discrete"

    def problem(self) -> Any:
        """The problem for checks of mechanics."""
        return problems.deterministic() if self.discrete else problems.Target()

    def make(self, env: Any = None, *, seed: int | None = 0, **more: Any) -> Agent:
        """An instance."""
        return self.agent(self.problem() if env is None else env, seed=seed, **{**self.options, **more})

    def trained(self, env: Any = None, *, seed: int = 0) -> Agent:
        """An instance that has learned a little."""
        return self.make(env, seed=seed).learn(self.steps)

    def require(self, condition: bool, message: str) -> None:
        """Raise :class:`ConformanceError` where ``condition`` is false."""
        if not condition:
            raise ConformanceError(f"{self.name}: {message}")

    def refuses(
        self, errors: type[MorlError] | tuple[type[MorlError], ...], call: Callable[[], Any], what: str
    ) -> None:
        """Require that ``call`` raises one of ``errors`` with a message of one line."""
        try:
            call()
        except errors as error:
            text = str(error)
            self.require(bool(text) and "\n" not in text, f"{what}: the message is {text!r}; expected one clear line")
            return
        except Exception as error:
            raise ConformanceError(
                f"{self.name}: {what} raised {type(error).__name__} ({error}); expected {errors}"
            ) from error
        raise ConformanceError(f"{self.name}: {what} was accepted; expected {errors}")


Check = Callable[[Case], str | None]


def digest(agent: Agent) -> str:
    """SHA-256 of everything that an agent has learned."""
    arrays, facts = agent._state()
    seal = hashlib.sha256(repr(sorted(facts.items())).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        seal.update(f"{name}{array.dtype}{array.shape}".encode())
        seal.update(array.tobytes())
    return seal.hexdigest()


def _observations(agent: Agent, n: int = 6) -> Any:
    if agent.problem.model is not None:
        live = agent.problem.model_observations[~agent.problem.model.terminal]
        return live[np.arange(n) % len(live)]
    rng = np.random.default_rng(0)
    agent.observation_space.seed(int(rng.integers(1000)))
    return np.stack([agent.observation_space.sample() for _ in range(n)])


def _actions(agent: Agent, observations: Any, preference: Any = None) -> np.ndarray[Any, Any]:
    extra: dict[str, Any] = {"accrued": np.zeros((len(observations), agent.k))}
    if agent.info.multi_policy:
        extra["preference"] = preference
    return np.asarray(agent.predict(observations, deterministic=True, **extra)[0])


def _preferences(k: int) -> FloatArray:
    return np.concatenate([np.eye(k), np.random.default_rng(7).dirichlet(np.ones(k), 4)])


# ---- mechanics ------------------------------------------------------------------------------------------


def check_describes_itself(case: Case) -> str | None:
    """``info`` is filled in and every option has a help line."""
    from morl.agents.core.config import options

    info = case.agent.info
    for name in ("name", "summary", "policy_class", "paper", "formula"):
        case.require(bool(getattr(info, name)), f"info.{name} is empty")
    case.require(set(info.criterion) <= {"SER", "ESR"} and bool(info.criterion), f"info.criterion is {info.criterion}")
    case.require(set(info.actions) <= {"discrete", "continuous"}, f"info.actions is {info.actions}")
    silent = [o.name for o in options(case.agent.Config) if not o.help]
    case.require(not silent, f"options {silent} have no help")
    return None


def check_learns_and_predicts(case: Case) -> str | None:
    """``learn`` counts its steps; ``predict`` gives valid actions, alone and in batches; ``front`` is filled in."""
    agent = case.trained()
    case.require(agent.num_timesteps >= case.steps, f"learned {agent.num_timesteps} of {case.steps} steps")
    observations = _observations(agent)
    batch = _actions(agent, observations)
    for i, observation in enumerate(observations):
        extra: dict[str, Any] = {"accrued": np.zeros(agent.k)}
        one, _ = agent.predict(observation, deterministic=True, **extra)
        case.require(
            agent.action_space.contains(one) or agent.action_space.contains(np.asarray(one)), f"action {one!r}"
        )
        case.require(np.allclose(one, batch[i], atol=1e-5), f"action {one!r} alone, {batch[i]!r} in a batch")
    front = agent.front(episodes=20)
    case.require(len(front) >= 1, "the front is empty")
    for key in ("algorithm", "policy_class", "criterion", "env", "seed", "steps"):
        case.require(key in front.provenance, f"the front's provenance lacks {key!r}")
    case.require(front.policies is not None, "the front has no policies behind its points")
    return None


def check_front_policies_act(case: Case) -> str | None:
    """The policy behind each point of the front can be asked for actions, with memory and accrued reward."""
    agent = case.trained()
    env = case.problem()
    for handle in agent.front(episodes=10).policies or ():
        observation, _ = env.reset(seed=0)
        accrued, state, over = np.zeros(agent.k), None, False
        for t in range(50):
            action, state = handle.predict(observation, state, [t == 0], deterministic=True, accrued=accrued)
            observation, reward, terminated, truncated, _ = env.step(action)
            accrued = accrued + agent.discount**t * reward
            over = terminated or truncated
            if over:
                break
        case.require(over, "an episode did not end within 50 steps")
    return None


def check_preferences(case: Case) -> str | None:
    """Unseen, integer and per-row preferences are taken; anything off the simplex is refused."""
    agent = case.trained()
    observations = _observations(agent)
    if not agent.info.multi_policy:
        case.refuses(AgentError, lambda: agent.predict(observations[0], preference=[0.5, 0.5]), "a preference")
        return "one policy only"
    for preference in _preferences(agent.k):
        _actions(agent, observations, preference)
    integers = _actions(agent, observations, [1, 0])
    case.require(np.array_equal(integers, _actions(agent, observations, [1.0, 0.0])), "integers act differently")
    rows = np.repeat(_preferences(agent.k)[:1], len(observations), axis=0)
    case.require(
        np.array_equal(_actions(agent, observations, rows), _actions(agent, observations, rows[0])), "rows differ"
    )
    for bad, what in (
        ([0.5, 0.6], "a sum of 1.1"),
        ([1.0], "one weight"),
        ([-0.5, 1.5], "a negative weight"),
        ([np.nan, 1.0], "NaN"),
        ([0.2, 0.3, 0.5], "three weights"),
    ):
        ask = partial(agent.predict, observations[0], preference=bad, accrued=[0, 0])
        case.refuses(SpecError, ask, what)
    return None


def check_save_and_load(case: Case) -> str | None:
    """A saved agent acts as before, has the same front, and refuses to be loaded as something else."""
    agent = case.trained()
    observations = _observations(agent)
    with tempfile.TemporaryDirectory() as folder:
        path = agent.save(Path(folder) / "agent")
        case.require(not list(path.rglob("*.pkl")), "pickles were written")
        twin = case.agent.load(path, case.problem())
        case.require(twin.num_timesteps == agent.num_timesteps, "the step count changed")
        case.require(digest(twin) == digest(agent), "what was learned changed")
        wishes: list[Any] = list(_preferences(agent.k)) if agent.info.multi_policy else [None]
        for wish in wishes:
            same = np.array_equal(_actions(agent, observations, wish), _actions(twin, observations, wish))
            case.require(same, f"actions changed (preference {wish})")
        before, after = agent.front(20, seed=3), twin.front(20, seed=3)
        case.require(np.array_equal(before.points, after.points), "the front changed")
        other: Any = problems.many(3) if case.discrete else problems.stochastic()
        case.refuses(
            (RunError, AgentError), lambda: case.agent.load(path, other), "the checkpoint of another environment"
        )
        for payload in path.glob("arrays-*.safetensors"):
            whole = payload.read_bytes()
            payload.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        case.refuses(RunError, lambda: case.agent.load(path, case.problem()), "an altered checkpoint")
        case.refuses(RunError, lambda: case.agent.load(Path(folder) / "no", case.problem()), "a missing checkpoint")
    return None


def check_same_seed(case: Case) -> str | None:
    """The same seed gives the same parameters bit for bit; another seed is accepted."""
    case.require(digest(case.trained()) == digest(case.trained()), "the same seed gave different parameters")
    case.trained(seed=1)
    state = np.random.get_state()[1].tobytes()  # type: ignore[index]  # noqa: NPY002
    case.trained()
    after = np.random.get_state()[1].tobytes()  # type: ignore[index]  # noqa: NPY002
    case.require(state == after, "numpy's global generator was changed")
    return None


def check_other_process(case: Case) -> str | None:
    """The same seed gives the same parameters in another process under another hash seed."""
    if case.agent.__module__ == "__main__":
        return "the class lives in __main__"
    script = (
        "import importlib, json, sys\n"
        "from morl.testing.agents import Case, digest\n"
        "module, name, options, steps, actions, threads = json.loads(sys.stdin.read())\n"
        "import torch; torch.set_num_threads(threads)\n"
        "cls = getattr(importlib.import_module(module), name)\n"
        "print(digest(Case(cls, options, steps, actions=actions).trained()))\n"
    )
    import json

    import torch

    # Sums over threads round differently, so the other process must use as many as this one.
    threads = torch.get_num_threads()
    named = case.agent.__module__, case.agent.__qualname__
    request = json.dumps([*named, dict(case.options), case.steps, case.actions, threads])
    environment = {**os.environ, "PYTHONHASHSEED": "4242", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", script], input=request, capture_output=True, text=True, env=environment, check=False
    )
    case.require(done.returncode == 0, f"learning in another process failed: {done.stderr.strip()[-300:]}")
    case.require(done.stdout.strip() == digest(case.trained()), "another process learned something else")
    return None


def check_resume(case: Case) -> str | None:
    """A run resumed from a checkpoint ends with the same parameters as the run that was never stopped."""
    half = case.steps // 2
    with tempfile.TemporaryDirectory() as folder:
        whole = case.make()
        kept: list[Path] = []

        class Keep(CheckpointCallback):
            def on_segment_end(self, agent: Agent) -> None:
                kept.append(agent.save(Path(folder) / f"at-{agent.num_timesteps}"))

        whole.learn(2 * half, callback=Keep(Path(folder) / "x", half))
        case.require(len(kept) >= 2, f"{len(kept)} checkpoints in two segments")
        resumed = case.agent.load(kept[0], case.problem())
        resumed.learn(2 * half - resumed.num_timesteps, callback=CheckpointCallback(Path(folder) / "y", half))
        case.require(digest(resumed) == digest(whole), "the resumed run ended with other parameters")
    return None


def check_evaluation_is_harmless(case: Case) -> str | None:
    """Evaluating while learning is counted and changes nothing that is learned."""
    plain = case.make().learn(case.steps)
    watched = case.make()
    watched.learn(case.steps, callback=lambda agent: bool(len(agent.front(episodes=2, exact=False))))
    case.require(watched.eval_steps > 0, "evaluation steps were not counted")
    case.require(digest(plain) == digest(watched), "evaluation changed what was learned")
    return None


def check_without_model(case: Case) -> str | None:
    """Environments without a model can be learned in, also given as a vector environment."""
    if case.agent.info.needs_model:
        case.refuses(AgentError, lambda: case.make(problems.Plain(problems.deterministic())), "an env without a model")
        return "needs a model"
    if not case.discrete:
        return None
    agent = case.trained(problems.Plain(problems.deterministic()))
    case.require(len(agent.front(episodes=10)) >= 1, "the front is empty")
    case.require(agent.eval_steps > 0, "sampled evaluation was not counted")
    return None


def check_autoreset_modes(case: Case) -> str | None:
    """Vector environments are learned in whatever their autoreset mode, also where all end in the same step."""
    if case.agent.info.needs_model or not case.discrete:
        return "has no use for parallel environments" if case.agent.info.needs_model else None
    refused = []
    for mode in AutoresetMode:
        copies: Any = SyncVectorEnv([lambda: problems.Plain(problems.deterministic())] * 3, autoreset_mode=mode)
        try:
            agent = case.make(copies).learn(case.steps)
        except AgentError as error:
            case.require("autoreset mode" in str(error), f"does not learn in mode {mode.name}: {error}")
            refused.append(mode.name)
            continue
        case.require(len(agent.front(episodes=3)) >= 1, f"the front is empty in mode {mode.name}")
    case.require(len(refused) < 3, "learns in no autoreset mode")
    return f"refuses {', '.join(refused)} by name" if refused else None


def check_broken_rewards(case: Case) -> str | None:
    """A NaN reward stops learning at once, naming objective and step; what was learned still acts."""
    if case.agent.info.needs_model or not case.discrete:
        return "has no use for rewards of an environment" if case.agent.info.needs_model else None
    agent = case.make(problems.Plain(problems.deterministic(), poison_at=40))
    try:
        agent.learn(case.steps)
    except EnvError as error:
        text = str(error)
        named = ("second" in text or "objective 1" in text) and "step" in text and "Plain" in text
        case.require(named, f"the message is {text!r}; expected environment, step and objective")
    else:
        raise ConformanceError(f"{case.name}: a NaN reward went unnoticed")
    return None


def check_interrupt(case: Case) -> str | None:
    """A callback can stop learning; Ctrl-C keeps and names what was learned."""
    agent = case.make()
    agent.learn(case.steps, callback=lambda a: False)
    taken = agent.num_timesteps
    case.require(taken > 0, "nothing was learned before the callback stopped it")

    def interrupt(a: Agent) -> bool:
        raise KeyboardInterrupt

    try:
        case.make().learn(case.steps, callback=interrupt)
    except KeyboardInterrupt as error:
        case.require("interrupted after" in str(error), f"the interrupt says {str(error)!r}")
        return None
    raise ConformanceError(f"{case.name}: KeyboardInterrupt was swallowed")


def check_number_of_objectives(case: Case) -> str | None:
    """Two to six objectives."""
    if not case.discrete:
        return "the tiny problem with many objectives has discrete actions"
    for k in range(2, 7):
        front = case.trained(problems.many(k)).front(episodes=5)
        case.require(front.k == k, f"K = {k} gave a front of {front.k} objectives")
    return None


def check_wrong_inputs(case: Case) -> str | None:
    """Wrong options, seeds, steps, environments and observations are refused with one clear line."""
    case.refuses(UnknownNameError, lambda: case.make(discuont=0.5), "an unknown option")
    case.refuses(AgentError, lambda: case.make(discount=1.5), "discount 1.5")
    case.refuses(AgentError, lambda: case.make(discount="much"), "a discount that is no number")
    case.refuses(AgentError, lambda: case.make(seed=-1), "seed -1")
    agent = case.make()
    case.refuses(AgentError, lambda: agent.learn(0), "0 steps")
    case.refuses(AgentError, lambda: agent.learn(10, callback=3), "a callback that is a number")
    kinds = case.agent.info.actions
    if "continuous" not in kinds:
        case.refuses(AgentError, lambda: case.make(problems.Target()), "continuous actions")
    if "discrete" not in kinds:
        case.refuses(AgentError, lambda: case.make(problems.deterministic()), "discrete actions")
    case.refuses((EnvError, AgentError), lambda: case.make(object()), "something that is no environment")
    learned = case.trained()
    shape = np.zeros((2, 3, 4))
    case.refuses(AgentError, lambda: learned.predict(shape, accrued=np.zeros(2)), "an observation of another shape")
    return None


# ---- optima of tiny problems ----------------------------------------------------------------------------


def _gain(agent: Agent, weights: FloatArray) -> FloatArray:
    """Best weighted sum of normalised returns over the agent's front, per weight."""
    front = agent.front(episodes=400, seed=11)
    return np.asarray((weights @ agent.spec.normalise(front.points).T).max(axis=1))


def _learned(case: Case, env: Any, **more: Any) -> Agent:
    agent = case.agent(env, seed=0, **{**case.options, **case.optimum_options, **more})
    return agent.learn(case.optimum_steps)


def _expected(agent: Agent) -> float:
    measured: float = agent.expected_utility(2000, seed=5)[0]  # type: ignore[attr-defined]
    return measured


def check_optimum_deterministic(case: Case) -> str | None:
    """The optimum of :func:`morl.testing.problems.deterministic` (continuous: of ``Target``)."""
    return _optimum(case, factor=1.0)


def check_scale_invariance(case: Case) -> str | None:
    """The same with one objective 100 times larger: after normalisation nothing is harder."""
    if not case.discrete:
        return "the scaled problem has discrete actions"
    return _optimum(case, factor=100.0)


def _optimum(case: Case, factor: float) -> str | None:
    weights = np.array([[0.9, 0.1], [0.75, 0.25], [0.25, 0.75], [0.1, 0.9]])
    if not case.discrete:
        agent = _learned(case, problems.Target())
        best = 1 - weights[:, 0] * weights[:, 1]
        low, high = (np.array(x) for x in agent.spec.return_scale or ((), ()))
        best = (best - weights @ low) / (high - low)[0]
        reached = _gain(agent, weights)
    elif "ESR" in case.agent.info.criterion and not case.agent.info.multi_policy:
        agent = _learned(case, problems.deterministic(factor), utility="worst")
        best, reached = np.array([0.2]), np.array([_expected(agent)])
    elif not case.agent.info.multi_policy:
        agent = _learned(case, problems.deterministic(factor))
        best = np.array([0.5])
        reached = agent.spec.normalise(agent.front().points).min(axis=1).max(keepdims=True)
    else:
        agent = _learned(case, problems.deterministic(factor))
        best, reached = weights.max(axis=1), _gain(agent, weights)
    case.require(
        bool(np.all(reached >= best - case.tolerance)), f"reached {np.round(reached, 4)} of {np.round(best, 4)}"
    )
    return None


def check_optimum_stochastic(case: Case) -> str | None:
    """The optimum of :func:`morl.testing.problems.stochastic` (continuous: of a noisy ``Target``)."""
    if not case.discrete:
        agent = _learned(case, problems.Target(noise=0.2))
        weights = np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]])
        low, high = (np.array(x) for x in agent.spec.return_scale or ((), ()))
        best = (1 - weights[:, 0] * weights[:, 1] - weights @ low) / (high - low)[0]
        reached = _gain(agent, weights)
        # Sampled means of 200 episodes: three standard errors of the noise on top.
        case.require(bool(np.all(reached >= best - case.tolerance - 0.03)), f"reached {reached} of {best}")
        return None
    env = problems.stochastic()
    low, high = (np.array(x) for x in env.mo_spec.return_scale or ((), ()))
    values = (np.array([[0.0, 0.0], [1.5, -0.5], [4.0, -2.0]]) - low) / (high - low)
    if case.agent.info.multi_policy:
        weights = np.array([[0.9, 0.1], [0.6, 0.4], [0.1, 0.9]])
        reached, best = _gain(_learned(case, env), weights), (weights @ values.T).max(axis=1)
    elif "ESR" in case.agent.info.criterion:
        # With a linear utility the best expected utility of episodes is the best weighted value.
        agent = _learned(case, env, utility="linear:0.7,0.3", clip=False)
        reached, best = np.array([_expected(agent)]), np.array([(values @ [0.7, 0.3]).max()])
    else:
        agent = _learned(case, env)
        reached = agent.spec.normalise(agent.front().points).min(axis=1).max(keepdims=True)
        # Between "try once" (0.375, 0.875) and "try until it works" (1, 0.5) the worst is best where both are equal.
        best = np.array([0.375 + (1.0 - 0.375) * 0.5])
    case.require(
        bool(np.all(reached >= best - case.tolerance)), f"reached {np.round(reached, 4)} of {np.round(best, 4)}"
    )
    return None


def check_optimum_lottery(case: Case) -> str | None:
    """The right one of the two optima of :func:`morl.testing.problems.lottery`: SER 1.1 or ESR 0.9."""
    if not case.discrete:
        return "the tiny problem has discrete actions"
    env = problems.lottery()
    if case.agent.info.multi_policy:
        agent = _learned(case, env)
        reached, best = float(_gain(agent, np.array([[0.5, 0.5]]))[0]), 0.5
    elif "ESR" in case.agent.info.criterion:
        agent = _learned(case, env, utility="worst")
        reached, best = _expected(agent), 0.9 / 2.2
    else:
        agent = _learned(case, env)
        reached, best = float(agent.spec.normalise(agent.front().points).min(axis=1).max()), 0.5
    case.require(reached >= best - case.tolerance, f"reached {reached:.4f} of {best:.4f}")
    return None


def check_truncation(case: Case) -> str | None:
    """A time limit that is no part of the problem is bootstrapped over; see :func:`morl.testing.problems.patience`."""
    if not case.discrete:
        return "the tiny problem has discrete actions"
    if case.agent.info.criterion == ("ESR",):
        return "the utility of an episode needs an end"
    agent = _learned(case, problems.patience())
    action = int(_actions(agent, np.array([0]), [0.5, 0.5])[0]) if agent.info.multi_policy else None
    if action is None:
        action = int(np.asarray(agent.predict(0, deterministic=True)[0]))
    case.require(action == 0, "took the time limit for the end of the problem and left")
    return None


CHECKS: dict[str, Check] = {
    name.removeprefix("check_"): function
    for name, function in dict(globals()).items()
    if name.startswith("check_") and callable(function)
}
"""Every check by name."""


def check_agent(
    agent: type[Agent] | str,
    options: Mapping[str, Any] | None = None,
    *,
    only: Iterable[str] | None = None,
    skip: Iterable[str] = (),
    **case: Any,
) -> dict[str, str]:
    """Run the conformance suite on an agent class.

    Args:
        agent: the class, or the name of a registered algorithm.
        options: options for every instance, for example smaller networks.
        only: names of checks to run; all of :data:`CHECKS` by default.
        skip: names of checks to leave out.
        case: further fields of :class:`Case`: ``steps``, ``optimum_steps``, ``optimum_options``, ``tolerance``,
            ``actions``.

    Returns:
        By check: ``"passed"``, or why it does not apply.

    Raises:
        ConformanceError: at the first check that fails.
    """
    cls = registry.get(agent) if isinstance(agent, str) else agent
    if not (isinstance(cls, type) and issubclass(cls, Agent)):
        raise AgentError(f"check_agent was given {agent!r}; expected a subclass of morl.agents.Agent")
    names = list(CHECKS if only is None else only)
    for name in [*names, *skip]:
        if name not in CHECKS:
            raise UnknownNameError("check", name, CHECKS)
    subject = Case(cls, dict(options or {}), **case)
    left_out = set(skip)
    return {name: CHECKS[name](subject) or "passed" for name in names if name not in left_out}

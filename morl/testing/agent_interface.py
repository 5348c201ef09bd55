"""Checks of an agent's interface: learning, acting, saving, resuming, repeating a seed, refusing wrong inputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from morl.agents.base import Agent
from morl.agents.core.callbacks import CheckpointCallback
from morl.agents.core.config import options
from morl.envs.vector import SyncVectorEnv
from morl.spec import AgentError, EnvError, RunError, SpecError, UnknownNameError
from morl.testing import problems
from morl.testing.agent_case import Case, ConformanceError, actions_of, digest, some_observations, some_preferences


def check_describes_itself(case: Case) -> str | None:
    """``info`` is filled in and every option has a help line."""
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
    observations = some_observations(agent)
    batch = actions_of(agent, observations)
    drawn = agent._for_preference(None).mixture() is not None  # each episode draws its policy
    for i, observation in enumerate(observations):
        extra: dict[str, Any] = {"accrued": np.zeros(agent.k)}
        one, _ = agent.predict(observation, deterministic=True, **extra)
        case.require(
            agent.action_space.contains(one) or agent.action_space.contains(np.asarray(one)), f"action {one!r}"
        )
        case.require(drawn or np.allclose(one, batch[i], atol=1e-5), f"action {one!r} alone, {batch[i]!r} in a batch")
    _same_memory(case, agent, observations)
    front = agent.front(episodes=20)
    case.require(len(front) >= 1, "the front is empty")
    for key in ("algorithm", "policy_class", "criterion", "env", "seed", "steps"):
        case.require(key in front.provenance, f"the front's provenance lacks {key!r}")
    case.require(front.policies is not None, "the front has no policies behind its points")
    return None


def _same_memory(case: Case, agent: Agent, observations: Any) -> None:
    """From the same memory a policy acts alike, alone and in a batch: what an episode draws is in its memory."""
    accrued = np.zeros((len(observations), agent.k))
    _, state = agent.predict(observations, deterministic=True, accrued=accrued)
    batch, _ = agent.predict(observations, state, deterministic=True, accrued=accrued)
    for i, observation in enumerate(observations):
        own = None if state is None else {name: rows[i : i + 1] for name, rows in state.items()}
        one, _ = agent.predict(observation, own, deterministic=True, accrued=accrued[i])
        case.require(np.allclose(one, batch[i], atol=1e-5), f"action {one!r} alone, {batch[i]!r} from the same memory")


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
    observations = some_observations(agent)
    if not agent.info.multi_policy:
        case.refuses(AgentError, lambda: agent.predict(observations[0], preference=[0.5, 0.5]), "a preference")
        return "one policy only"
    for preference in some_preferences(agent.k):
        actions_of(agent, observations, preference)
    integers = actions_of(agent, observations, [1, 0])
    case.require(np.array_equal(integers, actions_of(agent, observations, [1.0, 0.0])), "integers act differently")
    rows = np.repeat(some_preferences(agent.k)[:1], len(observations), axis=0)
    case.require(
        np.array_equal(actions_of(agent, observations, rows), actions_of(agent, observations, rows[0])), "rows differ"
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
    observations = some_observations(agent)
    with tempfile.TemporaryDirectory() as folder:
        path = agent.save(Path(folder) / "agent")
        case.require(not list(path.rglob("*.pkl")), "pickles were written")
        twin = case.agent.load(path, case.problem())
        case.require(twin.num_timesteps == agent.num_timesteps, "the step count changed")
        case.require(digest(twin) == digest(agent), "what was learned changed")
        wishes: list[Any] = list(some_preferences(agent.k)) if agent.info.multi_policy else [None]
        for wish in wishes:
            same = np.array_equal(actions_of(agent, observations, wish), actions_of(twin, observations, wish))
            case.require(same, f"actions changed (preference {wish})")
        before, after = agent.front(20, seed=3), twin.front(20, seed=3)
        case.require(np.array_equal(before.points, after.points), "the front changed")
        case.require(before.ids == after.ids, "identities of the points changed")
        again = agent.front(20, seed=4)
        known = {handle.number: id for handle, id in zip(before.policies or (), before.ids, strict=True)}
        for handle, id in zip(again.policies or (), again.ids, strict=True):
            case.require(known.get(handle.number, id) == id, "a policy that was measured again has another identity")
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

"""stable-baselines3 as a solver of scalarised problems: its vector env interface, and its models as plain arrays.

Nothing here is pickled, and the global random generators that SB3 draws from are put back as they were.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecEnv

from morl.agents.core.memory import allocating, require
from morl.agents.core.observations import plain_parts
from morl.agents.core.running import Normaliser
from morl.agents.core.threads import one_thread
from morl.agents.neural.training import (
    check_finite,
    load_module,
    load_optimizer,
    module_arrays,
    optimizer_arrays,
    resolve_device,
)
from morl.spec import AgentError, RunError, UnknownNameError

Array = np.ndarray[Any, Any]
_NO_OPTIONS = {"self", "env", "seed", "device", "gamma", "tensorboard_log"}
"""Arguments of SB3's classes that are no options: what is given here, and a place to write to (a run has its own)."""

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {"A2C": A2C, "DDPG": DDPG, "DQN": DQN, "PPO": PPO, "SAC": SAC, "TD3": TD3}


@contextmanager
def isolated_randomness(seed: int) -> Iterator[None]:
    """Seed the global generators that SB3 uses, and give them back afterwards as they were."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])


def build(
    algorithm: str, env: VecEnv, discount: float, seed: int, options: Mapping[str, Any], device: str = "cpu"
) -> BaseAlgorithm:
    """A fresh SB3 model.

    Args:
        algorithm: one of :data:`ALGORITHMS`.
        env: what it learns in.
        discount: γ.
        seed: of its initial parameters.
        options: arguments of the SB3 class (``learning_rate``, ``n_steps``, ``policy_kwargs`` …) and ``action_noise``,
            the standard deviation of exploration noise as a fraction of the action range (TD3, DDPG).
            Two numbers as ``learning_rate`` are its first and last value.
        device: where it computes.

    Raises:
        UnknownNameError: an option the SB3 class does not have.
        AgentError: SB3 refuses the options.
    """
    import inspect

    cls: Any = ALGORITHMS[algorithm]
    given = copy.deepcopy(dict(options))  # SB3 adds to policy_kwargs in place
    noise = float(given.pop("action_noise", 0.1))
    known = set(inspect.signature(cls.__init__).parameters) - _NO_OPTIONS
    for name in given:
        if name not in known:
            raise UnknownNameError(f"option of stable-baselines3 {algorithm}", name, known)
    rate = given.get("learning_rate")
    if isinstance(rate, list | tuple):
        given["learning_rate"] = _falling(algorithm, rate)
    if algorithm in ("TD3", "DDPG") and noise > 0 and isinstance(env.action_space, spaces.Box):
        size = env.action_space.shape
        given["action_noise"] = NormalActionNoise(np.zeros(size), np.full(size, noise))
    if "buffer_size" in inspect.signature(cls.__init__).parameters:
        rows = int(given.get("buffer_size", 1_000_000))
        parts = list(plain_parts(env.observation_space))
        row = sum(int(np.prod(part.shape or ())) * np.dtype(part.dtype or np.float64).itemsize for part in parts)
        require(2 * rows * row, f"a replay buffer of {rows:,} observations", "lower buffer_size in the option sb3")
    policy = given.pop("policy", "MultiInputPolicy" if isinstance(env.observation_space, spaces.Dict) else "MlpPolicy")
    place = resolve_device(device)
    with isolated_randomness(seed), allocating(f"stable-baselines3 {algorithm}"):
        try:
            model: BaseAlgorithm = cls(policy, env, gamma=discount, device=place, **given)
        except (TypeError, ValueError, AssertionError) as error:
            raise AgentError(f"stable-baselines3 {algorithm} refuses its options: {error}") from None
    if not given.get("verbose"):
        model.set_logger(Logger(folder=None, output_formats=[]))  # its own would leave a folder behind in /tmp
    return model


def _falling(algorithm: str, ends: Sequence[Any]) -> Any:
    """A step size that goes from the first to the second number in a straight line over the budget."""
    if len(ends) != 2 or not all(isinstance(x, int | float) and x > 0 for x in ends):
        raise AgentError(f"learning_rate of {algorithm} is {ends!r}; expected a number, or two: first and last")
    begin, end = float(ends[0]), float(ends[1])
    return lambda left: end + (begin - end) * left


class Follow(BaseCallback):
    """Reports steps as they are taken and keeps SB3's schedules on the whole budget.

    Args:
        report: called with the number of new steps.
        total: steps of the whole budget, for schedules.
    """

    def __init__(self, report: Any, total: int) -> None:
        super().__init__()
        self._report, self._total, self._seen = report, total, 0

    def _on_training_start(self) -> None:
        self.model._total_timesteps = self._total
        self._seen = self.model.num_timesteps

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        new = self.model.num_timesteps - self._seen
        self._seen = self.model.num_timesteps
        if new:
            self._report(new)

    def _on_training_end(self) -> None:
        self._on_rollout_end()


def train(model: BaseAlgorithm, steps: int, seed: int, report: Any, total: int, most: int | None = None) -> None:
    """Let a model learn for ``steps`` more steps from fresh episodes, rounded up to its rollouts.

    Args:
        model: what learns.
        steps: environment steps, over all parallel environments.
        seed: of episodes and exploration.
        report: called with the number of new steps.
        total: steps of the whole budget, for schedules.
        most: steps that must not be exceeded (by a step of all environments or more): the last rollout is shortened.
    """
    env = model.get_env()
    assert env is not None
    env.seed(seed)
    model.action_space.seed(seed)
    model._last_obs = None
    rollout = _rollout_steps(model) * env.num_envs
    wanted = -(-steps // rollout) * rollout
    whole = wanted if most is None else min(wanted, most // rollout * rollout)
    rest = 0 if most is None else -(-(most - whole) // env.num_envs)

    def learn(n: int) -> None:
        model.learn(n, callback=Follow(report, total), reset_num_timesteps=False, log_interval=1_000_000)

    with isolated_randomness(seed), one_thread(), _watching(model):
        if whole:
            learn(whole)
        if whole < steps and rest > 0:
            with _shortened(model, rest):
                learn(rest * env.num_envs)


def _rollout_steps(model: Any) -> int:
    """Steps of each environment between updates."""
    return int(model.n_steps if hasattr(model, "n_steps") else model.train_freq.frequency)


@contextmanager
def _shortened(model: Any, steps: int) -> Iterator[None]:
    """Rollouts of ``steps`` steps of each environment."""
    if not hasattr(model, "n_steps"):
        usual = model.train_freq
        model.train_freq = usual._replace(frequency=steps)
        yield
        model.train_freq = usual
        return
    length, buffer = model.n_steps, model.rollout_buffer
    model.n_steps = steps
    model.rollout_buffer = type(buffer)(
        steps, model.observation_space, model.action_space, device=model.device, gae_lambda=model.gae_lambda,
        gamma=model.gamma, n_envs=model.n_envs,
    )  # fmt: skip
    yield
    model.n_steps, model.rollout_buffer = length, buffer


@contextmanager
def _watching(model: BaseAlgorithm) -> Iterator[None]:
    """Notice parameters that have become NaN, which SB3 only does now and then, and by an error about distributions.

    Raises:
        DivergedError: instead of that error, or when learning ends.
    """
    name = type(model).__name__
    try:
        yield
    except ValueError as error:
        check_finite(model.policy, f"the policy of {name}")
        raise error
    check_finite(model.policy, f"the policy of {name}")


# ---- models as arrays -----------------------------------------------------------------------------------

_COUNTERS = ("num_timesteps", "_n_updates", "_n_calls", "_episode_num")
_SCHEDULED = ("_current_progress_remaining", "exploration_rate")  # read before the next step computes them


def model_arrays(model: BaseAlgorithm, prefix: str, *, replay: bool = False) -> dict[str, Array]:
    """Parameters, optimizer state and counters of a model as named arrays.

    With ``replay`` all that learning goes on from: the replay buffer and where schedules stand too.
    """
    out: dict[str, Array] = {}
    names, tensors = model._get_torch_save_params()
    for name in names:
        part = _attribute(model, name)
        if isinstance(part, torch.nn.Module):
            out.update(module_arrays(part, f"{prefix}.{_flat(name)}"))
        elif part is not None:
            out.update(optimizer_arrays(part, f"{prefix}.{_flat(name)}"))
    for name in tensors:
        out[f"{prefix}.tensor.{name}"] = _attribute(model, name).detach().cpu().numpy().copy()
    counters = [int(getattr(model, name, 0)) for name in _COUNTERS]
    out[f"{prefix}.counters"] = np.array(counters, dtype=np.int64)
    if replay:
        out[f"{prefix}.schedules"] = np.array([float(getattr(model, name, 0.0)) for name in _SCHEDULED])
    normaliser = normaliser_of(model)
    if normaliser is not None:
        out.update(normaliser.arrays(f"{prefix}.normaliser"))
    buffer = getattr(model, "replay_buffer", None)
    if replay and buffer is not None:
        # Where memory is saved, the row after the last holds the observation that followed.
        rows = buffer.buffer_size if buffer.full else min(buffer.pos + 1, buffer.buffer_size)
        for name, array in _buffer_fields(buffer).items():
            out[f"{prefix}.replay.{name}"] = array[:rows].copy()
        out[f"{prefix}.replay.cursor"] = np.array([buffer.pos, int(buffer.full)], dtype=np.int64)
    return out


def load_model(model: BaseAlgorithm, arrays: Mapping[str, Array], prefix: str) -> None:
    """The inverse of :func:`model_arrays`."""
    names, tensors = model._get_torch_save_params()
    for name in names:
        part = _attribute(model, name)
        if isinstance(part, torch.nn.Module):
            load_module(part, arrays, f"{prefix}.{_flat(name)}")
        elif part is not None:
            load_optimizer(part, arrays, f"{prefix}.{_flat(name)}")
    for name in tensors:
        _attribute(model, name).data.copy_(torch.from_numpy(np.array(arrays[f"{prefix}.tensor.{name}"])))
    for name, value in zip(_COUNTERS, arrays[f"{prefix}.counters"], strict=True):
        if hasattr(model, name):
            setattr(model, name, int(value))
    for name, scheduled in zip(_SCHEDULED, arrays.get(f"{prefix}.schedules", ()), strict=False):
        if hasattr(model, name):
            setattr(model, name, float(scheduled))
    normaliser = normaliser_of(model)
    if normaliser is not None:
        normaliser.restore(arrays, f"{prefix}.normaliser")
    buffer = getattr(model, "replay_buffer", None)
    if buffer is not None and f"{prefix}.replay.cursor" in arrays:
        buffer.pos, full = (int(x) for x in arrays[f"{prefix}.replay.cursor"])
        if not 0 <= buffer.pos < buffer.buffer_size:
            raise RunError(f"replay buffer stands at row {buffer.pos}; expected one of {buffer.buffer_size}")
        buffer.full = bool(full)
        for name, array in _buffer_fields(buffer).items():
            saved = arrays[f"{prefix}.replay.{name}"]
            array[: len(saved)] = saved


def normaliser_of(model: BaseAlgorithm) -> Normaliser | None:
    """What scales the observations and rewards of a model's own environment, if anything does."""
    env = model.get_env()
    return None if env is None else getattr(env.unwrapped, "normaliser", None)


def _buffer_fields(buffer: Any) -> dict[str, Array]:
    """The arrays of a replay buffer; those of dictionaries by ``name.key``."""
    fields: dict[str, Array] = {}
    for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
        value = getattr(buffer, name, None)
        parts = {f"{name}.{key}": part for key, part in value.items()} if isinstance(value, dict) else {name: value}
        fields.update({key: part for key, part in parts.items() if isinstance(part, np.ndarray)})
    return fields


def _flat(name: str) -> str:
    """A part's name without dots, so that no part's name is the beginning of another's."""
    return name.replace(".", "-")


def _attribute(model: Any, dotted: str) -> Any:
    for name in dotted.split("."):
        model = getattr(model, name, None)
    return model


def in_tensors(space: spaces.Space[Any]) -> Any:
    """What a policy of that observation space is given, from tensors: images with the channel first."""
    from stable_baselines3.common.preprocessing import is_image_space

    if isinstance(space, spaces.Dict):
        parts = {key: in_tensors(part) for key, part in space.spaces.items()}
        return lambda observation: {key: one(observation[key]) for key, one in parts.items()}
    shape = tuple(space.shape or ())
    if is_image_space(space):
        return lambda image: image if tuple(image.shape[1:]) == shape else image.permute(0, 3, 1, 2)
    return lambda values: values

"""Starting, resuming, evaluating and verifying runs."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from morl import __version__
from morl.runs.folder import RunFolder
from morl.spec import FrontError, MorlError, RunError, SpecError, check_vector

if TYPE_CHECKING:
    from morl.agents.base import Agent
    from morl.agents.callbacks import Callback
    from morl.pareto import Front


@dataclass(frozen=True)
class RunConfig:
    """What a run was asked to do; all of it is in ``config.json``.

    Args:
        algo: name of the algorithm.
        env: environment id.
        steps: environment steps to learn from.
        seed: root of all random numbers.
        options: options of the algorithm, by name.
        env_options: arguments of the environment.
        ref_point: reference point that replaces the environment's.
        checkpoint_every: environment steps between checkpoints; 0 saves only at the end.
        episodes: episodes per policy for the final evaluation, where sampling is needed.
        imports: packages that register the environment or the algorithm.
        track: ``"tensorboard"`` or ``None``.
        tuned: take over the options that the package ships for the algorithm on this environment.
    """

    algo: str
    env: str
    steps: int
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    env_options: Mapping[str, Any] = field(default_factory=dict)
    ref_point: tuple[float, ...] | None = None
    checkpoint_every: int = 0
    episodes: int = 100
    imports: tuple[str, ...] = ()
    track: str | None = None
    tuned: bool = True

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        data = dataclasses.asdict(self)
        return {**data, "options": dict(self.options), "env_options": dict(self.env_options), "morl": __version__}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunConfig:
        """The inverse of :meth:`to_dict`.

        Raises:
            RunError: fields are missing.
        """
        names = {f.name for f in dataclasses.fields(cls)}
        try:
            known = {key: value for key, value in data.items() if key in names}
            ref = known.get("ref_point")
            known["ref_point"] = None if ref is None else tuple(ref)
            known["imports"] = tuple(known.get("imports", ()))
            return cls(**known)
        except TypeError as error:
            raise RunError(
                f"run configuration cannot be read ({error}); expected a config.json of `morl train`"
            ) from None


def train(
    config: RunConfig,
    root: str | Path = "runs",
    *,
    name: str | None = None,
    callbacks: Sequence[Callback | Callable[[Agent], bool | None]] = (),
    progress_bar: bool = False,
    utility: Callable[..., Any] | None = None,
) -> RunFolder:
    """Train an agent and leave a run folder behind.

    The folder is made only when the environment and the agent fit together, so a mistake leaves nothing half-written.
    A ``utility`` of the caller's own (a function of returns) is not in the folder: give it again to evaluate or resume.

    Raises:
        MorlError: the configuration does not fit (nothing is written), or learning stopped with an error (what was
            learned is saved, and the message says where).
        KeyboardInterrupt: Ctrl-C; what was learned is saved, and ``status.json`` says so.
    """
    agent = _build(config, utility)
    short = config.env.rpartition("/")[2].rpartition(":")[2]
    run = RunFolder.create(root, name or f"{config.algo}-{short}-s{config.seed}", config.to_dict())
    _learn(run, agent, config, config.steps, callbacks, progress_bar)
    return run


def resume(
    run: RunFolder,
    more: int | None = None,
    *,
    callbacks: Sequence[Callback | Callable[[Agent], bool | None]] = (),
    progress_bar: bool = False,
    utility: Callable[..., Any] | None = None,
) -> RunFolder:
    """Go on from the newest valid checkpoint.

    Args:
        more: environment steps beyond those already learned; by default what is left of the run's own steps.

    Raises:
        RunError: there is no checkpoint, or nothing is left to do.
    """
    config = RunConfig.from_dict(run.config)
    agent = load_agent(run, utility=utility)
    left = config.steps - agent.num_timesteps if more is None else more
    if left < 1:
        raise RunError(
            f"run {str(run.path)!r} has learned from all of its {config.steps:,} steps; say how many more with -n"
        )
    _learn(run, agent, config, left, callbacks, progress_bar)
    return run


def evaluate(
    run: RunFolder,
    episodes: int = 100,
    seed: int | None = None,
    *,
    preference: Any = None,
    raw: bool = False,
    utility: Callable[..., Any] | None = None,
) -> Front:
    """Measure the agent of a run with episodes that nothing was chosen by, and write the result into the run.

    Nothing is written over: the result is a new file in the folder ``evaluations``. Only a run that has no front yet
    (it was interrupted) gets this one as its own too.

    Args:
        run: the run.
        episodes: episodes per policy, where sampling is needed.
        seed: of the episodes; drawn when not given. Training's own evaluation draws from the run's seed in another
            way, so that no seed given here repeats its episodes.
        preference: measure only the policy for one preference (see :meth:`morl.agents.Agent.predict`).
        raw: the preference is of raw returns.
        utility: the function, where the run was trained on one.

    Returns:
        What was found (one point, for a preference); its provenance names the seed as ``eval_seed`` and the file,
        relative to the run, as ``file``.
    """
    agent = load_agent(run, utility=utility)
    config = RunConfig.from_dict(run.config)
    if seed is not None and seed < 0:
        raise SpecError(f"seed is {seed}; expected a non-negative integer")
    chosen = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
    if preference is None:
        front = _front(agent, config, episodes, chosen)
    else:
        front = _with_facts(agent.point(preference, episodes, chosen, raw=raw), config)
    path = _beside(run, chosen)
    front = front.replace(
        provenance={**front.provenance, "eval_seed": chosen, "file": f"{path.parent.name}/{path.name}"}
    )
    front.save(path)
    if preference is None and not (run.path / "front.json").is_file():
        run.save_front(front)
    return front


def _beside(run: RunFolder, seed: int) -> Path:
    """A file in the run's folder of evaluations that does not exist yet."""
    folder = run.path / "evaluations"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot write to {str(folder)!r} ({error.strerror}); copy the run to a folder of yours"
        ) from None
    stem = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-seed-{seed}"
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    return next(path for name in names if not (path := folder / f"{name}.json").exists())


def load_agent(run: RunFolder, *, utility: Callable[..., Any] | None = None) -> Agent:
    """The agent of a run as last saved; what an interrupt or an error left behind counts.

    ``utility`` is the function that the run was trained on, where it was one.

    Raises:
        RunError: the run has no valid checkpoint.
    """
    from morl import agents

    config = RunConfig.from_dict(run.config)
    env = _make_env(config)
    places = [p for p in (run.stopped, run.checkpoint) if p.is_dir()]
    if not places:
        raise RunError(f"run {str(run.path)!r} has no checkpoint ({run.status['state']}); train it again")
    loaded: list[Agent] = []
    problems: list[str] = []
    for place in places:
        try:
            loaded.append(agents.load(place, env, **({} if utility is None else {"utility": utility})))
        except RunError as error:
            problems.append(str(error))
    if not loaded:
        raise RunError("; ".join(problems))
    return max(loaded, key=lambda agent: agent.num_timesteps)


def verify(run: RunFolder) -> list[str]:
    """What is damaged in a run folder; an empty list where everything is whole."""
    from morl.agents import checkpoint

    problems = []
    for place in (run.checkpoint, run.stopped):
        if place.is_dir():
            try:
                checkpoint.check(place)
            except RunError as error:
                problems.append(str(error))
    state = run.status["state"]
    if state == "finished":
        try:
            run.front()
        except (RunError, FrontError) as error:
            problems.append(str(error))
    if state == "running":
        problems.append(f"was killed or is still running; if it was killed: morl resume {run.path}")
    return problems


# ---- inside -------------------------------------------------------------------------------------------------------


def _make_env(config: RunConfig) -> Any:
    from morl.envs import import_package, make

    for package in config.imports:
        import_package(package)
    return make(config.env, **config.env_options)


def _build(config: RunConfig, utility: Callable[..., Any] | None = None) -> Agent:
    from morl.agents import registry

    env = _make_env(config)
    options = {**config.options, **({} if utility is None else {"utility": utility})}
    agent = registry.get(config.algo)(env, options, seed=config.seed, tuned=config.tuned)
    if config.ref_point is not None:
        check_vector(config.ref_point, agent.k, "reference point", agent.spec.names)
    if config.steps < 1:
        raise SpecError(f"number of steps is {config.steps}; expected at least 1")
    return agent


def _learn(
    run: RunFolder, agent: Agent, config: RunConfig, steps: int, callbacks: Sequence[Any], progress_bar: bool
) -> None:
    from morl.agents.callbacks import CheckpointCallback, ProgressBar
    from morl.agents.logger import JsonlLogger, Logger, Loggers, TensorboardLogger

    loggers: list[Logger] = [JsonlLogger(run.path / "metrics.jsonl")]
    if config.track == "tensorboard":
        loggers.append(TensorboardLogger(run.path / "tensorboard"))
    elif config.track is not None:
        raise SpecError(f"--track is {config.track!r}; expected tensorboard")
    agent.logger = Loggers(*loggers)
    saving = CheckpointCallback(run.checkpoint, config.checkpoint_every or max(1, steps))
    run.set_status("running", steps=agent.num_timesteps)
    bar = [ProgressBar(_quick_truth(agent))] if progress_bar else []
    try:
        agent.learn(steps, callback=[saving, *callbacks, *bar], log_interval=max(1, steps // 100))
        agent.save(run.checkpoint)
    except KeyboardInterrupt as stop:
        agent.save(run.stopped)
        run.set_status("interrupted", steps=agent.num_timesteps, seconds=agent.seconds, error=str(stop))
        raise
    except Exception as error:
        run.set_status("failed", steps=agent.num_timesteps, seconds=agent.seconds, error=str(error))
        raise
    front = _front(agent, config, config.episodes, None)
    run.save_front(front)
    agent.save(run.checkpoint)  # once more, with the front that predict() now chooses from
    run.set_status(
        "finished",
        steps=agent.num_timesteps,
        seconds=agent.seconds,
        compile_seconds=agent.compile_seconds,
        eval_steps=agent.eval_steps,
    )


def _quick_truth(agent: Agent) -> Front | None:
    """The exact front for the progress bar, where it can be had at once."""
    compute = getattr(agent.problem.env.unwrapped, "pareto_front", None)
    if agent.problem.model is None or compute is None or agent.problem.model.n_states > 2_000:
        return None
    try:
        front: Front = compute(agent.discount, time_limit=2.0)
    except MorlError:
        return None
    return front if front.complete else None


def _front(agent: Agent, config: RunConfig, episodes: int, seed: int | None) -> Front:
    return _with_facts(agent.front(episodes=episodes, seed=seed), config)


def _with_facts(front: Front, config: RunConfig) -> Front:
    """A front that names the environment, its options and the reference point as the run was asked for them."""
    facts: dict[str, Any] = {"env": config.env}
    if config.env_options:
        facts["env_options"] = dict(config.env_options)
    front = front.replace(provenance={**front.provenance, **facts})
    return front if config.ref_point is None else front.replace(ref_point=config.ref_point)

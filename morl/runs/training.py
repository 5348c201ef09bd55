"""Starting, resuming, evaluating and verifying runs."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import itertools
import shlex
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from morl import __version__, storage
from morl.agents.core import checkpoint
from morl.runs.folder import METRICS, RunFolder
from morl.runs.trust import located, open_env, signed
from morl.spec import FrontError, MissingExtraError, MorlError, RunError, SpecError, as_returns

if TYPE_CHECKING:
    from morl.agents.base import Agent
    from morl.agents.core.callbacks import Callback
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
        ref_point: reference point that replaces the environment's; costs of minimised objectives are positive in it.
        checkpoint_every: environment steps between checkpoints; 0 saves only at the end.
        episodes: episodes per policy for the final evaluation, where sampling is needed.
        imports: packages and ``.py`` files that register the environment or the algorithm.
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
        KeyboardInterrupt: Ctrl-C or SIGTERM; what was learned is saved, and ``status.json`` says so.
    """
    config = located(config)
    agent = _build(config, _make_env(config), utility)
    if utility is not None:  # the folder names the function, and nothing that could be imported
        config = dataclasses.replace(config, options={**config.options, "utility": agent.config.utility})
    _check(config, callbacks)
    short = config.env.rpartition("/")[2]
    run = RunFolder.create(root, name or f"{config.algo}-{short}-s{config.seed}", signed(config.to_dict()))
    with run.training():
        _learn(run, agent, config, config.steps, callbacks, progress_bar)
    return run


def resume(
    run: RunFolder,
    more: int | None = None,
    *,
    trust: bool = False,
    imports: Sequence[str] = (),
    callbacks: Sequence[Callback | Callable[[Agent], bool | None]] = (),
    progress_bar: bool = False,
    utility: Callable[..., Any] | None = None,
) -> RunFolder:
    """Go on from the newest valid checkpoint, or from the beginning where none was written yet.

    A run that has learned from all of its steps and was stopped before its front was written is measured.

    Args:
        more: environment steps beyond those already learned; by default what is left of the run's own steps.
        trust, imports: as for :func:`load_agent`.

    Raises:
        RunError: another process trains the run, its checkpoints are damaged, or nothing is left to do.
    """
    config = RunConfig.from_dict(run.config)
    if more is not None and more < 1:
        raise SpecError(f"number of steps is {more}; expected at least 1")
    _check(config, callbacks)
    with run.training():
        if any(map(checkpoint.exists, run.places)):
            agent = load_agent(run, trust=trust, imports=imports, utility=utility)
        else:
            agent = _build(config, open_env(run, trust=trust, imports=imports), utility)
        agent.run = run.identity
        goal = max(config.steps, agent.target_timesteps)  # more may have been asked for when it was stopped
        left = goal - agent.num_timesteps if more is None else more
        if left < 1 and run.state == "finished" and (run.path / "front.json").is_file():
            raise RunError(
                f"run {str(run.path)!r} has learned from all of its {config.steps:,} steps; say how many more with -n"
            )
        run.trim_metrics(agent.num_timesteps)
        _learn(run, agent, config, max(0, left), callbacks, progress_bar)
    return run


def evaluate(
    run: RunFolder,
    episodes: int = 100,
    seed: int | None = None,
    *,
    preference: Any = None,
    raw: bool = False,
    utility: Callable[..., Any] | None = None,
    trust: bool = False,
    imports: Sequence[str] = (),
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
        trust, imports: as for :func:`load_agent`.

    Returns:
        What was found (one point, for a preference); its provenance names the seed as ``eval_seed`` and the file,
        relative to the run, as ``file``.
    """
    agent = load_agent(run, utility=utility, trust=trust, imports=imports)
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


def load_agent(
    run: RunFolder,
    *,
    trust: bool = False,
    imports: Sequence[str] = (),
    utility: Callable[..., Any] | None = None,
) -> Agent:
    """The agent of a run as last saved; what an interrupt or an error left behind counts.

    Args:
        trust: execute what the run imports, whoever made the run.
        imports: packages and files to import first; they stand for recorded ones of the same name.
        utility: the function that the run was trained on, where it was one.

    Raises:
        RunError: the run has no valid checkpoint, or it would execute code that this user did not name.
    """
    from morl import agents

    config = RunConfig.from_dict(run.config)
    storage.refuse_links(run.path)
    places = [place for place in run.places if checkpoint.exists(place)]
    if not places:
        raise RunError(f"run {str(run.path)!r} has no checkpoint ({run.state}); go on with it: morl resume {run.path}")
    env = open_env(run, trust=trust, imports=imports)
    loaded: list[Agent] = []
    problems: list[str] = []
    for place in places:
        try:
            agent = agents.load(place, env, **({} if utility is None else {"utility": utility}))
            _require_of_run(agent, run, config, place)
            loaded.append(agent)
        except RunError as error:
            problems.append(str(error))
    if not loaded:
        raise RunError("; ".join(problems))
    for problem in problems:
        warnings.warn(f"{problem}; using the other checkpoint", stacklevel=2)
    return max(loaded, key=lambda agent: agent.num_timesteps)  # of equal ones the first, saved at a clean boundary


def _require_of_run(agent: Agent, run: RunFolder, config: RunConfig, place: Path) -> None:
    """Refuse an agent that is not what the run's configuration asks for."""
    from morl.agents import registry
    from morl.agents.core.config import make_config, to_dict

    name = agent.info.name
    if agent.run not in (None, run.identity):
        raise RunError(f"checkpoint {str(place)!r} is of another run")
    if (name, agent.seed) != (registry.get(config.algo).info.name, config.seed):
        raise RunError(
            f"checkpoint {str(place)!r} is of {name} with seed {agent.seed}; the run's is {config.algo} with seed "
            f"{config.seed}"
        )
    asked = to_dict(make_config(type(agent).Config, config.options, name))
    has = to_dict(agent.config)
    for option in config.options:
        if not _as_asked(asked[option], has[option]):
            raise RunError(
                f"checkpoint {str(place)!r} has {option} = {has[option]!r}; config.json says {asked[option]!r}"
            )


def _as_asked(asked: Any, has: Any) -> bool:
    """Whether an option is what was asked for; tuned options may have joined those of a table."""
    if isinstance(asked, Mapping) and isinstance(has, Mapping):
        return all(key in has and has[key] == value for key, value in asked.items())
    return bool(asked == has)


def verify(run: RunFolder) -> list[str]:
    """What is damaged in a run folder, and what became of a killed run; an empty list where everything is whole."""
    problems = run.damage()
    steps = None
    for place in run.places:
        if place.is_dir():
            try:
                saved = checkpoint.check(place)
                if saved.meta.get("run") not in (None, run.identity):
                    raise RunError(f"checkpoint {str(place)!r} is of another run")
                steps = max(steps or 0, int(saved.meta["num_timesteps"]))
            except (RunError, KeyError, TypeError, ValueError) as error:
                problems.append(str(error))
    state = run.state
    if state == "finished":
        try:
            run.front()
        except (RunError, FrontError) as error:
            problems.append(str(error))
        if steps is None:
            problems.append("its checkpoints are missing")
        elif steps < run.status.get("steps", 0):
            problems.append(f"its checkpoint is of {steps:,} steps; status.json says {run.status['steps']:,}")
    if state in ("killed", "created", "unknown"):
        where = "before its first checkpoint" if steps is None else f"{steps:,} steps are saved"
        problems.append(f"was killed ({where}); go on with it: morl resume {run.path}")
    return problems


# ---- inside -------------------------------------------------------------------------------------------------------


def _make_env(config: RunConfig) -> Any:
    from morl.envs import import_package, make

    for package in config.imports:
        import_package(package)
    return make(config.env, **config.env_options)


def _build(config: RunConfig, env: Any, utility: Callable[..., Any] | None = None) -> Agent:
    from morl.agents import registry

    options = {**config.options, **({} if utility is None else {"utility": utility})}
    agent = registry.get(config.algo)(env, options, seed=config.seed, tuned=config.tuned)
    if config.ref_point is not None:
        as_returns(config.ref_point, agent.spec.objectives)
    if config.steps < 1:
        raise SpecError(f"number of steps is {config.steps}; expected at least 1")
    return agent


def _check(config: RunConfig, callbacks: Sequence[Any]) -> None:
    """Refuse what could only fail once the run's folder is there.

    Raises:
        MorlError: a tracker that is unknown or not installed, numbers out of range, or callbacks that do not fit.
    """
    from morl.agents.core.callbacks import CallbackList, CheckpointCallback, as_callback

    if config.track == "tensorboard":
        if importlib.util.find_spec("tensorboard") is None:
            raise MissingExtraError("TensorBoard logging", "track")
    elif config.track is not None:
        raise SpecError(f"--track is {config.track!r}; expected tensorboard")
    if config.episodes < 1:
        raise SpecError(f"number of episodes is {config.episodes}; expected at least 1")
    if config.checkpoint_every < 0:
        raise SpecError(f"checkpoint_every is {config.checkpoint_every}; expected 0 (at the end only) or more steps")
    saving = CheckpointCallback("checkpoints", config.checkpoint_every or config.steps)
    CallbackList([saving, *as_callback(list(callbacks)).callbacks])


def _learn(
    run: RunFolder, agent: Agent, config: RunConfig, steps: int, callbacks: Sequence[Any], progress_bar: bool
) -> None:
    """Learn, measure the front and write it; the status says how it ended, whatever ends it."""
    from morl.agents.core.training import terminated_like_interrupted

    agent.run = run.identity
    try:
        with terminated_like_interrupted():
            run.set_status("running", steps=agent.num_timesteps)
            if steps:
                _learn_steps(run, agent, config, steps, callbacks, progress_bar)
            front = _front(agent, config, config.episodes, None)
            run.save_front(front)
            agent.save(run.checkpoint)  # once more, with the front that predict() now chooses from
            run.seal_metrics()
    except BaseException as error:
        _record_end(run, agent, error)
        raise
    run.set_status(
        "finished",
        steps=agent.num_timesteps,
        seconds=agent.seconds,
        compile_seconds=agent.compile_seconds,
        eval_steps=agent.eval_steps,
        points=len(front),
    )


def _learn_steps(
    run: RunFolder, agent: Agent, config: RunConfig, steps: int, callbacks: Sequence[Any], progress_bar: bool
) -> None:
    from morl.agents.core.callbacks import CheckpointCallback, ProgressBar
    from morl.agents.core.logger import JsonlLogger, Logger, Loggers, TensorboardLogger

    loggers: list[Logger] = [JsonlLogger(run.path / METRICS)]
    if config.track == "tensorboard":
        loggers.append(TensorboardLogger(run.path / "tensorboard"))
    agent.logger = Loggers(*loggers)
    saving = CheckpointCallback(run.checkpoint, config.checkpoint_every or max(1, steps))
    bar = [ProgressBar(_quick_truth(agent))] if progress_bar else []
    agent.learn(steps, callback=[saving, *callbacks, *bar], log_interval=max(1, config.steps // 100))
    agent.save(run.checkpoint)


def _record_end(run: RunFolder, agent: Agent, error: BaseException) -> None:
    """Save what was learned beside the last good checkpoint and say in the status what ended the run."""
    interrupted = isinstance(error, KeyboardInterrupt)
    said = str(error) if isinstance(error, MorlError | KeyboardInterrupt) else f"{type(error).__name__}: {error}"
    said = said or f"interrupted after {agent.num_timesteps:,} steps, while the front was measured"
    if not isinstance(error, Exception):  # an Exception was saved by CheckpointCallback.on_failure
        with contextlib.suppress(RunError):
            agent.save(run.stopped)
    with contextlib.suppress(OSError, RunError):  # the disk may be full
        run.seal_metrics()
        run.set_status(
            "interrupted" if interrupted else "failed", steps=agent.num_timesteps, seconds=agent.seconds, error=said
        )
    error.add_note(f"resume with: morl resume {shlex.quote(str(run.path))}")


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
    return (
        front if config.ref_point is None else front.replace(ref_point=as_returns(config.ref_point, front.objectives))
    )

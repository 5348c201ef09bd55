"""Starting, resuming, evaluating and verifying runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl import __version__
from morl.runs.folder import RunFolder
from morl.runs.trust import located, open_env, signed
from morl.spec import FrontError, MorlError, RunError, SpecError, as_returns

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
        ref_point: reference point that replaces the environment's; costs of minimised objectives are positive in it.
        checkpoint_every: environment steps between checkpoints; 0 saves only at the end.
        episodes: episodes per policy for the final evaluation, where sampling is needed.
        imports: packages and ``.py`` files that register the environment or the algorithm.
        track: ``"tensorboard"`` or ``None``.
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
) -> RunFolder:
    """Train an agent and leave a run folder behind.

    The folder is made only when the environment and the agent fit together, so a mistake leaves nothing half-written.

    Raises:
        MorlError: the configuration does not fit (nothing is written), or learning stopped with an error (what was
            learned is saved, and the message says where).
        KeyboardInterrupt: Ctrl-C; what was learned is saved, and ``status.json`` says so.
    """
    config = located(config)
    agent = _build(config)
    short = config.env.rpartition("/")[2]
    run = RunFolder.create(root, name or f"{config.algo}-{short}-s{config.seed}", signed(config.to_dict()))
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
) -> RunFolder:
    """Go on from the newest valid checkpoint.

    Args:
        more: environment steps beyond those already learned; by default what is left of the run's own steps.
        trust, imports: as for :func:`load_agent`.

    Raises:
        RunError: there is no checkpoint, or nothing is left to do.
    """
    config = RunConfig.from_dict(run.config)
    agent = load_agent(run, trust=trust, imports=imports)
    left = config.steps - agent.num_timesteps if more is None else more
    if left < 1:
        raise RunError(
            f"run {str(run.path)!r} has learned from all of its {config.steps:,} steps; say how many more with -n"
        )
    _learn(run, agent, config, left, callbacks, progress_bar)
    return run


def evaluate(
    run: RunFolder, episodes: int = 100, seed: int | None = None, *, trust: bool = False, imports: Sequence[str] = ()
) -> Front:
    """Measure the agent of a run afresh; the run's front is replaced by what was found."""
    agent = load_agent(run, trust=trust, imports=imports)
    front = _front(agent, RunConfig.from_dict(run.config), episodes, seed)
    run.save_front(front)
    return front


def load_agent(run: RunFolder, *, trust: bool = False, imports: Sequence[str] = ()) -> Agent:
    """The agent of a run as last saved; what an interrupt or an error left behind counts.

    Args:
        trust: execute what the run imports, whoever made the run.
        imports: packages and files to import first; they stand for recorded ones of the same name.

    Raises:
        RunError: the run has no valid checkpoint, or it would execute code that this user did not name.
    """
    from morl import agents

    env = open_env(run, trust=trust, imports=imports)
    places = [p for p in (run.stopped, run.checkpoint) if p.is_dir()]
    if not places:
        raise RunError(f"run {str(run.path)!r} has no checkpoint ({run.status['state']}); train it again")
    loaded: list[Agent] = []
    problems: list[str] = []
    for place in places:
        try:
            loaded.append(agents.load(place, env))
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


def _build(config: RunConfig) -> Agent:
    from morl.agents import registry
    from morl.agents.config import tuned_options

    env = _make_env(config)
    agent_class = registry.get(config.algo)
    agent = agent_class(env, {**tuned_options(agent_class.info.name, config.env), **config.options}, seed=config.seed)
    if config.ref_point is not None:
        as_returns(config.ref_point, agent.spec.objectives)
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
    run.set_status("finished", steps=agent.num_timesteps, seconds=agent.seconds, eval_steps=agent.eval_steps)


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
    front = agent.front(episodes=episodes, seed=seed)
    facts: dict[str, Any] = {"env": config.env}
    if config.env_options:
        facts["env_options"] = dict(config.env_options)
    front = front.replace(provenance={**front.provenance, **facts})
    return (
        front if config.ref_point is None else front.replace(ref_point=as_returns(config.ref_point, front.objectives))
    )

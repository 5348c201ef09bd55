"""Training runs: starting and resuming them, each in a folder of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl.agents.core import checkpoint
from morl.agents.core.errors import warn
from morl.runs.baselines import no_better, with_baselines
from morl.runs.config import RunConfig
from morl.runs.evaluation import measured_front, with_facts
from morl.runs.folder import METRICS, RunFolder
from morl.runs.loading import load_agent
from morl.runs.trackers import Tracked, check_tracker
from morl.runs.trust import located, open_env, signed
from morl.runs.zoo import is_in_zoo
from morl.spec import MorlError, RunError, SpecError, as_returns

if TYPE_CHECKING:
    from morl.agents.base import Agent
    from morl.agents.core.callbacks import Callback
    from morl.agents.core.watching import LearningCurve
    from morl.pareto import Front


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
    agent = prepared(config, utility, callbacks)
    if utility is not None:  # the folder names the function, and nothing that could be imported
        config = dataclasses.replace(config, options={**config.options, "utility": agent.config.utility})
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
    clean: bool = False,
) -> RunFolder:
    """Go on from the newest valid checkpoint, or from the beginning where none was written yet.

    A run that has learned from all of its steps and was stopped before its front was written is measured.

    Args:
        more: environment steps beyond those already learned; by default what is left of the run's own steps.
        trust, imports: as for :func:`load_agent`.
        clean: go on from the last clean boundary, so that the run ends bit for bit as if it had never been stopped;
            what was saved between boundaries after it is learned again.

    Raises:
        RunError: another process trains the run, its checkpoints are damaged, nothing is left to do, or it is one of
            the zoo.
    """
    if is_in_zoo(run.path):
        raise RunError(
            f"{str(run.path)!r} is a run of the zoo, which stays as it is; go on with a copy: "
            f"morl zoo pull zoo: {run.path.name} --out runs"
        )
    config = RunConfig.from_dict(run.config)
    if more is not None and more < 1:
        raise SpecError(f"number of steps is {more}; expected at least 1")
    _check(config, callbacks)
    with run.training():
        places = run.places[:1] if clean else run.places
        if any(map(checkpoint.exists, places)):
            agent = load_agent(run, trust=trust, imports=imports, utility=utility, places=places)
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


def prepared(config: RunConfig, utility: Callable[..., Any] | None = None, callbacks: Sequence[Any] = ()) -> Agent:
    """The agent of a configuration that has learned nothing yet; whatever does not fit together is refused.

    Raises:
        MorlError: the environment, the algorithm, its options or the numbers of the run do not fit.
    """
    agent = _build(config, _make_env(config), utility)
    _check(config, callbacks)
    return agent


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

    check_tracker(config.track)
    if not 0.0 <= config.eval_share <= 1.0:
        raise SpecError(f"eval_share is {config.eval_share}; expected 0 (measure at the end only) to 1")
    if config.episodes is not None and config.episodes < 1:
        raise SpecError(f"number of episodes is {config.episodes}; expected at least 1")
    if config.checkpoint_every < 0:
        raise SpecError(f"checkpoint_every is {config.checkpoint_every}; expected 0 (every few minutes) or more steps")
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
            curve = _curve(run, agent, config)
            if steps:
                with contextlib.closing(Tracked(run, config)) as tracked:
                    _learn_steps(run, agent, config, steps, curve, tracked, callbacks, progress_bar)
            saved = None if steps else agent.measured  # a kill came after it was measured, counted and saved
            spent = agent.eval_steps
            front = measured_front(agent, config, config.episodes, None) if saved is None else with_facts(saved, config)
            front = with_baselines(front, agent)
            if saved is not None:
                agent._evaluator.steps = spent
            run.save_front(front)
            if agent.measured is not None:  # once more, with the front that predict() now chooses from
                agent.save(run.checkpoint)
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
    told = no_better(front) if agent.info.multi_policy else None  # one policy is for its own utility
    if told:
        warn(
            f"what {config.algo} has learned is hardly better than a policy that learned nothing ({told}): "
            f"{agent.num_timesteps:,} steps may be too few, or its options may not suit the environment; "
            "`morl plot` draws the learning curve"
        )


def _curve(run: RunFolder, agent: Agent, config: RunConfig) -> LearningCurve:
    """What measures the front along the way; it goes on from what the run has logged.

    A run that is saved at boundaries of its own is the same bit for bit however often it is killed, so nothing in it
    may depend on the clock.
    """
    from morl.agents.core.watching import LearningCurve

    ref_point = None if config.ref_point is None else as_returns(config.ref_point, agent.spec.objectives)
    by_clock = not config.checkpoint_every
    return LearningCurve(config.eval_share, ref_point=ref_point, logged=run.metrics(), by_clock=by_clock)


def _learn_steps(
    run: RunFolder,
    agent: Agent,
    config: RunConfig,
    steps: int,
    curve: LearningCurve,
    tracked: Tracked,
    callbacks: Sequence[Any],
    progress_bar: bool,
) -> None:
    """Learn, watched and saved along the way."""
    from morl.agents.core.callbacks import CheckpointCallback, ProgressBar
    from morl.agents.core.logger import JsonlLogger, Loggers
    from morl.agents.core.watching import TimedCheckpoint

    agent.logger = Loggers(JsonlLogger(run.path / METRICS), tracked)
    saving = CheckpointCallback(run.checkpoint, config.checkpoint_every or max(1, steps))
    bar = [ProgressBar(_quick_exact_front(agent), summary=curve.summary)] if progress_bar else []
    timed = [] if config.checkpoint_every else [TimedCheckpoint(run.stopped)]
    watching = [curve, *callbacks, saving, *timed, *bar]  # measured first, so that what is saved counts it
    agent.learn(steps, callback=watching, log_interval=max(1, config.steps // 100))
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


def _quick_exact_front(agent: Agent) -> Front | None:
    """The exact front for the progress bar, where it can be had at once."""
    compute = getattr(agent.problem.env.unwrapped, "pareto_front", None)
    if agent.problem.model is None or compute is None or agent.problem.model.n_states > 2_000:
        return None
    try:
        front: Front = compute(agent.discount, time_limit=2.0)
    except MorlError:
        return None
    return front if front.complete else None

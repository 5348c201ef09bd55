"""Loading, evaluating and verifying the agents of runs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.agents.core import checkpoint
from morl.bench.protocols import setup_of
from morl.runs.baselines import with_baselines
from morl.runs.config import RunConfig
from morl.runs.folder import RunFolder
from morl.runs.loading import load_agent
from morl.runs.playing import Opened, measure
from morl.runs.zoo import is_in_zoo
from morl.spec import FrontError, RunError, SpecError, as_returns

if TYPE_CHECKING:
    from morl.agents.base import Agent
    from morl.agents.core.acting import PolicyHandle
    from morl.pareto import Front


def evaluate(
    run: RunFolder,
    episodes: int = 100,
    seed: int | None = None,
    *,
    preference: Any = None,
    point: str | None = None,
    raw: bool = False,
    utility: Callable[..., Any] | None = None,
    trust: bool = False,
    imports: Sequence[str] = (),
) -> Front:
    """Evaluate the agent of a run with fresh episodes, and write the result into the run's folder.

    Nothing is written over: the result is a new file in the folder ``evaluations``. Only a run that has no front yet
    (it was interrupted) gets this one as its own too. Nothing is written for a run of the zoo.

    Args:
        run: the run.
        episodes: episodes per policy, where sampling is needed.
        seed: of the episodes; drawn when not given. Training's own evaluation draws from the run's seed in another
            way, so that no seed given here repeats its episodes.
        preference: measure only the policy for one preference (see :meth:`morl.agents.Agent.predict`).
        point: measure only the policy of the point with this identity.
        raw: the preference is of raw returns.
        utility: the function, where the run was trained on one.
        trust, imports: as for :func:`load_agent`.

    Returns:
        What was found (one point, for a preference); its provenance names the seed as ``eval_seed`` and the file, where
        there is one, relative to the run as ``file``.
    """
    agent = load_agent(run, utility=utility, trust=trust, imports=imports)
    config = RunConfig.from_dict(run.config)
    if seed is not None and seed < 0:
        raise SpecError(f"seed is {seed}; expected a non-negative integer")
    chosen = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
    if point is not None and preference is not None:
        raise SpecError(f"point {point!r} and a preference are given; expected one of them")
    if point is not None:
        front = with_facts(measure(agent, _policy_of(agent, run, point), episodes, chosen), config)
    elif preference is None:
        front = with_baselines(measured_front(agent, config, episodes, chosen), agent)
    else:
        front = with_facts(agent.point(preference, episodes, chosen, raw=raw), config)
    if is_in_zoo(run.path):
        return front.replace(provenance={**front.provenance, "eval_seed": chosen})
    path = _beside(run, chosen)
    front = front.replace(
        provenance={**front.provenance, "eval_seed": chosen, "file": f"{path.parent.name}/{path.name}"}
    )
    front.save(path)
    if preference is None and point is None and not (run.path / "front.json").is_file():
        run.save_front(front)
    return front


def _policy_of(agent: Agent, run: RunFolder, point: str) -> PolicyHandle:
    measured = agent.measured
    return Opened(agent, None, run.front() if measured is None else measured).policy(point)


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


def verify(run: RunFolder) -> list[str]:
    """Problems of a run folder: damaged files, a killed run; an empty list where everything is whole."""
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
    if state == "damaged" and not problems:
        problems.append(f"{str(run.path / 'status.json')!r} is damaged")
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


def measured_front(agent: Agent, config: RunConfig, episodes: int | None, seed: int | None) -> Front:
    """The front of an agent in fresh episodes, with the run's configuration in its provenance.

    Args:
        episodes: per policy; ``None`` is at most 100, and as many as take no more steps than learning did.
    """
    discount = None
    if config.protocol is not None:  # some learn with one and report under another
        discount = setup_of(config.protocol, config.env, config.env_options).discount
    how: dict[str, Any] = {"episodes": episodes}
    if episodes is None:
        how = {"episodes": 100, "budget": agent.num_timesteps}
    return with_facts(agent.front(seed=seed, discount=discount, **how), config)


def with_facts(front: Front, config: RunConfig) -> Front:
    """The front with the environment, its options and the reference point of the run's configuration."""
    facts: dict[str, Any] = {"env": config.env}
    if config.env_options:
        facts["env_options"] = dict(config.env_options)
    if config.protocol is not None:
        facts["protocol"] = config.protocol
    front = front.replace(provenance={**front.provenance, **facts})
    return (
        front if config.ref_point is None else front.replace(ref_point=as_returns(config.ref_point, front.objectives))
    )

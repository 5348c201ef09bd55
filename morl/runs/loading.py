"""Opening the agents of runs: as they were last saved, and only where they belong to the run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl import storage
from morl.agents.core import checkpoint
from morl.runs.config import RunConfig
from morl.runs.folder import RunFolder
from morl.runs.trust import open_env
from morl.spec import RunError

if TYPE_CHECKING:
    from morl.agents.base import Agent


def load_agent(
    run: RunFolder,
    *,
    trust: bool = False,
    imports: Sequence[str] = (),
    utility: Callable[..., Any] | None = None,
    places: Sequence[Path] | None = None,
) -> Agent:
    """The agent of a run as last saved; what an interrupt or an error left behind counts.

    Args:
        trust: execute what the run imports, whoever made the run.
        imports: packages and files to import first; they stand for recorded ones of the same name.
        utility: the function that the run was trained on, where it was one.
        places: where to look among :attr:`RunFolder.places`; everywhere by default.

    Raises:
        RunError: the run has no valid checkpoint, or it would execute code that this user did not name.
    """
    from morl import agents

    config = RunConfig.from_dict(run.config)
    storage.refuse_links(run.path)
    places = [place for place in (run.places if places is None else places) if checkpoint.exists(place)]
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
    from morl.agents.core.config import make_config, option_names, to_dict
    from morl.agents.core.option_names import present_names

    name = agent.info.name
    if agent.run not in (None, run.identity):
        raise RunError(f"checkpoint {str(place)!r} is of another run")
    if (name, agent.seed) != (registry.get(config.algo).info.name, config.seed):
        raise RunError(
            f"checkpoint {str(place)!r} is of {name} with seed {agent.seed}; the run's is {config.algo} with seed "
            f"{config.seed}"
        )
    options = present_names(name, option_names(type(agent).Config), config.options)
    asked = to_dict(make_config(type(agent).Config, options, name))
    has = to_dict(agent.config)
    for option in options:
        if not _as_asked(asked[option], has[option]):
            raise RunError(
                f"checkpoint {str(place)!r} has {option} = {has[option]!r}; config.json says {asked[option]!r}"
            )


def _as_asked(asked: Any, has: Any) -> bool:
    """Whether an option has its configured value; tuned options may have joined those of a table."""
    if isinstance(asked, Mapping) and isinstance(has, Mapping):
        return all(key in has and has[key] == value for key, value in asked.items())
    return bool(asked == has)

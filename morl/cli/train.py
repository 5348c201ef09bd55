"""``morl train``: train an agent and write a run folder."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import UseAppendAction, arg

from morl.cli.arguments import Count, load_utility, parse_preference
from morl.cli.console import note, plain_warnings
from morl.cli.sources import Imports
from morl.compile_time import compiled_apart
from morl.spec import AgentError

if TYPE_CHECKING:
    from morl.pareto import Front
    from morl.runs import RunFolder


STEPS = 100_000
"""Environment steps to learn from, where nothing says how many."""


@dataclass
class Train:
    """Train an agent on an environment and write a run folder.

    Examples:
        morl train --algo ParetoQLearning --env morl/DeepSeaTreasureConcave-v0 -n 60000
        morl train --algo LinearScalarization --env morl/DeepSeaTreasure-v0 -n 20000 --set algorithm=DQN
        morl train --algo PCN --env minecart-deterministic-v0 -n 200000 --ref-point 0 0 -200
        morl train --algo CAPQL --protocol openrlbenchmark-2023 --env mo-hopper-2d-v4
    """

    algo: str
    """Algorithm; `morl algo list` shows them."""
    env: str | None = None
    """Environment id; `morl env list` shows them. package:id imports the package first. With --protocol, the name that
    its source uses will do."""
    protocol: str | None = None
    """Learn and measure as a publication did: environment, discount, reference point, steps and episodes are its own.
    `morl protocol list` names them."""
    steps: Annotated[Count | None, arg(aliases=["-n"])] = None
    """Environment steps to learn from: 100000, 1e5 and 100k are the same. 100,000, or the protocol's, when not
    given."""
    seed: int = 0
    """Random seed."""
    config: Path | None = None
    """TOML file with options of the algorithm."""
    assign: Annotated[UseAppendAction[tuple[str, ...]], arg(name="set", metavar="NAME=VALUE")] = ()
    """Option of the algorithm, name=value; give it as often as needed. `morl algo show NAME` lists them."""
    no_tuned: bool = False
    """Leave out the options that the package ships for this algorithm on this environment."""
    n_envs: Count | None = None
    """Number of parallel environments."""
    weights: tuple[str, ...] = ()
    """One weight vector, for algorithms with an option `weights`: in order (0.7 0.3) or by name (time=0.3
    treasure=0.7), of objectives on their return scale."""
    utility: str | None = None
    """Utility, for algorithms with an option `utility`: worst, cvar:0.3, linear:0.7,0.3 …, or a function of one return
    vector of your own, module:function or file.py:function."""
    discount: Annotated[float | None, arg(aliases=["--gamma"])] = None
    """γ for learning and reporting; the environment's own when not given."""
    ref_point: tuple[float, ...] = ()
    """Reference point that replaces the environment's."""
    env_option: UseAppendAction[tuple[str, ...]] = ()
    """Argument of the environment, name=value (value as JSON, or a plain word)."""
    episodes: Count | None = None
    """Episodes per policy for the final evaluation, where sampling is needed; at most 100, and no more steps than
    learning took, when not given."""
    eval_share: float = 0.1
    """Evaluation steps while learning, for each step of learning, at most; 0 measures at the end only."""
    checkpoint_every: Count = 0
    """Environment steps between checkpoints; 0 saves every few minutes and at the end."""
    out: Path = Path("runs")
    """Folder to put the run folder in."""
    name: str | None = None
    """Name of the run folder."""
    track: str | None = None
    """Also log to: tensorboard, wandb, trackio or mlflow, each an extra; offline."""
    quiet: Annotated[bool, arg(aliases=["-q"])] = False
    """No progress bar."""
    imports: Imports = ()

    def run(self) -> int:
        """Train, evaluate and say what to do next."""
        from morl.runs import train

        config = self._run_config()
        function = load_utility(self.utility)
        with reporting_interrupts(), plain_warnings():
            finished = train(config, self.out, name=self.name, progress_bar=not self.quiet, utility=function)
        report(finished, ["train", *self._words()])
        return 0

    def _run_config(self) -> Any:
        from morl.agents import registry
        from morl.agents.core.config import load_options, option_names, parse_assignments
        from morl.agents.core.option_names import present_names, renaming_note
        from morl.envs import import_package
        from morl.runs import RunConfig

        if self.env is None and self.protocol is None:
            raise AgentError("no environment is given; expected --env ID (see `morl env list`) or --protocol NAME")
        package = (self.env or "").rpartition(":")[0]
        for name in (*self.imports, *([package] if package else [])):
            import_package(name)
        options: dict[str, Any] = load_options(self.config) if self.config else {}
        options.update(parse_assignments(self.assign))
        given = {
            "n_envs": self.n_envs,
            "weights": [self._weights(*self._made_from())] if self.weights else None,
            "utility": self.utility,
            "discount": self.discount,
        }
        options.update({key: value for key, value in given.items() if value is not None})
        agent = registry.get(self.algo)
        algo, known = agent.info.name, option_names(agent.Config)
        former = renaming_note(algo, known, options)
        if former:
            note(former)
            options = present_names(algo, known, options)
        fields: dict[str, Any] = {
            "steps": self.steps,
            "seed": self.seed,
            "options": options,
            "env_options": parse_json_assignments(self.env_option),
            "ref_point": tuple(self.ref_point) or None,
            "checkpoint_every": self.checkpoint_every,
            "episodes": self.episodes,
            "imports": tuple(self.imports),
            "track": self.track,
            "tuned": not self.no_tuned,
            "eval_share": self.eval_share,
        }
        if self.protocol is not None:
            return RunConfig.under(self.protocol, algo, self.env, **fields)
        fields["steps"] = STEPS if self.steps is None else self.steps
        return RunConfig(algo, str(self.env), **fields)

    def _made_from(self) -> tuple[str, dict[str, Any]]:
        """What the environment is made from: its id, and arguments."""
        options = parse_json_assignments(self.env_option)
        if self.protocol is None:
            return str(self.env), options
        from morl.bench import setup_of

        setup = setup_of(self.protocol, self.env, options)
        return setup.env, dict(setup.env_options)

    def _weights(self, env_id: str, env_options: dict[str, Any]) -> list[float]:
        """The weights in the order of the objectives."""
        given = parse_preference(self.weights, "--weights")
        if not isinstance(given, dict):
            return given or []
        from morl.agents.core.preferences import by_name
        from morl.envs import make
        from morl.envs.core import mo_spec

        env = make(env_id, **env_options)
        try:
            return [float(x) for x in by_name(given, mo_spec(env))]
        finally:
            env.close()

    def _words(self) -> list[str]:
        return sys.argv[2:] if sys.argv[1:2] == ["train"] else []


def parse_json_assignments(assignments: tuple[str, ...]) -> dict[str, Any]:
    """Options from texts such as ``("depth=7", "mode=lj")``: JSON where it parses, plain words elsewhere."""
    import json

    result: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise AgentError(f"--env-option {text!r} cannot be read; expected name=value")
        try:
            result[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            result[name.strip()] = value
    return result


class reporting_interrupts:
    """Context manager that reports on Ctrl-C what was saved and how to resume, before the exit code 130."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyboardInterrupt):
            for line in (str(error), *getattr(error, "__notes__", ())):
                if line:
                    note(line)


def report(run: RunFolder, words: list[str]) -> None:
    """Report the front of a run, its folder, and the commands that resume and reproduce it."""
    from morl.cli.console import emit_points

    front, status = run.front(), run.status
    sampled = front.episodes is not None and bool((front.episodes > 0).any())
    how = f"{int(front.episodes.max())} fresh episodes a policy" if sampled and front.episodes is not None else "exact"
    emit_points(front)
    volume = "" if front.ref_point is None else f", hypervolume {front.hypervolume():.6g}{_beside(front)}"
    note(
        f"{len(front)} point{'s' * (len(front) != 1)}{volume} ({how}); {status['steps']:,} steps in "
        f"{status.get('seconds', 0.0):.2f} s, {status.get('eval_steps', 0):,} evaluation steps"
        f"{compiled_apart(status.get('compile_seconds', 0.0))}"
    )
    path = shlex.quote(str(run.path))
    note(f"run folder: {path}\nresume:     morl resume {path} -n STEPS\ncompare:    morl compare {path}")
    if words:
        note(f"reproduce:  morl {shlex.join(words)}")


def _beside(front: Front) -> str:
    """The hypervolumes of policies that learned nothing, where they were measured."""
    from morl.pareto.indicators import hypervolume
    from morl.runs.baselines import NAMES

    assert front.ref_point is not None
    known = front.provenance.get("baselines", {})
    parts = [f"{NAMES.get(name, name)} {hypervolume([x], front.ref_point):.6g}" for name, x in known.items()]
    return f" ({', '.join(parts)})" if parts else ""

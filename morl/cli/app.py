"""Entry point of the command line: parsing, exit codes and error messages; each command has a file of its own."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import tyro
from tyro.conf import subcommand

from morl import __version__
from morl.cli.algo import AlgoGroup
from morl.cli.choose import Choose
from morl.cli.compare import Compare
from morl.cli.console import emit, note, printable
from morl.cli.demo import Demo
from morl.cli.doctor import Doctor
from morl.cli.env import EnvGroup
from morl.cli.evaluate import Evaluate
from morl.cli.explain import Explain
from morl.cli.explore import Explore
from morl.cli.export import Export
from morl.cli.front import ShowFront
from morl.cli.play import Play
from morl.cli.plot import Plot
from morl.cli.protocol import ProtocolGroup
from morl.cli.resume import Resume
from morl.cli.runs import RunsGroup
from morl.cli.solve import Solve
from morl.cli.study import VERBS, StudyGroup
from morl.cli.train import Train
from morl.cli.tune import Tune
from morl.cli.zoo import ZooGroup
from morl.spec import AgentError, MorlError, SpecError, UnknownNameError

MISUSE, FAILURE, INTERRUPTED = 2, 1, 130

Command = (
    Annotated[Train, subcommand("train", description="Train an agent; writes a run folder.")]
    | Annotated[Resume, subcommand("resume", description="Continue a run from its newest valid checkpoint.")]
    | Annotated[Evaluate, subcommand("eval", description="Evaluate a run's agent with fresh episodes.")]
    | Annotated[Choose, subcommand("choose", description="Choose a point: constraints, a criterion, or questions.")]
    | Annotated[Play, subcommand("play", description="Watch the policy behind a point.")]
    | Annotated[Export, subcommand("export", description="Write a policy to a file that runs without this package.")]
    | Annotated[Explain, subcommand("explain", description="Explain why a run's policy takes an action.")]
    | Annotated[Solve, subcommand("solve", description="Compute the exact front of a finite model.")]
    | Annotated[ShowFront, subcommand("front", description="Show, plot or export the fronts of runs and files.")]
    | Annotated[Explore, subcommand("explore", description="Write fronts as one web page to choose from.")]
    | Annotated[Plot, subcommand("plot", description="Draw learning curves of runs beside two baselines.")]
    | Annotated[Compare, subcommand("compare", description="Measure fronts against each other and a reference front.")]
    | Annotated[Demo, subcommand("demo", description="Solve, train and compare on two problems; about a minute.")]
    | Annotated[EnvGroup, subcommand("env", description="List, show, check and create environments.")]
    | Annotated[AlgoGroup, subcommand("algo", description="List, show and create algorithms.")]
    | Annotated[ProtocolGroup, subcommand("protocol", description="List and show published set-ups to measure under.")]
    | Annotated[StudyGroup, subcommand("study", description="Run, show, plot and export studies of many runs.")]
    | Annotated[Tune, subcommand("tune", description="Search options of an algorithm, several seeds a trial.")]
    | Annotated[RunsGroup, subcommand("runs", description="List, verify and prune run folders.")]
    | Annotated[ZooGroup, subcommand("zoo", description="List, fetch and give away trained runs.")]
    | Annotated[Doctor, subcommand("doctor", description="Report installed and missing dependencies.")]
)


FORMER_OPTIONS = {
    "compare": {"--truth": "--reference"},
    "front": {"--truth": "--reference", "--truth-file": "--reference-file"},
}
"""Former names of options, by command: still taken, not in the help."""


def with_present_names(words: Sequence[str]) -> list[str]:
    """The words of a command line with former names of options replaced, and ``study FILE`` as ``study run FILE``.

    >>> with_present_names(["compare", "a.csv", "--truth=b.csv"])
    ['compare', 'a.csv', '--reference=b.csv']
    """
    former = FORMER_OPTIONS.get(words[0], {}) if words else {}
    if words[:1] == ["study"] and words[1:] and words[1] not in VERBS and not words[1].startswith("-"):
        words = ["study", VERBS[0], *words[1:]]  # morl study FILE.toml
    parts = [word.partition("=") for word in words]
    return [former.get(name.replace("_", "-"), name) + equals + value for name, equals, value in parts]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 failure, 2 misuse, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["--version"], ["-V"]):
        emit(f"morl {__version__}")
        return 0
    # Networks here are small: more threads only wait for each other, and would make sums depend on their number.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    debug = "--debug" in words
    words = with_present_names([word for word in words if word != "--debug"])
    shown, warnings.formatwarning = warnings.formatwarning, _one_warning
    try:
        command: Any = tyro.cli(
            Command,
            prog="morl",
            description="Multi-objective reinforcement learning, with the exact front beside every learned one. "
            "Add --debug to any command for a traceback.",
            args=words or ["--help"],
            config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
        )
        return int(command.run() or 0)
    except MorlError as error:
        if debug:
            raise
        note(f"error: {error}")
        return MISUSE if isinstance(error, UnknownNameError | SpecError | AgentError) else FAILURE
    except KeyboardInterrupt:
        if debug:
            raise
        note("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe (`morl env list | head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # paths that cannot be, folders that may not be written, full disks
        if debug:
            raise
        note(f"error: {error.filename!r}: {error.strerror}" if error.filename else f"error: {error.strerror or error}")
        return FAILURE
    except Exception as error:
        if debug:
            raise
        note(f"error: {type(error).__name__}: {error} (add --debug for the traceback)")
        return FAILURE
    finally:
        warnings.formatwarning = shown


def _one_warning(message: Warning | str, *where: Any, **more: Any) -> str:
    return f"warning: {printable(message)}\n"

"""Commands with words and files that no sane person gives them: no traceback, no hang, no file half-written.

Every case (drawn by hypothesis) takes a folder with a run, fronts, models, a study, a zoo and their options, damages a
file of it or none, and calls a command with words that fit more or less, or a reader of the package. Run as a script
it goes through many cases in this process::

    python tests/fuzz_commands.py --cases 10000

It prints one line of JSON: how many cases were taken and refused, and what was wrong with the others.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
from fuzz_words import MODELS, SEA, commands
from hypothesis import strategies as st

import morl
from morl.agents.core import checkpoint
from morl.agents.core.config import load_options
from morl.cli import main
from morl.momdp import MOMDP
from morl.pareto import Front
from morl.runs import RunConfig, RunFolder, load_agent, train, verify
from morl.runs.seal import Seal
from morl.spec import MorlError
from morl.studies import Study, StudySpec, Table
from morl.zoo import cards, pull, push

SECONDS = 30
"""A case that takes longer hangs."""
_DATA = Path(__file__).parent / "data" / "models"

STUDY = f"""name = "tiny"
steps = 60
seeds = 1
algorithms = ["ParetoQLearning"]
environments = ["{SEA}"]
"""
TUNE = f"""algo = "MultiWeightQLearning"
environments = ["{SEA}"]
steps = 60
seeds = 1
trials = 2
[search]
epsilon_end = {{ low = 0.01, high = 0.5, log = true }}
"""


class Hang(BaseException):
    """Not an Exception: nobody in between may catch it."""


def playground(root: Path) -> Path:
    """A folder with one small thing of each kind; everything in it is whole."""
    config = RunConfig("ParetoQLearning", SEA, 400, checkpoint_every=200)
    run = train(config, root / "runs", name="r")
    push(run, root / "zoo", "r", licence="MIT")
    run.front().save(root / "front.json")
    run.front().save(root / "front.csv")
    MOMDP.from_arrays([[[0.0, 1.0]], [[0.0, 1.0]]], [[[1.0, 2.0]], [[0.0, 0.0]]], discount=0.9).save(root / "model.npz")
    for model in MODELS:
        shutil.copy(_DATA / model, root)
    for name, text in {"study.toml": STUDY, "tune.toml": TUNE, "options.toml": "max_set_size = 8\n"}.items():
        (root / name).write_text(text)
    made = morl.study(root / "study.toml", root / "made")
    shutil.rmtree(made.path / "cells")
    return root


READERS: dict[str, Callable[[], Any]] = {
    "front.json": lambda: Front.load("front.json"),
    "front.csv": lambda: Front.load("front.csv"),
    "model.npz": lambda: MOMDP.load("model.npz"),
    "options.toml": lambda: load_options("options.toml"),
    "study.toml": lambda: StudySpec.from_file("study.toml"),
    "made/study.json": lambda: Study.open("made").compare(),
    "made/table.csv": lambda: Table.load("made/table.csv"),
    "made/table.parquet": lambda: Table.load("made/table.parquet"),
    "runs/r/seal.json": lambda: Seal.read(Path("runs/r")),
    "runs/r/config.json": lambda: load_agent(RunFolder.open("runs/r")),
    "runs/r/status.json": lambda: verify(RunFolder.open("runs/r")),
    "runs/r/metrics.jsonl": lambda: RunFolder.open("runs/r").metrics(),
    "runs/r/front.json": lambda: RunFolder.open("runs/r").front(),
    "runs/r/checkpoints/checkpoint.json": lambda: checkpoint.load("runs/r/checkpoints"),
    "zoo/r/card.json": lambda: cards("zoo"),
    "zoo/r/seal.json": lambda: pull("zoo", "r", "pulled"),
}
"""What reads a file of the playground, by the file that is damaged most."""


@dataclasses.dataclass(frozen=True)
class Case:
    """What is done to a file, and what is called then."""

    words: tuple[str, ...]
    reader: str | None
    file: str | None
    damage: str
    place: float
    payload: bytes


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any case."""
    reader = draw(st.sampled_from([None, None, None, *READERS]))
    words = draw(commands()) if reader is None else ()
    damage = draw(st.sampled_from(["none", "flip", "cut", "splice", "json", "remove", "folder", "link", "fifo"]))
    file = None if damage == "none" else draw(st.sampled_from(sorted(READERS)) if reader is None else st.just(reader))
    return Case(words, reader, file, damage, draw(st.floats(0, 1)), draw(st.binary(max_size=12)))


def damage(path: Path, case: Case) -> None:
    """Do to a file what the case says."""
    payload = path.read_bytes()
    at = int(case.place * len(payload))
    if case.damage == "flip":
        path.write_bytes(payload[:at] + bytes(b ^ 255 for b in payload[at : at + 1]) + payload[at + 1 :])
    elif case.damage == "cut":
        path.write_bytes(payload[:at])
    elif case.damage == "splice":
        path.write_bytes(payload[:at] + case.payload + payload[at + len(case.payload) :])
    elif case.damage == "json":
        path.write_bytes(_other_value(payload, case))
    else:
        path.unlink()
        if case.damage == "folder":
            path.mkdir()
        elif case.damage == "link":
            path.symlink_to("/etc/hostname")
        elif case.damage == "fifo":
            os.mkfifo(path)


VALUES = (None, True, -1, 0, 1e308, "x", "", [], {}, [[]], {"a": None}, "../../x", 10**30)


def _other_value(payload: bytes, case: Case) -> bytes:
    """JSON with one value replaced by another; other files with their bytes repeated."""
    try:
        data = json.loads(payload)
    except ValueError:
        return payload + payload
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            places.append((node, key))
            if isinstance(value, dict | list):
                walk(value)

    walk(data if isinstance(data, dict | list) else [data])
    if places:
        node, key = places[int(case.place * (len(places) - 1))]
        node[key] = VALUES[sum(case.payload) % len(VALUES)]
    return json.dumps(data).encode()


# ---- running ------------------------------------------------------------------------------------------------------


class Runner:
    """Runs cases in copies of a playground, and remembers what came of them."""

    def __init__(self, root: Path) -> None:
        self.pristine = playground(root / "pristine")
        self.place = root / "case"
        self.ends: Counter[str] = Counter()
        self.faults: dict[str, str] = {}

    def run(self, case: Case) -> None:
        """One case."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.pristine, self.place)
        if case.file is not None:
            damage(self.place / case.file, case)
        with contextlib.chdir(self.place), warnings.catch_warnings(), limited(SECONDS):
            warnings.simplefilter("ignore")
            try:
                end = self._call(case)
            except Hang:
                end = self._fault("hangs", case)
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(last.filename).name}:{last.lineno}"
                end = self._fault(f"{type(error).__name__} in {where}: {str(error)[:150]}", case)
        self.ends[end] += 1
        for strange in unfinished(self.place):
            self._fault(f"left {strange}", case)

    def _call(self, case: Case) -> str:
        try:
            if case.reader is not None:
                READERS[case.reader]()
                return "taken"
            heard = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
            said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")  # as Python's own
            with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(said), _no_input():
                code = main(case.words)
            said.seek(0)
            if "--debug for the traceback" in (told := said.read()):
                return self._fault(told[told.rindex("error: ") :][:200], case)
            return "refused" if code else "taken"
        except MorlError as error:
            return "refused" if "\n" not in str(error) else self._fault("a message of several lines", case)
        except SystemExit as stop:
            return "refused" if stop.code else "taken"

    def _fault(self, what: str, case: Case) -> str:
        self.faults.setdefault(what, repr(case))
        return "fault"


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """End what takes too long."""

    def ring(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _no_input() -> Iterator[None]:
    before, sys.stdin = sys.stdin, io.StringIO("1\nx\n")
    try:
        yield
    finally:
        sys.stdin = before


def unfinished(folder: Path) -> Iterator[str]:
    """Files that a command began to write and did not end."""
    ends = {".png": b"IEND\xaeB`\x82", ".html": b"</html>\n", ".gif": b";"}
    for path in folder.rglob("*"):
        if ".part" in path.name:
            yield path.name
        elif path.is_file() and path.name.startswith("out") and path.suffix in ends:
            if not path.read_bytes().endswith(ends[path.suffix]):
                yield f"half of {path.name}"
        elif path.name == "out.json":
            try:
                json.loads(path.read_bytes())
            except ValueError:
                yield f"half of {path.name}"


def go(number: int, seed: int) -> dict[str, Any]:
    """Many cases; what came of them."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as root:
        runner = Runner(Path(root))

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=number, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.given(cases())
        def each(case: Case) -> None:
            runner.run(case)

        each()
    return {**runner.ends, "faults": runner.faults, "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    os.environ.setdefault("MPLBACKEND", "Agg")
    found = go(given.cases, given.seed)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    sys.exit(bool(found["faults"]))

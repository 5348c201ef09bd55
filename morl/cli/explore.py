"""``morl explore``: fronts as a page to look at, ask, and choose from."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from morl.cli.console import note, stage
from morl.cli.sources import Imports, Source, Trust, find_reference, load_reference, load_sources
from morl.spec import FrontError, MorlError

if TYPE_CHECKING:
    from morl.pareto import Front


@dataclass
class Explore:
    """Write fronts as one web page that needs no server and no network: sliders, limits, questions, a shortlist, and
    recordings of policies.

    Examples:
        morl explore runs/pql-dst
        morl explore runs/a runs/b exact.json --out both.html
        morl explore runs
    """

    sources: Positional[tuple[str, ...]]
    """Run folders, folders of runs, zoo:NAME, and front files."""
    out: Annotated[Path, arg(aliases=["-o"])] = Path("front.html")
    """Write the page to this file."""
    title: str | None = None
    """Heading of the page."""
    reference: str = "env"
    """Front drawn beneath: a file, the id of an environment, "env" for the environment of the fronts, or "none"."""
    recordings: int = 24
    """Points of each front whose policies are recorded for watching, at most; 0 for none."""
    steps: int = 300
    """Steps of a recording, at most."""
    seed: int = 0
    """Seed of the recorded episodes."""
    imports: Imports = ()
    trust: Trust = False

    def run(self) -> int:
        """Read, play, and write the page."""
        from morl.explorer import explore

        if not self.sources:
            raise FrontError("no run or file given; expected at least one, e.g. morl explore runs/NAME")
        if self.recordings < 0 or self.steps < 1:
            raise FrontError(
                f"--recordings is {self.recordings} and --steps {self.steps}; expected 0 or more, and 1 or more"
            )
        paths = list(dict.fromkeys(path for source in self.sources for path in runs_within(source)))
        sources = load_sources(paths)
        fronts = {name: source.front for name, source in sources.items()}
        players = _Players(dict(zip(sources, paths, strict=True)), fronts, self)
        with stage("writing the page"):
            path = explore(
                fronts,
                self.out,
                reference=self._reference(sources),
                title=self.title,
                commands={name: f"morl play {shlex.quote(path)}" for name, path in players.paths.items()},
                play=players.play if self.recordings else None,
                watched=self.recordings,
            )
        for name, reason in players.silent.items():
            note(f"no recordings of {name}: {reason}")
        note(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
        return 0

    def _reference(self, sources: Mapping[str, Source]) -> Front | None:
        if self.reference == "none":
            return None
        if self.reference == "env":
            return find_reference(sources, self.imports, self.trust)
        return load_reference(sources, self.reference, self.imports, self.trust)


def runs_within(source: str) -> list[str]:
    """The source itself where it is a run or a file; the finished runs in it where it is a folder of runs.

    Raises:
        FrontError: a folder that holds no run with a front.
    """
    from morl.runs import RunFolder

    path = Path(source)
    if not path.is_dir() or (path / "config.json").exists():
        return [source]
    found = [str(run.path) for run in RunFolder.all(path) if (run.path / "front.json").is_file()]
    if not found:
        raise FrontError(f"folder {source!r} holds no run that has a front; `morl runs list {source}` shows its runs")
    return found


class _Players:
    """Episodes of points, by the sources' names; each source is opened once, and only where it has policies."""

    def __init__(self, paths: Mapping[str, str], fronts: Mapping[str, Front], asked: Explore) -> None:
        self.paths, self.fronts, self.asked = paths, fronts, asked
        self.silent: dict[str, str] = {}
        self.opened = cache(self._open)

    def _open(self, name: str) -> Any:
        from morl.runs.points import open_source

        options: dict[str, Any] = {"trust": self.asked.trust, "imports": self.asked.imports}
        try:
            try:
                return open_source(self.paths[name], render_mode="rgb_array", **options)
            except (MorlError, TypeError, ImportError):  # an environment that draws nothing, or cannot here
                return open_source(self.paths[name], **options)
        except MorlError as error:
            self.silent[name] = str(error)
            return None

    def play(self, name: str, index: int) -> Iterator[tuple[Any, Any]]:
        """One episode; nothing where the source has no policies."""
        opened = self.opened(name)
        if opened is None:
            return
        try:
            policy = opened.policy(self.fronts[name].ids[index])
        except MorlError as error:
            self.silent[name] = str(error)
            return
        for step in islice(opened.episode(policy, self.asked.seed, self.asked.steps), self.asked.steps):
            yield step.reward, step.frame

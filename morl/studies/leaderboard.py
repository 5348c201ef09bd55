"""A page that ranks the algorithms of several studies, protocol by protocol, and refuses what cannot be.

Entries are ordered by the interquartile mean of their hypervolume over seeds. A rank is a range: from one more than
the entries that are surely better (their whole interval is) to the last place that is not surely worse. An entry that
claims more than is possible (points above the exact front by more than their confidence interval, or more than the
hypervolume proven to be the largest) is not ranked; the page says which ceiling it is above.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from morl.bench.protocols import Setup, setup_of
from morl.pareto.front import Front
from morl.pareto.roles import EXACT
from morl.spec import RunError
from morl.studies.comparison import StudyComparison, Summary
from morl.studies.report import shown_interval
from morl.studies.running import Study
from morl.studies.spec import Task

_INDICATOR = "hypervolume"
_ROUNDING = 5e-5  # of published numbers and ceilings
_SAME = 1e-9
_PLAIN = "No protocol: the environments as they are"

_Member = tuple[Study, StudyComparison, Task]


@dataclass(frozen=True)
class Entry:
    """An algorithm of a study on one board.

    Args:
        algorithm: its name in the study.
        study: name of the study; empty for a published number.
        steps: environment steps of learning, where they are known.
        hypervolume: over seeds; of a published number the value alone.
        refused: the ceiling that it is above; empty where it is ranked.
        ranks: the best and the worst that its interval allows, 1 for the best of all; zeros where it is refused.
    """

    algorithm: str
    study: str
    steps: int | None
    hypervolume: Summary | float
    refused: str = ""
    ranks: tuple[int, int] = (0, 0)

    @property
    def value(self) -> float:
        """The number that it is ranked by."""
        return self.hypervolume if isinstance(self.hypervolume, float) else self.hypervolume.mean.value


@dataclass(frozen=True)
class Board:
    """The entries of one environment under one protocol.

    Args:
        protocol: its name; empty for none.
        environment: id and arguments.
        about: discount, reference point, and what the fronts are measured against.
        reference: hypervolume of the reference front, where it is the exact one.
        entries: ranked ones first, best first.
    """

    protocol: str
    environment: str
    about: str
    reference: float | None
    entries: tuple[Entry, ...]


def boards(studies: Sequence[Study]) -> list[Board]:
    """The boards of several studies: those of one protocol together, studies of one problem on one board.

    Raises:
        RunError: no study is given, or one has no table.
    """
    if not studies:
        raise RunError("no study to rank; expected folders that `morl study FILE.toml` left behind")
    found: dict[tuple[str, ...], list[_Member]] = {}
    for study in studies:
        references, comparison = study.references, study.compare()
        for task in study.spec.environments:
            if task.name in references:
                found.setdefault(_key(study, task, references[task.name]), []).append((study, comparison, task))
    return [_board(key, members) for key, members in sorted(found.items())]


def _key(study: Study, task: Task, reference: Front) -> tuple[str, ...]:
    """What must be the same of entries that are ranked together."""
    options = " ".join(f"{name}={json.dumps(value)}" for name, value in sorted(task.options.items()))
    ref = "none" if reference.ref_point is None else ", ".join(f"{x:g}" for x in reference.ref_point)
    setup = _setup(study, task)
    name = f"{task.env} {options}".strip() if setup is None else f"{setup.problem} ({setup.env})"
    about = f"γ = {reference.discount:g}, reference point ({ref}), against the {reference.role}"
    return study.spec.protocol or "", name, about


def _setup(study: Study, task: Task) -> Setup | None:
    return None if study.spec.protocol is None else setup_of(study.spec.protocol, task.env, task.options or None)


def _board(key: tuple[str, ...], members: Sequence[_Member]) -> Board:
    protocol, environment, about = key
    study, _, task = members[0]
    front = study.references[task.name]
    exact = float(front.hypervolume()) if front.role == EXACT and front.ref_point is not None else None
    ceilings = [] if exact is None else [("the exact front", exact)]
    setup = _setup(study, task)
    entries = [entry for member in members for entry in _entries(*member)]
    if setup is not None:
        proven = [p for p in setup.published if p.known == "derived" and p.steps == 0 and p.hypervolume is not None]
        ceilings += [(f"what is proven of the problem ({p.algorithm})", float(p.hypervolume or 0.0)) for p in proven]
        entries += [
            Entry(f"{p.algorithm} ({p.known})", "", p.steps or None, float(p.hypervolume))
            for p in setup.published
            if p not in proven and p.hypervolume is not None
        ]
    return Board(protocol, environment, about, exact, _ranked([_judged(entry, ceilings) for entry in entries]))


def _entries(study: Study, comparison: StudyComparison, task: Task) -> Iterable[Entry]:
    steps = {
        row.algorithm: int(row.value or 0)
        for row in study.table.of("cell")
        if row.name == "steps" and row.environment == task.name
    }
    for algorithm in comparison.algorithms:
        summary = comparison.summary(_INDICATOR, algorithm, task.name)
        if summary is None:
            continue
        above = sum(s.above for s in comparison.scores if (s.algorithm, s.environment) == (algorithm, task.name))
        why = f"the exact front: {above} point{'s' * (above != 1)} above it by more than the confidence interval"
        yield Entry(algorithm, study.spec.name, steps.get(algorithm), summary, why if above else "")


def _judged(entry: Entry, ceilings: Sequence[tuple[str, float]]) -> Entry:
    """The entry, refused where it has more hypervolume than the lowest ceiling, beyond rounding or its interval.

    Points of sampled fronts above an exact front were counted one by one; here sampled means may exceed it by chance.
    """
    least = _ends(entry)[0]
    for name, most in sorted(ceilings, key=lambda one: one[1]):
        if not entry.refused and least > most * (1 + _ROUNDING):
            return replace(entry, refused=f"{name}: hypervolume {entry.value:.6g}, and at most {most:.6g} is possible")
    return entry


def _ranked(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Best first, then those that are refused."""
    ordered = sorted((e for e in entries if not e.refused), key=lambda e: -e.value)
    ends = [_ends(entry) for entry in ordered]
    refused = sorted((e for e in entries if e.refused), key=lambda e: -e.value)
    found = []
    for entry, (low, high) in zip(ordered, ends, strict=True):
        slack = _SAME * max(abs(low), abs(high))  # the same front, summed in another order
        better = sum(theirs > high + slack for theirs, _ in ends)
        worse = sum(theirs < low - slack for _, theirs in ends)
        found.append(replace(entry, ranks=(1 + better, len(ordered) - worse)))
    return (*found, *refused)


def _ends(entry: Entry) -> tuple[float, float]:
    if isinstance(entry.hypervolume, float):
        return entry.hypervolume * (1 - _ROUNDING), entry.hypervolume * (1 + _ROUNDING)
    mean = entry.hypervolume.mean
    return (mean.low, mean.high) if np.isfinite([mean.low, mean.high]).all() else (mean.value, mean.value)


# ---- the page -----------------------------------------------------------------------------------------------------

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { white-space: nowrap; text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #8884; }
th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left; }
td[colspan] { white-space: normal; text-align: left; }
tr.refused td { opacity: .75; } tr.published td { font-style: italic; }
p.about { opacity: .8; margin: 0; }
""".strip()
_COLUMNS = ("rank", "algorithm", "study", "steps", "seeds", "hypervolume [95 %]", "median", "worst", "best", "of exact")


def page(made: Sequence[Board]) -> str:
    """One HTML page that needs nothing else; every name is escaped."""
    parts = ["<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"]
    parts.append(f"<title>morl: leaderboard</title><style>{_STYLE}</style><h1>Leaderboard</h1>")
    parts.append(
        "<p>Interquartile means of hypervolumes over seeds. Ranks are ranges: entries whose 95 % intervals do not tell "
        "them apart share places. Published numbers are in italics, with how they are known; they have no interval. "
        "Numbers of different protocols cannot be compared.</p>"
    )
    shown: str | None = None
    for board in made:
        if board.protocol != shown:
            shown = board.protocol
            parts.append(f"<h2>{_text(shown or _PLAIN)}</h2>")
        parts.append(_table(board))
    return "".join(parts) + "</html>\n"


def _table(board: Board) -> str:
    head = "".join(f"<th>{_text(name)}" for name in _COLUMNS)
    rows = "".join(_row(entry, board.reference) for entry in board.entries)
    about = f"<p class=about>{_text(board.about)}</p>"
    return f"<h3>{_text(board.environment)}</h3>{about}<table><thead><tr>{head}<tbody>{rows}</table>"


def _row(entry: Entry, reference: float | None) -> str:
    steps = "" if entry.steps is None else f"{entry.steps:,}"
    share = "" if not reference else f"{entry.value / reference:.2%}"
    if isinstance(entry.hypervolume, float):
        numbers, kind = ["", f"{entry.hypervolume:.6g}", "", "", "", share], "published"
    else:
        one = entry.hypervolume
        spread = (f"{x:.6g}" for x in (one.median, one.worst, one.best))
        numbers, kind = [str(one.runs), shown_interval(one.mean, digits=6), *spread, share], "measured"
    if entry.refused:
        cells = ["refused", entry.algorithm, entry.study, steps]
        words = "".join(f"<td>{_text(x)}" for x in cells)
        return f"<tr class=refused>{words}<td colspan=6>above {_text(entry.refused)}"
    return f"<tr class={kind}>" + "".join(
        f"<td>{_text(x)}" for x in (_range(*entry.ranks), entry.algorithm, entry.study or "published", steps, *numbers)
    )


def _range(best: int, worst: int) -> str:
    return str(best) if best == worst else f"{best}–{worst}"


def _text(words: str) -> str:
    return html.escape("".join(c if c.isprintable() else " " for c in words))


def studies_in(folders: Iterable[str | Path]) -> list[Study]:
    """The studies that folders are, or hold.

    Raises:
        RunError: a folder without any, or a damaged study.
    """
    found: list[Study] = []
    for folder in map(Path, folders):
        inside = [folder] if (folder / "study.json").exists() else sorted(p.parent for p in folder.glob("*/study.json"))
        if not inside:
            raise RunError(f"folder {str(folder)!r} holds no study; `morl study FILE.toml` makes one")
        found += map(Study.open, inside)
    return found

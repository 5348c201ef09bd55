"""The tables of a study, for a terminal, Markdown and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from morl.spec import SpecError
from morl.studies.comparison import INDICATORS, StudyComparison, Summary, Test
from morl.studies.statistics import Interval

FORMATS = ("markdown", "latex")


@dataclass(frozen=True)
class Sheet:
    """One table: its title, columns, cells as text, and what a reader must know beside it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def sheets(comparison: StudyComparison, indicator: str | None = None) -> list[Sheet]:
    """Every table of a study.

    Args:
        comparison: of the study.
        indicator: what algorithms are ranked and tested by; the hypervolume by default, where every front has one.

    Raises:
        UnknownNameError: no such indicator.
        SpecError: not every front has it.
    """
    chosen = ranking_indicator(comparison, indicator)
    made = [_of_environment(comparison, environment) for environment in comparison.environments]
    made.append(_of_seeds(comparison, chosen))
    if len(comparison.comparable_environments(chosen)) > 1:
        made.append(_overall(comparison, chosen))
    if len(comparison.algorithms) > 1:
        made.append(_pairs(comparison, chosen))
    return made


def ranking_indicator(comparison: StudyComparison, indicator: str | None) -> str:
    """The indicator asked for, or the first that every front has."""
    has = comparison.indicators()
    if indicator is None:
        return has[0]
    comparison.values(indicator, "", "")  # refuses unknown ones
    if indicator not in has:
        raise SpecError(f"not every front has the indicator {indicator!r}; expected one of {', '.join(has)}")
    return indicator


def _of_environment(comparison: StudyComparison, environment: str) -> Sheet:
    names = [name for name in INDICATORS if any(name in s.values for s in comparison.scores)]
    rows = []
    for algorithm in comparison.algorithms:
        found = [comparison.summary(name, algorithm, environment) for name in names]
        runs = max((one.runs for one in found if one is not None), default=0)
        flagged = any(s.above for s in comparison.scores if (s.algorithm, s.environment) == (algorithm, environment))
        if runs:
            cells = ("–" if one is None else shown_interval(one.mean) for one in found)
            rows.append((f"{algorithm} (!)" if flagged else algorithm, str(runs), *cells))
    labels = (f"{INDICATORS[name].label} {'↑' if INDICATORS[name].better > 0 else '↓'}" for name in names)
    notes = [
        f"against the {comparison.roles[environment]}; interquartile mean over seeds [95 % interval]; "
        "ε, IGD+, utilities and the worst objective on the return scale"
    ]
    notes += [line for line in comparison.impossible() if f" in {environment}, " in line]
    return Sheet(environment, ("algorithm", "seeds", *labels), tuple(rows), tuple(notes))


def _of_seeds(comparison: StudyComparison, indicator: str) -> Sheet:
    rows = []
    for environment in comparison.environments:
        for algorithm in comparison.algorithms:
            one = comparison.summary(indicator, algorithm, environment)
            if one is not None:
                rows.append((environment, algorithm, *_of_summary(one)))
    title = f"{INDICATORS[indicator].label}, seed by seed"
    return Sheet(title, ("environment", "algorithm", *_SUMMARY), tuple(rows))


_SUMMARY = ("interquartile mean [95 %]", "median", "worst seed", "best seed", "runs")


def _of_summary(one: Summary) -> tuple[str, ...]:
    return (shown_interval(one.mean), *(f"{x:.4g}" for x in (one.median, one.worst, one.best)), str(one.runs))


def _overall(comparison: StudyComparison, indicator: str) -> Sheet:
    environments = comparison.comparable_environments(indicator)
    found = [(algorithm, comparison.overall(indicator, algorithm)) for algorithm in comparison.algorithms]
    rows = tuple((algorithm, *_of_summary(one)) for algorithm, one in found if one is not None)
    left_out = [e for e in comparison.environments if e not in environments]
    notes = ["0 is doing nothing, 1 the reference front of each environment"]
    notes += [f"left out: {', '.join(left_out)} (no scale, or not of every algorithm)"] if left_out else []
    title = f"{INDICATORS[indicator].label}, normalised, over {len(environments)} environments"
    return Sheet(title, ("algorithm", *_SUMMARY), rows, tuple(notes))


def _pairs(comparison: StudyComparison, indicator: str) -> Sheet:
    rows = tuple(_of_test(test) for test in comparison.tests(indicator))
    note = f"permutation tests of equal means; corrected for {len(rows)} comparisons (Holm)"
    columns = ("environment", "A", "B", "P(A better) [95 %]", "p", "p corrected")
    return Sheet(f"{INDICATORS[indicator].label}: pairs", columns, rows, (note,))


def _of_test(test: Test) -> tuple[str, ...]:
    where = test.environment or "all"
    return (where, *test.algorithms, shown_interval(test.improvement), f"{test.p_value:.3g}", f"{test.corrected:.3g}")


def shown_interval(one: Interval, digits: int = 4) -> str:
    """An estimate with its interval, ``0.52 [0.4, 0.61]``; alone where the interval has no width."""
    if one.low == one.high:
        return f"{one.value:.{digits}g}"
    ends = ("–" if math.isinf(x) else f"{x:.{digits}g}" for x in (one.low, one.high))
    return f"{one.value:.{digits}g} [{', '.join(ends)}]"


# ---- formats -----------------------------------------------------------------------------------------------


def render(made: Sequence[Sheet], form: str) -> str:
    """All sheets as one text.

    Args:
        made: the sheets.
        form: ``"markdown"`` or ``"latex"`` (with the package booktabs).

    Raises:
        SpecError: another format.
    """
    if form not in FORMATS:
        raise SpecError(f"format is {form!r}; expected one of {', '.join(FORMATS)}")
    return "\n".join((_markdown if form == "markdown" else _latex)(sheet) for sheet in made)


def _markdown(sheet: Sheet) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(_line(cell).replace("\\", "\\\\").replace("|", "\\|") for cell in cells) + " |\n"

    rule = "|" + "---|" * len(sheet.columns) + "\n"
    notes = "".join(f"\n{_line(note)}\n" for note in sheet.notes)
    return f"### {_line(sheet.title)}\n\n{line(sheet.columns)}{rule}{''.join(map(line, sheet.rows))}{notes}"


_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "ε": r"$\varepsilon$", "γ": r"$\gamma$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--",
}  # fmt: skip


def _latex(sheet: Sheet) -> str:
    def line(cells: Sequence[str]) -> str:
        return "    " + " & ".join(map(_tex, cells)) + r" \\" + "\n"

    notes = "".join(rf"  \\ \footnotesize {_tex(note)}" + "\n" for note in sheet.notes)
    return (
        "\\begin{table}\n  \\centering\n"
        f"  \\caption{{{_tex(sheet.title)}}}\n"
        f"  \\begin{{tabular}}{{{'l' * len(sheet.columns)}}}\n    \\toprule\n"
        f"{line(sheet.columns)}    \\midrule\n{''.join(map(line, sheet.rows))}    \\bottomrule\n"
        f"  \\end{{tabular}}\n{notes}\\end{{table}}\n"
    )


def _tex(text: str) -> str:
    return "".join(_TEX.get(c, c) for c in _line(text))


def _line(text: str) -> str:
    """One line of printable characters: names come from files."""
    return "".join(c if c.isprintable() else " " for c in text)

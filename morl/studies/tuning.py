"""Tuning an algorithm's options with Optuna (extra ``tune``): every trial is a study of several seeds.

::

    journal.log           what Optuna knows
    trials/KEY/           the study of each trial, by a digest of its options
    references/           the reference fronts that they share
    trials.csv            options, scores and states of the trials
    winner.toml           the best options: morl train --config winner.toml
    held_out/             the winner against the options that it started from, on other seeds
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from morl import storage
from morl.engines import Engine, engine_of
from morl.spec import FloatArray, MissingExtraError, RunError
from morl.studies import statistics
from morl.studies.comparison import INDICATORS
from morl.studies.running import Study, locked_folder, study
from morl.studies.search import SECONDS, Choice, TuneSpec
from morl.studies.spec import Entrant, StudySpec, slug

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

BATCH = 2
"""Seeds after which a trial may be pruned."""


@dataclass(frozen=True)
class Tuning:
    """What tuning left behind.

    Args:
        path: its folder.
        options: the best options found.
        value: their mean score over seeds (and environments, normalised where there are several).
        trials: how many were finished or pruned.
        pruned: how many of them were given up early.
        importance: share of the variance of scores that each option explains; empty where too few trials ended.
        held_out: the winner against the options that it started from, on held-out seeds.
    """

    path: Path
    options: Mapping[str, Any]
    value: float
    trials: int
    pruned: int
    importance: Mapping[str, float]
    held_out: Study | None = None


def tune(
    what: TuneSpec | Mapping[str, Any] | str | Path,
    out: str | Path | None = None,
    *,
    jobs: int = 1,
    imports: Sequence[str] = (),
    progress: bool = False,
    engine: Engine | str = "local",
) -> Tuning:
    """Search options of an algorithm; run it again to go on.

    A trial is given up when the 95 % interval of its mean over the first seeds lies below the best trial's mean, where
    there is one objective. Cells are run folders: what a killed process had begun is gone on with.

    Args:
        what: a TOML file, a mapping with its keys, or a :class:`TuneSpec`.
        out: the folder; ``tuning/NAME`` by default.
        jobs, imports, progress, engine: as for :func:`morl.study`.

    Raises:
        MissingExtraError: Optuna is not installed.
        MorlError: something does not fit together, or no trial came to its end.
    """
    optuna = _optuna()
    if isinstance(what, TuneSpec):
        spec = what
    else:
        spec = TuneSpec.from_dict(what, imports) if isinstance(what, Mapping) else TuneSpec.from_file(what, imports)
    folder = Path("tuning") / slug(spec.study.name) if out is None else Path(out)
    chosen = engine_of(engine, jobs)
    how: dict[str, Any] = {"progress": progress, "engine": chosen}
    with locked_folder(folder), _quiet(optuna), chosen:
        search = _opened(optuna, spec, folder)
        trials = Trials(spec, folder, how)
        while len(_ended(search)) < spec.trials:
            trials.run(search.ask(), search)
        made = _result(optuna, spec, folder, search)
        if spec.held_out:
            made = replace(made, held_out=_checked(spec, folder, made.options, how))
    return made


class Trials:
    """Runs trials, each a study in a folder of its own.

    Args:
        spec: what is searched.
        folder: of the tuning.
        how: arguments of :func:`morl.study`.
    """

    def __init__(self, spec: TuneSpec, folder: Path, how: Mapping[str, Any]) -> None:
        self.spec, self.folder, self.how = spec, folder, how

    def run(self, trial: Trial, search: Any) -> None:
        """Run one trial and tell Optuna what came of it."""
        from optuna.trial import TrialState

        options = {name: one.suggest(trial, name) for name, one in self.spec.search.items()}
        seeds = self.spec.study.seeds
        for count in dict.fromkeys((min(BATCH, len(seeds)), len(seeds))):
            made = self._study(options, seeds[:count])
            if made.failures:
                trial.set_user_attr("error", next(iter(made.failures.values())))
                search.tell(trial, state=TrialState.FAIL)
                return
            groups = scores_of(made, self.spec.objectives[0])
            trial.set_user_attr("scores", [group.tolist() for group in groups])
            trial.set_user_attr("seeds", count)
            if count < len(seeds) and self._is_hopeless(groups, search):
                trial.report(statistics.trimmed_mean(groups, 0.0), count)
                search.tell(trial, state=TrialState.PRUNED)
                return
        search.tell(trial, [_value(made, name) for name in self.spec.objectives])

    def _study(self, options: Mapping[str, Any], seeds: tuple[int, ...]) -> Study:
        of_study = self.spec.study
        (entrant,) = of_study.algorithms
        chosen = replace(entrant, options={**entrant.options, **options})
        key = storage.sha256(json.dumps(dict(chosen.options), sort_keys=True).encode())[:16]
        path = self.folder / "trials" / key
        of_trial = replace(of_study, algorithms=(chosen,), seeds=seeds)
        return study(of_trial, path, references=self.folder / "references", **self.how)

    def _is_hopeless(self, groups: Sequence[FloatArray], search: Any) -> bool:
        """Whether the whole interval of the mean lies below the best trial's mean."""
        if len(self.spec.objectives) > 1:
            return False
        best = _best(search)
        sign = better(self.spec.objectives[0])
        found = statistics.interval([sign * group for group in groups], 0.0)
        return best is not None and found.high < sign * best.value


def better(objective: str) -> int:
    """1 where more of an objective is better, −1 where less is."""
    return -1 if objective == SECONDS else INDICATORS[objective].better


def scores_of(made: Study, objective: str) -> list[FloatArray]:
    """The objective of every seed, by environment.

    One environment's indicators are as they are; of several they are normalised, and turned about where less is better.
    """
    if objective == SECONDS:
        rows = [row for row in made.table.of("machine") if row.name == SECONDS and row.value is not None]
        names = dict.fromkeys(row.environment for row in rows)
        return [np.array([row.value for row in rows if row.environment == name]) for name in names]
    comparison = made.compare()
    (algorithm,) = comparison.algorithms
    if len(made.spec.environments) == 1:
        return [comparison.values(objective, algorithm, comparison.environments[0])]
    if len(comparison.comparable_environments(objective)) < len(made.spec.environments):
        raise RunError(f"{objective} cannot be compared over the environments of {made.spec.name!r}; tune on one each")
    sign = better(objective)  # normalised scores are the better the larger; Optuna is told the indicator's direction
    return [sign * group for group in comparison.normalised(objective, algorithm)]


def _value(made: Study, objective: str) -> float:
    groups = scores_of(made, objective)
    if min(map(len, groups), default=0) == 0:
        raise RunError(f"the fronts of {made.spec.name!r} have no {objective}; choose another objective")
    return float(np.mean([group.mean() for group in groups]))


# ---- Optuna -----------------------------------------------------------------------------------------------


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("tuning", "tune") from None
    return optuna


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Without a line for every trial."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def _opened(optuna: Any, spec: TuneSpec, folder: Path) -> Any:
    """The search that the journal holds, or a new one; trials of a killed process are begun again."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    class Held:
        """The folder is locked as a whole; a lock file of a killed process would be waited for."""

        def acquire(self) -> bool:
            return True

        def release(self) -> None:
            return None

    journal = folder / "journal.log"
    if journal.exists():
        payload = storage.read_regular(journal, follow=False)
        if not payload.endswith(b"\n"):  # a kill cut the last line short
            storage.write_atomic(journal, payload[: payload.rfind(b"\n") + 1])
    directions = ["maximize" if better(name) > 0 else "minimize" for name in spec.objectives]
    backend = JournalFileBackend(str(journal), lock_obj=Held())
    try:
        search = optuna.create_study(
            storage=JournalStorage(backend), study_name=spec.study.name, directions=directions, load_if_exists=True,
        )  # fmt: skip
        known = [d.name == "MAXIMIZE" for d in search.directions]
    except (ValueError, KeyError) as error:
        raise RunError(f"{str(journal)!r} is damaged ({str(error).splitlines()[0]}); move it away") from None
    if known != [d == "maximize" for d in directions]:
        raise RunError(f"{str(folder)!r} was tuned for other objectives; give another --out")
    # A search that goes on must not draw what it drew at its beginning.
    seed = np.random.SeedSequence([spec.sampler_seed, len(search.trials)]).generate_state(1)[0]
    sampler_of = optuna.samplers.TPESampler if len(directions) == 1 else optuna.samplers.NSGAIISampler
    search.sampler = sampler_of(seed=int(seed))
    for trial in search.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        search.enqueue_trial(trial.params)
        search.tell(trial.number, state=TrialState.FAIL)
    return search


def _ended(search: Any) -> list[FrozenTrial]:
    """Trials that say something; those that a kill broke off were begun again."""
    from optuna.trial import TrialState

    found = search.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return [trial for trial in found if trial.state != TrialState.FAIL or "error" in trial.user_attrs]


def _complete(search: Any) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    return list(search.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def _best(search: Any) -> FrozenTrial | None:
    """The best complete trial by the first objective; the first of equal ones."""
    sign = 1 if search.directions[0].name == "MAXIMIZE" else -1
    return max(_complete(search), key=lambda trial: sign * trial.values[0], default=None)


def _options(spec: TuneSpec, trial: FrozenTrial) -> dict[str, Any]:
    """A trial's options; choices are stored by their numbers."""
    found = {}
    for name, one in spec.search.items():
        value = trial.params[name]
        found[name] = one.values[value] if isinstance(one, Choice) else value
    return found


# ---- results ----------------------------------------------------------------------------------------------


def _result(optuna: Any, spec: TuneSpec, folder: Path, search: Any) -> Tuning:
    """Write the trials, the winner and how much each option matters."""
    best = _best(search)
    ended = _ended(search)
    if best is None:
        why = next((trial.user_attrs["error"] for trial in ended if "error" in trial.user_attrs), "all were given up")
        raise RunError(f"no trial of {spec.study.name!r} came to its end ({why})")
    (entrant,) = spec.study.algorithms
    options = {**entrant.options, **_options(spec, best)}
    storage.write_atomic(folder / "trials.csv", _trials_csv(spec, ended))
    head = f"# {entrant.algo}: best of {len(ended)} trials on {', '.join(t.env for t in spec.study.environments)};\n"
    facts = f"# mean {spec.objectives[0]} {best.values[0]:.6g} over {len(spec.study.seeds)} seeds\n"
    storage.write_atomic(folder / "winner.toml", head + facts + to_toml(options))
    importance = _importance(optuna, search)
    if importance:
        _plot_importance(importance, folder / "importance.png", spec)
    pruned = sum(trial.state.name == "PRUNED" for trial in ended)
    return Tuning(folder, options, float(best.values[0]), len(ended), pruned, importance)


def _trials_csv(spec: TuneSpec, trials: Sequence[FrozenTrial]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["trial", "state", "seeds", *spec.objectives, *spec.search, "scores"])
    for trial in trials:
        options = _options(spec, trial)
        values = trial.values or [""] * len(spec.objectives)
        scores = json.dumps(trial.user_attrs.get("scores", []))
        row = [trial.number, trial.state.name.lower(), trial.user_attrs.get("seeds", 0), *values]
        writer.writerow([*row, *(options[name] for name in spec.search), scores])
    return out.getvalue()


def _importance(optuna: Any, search: Any) -> dict[str, float]:
    """PED-ANOVA (Watanabe et al., 2023); nothing where all trials score alike or too few ended."""
    complete = _complete(search)
    if len(complete) < 4 or len({trial.values[0] for trial in complete}) < 2:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    target = None if len(search.directions) == 1 else (lambda trial: trial.values[0])
    try:
        found = optuna.importance.get_param_importances(search, evaluator=evaluator, target=target)
    except (ValueError, RuntimeError):
        return {}
    return {name: float(share) for name, share in found.items() if math.isfinite(share)}


def _plot_importance(importance: Mapping[str, float], path: Path, spec: TuneSpec) -> None:
    import matplotlib as mpl

    mpl.use("Agg", force=False)
    import matplotlib.pyplot as plt

    from morl.pareto.plot_style import COLOURS, light_grid, style

    with style():
        figure, ax = plt.subplots(figsize=(4.2, 0.7 + 0.3 * len(importance)), layout="constrained")
        light_grid(ax)
        names = list(importance)[::-1]
        ax.barh(names, [importance[name] for name in names], color=COLOURS[0], height=0.6)
        ax.set_xlabel(f"importance for {spec.objectives[0]} (PED-ANOVA)")
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=160)
        plt.close(figure)
    storage.write_atomic(path, out.getvalue())


def _checked(spec: TuneSpec, folder: Path, options: Mapping[str, Any], how: Mapping[str, Any]) -> Study:
    """The winner and what it started from, on seeds that no trial saw."""
    (entrant,) = spec.study.algorithms
    both = (Entrant(entrant.algo, "before", entrant.options, entrant.steps), Entrant(entrant.algo, "tuned", options))
    held_out: StudySpec = replace(spec.study, algorithms=both, seeds=spec.held_out)
    return study(held_out, folder / "held_out", **how)


def to_toml(options: Mapping[str, Any]) -> str:
    """Options as TOML that ``--config`` reads.

    >>> print(to_toml({"learning_rate": 1e-05, "net_arch": [64, 64], "sb3": {"gamma": 1}}), end="")
    learning_rate = 1e-05
    net_arch = [64, 64]
    sb3 = {gamma = 1}
    """
    return "".join(f"{_toml_key(name)} = {_toml(value)}\n" for name, value in options.items())


def _toml_key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml_key(str(key))} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)

"""Trackers: a run's numbers sent to TensorBoard, Weights & Biases, Trackio or MLflow while it learns.

A tracker is imported when a run asks for it, and writes to this machine, where its own program looks by default;
nothing goes over a network unless the tracker's own environment variables (``WANDB_MODE``, ``MLFLOW_TRACKING_URI``) say
so. The run folder has everything in any case, so a tracker that fails is given up with a warning, and the run goes on.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from morl.agents.core.errors import warn
from morl.agents.core.logger import Logger, TensorboardLogger
from morl.spec import MissingExtraError, UnknownNameError

if TYPE_CHECKING:
    from morl.runs.config import RunConfig
    from morl.runs.folder import RunFolder

_T = TypeVar("_T")

PROJECT = "morl"
"""Project (experiment) that runs belong to, in trackers that have them."""


class Tracker(Logger, Protocol):
    """A logger that is told when there is nothing more to come."""

    def close(self) -> None:
        """Write what is left."""


class Tensorboard(TensorboardLogger):
    """Event files in the run's folder ``tensorboard``; ``tensorboard --logdir runs`` shows all runs."""

    def __init__(self, run: RunFolder, config: RunConfig) -> None:
        super().__init__(run.path / "tensorboard")

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class Wandb:
    """A run of Weights & Biases in ``./wandb``, offline; ``wandb sync`` uploads it."""

    def __init__(self, run: RunFolder, config: RunConfig) -> None:
        import wandb

        mode = None if os.environ.get("WANDB_MODE") else "offline"
        facts = {"project": PROJECT, "name": run.path.name, "id": run.identity, "config": config.to_dict()}
        self._run: Any = wandb.init(**facts, mode=mode, resume="allow", reinit="create_new")

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Log the numbers among the values."""
        self._run.log(numbers(values), step=step)

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


class Trackio:
    """A run of Trackio in its folder on this machine; ``trackio show`` draws it."""

    def __init__(self, run: RunFolder, config: RunConfig) -> None:
        import trackio

        name = f"{run.path.name}-{(run.identity or '')[:8]}"
        self._run: Any = trackio.init(PROJECT, name, config=config.to_dict(), resume="allow", embed=False)

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Log the numbers among the values."""
        self._run.log(numbers(values), step=step)

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


class Mlflow:
    """A run of MLflow in its store of the present folder; ``mlflow ui`` shows it. A resumed run goes on in its own."""

    def __init__(self, run: RunFolder, config: RunConfig) -> None:
        from mlflow.tracking import MlflowClient

        self._client: Any = MlflowClient()
        known = self._client.get_experiment_by_name(PROJECT)
        experiment = self._client.create_experiment(PROJECT) if known is None else known.experiment_id
        found = self._client.search_runs([experiment], f"tags.`morl.run` = '{run.identity}'", max_results=1)
        if found:
            self._id = found[0].info.run_id
            return
        made = self._client.create_run(experiment, run_name=run.path.name, tags={"morl.run": str(run.identity)})
        self._id = made.info.run_id
        for name, value in config.to_dict().items():
            self._client.log_param(self._id, name, value if isinstance(value, str) else json.dumps(value))

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Log the numbers among the values; characters that MLflow has none of become ``_``."""
        for name, value in numbers(values).items():
            self._client.log_metric(self._id, re.sub(r"[^\w\-. /:]", "_", name, flags=re.ASCII), value, step=step)

    def close(self) -> None:
        """Say that the run has ended."""
        self._client.set_terminated(self._id)


TRACKERS: dict[str, tuple[Callable[[RunFolder, RunConfig], Tracker], str]] = {
    "tensorboard": (Tensorboard, "track"),
    "wandb": (Wandb, "wandb"),
    "trackio": (Trackio, "trackio"),
    "mlflow": (Mlflow, "mlflow"),
}
"""By the name of the module that must be there: the class, and the extra that installs it."""


def check_tracker(name: str | None) -> None:
    """Refuse a tracker that is unknown or not installed; nothing is imported.

    Raises:
        UnknownNameError: no such tracker.
        MissingExtraError: it is not installed.
    """
    if name is None:
        return
    if name not in TRACKERS:
        raise UnknownNameError("tracker", name, TRACKERS)
    if not is_installed(name):
        raise MissingExtraError(f"--track {name}", TRACKERS[name][1])


def is_installed(module: str) -> bool:
    """Whether a module can be found; it is not imported."""
    return importlib.util.find_spec(module) is not None


class Tracked:
    """The tracker of a run; it does nothing where the run has none, and nothing more once the tracker has failed."""

    def __init__(self, run: RunFolder, config: RunConfig) -> None:
        self._name, self._tracker = config.track, None
        if config.track is not None:
            make = TRACKERS[config.track][0]
            self._tracker = self._tried(lambda: make(run, config))

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Pass the values on."""
        tracker = self._tracker
        if tracker is not None:
            self._tried(lambda: tracker.log(values, step))

    def close(self) -> None:
        """Say that there is nothing more to come."""
        tracker, self._tracker = self._tracker, None
        if tracker is not None:
            self._tried(tracker.close)

    def _tried(self, step: Callable[[], _T]) -> _T | None:
        try:
            return step()
        except Exception as error:  # of a library that may do anything: learning matters more
            self._tracker = None
            said = next(iter(str(error).strip().splitlines()), "no reason is given")
            warn(f"{self._name} is given up ({type(error).__name__}: {said}); metrics.jsonl of the run has everything")
            return None


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers among the values.

    >>> numbers({"loss": 0.5, "name": "x", "front/points": 3, "rate": float("nan")})
    {'loss': 0.5, 'front/points': 3.0}
    """
    found = {key: float(value) for key, value in values.items() if isinstance(value, Real)}
    return {key: value for key, value in found.items() if math.isfinite(value)}

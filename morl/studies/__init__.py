"""Studies: many runs from one file, one table of all of them, and statistics that say which algorithm is better."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from morl.studies.comparison import StudyComparison, compare_fronts
    from morl.studies.running import Study, study
    from morl.studies.spec import StudySpec
    from morl.studies.table import Table
    from morl.studies.tuning import tune

_LAZY = {
    "Study": "running",
    "StudyComparison": "comparison",
    "StudySpec": "spec",
    "Table": "table",
    "compare_fronts": "comparison",
    "study": "running",
    "tune": "tuning",
}

__all__ = ["Study", "StudyComparison", "StudySpec", "Table", "compare_fronts", "study", "tune"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"morl.studies.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'morl.studies' has no attribute {name!r}")

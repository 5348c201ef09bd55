"""How far the cells of a study are, for people: all of them in one bar with the time left, and those at work below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from morl.engines import Outcome
from morl.studies.spec import Cell


class Watch:
    """A bar on stderr for all cells, in steps, and one for each cell at work.

    Args:
        name: of the study.
        cells: those to be run.
        done: how many others have come to their end before.
    """

    def __init__(self, name: str, cells: Sequence[Cell], done: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._cells, self._done = cells, done
        self._total = done + len(cells)
        self._at = [0] * len(cells)
        self._bars: dict[int, Any] = {}
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True),
        )
        self._all = self._bar.add_task(name, total=max(1, sum(cell.config.steps for cell in cells)))
        self._name = name

    def __enter__(self) -> Self:
        self._bar.start()
        self._show()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def moved(self, task: int, number: int) -> None:
        """Move a cell's bar."""
        cell = self._cells[task]
        if task not in self._bars:
            self._bars[task] = self._bar.add_task(f"  {cell.name}", total=cell.config.steps)
        self._at[task] = min(number, cell.config.steps)
        self._bar.update(self._bars[task], completed=self._at[task])
        self._show()

    def ended(self, task: int, outcome: Outcome) -> None:
        """Take a cell's bar away."""
        if task in self._bars:
            self._bar.remove_task(self._bars.pop(task))
        self._at[task] = self._cells[task].config.steps
        self._done += 1
        if outcome.error is not None:
            from rich.text import Text

            self._bar.console.print(Text(f"{self._cells[task].name} failed: {outcome.error}"))
        self._show()

    def _show(self) -> None:
        count = f"{self._name}  {self._done}/{self._total} cells"
        self._bar.update(self._all, completed=sum(self._at), description=count)

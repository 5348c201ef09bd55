"""Pictures of a sentence being labelled: words in a row with what was said of them, right in green, wrong in red."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.envs.science.render_molecule import pixels

_RIGHT, _WRONG, _TO_COME = "#2e8b57", "#c0392b", "0.6"
_COLUMNS = 5


class LabelRenderer:
    """Draws one state of a sentence as ``"rgb_array"`` or ``"ansi"``."""

    def __init__(self, vocabulary: tuple[str, ...], tags: tuple[str, ...], entities: tuple[str, ...]) -> None:
        self.vocabulary, self.tags, self.entities = vocabulary, tags, entities

    def __call__(self, state: dict[str, Any], mode: str) -> Any:
        """The picture ``(h, w, 3)`` of uint8, or a text."""
        return self.text(state) if mode == "ansi" else self.picture(state)

    def _said(self, state: dict[str, Any], t: int) -> tuple[str, bool, str, bool | None]:
        """What was said of token t: tag, whether right; entity, whether right (``None`` where none was claimed)."""
        tag, entity = int(state["said_tags"][t]), int(state["said_entities"][t])
        claimed = None if entity == 0 else entity == int(state["entities"][t])
        return self.tags[tag], tag == int(state["tags"][t]), self.entities[entity], claimed

    def text(self, state: dict[str, Any]) -> str:
        """One token a line: word, tag, entity; a tick or a cross after each."""
        lines = []
        for t, word in enumerate(state["words"]):
            mark = ">" if t == int(state["at"]) else " "
            line = f"{mark} {self.vocabulary[int(word)]:<16}"
            if state["said_tags"][t] >= 0:
                tag, right, entity, claimed = self._said(state, t)
                line += f" {tag} {'✓' if right else '✗'}"
                if claimed is not None:
                    line += f"   {entity} {'✓' if claimed else '✗'}"
            elif mark == ">" and bool(state["looking"]):
                line += " (looking around)"
            lines.append(line)
        return "\n".join(lines)

    def picture(self, state: dict[str, Any]) -> Any:
        """The sentence in rows of five boxes."""
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch

        length, at = len(state["words"]), int(state["at"])
        rows = -(-length // _COLUMNS)
        figure = Figure(figsize=(7.0, 0.5 + 0.85 * rows), dpi=100, facecolor="white")
        axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
        axes.set(xlim=(0, _COLUMNS), ylim=(rows + 0.4, -0.1))
        axes.axis("off")
        for t, word in enumerate(state["words"]):
            x, y = t % _COLUMNS, t // _COLUMNS
            near = bool(state["looking"]) and abs(t - at) <= 2
            face = "#fff3cd" if t == at else "#e8f1f8" if near else "white"
            style: dict[str, Any] = {
                "boxstyle": "round,pad=0,rounding_size=0.06",
                "facecolor": face,
                "edgecolor": "0.5",
            }
            axes.add_patch(FancyBboxPatch((x + 0.05, y + 0.05), 0.9, 0.85, **style))
            shown = t <= at or near
            name = self.vocabulary[int(word)] if shown else "·"
            axes.text(x + 0.5, y + 0.3, name, ha="center", va="center", fontsize=11, family="monospace")
            if state["said_tags"][t] >= 0:
                tag, right, entity, claimed = self._said(state, t)
                colour = _RIGHT if right else _WRONG
                axes.text(x + 0.28, y + 0.68, tag, ha="center", va="center", fontsize=9, color=colour)
                if claimed is not None:
                    colour = _RIGHT if claimed else _WRONG
                    axes.text(x + 0.7, y + 0.68, entity, ha="center", va="center", fontsize=9, color=colour)
        answered = np.asarray(state["said_tags"]) >= 0
        correct = int(np.sum(answered & (state["said_tags"] == state["tags"])))
        text = f"token {min(at + 1, length)} of {length}   tags right {correct} of {int(answered.sum())}"
        axes.text(0.05, rows + 0.2, text, fontsize=10, va="center", color="0.25")
        return pixels(figure)

"""Pictures of a sentence being labelled: words in a row with what was said of them, right in green, wrong in red."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.envs.rendering.canvas import Canvas

_RIGHT, _WRONG = "#2e8b57", "#c0392b"
_COLUMNS, _WIDTH = 5, 700


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
        length, at = len(state["words"]), int(state["at"])
        rows = -(-length // _COLUMNS)
        height = 50 + 85 * rows
        canvas = Canvas(_WIDTH, height, "white")
        dx, dy = (_WIDTH - 14) / _COLUMNS, (height - 10) / (rows + 0.5)
        for t, word in enumerate(state["words"]):
            x, y = 7 + dx * (t % _COLUMNS), 5 + dy * (t // _COLUMNS + 0.1)
            near = bool(state["looking"]) and abs(t - at) <= 2
            face = "#fff3cd" if t == at else "#e8f1f8" if near else "white"
            box = (x + 0.05 * dx, y + 0.05 * dy, x + 0.95 * dx, y + 0.9 * dy)
            canvas.rectangle(box, face, "#808080", 1.4, 8)
            shown = t <= at or near
            name = self.vocabulary[int(word)] if shown else "·"
            canvas.text(x + dx / 2, y + 0.3 * dy, name, "black", size=15, anchor="mm")
            if state["said_tags"][t] >= 0:
                tag, right, entity, claimed = self._said(state, t)
                canvas.text(x + 0.28 * dx, y + 0.68 * dy, tag, _RIGHT if right else _WRONG, size=12.5, anchor="mm")
                if claimed is not None:
                    colour = _RIGHT if claimed else _WRONG
                    canvas.text(x + 0.7 * dx, y + 0.68 * dy, entity, colour, size=12.5, anchor="mm")
        answered = np.asarray(state["said_tags"]) >= 0
        correct = int(np.sum(answered & (state["said_tags"] == state["tags"])))
        text = f"token {min(at + 1, length)} of {length}   tags right {correct} of {int(answered.sum())}"
        canvas.text(7 + 0.05 * dx, 5 + dy * (rows + 0.3), text, "#404040", size=14)
        return canvas.array()

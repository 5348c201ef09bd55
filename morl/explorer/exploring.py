"""``morl.explore``: fronts as a page to look at, ask, and choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl.explorer.data import page_data
from morl.explorer.page import page
from morl.explorer.recording import Step, recordings, worth_watching
from morl.spec import FrontError
from morl.storage import write_atomic

if TYPE_CHECKING:
    from morl.pareto import Front

LARGEST = 8_000_000
"""Bytes of the largest page."""

Player = Callable[[str, int], Iterable[Step]]
"""One episode of a point, by the name of its front and its position in it."""


def explore(
    fronts: Front | Mapping[str, Front],
    path: str | Path | None = None,
    *,
    reference: Front | None = None,
    title: str | None = None,
    commands: Mapping[str, str] | None = None,
    play: Player | None = None,
    watched: int = 24,
    media_bytes: int = 3_000_000,
) -> Any:
    """Explore fronts in a browser, or in a notebook: one page that needs no server and no network.

    Sliders, limits and questions pick the policy that is best for them; see :doc:`/howto/explore`.

    Args:
        fronts: one front, or several by name, all with the same objectives.
        path: where to write the page. Without it, a widget for a notebook is made (extra ``notebook``).
        reference: the exact or best-known front, drawn beneath.
        title: heading of the page; by default the names of the fronts.
        commands: by front, the command that plays a point once ``--point ID`` is added to it.
        play: an episode of a point, for its recording; without it the page holds none.
        watched: how many points of each front are recorded at most.
        media_bytes: size of all recordings together.

    Returns:
        The path, or the widget.

    Raises:
        FrontError: no fronts, one without points, objectives that differ, or a page of more than 8 MB.
        MissingExtraError: a widget without anywidget.

    >>> import tempfile
    >>> from morl import Front
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     explore(Front([[0, 4], [3, 3], [4, 0]], ["gain", "comfort"]), f"{folder}/front.html").name
    'front.html'
    """
    from morl.pareto import Front

    if isinstance(fronts, Front):
        fronts = {str(fronts.provenance.get("algorithm", "front")): fronts}
    data = page_data(fronts, reference, title=title, commands=commands)
    if play is not None:
        data["media"] = _recorded(fronts, play, watched, media_bytes)
    text = page(data)
    if len(text) > LARGEST:  # ASCII, but for the page's own words
        raise FrontError(
            f"the page has {len(text) / 1e6:.1f} MB; expected at most {LARGEST / 1e6:.0f}: give fewer points "
            f"({len(data['ids']):,} now) or less room for recordings"
        )
    if path is None:
        from morl.explorer.widget import widget

        return widget(text)
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_atomic(path, text)
    except OSError as error:
        raise FrontError(f"cannot write {str(path)!r} ({error.strerror}); give another file") from None


def _recorded(fronts: Mapping[str, Front], play: Player, watched: int, budget: int) -> dict[str, Any]:
    """Recordings by the number of the point over all fronts; each front has an equal share of the bytes."""
    found: dict[str, Any] = {}
    first = 0
    for name, front in fronts.items():
        made = recordings(worth_watching(front, watched), partial(play, name), budget // len(fronts))
        found |= {str(first + point): one for point, one in made.items()}
        first += len(front)
    return found

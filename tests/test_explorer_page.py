"""The page in a real browser: headless Chromium by Playwright, skipped where either is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import morl
from morl import Front, Objective
from morl.explorer.page import as_script
from morl.utility import Chebyshev, CVaRAcross, Linear, Utility, WorstCase

pytestmark = pytest.mark.slow

CHROMIUM = os.environ.get("MORL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>\u2028{{data}}'\""
OBJECTIVES = (
    Objective("service", "%"),
    Objective("cost", "EUR", minimise=True),
    Objective("wear", minimise=True),
    Objective("profit"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


class Seen:
    """A page with what it did besides: errors, messages of its console, requests."""

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1300, "height": 950}, **context)
        self.page = self.context.new_page()
        self.page.set_default_timeout(150_000)
        self.trouble: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("console", lambda said: self.trouble.append(said.text))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.url = path.resolve().as_uri()
        self.page.goto(self.url)
        self.until("document.documentElement.dataset.ready")

    def slide(self, **values: float | str) -> None:
        """Set inputs by their ids, as a hand on them would."""
        for id, value in values.items():
            self.page.eval_on_selector(
                f"#{id}",
                "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }",
                str(value),
            )

    def until(self, expression: str) -> None:
        """Wait for the page; Playwright's own waiting evaluates text in it, which its policy forbids."""
        for _ in range(3000):  # the machine may be busy with something else
            if self.page.evaluate(f"Boolean({expression})"):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never: {expression}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.page, name)

    @property
    def best(self) -> int:
        return int(self.page.evaluate("App.state.best"))

    @property
    def allowed(self) -> list[int]:
        return [int(i) for i in self.page.evaluate("[...App.state.allowed.keys()].filter((i) => App.state.allowed[i])")]


def front(n: int = 60, k: int = 4, seed: int = 0, **more: Any) -> Front:
    rng = np.random.default_rng(seed)
    points = np.abs(rng.normal(size=(n, k)))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    low, high = np.array([0.0, -60, -40, -5])[:k], np.array([100.0, 0, 0, 12])[:k]
    return Front(low + points * (high - low), OBJECTIVES[:k], scale=(low, high), **more)


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    made: list[Seen] = []

    def open_page(fronts: Any, context: Any = None, **options: Any) -> Seen:
        made.append(Seen(browser, morl.explore(fronts, tmp_path / f"{len(made)}.html", **options), **(context or {})))
        return made[-1]

    yield open_page
    for seen in made:
        assert seen.trouble == []
        assert seen.requests == [seen.url]
        seen.context.close()


def test_sliders_move_the_highlight_to_the_best_policy(opened: Any) -> None:
    given = front()
    seen = opened(given)
    scale = tuple(map(tuple, given.scale or ()))
    rng = np.random.default_rng(1)
    for _ in range(12):
        raw = rng.integers(0, 101, 4) / 100
        w, alpha = tuple(raw / raw.sum()), float(rng.integers(0, 101)) / 100
        seen.slide(**{f"weight{j}": x for j, x in enumerate(raw)}, alpha=alpha)
        utilities: dict[str, Utility] = {
            "linear": Linear(w, scale=scale),
            "chebyshev": Chebyshev(w, (1.0,) * 4, scale=scale),
            "worst": WorstCase(scale=scale),
            "cvar": CVaRAcross(alpha, w, scale=scale),
        }
        for kind, utility in utilities.items():
            seen.slide(kind=kind)
            values = utility(given.points)
            assert values[seen.best] == pytest.approx(values.max(), abs=1e-12)
            assert seen.text_content("#pointTitle") == f"Best: {given.ids[seen.best]}"


def test_limits_filter_and_are_shown_on_the_axes(opened: Any) -> None:
    given = front()
    seen = opened(given)
    seen.slide(limit1=30)  # cost at most 30 EUR
    assert seen.allowed == np.flatnonzero(given.points[:, 1] >= -30).tolist()
    intervals = seen.evaluate(
        "App.parallel.chart.getModel().findComponents({mainType: 'parallelAxis'})[1].activeIntervals"
    )
    assert max(intervals[0]) == 30
    seen.slide(limit0=99.9, limit3=11.9)
    assert seen.allowed == []
    assert "Nearest is" in seen.text_content("#allowed")
    assert seen.text_content("#pointTitle") == "No point is allowed"
    seen.click("#clearLimits")
    assert len(seen.allowed) == len(given)


def test_brushing_an_axis_is_a_limit(opened: Any) -> None:
    given = front()
    seen = opened(given)
    box = seen.eval_on_selector("#parallel", "e => { const r = e.getBoundingClientRect(); return [r.x, r.y]; }")
    place = seen.evaluate("App.parallel.box()")
    x, top = box[0] + place["left"], box[1] + place["top"]
    seen.mouse.move(x, top + 4)
    seen.mouse.down()
    seen.mouse.move(x, top + place["height"] / 3, steps=4)
    seen.mouse.up()
    seen.until(f"App.state.allowed.reduce((a, b) => a + b, 0) < {len(given)}")
    low, high = seen.evaluate("App.state.limits[0]")
    inside = (given.points[:, 0] >= low) & (given.points[:, 0] <= (np.inf if high is None else high))
    assert seen.allowed == np.flatnonzero(inside).tolist()
    assert 0 < inside.sum() < len(given)
    assert 60 < low < 72  # a third of the axis from 0 to 100
    assert float(seen.input_value("#limit0")) == pytest.approx(low, rel=1e-3)


def test_a_click_picks_and_keys_walk_pin_and_shortlist(opened: Any) -> None:
    given = front(12, 2)
    seen = opened(given, commands={"front": "morl play runs/a"})
    for i in (0, 5, 11):
        x, y = seen.evaluate(f"App.scatter.place({i})")
        seen.click("#scatter", position={"x": x, "y": y})
        assert seen.text_content("#pointTitle").endswith(given.ids[i])
    order = np.argsort(given.points[:, 0])
    seen.focus("#scatter")
    seen.keyboard.press("ArrowLeft")
    assert seen.evaluate("App.current()") == order[list(order).index(11) - 1 if list(order).index(11) else 0]
    for key in ("p", "s"):
        seen.keyboard.press(key)
    now = seen.evaluate("App.current()")
    assert seen.evaluate("[App.state.pinned, App.state.shortlist]") == [now, [now]]
    seen.keyboard.press("Escape")
    best = seen.best
    gain = given.points[best] - given.points[now]
    rows = [row.inner_text() for row in seen.query_selector_all("#compare tr")]
    for x, row in zip(gain, rows, strict=True):
        assert ("gained" in row) == (x > 0)
        assert ("given up" in row) == (x < 0)
    seen.click("#command")
    assert seen.text_content("#commandText") == f"morl play runs/a --point {given.ids[best]}"


def test_a_policy_is_watched(opened: Any) -> None:
    given = front(5, 2)

    def play(name: str, point: int) -> Iterator[Any]:
        for step in range(4):
            yield [1.0 + point, -2.0], np.full((20, 30, 3), 50 * step, np.uint8)

    seen = opened({"a": given, "b": given}, play=play, watched=2)
    recorded = sorted(map(int, seen.evaluate("Object.keys(App.data.media)")))
    chosen = np.argmax(given.points, axis=0).tolist()
    assert recorded == sorted([*chosen, *(5 + i for i in chosen)])
    seen.evaluate(f"App.pick({next(i for i in range(5) if i not in chosen)})")
    assert seen.is_disabled("#watch")
    seen.evaluate(f"App.pick({chosen[1]})")
    seen.click("#watch")
    assert seen.is_visible("#player")
    seen.until("App.player.at === 4")
    assert seen.text_content("#stepText") == "4 / 4"
    seen.slide(step=2)
    pixel = "document.getElementById('frames').getContext('2d').getImageData(5, 5, 1, 1).data"
    assert max(abs(c - 50) for c in seen.evaluate(f"[...{pixel}].slice(0, 3)")) < 12
    assert seen.text_content("#sums") == f"service (%): {2 * (1 + chosen[1])} · cost (EUR): 4"
    seen.keyboard.press("Escape")
    assert not seen.is_visible("#player")


def test_hostile_names_run_no_script(opened: Any) -> None:
    objectives = [Objective(HOSTILE, HOSTILE), Objective("b" + HOSTILE, minimise=True)]
    given = Front([[0.0, -1.0], [1.0, -3.0]], objectives, provenance={"algorithm": HOSTILE})
    seen = opened({HOSTILE: given}, title=HOSTILE, commands={HOSTILE: f"morl play '{HOSTILE}'"})
    for id in ("command", "keep", "solid", "questions > summary"):
        if seen.is_visible(f"#{id}"):
            seen.click(f"#{id}")
    assert seen.evaluate("window.hacked") is None
    assert seen.title() == HOSTILE
    assert seen.text_content("#title") == HOSTILE
    assert seen.query_selector("img") is None


def test_the_policy_of_the_page_allows_no_other_script(browser: Any, tmp_path: Path) -> None:
    path = morl.explore(front(5, 2), tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    for smuggled in (
        "<script>window.hacked=1</script>",
        '<img src="http://127.0.0.1:9/x">',
        '<link rel=stylesheet href="http://127.0.0.1:9/x">',
    ):
        text = text.replace("</header>", f"</header>{smuggled}", 1)
    path.write_text(text, encoding="utf-8")
    seen = Seen(browser, path)
    assert seen.evaluate("window.hacked") is None
    assert seen.evaluate("fetch('http://127.0.0.1:9/').then(() => 1, () => 0)") == 0
    assert sum("Content Security Policy" in line for line in seen.trouble) >= 3
    seen.context.close()


def test_questions_follow_the_rule_of_the_python_ones(opened: Any) -> None:
    from morl.pareto.elicitation import Elicitation

    for k, seed in ((2, 0), (3, 1), (4, 2)):
        given = front(40, k, seed)
        seen, talk = opened(given), Elicitation(given)
        truth = np.random.default_rng(seed).dirichlet(np.ones(k))
        seen.evaluate("document.getElementById('questions').open = true")
        seen.until("App.asking")
        for turn in range(6):
            asked = seen.evaluate("App.asking.question()")
            assert asked == (None if (mine := talk.question()) is None else list(mine))
            if asked is None:
                break
            first, second = (talk.values[i] @ truth for i in asked)
            lie = turn == 4  # answers may contradict each other
            said = "first" if (first > second) != lie else "second"
            seen.evaluate("([i, j, said]) => App.asking.answer(i, j, said)", [*asked, said])
            talk.answer(*asked, said)
            found = seen.evaluate("App.asking.recommendation()")
            assert found["loss"] == pytest.approx(talk.loss, abs=2e-6)


def test_many_points_of_many_objectives_open(opened: Any) -> None:
    seen = opened(front(1000, 4))
    seen.click("#solid")
    seen.focus("#scatter")
    seen.keyboard.press("Shift+ArrowLeft")
    assert len(seen.allowed) == 1000


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_everything_without_scrolling_sideways(opened: Any, dark: bool) -> None:
    context = {"color_scheme": "dark" if dark else "light"}
    seen = opened({"a": front(30, 4), "b": front(30, 4, 1)}, context, reference=front(50, 4, 2, complete=True))
    seen.set_viewport_size({"width": 360, "height": 740})
    seen.until("document.documentElement.scrollWidth <= 360")  # charts follow a moment later
    assert seen.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")


def test_a_notebook_hears_of_the_point_and_can_be_reached_by_nothing_else(browser: Any, tmp_path: Path) -> None:
    pytest.importorskip("anywidget")
    given = front(6, 2)
    script = morl.explore(given)._esm.replace("export default { render };", "")
    harness = f"""<body><script>
        const page = {as_script(morl.explore(given).page)};
        const model = {{ told: [], get: (name) => ({{ page, height: 700 }})[name],
          set: (name, value) => model.told.push(value), save_changes: () => {{}} }};
        {script}
        render({{ model, el: document.body }});
    </script>"""
    path = tmp_path / "notebook.html"
    path.write_text(harness, encoding="utf-8")
    tab = browser.new_page()
    tab.goto(path.as_uri())
    tab.wait_for_function("model.told.length > 0")
    frame = tab.frames[1]
    frame.evaluate("App.pick(2)")
    tab.wait_for_function(f"model.told.at(-1) === '{given.ids[2]}'")
    assert (
        frame.evaluate("(() => { try { return parent.document.title; } catch { return 'refused'; } })()") == "refused"
    )
    tab.evaluate("postMessage({ morl: 'point', id: 'forged' }, '*')")
    frame.evaluate("App.pick(3)")
    tab.wait_for_function(f"model.told.at(-1) === '{given.ids[3]}'")
    assert "forged" not in tab.evaluate("model.told")
    tab.close()

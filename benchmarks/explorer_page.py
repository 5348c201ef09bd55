"""How long a page of ``morl.explore`` takes to open and to answer a slider, in headless Chromium.

    python benchmarks/explorer_page.py [--repeats 3] [--chromium /usr/bin/chromium]

Prints a line for 1,000 points of four objectives and one for 5,000 of three: the page's size, the seconds from asking
for the file until everything is drawn (median), and the milliseconds from moving a slider until the page is laid out
again, and until the second frame after that is shown (median and largest of 30). Needs Chromium and Playwright.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

import morl
from morl import Front

SLIDE = """async (frames) => {
  const slider = document.querySelector("#weight0"), times = [];
  for (let i = 0; i < 30; i++) {
    slider.value = String(i / 30);
    const begun = performance.now();
    slider.dispatchEvent(new Event("input", {bubbles: true}));
    document.body.offsetHeight;
    if (frames) await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    times.push(performance.now() - begun);
  }
  return times;
}"""


def sphere(n: int, k: int) -> Front:
    """A front on which every point is the best for some weights."""
    points = np.abs(np.random.default_rng(0).normal(size=(n, k)))
    return Front(points / np.linalg.norm(points, axis=1, keepdims=True), [f"objective {i + 1}" for i in range(k)])


def opened(browser: Any, path: Path) -> tuple[Any, float]:
    """A page once it is drawn, and the seconds that took."""
    page = browser.new_page(viewport={"width": 1300, "height": 950})
    begun = time.perf_counter()
    page.goto(path.as_uri())
    while not page.evaluate("Boolean(document.documentElement.dataset.ready)"):
        page.wait_for_timeout(5)
    return page, time.perf_counter() - begun


def main() -> None:
    """Print both lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
        for n, k in ((1000, 4), (5000, 3)):
            path = morl.explore(sphere(n, k), Path(folder) / f"{n}.html")
            seconds = []
            for _ in range(args.repeats):
                page, took = opened(browser, path)
                seconds.append(took)
            laid, shown = page.evaluate(SLIDE, False), page.evaluate(SLIDE, True)
            print(
                f"{n:,} points, {k} objectives: {path.stat().st_size / 1e6:.2f} MB, opens in {median(seconds):.2f} s; "
                f"slider {median(laid):.1f} ms (at most {max(laid):.1f}), shown after {median(shown):.0f} "
                f"({max(shown):.0f})",
                flush=True,
            )
        browser.close()


if __name__ == "__main__":
    main()

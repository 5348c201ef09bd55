"""Every piece of Python in the README and in the documentation runs by itself, as a script and in a notebook."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OPTIONAL = ("mo_gymnasium", "morl_baselines", "sb3_contrib", "stormpy")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def snippets(page: Path) -> list[str]:
    """Python in a page's fences."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.S | re.M)


SNIPPETS = {f"{p.relative_to(ROOT)}-{i}": code for p in PAGES for i, code in enumerate(snippets(p))}
GALLERY = [name for name in SNIPPETS if name.startswith("docs/envs/")]
README = [name for name in SNIPPETS if name.startswith("README")]
OTHERS = [name for name in SNIPPETS if name not in GALLERY and name not in README]
QUICK = ("README.md-2", "docs/clients.md-4", "docs/clients.md-6")


def prepared(name: str, folder: Path, whole: bool = False) -> str:
    """The code with paths in a folder of the test's own, and training cut to what no agent calls too little."""
    code = SNIPPETS[name].replace("/tmp/", f"{folder}/")
    return code if whole else re.sub(r"\.learn\((total_timesteps=)?[\d_]{5,}\)", r".learn(\g<1>8_000)", code)


def needs(code: str) -> None:
    """Skip where a snippet shows a library that is not installed."""
    for module in OPTIONAL:
        if re.search(rf"^(import|from) {module}\b", code, flags=re.M):
            pytest.importorskip(module)


def test_there_are_snippets() -> None:
    assert len(README) == 3
    assert len(GALLERY) > 40
    assert len(OTHERS) > 10


@pytest.mark.parametrize("name", GALLERY)
def test_environments_of_the_gallery_are_made(name: str) -> None:
    from morl.spec import MissingExtraError

    space: dict[str, object] = {"__name__": "__main__"}
    try:
        exec(compile(SNIPPETS[name], name, "exec"), space)
    except MissingExtraError as missing:
        pytest.skip(str(missing))
    assert hasattr(space["env"], "step")


def script(name: str, folder: Path, more: str = "", whole: bool = False) -> str:
    """Run a snippet as a script in an empty folder; what it prints."""
    code = prepared(name, folder, whole)
    needs(code)
    file = folder / "snippet.py"
    file.write_text(f"{code}\n{more}", encoding="utf-8")
    environment = {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning:__main__", str(file)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("name", [n for n in (*README, *OTHERS) if n.startswith(QUICK)])
def test_quick_ones_run_as_scripts(name: str, tmp_path: Path) -> None:
    script(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in (*README, *OTHERS) if not n.startswith(QUICK)])
def test_others_run_as_scripts(name: str, tmp_path: Path) -> None:
    script(name, tmp_path)


@pytest.mark.slow
def test_the_first_one_finds_the_whole_front(tmp_path: Path) -> None:
    more = "print('FOUND', len(exact), front.hypervolume() / exact.hypervolume())"
    told = script("README.md-0", tmp_path, more, whole=True)
    _, points, share = told.strip().splitlines()[-1].split()
    assert int(points) == 10
    assert float(share) == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", README)
def test_those_of_the_readme_run_in_a_notebook(name: str, tmp_path: Path) -> None:
    """In a fresh kernel, and again in the same one: cells are run twice."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    cell = nbformat.v4.new_code_cell(prepared(name, tmp_path))
    again = nbformat.v4.new_code_cell(prepared(name, tmp_path))
    notebook = nbformat.v4.new_notebook(cells=[cell, again])
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert not [out for c in notebook.cells for out in c.outputs if out.output_type == "error"]

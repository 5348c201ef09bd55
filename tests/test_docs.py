"""What the documentation says of the tree is so: folders, layers, paths, links, imports, the version."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PAGES = sorted(
    [*(ROOT / "docs").rglob("*.md"), *(ROOT / n for n in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))],
)
TOP = ("agents", "benchmarks", "docs", "envs", "morl", "notebooks", "tests", "tools", ".ci")
FOLDER = re.compile(rf"`((?:{'|'.join(map(re.escape, TOP))})(?:/[\w.*-]+)*/?)`")
FILE = re.compile(r"`([\w.-]+\.(?:md|toml|cff|yaml))`")
SCRIPT = re.compile(r"`(?:[A-Z_]+=\d+ )?(?:python )?((?:\w+/)*\w+\.py)\b[^`]*`")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
THEIRS = {"lab.py", "my_algorithm.py", "file.py"}
"""Files that a reader makes."""


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading of the page on architecture, without its head."""
    section = ARCHITECTURE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def tool(name: str) -> Any:
    """A script of ``tools/`` as a module."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def packages() -> set[str]:
    """Folders of the tree that are packages, as a reader sees them."""
    found = set()
    for top in ("morl", "envs", "agents"):
        for init in (ROOT / top).rglob("__init__.py"):
            folder = init.parent.relative_to(ROOT)
            if folder.parts[:2] not in (("morl", "envs"), ("morl", "agents")):  # links to the folders beside
                found.add(folder.as_posix())
    return found


def test_every_folder_has_one_line() -> None:
    listed = [cells[0].strip("`") for cells in rows("Folders")]
    assert len(listed) == len(set(listed))
    assert set(listed) == packages()
    assert all(cells[1] for cells in rows("Folders"))


def test_layers_are_those_that_are_checked() -> None:
    contract = PROJECT["tool"]["importlinter"]["contracts"][0]
    assert [cells[0].strip("`") for cells in rows("Layers")] == contract["layers"]


def test_every_algorithm_is_in_the_contract_of_layers() -> None:
    contract = PROJECT["tool"]["importlinter"]["contracts"][1]
    below = {"base", "registry", "utility_agent", "__init__"}
    files = {file.stem for file in (ROOT / "agents").glob("*.py")} - below
    assert set(contract["layers"][0].split(" : ")) == files


def test_names_are_imported_from_where_the_page_says() -> None:
    for module, what in rows("Where names are imported from"):
        package = importlib.import_module(module.strip("`"))
        for name in re.findall(r"`([A-Za-z_]\w*)`", what):
            assert hasattr(package, name), f"{module} has no {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_and_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    for link in LINK.findall(prose):
        assert (page.parent / link).exists(), f"link to {link}"
    for path in FOLDER.findall(prose):
        if not re.search(r"-v\d+$", path):  # an environment's id
            assert path.rstrip("/") in TOP or any(ROOT.glob(path)), f"path {path}"
    for name in FILE.findall(prose):
        known = (ROOT / name, page.parent / name, ROOT / "docs" / name, *ROOT.glob(f"docs/*/{name}"))
        assert any(place.exists() for place in known), f"file {name}"
    for script in SCRIPT.findall(prose):
        if script not in THEIRS:
            places = [ROOT / script, ROOT / "benchmarks" / script, page.parent / script]
            assert any(place.exists() for place in places), f"script {script}"


def test_the_version_is_one() -> None:
    import morl

    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    assert cited is not None
    assert PROJECT["project"]["version"] == morl.__version__ == cited[1]


def test_the_targets_that_the_documentation_names_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for page in PAGES:
        for target in re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")):
            assert target in targets, f"{page.name}: make {target}"


def test_unfinished_work_is_no_comment() -> None:
    """``TODO`` and its like are refused by ruff: what is unfinished is an issue, or is not merged."""
    assert "FIX" in PROJECT["tool"]["ruff"]["lint"]["select"]


def test_front_and_runs_are_in_no_circle_of_imports() -> None:
    """But for types: what draws, measures and writes fronts knows Front as a type only."""
    imports = tool("imports")
    layers = ("morl.spec", "morl.storage", "morl.pareto", "morl.utility", "morl.runs", "morl.cli", "morl.testing")
    files = {name: file for name, file in imports.modules().items() if imports.layer(name) in layers}
    assert imports.circles(imports.graph(files, imports.IN_FUNCTIONS)) == []


def test_the_tool_for_changes_finds_changes(tmp_path: Path) -> None:
    changed = tool("check_changed").changed

    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    for name in ("kept.py", "changed.py", "gone.py"):
        (tmp_path / name).write_text("x = 1\n")
    git("add", "-A")
    git("commit", "-q", "-m", "first")
    git("checkout", "-q", "-b", "work")
    (tmp_path / "committed.py").write_text("y = 1\n")
    git("add", "-A")
    git("commit", "-q", "-m", "second")
    (tmp_path / "changed.py").write_text("x = 2\n")
    (tmp_path / "new.py").write_text("z = 1\n")
    (tmp_path / "notes.md").write_text("words\n")
    (tmp_path / "gone.py").unlink()
    assert {str(file) for file in changed(None, tmp_path)} == {"changed.py", "new.py"}
    assert {str(file) for file in changed("main", tmp_path)} == {"changed.py", "new.py", "committed.py"}
    with pytest.raises(SystemExit, match="nowhere"):
        changed("nowhere", tmp_path)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("morl/pareto/front.py", "test_pareto_front.py"),
        ("agents/core/config.py", "test_agents_core_config.py"),
        ("envs/science/driving.py", "test_science_driving.py"),
        ("morl/runs/config.py", None),
        ("tests/test_docs.py", "test_docs.py"),
        ("tests/strategies.py", None),
    ],
)
def test_a_source_file_is_mirrored_by_the_test_of_its_name(file: str, expected: str | None) -> None:
    known = [path.name for path in (ROOT / "tests").glob("test_*.py")]
    assert tool("check_changed").mirrors(Path(file), known) == ([] if expected is None else [expected])

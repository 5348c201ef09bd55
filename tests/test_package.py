"""The distribution: what the wheel holds, what importing costs, and that the layout tells the truth."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "morl" / "zoo" / "shipped"
HEAVY = ("torch", "stable_baselines3", "matplotlib.pyplot", "pymoo", "numba")
SOURCES = {"morl": ROOT / "morl", "morl.envs": ROOT / "envs", "morl.agents": ROOT / "agents"}


def packages_on_disk() -> set[str]:
    found = set()
    for name, folder in SOURCES.items():
        for init in folder.rglob("__init__.py"):
            parts = init.parent.relative_to(folder).parts
            if name == "morl" and parts[:1] in (("envs",), ("agents",)):
                continue  # the symbolic links, where they are checked out
            found.add(".".join((name, *parts)))
    return found


def modules_on_disk() -> set[str]:
    found = set(packages_on_disk())
    for name, folder in SOURCES.items():
        for file in folder.rglob("*.py"):
            parts = file.relative_to(folder).with_suffix("").parts
            if file.name == "__init__.py" or (name == "morl" and parts[:1] in (("envs",), ("agents",))):
                continue
            found.add(".".join((name, *parts)))
    return found


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_every_package_on_disk_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert set(listed) == packages_on_disk()
    assert listed == sorted(listed)


def test_the_tree_shows_what_is_imported() -> None:
    for name in ("envs", "agents"):
        link = ROOT / "morl" / name
        assert link.resolve() == (ROOT / name).resolve(), f"morl/{name} should be a symbolic link to ../{name}"


@pytest.mark.slow
def test_the_source_distribution_holds_what_make_needs(tmp_path: Path) -> None:
    """Every test with its helpers, the documentation that tests read, and a wheel as good as that of the checkout."""
    tree = tmp_path / "tree"
    left_out = shutil.ignore_patterns(".git", ".venv*", "*.egg-info", ".hypothesis")
    shutil.copytree(ROOT, tree, symlinks=True, ignore=left_out)
    build = "from setuptools import build_meta; import sys; print(build_meta.build_{}(sys.argv[1]))"
    command = [sys.executable, "-c", build.format("sdist"), str(tmp_path)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (archive,) = tmp_path.glob("morl_suite-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    held = {str(file.relative_to(unpacked)) for file in unpacked.rglob("*") if file.is_file()}
    wanted = {"Makefile", "constraints.txt", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"}
    for folder, kinds in {
        "tests": ("*.py",),
        "docs": ("*.md", "*.png", "*.json", "*.py"),
        "notebooks": ("*.ipynb",),
        "benchmarks": ("*.py",),
        "envs": ("*.py", "*.npz", "*.txt", "py.typed"),
        "agents": ("*.py",),
    }.items():
        wanted |= {str(f.relative_to(ROOT)) for kind in kinds for f in (ROOT / folder).rglob(kind)}
    assert sorted(wanted - held) == []
    assert not [name for name in held if name.endswith((".pyc", ".TXT"))]
    command = [sys.executable, "-c", build.format("wheel"), str(tmp_path)]
    subprocess.run(command, cwd=unpacked, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("morl_suite-*.whl")
    with zipfile.ZipFile(wheel) as packed_wheel:
        packed_names = packed_wheel.namelist()
    modules = {name for name in packed_names if name.endswith(".py")}
    assert {
        name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in modules
    } == modules_on_disk()
    shipped = {file.relative_to(ROOT).as_posix() for file in SHIPPED.rglob("*") if file.is_file()}
    assert {name for name in packed_names if "/shipped/" in name} == shipped


@pytest.mark.slow
def test_wheel_installs_and_imports_everywhere(tmp_path: Path) -> None:
    """Build the wheel, install it alone in an empty environment and import every module from another folder."""
    wheels = tmp_path / "wheels"
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(ROOT)], env=alone, check=True
    )
    (wheel,) = wheels.glob("morl_suite-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "empty")], env=alone, check=True)
    python = tmp_path / "empty" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", str(wheel)], env=alone, check=True)
    site = next((tmp_path / "empty" / "lib").glob("python*")) / "site-packages"
    # The dependencies come from this environment; its editable install of the project does not come along.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    modules = sorted(m for m in modules_on_disk() if not m.endswith("__main__"))
    code = (
        f"import importlib, morl\nfor name in {modules!r}:\n    importlib.import_module(name)\nprint(morl.__file__)\n"
    )
    done = subprocess.run(
        [str(python), "-c", code], cwd=tmp_path, env=alone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "empty")


@pytest.mark.parametrize("statement", ["import morl", "from morl.cli import main; main(['--help'])"])
def test_light_imports_stay_light(statement: str) -> None:
    code = (
        "import sys\n"
        f"try:\n    {statement.replace('; ', chr(10) + '    ')}\nexcept SystemExit:\n    pass\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print('HEAVY', heavy)\n"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("HEAVY []")


def test_public_names_resolve() -> None:
    import morl

    for name in morl.__all__:
        assert getattr(morl, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        morl.no_such_name  # noqa: B018

"""Check what changed (``make check-changed``): ruff, format and mypy on changed files, and the tests that mirror them.

    python tools/check_changed.py            # what differs from the last commit, and what git does not track yet
    python tools/check_changed.py main       # ... and what was committed since the branch left main

Exit status 1 where something fails. Slow tests, and tests of modules that only use a changed one, are left to ``make
check``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("morl", "envs", "agents")


def changed(base: str | None, root: Path = ROOT) -> list[Path]:
    """Python files that differ from the last commit, or from where the branch left ``base``; relative to the root.

    Raises:
        SystemExit: no git checkout, or no such branch.
    """

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"git {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    since = "HEAD" if base is None else git("merge-base", base, "HEAD").strip()
    names = git("diff", "--name-only", "--diff-filter=d", since).splitlines()
    names += git("ls-files", "--others", "--exclude-standard").splitlines()
    return [Path(name) for name in dict.fromkeys(names) if name.endswith(".py") and (root / name).is_file()]


def module(file: Path) -> str | None:
    """Dotted name of a file of the package; ``None`` for others.

    >>> module(Path("agents/core/config.py")), module(Path("morl/pareto/__init__.py")), module(Path("tests/a.py"))
    ('morl.agents.core.config', 'morl.pareto', None)
    """
    if file.parts[0] not in PACKAGES:
        return None
    parts = file.with_suffix("").parts
    return ".".join((*(() if parts[0] == "morl" else ("morl",)), *parts)).removesuffix(".__init__")


def mirrors(file: Path, tests: Iterable[str]) -> list[str]:
    """Test files named for a source file, by its path or the end of it.

    >>> mirrors(Path("morl/pareto/front.py"), ["test_pareto_front.py", "test_pareto_plots.py"])
    ['test_pareto_front.py']
    >>> mirrors(Path("envs/science/driving.py"), ["test_science_driving.py", "test_science_dosing.py"])
    ['test_science_driving.py']
    """
    name = module(file)
    if name is None:
        return [file.name] if file.parts[0] == "tests" and file.name.startswith("test_") else []
    parts = name.split(".")[1:]
    stems = ["_".join(parts[i:]) for i in range(len(parts))]
    names = list(tests)
    for stem in stems:
        found = [test for test in names if test == f"test_{stem}.py" or test.startswith(f"test_{stem}_")]
        if found:
            return found
    return []


def main() -> int:
    """Run the checks and say what failed."""
    files = changed(sys.argv[1] if len(sys.argv) > 1 else None)
    if not files:
        print("nothing has changed")
        return 0
    names = [str(file) for file in files]
    modules = [name for name in map(module, files) if name is not None]
    known = sorted(path.name for path in (ROOT / "tests").glob("test_*.py"))
    tests = sorted({f"tests/{test}" for file in files for test in mirrors(file, known)} - {"tests/test_notebooks.py"})
    commands = [["ruff", "check", *names], ["ruff", "format", "--check", *names]]
    if modules:
        commands.append(["mypy", "--strict", "--follow-imports=silent", *(x for m in modules for x in ("-m", m))])
    if tests:
        commands.append(["pytest", "-x", "-m", "not slow and not peers", *tests])
    failed = []
    for command in commands:
        print("$", " ".join(command), flush=True)
        done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False)
        if done.returncode not in (0, 5):  # 5: every test of the files is slow
            failed.append(command[0])
    for file in files:
        if module(file) is not None and not mirrors(file, known):
            print(f"no test mirrors {file}")
    print(f"failed: {', '.join(failed)}" if failed else f"{len(files)} changed files are fine")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

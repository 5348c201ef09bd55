"""Run the tests as other machines would: other processors, threads, compilers and seeds. ``make portable``.

Floating-point kernels differ between processors, so what a network learned differs too, and a test that asserts one
seed's outcome fails elsewhere. This runs the suite once as it is and once under each variant, and names every test
whose verdict depends on one. Exit status 1 where there is such a test.

    python tools/portable.py                          # everything, about an hour on two cores
    python tools/portable.py --only avx2 seed+1 -- tests/test_agents_*.py
    python tools/portable.py --together --only default seed+1 -- tests/test_agents_*.py    # one run that has both
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLAIN = ["tests/test_momdp.py", "tests/test_ccs_kernels.py", "tests/test_compiled.py", "tests/test_exact_bellman.py"]
"""A small subset for runs without a compiler, in which loops take a hundred times as long."""

VARIANTS: dict[str, dict[str, str]] = {
    "as it is": {},
    "default": {"ATEN_CPU_CAPABILITY": "default"},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "avx512": {"ATEN_CPU_CAPABILITY": "avx512"},
    "haswell": {
        "OPENBLAS_CORETYPE": "Haswell",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
    },
    "skylakex": {"OPENBLAS_CORETYPE": "SkylakeX", "MKL_ENABLE_INSTRUCTIONS": "AVX512"},
    "generic": {"NUMBA_CPU_NAME": "generic"},
    "plain": {"NUMBA_DISABLE_JIT": "1"},
    "two threads": {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    **{f"seed+{n}": {"MORL_TEST_SEED_SHIFT": str(n)} for n in range(1, 11)},
}


class StoppedError(Exception):
    """Pytest ended without running the tests (a crash, a signal, wrong arguments)."""


def failures(variables: dict[str, str], arguments: list[str], workers: int) -> tuple[set[str], str]:
    """The tests that fail with these environment variables, and pytest's last line.

    Raises:
        StoppedError: the tests did not run to their end; with the last lines of the output.
    """
    selection = [] if any(a.startswith("-m") for a in arguments) else ["-m", "not slow and not peers"]
    command = [sys.executable, "-m", "pytest", "-rfE", "--tb=no", *selection, "-n", str(workers)]
    command += ["--dist", "worksteal", *arguments]
    environment = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", **os.environ, **variables}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    last = next(iter(re.findall(r"^\d+ (?:passed|failed).*$", done.stdout, flags=re.M)[-1:]), "nothing ran")
    if done.returncode not in (0, 1) or last == "nothing ran":
        raise StoppedError(f"pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return set(re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, flags=re.M)), last


def main() -> int:
    """Run the variants and print which tests depend on which."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--together", action="store_true", help="one run that has all the variants at once")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    asked = parser.parse_args()
    failed: dict[str, set[str]] = {}
    stopped: list[str] = []
    variants = {name: VARIANTS[name] for name in asked.only}
    if asked.together:
        variants = {" and ".join(variants): {k: v for one in variants.values() for k, v in one.items()}}
    for name, variables in variants.items():
        print(f"{time.strftime('%H:%M')}  {name} …", flush=True)
        began = time.perf_counter()
        arguments = PLAIN if name == "plain" and not asked.pytest else asked.pytest
        try:
            failed[name], last = failures(variables, arguments, asked.workers)
        except StoppedError as error:  # the other variants still tell something
            stopped.append(name)
            last = str(error)
        print(f"{name:12} {time.perf_counter() - began:6.0f} s  {last}", flush=True)
        for test in sorted(failed.get(name, ())):
            print(f"    {test}", flush=True)
    depends: dict[str, list[str]] = {}
    for name, tests in failed.items():
        for test in tests:
            depends.setdefault(test, []).append(name)
    for test, names in sorted(depends.items()):
        print(f"{test}: fails with {', '.join(names)}")
    print(f"{len(depends)} tests fail under one variant or more")
    if stopped:
        print(f"the tests did not run to their end under {', '.join(stopped)}")
    return int(bool(depends or stopped))


if __name__ == "__main__":
    sys.exit(main())

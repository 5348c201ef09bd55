# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export OMP_NUM_THREADS ?= 1
export MPLBACKEND ?= Agg

.PHONY: demo test check static check-changed dist lint types layers doctest docs notebooks slow portable other-arithmetic \
	leaderboard fuzz format clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,science,mujoco,box2d,highway,balance,docs,export,study,tune]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/morl demo --out demo

test: $(STAMP)
	$(BIN)/python -m pytest -m "not slow and not peers" -n 2 --dist worksteal

check: static slow other-arithmetic

# Each of these keeps one core busy.
static: $(STAMP)
	$(MAKE) -j2 lint types layers doctest docs

# What changed since the last commit (BASE=main: since the branch left main), in seconds.
check-changed: $(STAMP)
	$(BIN)/python tools/check_changed.py $(BASE)

# A wheel and a source distribution in dist/; docs/release.md has the other steps of a release.
dist: $(STAMP)
	$(BIN)/python -m pip wheel --quiet --no-deps -w dist .
	$(BIN)/python -c "from setuptools import build_meta; build_meta.build_sdist('dist')"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy --strict -p morl

layers: $(STAMP)
	$(BIN)/lint-imports

doctest: $(STAMP)
	$(BIN)/python -m pytest --doctest-modules morl

# The site, in build/docs; every warning is an error, so that no page and no link between pages is lost.
docs: $(STAMP)
	$(BIN)/python -m sphinx -E -W --keep-going -q -b html docs build/docs

# Studies of benchmarks/results/studies, ranked protocol by protocol, as one page.
leaderboard: $(STAMP)
	$(BIN)/morl study leaderboard benchmarks/results/studies --out build/leaderboard.html

notebooks: $(STAMP)
	$(BIN)/python -m pytest tests/test_notebooks.py

slow: $(STAMP)
	$(BIN)/python -m pytest -m "slow and not peers" -n 2 --dist worksteal

# As other machines would: other processors, threads, compilers and seeds; about an hour on two cores.
portable: $(STAMP)
	$(BIN)/python tools/portable.py

# What CI takes from it: one run with other arithmetic and other seeds, of the tests of agents that either may tell from
# the usual ones. Those that compare an agent with itself, or read its options and errors, are the same under any.
ALIKE := save_and_load or resume or other_process or harmless or without_model or autoreset or broken_rewards or \
	interrupt or number_of_objectives or wrong_inputs or describes or policies_act or preferences or learns_and_predicts
LEARNERS := $(filter-out $(wildcard tests/test_agents_core_*.py) $(addprefix tests/test_agents_,exports.py registry.py \
	sizing.py watching.py), $(wildcard tests/test_agents_*.py))
other-arithmetic: $(STAMP)
	$(BIN)/python tools/portable.py --together --only default seed+1 -- $(LEARNERS) -k "not ($(ALIKE))"

# Ten thousand commands and files that do not fit, and as many damaged models: no traceback, no hang, no half file.
fuzz: $(STAMP)
	$(BIN)/python tests/fuzz_commands.py --cases 10000
	$(BIN)/python tests/fuzz_models.py --cases 10000

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

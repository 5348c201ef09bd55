"""Words for every command, by hypothesis: mostly those that fit, and now and then what no sane person types."""

from __future__ import annotations

from hypothesis import strategies as st

SEA = "morl/DeepSeaTreasureConcave-v0"
MODELS = (
    "drn/die.drn",
    "storm/die.tra",
    "storm/die.lab",
    "storm/die.tries.state.rew",
    "prism/dice.tra",
    "prism/dice.lab",
)
"""Model files, below ``tests/data/models``."""

Words = st.SearchStrategy[list[str]]

_NUMBERS = [
    "0",
    "1",
    "-1",
    "0.5",
    "1e-300",
    "1e300",
    "1e999",
    "nan",
    "-inf",
    "7",
    "100",
    "2k",
    "99999999999999999999",
    "x",
]
_JUNK = [
    "",
    " ",
    "-",
    "--",
    "=",
    "a=b",
    "[",
    "{}",
    "[[1]]",
    "zoo:",
    "zoo:x",
    "\x00",
    "\udcff",
    "é\u202e",
    ".",
    "x" * 300,
]

_junk = st.one_of(st.sampled_from(_JUNK), st.text(max_size=6).map(lambda s: s.replace("/", "")))
_number = st.sampled_from(_NUMBERS)
_objective = st.sampled_from(["treasure", "time", "x"])


def _one(*names: str) -> Words:
    """One of the names, and now and then something else."""
    fits = st.sampled_from(names)
    return st.one_of(fits, fits, fits, _junk).map(lambda word: [word])


def _out(*endings: str) -> Words:
    """A file to write."""
    return _one(*(f"out{e}" for e in endings), "out", f"no/such/folder/out{endings[0]}", "runs")


nothing: Words = st.just([])
number: Words = _number.map(lambda word: [word])
numbers: Words = st.lists(_number, min_size=1, max_size=3)
count: Words = st.sampled_from(["0", "1", "5", "20", "-3", "1e1", "x", "1e30"]).map(lambda word: [word])
steps: Words = st.sampled_from(["0", "5", "40", "300", "-3", "x"]).map(lambda word: [word])
name: Words = _junk.map(lambda word: [word])
pairs: Words = st.lists(st.builds(lambda a, b: f"{a}={b}", _objective, _number), min_size=1, max_size=2)
weights: Words = st.one_of(numbers, pairs)
order: Words = st.lists(_objective, max_size=2)
signs = st.sampled_from(["<=", ">=", "=", " < "])
bound: Words = st.builds(lambda a, sign, b: [f"{a}{sign}{b}"], _objective, signs, _number)
run = _one("runs/r", "zoo/r", "zoo:deep-sea-treasure", "runs", "made")
front = _one("runs/r", "front.json", "front.csv", "zoo:deep-sea-treasure", "model.npz")
model = _one(SEA, "model.npz", *(file.rpartition("/")[2] for file in MODELS))
environment = _one(SEA, "deep-sea-treasure-v0", "morl/ResourceGathering-v0")
algorithm = _one("ParetoQLearning", "MultiWeightQLearning", "pareto q learning")
study = _one("made", "runs", "study.toml")
utility = _one(
    "worst", "linear:0.5,0.5", "cvar:0.3", "knee", "maximin", "quantile:0.5", "front.json:f", "cvar:", "linear:x"
)
protocol = _one("pdmorl-dst")
indicator = _one("hypervolume", "epsilon")

_OPENING = {"--utility": utility}
_PREFERENCE = {**_OPENING, "--preference": weights, "--raw": nothing}
_POINT = {**_PREFERENCE, "--point": _one("a", "rbczck3q")}
_JSON = {"--json": nothing}
_MANY = {"-q": nothing, "--jobs": st.just(["1"]), "--engine": _one("local")}

COMMANDS: dict[str, tuple[list[Words], dict[str, Words]]] = {
    "front": (
        [front],
        {
            "--plot": _out(".png"),
            "--csv": _out(".csv"),
            "--json": _out(".json"),
            "--ref-point": numbers,
            "--reference": nothing,
            "--reference-file": front,
        },
    ),
    "compare": (
        [front, front],
        {**_JSON, "--reference": front, "--ref-point": numbers, "--any-protocol": nothing, "--protocol": protocol},
    ),
    "choose": (
        [front, bound],
        {
            **_JSON,
            "--weights": weights,
            "--raw": nothing,
            "--utility": utility,
            "--aspiration": weights,
            "--reservation": weights,
            "--order": order,
            "--slack": number,
            "--confidence": number,
            "--mixture": _one("auto", "always"),
            "--ask": nothing,
            "--epsilon": number,
            "--top": count,
        },
    ),
    "eval": ([run], {**_JSON, **_POINT, "--episodes": count, "--seed": count}),
    "play": (
        [front],
        {
            **_JSON,
            **_POINT,
            "--seed": count,
            "--max-steps": count,
            "--explain": nothing,
            "--text": nothing,
            "--gif": _out(".gif"),
        },
    ),
    "export": ([front], {**_POINT, "--out": _out(".npz", ".json", ".onnx")}),
    "explain": (
        [run],
        {**_JSON, **_PREFERENCE, "--state": _one("3", "[3, 4]", "[[1]]", "nan"), "--action": count, "--than": count},
    ),
    "explore": ([front], {"--out": _out(".html"), "--recordings": count, "--steps": count, "--reference": front}),
    "plot": ([run], {"--out": _out(".png", ".pdf")}),
    "resume": ([run], {**_OPENING, "-n": steps, "-q": nothing}),
    "train": (
        [],
        {
            "--algo": algorithm,
            "--env": environment,
            "-n": steps,
            "--seed": count,
            "--config": _one("options.toml"),
            "--set": _one("max_set_size=4", "epsilon=x", "a"),
            "--weights": weights,
            "--utility": utility,
            "--discount": number,
            "--ref-point": numbers,
            "--env-option": _one("a=1", "concave=true", "x"),
            "--episodes": count,
            "--eval-share": number,
            "--checkpoint-every": count,
            "--out": _out(""),
            "--name": name,
            "--track": _one("paper"),
            "-q": nothing,
        },
    ),
    "solve": (
        [model],
        {
            **_JSON,
            "--policies": _one("mixture", "stationary", "markov", "history"),
            "--utility": utility,
            "--discount": number,
            "--constraint": bound,
            "--out": _out(".json"),
            "--csv": _out(".csv"),
            "--time-limit": st.just(["1"]),
            "--minimise": _one("time"),
        },
    ),
    "env show": ([environment], _JSON),
    "env new": ([_one("my-problem", "runs")], {}),
    "algo show": ([algorithm], {}),
    "algo new": ([_one("my-algorithm")], {}),
    "protocol show": ([protocol], _JSON),
    "study run": ([_one("study.toml", "tune.toml", "options.toml")], {**_MANY, "--out": _one("made", "again")}),
    "study show": ([study], {**_JSON, "--indicator": indicator}),
    "study export": (
        [study],
        {"--format": _one("markdown", "latex"), "--out": _out(".csv", ".parquet", ".md", ".tex")},
    ),
    "study plot": ([study], {"--format": _one("png"), "--out": _one("figures"), "--indicator": indicator}),
    "study leaderboard": ([study], {"--out": _out(".html")}),
    "tune": ([_one("tune.toml", "study.toml")], {**_MANY, "--out": _one("tuned")}),
    "runs list": ([_one("runs", "zoo", ".")], _JSON),
    "runs verify": ([run], {}),
    "runs prune": ([_one("runs", "zoo")], {"--yes": nothing}),
    "zoo list": ([_one("zoo", "memory://x", "http://", "nosuch://y")], _JSON),
    "zoo pull": ([_one("zoo"), _one("r")], {"--out": _one("pulled"), "--as": name}),
    "zoo push": ([run, _one("zoo", "zoo2")], {"--licence": _one("MIT"), "--name": name}),
}
"""Positional words and options of each command."""
_SLOW = ("study run", "tune", "study plot", "explore", "plot")
_ALWAYS = ("--time-limit", "-q", "--jobs", "-n", "--algo", "--env", "--licence", "--state")
"""Options without which a command is refused at once, or takes long."""


@st.composite
def commands(draw: st.DrawFn) -> tuple[str, ...]:
    """The words of one command line."""
    known = [command for command in COMMANDS if command not in _SLOW or draw(st.integers(0, 9)) == 0]
    command = draw(st.sampled_from(known))
    positional, options = COMMANDS[command]
    words = command.split()
    for strategy in positional:
        words += draw(strategy)
    chosen = draw(st.lists(st.sampled_from(sorted(options)), max_size=3, unique=True)) if options else []
    for option in [*chosen, *(o for o in _ALWAYS if o in options and o not in chosen)]:
        words += [option, *draw(options[option])]
    return tuple(words)

"""What ``morl algo new`` writes: a complete algorithm in one file, its test and its page."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from morl.spec import AgentError

FILES = {
    "{module}.py": "my_algorithm.py",
    "test_{module}.py": "my_algorithm_test.py.txt",
    "{module}.md": "my_algorithm.md",
}
"""What is written, and the template it is made of."""


def class_name(name: str) -> str:
    """The name of an algorithm's class.

    Raises:
        AgentError: a name that is none, or that an algorithm or a word of Python has.

    >>> class_name("my-idea"), class_name("MyPPO")
    ('MyIdea', 'MyPPO')
    """
    from morl.agents import registry

    words = [word for word in re.split(r"[-_ ]+", name) if word]
    made = "".join(word[0].upper() + word[1:] for word in words)
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", made):
        raise AgentError(f"{name!r} is no name for an algorithm; expected letters and digits, such as MyAlgorithm")
    taken = next((known for known in registry.names() if known.casefold() == made.casefold()), None)
    if taken is not None:
        raise AgentError(f"an algorithm called {taken} exists already; give yours another name")
    return made


def module_name(name: str) -> str:
    """The name of the file of a class.

    >>> module_name("MyAlgorithm"), module_name("MyPPO2")
    ('my_algorithm', 'my_ppo2')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def create_algorithm(name: str, folder: str | Path = ".") -> list[Path]:
    """Write an algorithm, its test and its page into a folder; returns the files.

    Raises:
        AgentError: a bad name, a file that exists already (nothing is written), or a folder that cannot be written to.
    """
    kind = class_name(name)
    module, folder = module_name(kind), Path(folder)
    texts = {}
    for target, source in FILES.items():
        text = resources.files(__name__).joinpath(source).read_text(encoding="utf-8")
        texts[folder / target.format(module=module)] = text.replace("MyAlgorithm", kind).replace("my_algorithm", module)
    for path in texts:
        if path.exists() or path.is_symlink():
            raise AgentError(f"{str(path)!r} exists already; nothing was written. Give another name, or --out FOLDER")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise AgentError(f"folder {str(folder)!r} cannot be written to ({error.strerror or error})") from None
    return list(texts)

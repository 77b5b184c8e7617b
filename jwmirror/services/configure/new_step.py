"""Templates for a function that runs between two pipelines, and for its test."""

import keyword
import os
from importlib.util import find_spec
from pathlib import Path

from jwmirror.core.errors import ConfigError

TEMPLATES = Path(__file__).parent / "templates"


def write_new_step(name: str, folder: Path) -> tuple[Path, Path]:
    """Write NAME.py and test_NAME.py into a folder, and return their paths.

    Raises:
        ConfigError: the name is not a Python name, is in use, or one of the files exists.
    """
    if problem := _problem(name):
        raise ConfigError([f"{name}: {problem}; choose another, such as fix_stripes"])
    module, test = folder / f"{name}.py", folder / f"test_{name}.py"
    existing = [str(path) for path in (module, test) if os.path.lexists(path)]
    if existing:
        raise ConfigError(
            [f"{' and '.join(existing)}: exists already; nothing was written; choose another name"]
        )
    for path, template in ((module, "step.txt"), (test, "test_step.txt")):
        with open(path, "x") as file:  # fails if the file was created in the meantime
            file.write((TEMPLATES / template).read_text().format(name=name))
    return module, test


def _problem(name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name):
        return "expected a Python name (letters, digits, _)"
    spec = find_spec(name)
    return f"a module of that name exists ({spec.origin})" if spec else ""

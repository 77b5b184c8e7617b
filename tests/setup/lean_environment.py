"""An environment of Python with what `pip install jwmirror` installs, and no package of an extra.

It is made of links to the packages of the environment that runs the tests.
"""

import tomllib
import venv
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def required(requirements: Iterable[str]) -> set[str]:
    """Return the names of the distributions that requirements install here."""
    found: set[str] = set()
    pending = [Requirement(line) for line in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        wanted = pending.pop()
        name = canonicalize_name(wanted.name)
        if (name, frozenset(wanted.extras)) not in seen:
            seen.add((name, frozenset(wanted.extras)))
            found.add(name)
            pending += _requirements(name, wanted.extras)
    return found


def _requirements(name: str, extras: Iterable[str]) -> Iterator[Requirement]:
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def only_with_recalibration() -> set[str]:
    """Return the distributions that only the extra `recalibrate` installs."""
    both = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["recalibrate"]]
    return required(both) - required(PROJECT["dependencies"])


def make_lean_environment(folder: Path) -> Path:
    """Make the environment in a folder that does not exist, and return its Python."""
    venv.create(folder, symlinks=True)
    packages = next((folder / "lib").glob("python*/site-packages"))
    for name in (*required(PROJECT["dependencies"]), "jwmirror"):
        installed = distribution(name)
        base = Path(str(installed.locate_file("")))
        for entry in {file.parts[0] for file in installed.files or () if file.parts[0] != ".."}:
            link = packages / entry
            if not link.exists() and entry != "__pycache__":
                link.symlink_to(base / entry)
    return folder / "bin" / "python"


def import_names(distributions: Iterable[str]) -> set[str]:
    """Return the names under which distributions are imported."""
    parts = (file.parts[0] for name in distributions for file in distribution(name).files or ())
    return {part.partition(".")[0] for part in parts if not part.endswith(".dist-info")} - {""}

"""Other Python environments that a config names, for recipes that run under another jwst."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jwmirror.core.errors import unknown_name


class Environments:
    """Folders of environments (venv or conda) by name; relative ones start where snakemake is."""

    def __init__(self, raw: Any):
        self._folders = {k: str(v) for k, v in (raw if isinstance(raw, Mapping) else {}).items()}

    def python(self, name: Any) -> str:
        """The Python of the environment of that name; "" if it is None, or not there."""
        folder = self._folders.get(name)
        return str(Path(folder).expanduser().absolute() / "bin" / "python") if folder else ""

    def mistakes(self, place: str, name: Any) -> list[str]:
        """What is wrong with a recipe's environment: not named, or no environment."""
        if name is None:
            return []
        if name not in self._folders:
            return [
                f"{place}.environment: {unknown_name('environment', name, list(self._folders))}"
            ]
        if Path(self.python(name)).is_file():
            return []
        return [
            f"environments.{name}: there is no {self.python(name)}; make the environment (`make "
            "environments` makes those that come with jwmirror), or correct the folder"
        ]

"""Other Python environments of a config, for recipes that use another version of jwst."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jwmirror.core.errors import unknown_name


class Environments:
    """Folders of environments (venv or conda) by name; relative to the working directory."""

    def __init__(self, raw: Any):
        self._folders = {k: str(v) for k, v in (raw if isinstance(raw, Mapping) else {}).items()}

    def python(self, name: Any) -> str:
        """Return the Python of an environment; "" for None or an unknown name."""
        folder = self._folders.get(name)
        return str(Path(folder).expanduser().absolute() / "bin" / "python") if folder else ""

    def mistakes(self, place: str, name: Any) -> list[str]:
        """Return the mistakes in a recipe's environment: an unknown name, or no such folder."""
        if name is None:
            return []
        if name not in self._folders:
            return [
                f"{place}.environment: {unknown_name('environment', name, list(self._folders))}"
            ]
        python = Path(self.python(name))
        if python.is_file():
            return []
        folder = python.parents[1]  # that the config names, or its Python
        if folder.parent.name == "bin":
            why = f"expected the folder of an environment, found {folder}; write"
            return [f"environments.{name}: {why} {folder.parents[1]}"]
        return [
            f"environments.{name}: there is no {python}; create the environment (`make "
            "environments` creates those that come with jwmirror), or correct the folder"
        ]

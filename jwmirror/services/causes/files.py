"""Why single files differ between two generations: causes, traced to the root.

Only the rows of the program of a file are compared: its inputs are there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.model.history.causes import Cause, ContentChange
from jwmirror.planning.causes.comparison import causes_between
from jwmirror.services.causes.generations import lookups_of, state_of
from jwmirror.services.causes.recipes import recipe_causes
from jwmirror.services.causes.reprocessing import kept_change
from jwmirror.store.generations import Generations
from jwmirror.store.manifest import Entries

ByPath = dict[str, tuple[Cause, ...]]


@dataclass
class FileCauses:
    """Finds why files of a mirror differ between generations; each pair is compared once."""

    root: Path
    _rows: dict[int, Entries] = field(default_factory=dict)
    _known: dict[tuple[int, int, str], ByPath] = field(default_factory=dict)
    _of_recipes: dict[tuple[str, str, str], ByPath] = field(default_factory=dict)

    def between(self, old: int, new: int, path: str) -> tuple[Cause, ...]:
        """Return why a file differs between two generations; () if one of them was pruned.

        The causes are what happened from the earlier to the later one, in whichever order.
        """
        asked = min(old, new), max(old, new), _program(path)
        if asked not in self._known:
            try:
                self._known[asked] = self._compare(*asked)
            except StoreError:  # pruned, or damaged, which `verify` reports
                self._known[asked] = {}
        return self._known[asked].get(path, ())

    def between_recipes(
        self, before: tuple[Entries, str], after: tuple[Entries, str], path: str
    ) -> tuple[Cause, ...]:
        """Return why a file differs between two recipes; each side: rows, and the recipe."""
        asked = before[1], after[1], _program(path)
        if asked not in self._of_recipes:
            old, new = ((_of_program(rows, asked[2]), recipe) for rows, recipe in (before, after))
            self._of_recipes[asked] = causes_by_path(recipe_causes(self.root, old, new))
        return self._of_recipes[asked].get(path, ())

    def content(self, old_sha256: str, new_sha256: str) -> ContentChange | None:
        """Return how two versions of a file of MAST differ; None if that is not known."""
        return kept_change(self.root, old_sha256, new_sha256)

    def _compare(self, old: int, new: int, program: str) -> ByPath:
        generations = Generations(self.root)
        states = []
        for number in (old, new):
            generation = generations.read(number)
            if number not in self._rows:
                self._rows[number] = generation.entries()
            state = state_of(generation, self._rows[number])
            if state.setup:  # else the recipes are those that have files
                state = replace(state, entries=_of_program(state.entries, program))
            states.append(state)
        return causes_by_path(causes_between(states[0], states[1], lookups_of(self.root)))


def causes_by_path(causes: Iterable[Cause]) -> ByPath:
    """Return the causes of each file that differs, without numbers of files."""
    found: ByPath = {}
    for cause in causes:
        alone = replace(cause, files=0, results=0, content=None, names=(), paths=())
        for path in cause.paths:
            found[path] = (*found.get(path, ()), alone)
    return found


def _program(path: str) -> str:
    """Return the folder of a program in a path of the view: jw01345."""
    parts = path.split("/")
    return parts[1] if parts[0] == "upstream" else parts[2] if len(parts) > 2 else ""


def _of_program(rows: Entries, program: str) -> Entries:
    paths = enumerate(rows.column("path"))
    return rows.rows([row for row, path in paths if _program(path) == program])

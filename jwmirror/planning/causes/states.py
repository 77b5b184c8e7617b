"""Two states of a mirror that are compared, and what is known of their contents. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jwmirror.core.model import UPSTREAM, Derivation, Reason, Recipe
from jwmirror.core.model.history.causes import Cause, ContentChange
from jwmirror.core.model.history.reasons import place_of_reason
from jwmirror.core.model.stored import Setup
from jwmirror.store.manifest import Entries

SETTINGS = (  # fields of a recipe that decide what it makes; others are seen in derivations
    *("programs", "stages", "select", "exclude", "associations", "steps", "products_of", "keep"),
    "msa",
)

Happened = tuple[Cause, Sequence[str]]  # what happened to MAST's files, and their paths


@dataclass(frozen=True, kw_only=True)
class PublishedState:
    """One state of a mirror: the rows of its generation, and what it was published with."""

    entries: Entries
    setup: Setup | None = None  # None: not recorded
    made_at: str = ""  # ISO, UTC; "" before the first generation

    @cached_property
    def recipes(self) -> Mapping[str, Recipe] | None:
        """The recipes of its config, by name; None if they are not recorded."""
        return {recipe.name: recipe for recipe in self.setup.recipes} if self.setup else None

    @cached_property
    def recipe_names(self) -> frozenset[str]:
        """The names of its recipes; without a record, of those that have files."""
        if self.recipes is not None:
            return frozenset(self.recipes)
        return frozenset(self.entries.column("origin")) - {UPSTREAM}

    @property
    def programs(self) -> Any:  # as in the config
        """The programs of its config; None if they are not recorded."""
        return self.setup.config.get("programs") if self.setup else None

    def place(self, *path: str) -> str:
        """Return the place of a value in the config, in words; "" if it is not recorded."""
        return self.setup.places.get(".".join(path), "") if self.setup else ""

    def parameter_place(self, recipe: str, reason: Reason, is_former: bool = False) -> str:
        """Return where the config sets a parameter, as `place_of_reason`; "" if not recorded."""
        places = self.setup.parameters if self.setup else ()
        return place_of_reason(places, recipe, reason, is_former)


@dataclass(frozen=True, kw_only=True)
class Lookups:
    """Functions that look up how files were made, and how their contents differ."""

    derivation: Callable[[str], Derivation | None] = lambda key: None  # of a key
    # by sha256 of the former and the new version; None: they were not compared
    content: Callable[[str, str], ContentChange | None] = lambda old, new: None


@dataclass
class Findings:
    """The files that differ, by what changed first: a cause that counts no files yet."""

    paths: dict[Cause, list[str]] = field(default_factory=dict)
    followers: dict[Cause, int] = field(default_factory=dict)  # results of MAST's files
    # former and new sha256 of reprocessed files, and whether others must not read them
    versions: dict[Cause, list[tuple[str, str, bool]]] = field(default_factory=dict)

    def add(self, root: Cause, paths: Iterable[str], follows: bool = False) -> None:
        """Add files that differ because of a root; `follows`: results of other files."""
        known = self.paths.setdefault(root, [])
        before = len(known)
        known.extend(paths)
        if follows:
            self.followers[root] = self.followers.get(root, 0) + len(known) - before

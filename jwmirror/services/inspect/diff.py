"""Differences between two states of a mirror, or between one file in them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from jwmirror.compare.versions import compare_files
from jwmirror.core.errors import StoreError, as_typed, did_you_mean, some_of
from jwmirror.core.model import UPSTREAM, Entry
from jwmirror.core.model.comparison import (
    IDENTICAL,
    Comparison,
    FileContent,
    FileDifference,
    FileDifferences,
    Side,
    StateDifference,
)
from jwmirror.core.model.history.causes import Cause
from jwmirror.planning.causes.comparison import causes_between
from jwmirror.services.causes.files import FileCauses
from jwmirror.services.causes.generations import lookups_of, state_of
from jwmirror.services.causes.recipes import recipe_causes
from jwmirror.services.inspect.change_reasons import ChangeReasons
from jwmirror.services.inspect.file_names import matching_paths, no_such_file
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.lookup import generation_named
from jwmirror.store.manifest import Entries
from jwmirror.store.objects import Objects
from jwmirror.store.pins import CURRENT
from jwmirror.store.rows.differences import compare_rows, without_origin


@dataclass(frozen=True)
class State:
    """One side of a comparison, and the rows of its generation."""

    side: Side
    entries: Entries

    @cached_property
    def rows_by_path(self) -> dict[str, int]:
        """The row number of each file by its path; if the side names an origin, only of its files.

        The path then begins below the origin's folder, so that paths of two recipes are equal.
        """
        paths, origins = (self.entries.column(name) for name in ("path", "origin"))
        wanted = self.side.origin
        return {
            without_origin(path) if wanted else path: row
            for row, (path, origin) in enumerate(zip(paths, origins, strict=True))
            if wanted in ("", origin)
        }

    def entry(self, path: str) -> Entry | None:
        """Return the entry of a path of `rows_by_path`, or None."""
        row = self.rows_by_path.get(path)
        return None if row is None else self.entries[row]


def parent_side(root: Path, side: str) -> str:
    """Return the side of a comparison that is one generation earlier: 2:deep for 3:deep.

    Raises:
        StoreError: there is no such generation, or none before it.
    """
    name, colon, origin = side.partition(":")
    generation = generation_named(root, name or CURRENT)
    if generation.parent is None:
        raise StoreError(
            f"generation {generation.number} is the first; {as_typed('diff A B')} compares two."
        )
    return f"{generation.parent}{colon}{origin}"


def diff_states(root: Path, old: str, new: str, recipe: str = "") -> StateDifference:
    """Return which files differ between two states, and why.

    A state is GENERATION[:ORIGIN]: a number, a pin or `current`, and `upstream` or a recipe. An
    origin that only one side names holds for both; `recipe` holds for sides that name none.

    Raises:
        StoreError: there is no such generation, pin or recipe.
    """
    before, after = _states(root, old, new, recipe)
    reasons = ChangeReasons(root)
    changes = compare_rows(before.entries, after.entries, before.side.origin, after.side.origin)
    return StateDifference(
        mirror=str(root),
        old=before.side,
        new=after.side,
        files=tuple(
            replace(change, reasons=reasons.between(change.old, change.new))
            if change.old and change.new
            else change
            for change in changes
        ),
        causes=_causes(root, before, after),
    )


def _causes(root: Path, before: State, after: State) -> tuple[Cause, ...]:
    """Return why the files of two states differ, from the earlier to the later generation.

    Of two recipes, from the first to the second one.
    """
    origin = before.side.origin
    if origin != after.side.origin:
        sides = [(each.entries, each.side.origin) for each in (before, after)]
        return recipe_causes(root, sides[0], sides[1])
    generations = Generations(root)
    states = [
        state_of(generations.read(each.side.generation), each.entries)
        for each in sorted((before, after), key=lambda state: state.side.generation)
    ]
    causes = causes_between(states[0], states[1], lookups_of(root))
    folder = "" if not origin else f"{origin}/" if origin == UPSTREAM else f"recalibrated/{origin}/"
    return tuple(part for cause in causes if (part := cause.below(folder)).files)


def diff_file(root: Path, old: str, new: str, file: str, recipe: str = "") -> FileDifferences:
    """Return how the files that a name matches differ between two states, as in `diff_states`.

    Raises:
        StoreError: there is no such state, no such file, or an object is missing or damaged.
    """
    before, after = _states(root, old, new, recipe)
    known = {**before.rows_by_path, **after.rows_by_path}
    paths = matching_paths(file, known)
    if not paths:
        otherwise = f"{as_typed(f'diff {old} {new}')} lists what differs"
        raise no_such_file(root, file, "in neither of the two states", known, otherwise)
    reasons, causes = ChangeReasons(root), FileCauses(root)
    files = (
        _file_difference(root, reasons, before.entry(path), after.entry(path))
        for path in sorted(paths)
    )
    return FileDifferences(
        mirror=str(root),
        old=before.side,
        new=after.side,
        files=tuple(_with_causes(file, causes, before, after) for file in files),
    )


def _with_causes(
    file: FileDifference, causes: FileCauses, before: State, after: State
) -> FileDifference:
    """Add why a file differs: between two generations, or between two recipes."""
    entry, sides = file.new or file.old, (before.side, after.side)
    if entry is None:
        return file
    if sides[0].origin == sides[1].origin:
        why = causes.between(sides[0].generation, sides[1].generation, entry.path)
    else:
        old, new = ((each.entries, each.side.origin) for each in (before, after))
        why = causes.between_recipes(old, new, entry.path)
    return replace(file, causes=why)


def _states(root: Path, old: str, new: str, recipe: str) -> tuple[State, State]:
    (old_name, _, old_origin), (new_name, _, new_origin) = old.partition(":"), new.partition(":")
    origins = old_origin or recipe or new_origin, new_origin or recipe or old_origin
    hint = "; a recipe of the current generation is :{name}"
    generations = [
        generation_named(root, name or CURRENT, hint.format(name=name))
        for name in (old_name, new_name)
    ]
    entries = {each.number: each.entries() for each in generations}  # read once if equal
    for origin in set(origins) - {""}:
        _check_origin(origin, entries.values())
    before, after = (
        State(Side(generation=each.number, origin=origin), entries[each.number])
        for each, origin in zip(generations, origins, strict=True)
    )
    return before, after


def _check_origin(origin: str, manifests: Iterable[Entries]) -> None:
    known = {name for entries in manifests for name in entries.column("origin")}
    if origin not in known:
        raise StoreError(
            f"{origin}: expected upstream or a recipe with files in these generations"
            f"{did_you_mean(origin, known) or ';'} these are: {some_of(known)}."
        )


def _file_difference(
    root: Path, reasons: ChangeReasons, old: Entry | None, new: Entry | None
) -> FileDifference:
    if old is None or new is None:
        return FileDifference(old=old, new=new, reasons=(), comparison=None)
    return FileDifference(
        old=old,
        new=new,
        reasons=reasons.between(old, new),
        comparison=_comparison(root, old, new),
    )


def _comparison(root: Path, old: Entry, new: Entry) -> Comparison:
    if old.sha256 == new.sha256:
        content = FileContent(sha256=old.sha256, size=old.size)
        return Comparison(verdict=IDENTICAL, old=content, new=content)
    return compare_files(
        Objects(root).path(old.sha256),
        Objects(root).path(new.sha256),
        new.filename,
        sums=(old.sha256, new.sha256),
    )

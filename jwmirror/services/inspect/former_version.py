"""What changed in a file since the generation before, if a user names only the file."""

import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from jwmirror.core.errors import StoreError, as_typed
from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.comparison import IDENTICAL, FileDifferences
from jwmirror.services.inspect.diff import diff_file, parent_side
from jwmirror.services.inspect.file_names import matching_paths, no_such_file
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.history import file_history
from jwmirror.store.maintenance.lookup import generation_named
from jwmirror.store.pins import CURRENT, find_pin


def is_file_name(root: Path, word: str) -> bool:
    """Return whether a word of a call names a file, and not a side of a comparison."""
    is_side = ":" in word or word.isdigit() or word == CURRENT or find_pin(root, word) is not None
    return not is_side and ("." in word or "/" in word)


def diff_with_former(root: Path, side: str, file: str, recipe: str = "") -> FileDifferences:
    """Return how the files of a name differ between a side and the generation before it.

    Raises:
        StoreError: none of them differs, or there is no generation before; the message has
            commands that compare other versions. Otherwise as `diff_file`.
    """
    name, _, origin = side.partition(":")
    generation = generation_named(root, name or CURRENT)
    if generation.parent is None:
        if not matching_paths(file, paths := generation.entries().column("path")):
            raise no_such_file(root, file, f"not in generation {generation.number}", paths)
        why = f"generation {generation.number} is the first, so that it has no version before"
        raise _no_former(root, file, origin or recipe, why)
    found = diff_file(root, parent_side(root, side), side, file, recipe)
    if all(each.comparison and each.comparison.verdict == IDENTICAL for each in found.files):
        why = f"the same in generations {generation.parent} and {generation.number}"
        raise _no_former(root, file, origin or recipe, why)
    return found


def _no_former(root: Path, file: str, origin: str, why: str) -> StoreError:
    """Return the error of a file that did not change last, with commands that compare versions."""
    typed = [as_typed(f"{words} {shlex.quote(file)}") for words in _commands(root, file, origin)]
    return StoreError(f"{file}: {why}; what can be compared: {', '.join(typed)}")


def _commands(root: Path, file: str, origin: str) -> Iterator[str]:
    """Yield commands, without the file: its last change, MAST and a recipe, and two recipes."""
    yield from _last_change(root, file, origin)
    entries = Generations(root).entries()
    name = file.rpartition("/")[2]
    made = zip(entries.column("path"), entries.column("origin"), strict=True)
    origins = sorted({each for path, each in made if path.endswith(f"/{name}")})
    recipes = [each for each in origins if each != UPSTREAM]
    if UPSTREAM in origins and recipes:
        yield f"diff :{UPSTREAM} :{origin if origin in recipes else recipes[0]}"
    if len(recipes) > 1:
        yield f"diff :{recipes[0]} :{recipes[1]}"
    yield "log"


def _last_change(root: Path, file: str, origin: str) -> Iterator[str]:
    """Yield the command that compares the last two versions, if there are two."""
    history = file_history(root, lambda paths: matching_paths(file, paths))
    changes = [
        (after.first, before.last)
        for before, after in pairwise(history.versions)
        if before.path == after.path and origin in ("", before.entry.origin)
    ]
    of_origin = f":{origin}" if origin else ""
    if changes:
        after, before = max(changes)
        yield f"diff {before}{of_origin} {after}{of_origin}"

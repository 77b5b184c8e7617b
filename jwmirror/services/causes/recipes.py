"""Why the results of two recipes differ: settings and inputs, traced to the root."""

from dataclasses import replace
from pathlib import Path

from jwmirror.core.model import UPSTREAM
from jwmirror.core.model.history.causes import Cause
from jwmirror.planning.causes.comparison import causes_between
from jwmirror.planning.causes.states import PublishedState
from jwmirror.services.causes.generations import lookups_of
from jwmirror.store.manifest import Entries
from jwmirror.store.rows.differences import RowDifferences, row_differences, rows_as_of


def recipe_causes(
    root: Path, before: tuple[Entries, str], after: tuple[Entries, str]
) -> tuple[Cause, ...]:
    """Return why files differ that two recipes have made, of one generation or of two.

    Each side is the rows of a generation and a recipe. The paths are those of the second recipe.
    Files that only one of the two has are in no cause. () if a side is MAST.
    """
    if UPSTREAM in (before[1], after[1]):
        return ()
    recipe = after[1]
    old, new = (
        PublishedState(entries=rows_as_of(entries, origin, recipe))
        for entries, origin in (before, after)
    )
    in_both = _in_both(row_differences(old.entries, new.entries))
    causes = causes_between(old, new, lookups_of(root), in_both)
    below = (cause.below(f"recalibrated/{recipe}/") for cause in causes)
    return tuple(_between_recipes(cause) for cause in below if cause.files)


def _in_both(differing: RowDifferences) -> RowDifferences:
    """Return the differences without results that only one side has, or that are equal."""
    of_mast = ("origin", UPSTREAM)
    before, after = differing.marked
    return replace(
        differing,
        new=differing.new.where(*of_mast),
        gone=differing.gone.where(*of_mast),
        marked=(before.where(*of_mast), after.where(*of_mast)),
    )


def _between_recipes(cause: Cause) -> Cause:
    """Return a cause as it is worded between two recipes: it belongs to neither of them."""
    if cause.kind in ("found", "withdrawn"):
        return replace(
            cause, kind="said", recipe="", what="only one of the recipes has made an input"
        )
    if cause.kind == "reprocessed":  # in the order of the sides, which need not be that of time
        what = f"made from other versions of MAST's files, {cause.place}"
        return replace(cause, kind="said", what=f"{what}: {cause.what}", place="", results=0)
    return replace(cause, recipe="", where="")

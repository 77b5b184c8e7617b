"""Accept the caveats of a result."""

import getpass
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from jwmirror.core.errors import ConfigError, StoreError, as_typed
from jwmirror.core.model import Entry
from jwmirror.core.model.quality import CAVEAT, FAILED, Acceptance, JudgedResult
from jwmirror.report.quality import doubtful_results
from jwmirror.services.inspect.file_names import require_one_key
from jwmirror.store.generations import Generations
from jwmirror.store.lock import mirror_lock
from jwmirror.store.manifest import Entries
from jwmirror.store.provenance import keep_acceptance
from jwmirror.store.runs import last_run

LEAST_DIGITS = 8  # of a key
WAIT_S = 30.0  # for another process that changes the mirror


def accept_result(
    root: Path, name: str, because: str, recipe: str | None, dry_run: bool
) -> tuple[Acceptance, ...]:
    """Durably accept the caveats of a result: a file name, a product's root, or a key.

    A product's root means its results of all stages that have caveats.

    Raises:
        ConfigError: `because` says nothing.
        StoreError: there is no such result, or in several recipes; it is sound, or it failed;
            several keys begin with `name`.
    """
    if not because.strip():
        raise ConfigError(["--because: found nothing, expected why the result may be used"])
    entries, run = Generations(root).entries(), last_run(root)
    doubtful = doubtful_results(entries.where("quality", CAVEAT), run.held_back if run else ())
    chosen = _chosen([result for result in doubtful if _is_named(result, name)], name, recipe)
    if not chosen:
        raise _nothing_to_accept(name, recipe, entries)
    if failed := [result for result in chosen if result.quality.word == FAILED]:
        raise StoreError(
            f"{name}: {failed[0].product} ({failed[0].pipeline}) failed: it has no usable pixel or "
            "row, and is never published; nothing was accepted. Its log says why."
        )
    acceptances = tuple(_acceptance(result, because) for result in chosen)
    if not dry_run:
        with mirror_lock(root, "accept", wait_s=WAIT_S):
            for acceptance in acceptances:
                keep_acceptance(root, acceptance)
    return acceptances


def _is_named(result: JudgedResult, name: str) -> bool:
    filename = name.rstrip("/").rpartition("/")[2]
    is_key = len(name) >= LEAST_DIGITS and result.key.startswith(name)
    return is_key or name == result.product or filename in {f.filename for f in result.files}


def _chosen(
    results: Sequence[JudgedResult], name: str, recipe: str | None
) -> tuple[JudgedResult, ...]:
    """Return the results of a recipe; StoreError if the name means several recipes, or keys."""
    chosen = tuple(result for result in results if recipe in (None, result.recipe))
    require_one_key(name, (result.key for result in chosen))
    recipes = sorted({result.recipe for result in chosen})
    if len(recipes) > 1:
        raise StoreError(
            f"{name}: recipes {', '.join(recipes)} have a result of that name with caveats; "
            "nothing was accepted; choose one with --recipe."
        )
    return chosen


def _nothing_to_accept(name: str, recipe: str | None, entries: Entries) -> StoreError:
    """Return an error that says whether the result is sound, or unknown."""
    filename = name.rstrip("/").rpartition("/")[2]
    step = f"{as_typed('status')} lists the results with caveats."
    for entry in entries:
        if entry.key and recipe in (None, entry.origin) and _names(entry, name, filename):
            word = entry.quality or "not measured"
            return StoreError(
                f"{name}: the result of recipe {entry.origin} has no caveats ({word}); nothing was "
                f"accepted; {step}"
            )
    of_recipe = f" of recipe {recipe}" if recipe else ""
    return StoreError(f"{name}: no result{of_recipe} has a file of that name; {step}")


def _names(entry: Entry, name: str, filename: str) -> bool:
    is_key = len(name) >= LEAST_DIGITS and entry.key.startswith(name)
    return is_key or filename == entry.filename or name == entry.result.partition("/")[2]


def _acceptance(result: JudgedResult, because: str) -> Acceptance:
    return Acceptance(
        key=result.key,
        recipe=result.recipe,
        product=result.product,
        pipeline=result.pipeline,
        caveats=result.quality.caveats,
        because=because,
        who=getpass.getuser(),
        accepted_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )

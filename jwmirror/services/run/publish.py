"""Publish the new state of a mirror as a generation."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from jwmirror.core.model import Plan, Poll, Receipt, Recipe, References, SettleResult
from jwmirror.core.model.parameters import ParameterPlace, PlainValues
from jwmirror.core.model.plan import Published
from jwmirror.core.model.stored import Setup
from jwmirror.pipeline.installed import installed_versions
from jwmirror.services.causes.generations import published_causes
from jwmirror.services.run.jobs.arrivals import await_results
from jwmirror.services.run.quality.publication import PublicationPolicy, judged_rows
from jwmirror.store import runs
from jwmirror.store.entries import results_of_deselected_files, with_quality
from jwmirror.store.generations import Generations, StoredGeneration
from jwmirror.store.lock import mirror_lock

CITATION = Path(__file__).parents[3] / "CITATION.cff"
WAIT_S = 3600.0  # for another process that changes what is published


def publish_generation(
    *,
    mirror: Path,
    run: Path,
    group: str | None,
    poll: Poll,
    settling: SettleResult,
    references: References,
    plans: Sequence[Plan],
    receipts: Sequence[Receipt],
    policy: PublicationPolicy,
    config: PlainValues,
    recipes: Sequence[Recipe],
    places: Mapping[str, str] | None = None,
    parameters: Sequence[ParameterPlace] = (),
    latency_s: float = 0.0,
) -> Published:
    """Publish what the mirror has now in one atomic step, if the current generation differs.

    `run` is the folder of the run, whose id the generation records; what its recipes hold back is
    recorded there. `group` may read exclusive files. `config`, the `places` of its values and
    `parameters` in words, and `recipes` are recorded with the generation, and so are the versions
    of all installed packages, and why its files differ from those before. Results of the recipes
    stay with files that are kept without being selected. What other machines have written may
    appear up to `latency_s` seconds late.

    Raises:
        LockedError: another process changes what is published, and did not end within an hour.
    """
    await_results(mirror, receipts, latency_s)
    generations, records = Generations(mirror, group), runs.read_run(run)
    facts = {"run": records.id, "context": references.context}
    with mirror_lock(mirror, f"publication of {records.id}", wait_s=WAIT_S) as lock:
        upstream = runs.upstream_after(mirror, poll, settling.waiting)
        before = generations.entries().results()
        judged = judged_rows(mirror, before, upstream, references, plans, receipts, policy)
        runs.write_held_back(mirror, run, judged.held_back, group)
        names = {recipe.name for recipe in recipes}
        kept = results_of_deselected_files(before, upstream, judged.rows, names)
        entries = upstream.joined([*judged.rows, *with_quality(kept, judged.qualities)])
        setup = replace(_setup(config, recipes, places or {}), parameters=tuple(parameters))
        explain = partial(published_causes, mirror, setup)
        numbers = generations.numbers()
        new = generations.publish(entries, "", facts, lock.check, setup, explain)
        published = _published(numbers, new, generations.current())
        return replace(published, recipes=tuple(recipe.name for recipe in recipes))


def _published(
    numbers: Collection[int], new: StoredGeneration | None, current: StoredGeneration | None
) -> Published:
    """Return what was published, by the numbers of earlier generations.

    While the view is held, one that is published again is not new.
    """
    newest = new or current
    is_new = new is not None and (new.number not in numbers or new == current)
    return Published(generation=newest.number if newest else 0, is_new=is_new)


def _setup(config: PlainValues, recipes: Sequence[Recipe], places: Mapping[str, str]) -> Setup:
    """Return what is recorded with a generation with its rows."""
    pythons = {"", *(recipe.python for recipe in recipes)}
    return Setup(
        config=config,
        recipes=tuple(recipes),
        software={python: installed_versions(python) for python in sorted(pythons)},
        citation=CITATION.read_text(encoding="utf-8") if CITATION.is_file() else "",
        places=dict(places),
    )

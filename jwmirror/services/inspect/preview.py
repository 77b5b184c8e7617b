"""Preview of what the next run would plan with the config as it is now, without asking MAST.

It uses the planning of a run on what is in the mirror, with the references of the last run.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from msgspec import structs

from jwmirror.archive.discovery.record import found_selections, read_searches
from jwmirror.archive.selection import select_products
from jwmirror.config.load import Config
from jwmirror.core.errors import ReferencesError, as_typed, command_to_run
from jwmirror.core.grouping import group_by
from jwmirror.core.model import (
    UPSTREAM,
    Chain,
    Plan,
    Poll,
    Reason,
    Recipe,
    References,
    Result,
    Wait,
)
from jwmirror.core.model.product import Listing
from jwmirror.core.model.run import Run
from jwmirror.core.model.stored import Entry
from jwmirror.core.names import cache_path
from jwmirror.pipeline.allowed_environments import is_allowed
from jwmirror.pipeline.derivation import differences
from jwmirror.planning.estimates.jobs import estimate_run
from jwmirror.planning.inputs import why_missing
from jwmirror.planning.resolvers.by_environment import Resolvers
from jwmirror.planning.resolvers.local import Resolver
from jwmirror.report.formatting import count
from jwmirror.report.status import Preview
from jwmirror.services.configure.advice import config_advice, search_notes
from jwmirror.services.configure.checked_config import environment_notes
from jwmirror.services.inspect import software
from jwmirror.services.kept.unchanged_run import MAY_END
from jwmirror.services.run.holdings import Holdings, load_holdings, with_left_out
from jwmirror.services.run.plan import LevelPlanner
from jwmirror.services.run.references import offline_resolvers, preview_references
from jwmirror.services.run.results import ResultStore, stage_times
from jwmirror.store.generations import Generations
from jwmirror.store.provenance import read_acceptances
from jwmirror.store.runs import last_references

UNPUBLISHED = Reason("already computed, not published yet", "", "")


def preview_run(mirror: Path, run: Run, config: Config, context: str | None = None) -> Preview:
    """Return what is out of date by a config, and why.

    `run` is the last one; what it downloaded and did not publish is taken into account. With
    `context` (a name, `latest` or `build`), CRDS is queried, and the plan uses that context.

    Raises:
        ReferencesError: CRDS cannot be asked.
    """
    holdings = with_left_out(current_holdings(mirror, run, config.recipes), config.criteria)
    if context is None:
        resolvers, resolver_notes = resolvers_of_config(mirror, config)
    else:
        recipes = [recipe for recipe in config.recipes if is_allowed(recipe.python)]
        references = preview_references(
            mirror, config.references.url, context, config.cache, holdings, recipes
        )
        resolvers = offline_resolvers(config.cache, references)
        resolver_notes = (f"By context {references.context}.",)
    results = ResultStore(mirror)
    planner = LevelPlanner(
        holdings, config.recipes, resolvers, results, config.jobs, stage_times(mirror)
    )
    plans = planner.plan_levels(is_preview=True)
    installed = software.installed_software(config.recipes, resolvers)
    return Preview(
        estimate=estimate_run(plans, config.jobs, _bytes_to_fetch(run)),
        plans=tuple(_without_unknown(plan) for plan in plans),
        ready=tuple(_unpublished(results, _to_publish(mirror, run, plans))),
        unknown=tuple(wait for plan in plans for wait in _unknown(plan)),
        notes=(
            *_notes_on_run(run, config),
            *_notes_on_held_back(mirror, run),
            *_notes_on_selection(mirror, holdings.entries, config),
            *resolver_notes,
            *_notes_on_removed(mirror, config.recipes),
            *environment_notes(config.recipes),
            *config_advice(config.selections, config.recipes),
            *search_notes(config.searches),
            *software.modified_engines(installed),
        ),
        other_versions=software.other_versions(mirror, installed),
    )


def current_holdings(mirror: Path, run: Run, recipes: Sequence[Recipe]) -> Holdings:
    """Return what is in the mirror, including what the last run downloaded and did not publish."""
    return load_holdings(mirror, unpublished_poll(run), run.settling, recipes, run.poll)


def unpublished_poll(run: Run) -> Poll:
    """Return the poll of a run that did not publish; else a poll without changes."""
    poll = run.poll if run.published is None else None
    return poll or Poll(listings=(), changes=())


def _bytes_to_fetch(run: Run) -> int:
    """Return the bytes that the last poll found and its run did not fetch; unknown sizes are 0."""
    arrived = {v.product.uri for receipt in run.fetch_receipts for v in receipt.versions}
    wanted = (change.product for change in unpublished_poll(run).changes if change.wants_bytes)
    return sum(product.size or 0 for product in wanted if product.uri not in arrived)


def resolvers_of_config(mirror: Path, config: Config) -> tuple[Resolvers, tuple[str, ...]]:
    """Return resolvers for a config's CRDS context as far as it is cached, and notes on that.

    For a policy (`latest`, `build`), or a context that is not cached, the last run's context is
    used. If that is not cached either, the resolvers raise ReferencesError.
    """
    last = last_references(mirror) or References(context="", server="", files={})
    policy = config.references.context
    wanted = policy if policy.endswith(".pmap") else last.context
    if not wanted:
        return _failing_resolvers("no references were synced yet"), ()
    for context in (wanted, last.context):
        if context and cache_path(config.cache, context).is_file():
            resolvers = offline_resolvers(config.cache, replace(last, context=context))
            if context == wanted:
                return resolvers, ()
            return resolvers, (f"{_not_cached(wanted, config.cache)}: {context} is used instead.",)
    return _failing_resolvers(_not_cached(wanted, config.cache)), ()


def _not_cached(context: str, cache: Path) -> str:
    return f"{context} is not in the reference cache {cache}"


def _failing_resolvers(why: str) -> Resolvers:
    def fail(python: str, context: str) -> Resolver:
        raise ReferencesError(f"{why}; {command_to_run()} syncs what is missing")

    return Resolvers("", fail)


def _to_publish(mirror: Path, run: Run, plans: Iterable[Plan]) -> Iterator[Result]:
    """Yield the results that exist, except those that are held back and not accepted since."""
    held_back = held_back_results(mirror, run)
    for result in (result for plan in plans for result in plan.done):
        if (result.recipe, result.key) not in held_back:
            yield result


def held_back_results(mirror: Path, run: Run) -> set[tuple[str, str]]:
    """Return recipe and key of what a run did not publish, and that was not accepted since."""
    accepted = read_acceptances(mirror)
    return {(each.recipe, each.key) for each in run.held_back if each.key not in accepted}


def _unpublished(results: ResultStore, done: Iterable[Result]) -> Iterator[Chain]:
    """Yield results that are in the store but not in the current generation, each as a chain."""
    for result in done:
        key_parts = (result.recipe, result.product, result.pipeline)
        derivation = results.derivation(result.key)
        if derivation is None or results.published_key(*key_parts) == result.key:
            continue
        published = results.published_derivation(*key_parts)
        yield Chain(
            recipe=result.recipe,
            program=result.program,
            observation=result.observation,
            product=result.product,
            derivations=(derivation,),
            reasons=differences(published, derivation) if published else (UNPUBLISHED,),
        )


def _unknown(plan: Plan) -> Iterator[Wait]:
    """Yield what waits or is refused only for what this computer lacks, or the user's consent."""
    for wait in (*plan.failures, *plan.waits):
        if wait.cause in MAY_END:
            yield structs.replace(wait, why=why_missing(wait))


def _without_unknown(plan: Plan) -> Plan:
    waits, failures = (
        tuple(wait for wait in waits if wait.cause not in MAY_END)
        for waits in (plan.waits, plan.failures)
    )
    return replace(plan, waits=waits, failures=failures)


# ---- notes -----------------------------------------------------------------------------------


def _notes_on_run(run: Run, config: Config) -> Iterator[str]:
    if run.references and run.references.offered:
        yield (
            f"CRDS offers {run.references.offered}; {run.references.context} is still used, "
            "because of references.on_new_context in the config. "
            f"{as_typed(f'plan --context {run.references.offered}')} shows what would change."
        )
    if run.references and run.references.unwatched:
        yield (
            f"CRDS did not answer the last run ({run.references.unwatched}): its references were "
            "not compared with CRDS's checksums, and its list of invalid files may be old."
        )
    if run.poll and run.poll.is_skipped:
        yield "the last run did not ask MAST (archive.source: none in its config)."
    if run.poll is None or run.poll.is_partial:
        return
    selected = {selection.program for selection in config.selections}
    for program in sorted(selected - run.poll.programs):
        yield f"program {program} was not polled yet; {command_to_run()} polls it."


def _notes_on_held_back(mirror: Path, run: Run) -> Iterator[str]:
    """Yield how many results the last run did not publish, and how many the next one will."""
    keys = {result.key for result in run.held_back}
    accepted = len(keys & read_acceptances(mirror).keys())
    if held_back := len(keys) - accepted:
        yield (
            f"the last run held back {count(held_back, 'result')} because of quality; "
            f"{as_typed('status')} says why, and {as_typed('accept')} releases one that "
            "has caveats."
        )
    if accepted:
        yield f"the next run publishes {count(accepted, 'result')} accepted since the last one."


def _notes_on_selection(mirror: Path, entries: Iterable[Entry], config: Config) -> Iterator[str]:
    """Yield how many files of each program the next run will find deselected."""
    found = read_searches(mirror).found
    if new := [search.place for search in config.searches if search.key not in found]:
        yield f"not searched yet: {', '.join(new)}; {as_typed('search')} shows what is found."
        return
    of_searches = (found_selections(search, found[search.key]) for search in config.searches)
    selections = (*config.selections, *chain.from_iterable(of_searches))
    products = (entry.product for entry in entries if entry.product)
    for program, items in sorted(group_by(products, lambda item: item.program).items()):
        known = Listing(program=program, asked_at="", products=tuple(items))
        chosen = {p.uri for each in selections for p in select_products(known, each)}
        if number := len(items) - len(chosen):
            step = {"keep": "keeps them, and marks them", "drop": "removes them from current/"}
            yield (
                f"program {program}: {number} files are not selected by the config any more; the "
                f"next run {step[config.when_deselected]}."
            )


def _notes_on_removed(mirror: Path, recipes: Iterable[Recipe]) -> Iterator[str]:
    """Yield which recipes were removed from the config."""
    files = Counter(Generations(mirror).entries().column("origin"))
    for origin in sorted(set(files) - {recipe.name for recipe in recipes} - {UPSTREAM}):
        yield (
            f"recipe {origin} is not in the config: the next run removes its {files[origin]} files "
            "from current/; earlier generations keep them."
        )

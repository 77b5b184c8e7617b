"""What a run would find out of date with a config as it is now, told without asking anyone.

The plan functions of the workflow, on what is held, with the references that were synced last.
Like the bench it may call all wings; only the command line calls it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from jwmirror.core.errors import ConfigError, ReferencesError
from jwmirror.core.model import (
    UPSTREAM,
    Chain,
    Derivation,
    Entry,
    Plan,
    Poll,
    Reason,
    Recipe,
    References,
    Wait,
)
from jwmirror.core.model.association import SCIENCE, UNCAL, root_of
from jwmirror.core.model.run import Run
from jwmirror.core.names import cache_path
from jwmirror.pipeline.derivation import differences
from jwmirror.planning.association_choice import unmatched
from jwmirror.planning.inputs import why_missing
from jwmirror.planning.origins import origins
from jwmirror.planning.resolver import Resolver
from jwmirror.planning.resolvers import Resolvers
from jwmirror.report.status import Preview
from jwmirror.services.run.holdings import Holdings, load_holdings
from jwmirror.services.run.plan import plan_levels
from jwmirror.services.run.references import offline_resolvers
from jwmirror.services.run.results import ResultStore
from jwmirror.store.generations import Generations
from jwmirror.store.runs import last_references

UNPUBLISHED = Reason("not published yet", "", "")
ONE_BATCH = 1_000_000_000  # exposures; a preview runs no jobs


def preview(
    mirror: Path,
    run: Run,
    recipes: Sequence[Recipe],
    programs: Sequence[int],
    cache: Path,
    context: str,
    ahead: References | None = None,
) -> Preview:
    """What is out of date in a mirror by these recipes and that context policy, and why.

    `run` is the last one: a state that it fetched and did not publish counts as held. `ahead`: the
    references to plan with, if not those that were synced last (preview_references).
    """
    results = ResultStore(mirror)
    last = last_references(mirror)
    resolvers, note = (
        resolvers_by(cache, last, context) if ahead is None else _by_context(cache, ahead)
    )
    holdings = current_holdings(mirror, run, recipes)
    plans = plan_levels(holdings, recipes, resolvers, results, ONE_BATCH, is_preview=True)
    return Preview(
        plans=tuple(_without_unknown(plan) for plan in plans),
        ready=tuple(chain for plan in plans for chain in _ready(results, plan)),
        unknown=tuple(wait for plan in plans for wait in _unknown(plan)),
        notes=(*_notes_on_run(run, programs), *note, *_notes_on_recipes(mirror, recipes, holdings)),
    )


def origins_of(
    result: Entry,
    made: Derivation,
    entries: Iterable[Entry],
    recipes: Iterable[Recipe],
    last: References | None,
    cache: Path,
    context: str,
) -> dict[str, str]:
    """Where a published result's parameters come from; ReferencesError if that is not known.

    ConfigError if the recipe, or the exposure that speaks for it, is there no more.
    """
    recipe = next((each for each in recipes if each.name == result.origin), None)
    if recipe is None:
        gone = f"recipe {result.origin} is not in the config"
        raise ConfigError([f"{gone}, so where the values come from is not known."])
    resolvers, _ = resolvers_by(cache, last, context)
    return origins_under(made, recipe, entries, resolvers)


def origins_under(
    made: Derivation, recipe: Recipe, entries: Iterable[Entry], resolvers: Resolvers
) -> dict[str, str]:
    """Where the parameters of a derivation come from, made or planned.

    Its first science input speaks for all, as in the plan; ConfigError if it is not held.
    """
    first = next(item.name for item in made.inputs if item.role == SCIENCE)
    root = root_of(first)
    known = {entry.filename: entry.header for entry in entries if root in entry.filename}
    header = known.get(f"{root}{UNCAL}") or next(filter(None, known.values()), "")
    if not header:
        raise ConfigError([f"no {root}{UNCAL}, so where the values come from is not known."])
    return origins(made, recipe, header, resolvers.of(recipe.python))


def resolvers_by(
    cache: Path, last: References | None, policy: str
) -> tuple[Resolvers, tuple[str, ...]]:
    """Return resolvers for the context that a policy names, else for the last run's; and notes."""
    used = last.context if last else ""
    asked = policy if policy.endswith(".pmap") else used
    if not asked:
        return _unsynced("no references were synced yet; `snakemake` syncs them"), ()
    cached = [name for name in (asked, used) if _is_cached(cache, name)]
    if not cached:
        return _unsynced(f"{asked} is not in the reference cache {cache}; `snakemake` syncs it"), ()
    files = last.files if last else {}
    references = References(context=cached[0], server=last.server if last else "", files=files)
    note = f"{asked} is not in the reference cache {cache}: what is told here is by {cached[0]}."
    return offline_resolvers(cache, references), () if cached[0] == asked else (note,)


def _unsynced(why: str) -> Resolvers:
    """Return resolvers that always raise ReferencesError."""

    def fail(python: str) -> Resolver:
        raise ReferencesError(why)

    return Resolvers("", fail)


def _by_context(cache: Path, references: References) -> tuple[Resolvers, tuple[str, ...]]:
    """Return resolvers for references that CRDS was asked for just now, and a note on that."""
    return offline_resolvers(cache, references), (f"By context {references.context}.",)


def _is_cached(cache: Path, context: str) -> bool:
    return bool(context) and cache_path(Path(cache), context).is_file()


def current_holdings(mirror: Path, run: Run, recipes: Sequence[Recipe]) -> Holdings:
    """Return the holdings, with what the last run fetched and did not publish."""
    return load_holdings(mirror, unpublished_poll(run), run.settling, recipes)


def unpublished_poll(run: Run) -> Poll:
    """Return the poll of a run that did not publish; else one without changes."""
    unpublished = run.poll if run.published is None else None
    return unpublished or Poll(listings=(), changes=())


def _ready(results: ResultStore, plan: Plan) -> Iterator[Chain]:
    """What a plan found done and the current generation does not show, as chains of one stage."""
    for result in plan.done:
        place = (result.recipe, result.product, result.pipeline)
        made = results.derivation(result.key)
        if made is None or results.published_key(*place) == result.key:
            continue
        old = results.published(*place)
        yield Chain(
            recipe=result.recipe,
            program=result.program,
            observation=result.observation,
            product=result.product,
            derivations=(made,),
            reasons=differences(old, made) if old else (UNPUBLISHED,),
        )


def _unknown(plan: Plan) -> Iterator[Wait]:
    """Yield what waits or is refused only because references are not in the cache."""
    for wait in (*plan.failures, *plan.waits):
        if wait.cause == "references":
            yield structs.replace(wait, why=why_missing(wait))


def _without_unknown(plan: Plan) -> Plan:
    waits, failures = (
        tuple(wait for wait in waits if wait.cause != "references")
        for waits in (plan.waits, plan.failures)
    )
    return replace(plan, waits=waits, failures=failures)


# ---- notes -----------------------------------------------------------------------------------


def _notes_on_run(run: Run, programs: Sequence[int]) -> Iterator[str]:
    if run.references and run.references.offered:
        yield (
            f"CRDS offers {run.references.offered}; held at {run.references.context} "
            "(references.on_new_context). `jwmirror plan --context "
            f"{run.references.offered}` shows what it would change."
        )
    if run.published is None:
        yield f"run {run.id} has not come to its end; `snakemake` goes on where it stopped."
    if run.poll is None or run.poll.limited_to:  # nothing was asked, or just what events named
        return
    asked = {listing.program for listing in run.poll.listings}
    for program in sorted(set(programs) - asked):
        yield f"program {program}: MAST was not asked for it yet; `snakemake` does."


def _notes_on_recipes(mirror: Path, recipes: Sequence[Recipe], holdings: Holdings) -> Iterator[str]:
    """What leaves the view because its recipe is in the config no more, and what has no effect."""
    for recipe in recipes:
        yield from (
            f"recipe {recipe.name}: {what}." for what in unmatched(holdings.entries, recipe)
        )
    current = Generations(mirror).current()
    files = Counter(current.entries().column("origin")) if current else Counter()
    for origin in sorted(set(files) - {recipe.name for recipe in recipes} - {UPSTREAM}):
        yield (
            f"recipe {origin} is not in the config: the next run takes its {files[origin]} files "
            "out of current/; former generations keep them."
        )

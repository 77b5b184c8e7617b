"""What a run would find out of date with a config as it is now, told without asking anyone.

The plan functions of the workflow, on what is held, with the references that were synced last.
Like the bench it may call all wings; only the command line calls it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

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
from jwmirror.planning.builder import Resolves
from jwmirror.planning.inputs import MISSING
from jwmirror.planning.origins import origins
from jwmirror.planning.resolver import Settled
from jwmirror.report.status import Preview
from jwmirror.services.run.holdings import Holdings, load_holdings
from jwmirror.services.run.plan import plan_levels
from jwmirror.services.run.references import offline_resolver
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
    resolver, note = resolver_by(cache, last, context) if ahead is None else _looking(cache, ahead)
    holdings = current_holdings(mirror, run, recipes)
    plans = plan_levels(holdings, recipes, resolver, results, ONE_BATCH, is_preview=True)
    return Preview(
        plans=tuple(_without(plan, resolver.gaps) for plan in plans),
        ready=tuple(chain for plan in plans for chain in _ready(results, plan)),
        unknown=tuple(wait for plan in plans for wait in _unknown(plan, resolver.gaps)),
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
    resolver, _ = resolver_by(cache, last, context)
    return origins_under(made, recipe, entries, resolver)


def origins_under(
    made: Derivation, recipe: Recipe, entries: Iterable[Entry], resolver: "Offline"
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
    return origins(made, recipe, header, resolver.within(recipe.python).resolver)


@dataclass
class Offline:
    """A resolver that notes what could not be told for want of synced references."""

    resolver: Resolves
    gaps: set[str] = field(default_factory=set)  # messages, as they stand in plans

    @property
    def context(self) -> str:
        """The context of the references."""
        return self.resolver.context

    @property
    def engine(self) -> Mapping[str, str]:
        """As Resolver.engine."""
        return self.resolver.engine

    def within(self, python: str) -> "Offline":
        """As Resolver.within; what could not be told is noted in one place."""
        return Offline(self.resolver.within(python), self.gaps)

    def settle(self, pipeline: str, header: str, asked: Mapping[str, Any]) -> Settled:
        """As Resolver.settle."""
        try:
            return self.resolver.settle(pipeline, header, asked)
        except ReferencesError as err:
            self.gaps.add(str(err))
            raise


@dataclass(frozen=True)
class Unsynced:
    """A resolver for where nothing can be told, and why."""

    why: str
    context: str = ""
    engine: Mapping[str, str] = field(default_factory=dict)

    def within(self, python: str) -> "Unsynced":
        """Nothing can be told of other environments, either."""
        return self

    def settle(self, pipeline: str, header: str, asked: Mapping[str, Any]) -> Settled:
        """Always ReferencesError."""
        raise ReferencesError(self.why)

    def pars(self, pipeline: str, header: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Always ReferencesError."""
        raise ReferencesError(self.why)


def resolver_by(
    cache: Path, last: References | None, policy: str
) -> tuple[Offline, tuple[str, ...]]:
    """A resolver by the context that a policy names, else by the last run's; notes on that."""
    used = last.context if last else ""
    asked = policy if policy.endswith(".pmap") else used
    if not asked:
        return Offline(Unsynced("no references were synced yet; `snakemake` syncs them")), ()
    here = [name for name in (asked, used) if _is_cached(cache, name)]
    if not here:
        why = f"{asked} is not in the reference cache {cache}; `snakemake` syncs it"
        return Offline(Unsynced(why)), ()
    files = last.files if last else {}
    references = References(context=here[0], server=last.server if last else "", files=files)
    told = f"{asked} is not in the reference cache {cache}: what is told here is by {here[0]}."
    return Offline(offline_resolver(cache, references)), () if here[0] == asked else (told,)


def _looking(cache: Path, ahead: References) -> tuple[Offline, tuple[str, ...]]:
    """A resolver on references that CRDS was asked for just now, and a note that says so."""
    return Offline(offline_resolver(cache, ahead)), (f"By context {ahead.context}.",)


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


def _unknown(plan: Plan, gaps: set[str]) -> Iterator[Wait]:
    """What waits or is refused only for want of synced references, of its own or a member's."""
    for wait in (*plan.failures, *plan.waits):
        why = wait.why.split(MISSING, 1)[-1]
        if why in gaps:
            yield replace(wait, why=why)


def _without(plan: Plan, gaps: set[str]) -> Plan:
    """A plan without what is unknown."""
    unknown = {(wait.recipe, wait.product) for wait in _unknown(plan, gaps)}
    waits, failures = (
        tuple(each for each in waits if (each.recipe, each.product) not in unknown)
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

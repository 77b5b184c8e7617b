"""What a run would make of one file with the config as it is now, and how former results differ.

Told offline, as the preview is; only the command line calls it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from jwmirror.core.errors import ConfigError, JwmirrorError, unknown
from jwmirror.core.model import Chain, Derivation, Plan, Reason, Recipe
from jwmirror.core.model.association import root_of
from jwmirror.core.model.run import Run
from jwmirror.pipeline.derivation import differences, is_bound, key_of
from jwmirror.report.explanation import EarlierResult, RecipePreview, StagePreview
from jwmirror.services.inspect.preview import (
    ONE_BATCH,
    Offline,
    current_holdings,
    origins_under,
    resolver_by,
)
from jwmirror.services.run.holdings import Holdings
from jwmirror.services.run.plan import plan_levels
from jwmirror.services.run.results import ResultStore
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import last_references

PROGRAM = 7  # characters of a file name that tell its program: jw01345


def former_results(mirror: Path, key: str, derivation: Derivation) -> tuple[EarlierResult, ...]:
    """The results of the same product under other keys, newest first, and how they differ.

    Each difference is told from the former result to `derivation`.
    """
    records = Provenance(mirror).of_product(derivation.pipeline, derivation.product)
    return tuple(
        EarlierResult(
            key=record.key,
            made_at=record.made_at,
            reasons=differences(record.derivation, derivation),
        )
        for record in records
        if record.key != key
    )


def outlooks(
    mirror: Path,
    run: Run,
    filename: str,
    recipes: Iterable[Recipe],
    asked: str | None,
    cache: Path,
    context: str,
) -> tuple[RecipePreview, ...]:
    """What each recipe (or the one that is asked for) would do with a file, made or not.

    `filename` may be that of a raw exposure, or of anything that a recipe makes. Empty where no
    recipe takes it. ConfigError for a recipe that does not exist.
    """
    recipes = tuple(recipes)
    if asked is not None and asked not in {recipe.name for recipe in recipes}:
        names = [recipe.name for recipe in recipes]
        raise ConfigError([f"--recipe: {unknown('recipe', asked, names)}"])
    chosen = [recipe for recipe in recipes if asked in (None, recipe.name)]
    results = ResultStore(mirror)
    resolver, notes = resolver_by(cache, last_references(mirror), context)
    holdings = _of_program(current_holdings(mirror, run, chosen), filename[:PROGRAM])
    found = []
    for recipe in chosen:
        plans = plan_levels(holdings, [recipe], resolver, results, ONE_BATCH, is_preview=True)
        stages = tuple(
            _stage(results, derivation, recipe, holdings, resolver, chain)
            for derivation, chain in _derivations(results, plans, root_of(filename))
        )
        waits = tuple(
            wait
            for plan in plans
            for wait in (*plan.waits, *plan.failures)
            if wait.product == root_of(filename)
        )
        if stages or waits:
            found.append(RecipePreview(recipe=recipe.name, stages=stages, waits=waits, notes=notes))
    return tuple(found)


def _of_program(holdings: Holdings, start: str) -> Holdings:
    """What is held of one program: nothing of another has a part in its results."""
    return holdings._replace(
        entries=tuple(entry for entry in holdings.entries if entry.filename.startswith(start))
    )


def _derivations(
    results: ResultStore, plans: Iterable[Plan], root: str
) -> Iterator[tuple[Derivation, Chain | None]]:
    """What plans say of a product, stage by stage: done before, or to be computed in a chain."""
    for plan in plans:
        for result in plan.done:
            made = results.derivation(result.key) if result.product == root else None
            if made is not None:
                yield made, None
        for chain in (chain for batch in plan.batches.values() for chain in batch):
            for derivation in chain.derivations:
                if root in (derivation.product, chain.product):
                    yield derivation, chain


def _about(pipeline: str, reasons: Iterable[Reason]) -> Iterator[Reason]:
    """Those of a chain's reasons that are about one of its stages, or about all."""
    for reason in reasons:
        stage, colon, _ = reason.what.partition(": ")
        if not colon or stage == pipeline:
            yield reason


def _stage(
    results: ResultStore,
    derivation: Derivation,
    recipe: Recipe,
    holdings: Holdings,
    resolver: Offline,
    chain: Chain | None,
) -> StagePreview:
    key = key_of(derivation) if is_bound(derivation) else ""
    try:
        origins, note = origins_under(derivation, recipe, holdings.entries, resolver), ""
    except JwmirrorError as error:
        origins, note = {}, str(error)
    return StagePreview(
        product=derivation.product,
        key=key,
        is_made=chain is None,
        derivation=derivation,
        reasons=tuple(_about(derivation.pipeline, chain.reasons if chain else ())),
        origins=origins,
        former=former_results(results.mirror, key, derivation),
        note=note,
    )

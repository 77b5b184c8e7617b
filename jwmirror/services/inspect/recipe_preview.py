"""Preview of what recipes would do with one file, with the config as it is now."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

from jwmirror.config.load import Config
from jwmirror.core.errors import ConfigError, JwmirrorError, unknown_name
from jwmirror.core.model import Chain, Derivation, Entry, Plan, Reason, Recipe, Wait
from jwmirror.core.model.association import SCIENCE, root_of
from jwmirror.core.model.derivation import whole_pipeline
from jwmirror.core.model.history.reasons import traced_reasons
from jwmirror.core.names import root_and_suffix
from jwmirror.pipeline.derivation import differences, is_bound, key_of
from jwmirror.pipeline.identity import WITH_HEADER
from jwmirror.pipeline.registry import STEP_INPUTS
from jwmirror.planning.resolvers.by_environment import Resolvers
from jwmirror.planning.resolvers.parameter_sources import parameter_sources
from jwmirror.report.explanation import EarlierResult, RecipePreview, StagePreview
from jwmirror.services.inspect.preview import (
    UNPUBLISHED,
    current_holdings,
    held_back_results,
    resolvers_of_config,
)
from jwmirror.services.run.holdings import Holdings, described_input, with_left_out
from jwmirror.services.run.plan import LevelPlanner
from jwmirror.services.run.results import ResultStore
from jwmirror.store.generations import Generations
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import last_run

PROGRAM = len("jw01345")  # a file name begins with its program


def preview_recipes(
    mirror: Path, filename: str, recipe_name: str | None, config: Config
) -> tuple[RecipePreview, ...]:
    """Return what each recipe (or one) would do with a file; nothing if no recipe uses it.

    `filename` is that of a raw exposure, or of any file that a recipe makes. Nothing is returned
    before the first run.

    Raises:
        ConfigError: there is no such recipe.
    """
    run = last_run(mirror)
    if run is None:
        return ()
    names = [recipe.name for recipe in config.recipes]
    if recipe_name is not None and recipe_name not in names:
        raise ConfigError([f"--recipe: {unknown_name('recipe', recipe_name, names)}"])
    recipes = [recipe for recipe in config.recipes if recipe_name in (None, recipe.name)]
    names_used = {name for recipe in recipes for name in (recipe.name, recipe.products_of)}
    used = [recipe for recipe in config.recipes if recipe.name in names_used]
    resolvers, notes = resolvers_of_config(mirror, config)
    holdings = with_left_out(current_holdings(mirror, run, used), config.criteria)
    if not any(recipe.associations for recipe in used):  # else programs may be combined
        holdings = _of_program(holdings, filename[:PROGRAM])
    results, product = ResultStore(mirror), root_of(filename)
    held_back = held_back_results(mirror, run)
    previews = []
    for recipe in recipes:
        both = [each for each in used if each.name in (recipe.name, recipe.products_of)]
        planner = LevelPlanner(holdings, both, resolvers, results)
        plans = planner.plan_levels(is_preview=True)
        roots = traced_reasons(chain for plan in plans for chain in plan.chains)
        made = tuple(
            _stage(results, derivation, recipe, holdings, resolvers, chain, roots)
            for derivation, chain in _derivations(results, plans, recipe.name, product)
        )
        stages = tuple(_as_held_back(each, recipe.name, held_back) for each in made)
        all_waits = (wait for plan in plans for wait in _waits(plan))
        waits = tuple(w for w in all_waits if (w.recipe, w.product) == (recipe.name, product))
        if stages or waits:
            previews.append(
                RecipePreview(recipe=recipe.name, stages=stages, waits=waits, notes=notes)
            )
    return tuple(previews)


def _as_held_back(
    stage: StagePreview, recipe: str, held_back: Collection[tuple[str, str]]
) -> StagePreview:
    """Return a stage; one that is held back is not announced as published next."""
    is_held_back = (recipe, stage.key) in held_back
    return replace(stage, reasons=(), is_held_back=True) if is_held_back else stage


def _waits(plan: Plan) -> Iterator[Wait]:
    """Yield what a plan does not make, and why; also what the recipe excludes."""
    yield from (*plan.waits, *plan.failures)
    for excluded in plan.excluded:
        if not excluded.is_made:
            yield Wait(excluded.recipe, excluded.product, excluded.why)


def earlier_results(mirror: Path, key: str, derivation: Derivation) -> tuple[EarlierResult, ...]:
    """Return the results of the same product under other keys, newest first.

    Each comes with what differs from it to `derivation`.
    """
    records = Provenance(mirror).of_product(derivation.pipeline, derivation.product)
    others = [record for record in records if record.key != key]
    recipes = _recipes_of(mirror, {record.key for record in others})
    return tuple(
        EarlierResult(
            key=record.key,
            made_at=record.made_at,
            reasons=differences(record.derivation, derivation),
            recipes=recipes.get(record.key, ()),
        )
        for record in others
    )


def _recipes_of(mirror: Path, keys: AbstractSet[str]) -> dict[str, tuple[str, ...]]:
    """Return the recipes that published results, by key, in the newest generation that has them."""
    found: dict[str, tuple[str, ...]] = {}
    for generation in reversed(Generations(mirror).unpruned() if keys else ()):
        rows = generation.columns("key", "origin")
        pairs = sorted(set(zip(rows.column("key"), rows.column("origin"), strict=True)))
        for key in keys - found.keys():
            if recipes := tuple(origin for each, origin in pairs if each == key):
                found[key] = recipes
        if len(found) == len(keys):
            break
    return found


def parameter_origins(
    derivation: Derivation,
    recipe: Recipe,
    entries: Iterable[Entry],
    resolvers: Resolvers,
    results: ResultStore,
) -> tuple[dict[str, str], str]:
    """Return the source of each parameter of a derivation by full name, or why they are unknown.

    Where-blocks are chosen by the headers of all science inputs, parameter references by the first
    one; for a step that is run alone on a result, by the science inputs of that. The sources are
    unknown if the raw file of the first input is not in the mirror, or references are not in the
    cache; and if that input is a file of the user.
    """
    files = {entry.filename: entry for entry in entries if entry.product}
    whole, base = whole_pipeline(derivation.pipeline), recipe.products_of
    made = results.published_derivation(base, derivation.product, whole) if base else derivation
    if made is None:
        unknown = f"recipe {base} has no published result {derivation.product}"
        return {}, f"{unknown}, so the sources of parameters are not known."
    members = science_headers(made, files, results.mirror)
    if not members[0]:
        first = next(item for item in made.inputs if item.role == SCIENCE)
        name = first.path or _deciding_files(first.name)[0]
        return {}, f"{name} is not in the mirror, so the sources of parameters are not known."
    try:
        resolver = resolvers.of(recipe.python, recipe.context)
        return parameter_sources(derivation, recipe, members, resolver), ""
    except JwmirrorError as error:
        return {}, str(error)


def science_headers(made: Derivation, files: Mapping[str, Entry], mirror: Path) -> list[str]:
    """Return the headers that decide about the science inputs of a result; "" where unknown.

    `files` are MAST's, by name.
    """
    science = [item for item in made.inputs if item.role == SCIENCE]
    return ["" if item.path else _header(mirror, files, item.name) for item in science]


def _header(mirror: Path, files: Mapping[str, Entry], name: str) -> str:
    """Return the header that decides about an input; "" if it is unknown. `files` are MAST's."""
    file = next((files[name] for name in _deciding_files(name) if name in files), None)
    return described_input(mirror, file).header if file else ""


def _deciding_files(name: str) -> list[str]:
    """Return whose header decides about an input, if it is in the mirror, as in planning.inputs.

    It is that of the raw exposure, or of the file that the recipe starts from; of a file on which
    single steps are run it is that of the file itself.
    """
    root, suffix = root_and_suffix(name)
    starts = sorted(WITH_HEADER - STEP_INPUTS, reverse=True)  # uncal is the first
    return [name] if suffix in STEP_INPUTS else [f"{root}_{start}.fits" for start in starts]


def _of_program(holdings: Holdings, program: str) -> Holdings:
    """Return the files of one program only, which makes planning faster."""
    entries = (entry for entry in holdings.entries if entry.filename.startswith(program))
    return holdings._replace(entries=tuple(entries))


def _derivations(
    results: ResultStore, plans: Iterable[Plan], recipe: str, product: str
) -> Iterator[tuple[Derivation, Chain | None]]:
    """Yield how each stage of a product is made, and the chain that has to compute it, if any."""
    for plan in plans:
        for result in plan.done:
            is_asked = (result.recipe, result.product) == (recipe, product)
            derivation = results.derivation(result.key) if is_asked else None
            if derivation is not None:
                yield derivation, None
        for chain in (each for each in plan.chains if each.recipe == recipe):
            for derivation in chain.derivations:
                if product in (derivation.product, chain.product):
                    yield derivation, chain


def _stage(
    results: ResultStore,
    derivation: Derivation,
    recipe: Recipe,
    holdings: Holdings,
    resolvers: Resolvers,
    chain: Chain | None,
    roots: Mapping[tuple[str, str], tuple[Reason, ...]],
) -> StagePreview:
    key = key_of(derivation) if is_bound(derivation) else ""
    stages = (derivation.pipeline, "")  # reasons of this stage, and of the whole chain
    own = chain.reasons if chain else ()  # others are those of inputs
    published = results.published_key(recipe.name, derivation.product, derivation.pipeline)
    reasons: tuple[Reason, ...] = () if key == published else (UNPUBLISHED,)
    if chain:
        reasons = _with_roots(chain.reasons, roots.get((chain.recipe, chain.product), ()))
    sources, note = parameter_origins(derivation, recipe, holdings.entries, resolvers, results)
    return StagePreview(
        product=derivation.product,
        key=key,
        is_made=chain is None,
        derivation=derivation,
        reasons=tuple(reason for reason in reasons if reason.stage in stages or reason not in own),
        origins=sources,
        former=earlier_results(results.mirror, key, derivation),
        note=note,
    )


def _with_roots(reasons: Iterable[Reason], roots: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return the reasons of a chain, with why its inputs change in place of that they do."""
    known = tuple(roots)
    own = [reason for reason in reasons if reason.cause != "inputs" or reason in known]
    return tuple(dict.fromkeys([*own, *known]))

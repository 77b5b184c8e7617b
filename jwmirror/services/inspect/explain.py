"""How a file was made, and how a recipe would make it with the config as it is now.

MAST and CRDS are not asked.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jwmirror.config.load import Config
from jwmirror.core.errors import ConfigError, JwmirrorError, unknown
from jwmirror.core.model import UPSTREAM, Chain, Derivation, Plan, Recipe
from jwmirror.core.model.association import root_of
from jwmirror.core.model.run import Run
from jwmirror.pipeline.derivation import differences, is_bound, key_of
from jwmirror.planning.resolvers import Resolvers
from jwmirror.report.explanation import EarlierResult, Explanation, RecipePreview, StagePreview
from jwmirror.services.configure.load import load_config
from jwmirror.services.inspect.file_names import matching_paths, no_such_file
from jwmirror.services.inspect.preview import (
    ONE_BATCH,
    current_holdings,
    origins_of,
    origins_under,
    resolvers_by,
)
from jwmirror.services.run.holdings import Holdings
from jwmirror.services.run.plan import plan_levels
from jwmirror.services.run.results import ResultStore
from jwmirror.store.generations import Generations
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import last_references, last_run

PROGRAM = 7  # characters of a file name that tell its program: jw01345


@dataclass(frozen=True, kw_only=True)
class FileExplanation:
    """How files of one name were made, and how recipes would make them.

    The fields are the keys of `jwmirror explain --json`.
    """

    files: tuple[Explanation, ...]
    outlooks: tuple[RecipePreview, ...] = ()


def explain_file(
    root: Path, file: str, recipe: str | None, config_file: Path | None, settings: Sequence[str]
) -> FileExplanation:
    """Explain the files of a name in the current view, of one recipe or of all.

    Where parameters come from, and what the next run would do with a raw exposure, a file that is
    not made yet, or other `settings`, is added if there is a config file.

    Raises:
        ConfigError: the config has mistakes, and is needed: because of `settings`, or because the
            file is not in the view.
        StoreError: there is no such file.
    """
    files = _published(root, file, recipe)
    outlooks: tuple[RecipePreview, ...] = ()
    if config_file is not None:
        config, problem = _load(config_file, settings)
        if config is None and not files:
            raise ConfigError([problem])
        files = [_with_origins(explanation, root, config, problem) for explanation in files]
        if config is not None and (settings or _are_raw(files)):
            outlooks = _outlooks(root, file, recipe, config)
    if not files and not outlooks:
        current = Generations(root).needed_current()
        of_recipe = f"of recipe {recipe} " if recipe else ""
        where = f"{of_recipe}not in generation {current.number} of {root}"
        raise no_such_file(file, where, current.entries().column("path"))
    return FileExplanation(files=tuple(files), outlooks=outlooks)


def _published(root: Path, file: str, recipe: str | None) -> list[Explanation]:
    """Explain the files of a name in the current view, of a recipe or of all."""
    current, provenance = Generations(root).needed_current(), Provenance(root)
    entries = current.entries()
    paths = entries.column("path")
    wanted = set(matching_paths(file, paths))
    rows = [entries[i] for i, path in enumerate(paths) if path in wanted]
    rows = [row for row in rows if recipe in (None, row.origin)]
    records = [provenance.read(row.key) if row.key else None for row in rows]
    return [
        Explanation(
            generation=current.number,
            entry=row,
            record=record,
            former=former_results(root, record.key, record.derivation) if record else (),
        )
        for row, record in zip(rows, records, strict=True)
    ]


def _are_raw(files: Sequence[Explanation]) -> bool:
    """Return whether there is nothing but raw exposures."""
    return all(each.entry.product and each.entry.product.suffix == "uncal" for each in files)


def _load(config_file: Path, settings: Sequence[str]) -> tuple[Config | None, str]:
    """Return the config, or what is wrong with it; wrong `settings` are an error."""
    try:
        return load_config(config_file, settings), ""
    except ConfigError as error:
        if settings:
            raise
        return None, f"{config_file}: {error}"


def _with_origins(
    explanation: Explanation, root: Path, config: Config | None, problem: str
) -> Explanation:
    """Add where each parameter comes from, or a note why that is not known."""
    if explanation.record is None:
        return explanation
    if config is None:
        return replace(explanation, note=problem)
    try:
        origins = origins_of(
            explanation.entry,
            explanation.record.derivation,
            Generations(root).entries(),
            config.recipes,
            last_references(root),
            config.cache,
            config.context,
        )
    except JwmirrorError as error:
        return replace(explanation, note=str(error))
    return replace(explanation, origins=origins)


def _outlooks(
    root: Path, file: str, recipe: str | None, config: Config
) -> tuple[RecipePreview, ...]:
    """Return what recipes would do with a file; nothing before the first run."""
    run, name = last_run(root), file.rstrip("/").rpartition("/")[2]
    if run is None or recipe == UPSTREAM:
        return ()
    return outlooks(root, run, name, config.recipes, recipe, config.cache, config.context)


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
    resolvers, notes = resolvers_by(cache, last_references(mirror), context)
    holdings = _of_program(current_holdings(mirror, run, chosen), filename[:PROGRAM])
    found = []
    for recipe in chosen:
        plans = plan_levels(holdings, [recipe], resolvers, results, ONE_BATCH, is_preview=True)
        stages = tuple(
            _stage(results, derivation, recipe, holdings, resolvers, chain)
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


def _stage(
    results: ResultStore,
    derivation: Derivation,
    recipe: Recipe,
    holdings: Holdings,
    resolvers: Resolvers,
    chain: Chain | None,
) -> StagePreview:
    key = key_of(derivation) if is_bound(derivation) else ""
    stages = (derivation.pipeline, "")  # this one, or all of the chain
    reasons = chain.reasons if chain else ()
    try:
        origins, note = origins_under(derivation, recipe, holdings.entries, resolvers), ""
    except JwmirrorError as error:
        origins, note = {}, str(error)
    return StagePreview(
        product=derivation.product,
        key=key,
        is_made=chain is None,
        derivation=derivation,
        reasons=tuple(reason for reason in reasons if reason.stage in stages),
        origins=origins,
        former=former_results(results.mirror, key, derivation),
        note=note,
    )

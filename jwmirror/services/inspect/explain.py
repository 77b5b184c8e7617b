"""Explanation of how a file was made, and how a recipe would make it with the config as it is now.

MAST and CRDS are not asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jwmirror.config.load import Config
from jwmirror.core.errors import ConfigError, StoreError, unknown_name
from jwmirror.core.fits import unit_of_values
from jwmirror.core.model import UPSTREAM, Entry, ResultFile
from jwmirror.core.model.plan import ProvenanceRecord
from jwmirror.core.model.quality import JudgedResult
from jwmirror.core.model.run import Run
from jwmirror.report.explanation import Explanation, RecipePreview
from jwmirror.report.formatting import minute
from jwmirror.report.quality import quality_of
from jwmirror.services.configure.checked_config import load_checked_config
from jwmirror.services.inspect.answers.exclusive import ExclusiveData, closed_files
from jwmirror.services.inspect.file_names import matching_paths, no_such_file
from jwmirror.services.inspect.preview import resolvers_of_config
from jwmirror.services.inspect.recipe_preview import (
    earlier_results,
    parameter_origins,
    preview_recipes,
)
from jwmirror.services.inspect.software import differing_versions, installed_software
from jwmirror.services.run.holdings import why_absent
from jwmirror.services.run.results import ResultStore
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import last_run, read_undecided


@dataclass(frozen=True, kw_only=True)
class FileExplanation:
    """The explanation of the files of one name, and how recipes would make them.

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
    run = last_run(root)
    files = [*_published(root, file, recipe, run), *_held_back(root, file, recipe, run)]
    outlooks: tuple[RecipePreview, ...] = ()
    if config_file is not None:
        config, problem = _load(config_file, settings)
        if config is None and not files:
            raise ConfigError(problem.splitlines())
        files = [_with_origins(explanation, root, config, problem) for explanation in files]
        if config is not None and recipe != UPSTREAM and (settings or _are_raw(files)):
            outlooks = preview_recipes(root, file.rstrip("/").rpartition("/")[2], recipe, config)
    if not files and not outlooks:
        raise _no_file(root, file, recipe, run)
    return FileExplanation(files=tuple(files), outlooks=outlooks)


def _no_file(root: Path, file: str, recipe: str | None, run: Run | None) -> StoreError:
    """Return the error of a name without files: why the last poll did not get it, if it tried."""
    current = Generations(root).require_current()
    entries, where = current.entries(), f"in generation {current.number} of {root}"
    recipes = sorted(set(entries.column("origin")))
    if recipe and recipe not in recipes:
        return StoreError(f"{unknown_name('recipe', recipe, recipes)}; these are {where}")
    of_recipe = f"of recipe {recipe} " if recipe else ""
    for change in run.changes if run else ():
        if change.product.filename == file and recipe in (None, UPSTREAM):
            why = " ".join(_refusals(run, file)) or f"{file} {why_absent(change)}"
            return StoreError(f"{why.rstrip('.')}; it is not {where}.")
    return no_such_file(root, file, f"{of_recipe}not {where}", entries.column("path"))


def _published(root: Path, file: str, recipe: str | None, run: Run | None) -> Iterator[Explanation]:
    """Explain the files of a name in the current view, of a recipe or of all."""
    current, provenance = Generations(root).require_current(), Provenance(root)
    entries = current.entries()
    paths = entries.column("path")
    wanted = set(matching_paths(file, paths))
    rows = entries.rows([row for row, path in enumerate(paths) if path in wanted])
    exclusive = ExclusiveData(root, entries, closed_files(root, entries, rows))
    for entry in rows:
        if recipe in (None, entry.origin):
            record = provenance.read_if_allowed(entry.key) if entry.key else None
            former = earlier_results(root, record.key, record.derivation) if record else ()
            explanation = Explanation(
                generation=current.number,
                entry=entry,
                record=record,
                former=former,
                exclusive=exclusive.words(entry),
                units=_units(root, record),
            )
            yield _with_quality(_with_open_questions(explanation, root, run))


def _units(root: Path, record: ProvenanceRecord | None) -> dict[str, str]:
    """Return the unit of the values of each file of a result; those that have none are left out."""
    files = record.files if record and record.measurements else ()
    path = Objects(root).path
    units = {each.filename: unit_of_values(path(each.sha256)) for each in files}
    return {name: unit for name, unit in units.items() if unit}


def _with_open_questions(explanation: Explanation, root: Path, run: Run | None) -> Explanation:
    """Add what the last `run` refused, doubts or could not decide about a file of MAST."""
    product = explanation.entry.product
    if product is None:
        return explanation
    words = list(_refusals(run, product.filename))
    doubts = run.poll.doubts if run and run.poll else ()
    words += [f"doubted: {doubt}" for doubt in doubts if doubt.covers(product.filename)]
    if since := read_undecided(root).get(product.uri):
        words.append(
            f"undecided: MAST lists no checksum of it, so that a change may show no sign; not "
            f"compared since {minute(since)}; archive.recheck_gb_per_run in the config reads such "
            "files again"
        )
    return replace(explanation, at_mast=tuple(words))


def _refusals(run: Run | None, filename: str) -> Iterator[str]:
    """Yield why a run, or an earlier one, refused the version of a file that MAST lists."""
    for refused in run.still_refused if run else ():
        if refused.filename == filename:
            yield str(refused)
            return
    for receipt in run.fetch_receipts if run else ():
        for failure in receipt.failures:
            if failure.refused and failure.name == filename:
                yield f"refused: {failure.message}"


def _with_quality(explanation: Explanation) -> Explanation:
    """Add the quality that the row of a result has."""
    entry = explanation.entry
    return replace(explanation, quality=quality_of(entry)) if entry.key else explanation


def _held_back(root: Path, file: str, recipe: str | None, run: Run | None) -> Iterator[Explanation]:
    """Explain the files of a name that the last `run` did not publish, because of their quality."""
    generation = Generations(root).require_current().number
    for result in run.held_back if run else ():
        record = Provenance(root).read_if_allowed(result.key)
        for made in result.files:
            path = f"{result.recipe}/{made.filename}"
            if recipe not in (None, result.recipe) or not matching_paths(file, [path]):
                continue
            yield Explanation(
                generation=generation,
                entry=_row_of(result, made, path),
                record=record,
                quality=result.quality,
                units=_units(root, record),
                is_published=False,
            )


def _row_of(result: JudgedResult, file: ResultFile, path: str) -> Entry:
    """Return a file of a result that is not published as a row; its path is not in the view."""
    return Entry(
        path=path,
        origin=result.recipe,
        sha256=file.sha256,
        size=file.size,
        identity=file.identity,
        result=f"{result.pipeline}/{result.product}",
        key=result.key,
        quality=result.quality.word,
    )


def _are_raw(files: Sequence[Explanation]) -> bool:
    """Return whether there is nothing but raw exposures."""
    return all(each.entry.product and each.entry.product.suffix == "uncal" for each in files)


def _load(config_file: Path, settings: Sequence[str]) -> tuple[Config | None, str]:
    """Return the config, or what is wrong with it; wrong `settings` are an error."""
    try:
        return load_checked_config(config_file, settings), ""
    except ConfigError as error:
        if settings:
            raise
        return None, f"{config_file}: {'; '.join(error.mistakes)}"


def _with_origins(
    explanation: Explanation, root: Path, config: Config | None, problem: str
) -> Explanation:
    """Add where each parameter comes from, or a note why that is not known."""
    if explanation.record is None:
        return explanation
    if config is None:
        return replace(explanation, note=problem)
    recipe_name = explanation.entry.origin
    recipe = next((recipe for recipe in config.recipes if recipe.name == recipe_name), None)
    if recipe is None:
        why = f"recipe {recipe_name} is not in the config, so the sources of parameters are unknown"
        return replace(explanation, note=f"{why}.")
    resolvers, _ = resolvers_of_config(root, config)
    entries = Generations(root).entries()
    derivation = explanation.record.derivation
    origins, note = parameter_origins(derivation, recipe, entries, resolvers, ResultStore(root))
    installed = installed_software([recipe], resolvers).get(recipe.name, {})
    others = tuple(differing_versions(explanation.record.software, installed))
    return replace(explanation, origins=origins, note=note, other_versions=others)

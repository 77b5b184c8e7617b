"""`jwmirror explain`: where a file comes from, and what a recipe would make of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jwmirror.cli.app import (
    CONFIG,
    AskedConfig,
    Json,
    Mirror,
    Settings,
    app,
    console,
    mirror_of,
    print_json,
    told,
)
from jwmirror.core.errors import ConfigError, JwmirrorError, StoreError
from jwmirror.report.explanation import Explanation, RecipePreview, matching_paths, similar_names
from jwmirror.report.terminal import explain as pages
from jwmirror.store.runs import last_references, last_run

if TYPE_CHECKING:
    from jwmirror.config.load import Config


@app.command()
def explain(
    file: Annotated[str, typer.Argument(help="A file by name, or by path in the view.")],
    recipe: Annotated[
        str | None, typer.Option(help="Only that recipe's file, or `upstream`.")
    ] = None,
    config: AskedConfig = None,
    mirror: Mirror = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Why a file is what it is: pedigree; or recipe, key, parameters, references and inputs.

    Of a file that the recipe has not made, and with --set: what the next run would do. Where each
    parameter's value comes from is told by the config; not with just --mirror.
    """
    with told():
        root = mirror_of(mirror, config or CONFIG)
        found = _explanations(root, file, recipe)
        ahead: tuple[RecipePreview, ...] = ()
        if config is not None or mirror is None:
            asked, why = _config(config or CONFIG, settings or ())
            found = [_with_origins(each, root, asked, why) for each in found]
            if asked is None and not found:
                raise ConfigError([why])
            if asked is not None and (not found or settings or _is_raw(found)):
                ahead = _outlooks(root, file, recipe, asked)
        if not found and not ahead:
            raise _nothing(root, file, recipe)
    for each in [] if as_json else found:
        console().print(pages.explanation_page(each))
    for each in [] if as_json else ahead:
        console().print(pages.outlook_page(each))
    if as_json:
        print_json({"files": found, "outlooks": ahead})


def _is_raw(found: Sequence[Explanation]) -> bool:
    """Whether a raw exposure is told of, and nothing else."""
    return all(each.entry.product and each.entry.product.suffix == "uncal" for each in found)


def _config(config: Path, settings: Sequence[str]) -> "tuple[Config | None, str]":
    """The config; or why it cannot tell anything. Wrong settings are an error."""
    from jwmirror.config.load import load

    try:
        return load(config, settings), ""
    except ConfigError as error:
        if settings:
            raise
        return None, f"{config}: {error}"


def _explanations(root: Path, file: str, recipe: str | None) -> list[Explanation]:
    """What the current view has under a name, of a recipe or of all."""
    from jwmirror.services.inspect.explain import former_results
    from jwmirror.store.generations import Generations
    from jwmirror.store.provenance import Provenance

    current = Generations(root).current()
    if current is None:
        raise StoreError(f"{root}: no generation is published yet; run `snakemake` first.")
    entries, provenance = current.entries(), Provenance(root)
    paths = entries.column("path")
    wanted = set(matching_paths(file, paths))
    rows = [entries[place] for place, path in enumerate(paths) if path in wanted]
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


def _nothing(root: Path, file: str, recipe: str | None) -> StoreError:
    """There is no such file; suggestions."""
    from jwmirror.store.generations import Generations

    current = Generations(root).current()
    near = similar_names(file, current.entries().column("path"))
    hint = f"did you mean {', '.join(near)}?" if near else "see `jwmirror status` for what is"
    of = f" of recipe {recipe}" if recipe else ""
    return StoreError(f"{file}{of}: not in generation {current.number} of {root}; {hint}")


def _with_origins(
    explanation: Explanation, root: Path, asked: "Config | None", why: str
) -> Explanation:
    """The explanation with where its parameters come from, or why that cannot be told."""
    if explanation.record is None:
        return explanation
    if asked is None:
        return replace(explanation, note=why)
    from jwmirror.services.inspect.preview import origins_of  # imports jwst: seconds
    from jwmirror.store.generations import Generations

    try:
        found = origins_of(
            explanation.entry,
            explanation.record.derivation,
            Generations(root).entries(),
            asked.recipes,
            last_references(root),
            asked.cache,
            asked.context,
        )
    except JwmirrorError as error:
        return replace(explanation, note=str(error))
    return replace(explanation, origins=found)


def _outlooks(
    root: Path, file: str, recipe: str | None, asked: "Config"
) -> tuple[RecipePreview, ...]:
    """What recipes would do with a file; nothing where no run has polled yet."""
    from jwmirror.services.inspect.explain import outlooks  # imports jwst: seconds

    run, name = last_run(root), file.rstrip("/").rpartition("/")[2]
    if run is None or recipe == "upstream":
        return ()
    return outlooks(root, run, name, asked.recipes, recipe, asked.cache, asked.context)

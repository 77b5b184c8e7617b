"""`jwmirror explain`: where a file comes from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

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
from jwmirror.errors import JwmirrorError, StoreError
from jwmirror.report import console as pages
from jwmirror.report.explanations import Explanation, named, nearest
from jwmirror.report.runs import last_references


@app.command()
def explain(
    file: Annotated[str, typer.Argument(help="A file of the current view, by name or path.")],
    recipe: Annotated[
        str | None, typer.Option(help="Only that recipe's file, or `upstream`.")
    ] = None,
    config: AskedConfig = None,
    mirror: Mirror = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Why a file is what it is: pedigree; or recipe, key, parameters, references and inputs.

    Where each parameter's value comes from is told by the config; not with just --mirror.
    """
    with told():
        root = mirror_of(mirror, config or CONFIG)
        found = _explanations(root, file, recipe)
        if config is not None or mirror is None:
            found = [_with_origins(each, root, config or CONFIG, settings or ()) for each in found]
    for each in [] if as_json else found:
        console().print(pages.explanation_page(each))
    if as_json:
        print_json({"files": found})


def _explanations(root: Path, file: str, recipe: str | None) -> list[Explanation]:
    """What the current view has under a name; StoreError with suggestions if nothing."""
    from jwmirror.store.generations import Generations
    from jwmirror.store.provenance import Provenance

    current = Generations(root).current()
    if current is None:
        raise StoreError(f"{root}: no generation is published yet; run `snakemake` first.")
    entries, provenance = current.entries(), Provenance(root)
    paths = entries.column("path")
    wanted = set(named(file, paths))
    rows = [entries[place] for place, path in enumerate(paths) if path in wanted]
    rows = [row for row in rows if recipe in (None, row.origin)]
    if not rows:
        near = nearest(file, paths)
        hint = f"did you mean {', '.join(near)}?" if near else "see `jwmirror status` for what is"
        of = f" of recipe {recipe}" if recipe else ""
        raise StoreError(f"{file}{of}: not in generation {current.number} of {root}; {hint}")
    return [
        Explanation(
            generation=current.number,
            entry=row,
            record=provenance.read(row.key) if row.key else None,
        )
        for row in rows
    ]


def _with_origins(
    explanation: Explanation, root: Path, config: Path, settings: Sequence[str]
) -> Explanation:
    """The explanation with where its parameters come from, or why that cannot be told."""
    if explanation.record is None:
        return explanation
    from jwmirror.config import load
    from jwmirror.preview import origins_of  # imports jwst: seconds
    from jwmirror.store.generations import Generations

    try:
        asked = load(config, settings)
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
        return replace(explanation, note=f"{config}: {error}")
    return replace(explanation, origins=found)

"""Pages of `jwmirror explain`, as rich renderables: how a file was made, and what would be made."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from jwmirror.core.model import DEFAULT, Derivation, Product
from jwmirror.core.model.product import PEDIGREE
from jwmirror.report import formatting
from jwmirror.report.explanation import (
    EarlierResult,
    Explanation,
    RecipePreview,
    StagePreview,
    parameters_by_step,
)
from jwmirror.report.formatting import empty_table

FORMER = 5  # results under other keys that a page lists


def explanation_page(explanation: Explanation) -> RenderableType:
    """One file: what it is and, if it was made here, from what, with what, and how."""
    entry, record = explanation.entry, explanation.record
    facts = Table(box=None, show_header=False)
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    for name, value in _facts(explanation):
        facts.add_row(name, escape(str(value)))
    parts: list[RenderableType] = [Text(entry.path, style="bold"), facts]
    if record:
        parts += _derivation(record.derivation, explanation.origins)
        parts += _former(explanation.former)
    return Group(*parts, Text(f"\n{explanation.note}" if explanation.note else ""))


def outlook_page(outlook: RecipePreview) -> RenderableType:
    """What a recipe would do with a file, stage by stage."""
    parts: list[RenderableType] = []
    for stage in outlook.stages:
        parts += _stage(outlook.recipe, stage)
    for wait in outlook.waits:
        parts.append(
            Text.assemble((f"\n{outlook.recipe}: {wait.product}", "bold"), f"  {wait.why}")
        )
    return Group(*parts, *(Text(note, style="dim") for note in outlook.notes))


def _stage(recipe: str, stage: StagePreview) -> Iterator[RenderableType]:
    made = stage.derivation
    state = "made before; the next run takes it" if stage.is_made else "the next run computes it"
    yield Text.assemble((f"\n{recipe}: {made.pipeline} of {stage.product}", "bold"), f"  {state}")
    for reason in stage.reasons:
        yield Text(f"  {reason}")
    yield Text(f"key {stage.key or 'not known before its inputs are made'}")
    yield Text(f"{made.pipeline} of {_versions(made)}", style="dim")
    yield from _derivation(made, stage.origins)
    yield from _former(stage.former, "nothing" if stage.key else "inputs that are still to be made")
    if stage.note:
        yield Text(stage.note, style="dim")


def _derivation(made: Derivation, origins: Mapping[str, str]) -> Iterator[RenderableType]:
    """What the key hashes besides the engine: inputs, references, hooks, parameters."""
    yield _inputs(made)
    yield from _references(made)
    if made.hooks:
        table = empty_table("Own code", "hook or function", "sha256")
        for hook in made.hooks:
            table.add_row(*map(escape, hook))
        yield table
    yield from _parameters(made, origins)


def _former(
    former: Sequence[EarlierResult], otherwise: str = "nothing"
) -> Iterator[RenderableType]:
    """Results under other keys, and what differs."""
    if not former:
        return
    table = empty_table("Results under other keys", "key", "made", "what differs from this one")
    for each in former[:FORMER]:
        differ = "\n".join(map(str, each.reasons)) or otherwise
        table.add_row(each.key[:12], formatting.minute(each.made_at), escape(differ))
    yield table
    if len(former) > FORMER:
        yield Text(f"... and {len(former) - FORMER} older; --json lists them", style="dim")


def _facts(explanation: Explanation) -> Iterator[tuple[str, object]]:
    entry, record = explanation.entry, explanation.record
    yield "generation", explanation.generation
    yield "object", f"{entry.sha256} ({formatting.size(entry.size)})"
    yield "state", entry.state
    if entry.product:
        yield from _pedigree(entry.product)
    if entry.refusal:
        yield "cannot be recalibrated", entry.refusal
    if entry.key:
        yield "recipe", entry.origin
        yield "key", entry.key
        yield "valid under", entry.context
    if record:
        made = record.derivation
        yield "pipeline", f"{made.pipeline} ({_versions(made)})"
        yield "made", f"{formatting.minute(record.made_at)} in {record.seconds:.1f} s"


def _pedigree(product: Product) -> Iterator[tuple[str, object]]:
    yield "uri", product.uri
    for name in (*PEDIGREE, "checksum", "release_date"):
        if value := getattr(product, name):
            yield name, value
    yield "access", "exclusive" if product.exclusive else "public"


def _versions(made: Derivation) -> str:
    return ", ".join(f"{name} {version}" for name, version in made.engine.items())


def _inputs(made: Derivation) -> Table:
    table = empty_table("Inputs", "input", "role", "science identity", whole=("input",))
    for each in made.inputs:
        table.add_row(each.name, each.role, each.identity or "still to be made")
    return table


def _references(made: Derivation) -> Iterator[RenderableType]:
    """Those that there are, and in one line the types of which CRDS has none for it."""
    table = empty_table("References", "type", "reference", "sha1", whole=("reference",))
    for kind, (name, sha1) in sorted(made.references.items()):
        if sha1:
            table.add_row(kind, name, sha1)
    yield table
    if without := [kind for kind, (_, sha1) in sorted(made.references.items()) if not sha1]:
        yield Text(f" N/A: {', '.join(without)}", style="dim")


def _parameters(made: Derivation, origins: Mapping[str, str]) -> Iterator[Table]:
    """All of them; and before them, where that is known, those that are not jwst's defaults."""
    columns = ("step", "parameter", "value", *(["from"] if origins else []))
    own = empty_table("Parameters that are set", *columns, whole=("parameter",))
    table = empty_table("All parameters", *columns, whole=("parameter",))
    for step, parameters in parameters_by_step(made).items():
        prefix = "" if step == made.pipeline else f"{step}."
        for name, value in sorted(parameters.items()):
            origin = origins.get(f"{prefix}{name}", "")
            row = (step, name, escape(str(value)), *([escape(origin)] if origins else []))
            table.add_row(*row)
            if origin not in ("", DEFAULT):
                own.add_row(*row)
    if own.row_count:
        yield own
    yield table

"""Terminal pages of `jwmirror explain`: how a file was made, and what the next run would make."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jwmirror.core.model import Derivation, Product, Reason
from jwmirror.core.model.history.reasons import words_of
from jwmirror.core.model.plan import DEFAULT
from jwmirror.core.model.product import PEDIGREE
from jwmirror.core.model.stored import PRESENT
from jwmirror.report import formatting
from jwmirror.report.explanation import (
    EarlierResult,
    Explanation,
    RecipePreview,
    StagePreview,
    parameters_by_step,
)
from jwmirror.report.formatting import empty_table
from jwmirror.report.quality import caveat_text, quality_text, unit_of_quantity

EARLIER = 5  # earlier results that a page lists
REASONS = 2  # of each, in one line


def explanation_page(explanation: Explanation, verbose: bool = False) -> RenderableType:
    """Return what one file is and, if it was recalibrated, how it was made; `verbose`: hashes."""
    record = explanation.record
    facts = Table(box=None, show_header=False)
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    for name, value in _facts(explanation, verbose):
        facts.add_row(name, str(value))
    state = "" if explanation.is_published else "  not published, because of its quality"
    title = Text.assemble((explanation.entry.path, "bold"), state)
    parts: list[RenderableType] = [title, facts, *_quality(explanation)]
    if record:
        parts += _derivation(record.derivation, explanation.origins, verbose)
        parts += _earlier_results(explanation.former, verbose)
    return Group(*parts, Text(f"\n{explanation.note}" if explanation.note else ""))


def _quality(explanation: Explanation) -> Iterator[RenderableType]:
    """Yield the quality, its reasons, and what was measured."""
    if explanation.quality is None:
        return
    yield Text.assemble(("\nQuality: ", "bold"), quality_text(explanation.quality))
    for caveat in explanation.quality.caveats:
        yield Text(f"  {caveat_text(caveat)}")
    measurements = explanation.record.measurements if explanation.record else None
    if measurements is None:
        return
    table = empty_table("Measured", "file or member", "quantity", "value", "unit")
    for name, quantities in sorted((measurements.files | measurements.members).items()):
        for quantity, value in sorted(quantities.items()):
            unit = unit_of_quantity(quantity, explanation.units.get(name, ""))
            table.add_row(name, quantity, f"{value:.5g}", unit)
    yield table
    yield Text("What they mean, and the limits, are in docs/quality.md.", style="dim")


def outlook_page(preview: RecipePreview, verbose: bool = False) -> RenderableType:
    """Return what a recipe would do with a file, stage by stage; `verbose`: hashes."""
    parts: list[RenderableType] = []
    for stage in preview.stages:
        parts += _stage(preview.recipe, stage, verbose)
    for wait in preview.waits:
        title = f"\n{preview.recipe}: {wait.product}"
        parts.append(Text.assemble((title, "bold"), f"  {wait.why}"))
    return Group(*parts, *(Text(note, style="dim") for note in preview.notes))


def _stage(recipe: str, stage: StagePreview, verbose: bool) -> Iterator[RenderableType]:
    derivation = stage.derivation
    title = f"\n{recipe}: {derivation.pipeline} of {stage.product}"
    if stage.is_held_back:
        state = "computed; not published, because of its quality"
    elif stage.is_made:
        state = "computed; the next run will publish it" if stage.reasons else "published"
    else:
        state = "the next run will compute it"
    yield Text.assemble((title, "bold"), f"  {state}")
    for reason in stage.reasons:
        yield Text(f"  {words_of(reason)}")
    if verbose:
        yield Text(f"key {stage.key or 'unknown until its inputs are computed'}")
    yield Text(f"{derivation.pipeline} of {_versions(derivation)}", style="dim")
    yield from _derivation(derivation, stage.origins, verbose)
    equal = "nothing" if stage.key else "inputs that are not computed yet"
    yield from _earlier_results(stage.former, verbose, equal)
    if stage.note:
        yield Text(stage.note, style="dim")


def _derivation(
    derivation: Derivation, origins: Mapping[str, str], verbose: bool
) -> Iterator[RenderableType]:
    """Yield what the key contains, except the engine: inputs, references, code, parameters."""
    yield _input_table(derivation, verbose)
    yield from _references(derivation, verbose)
    if derivation.hooks:
        table = empty_table("User code", "hook or function", *_if(verbose, "sha256"))
        for name, sha256 in derivation.hooks:
            table.add_row(name, *_if(verbose, sha256))
        yield table
    yield from _parameter_tables(derivation, origins)


def _if(verbose: bool, *cells: str) -> tuple[str, ...]:
    """Return cells of a table that only a verbose one has."""
    return cells if verbose else ()


def _earlier_results(
    results: Sequence[EarlierResult], verbose: bool, equal: str = "nothing"
) -> Iterator[RenderableType]:
    """Yield the newest results under other keys, and how they differ (`equal`: not at all)."""
    if not results:
        return
    columns = ("recipe", *_if(verbose, "key"), "made", "differs from this one in")
    table = empty_table("Other results of this file", *columns, whole=("recipe", "made"))
    for result in results[:EARLIER]:
        recipes, key = ", ".join(result.recipes) or "not published", result.key[:12]
        words = _in_lines(result.reasons) if verbose else _in_one_line(result.reasons)
        made = formatting.minute(result.made_at)
        table.add_row(recipes, *_if(verbose, key), made, words or equal)
    yield table
    if len(results) > EARLIER:
        yield Text(f"... and {len(results) - EARLIER} more; --json lists them", style="dim")


def _in_lines(reasons: Sequence[Reason]) -> str:
    return "\n".join(each.with_hashes for each in reasons)


def _in_one_line(reasons: Sequence[Reason]) -> str:
    """Return the first reasons, the content of all inputs as one, and how many more there are."""
    inputs = [reason for reason in reasons if reason.cause == "inputs"]
    named = [each for each in reasons if each not in inputs] if len(inputs) > 1 else reasons
    words = [str(each).removeprefix(f"{each.stage}: ") for each in named]
    words += [f"content of {len(inputs)} inputs changed"] if len(inputs) > 1 else []
    more = [f"and {len(words) - REASONS} more"] if len(words) > REASONS else []
    return "; ".join([*words[:REASONS], *more])


def _facts(explanation: Explanation, verbose: bool) -> Iterator[tuple[str, object]]:
    """Yield names and values of the first table."""
    entry, record = explanation.entry, explanation.record
    yield "generation", explanation.generation
    yield "size", formatting.size(entry.size)
    if verbose:
        yield "sha256", entry.sha256
    yield "state", "present" if entry.state == PRESENT else "present; no longer listed at MAST"
    if entry.product:
        yield from _pedigree(entry.product, verbose)
    if explanation.exclusive and not entry.product:
        yield "access", explanation.exclusive
    for words in explanation.at_mast:
        yield "at MAST", words
    if entry.refusal:
        yield "cannot be recalibrated", entry.refusal
    if entry.key:
        yield "recipe", entry.origin
        if verbose:
            yield "key", entry.key
        yield "valid under", f"{entry.context} (newest context checked)"
    if explanation.other_versions:
        versions = "; ".join(map(str, explanation.other_versions))
        yield "software, then -> now", f"{versions} (not in the key)"
    if record:
        yield "pipeline", f"{record.derivation.pipeline} ({_versions(record.derivation)})"
        for name in record.derivation.engine.keys() & record.software.keys():
            yield "code", record.software[name]
        for name, because in record.excluded.items():
            yield "made without", f"{name}: {because}"
        yield "made", f"{formatting.minute(record.made_at)} in {record.seconds:.1f} s"


def _pedigree(product: Product, verbose: bool) -> Iterator[tuple[str, object]]:
    yield "uri", product.uri
    for name in (*PEDIGREE, *_if(verbose, "checksum"), "release_date"):
        if value := getattr(product, name):
            yield name, value
    yield "access", product.access


def _versions(derivation: Derivation) -> str:
    return ", ".join(f"{name} {version}" for name, version in derivation.engine.items())


def _input_table(derivation: Derivation, verbose: bool) -> Table:
    columns = ("input", "role", *_if(verbose, "science identity"))
    table = empty_table("Inputs", *columns, whole=("input",))
    for item in derivation.inputs:
        role = f"{item.role}, own file {item.path}" if item.path else item.role
        role += "" if item.identity or verbose else " (not computed yet)"
        table.add_row(item.name, role, *_if(verbose, item.identity or "not computed yet"))
    return table


def _references(derivation: Derivation, verbose: bool) -> Iterator[RenderableType]:
    """Yield the table of references, then the types for which CRDS has no reference (N/A)."""
    columns = ("type", "reference", *_if(verbose, "sha1"))
    table = empty_table("References", *columns, whole=("reference",))
    references = sorted(derivation.references.items())
    for reference_type, (name, sha1) in references:
        if sha1:
            table.add_row(reference_type, name, *_if(verbose, sha1))
    yield table
    if absent := [reference_type for reference_type, (_, sha1) in references if not sha1]:
        yield Text(f" N/A: {', '.join(absent)}", style="dim")


def _parameter_tables(derivation: Derivation, origins: Mapping[str, str]) -> Iterator[Table]:
    """Yield the parameters that are not defaults of jwst, if origins are known; then all."""
    columns = ("step", "parameter", "value", *(["from"] if origins else []))
    changed = empty_table("Parameters that are set", *columns, whole=("parameter",))
    table = empty_table("All parameters", *columns, whole=("parameter",))
    for step, parameters in parameters_by_step(derivation).items():
        prefix = "" if step == derivation.pipeline else f"{step}."
        for name, value in sorted(parameters.items()):
            origin = origins.get(f"{prefix}{name}", "")
            row = (step, name, str(value), *([origin] if origins else []))
            table.add_row(*row)
            if origin not in ("", DEFAULT):
                changed.add_row(*row)
    if changed.row_count:
        yield changed
    yield table

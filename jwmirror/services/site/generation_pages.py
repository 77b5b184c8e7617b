"""The pages of generations, and the timeline."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from jwmirror.core.model.history.causes import Cause
from jwmirror.core.model.stored import Generation, Setup
from jwmirror.core.names import root_and_suffix
from jwmirror.report.formatting import without_folder
from jwmirror.report.history import History
from jwmirror.report.site import addresses
from jwmirror.report.site.records import (
    ChangedFile,
    GenerationPage,
    ParameterChange,
    RecalibratedFile,
    SetValue,
    TimelineEntry,
)
from jwmirror.services.inspect.answers.recommended import is_mosaic
from jwmirror.services.site.differences import DifferingFile, GenerationDifferences
from jwmirror.services.site.effects.measured import measured_effects
from jwmirror.services.site.made_results import MadeResults
from jwmirror.store.rows.differences import CHANGED, MARKED, NEW

MOST_PAGES = 500
MOST_ON_TIMELINE = 60
MOST_CAUSES = 6  # of a generation on the timeline
MOST_FILES = 400  # of one kind, on a page
MOST_RESULTS = 400
KINDS = {
    NEW: "new files",
    CHANGED: "changed files",
    "gone": "files that are gone",
    MARKED: "files with new information only",
}
SOFTWARE = ("jwmirror", "jwst", "stcal", "stdatamodels", "crds", "astropy", "numpy", "python")
PRUNED = "It was pruned: which files it had is not known any more."


def marks_of(history: History, number: int) -> tuple[str, ...]:
    """Return what distinguishes a generation, in words."""
    marks = [f"pin {name}" for name in history.names.get(str(number), ())]
    if number == history.current:
        marks.insert(0, "current")
    elif number not in history.line:
        marks.insert(0, "set aside")
    if number in history.pruned:
        marks.append("pruned")
    return tuple(marks)


def timeline(history: History, numbers: Collection[int]) -> tuple[TimelineEntry, ...]:
    """Return the newest generations; those in `numbers` have pages."""
    return tuple(
        TimelineEntry(
            number=each.number,
            made_at=each.made_at,
            causes=published_words(each)[:MOST_CAUSES],
            more=len(each.what_happened[MOST_CAUSES:]),
            counts=each.counts,
            context=each.facts.get("context", ""),
            marks=marks_of(history, each.number),
            page=addresses.generation_address(each.number) if each.number in numbers else "",
        )
        for each in history.generations[:MOST_ON_TIMELINE]
    )


def parameter_change(
    history: History,
    numbers: Collection[int],
    differing: Mapping[int, Sequence[DifferingFile]],
) -> ParameterChange | None:
    """Return the newest generation of the current line in which a parameter is a cause.

    `differing` are the files that the site shows of each generation, where they are known.
    """
    for each in history.generations:
        words = parameter_causes(each)
        if words and each.number in history.line and each.number in numbers:
            return ParameterChange(
                words=f"Generation {each.number}: {'; '.join(words[:2])}",
                page=addresses.generation_address(each.number),
                command=_comparing_command(each, differing.get(each.number)),
            )
    return None


def _comparing_command(generation: Generation, files: Sequence[DifferingFile] | None) -> str:
    """Return the command that shows what a parameter did: to a mosaic, if it changed one."""
    if files is None:  # the generation, or the one before it, was pruned
        return "jwmirror log"
    recipes = {cause.recipe for cause in _of_parameters(generation)}
    changed = [f for f in files if f.origin in recipes and f.kind == CHANGED and f.key]
    names = [(f.origin, f.path.rpartition("/")[2]) for f in changed]
    mosaics = (named for named in names if is_mosaic(named[1]))
    found = next(mosaics, next(iter(names), None))
    sides = generation.parent, generation.number
    if not found:
        return f"jwmirror diff {sides[0]} {sides[1]}"
    recipe, name = found
    return f"jwmirror diff {sides[0]}:{recipe} {sides[1]}:{recipe} {name}"


def published_words(generation: Generation) -> tuple[str, ...]:
    """Return the causes of a generation in words, which name no folder of the config."""
    return tuple(map(without_folder, generation.what_happened))


def parameter_causes(generation: Generation) -> tuple[str, ...]:
    """Return the causes of a generation that are parameters, in words."""
    return tuple(without_folder(str(cause)) for cause in _of_parameters(generation))


def _of_parameters(generation: Generation) -> list[Cause]:
    return [cause for cause in generation.causes if cause.kind == "parameter"]


@dataclass(frozen=True, kw_only=True)
class GenerationContext:
    """What the page of a generation depends on besides its record and its files."""

    history: History
    earlier: int | None
    later: int | None
    product_pages: Mapping[str, str]  # by root
    current_paths: Mapping[str, str]  # sha256 that the current view shows, by path


def generation_page(
    generation: Generation,
    differing: GenerationDifferences | None,
    setup: Setup | None,
    context: GenerationContext,
    results: MadeResults,
    is_hidden: Callable[[DifferingFile], bool],
    details: Callable[[DifferingFile], str],
    comparisons: Sequence[object] = (),
    waiting: str = "",
    effects: Sequence[str] = (),
) -> GenerationPage:
    """Return the page of a generation; hidden files are counted. `details` are of a file."""
    files = differing.files if differing else ()
    shown = [each for each in files if not is_hidden(each)]
    listed, left_out = _listed(shown, differing.left_out if differing else {})
    changed = [each for each in shown if each.key and each.kind in (NEW, CHANGED)]
    number, history = generation.number, context.history
    return GenerationPage(
        number=number,
        made_at=generation.made_at,
        run=generation.facts.get("run", ""),
        context=generation.facts.get("context", ""),
        causes=published_words(generation),
        parameters=_explained_parameters(generation, setup, results),
        effects=(*measured_effects(changed, results), *effects),
        counts=generation.counts,
        parent=generation.parent,
        marks=marks_of(history, number),
        earlier=context.earlier,
        later=context.later,
        files=tuple(_changed_file(each, context, details) for each in listed),
        shown_of={KINDS[kind]: rest for kind, rest in left_out.items() if kind in KINDS},
        hidden=len(files) - len(shown),
        recalibrated=_recalibrated(changed[:MOST_RESULTS], context, results),
        recalibrated_in_all=len(changed),
        settings=_settings(changed, results),
        software=_software(setup),
        comparisons=tuple(comparisons),
        waiting=waiting,
        note="" if differing else PRUNED,
    )


def _listed(
    shown: Sequence[DifferingFile], left_out: Mapping[str, int]
) -> tuple[list[DifferingFile], dict[str, int]]:
    """Return the files that a page lists; and how many it leaves out, by kind."""
    listed: list[DifferingFile] = []
    rest = dict(left_out)
    for kind in KINDS:
        of_kind = [each for each in shown if each.kind == kind]
        listed += of_kind[:MOST_FILES]
        if more := len(of_kind[MOST_FILES:]):
            rest[kind] = rest.get(kind, 0) + more
    return listed, rest


def _root(each: DifferingFile) -> str:
    return root_and_suffix(each.path.rpartition("/")[2])[0]


def _changed_file(
    each: DifferingFile, context: GenerationContext, details: Callable[[DifferingFile], str]
) -> ChangedFile:
    is_there = bool(each.new) and context.current_paths.get(each.path) == each.new
    return ChangedFile(
        path=each.path,
        kind=each.kind,
        details=details(each),
        page=context.product_pages.get(_root(each), ""),
        link=each.path if is_there else "",
    )


def _recalibrated(
    changed: Iterable[DifferingFile], context: GenerationContext, results: MadeResults
) -> tuple[RecalibratedFile, ...]:
    return tuple(_recalibrated_file(each, context, results) for each in changed)


def _recalibrated_file(
    each: DifferingFile, context: GenerationContext, results: MadeResults
) -> RecalibratedFile:
    record, filename = results.record(each.key), each.path.rpartition("/")[2]
    return RecalibratedFile(
        recipe=each.origin,
        filename=filename,
        pipeline=record.derivation.pipeline if record else "",
        page=context.product_pages.get(_root(each), ""),
        seconds=record.seconds if record else 0.0,
        quality=each.quality,
        measured=results.measured_changes(each.old_key, each.key, filename),
    )


def _settings(
    changed: Iterable[DifferingFile], results: MadeResults
) -> dict[str, tuple[SetValue, ...]]:
    """Return the parameters that are not jwst's defaults, once for each recipe and pipeline.

    Where-blocks may set others for some exposures: then what any result has is listed.
    """
    found: dict[str, dict[SetValue, None]] = {}
    for each in changed:
        record = results.record(each.key)
        if record:
            settings, note = results.settings(record.derivation, each.origin)
            if not note:
                name = f"Recipe {each.origin}: {record.derivation.pipeline}"
                found.setdefault(name, {}).update(dict.fromkeys(settings))
    return {name: tuple(sorted(values, key=lambda v: v.name)) for name, values in found.items()}


def _explained_parameters(
    generation: Generation, setup: Setup | None, results: MadeResults
) -> tuple[str, ...]:
    """Return the causes that are parameters, with what jwst says of each, if it is known."""
    version = _software(setup).get("jwst", "")
    explained = []
    for cause, words in zip(_of_parameters(generation), parameter_causes(generation), strict=True):
        name = f"{cause.stage}.{cause.what}"
        meaning = results.meanings([name], version).get(name, "")
        explained.append(f"{words}. In jwst's words: {meaning}" if meaning else words)
    return tuple(explained)


def _software(setup: Setup | None) -> dict[str, str]:
    versions = setup.software.get("", {}) if setup else {}
    return {name: versions[name] for name in SOFTWARE if name in versions}

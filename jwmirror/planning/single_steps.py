"""Steps that are run alone, on products that MAST's files or a recipe's results are. Pure.

docs/decisions/0041-single-steps.md gives the reasons.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from jwmirror.core.matching import criteria_of, matches
from jwmirror.core.model import Entry, Recipe, Result, ResultFile, Wait
from jwmirror.core.model.association import SCIENCE, Association, Associations, root_of
from jwmirror.core.model.derivation import STAGES, single_step, whole_pipeline
from jwmirror.pipeline import headers, registry
from jwmirror.pipeline.parameters.resolution import flatten
from jwmirror.planning.builder import Destination, PlanBuilder
from jwmirror.planning.estimates.memory import step_bytes
from jwmirror.planning.exclusions import excluded_exposures, exclusion_of
from jwmirror.planning.inputs import AvailableFiles, input_of, step_inputs
from jwmirror.planning.plan import note_partial_matches

COMPLETE = "COMPLETE"
CAL_STEP = "meta.cal_step."  # begins the names of the states of steps in a header


@dataclass(frozen=True)
class StepSource:
    """The products that one result of a step is made of: an association's, or a file of MAST."""

    product: str
    members: tuple[str, ...]  # headers
    files: tuple[Entry | ResultFile, ...]  # the inputs
    destination: Destination


def plan_steps(
    builder: PlanBuilder,
    associations: Associations,
    recipes: Iterable[Recipe],
    results: Iterable[Result],
) -> None:
    """Plan the single steps of recipes; `results` are those of the levels below in this run."""
    results = tuple(results)
    for recipe in recipes:
        for step in recipe.steps:
            note_partial_matches(
                builder, _with_blocks_of(recipe, step), associations.of_step(recipe, step)
            )
            if recipe.products_of:
                sources = _sources_of_recipe(builder, associations, recipe, step, results)
            else:
                sources = _sources_of_mast(builder, recipe, step)
            for source in sources:
                _add_step(builder, recipe, step, source)


def _sources_of_mast(builder: PlanBuilder, recipe: Recipe, step: str) -> Iterator[StepSource]:
    """Yield the files of MAST that a step takes; refuse those that cannot be used."""
    files = tuple(step_inputs(builder.available.upstream.values(), recipe, step))
    if not files:
        builder.waits += _no_files(builder.available, recipe, step)
    builder.excluded += excluded_exposures(recipe, files)
    for entry in (each for each in files if not exclusion_of(recipe, each.filename)):
        product = root_of(entry.filename)
        if why := _refusal(entry, step):
            builder.failures.append(Wait(recipe.name, product, why, "input"))
            continue
        destination = Destination(recipe, entry.upstream.program, entry.upstream.observation)
        yield StepSource(product, (entry.header,), (entry,), destination)


def _refusal(entry: Entry, step: str) -> str:
    """Return why a step is not run on a file of MAST; "" if it is."""
    if entry.refusal or not entry.header:
        return entry.refusal or f"the header of {entry.filename} is unknown"
    name = single_step(step)
    if headers.parse_header(entry.header).get(f"{CAL_STEP}{name}") != COMPLETE:
        return ""
    return (
        f"{entry.filename}: its header says that {name} was run on it ({CAL_STEP}{name}: expected "
        f"none, found {COMPLETE}), and a step is not run twice; remove {step} from the steps of "
        "the recipe, or run its stage"
    )


def _no_files(available: AvailableFiles, recipe: Recipe, step: str) -> Iterator[Wait]:
    """Yield a wait for each program of a recipe that has no file that the step takes."""
    programs = {entry.upstream.program for entry in available.upstream.values()}
    for program in sorted(set(recipe.programs or programs)):
        why = (
            f"{step} takes {_suffixes(step)} files of stage {STAGES[whole_pipeline(step)]}, and "
            f"none that the recipe selects is mirrored; add {_suffixes(step)} to the products of "
            f"program {program}, or extend a recipe that makes them"
        )
        yield Wait(recipe.name, f"program {program}", why, "input")


def _sources_of_recipe(
    builder: PlanBuilder,
    associations: Associations,
    recipe: Recipe,
    step: str,
    results: Iterable[Result],
) -> Iterator[StepSource]:
    """Yield the products of another recipe that a step takes; wait for those that are missing."""
    available, base = builder.available, recipe.products_of
    made = {(each.pipeline, each.product): each for each in results if each.recipe == base}
    for association in associations.of_step(recipe, step):
        product, members = association.product, available.members(association)
        if not _meets(recipe, members):
            continue
        result = made.get((association.pipeline, product))
        files: tuple[ResultFile, ...] = ()
        if result:
            files = _files_of(result, association, step)
        elif (base, product, association.stage) in available.assumed:
            suffixes, _ = registry.SINGLE_STEPS[step]
            name = f"{product}_{suffixes[0]}.fits"
            files = (ResultFile(filename=name, sha256="", size=0, identity=""),)
        if files:
            destination = Destination(recipe, association.program, available.folder(association))
            yield StepSource(product, members, files, destination)
        else:
            why, cause = available.why_unmade(base, product)
            why = f"{step} takes {_suffixes(step)}; {why}"
            cause = "unsupported" if result else cause
            builder.waits.append(Wait(recipe.name, product, why, cause))


def _files_of(result: Result, association: Association, step: str) -> tuple[ResultFile, ...]:
    """Return the files of a result that a step takes, in the order of the members."""

    def number(file: ResultFile) -> int:
        roots = enumerate(association.roots)
        return next((n for n, root in roots if file.filename.startswith(f"{root}_")), 0)

    files = [file for file in result.files if registry.takes_product(step, file.filename)]
    return tuple(sorted(files, key=number))


def _suffixes(step: str) -> str:
    return " or ".join(registry.SINGLE_STEPS[step][0])


def _meets(recipe: Recipe, members: Iterable[str]) -> bool:
    """Return whether all members of known header are of exposures that a recipe selects."""
    criteria = criteria_of(recipe.select)
    return all(
        matches(criteria, partial(headers.header_value, header)) for header in members if header
    )


def _with_blocks_of(recipe: Recipe, step: str) -> Recipe:
    """Return a recipe with those where-blocks only that have parameters of a step."""
    names = (whole_pipeline(step), single_step(step))
    blocks = (b for b in recipe.where if any(path[:2] == names for path in flatten(b.parameters)))
    return replace(recipe, where=tuple(blocks))


def _add_step(builder: PlanBuilder, recipe: Recipe, step: str, source: StepSource) -> None:
    made_of = (recipe.name, source.product, STAGES[whole_pipeline(step)])
    if why := builder.available.not_taken.get(made_of):
        builder.waits.append(Wait(recipe.name, source.product, why, "input"))
        return
    inputs = [input_of(file, SCIENCE) for file in source.files]
    if stage := builder.derive(recipe, source.members, step, source.product, inputs):
        memory = max(stage.memory, step_bytes(sum(file.size for file in source.files)))
        builder.add_stages(source.destination, [replace(stage, memory=memory)])

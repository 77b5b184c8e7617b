"""Steps that are run alone, on products that MAST's files or a recipe's results are. Pure.

docs/decisions/0041-single-steps.md gives the reasons.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from jwmirror.core.matching import criteria_of, matches
from jwmirror.core.model import Entry, Input, Recipe, Result, ResultFile, Wait
from jwmirror.core.model.association import SCIENCE, Association, Associations, root_of
from jwmirror.core.model.derivation import STAGES, single_step, whole_pipeline
from jwmirror.pipeline import headers, registry
from jwmirror.planning.builder import Destination, PlanBuilder
from jwmirror.planning.exclusions import excluded_exposures, exclusion_of
from jwmirror.planning.inputs import AvailableFiles, step_inputs

COMPLETE = "COMPLETE"
CAL_STEP = "meta.cal_step."  # begins the names of the states of steps in a header


@dataclass(frozen=True)
class StepSource:
    """The products that one result of a step is made of: an association's, or a file of MAST."""

    step: str  # spec3.extract_1d
    product: str
    members: tuple[str, ...]  # headers
    inputs: tuple[Input, ...]
    program: int
    observation: str  # folder in the view


def step_headers(
    available: AvailableFiles, associations: Associations, recipe: Recipe
) -> Iterator[tuple[str, str]]:
    """Yield the headers that may decide about references of a recipe's steps, with the steps."""
    for step in recipe.steps:
        if recipe.products_of:
            of_step = _associations(associations, recipe, step)
            yield from ((available.header(association), step) for association in of_step)
        else:
            files = step_inputs(available.upstream.values(), recipe, step)
            yield from ((entry.header, step) for entry in files)


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
            if recipe.products_of:
                sources = _sources_of_recipe(builder, associations, recipe, step, results)
            else:
                sources = _sources_of_mast(builder, recipe, step)
            for source in sources:
                made_of = (recipe.name, source.product, STAGES[whole_pipeline(step)])
                if why := builder.available.not_taken.get(made_of):
                    builder.waits.append(Wait(recipe.name, source.product, why, "input"))
                else:
                    _add_step(builder, recipe, source)


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
        place = (entry.upstream.program, entry.upstream.observation)
        yield StepSource(step, product, (entry.header,), (_input(entry),), *place)


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
    """Yield a wait for each program of a recipe, none of which has a file that a step takes."""
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
    for association in _associations(associations, recipe, step):
        product, members = association.product, available.members(association)
        if not _meets(recipe, members):
            continue
        result = made.get((association.pipeline, product))
        inputs: tuple[Input, ...] = ()
        if result:
            inputs = _inputs_of(result, association, step)
        elif (base, product, association.stage) in available.assumed:
            suffixes, _ = registry.SINGLE_STEPS[step]
            inputs = (Input(name=f"{product}_{suffixes[0]}.fits", role=SCIENCE),)
        if inputs:
            place = (association.program, available.folder(association))
            yield StepSource(step, product, members, inputs, *place)
        else:
            why, cause = available.why_unmade(base, product)
            why = f"{step} takes {_suffixes(step)}; {why}"
            cause = "unsupported" if result else cause
            builder.waits.append(Wait(recipe.name, product, why, cause))


def _inputs_of(result: Result, association: Association, step: str) -> tuple[Input, ...]:
    """Return the files of a result that a step takes, in the order of the members."""

    def place(filename: str) -> int:
        roots = enumerate(association.roots)
        return next((n for n, root in roots if filename.startswith(f"{root}_")), 0)

    files = [file for file in result.files if registry.takes_product(step, file.filename)]
    return tuple(map(_input, sorted(files, key=lambda file: place(file.filename))))


def _suffixes(step: str) -> str:
    return " or ".join(registry.SINGLE_STEPS[step][0])


def _associations(associations: Associations, recipe: Recipe, step: str) -> list[Association]:
    """Return the associations whose products a step takes: those of the recipe that makes them."""
    pipeline = whole_pipeline(step)
    stage = STAGES[pipeline]
    makes = replace(recipe, name=recipe.products_of, stages=(stage,))
    return [each for each in associations.of(makes, stage) if each.pipeline == pipeline]


def _meets(recipe: Recipe, members: Iterable[str]) -> bool:
    """Return whether all members are of exposures that a recipe selects."""
    criteria = criteria_of(recipe.select)
    return all(
        header and matches(criteria, partial(headers.header_value, header)) for header in members
    )


def _input(file: Entry | ResultFile) -> Input:
    return Input(name=file.filename, role=SCIENCE, identity=file.identity, sha256=file.sha256)


def _add_step(builder: PlanBuilder, recipe: Recipe, source: StepSource) -> None:
    derivation = builder.derive(recipe, source.members, source.step, source.product, source.inputs)
    destination = Destination(recipe, source.program, source.observation)
    builder.add_stages(destination, [derivation] if derivation else [])

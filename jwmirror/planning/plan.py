"""Plans: which results are out of date and why, which are there, what waits and what is refused.

In three levels, because inputs enter a key by content, so that a level is planned when the one
below it is done: exposures (stage 1, and stage 2 of those that are calibrated alone), then the
associations of stage 2, then those of stage 3. Judgement only, as in desk.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from jwmirror.core.model import Derivation, Entry, Input, Plan, Recipe, Wait
from jwmirror.core.model.association import (
    SCIENCE,
    Association,
    Associations,
    raw_exposures,
    root_of,
)
from jwmirror.pipeline import headers, registry
from jwmirror.pipeline.associations import program_of
from jwmirror.planning.builder import Desk, Place, PublishedAs, Recall, Resolves
from jwmirror.planning.inputs import Stock, beside_of, of_upstream, stock_of

POOL = "_pool.csv"
STAGE_2 = re.compile(r"2_\d{5}_asn\.json$")  # jw01345-o001_20260101t000000_image2_00001_asn.json


def wanted(
    entries: Iterable[Entry], associations: Associations, recipes: Iterable[Recipe]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What Resolver.needed is to be asked: each header, with the pipelines that may want it."""
    entries = tuple(entries)
    stock = stock_of(entries, ())
    found: dict[str, dict[str, None]] = {}
    for recipe in recipes:
        for entry in _of_recipe(stock.exposures.values(), recipe) if 1 in recipe.stages else ():
            if names := _pipelines(entry):
                found.setdefault(entry.header, {})[names[0]] = None
        for association in (*associations.of(recipe, 2), *associations.of(recipe, 3)):
            header = stock.header(association)
            if header:
                name = association.pipeline
                found.setdefault(header, {})[name] = None
    return tuple((header, tuple(names)) for header, names in found.items())


def plan_exposures(
    entries: Iterable[Entry],
    associations: Associations,
    recipes: Iterable[Recipe],
    resolver: Resolves,
    recall: Recall,
    published: PublishedAs,
    batch_size: int,
) -> Plan:
    """Plan stage 1 of every exposure of every recipe; stage 2 too of what is calibrated alone."""
    desk = Desk(resolver, recall, published)
    entries = tuple(entries)
    exposures, held = raw_exposures(entries), of_upstream(entries)
    for recipe in recipes:
        desk.waits += _broken(associations, recipe, stage=2)
        second = associations.of(recipe, 2)
        about, companions = _by_exposure(second), _companions(second)
        for entry in _of_recipe(exposures.values(), recipe):
            root = root_of(entry.filename)
            derivations = _first(desk, recipe, entry)
            if derivations:
                derivations += _second(desk, recipe, entry, about.get(root, ()), held)
                desk.settle(_place(recipe, entry), derivations)
            if derivations and not (root in about or root in companions):
                _tell_no_stage_2(desk, recipe, entry)
    return desk.plan(batch_size)


def plan_associations(
    stock: Stock,
    associations: Associations,
    recipes: Iterable[Recipe],
    resolver: Resolves,
    recall: Recall,
    published: PublishedAs,
    batch_size: int,
    stage: int,
) -> Plan:
    """Plan one stage, 2 or 3, of every association whose members the recipe has all made.

    Stage 2 without what followed stage 1 at once. `stock` has the results of the levels below in
    this run, computed or recalled, and why others are missing; what it says is coming counts as
    made, with unknown content.
    """
    desk = Desk(resolver, recall, published)
    for recipe in recipes:
        found = associations.of(recipe, stage)
        if stage == 3:
            desk.waits += _broken(associations, recipe, stage)
        if stage == min(recipe.stages, default=0):
            _tell_no_start(desk, recipe, found)
        for association in found:
            if not (stage == 2 and 1 in recipe.stages and len(association.roots) == 1):
                _consider_association(desk, recipe, association, stock)
    return desk.plan(batch_size)


def _first(desk: Desk, recipe: Recipe, entry: Entry) -> list[Derivation]:
    """Stage 1 of an exposure; none if the recipe does not ask for it, or it cannot be."""
    if 1 not in recipe.stages:
        return []
    product = root_of(entry.filename)
    if entry.refusal or not entry.header:
        desk.refuse(recipe, product, entry.refusal or f"the header of {product} is unknown")
        return []
    names = _pipelines(entry)
    if not names:
        exp_type = headers.value(entry.header, "exp_type")
        desk.wait(
            recipe,
            product,
            f"jwst has no pipeline for exposures of type {exp_type}; it is mirrored",
        )
        return []
    raw = Input(name=entry.filename, role=SCIENCE, identity=entry.identity, sha256=entry.sha256)
    return desk.derived(recipe, entry.header, names[0], product, [raw])


def _second(
    desk: Desk,
    recipe: Recipe,
    entry: Entry,
    about: Sequence[Association],
    held: Mapping[str, Entry],
) -> list[Derivation]:
    """Stage 2 of an exposure that is calibrated alone; its input is what stage 1 will make."""
    alone = next((each for each in about if len(each.roots) == 1), None)
    if alone is None:
        return []
    beside = beside_of(alone, entry.header, held)
    if beside.why:
        desk.wait(recipe, alone.product, beside.why)
        return []
    inputs = [Input(name=member.name, role=member.exptype) for member in alone.members]
    pipeline = alone.pipeline
    return desk.derived(recipe, entry.header, pipeline, alone.product, [*inputs, *beside.found])


def _consider_association(
    desk: Desk, recipe: Recipe, association: Association, stock: Stock
) -> None:
    """One association; its first science member speaks for all, as in stpipe."""
    inputs, why = stock.inputs(recipe, association)
    if why:
        desk.wait(recipe, association.product, why)
        return
    header = stock.header(association)
    pipeline = association.pipeline
    derivations = desk.derived(recipe, header, pipeline, association.product, inputs)
    folder = stock.folder(association)
    program = association.program
    place = Place(recipe=recipe, program=program, observation=folder, header=header)
    desk.settle(place, derivations)


def _place(recipe: Recipe, entry: Entry) -> Place:
    return Place(
        recipe=recipe,
        program=entry.product.program,
        observation=entry.product.observation,
        header=entry.header,
    )


# ---- what is there ---------------------------------------------------------------------------


def _of_recipe(exposures: Iterable[Entry], recipe: Recipe) -> Iterator[Entry]:
    return (entry for entry in exposures if headers.is_selected(recipe, entry))


def _pipelines(entry: Entry) -> tuple[str, ...]:
    """The pipelines for a raw exposure; none if its type is unknown, or its header."""
    return registry.of_exposure(headers.value(entry.header, "exp_type")) if entry.header else ()


def _by_exposure(associations: Iterable[Association]) -> dict[str, list[Association]]:
    """Return stage-2 associations by the root of the exposure that they calibrate."""
    grouped: dict[str, list[Association]] = {}
    for association in associations:
        grouped.setdefault(root_of(association.science[0]), []).append(association)
    return grouped


def _companions(found: Iterable[Association]) -> set[str]:
    """Exposures that others need: backgrounds, imprints, lamps... have no stage 2 of their own."""
    return {
        root_of(member.name)
        for association in found
        for member in association.members
        if member.exptype != SCIENCE
    }


# ---- why not ---------------------------------------------------------------------------------


def _broken(associations: Associations, recipe: Recipe, stage: int) -> Iterator[Wait]:
    """A wait for each association file of the recipe's programs that cannot be used."""
    for failure in associations.broken:
        of_stage = 2 if STAGE_2.search(failure.name) else 3
        if failure.name.endswith(POOL):  # it is told once, with the first stage that needs it
            of_stage = min({2, 3} & set(recipe.stages), default=0)
        asked = stage == of_stage and stage in recipe.stages
        if asked and program_of(failure.name) in (None, *recipe.programs):
            yield Wait(recipe=recipe.name, product=failure.name, why=failure.message)


def _tell_no_stage_2(desk: Desk, recipe: Recipe, entry: Entry) -> None:
    """A wait for an exposure whose type goes on to stage 2, if no association calls for it."""
    if len(_pipelines(entry)) > 1 and 2 in recipe.stages:
        root = root_of(entry.filename)
        why = (
            f"no stage-2 association with {root}_rate.fits is held; "
            f"add asn to the products of program {entry.product.program}"
        )
        if recipe.associations:  # which stand in for all others of their stage
            why += "; or, where the recipe has stage-2 associations of its own, one with it"
        desk.wait(recipe, root, why)


def _tell_no_start(desk: Desk, recipe: Recipe, found: Iterable[Association]) -> None:
    """A wait for each program that a recipe without stage 1 finds no association of."""
    stage = min(recipe.stages)
    for program in sorted(set(recipe.programs) - {each.program for each in found}):
        why = (
            f"the recipe starts with stage {stage}, and no association of that stage is held; add "
            f"asn or pool to the products of program {program}"
        )
        desk.wait(recipe, f"program {program}", why)

"""Plans: which results are out of date and why, which exist, what waits and what is refused.

There are levels, because a key contains the content of its inputs, so that a level is planned when
the one below is done: exposures (stage 1, and stage 2 of those that are calibrated alone),
associations of stage 2, associations of stage 3; then stage 2 and 3 of grism exposures whose
direct images the recipe combines. Pure, as planning.builder is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from jwmirror.core.grouping import group_by
from jwmirror.core.matching import describe_match
from jwmirror.core.model import Entry, Input, Recipe, Wait, Where
from jwmirror.core.model.association import SCIENCE, Association, Associations, OwnFile, root_of
from jwmirror.core.model.plan import PartialMatch
from jwmirror.core.names import program_of
from jwmirror.pipeline import headers, registry
from jwmirror.pipeline.associations.asn_types import type_question
from jwmirror.pipeline.associations.checks import member_mistake
from jwmirror.pipeline.parameters.resolution import applies
from jwmirror.planning.builder import Destination, PlanBuilder, PlannedStage
from jwmirror.planning.exclusions import excluded_exposures, excluded_members, exclusion_of
from jwmirror.planning.inputs import AvailableFiles, available_files, step_headers
from jwmirror.planning.levels import AssociationLevel

POOL = "_pool.csv"
STAGE_2 = re.compile(r"2_\d{5}_asn\.json$")  # jw01345-o001_20260101t000000_image2_00001_asn.json


def headers_and_pipelines(
    entries: Iterable[Entry],
    associations: Associations,
    recipes: Iterable[Recipe],
    own: Mapping[str, OwnFile] | None = None,
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the argument of Resolver.needed: each header, with the pipelines that may use it."""
    available = available_files(entries, own=own)
    pipelines_of: dict[str, dict[str, None]] = {}
    for recipe in recipes:
        for header, step in step_headers(available, associations, recipe):
            if header:
                pipelines_of.setdefault(header, {})[step] = None
        exposures = _exposures(available, recipe) if 1 in recipe.stages else ()
        for entry in exposures:
            if pipelines := _pipelines(entry):
                pipelines_of.setdefault(entry.header, {})[pipelines[0]] = None
        for association in (*associations.of(recipe, 2), *associations.of(recipe, 3)):
            header = available.header(association)
            if header and association.pipeline:
                pipelines_of.setdefault(header, {})[association.pipeline] = None
    return tuple((header, tuple(pipelines)) for header, pipelines in pipelines_of.items())


def plan_exposures(
    builder: PlanBuilder, associations: Associations, recipes: Iterable[Recipe]
) -> None:
    """Plan stage 1 of each recipe's exposures, and stage 2 of those that are calibrated alone."""
    for recipe in recipes:
        builder.waits += _broken(associations, recipe, stage=2)
        if recipe.exclude and 1 in recipe.stages:
            builder.excluded += excluded_exposures(recipe, _selected(builder.available, recipe))
        second = associations.of(recipe, 2)
        of_mirror = (each for each in second if each.pipeline and not each.science[0].path)
        by_exposure = group_by(of_mirror, lambda each: root_of(each.science[0].name))
        companions = _companions(second)
        for entry in _exposures(builder.available, recipe):
            root = root_of(entry.filename)
            first = _first_stage(builder, recipe, entry)
            if first is None:
                continue
            alone = next((a for a in by_exposure.get(root, ()) if a.is_of_one_exposure), None)
            then = _second_stage(builder, recipe, entry, alone) if alone else None
            destination = Destination(recipe, entry.upstream.program, entry.upstream.observation)
            builder.add_stages(destination, [first, then] if then else [first])
            if not (root in by_exposure or root in companions):
                _note_no_stage_2(builder, recipe, entry)


def plan_associations(
    builder: PlanBuilder,
    associations: Associations,
    recipes: Iterable[Recipe],
    level: AssociationLevel,
) -> None:
    """Plan the associations of a level whose members the recipe has.

    Leaves out what is planned with stage 1. `builder.available` has the results of the levels
    below in this run, computed or recalled.
    """
    for recipe in recipes:
        if not level.is_after_images:
            _note_stage(builder, associations, recipe, level.stage)
        for association in level.of(associations, recipe):
            if not (level.stage == 2 and 1 in recipe.stages and association.is_of_one_exposure):
                _add_association(builder, recipe, association)


def _note_stage(
    builder: PlanBuilder, associations: Associations, recipe: Recipe, stage: int
) -> None:
    """Add what is to be said about all associations of a stage, of whichever level."""
    of_stage = associations.of(recipe, stage)
    if stage == 3:
        builder.waits += _broken(associations, recipe, stage)
    if stage == min(recipe.stages, default=0):
        _note_no_start(builder, recipe, [*of_stage, *associations.unmade_of(recipe, stage)])
    builder.waits += _passed_over(associations, recipe, of_stage)
    builder.excluded += excluded_members(recipe, associations, stage)
    note_partial_matches(builder, recipe, of_stage)


def _first_stage(builder: PlanBuilder, recipe: Recipe, entry: Entry) -> PlannedStage | None:
    """Return stage 1 of an exposure; None if the recipe leaves it out, or it is impossible."""
    if 1 not in recipe.stages:
        return None
    product = root_of(entry.filename)
    if entry.refusal or not entry.header:
        why = entry.refusal or f"the header of {product} is unknown"
        builder.failures.append(Wait(recipe.name, product, why, "input"))
        return None
    pipelines = _pipelines(entry)
    if not pipelines:
        exp_type = headers.header_value(entry.header, "exp_type")
        why = f"jwst has no pipeline for exposures of type {exp_type}; it is mirrored"
        builder.waits.append(Wait(recipe.name, product, why, "unsupported"))
        return None
    raw = Input(name=entry.filename, role=SCIENCE, identity=entry.identity, sha256=entry.sha256)
    return builder.derive(recipe, [entry.header], pipelines[0], product, [raw])


def _second_stage(
    builder: PlanBuilder, recipe: Recipe, entry: Entry, association: Association
) -> PlannedStage | None:
    """Return stage 2 of an exposure that is calibrated alone; its input is made by stage 1."""
    shutters = builder.available.shutters(recipe, association)
    if isinstance(shutters, Wait):
        builder.waits.append(shutters)
        return None
    if _is_refused(builder, recipe, association, [entry.header]):
        return None
    inputs = [Input(name=member.name, role=member.exptype) for member in association.members]
    return builder.derive_association(recipe, [entry.header], association, [*inputs, *shutters])


def _add_association(builder: PlanBuilder, recipe: Recipe, association: Association) -> None:
    available = builder.available
    members = available.members(association)
    if _is_refused(builder, recipe, association, members):
        return
    inputs = available.inputs(recipe, association)
    if isinstance(inputs, Wait):
        builder.waits.append(inputs)
        return
    if not association.pipeline:
        why = type_question(association, headers.header_value(members[0], "exp_type"))
        builder.failures.append(Wait(recipe.name, association.product, why, "request"))
        return
    stage = builder.derive_association(recipe, members, association, inputs)
    destination = Destination(recipe, association.program, available.folder(association))
    builder.add_stages(destination, [stage] if stage else [])


def _is_refused(
    builder: PlanBuilder, recipe: Recipe, association: Association, members: Sequence[str]
) -> bool:
    """Add a failure if jwst cannot combine the members of an association; return whether it is so.

    `members` are the headers of its science members.
    """
    if why := member_mistake(association, members):
        why = f"{association.name}: {why}"
        builder.failures.append(Wait(recipe.name, association.product, why, "request"))
    return bool(why)


# ---- what exists -----------------------------------------------------------------------------


def _exposures(available: AvailableFiles, recipe: Recipe) -> Iterator[Entry]:
    selected = _selected(available, recipe)
    return (entry for entry in selected if not exclusion_of(recipe, entry.filename))


def _selected(available: AvailableFiles, recipe: Recipe) -> Iterator[Entry]:
    return (entry for entry in available.exposures.values() if headers.is_selected(recipe, entry))


def _pipelines(entry: Entry) -> tuple[str, ...]:
    """Return the pipelines for a raw exposure; none if its type or its header is unknown."""
    exp_type = headers.header_value(entry.header, "exp_type") if entry.header else ""
    return registry.pipelines_of_exposure(exp_type)


def _companions(associations: Iterable[Association]) -> set[str]:
    """Return the exposures that only serve others (backgrounds, imprints, lamps...)."""
    return {
        root_of(member.name)
        for association in associations
        for member in association.members
        if member.exptype != SCIENCE and not member.path
    }


# ---- where-blocks ----------------------------------------------------------------------------


def note_partial_matches(
    builder: PlanBuilder, recipe: Recipe, of_stage: Sequence[Association]
) -> None:
    """Add the associations with science members that a where-block meets only in part.

    It is not applied to these. If it meets all members of no other one, the recipe has a mistake.
    Blocks without parameters of an association's pipeline do not count.
    """
    for block in recipe.where:
        of_block = [each for each in of_stage if each.pipeline in block.parameters]
        met = [_members_met(builder.available, block, each) for each in of_block]
        partial = tuple(
            PartialMatch(
                recipe=recipe.name,
                product=association.product,
                match=describe_match(block.match),
                members=tuple(name for name in members if members[name]),
                others=tuple(name for name in members if members[name] is False),
            )
            for association, members in zip(of_block, met, strict=True)
            if {True, False} == set(members.values())
        )
        builder.partial_matches += partial
        if partial and not any(False not in members.values() for members in met):
            _note_useless_block(builder, recipe, partial)


def _members_met(
    available: AvailableFiles, block: Where, association: Association
) -> dict[str, bool | None]:
    """Return whether a block meets each science member; None of those that are not mirrored."""
    headers_of = zip(association.science, available.members(association), strict=True)
    return {
        member.name: applies(block, header) if header else None for member, header in headers_of
    }


def _note_useless_block(
    builder: PlanBuilder, recipe: Recipe, partial: Sequence[PartialMatch]
) -> None:
    """Add a failure for a block, unless an association that MAST reprocesses now may meet it."""
    if any(wait.cause == "unsettled" and wait.recipe == recipe.name for wait in builder.waits):
        return
    why = (
        "it meets all science members of no association, so its parameters are not used there; "
        f"{partial[0].why}; match what all members have, or remove the block's parameters of "
        "this stage"
    )
    builder.failures.append(Wait(recipe.name, f"where {partial[0].match}", why, "request"))


# ---- why not ---------------------------------------------------------------------------------


def _broken(associations: Associations, recipe: Recipe, stage: int) -> Iterator[Wait]:
    """Yield a wait for each association file of the recipe's programs that cannot be used."""
    for failure in associations.broken:
        of_stage = 2 if STAGE_2.search(failure.name) else 3
        if failure.name.endswith(POOL):  # noted once, with the first stage that needs it
            of_stage = min({2, 3} & set(recipe.stages), default=0)
        is_needed = stage == of_stage and stage in recipe.stages
        program = program_of(failure.name)
        if is_needed and (program is None or recipe.takes(program)):
            yield Wait(recipe.name, failure.name, failure.message, "association")


def _passed_over(
    associations: Associations, recipe: Recipe, of_stage: Iterable[Association]
) -> Iterator[Wait]:
    """Yield a wait for each association that makes the same product as one that is used."""
    used = {association.name: association.product for association in of_stage}
    for group in associations.passed_over:
        for name in group.others if group.used in used else ():
            why = (
                f"passed over: {group.used} makes the same product, {used[group.used]}, of other "
                f"members ({len(group.others)} of {len(group.others) + 1} associations are passed "
                "over); to use others, name association files in the recipe (associations)"
            )
            yield Wait(recipe.name, name, why, "association")


def _note_no_stage_2(builder: PlanBuilder, recipe: Recipe, entry: Entry) -> None:
    """Add a wait for an exposure that has a stage 2, but no association for it."""
    if len(_pipelines(entry)) > 1 and 2 in recipe.stages:
        root = root_of(entry.filename)
        why = (
            f"no stage-2 association with {root}_rate.fits is mirrored; "
            f"add asn to the products of program {entry.upstream.program}"
        )
        if recipe.associations:  # they replace all others of their stage
            why += "; if the recipe names stage-2 association files, add one with this exposure"
        builder.waits.append(Wait(recipe.name, root, why, "association"))


def _note_no_start(builder: PlanBuilder, recipe: Recipe, of_stage: Sequence[Association]) -> None:
    """Add a wait for each program without associations, for a recipe that leaves out stage 1."""
    stage = min(recipe.stages)
    programs = {association.program for association in of_stage}
    of_recipe = recipe.programs or {
        entry.upstream.program for entry in builder.available.upstream.values()
    }
    for program in sorted(set(of_recipe) - programs):
        why = (
            f"the recipe starts with stage {stage}, and no association of that stage is mirrored; "
            f"add asn or pool to the products of program {program}"
        )
        builder.waits.append(Wait(recipe.name, f"program {program}", why, "association"))

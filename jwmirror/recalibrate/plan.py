"""Plans: which results are out of date and why, which are there, what waits and what is refused.

Judgement only: what is held comes in as records, and what must be looked up (parameters and
references, results by key, what is published) through the functions that are passed.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from jwmirror.errors import JwmirrorError
from jwmirror.recalibrate import headers, pipelines, ramps
from jwmirror.recalibrate.associations import Association, Associations, program_of
from jwmirror.recalibrate.batches import cut
from jwmirror.recalibrate.derivation import bind, differences, is_bound, key_of
from jwmirror.recalibrate.exposures import (
    SCIENCE,
    UNCAL,
    by_root,
    by_science_member,
    root_of,
    root_of_entry,
    science,
)
from jwmirror.recalibrate.parameters import effective
from jwmirror.recalibrate.references import Settled
from jwmirror.records import (
    Chain,
    Derivation,
    Entry,
    Failure,
    Input,
    Plan,
    Reason,
    Recipe,
    Result,
    ResultFile,
    Wait,
)

STAGE_2 = re.compile(r"2_\d{5}_asn\.json$")  # jw01345-o001_20260101t000000_image2_00001_asn.json
NEW = Reason("new", "", "")
LOST = Reason("result", "lost", "to be made again")
MISSING = " is missing: "  # between a member's name and why
INPUTS = Reason("inputs made anew", "", "")


class Resolves(Protocol):
    """What a plan needs of references.Resolver."""

    context: str

    @property
    def engine(self) -> Mapping[str, str]:
        """The versions that a key depends on."""

    def within(self, python: str) -> "Resolves":
        """The same for the environment of another Python; "" for this one."""

    def settle(self, pipeline: str, header: str, asked: Mapping[str, Any]) -> Settled:
        """Every parameter of a pipeline for an exposure, its references and hooks."""


Recall = Callable[[str], tuple[ResultFile, ...] | None]  # of a key
PublishedAs = Callable[[str, str, str], Derivation | None]  # of recipe, product, pipeline


def wanted(
    entries: Iterable[Entry], associations: Associations, recipes: Iterable[Recipe]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What Resolver.needed is to be asked: each header, with the pipelines that may want it."""
    exposures = {root: entry for root, entry in by_root(entries).items() if entry.header}
    found: dict[str, dict[str, None]] = {}
    for recipe in recipes:
        for entry in _of_recipe(exposures.values(), recipe):
            names = pipelines.of_exposure(headers.value(entry.header, "exp_type"))
            found.setdefault(entry.header, {}).update(_asked(names, recipe))
        for association in associations.found:
            names = (pipelines.of_association(association.asn_type),)
            first = exposures.get(root_of(science(association)[0]))
            if association.program in recipe.programs and first:
                found.setdefault(first.header, {}).update(_asked(names, recipe))
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
    """Plan stages 1 and 2 of every exposure of every recipe.

    Stage 2 follows where a stage-2 association of that one exposure is held.
    """
    desk = Desk(resolver, recall, published)
    exposures = by_root(entries)
    stage2 = by_science_member(associations.found)
    for recipe in recipes:
        desk.waits += _broken(associations, recipe, stages={2})
        for entry in _of_recipe(exposures.values(), recipe):
            rate = f"{root_of_entry(entry)}_rate.fits"
            desk.consider_exposure(recipe, entry, stage2.get(rate, ()))
    return desk.plan(batch_size)


def plan_associations(
    entries: Iterable[Entry],
    associations: Associations,
    recipes: Iterable[Recipe],
    results: Iterable[Result],
    resolver: Resolves,
    recall: Recall,
    published: PublishedAs,
    batch_size: int,
    troubles: Iterable[Wait | Failure] = (),
    coming: Iterable[Chain] = (),
) -> Plan:
    """Plan stage 3 of every association whose members the recipe has all made.

    `results` are those of the exposures in this run, computed or recalled; `troubles` what waited
    or failed among them, to tell why a member is missing. In a preview, `coming` is what is still
    to be calibrated of them: it counts as made, with unknown content.
    """
    desk = Desk(resolver, recall, published)
    exposures = by_root(entries)
    made = _to_come(coming, associations.found)
    made |= {(r.recipe, file.filename): file for r in results for file in r.files}
    reasons = dict(_told(trouble) for trouble in troubles)
    for recipe in recipes:
        desk.waits += _broken(associations, recipe, stages={3})
        for association in associations.found:
            pipeline = pipelines.of_association(association.asn_type)
            if association.program in recipe.programs and _asked((pipeline,), recipe, {3}):
                desk.consider_association(recipe, association, exposures, made, reasons)
    return desk.plan(batch_size)


@dataclass
class Desk:
    """Where a plan is drawn up: what was found so far, and whom to ask."""

    resolver: Resolves
    recall: Recall
    published: PublishedAs
    chains: list[Chain] = field(default_factory=list)
    done: list[Result] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    failures: list[Wait] = field(default_factory=list)

    def plan(self, batch_size: int) -> Plan:
        """What was found, as a plan."""
        return Plan(
            context=self.resolver.context,
            batches=cut(self.chains, batch_size),
            done=tuple(self.done),
            waits=tuple(self.waits),
            failures=tuple(self.failures),
        )

    def consider_exposure(
        self, recipe: Recipe, entry: Entry, associations: Sequence[Association]
    ) -> None:
        """Stages 1 and 2 of one exposure."""
        product = root_of_entry(entry)
        if entry.refusal or not entry.header:
            self._refuse(recipe, product, entry.refusal or f"the header of {product} is unknown")
            return
        exp_type = headers.value(entry.header, "exp_type")
        names = pipelines.of_exposure(exp_type)
        if not names:
            self._wait(recipe, product, f"no pipeline is known for exposures of type {exp_type}")
        if not _asked(names, recipe):
            return
        if 1 not in recipe.stages:
            self._wait(recipe, product, "stage 2 starts from stage 1; add 1 to the recipe's stages")
            return
        raw = Input(name=entry.filename, role=SCIENCE, identity=entry.identity, sha256=entry.sha256)
        derivations = self._derived(recipe, entry.header, names[0], product, [raw])
        if derivations and len(names) > 1 and 2 in recipe.stages:
            derivations += self._second(recipe, entry, associations)
        self._settle(recipe, entry.product.program, entry.product.observation, derivations)

    def _second(
        self, recipe: Recipe, entry: Entry, associations: Sequence[Association]
    ) -> list[Derivation]:
        """The derivation of stage 2, if there is an association that calls for it."""
        alone = [each for each in associations if len(each.members) == 1]
        if not alone:
            self._wait(recipe, root_of_entry(entry), _why_no_stage_2(entry, associations))
            return []
        (member,) = alone[0].members
        rate = Input(name=member.name, role=member.exptype)
        pipeline = pipelines.of_association(alone[0].asn_type)
        return self._derived(recipe, entry.header, pipeline, alone[0].product, [rate])

    def consider_association(
        self,
        recipe: Recipe,
        association: Association,
        exposures: Mapping[str, Entry],
        made: Mapping[tuple[str, str], ResultFile],
        troubles: Mapping[tuple[str, str], str],
    ) -> None:
        """Stage 3 of one association; its first science member speaks for all, as in stpipe."""
        for member in association.members:
            if (recipe.name, member.name) not in made:
                root = root_of(member.name)
                why = troubles.get((recipe.name, root)) or _why_not_made(root, exposures)
                self._wait(recipe, association.product, f"member {member.name}{MISSING}{why}")
                return
        inputs = [
            _input(member.name, member.exptype, made[recipe.name, member.name])
            for member in association.members
        ]
        header = exposures[root_of(science(association)[0])].header
        pipeline = pipelines.of_association(association.asn_type)
        derivations = self._derived(recipe, header, pipeline, association.product, inputs)
        self._settle(recipe, association.program, association.candidate, derivations)

    def _derived(
        self, recipe: Recipe, header: str, pipeline: str, product: str, inputs: Sequence[Input]
    ) -> list[Derivation]:
        """A derivation, with parameters and references; none if it is refused."""
        try:
            resolver = self.resolver.within(recipe.python)
            asked = effective(recipe, header).get(pipeline, {"steps": {}})
            settled = resolver.settle(pipeline, header, asked)
            engine = dict(resolver.engine)
        except JwmirrorError as err:
            self._refuse(recipe, product, str(err))
            return []
        return [
            Derivation(
                pipeline=pipeline,
                product=product,
                engine=engine,
                inputs=tuple(inputs),
                parameters=settled.parameters,
                references=settled.references,
                hooks=settled.hooks,
            )
        ]

    def _settle(
        self, recipe: Recipe, program: int, observation: str, derivations: Sequence[Derivation]
    ) -> None:
        """Note which derivations are done; the others become a chain, with the reasons."""
        pending: list[Derivation] = []
        files: tuple[ResultFile, ...] = ()
        for derivation in derivations:
            try:
                bound = bind(derivation, files) if files else derivation
            except JwmirrorError as err:
                self._refuse(recipe, derivation.product, str(err))
                break
            key = key_of(bound) if is_bound(bound) else ""
            files = (self.recall(key) if key else None) or ()
            if files:
                self._note(recipe, program, observation, bound, files)
                if ramps.keeps(bound, recipe.keep):
                    ramp = ramps.ramp_of(bound)
                    if kept := self.recall(key_of(ramp)):
                        self._note(recipe, program, observation, ramp, kept)
            else:
                pending.append(bound)
        if pending:
            self.chains.append(
                Chain(
                    recipe=recipe.name,
                    program=program,
                    observation=observation,
                    product=pending[0].product,
                    derivations=tuple(pending),
                    reasons=self._reasons(recipe, pending),
                    keep=recipe.keep,
                    python=recipe.python,
                )
            )

    def _note(
        self,
        recipe: Recipe,
        program: int,
        observation: str,
        derivation: Derivation,
        files: tuple[ResultFile, ...],
    ) -> None:
        """Note a result that is there."""
        self.done.append(
            Result(
                recipe=recipe.name,
                program=program,
                observation=observation,
                pipeline=derivation.pipeline,
                product=derivation.product,
                key=key_of(derivation),
                files=files,
            )
        )

    def _reasons(self, recipe: Recipe, pending: Sequence[Derivation]) -> tuple[Reason, ...]:
        """Why results are out of date: how what is published differs from what is asked."""
        found: list[Reason] = []
        is_new = True
        for derivation in pending:
            old = self.published(recipe.name, derivation.product, derivation.pipeline)
            if old is None:
                found.append(Reason(f"{derivation.pipeline}: new", "", ""))
            else:
                is_new = False
                found += differences(old, derivation)
        if not is_bound(pending[0]):
            found.append(INPUTS)
        return (NEW,) if is_new else tuple(found) or (LOST,)

    def _wait(self, recipe: Recipe, product: str, why: str) -> None:
        self.waits.append(Wait(recipe=recipe.name, product=product, why=why))

    def _refuse(self, recipe: Recipe, product: str, why: str) -> None:
        self.failures.append(Wait(recipe=recipe.name, product=product, why=why))


# ---- what is there ---------------------------------------------------------------------------


def _of_recipe(exposures: Iterable[Entry], recipe: Recipe) -> Iterator[Entry]:
    return (entry for entry in exposures if entry.product.program in recipe.programs)


def _asked(
    names: Iterable[str], recipe: Recipe, stages: Iterable[int] = (1, 2, 3)
) -> dict[str, None]:
    """The pipelines among `names` that belong to stages of the recipe."""
    asked = set(recipe.stages) & set(stages)
    return {name: None for name in names if name and pipelines.STAGE[name] in asked}


def _to_come(
    chains: Iterable[Chain], found: Iterable[Association]
) -> dict[tuple[str, str], ResultFile]:
    """Members of associations that stage 2 of a chain is to make, by recipe and file name."""
    recipes: dict[str, list[str]] = {}
    for chain in chains:
        for derivation in chain.derivations:
            if pipelines.STAGE[derivation.pipeline] == 2:
                recipes.setdefault(root_of(derivation.inputs[0].name), []).append(chain.recipe)
    return {
        (recipe, member.name): ResultFile(filename=member.name, sha256="", size=0, identity="")
        for association in found
        for member in association.members
        for recipe in recipes.get(root_of(member.name), ())
    }


def _input(name: str, role: str, file: ResultFile) -> Input:
    return Input(name=name, role=role, identity=file.identity, sha256=file.sha256)


# ---- why not ---------------------------------------------------------------------------------


def _broken(associations: Associations, recipe: Recipe, stages: set[int]) -> Iterator[Wait]:
    """A wait for each association file of the recipe's programs that cannot be used."""
    for failure in associations.broken:
        stage = 2 if STAGE_2.search(failure.name) else 3
        asked = stage in stages and stage in recipe.stages
        if asked and program_of(failure.name) in (None, *recipe.programs):
            yield Wait(recipe=recipe.name, product=failure.name, why=failure.message)


def _why_no_stage_2(entry: Entry, associations: Sequence[Association]) -> str:
    if associations:
        return (
            f"association {associations[0].name} has {len(associations[0].members)} members; "
            "stage 2 is run only for associations of one exposure so far"
        )
    return (
        f"no stage-2 association with {root_of_entry(entry)}_rate.fits is held; "
        f"add asn to the products of program {entry.product.program}"
    )


def _why_not_made(root: str, exposures: Mapping[str, Entry]) -> str:
    if root in exposures:
        return "this recipe did not make it; its stages must include 1 and 2"
    return f"{root}{UNCAL} is not held; select it in programs, if MAST has it"


def _told(trouble: Wait | Failure) -> tuple[tuple[str, str], str]:
    """(recipe, product) and why; a worker's Failure is named recipe/product."""
    if isinstance(trouble, Wait):
        return (trouble.recipe, trouble.product), trouble.why
    recipe, _, product = trouble.name.partition("/")
    return (recipe, product), trouble.message

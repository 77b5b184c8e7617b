"""The builder of a plan: compares derivations with existing results; collects chains and reasons.

Pure: everything that must be looked up comes through the functions that are passed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from jwmirror.core.errors import JwmirrorError, MissingSliceError, ReferencesError
from jwmirror.core.model import Chain, Derivation, Input, Plan, Reason, Recipe, Result, ResultFile
from jwmirror.core.model.association import SCIENCE, Association
from jwmirror.core.model.parameters import PlainValues
from jwmirror.core.model.plan import (
    INPUTS_RECOMPUTED,
    NEVER_CALIBRATED,
    ExcludedFiles,
    Invalidation,
    JobLimits,
    PartialMatch,
    Wait,
    WaitCause,
)
from jwmirror.pipeline import ramps
from jwmirror.pipeline.allowed_environments import EnvironmentNotAllowedError
from jwmirror.pipeline.derivation import (
    bind,
    differences,
    forms_of,
    is_bound,
    key_of,
    result_of,
)
from jwmirror.planning.estimates.jobs import make_batches
from jwmirror.planning.estimates.memory import stage_bytes
from jwmirror.planning.estimates.results import written_bytes
from jwmirror.planning.estimates.runtime import Times, stage_seconds
from jwmirror.planning.inputs import AvailableFiles
from jwmirror.planning.resolvers.by_environment import Resolvers, resolve_stage

LOST = Reason("result", "lost", "to be recomputed")

Recall = Callable[[str], tuple[ResultFile, ...] | None]  # of a key
InvalidationOf = Callable[[str], Invalidation | None]  # of a key
PublishedAs = Callable[[str, str, str], Derivation | None]  # of recipe, product, pipeline


@dataclass(frozen=True)
class Destination:
    """The recipe and the view folder of planned results."""

    recipe: Recipe
    program: int
    observation: str


@dataclass(frozen=True)
class PlannedStage:
    """A stage of an exposure or association, to be looked up and maybe computed."""

    derivation: Derivation
    memory: int  # bytes
    seconds: float
    written: int  # bytes
    former: PlainValues | None  # as in ResolvedStage
    excluded: dict[str, str] = field(default_factory=dict)  # as in Association


@dataclass
class PlanBuilder:
    """The parts of a plan so far, the files it may use, and the functions to look things up.

    The functions of planning.plan add to it; then `build` returns the plan.
    """

    available: AvailableFiles
    resolvers: Resolvers
    recall: Recall
    published_derivation: PublishedAs
    invalidation: InvalidationOf = lambda key: None
    times: Times = field(default_factory=dict)  # of the mirror's stages
    chains: list[Chain] = field(default_factory=list)
    done: list[Result] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    failures: list[Wait] = field(default_factory=list)
    partial_matches: list[PartialMatch] = field(default_factory=list)
    excluded: list[ExcludedFiles] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    engines: dict[str, dict[str, str]] = field(default_factory=dict)  # by recipe

    def build(self, limits: JobLimits) -> Plan:
        """Return the plan, its chains cut into batches."""
        return Plan(
            context=self.resolvers.context,
            engines=dict(self.engines),
            batches=make_batches(self.chains, limits),
            done=tuple(self.done),
            waits=tuple(self.waits),
            failures=tuple(self.failures),
            partial_matches=tuple(self.partial_matches),
            excluded=tuple(self.excluded),
            notes=tuple(self.notes),
        )

    def derive_association(
        self,
        recipe: Recipe,
        members: Sequence[str],
        association: Association,
        inputs: Sequence[Input],
    ) -> PlannedStage | None:
        """Return the stage that makes an association's product, as `derive`."""
        stage = self.derive(recipe, members, association.pipeline, association.product, inputs)
        return stage and replace(stage, excluded=association.excluded)

    def derive(
        self,
        recipe: Recipe,
        members: Sequence[str],
        pipeline: str,
        product: str,
        inputs: Sequence[Input],
    ) -> PlannedStage | None:
        """Return a stage with parameters and references; refuse it, if there is an error.

        `members` as in resolve_stage.
        """
        try:
            resolver = self.resolvers.of(recipe.python, recipe.context)
            stage = resolve_stage(resolver, recipe, pipeline, members)
            self.resolvers.refuse_retracted(pipeline, stage, recipe.context)
            science = tuple(item.path or item.name for item in inputs if item.role == SCIENCE)
            slices = self.resolvers.slice_references(stage.parameters, members[0], science)
            engine = dict(resolver.engine)
        except MissingSliceError as err:
            self.waits.append(Wait(recipe.name, product, str(err), "catalogue"))
            return None
        except JwmirrorError as err:
            self.failures.append(Wait(recipe.name, product, str(err), _cause_of(err)))
            return None
        self.engines[recipe.name] = engine
        derivation = Derivation(
            pipeline=pipeline,
            product=product,
            engine=engine,
            inputs=tuple(inputs),
            parameters=stage.parameters,
            references=stage.references | slices,
            hooks=stage.hooks,
        )
        return PlannedStage(
            derivation,
            memory=stage_bytes(derivation, members[0], stage.largest),
            seconds=stage_seconds(derivation, members[0], self.times),
            written=written_bytes(
                derivation, members[0], ramps.keeps_ramp(derivation, recipe.keep)
            ),
            former=stage.former,
        )

    def add_stages(self, destination: Destination, stages: Sequence[PlannedStage]) -> None:
        """Add the stages of one exposure or association: as done, or as a chain with reasons."""
        pending: list[PlannedStage] = []
        files: tuple[ResultFile, ...] = ()
        for stage in stages:
            try:
                derivation = bind(stage.derivation, files) if files else stage.derivation
            except JwmirrorError as err:
                recipe, product = destination.recipe.name, stage.derivation.product
                self.failures.append(Wait(recipe, product, str(err), "input"))
                break
            form, files = self._recalled(derivation, stage.former)
            if files:
                self.done += self._results(destination, form, files)
            else:
                pending.append(replace(stage, derivation=derivation))
        if pending:
            self.chains.append(self._chain(destination, pending))

    def _recalled(
        self, derivation: Derivation, former: PlainValues | None
    ) -> tuple[Derivation, tuple[ResultFile, ...]]:
        """Return the form of a derivation that has a result, and its files; () without one."""
        for form in forms_of(derivation, former) if is_bound(derivation) else ():
            if files := self.recall(key_of(form)):
                return form, files
        return derivation, ()

    def _chain(self, destination: Destination, pending: Sequence[PlannedStage]) -> Chain:
        recipe = destination.recipe
        stages = {stage.derivation.pipeline: stage for stage in pending}
        derivations = tuple(stage.derivation for stage in pending)
        return Chain(
            recipe=recipe.name,
            program=destination.program,
            observation=destination.observation,
            product=derivations[0].product,
            derivations=derivations,
            reasons=self._reasons(recipe, derivations),
            keep=recipe.keep,
            python=recipe.python,
            context=recipe.context,
            memory=max(stage.memory for stage in pending),
            seconds=round(sum(stage.seconds for stage in pending), 1),
            written=sum(stage.written for stage in pending),
            former={p: stage.former for p, stage in stages.items() if stage.former is not None},
            excluded={p: stage.excluded for p, stage in stages.items() if stage.excluded},
        )

    def _results(
        self, destination: Destination, derivation: Derivation, files: tuple[ResultFile, ...]
    ) -> Iterator[Result]:
        """Yield an existing result, and the ramp it was made from if the recipe keeps ramps."""
        place = (destination.recipe.name, destination.program, destination.observation)
        yield result_of(*place, derivation, files)
        if ramps.keeps_ramp(derivation, destination.recipe.keep):
            ramp = ramps.ramp_derivation(derivation)
            if ramp_files := self.recall(key_of(ramp)):
                yield result_of(*place, ramp, ramp_files)

    def _reasons(self, recipe: Recipe, pending: Sequence[Derivation]) -> tuple[Reason, ...]:
        """Return how the pending derivations differ from those of the published results."""
        reasons: list[Reason] = []
        is_new = True
        for derivation in pending:
            pipeline = derivation.pipeline
            old = self.published_derivation(recipe.name, derivation.product, pipeline)
            if old is None:
                reasons.append(Reason(f"{pipeline}: new", "", "", pipeline))
            else:
                is_new = False
                reasons += differences(old, derivation)
        if not is_bound(pending[0]):
            reasons.append(INPUTS_RECOMPUTED)
        if is_new:
            return (NEVER_CALIBRATED,)
        return tuple(reasons) or tuple(self._invalidations(pending)) or (LOST,)

    def _invalidations(self, pending: Sequence[Derivation]) -> Iterator[Reason]:
        """Yield why derivations that were computed before are computed again."""
        for derivation in pending:
            mark = self.invalidation(key_of(derivation)) if is_bound(derivation) else None
            if mark:
                why = f"invalidated on {mark.at[:10]}{f': {mark.because}' if mark.because else ''}"
                yield Reason(f"{derivation.pipeline}: {why}", "", "", derivation.pipeline)


def _cause_of(error: JwmirrorError) -> WaitCause:
    """Return why a derivation was refused with an error."""
    if isinstance(error, EnvironmentNotAllowedError):
        return "environment"
    return "references" if isinstance(error, ReferencesError) else "request"

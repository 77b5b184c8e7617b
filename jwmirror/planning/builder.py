"""The builder of a plan: compares derivations with existing results; collects chains and reasons.

Pure: everything that must be looked up comes through the functions that are passed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from jwmirror.core.errors import JwmirrorError, MissingSliceError, ReferencesError
from jwmirror.core.model import Chain, Derivation, Input, Plan, Reason, Recipe, Result, ResultFile
from jwmirror.core.model.association import SCIENCE, Association
from jwmirror.core.model.parameters import PlainValues
from jwmirror.core.model.plan import (
    INPUTS_RECOMPUTED,
    NEVER_CALIBRATED,
    ExcludedFiles,
    Invalidation,
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
from jwmirror.pipeline.parameters.resolution import effective_parameters
from jwmirror.planning.batches import make_batches
from jwmirror.planning.inputs import AvailableFiles
from jwmirror.planning.memory import stage_bytes
from jwmirror.planning.resolvers.by_environment import Resolvers

LOST = Reason("result", "lost", "to be recomputed")

Recall = Callable[[str], tuple[ResultFile, ...] | None]  # of a key
StageName = tuple[str, str, str]  # recipe, pipeline, product
InvalidationOf = Callable[[str], Invalidation | None]  # of a key
PublishedAs = Callable[[str, str, str], Derivation | None]  # of recipe, product, pipeline


@dataclass(frozen=True)
class Destination:
    """The recipe and the view folder of planned results."""

    recipe: Recipe
    program: int
    observation: str


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
    chains: list[Chain] = field(default_factory=list)
    done: list[Result] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    failures: list[Wait] = field(default_factory=list)
    partial_matches: list[PartialMatch] = field(default_factory=list)
    excluded: list[ExcludedFiles] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    engines: dict[str, dict[str, str]] = field(default_factory=dict)  # by recipe
    memory: dict[StageName, int] = field(default_factory=dict)  # bytes
    former: dict[StageName, PlainValues] = field(default_factory=dict)  # as in Chain
    left_out: dict[StageName, dict[str, str]] = field(default_factory=dict)  # as Chain.excluded

    def build(self, batch_size: int) -> Plan:
        """Return the plan, its chains cut into batches."""
        return Plan(
            context=self.resolvers.context,
            engines=dict(self.engines),
            batches=make_batches(self.chains, batch_size),
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
    ) -> Derivation | None:
        """Return the derivation of an association's product, as `derive`."""
        pipeline, product = association.pipeline, association.product
        if association.excluded:
            self.left_out[recipe.name, pipeline, product] = association.excluded
        return self.derive(recipe, members, pipeline, product, inputs)

    def derive(
        self,
        recipe: Recipe,
        members: Sequence[str],
        pipeline: str,
        product: str,
        inputs: Sequence[Input],
    ) -> Derivation | None:
        """Return a derivation with parameters and references; refuse it, if there is an error.

        `members` are the headers of the exposure, or of all science members of an association. The
        first one decides about references, as in stpipe.
        """
        header = members[0]
        try:
            resolver = self.resolvers.of(recipe.python, recipe.context)
            requested = effective_parameters(recipe, *members).get(pipeline, {"steps": {}})
            stage = resolver.resolve(pipeline, header, requested)
            self.resolvers.refuse_retracted(pipeline, stage, recipe.context)
            science = tuple(item.name for item in inputs if item.role == SCIENCE)
            slices = self.resolvers.slice_references(stage.parameters, science)
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
        name = (recipe.name, pipeline, product)
        self.memory[name] = stage_bytes(derivation, header, stage.largest)
        if stage.former is not None:
            self.former[name] = stage.former
        return derivation

    def add_stages(self, destination: Destination, derivations: Sequence[Derivation]) -> None:
        """Add the stages of one exposure or association: as done, or as a chain with reasons."""
        pending: list[Derivation] = []
        files: tuple[ResultFile, ...] = ()
        for derivation in derivations:
            try:
                bound = bind(derivation, files) if files else derivation
            except JwmirrorError as err:
                recipe, product = destination.recipe.name, derivation.product
                self.failures.append(Wait(recipe, product, str(err), "input"))
                break
            form, files = self._recalled(destination.recipe, bound)
            if files:
                self.done += self._results(destination, form, files)
            else:
                pending.append(bound)
        if pending:
            self.chains.append(self._chain(destination, pending))

    def _recalled(
        self, recipe: Recipe, derivation: Derivation
    ) -> tuple[Derivation, tuple[ResultFile, ...]]:
        """Return the form of a derivation that has a result, and its files; () without one."""
        former = self.former.get((recipe.name, derivation.pipeline, derivation.product))
        for form in forms_of(derivation, former) if is_bound(derivation) else ():
            if files := self.recall(key_of(form)):
                return form, files
        return derivation, ()

    def _chain(self, destination: Destination, pending: Sequence[Derivation]) -> Chain:
        recipe = destination.recipe
        names = {each.pipeline: (recipe.name, each.pipeline, each.product) for each in pending}
        return Chain(
            recipe=recipe.name,
            program=destination.program,
            observation=destination.observation,
            product=pending[0].product,
            derivations=tuple(pending),
            reasons=self._reasons(recipe, pending),
            keep=recipe.keep,
            python=recipe.python,
            context=recipe.context,
            memory=max(self.memory[name] for name in names.values()),
            former={p: self.former[name] for p, name in names.items() if name in self.former},
            excluded={p: self.left_out[n] for p, n in names.items() if n in self.left_out},
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

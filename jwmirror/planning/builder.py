"""Where a plan is drawn up: derivations against the results that are there, chains, reasons.

Judgement only: what must be looked up comes through the functions that are passed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from jwmirror.core.errors import JwmirrorError
from jwmirror.core.model import (
    Chain,
    Derivation,
    Input,
    Plan,
    Reason,
    Recipe,
    Result,
    ResultFile,
    Wait,
)
from jwmirror.pipeline import ramps
from jwmirror.pipeline.derivation import bind, differences, is_bound, key_of
from jwmirror.pipeline.parameters.resolution import effective
from jwmirror.planning import memory
from jwmirror.planning.batches import cut
from jwmirror.planning.resolver import Settled

NEW = Reason("new", "", "")
LOST = Reason("result", "lost", "to be made again")
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


@dataclass(frozen=True, kw_only=True)
class Place:
    """Whose results are planned, and the folder of the view that they belong into."""

    recipe: Recipe
    program: int
    observation: str
    header: str  # of the exposure, or of the one that speaks for an association


@dataclass
class Desk:
    """What was found so far, and whom to ask."""

    resolver: Resolves
    recall: Recall
    published: PublishedAs
    chains: list[Chain] = field(default_factory=list)
    done: list[Result] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    failures: list[Wait] = field(default_factory=list)
    engines: dict[str, dict[str, str]] = field(default_factory=dict)  # by recipe
    largest: dict[tuple[str, str, str], int] = field(default_factory=dict)  # reference (bytes)

    def plan(self, batch_size: int) -> Plan:
        """What was found, as a plan."""
        return Plan(
            context=self.resolver.context,
            engines=dict(self.engines),
            batches=cut(self.chains, batch_size),
            done=tuple(self.done),
            waits=tuple(self.waits),
            failures=tuple(self.failures),
        )

    def wait(self, recipe: Recipe, product: str, why: str) -> None:
        """Note what cannot be calibrated now."""
        self.waits.append(Wait(recipe=recipe.name, product=product, why=why))

    def refuse(self, recipe: Recipe, product: str, why: str) -> None:
        """Note what no run can calibrate as it is."""
        self.failures.append(Wait(recipe=recipe.name, product=product, why=why))

    def derived(
        self, recipe: Recipe, header: str, pipeline: str, product: str, inputs: Sequence[Input]
    ) -> list[Derivation]:
        """A derivation, with parameters and references; none if it is refused."""
        try:
            resolver = self.resolver.within(recipe.python)
            asked = effective(recipe, header).get(pipeline, {"steps": {}})
            settled = resolver.settle(pipeline, header, asked)
            engine = dict(resolver.engine)
        except JwmirrorError as err:
            self.refuse(recipe, product, str(err))
            return []
        self.engines[recipe.name] = engine
        self.largest[recipe.name, pipeline, product] = settled.largest
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

    def settle(self, place: Place, derivations: Sequence[Derivation]) -> None:
        """Note which derivations are done; the others become a chain, with the reasons."""
        pending: list[Derivation] = []
        files: tuple[ResultFile, ...] = ()
        for derivation in derivations:
            try:
                bound = bind(derivation, files) if files else derivation
            except JwmirrorError as err:
                self.refuse(place.recipe, derivation.product, str(err))
                break
            key = key_of(bound) if is_bound(bound) else ""
            files = (self.recall(key) if key else None) or ()
            if files:
                self.done += self._results(place, bound, files)
            else:
                pending.append(bound)
        if pending:
            self.chains.append(
                Chain(
                    recipe=place.recipe.name,
                    program=place.program,
                    observation=place.observation,
                    product=pending[0].product,
                    derivations=tuple(pending),
                    reasons=self._reasons(place.recipe, pending),
                    keep=place.recipe.keep,
                    python=place.recipe.python,
                    memory=max(self._memory(place, each) for each in pending),
                )
            )

    def _memory(self, place: Place, derivation: Derivation) -> int:
        """Bytes that a derivation may take."""
        named = (place.recipe.name, derivation.pipeline, derivation.product)
        return memory.of_stage(derivation, place.header, self.largest.get(named, 0))

    def _results(
        self, place: Place, derivation: Derivation, files: tuple[ResultFile, ...]
    ) -> Iterator[Result]:
        """A result that is there; and the ramp it was made from, where the recipe keeps it."""
        yield _result(place, derivation, files)
        if ramps.keeps(derivation, place.recipe.keep):
            ramp = ramps.ramp_of(derivation)
            if kept := self.recall(key_of(ramp)):
                yield _result(place, ramp, kept)

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


def _result(place: Place, derivation: Derivation, files: tuple[ResultFile, ...]) -> Result:
    return Result(
        recipe=place.recipe.name,
        program=place.program,
        observation=place.observation,
        pipeline=derivation.pipeline,
        product=derivation.product,
        key=key_of(derivation),
        files=files,
    )

"""Exposures, associations and an observatory made by hand, for plans to be made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jwmirror.core.errors import CalibrationError
from jwmirror.core.model import Chain, Derivation, Entry, Plan, Recipe, ResultFile, canonical
from jwmirror.core.model.association import Associations
from jwmirror.core.model.parameters import PlainValues
from jwmirror.core.model.plan import Invalidation, JobLimits, ReferenceFinding
from jwmirror.core.model.sky.slices import GaiaSlices
from jwmirror.pipeline.derivation import engine_versions, key_of, software_versions
from jwmirror.planning.builder import PlanBuilder
from jwmirror.planning.inputs import AvailableFiles, available_files
from jwmirror.planning.levels import AssociationLevel
from jwmirror.planning.plan import plan_associations, plan_exposures
from jwmirror.planning.resolvers.by_environment import Resolvers
from jwmirror.planning.resolvers.local import ResolvedStage
from tests.setup.records import association, entry, product

DEEP = Recipe(name="deep", programs=(1345,))
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w"


def root(number: int) -> str:
    """The name of an exposure without its suffix."""
    return f"jw01345001001_02101_{number:05d}_nrcb1"


def exposure(number: int, exp_type: str = "NRC_IMAGE", **changes: object) -> Entry:
    """A manifest row of a raw exposure."""
    filename = f"{root(number)}_uncal.fits"
    header = {"meta.exposure.type": exp_type, "meta.instrument.detector": "NRCB1"}
    given = {"sha256": f"{number:064d}", "identity": f"identity-{number}"}
    row = entry(product(filename), header=canonical(header), **given)
    return replace(row, **changes)


def image2(*numbers: int) -> Associations:
    """The stage-2 associations of exposures."""
    found = [association("image2", root(n), f"{root(n)}_rate.fits") for n in numbers]
    return Associations(found=tuple(found))


def image3(*numbers: int) -> Associations:
    """One mosaic of exposures."""
    return Associations(
        found=(association("image3", MOSAIC, *(f"{root(n)}_cal.fits" for n in numbers)),)
    )


@dataclass
class PlanSources:
    """What a plan looks up: references by one context, results made, what is published."""

    context: str = "jwst_0001.pmap"
    hook: str = ""  # sha256
    findings: tuple[ReferenceFinding, ...] = ()
    marks: dict[str, Invalidation] = field(default_factory=dict)  # of invalidated results, by key
    former: PlainValues | None = None  # parameters in earlier keys
    slices: GaiaSlices = field(default_factory=GaiaSlices)
    gaps: set[str] = field(default_factory=set)  # pipelines
    results: dict[str, tuple[ResultFile, ...]] = field(default_factory=dict)
    derivations: dict[tuple[str, str, str], Derivation] = field(default_factory=dict)

    @property
    def engine(self):
        """The versions that are installed."""
        return engine_versions()

    @property
    def software(self):
        """The other versions that are installed."""
        return software_versions()

    @property
    def resolvers(self) -> Resolvers:
        """The same for all environments."""
        return Resolvers(self.context, lambda python, context: self, self.findings, self.slices)

    def resolve(self, pipeline: str, header: str, requested: Mapping[str, Any]) -> ResolvedStage:
        """Parameters as overridden, and a flat that goes with the context."""
        if pipeline in self.gaps:
            raise CalibrationError(f"{pipeline}: {self.context} has no flat reference")
        flat = (f"flat_of_{self.context}", "5a")
        hooks = (("fixes.scale", self.hook),) if self.hook else ()
        return ResolvedStage(
            parameters=dict(requested),
            references={"flat": flat},
            hooks=hooks,
            former=self.former,
        )

    def published(self, recipe: str, product: str, pipeline: str) -> Derivation | None:
        """How the published result was made."""
        return self.derivations.get((recipe, product, pipeline))

    def make(self, chain: Chain, *suffixes: str) -> tuple[ResultFile, ...]:
        """Compute and publish the first stage of a chain."""
        made = chain.derivations[0]
        names = [f"{made.product}_{suffix}.fits" for suffix in suffixes]
        files = tuple(
            ResultFile(filename=name, sha256=f"sha-{name}", size=1, identity=f"id-{name}")
            for name in names
        )
        self.results[key_of(made)] = files
        self.derivations[chain.recipe, made.product, made.pipeline] = made
        return files

    def plan(self, entries: list[Entry], associations: Associations, *recipes: Recipe) -> Plan:
        """The plan of exposures."""
        builder = self.builder(available_files(entries))
        plan_exposures(builder, associations, recipes or (DEEP,))
        return builder.build(JobLimits(exposures=16))

    def plan_stage(
        self,
        stage: int,
        available: AvailableFiles,
        associations: Associations,
        recipe: Recipe = DEEP,
    ) -> Plan:
        """The plan of a stage's associations."""
        builder = self.builder(available)
        plan_associations(builder, associations, [recipe], AssociationLevel(stage))
        return builder.build(JobLimits(exposures=16))

    def builder(self, available: AvailableFiles) -> PlanBuilder:
        """A builder of a plan that looks things up here."""
        results = self.results.get
        return PlanBuilder(available, self.resolvers, results, self.published, self.marks.get)


def chains(plan: Plan) -> list[Chain]:
    """All chains of a plan."""
    return list(plan.chains)


def stages(plan: Plan) -> list[list[str]]:
    """The pipelines of each chain."""
    return [[derivation.pipeline for derivation in chain.derivations] for chain in chains(plan)]

"""Associations: the exposures that one pipeline combines, as records."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace

from jwmirror.core.model.derivation import OF_ASSOCIATIONS, STAGES, whole_pipeline
from jwmirror.core.model.recipe import Recipe
from jwmirror.core.model.stored import Failure

UNCAL = "_uncal.fits"  # ends the names of raw exposures
SCIENCE = "science"  # exptype of the members that an association is about
SHUTTERS = "msa"  # role of an input that is no member: NIRSpec's shutter configuration


@dataclass(frozen=True, kw_only=True)
class Member:
    """One exposure of an association, and its part in it (science, background...)."""

    name: str  # file name
    exptype: str
    path: str = ""  # absolute, of a file of the user; "" for a file of the mirror or the recipe
    absent: str = ""  # the path in an association of the user, if there is no such file
    beyond: tuple[str, ...] = ()  # attributes in the file that do not reach jwst


@dataclass(frozen=True, kw_only=True)
class Association:
    """Exposures that one pipeline takes together. The order of the members matters."""

    name: str  # file name
    asn_type: str  # image2, image3, tso-spec2...
    program: int
    candidate: str  # o001, c1001
    product: str  # root of the names of the files that the pipeline makes
    members: tuple[Member, ...]
    expected_stage: int = 0  # of an association of the user whose type is not known yet
    # file names of members that the recipe excludes -> the reason; they are not in `members`
    excluded: dict[str, str] = field(default_factory=dict)

    @property
    def pipeline(self) -> str:
        """The pipeline that takes the association; "" for an unknown type."""
        return pipeline_of_type(self.asn_type)

    @property
    def stage(self) -> int:
        """The stage that the association is for; 0 for an unknown type."""
        return STAGES.get(self.pipeline, self.expected_stage)

    @property
    def science(self) -> tuple[Member, ...]:
        """The science members. The first one represents all, as in stpipe."""
        return tuple(member for member in self.members if member.exptype == SCIENCE)

    @property
    def roots(self) -> tuple[str, ...]:
        """Roots of the members' file names, each once, in order; without files of the user."""
        others = (member for member in self.members if not member.path)
        return tuple(dict.fromkeys(root_of(member.name) for member in others))

    @property
    def is_of_one_exposure(self) -> bool:
        """True if all members are of one exposure of the mirror."""
        return len(self.roots) == 1 and not any(member.path for member in self.members)


@dataclass(frozen=True, kw_only=True)
class OwnFile:
    """A file of the user that is an input of a recipe, as it is now."""

    path: str  # absolute
    sha256: str = ""
    identity: str = ""  # science identity
    header: str = ""  # as in Entry; of science members
    refusal: str = ""  # why it cannot be used


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """Associations that are not used, because another one makes a product of the same name."""

    used: str  # file name
    others: tuple[str, ...]  # file names


@dataclass(frozen=True, kw_only=True)
class Associations:
    """The associations of a mirror, one per product and type, and the files that are unusable."""

    found: tuple[Association, ...] = ()  # MAST's
    broken: tuple[Failure, ...] = ()
    chosen: dict[str, tuple[Association, ...]] = field(default_factory=dict)  # by recipe: instead
    passed_over: tuple[PassedOver, ...] = ()
    # by recipe: those whose science members it excludes, all of them; their products are not made
    unmade: dict[str, tuple[Association, ...]] = field(default_factory=dict)

    def of(self, recipe: Recipe, stage: int) -> tuple[Association, ...]:
        """Return the associations of one stage that a recipe uses."""
        return _of_stage(self.chosen.get(recipe.name, self.found), recipe, stage)

    def unmade_of(self, recipe: Recipe, stage: int) -> tuple[Association, ...]:
        """Return the associations of one stage whose science members a recipe excludes."""
        return _of_stage(self.unmade.get(recipe.name, ()), recipe, stage)

    def of_step(self, recipe: Recipe, step: str) -> tuple[Association, ...]:
        """Return the associations whose products a single step of a recipe takes.

        They are those of the recipe that makes the products; none if they are MAST's.
        """
        pipeline = whole_pipeline(step)
        of_base = self.chosen.get(recipe.products_of, self.found) if recipe.products_of else ()
        return tuple(
            association
            for association in of_base
            if recipe.takes(association.program) and association.pipeline == pipeline
        )

    def without(self, products: Container[str]) -> "Associations":
        """Return the same without the associations that make one of `products`."""

        def others(associations: Iterable[Association]) -> tuple[Association, ...]:
            return tuple(each for each in associations if each.product not in products)

        chosen = {recipe: others(associations) for recipe, associations in self.chosen.items()}
        return replace(self, found=others(self.found), chosen=chosen)


def _of_stage(
    associations: Iterable[Association], recipe: Recipe, stage: int
) -> tuple[Association, ...]:
    return tuple(
        association
        for association in associations
        if recipe.takes(association.program)
        and stage in recipe.stages
        and association.stage == stage
    )


def pipeline_of_type(asn_type: str) -> str:
    """Return the pipeline that takes the associations of a type of jwst; "" for an unknown type.

    It is the last part of the type: image2 of tso-image2 and of wfs-image2.
    """
    pipeline = asn_type.lower().rpartition("-")[2]
    return pipeline if pipeline in OF_ASSOCIATIONS else ""


def root_of(filename: str) -> str:
    """Return the root of a file name: jw..._nrcb1 of jw..._nrcb1_cal.fits."""
    return filename.rpartition("_")[0]

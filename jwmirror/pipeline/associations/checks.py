"""Checks of a user's own associations."""

from collections.abc import Iterator

from jwmirror.core import names
from jwmirror.core.errors import unknown_name
from jwmirror.core.model.association import SCIENCE, Association, Member
from jwmirror.pipeline.associations.reading import NOT_PASSED_ON, STAGE_OF_SUFFIX

EXPTYPES = (  # the types that jwst writes; it ignores members of any other type
    SCIENCE,
    "background",
    "imprint",
    "psf",
    "selfcal",
    "target_acquisition",
    "sourcecat",
    "segmap",
    "direct_image",
    "autoflat",
    "autowave",
    "dark",
    "engineering",
    "flat",
)


def ignored_parts(association: Association) -> Iterator[str]:
    """Yield the parts of a user's own association that jwst or jwmirror would silently ignore.

    Members of unknown exptype or of another stage's files; attributes that do not reach jwst; all
    but the first science member of stage 2; a product whose name is that of an exposure.
    """
    stage = association.stage
    for member in association.members:
        if member.exptype not in EXPTYPES:
            yield f"member {member.name}: {unknown_name('exptype', member.exptype, EXPTYPES)}"
        elif member.exptype == SCIENCE and not _may_be_science(member, stage):
            suffixes = [suffix for suffix, taker in STAGE_OF_SUFFIX.items() if taker == stage]
            expected = " or ".join(f"_{suffix}.fits" for suffix in suffixes)
            kind = association.asn_type or f"stage {stage}"
            yield f"member {member.name}: science of {kind} is {expected}"
        for attribute in member.beyond:
            remedy = NOT_PASSED_ON[attribute]
            yield f"member {member.name}: {attribute} does not reach jwst; {remedy}"
    if stage == 3 and names.is_exposure_root(association.product):
        yield f"product {association.product} is named as an exposure, whose files it would hide"
    if stage == 2 and len(association.science) > 1:
        several = ", ".join(member.name for member in association.science)
        yield f"stage 2 takes the first of several science members only: {several}"


def _may_be_science(member: Member, stage: int) -> bool:
    """Return whether a stage takes a file of that name; a user's own may have any name."""
    suffix, _, ending = member.name.rpartition("_")[2].partition(".")
    is_packed = ending.endswith("gz")  # no recipe makes such files
    return bool(member.path) or (STAGE_OF_SUFFIX.get(suffix) == stage and not is_packed)

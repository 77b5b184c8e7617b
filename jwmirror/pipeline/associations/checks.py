"""Checks of associations: parts that would be ignored, and members that do not fit together."""

from collections.abc import Iterator, Sequence

from jwmirror.core import names
from jwmirror.core.errors import unknown_name
from jwmirror.core.grouping import group_by
from jwmirror.core.model.association import SCIENCE, Association, Member
from jwmirror.pipeline import headers, registry
from jwmirror.pipeline.associations.reading import NOT_PASSED_ON, STAGE_OF_SUFFIX

CATALOGUE = "sourcecat"  # exptype of the catalogue that grism exposures need
OF_DIRECT_IMAGE = {CATALOGUE: "cat", "segmap": "segm", "direct_image": "i2d"}  # exptype: suffix
GRISM_TYPES = ("NIS_WFSS", "NRC_GRISM", "NRC_WFSS", "MIR_WFSS")  # as jwst.pipeline.calwebb_spec2
CATALOGUE_IN_HEADER = "meta.source_catalog"  # SCATFILE, which spec2 takes without a member
KINDS = {"image2": "images", "spec2": "spectra"}  # of exposures, by the pipeline of stage 2

EXPTYPES = (  # the types that jwst writes; it ignores members of any other type
    SCIENCE,
    "background",
    "imprint",
    "psf",
    "selfcal",
    "target_acquisition",
    *OF_DIRECT_IMAGE,
    "autoflat",
    "autowave",
    "dark",
    "engineering",
    "flat",
)


def ignored_parts(association: Association) -> Iterator[str]:
    """Yield the parts of a user's own association that jwst or jwmirror would silently ignore.

    Members of unknown exptype, or whose names are those of other files; attributes that do not
    reach jwst; all but the first science member of stage 2; a product whose name is that of an
    exposure.
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
        elif not _may_be_of_direct_image(member):
            expected = f"_{OF_DIRECT_IMAGE[member.exptype]}"
            yield f"member {member.name}: expected a file *{expected}.* as {member.exptype}"
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


def _may_be_of_direct_image(member: Member) -> bool:
    """Return whether a file is not another product of direct images than its exptype asks for."""
    expected = OF_DIRECT_IMAGE.get(member.exptype, "")
    _, suffix = names.root_and_suffix(member.name)
    return not expected or suffix == expected or suffix not in OF_DIRECT_IMAGE.values()


def member_mistake(association: Association, headers_of: Sequence[str]) -> str:
    """Return why jwst cannot combine the members of an association; "" if it can.

    `headers_of` are those of the science members, "" where unknown. The values of EXP_TYPE and
    INSTRUME in them decide; members of unknown values do not count.
    """
    mistakes = (
        _describe_instruments(association, headers_of),
        _describe_kinds(association, headers_of),
        _describe_missing_catalogue(association, headers_of),
    )
    return next((why for why in mistakes if why), "")


def _describe_instruments(association: Association, headers_of: Sequence[str]) -> str:
    """Return which science members are of another instrument than the first one; "" if none is.

    jwst does not check this.
    """
    first, *others = (h and headers.header_value(h, "instrument") for h in headers_of)
    pairs = zip(association.science[1:], others, strict=True)
    wrong = [f"{other} ({member.name})" for member, other in pairs if other not in ("", first)]
    if not (first and wrong):
        return ""
    return (
        f"science members are of {first} (the first one) and {', '.join(wrong)}; an association "
        "is of one instrument; take the others out"
    )


def _describe_kinds(association: Association, headers_of: Sequence[str]) -> str:
    """Return which science members are images and which are spectra; "" unless there are both."""
    types = [h and headers.header_value(h, "exp_type") for h in headers_of]
    members = group_by(
        zip(association.science, types, strict=True),
        lambda pair: next(iter(registry.pipelines_of_exposure(pair[1])[1:]), ""),
    )
    members.pop("", None)
    if len(members) < 2:
        return ""
    kinds = [
        f"{KINDS[pipeline]} ({same[0][0].name}: EXP_TYPE {same[0][1]}"
        f"{f', and {len(same) - 1} more' if len(same) > 1 else ''})"
        for pipeline, same in members.items()
    ]
    pipeline = association.pipeline or "a pipeline"
    return (
        f"science members are {' and '.join(kinds)}, which {pipeline} cannot combine; take one "
        "kind out, or write an association for each"
    )


def _describe_missing_catalogue(association: Association, headers_of: Sequence[str]) -> str:
    """Return that grism exposures of stage 2 have no catalogue, without which spec2 fails."""
    exptypes = {member.exptype for member in association.members}
    if association.stage != 2 or CATALOGUE in exptypes:
        return ""
    header = headers_of[0]
    exp_type = header and headers.header_value(header, "exp_type").upper()
    in_header = header and headers.parse_header(header).get(CATALOGUE_IN_HEADER)
    others = ", ".join(exptype for exptype in OF_DIRECT_IMAGE if exptype in exptypes)
    if in_header or not (exp_type in GRISM_TYPES or others):
        return ""
    science = f"{association.science[0].name}{f' (EXP_TYPE {exp_type})' if exp_type else ''}"
    found = f"found {others} without it" if others else "found none"
    return (
        f"expected a member of exptype {CATALOGUE}, the catalogue of sources that spec2 needs for "
        f"{science}, {found}; add the _cat.ecsv of its direct images, or your own catalogue"
    )

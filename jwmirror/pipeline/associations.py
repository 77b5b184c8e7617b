"""Association files: read, checked and written; and associations made from a pool by jwst."""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from jwmirror.core import names
from jwmirror.core.errors import CalibrationError, failures_as, unknown_name
from jwmirror.core.grouping import group_by
from jwmirror.core.jsonio import load_json
from jwmirror.core.model import GONE, Derivation, Entry, Failure
from jwmirror.core.model.association import (
    PIPELINE_OF,
    SCIENCE,
    SHUTTERS,
    UNCAL,
    Association,
    Associations,
    Member,
    PassedOver,
)
from jwmirror.pipeline import registry

UNUSABLE = "it is not an association that can be used"
FETCH_AGAIN = "fetch it again, or ask MAST's help desk."
CORRECT_IT = "correct it, or take another."  # a remedy for the user's own file
MAX_POOL = 64 << 20  # bytes; 100,000 exposures have half of it
MAX_REPEATS = 10  # rows of one exposure; MAST writes one
MAX_CANDIDATES = 10_000  # characters of the candidates of one exposure
LAST_PROGRAM = 99_999  # names of files have five digits of it
NO_CANDIDATE = "a3001"  # MAST's number for associations without a candidate
NOT_PASSED_ON = {  # attributes of members that do not reach jwst, and what to do instead
    "group_id": "let a function between image2 and image3 set model.meta.group_id",
    "tweakreg_catalog": "name the catalogues in a file: image3.tweakreg.catfile, and "
    "use_custom_catalogs: true",
}
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
SCIENCE_SUFFIXES = {2: ("rate", "rateints"), 3: ("cal", "calints")}  # by stage
RATE_OR_CAL = re.compile(r"_(rate|cal)(\.[^_]*)?$")  # ends the names of files without integrations


# ---- reading -----------------------------------------------------------------------------------


def read_associations(entries: Iterable[Entry], locate: Callable[[str], Path]) -> Associations:
    """Return the associations among entries; `locate` returns the path of a sha256.

    An association that MAST still has replaces one that vanished; otherwise as in latest_of.
    """
    associations: list[Association] = []
    listed: list[Association] = []
    broken = []
    for entry in sorted(entries, key=lambda entry: (entry.state != GONE, entry.filename)):
        if entry.product is None or entry.product.suffix != "asn":
            continue
        try:
            in_file = read_association_file(locate(entry.sha256), entry.filename)
        except CalibrationError as err:
            broken.append(Failure(name=entry.filename, message=str(err)))
        else:
            associations += in_file
            listed += in_file if entry.state != GONE else ()
    return Associations(
        found=latest_of(associations), broken=tuple(broken), passed_over=tuple(_passed_over(listed))
    )


def _passed_over(associations: Iterable[Association]) -> Iterator[PassedOver]:
    """Yield those of one candidate that latest_of leaves out though they have other members."""
    same = group_by(associations, lambda each: (each.product, each.asn_type, each.candidate))
    for *others, used in same.values():
        names = [other.name for other in others if set(other.roots) != set(used.roots)]
        if names:
            yield PassedOver(used=used.name, others=tuple(names))


def latest_of(associations: Iterable[Association]) -> tuple[Association, ...]:
    """Return one association per product and type, sorted by these.

    Of those of one candidate it is the last. Of those of several candidates it is the one with
    most members: an exposure with its backgrounds, not without them.
    """
    latest = {(each.product, each.asn_type, each.candidate): each for each in associations}
    by_size = sorted(latest.values(), key=lambda each: (len(each.members), each.candidate))
    largest = {(each.product, each.asn_type): each for each in by_size}
    return tuple(largest[product_and_type] for product_and_type in sorted(largest))


def read_association_file(
    path: Path, name: str = "", remedy: str = FETCH_AGAIN
) -> tuple[Association, ...]:
    """Return the associations in a file, one per product.

    `name` is its file name if the path has another one; `remedy` ends the message if the file
    cannot be used.

    Raises:
        CalibrationError: the file cannot be used.
    """
    name = name or Path(path).name
    with _unusable(name, remedy):
        try:
            content = load_json(Path(path))
        except OSError as err:
            raise CalibrationError(f"{path}: {err.strerror}; {remedy}") from err
        return _associations_in(content, name)


def parse_associations(text: str, name: str) -> tuple[Association, ...]:
    """Return the associations in the text of a file, as read_association_file does."""
    with _unusable(name, FETCH_AGAIN):
        return _associations_in(json.loads(text), name)


def _unusable(name: str, remedy: str) -> AbstractContextManager[None]:
    """Convert any failure to read an association to CalibrationError."""
    return failures_as(lambda why: CalibrationError(f"{name}: {UNUSABLE}: {why}; {remedy}"))


def _associations_in(content: Any, name: str) -> tuple[Association, ...]:
    asn_type, candidate = _file_name(content["asn_type"]), _file_name(content["asn_id"])
    if asn_type.lower() not in PIPELINE_OF:
        known = ", ".join(sorted(PIPELINE_OF))
        raise ValueError(f"asn_type is {asn_type}, and the pipelines know {known}")
    if not content["products"]:
        raise ValueError("it has no product")
    return tuple(
        Association(
            name=name,
            asn_type=asn_type,
            program=_program(content["program"], product["members"]),
            candidate=candidate,
            product=_file_name(product["name"]).lower(),
            members=_members(product["members"], asn_type),
        )
        for product in content["products"]
    )


def _program(program: Any, members: Any) -> int:
    """Return the program's number; that of the first member if the file has none (noprogram)."""
    of_member = None
    if isinstance(program, str) and not program.isdecimal() and members:
        of_member = names.program_of(_file_name(members[0]["expname"]))
    try:
        number = int(program) if of_member is None else of_member
    except (ValueError, TypeError, OverflowError):  # the latter of infinity
        number = -1
    if not 0 <= number <= LAST_PROGRAM:
        found = f"{program!r:.40}"
        raise ValueError(f"program: expected a number of up to five digits, found {found}")
    return number


def _members(listed: Any, asn_type: str) -> tuple[Member, ...]:
    """Return the members in order; those of a time series as files with integrations."""
    members = tuple(
        Member(
            name=_file_name(member["expname"]),
            exptype=_file_name(member["exptype"]).lower(),
            beyond=tuple(attribute for attribute in NOT_PASSED_ON if member.get(attribute)),
        )
        for member in listed
    )
    if asn_type.lower().startswith(registry.TIME_SERIES):
        members = tuple(_with_integrations(member) for member in members)
    filenames = [member.name for member in members]
    for filename, count in Counter(filenames).most_common(1):
        if count > 1:
            raise ValueError(f"{filename} is a member twice")
    if not any(member.exptype == SCIENCE for member in members):
        raise ValueError("it has no science member")
    return members


def _with_integrations(member: Member) -> Member:
    """Return a science member as its file with integrations: _rateints for _rate."""
    if member.exptype != SCIENCE:
        return member
    return replace(member, name=RATE_OR_CAL.sub(r"_\1ints\2", member.name))


def _file_name(value: Any) -> str:
    """Return a value that is part of file names; ValueError unless it is safe as one."""
    if not isinstance(value, str) or not names.is_safe(value):
        raise ValueError(f"expected a name, found {value!a:.80}")
    return value


# ---- checking ----------------------------------------------------------------------------------


def ignored_parts(association: Association) -> Iterator[str]:
    """Yield the parts of a user's own association that jwst or jwmirror would silently ignore.

    Members of unknown exptype or of another stage's files; attributes that do not reach jwst; all
    but the first science member of stage 2; a product whose name is that of an exposure.
    """
    stage = association.stage
    for member in association.members:
        suffix = member.name.rpartition("_")[2].partition(".")[0]
        if member.exptype not in EXPTYPES:
            yield f"member {member.name}: {unknown_name('exptype', member.exptype, EXPTYPES)}"
        elif member.exptype == SCIENCE and suffix not in SCIENCE_SUFFIXES[stage]:
            expected = " or ".join(f"_{each}.fits" for each in SCIENCE_SUFFIXES[stage])
            yield f"member {member.name}: science of {association.asn_type} is {expected}"
        for attribute in member.beyond:
            remedy = NOT_PASSED_ON[attribute]
            yield f"member {member.name}: {attribute} does not reach jwst; {remedy}"
    if stage == 3 and names.is_exposure_root(association.product):
        yield f"product {association.product} is named as an exposure, whose files it would hide"
    if stage == 2 and len(association.science) > 1:
        several = ", ".join(association.science)
        yield f"stage 2 takes the first of several science members only: {several}"


# ---- writing -----------------------------------------------------------------------------------


def association_file(derivation: Derivation) -> tuple[str, str]:
    """Return name and content of the association file that a pipeline reads.

    It contains nothing but the derivation. Without MAST's stamp, an association that was only
    restamped gives the same result.
    """
    members = [
        {"expname": item.name, "exptype": item.role}
        for item in derivation.inputs
        if item.role != SHUTTERS
    ]
    content = {
        "asn_type": derivation.pipeline,
        "asn_rule": "jwmirror",
        "asn_id": names.candidate_of(derivation.product) or NO_CANDIDATE,
        "asn_pool": "none",
        "program": derivation.inputs[0].name[2:7],
        "target": "none",
        "version_id": None,
        "code_version": derivation.engine["jwst"],
        "degraded_status": "No known degraded exposures in association.",
        "constraints": "none",
        "products": [{"name": derivation.product, "members": members}],
    }
    return f"{derivation.product}_{derivation.pipeline}_asn.json", json.dumps(content, indent=1)


# ---- from a pool -------------------------------------------------------------------------------


ASSOCIATION_SCHEME = 1  # version of this function: 1 more with each change of what it returns


def generate_associations(pool: Path, name: str, roots: Collection[str]) -> tuple[Association, ...]:
    """Return the associations that jwst's rules make of some exposures of a pool, by root.

    `name` is the pool's file name. Takes seconds for tens of exposures, minutes for hundreds.

    Raises:
        CalibrationError: jwst cannot read the pool, or cannot make associations of it.
    """
    from jwst.associations.generator.generate_per_candidate import generate_per_candidate

    with failures_as(
        lambda why: CalibrationError(
            f"{name}: jwst cannot make associations of this pool: {why}; fetch it again, or name "
            "association files of your own in the recipe (associations)."
        )
    ):
        chosen = _rows_of(pool, roots)
        generated = generate_per_candidate(chosen, None, discover=True) if len(chosen) else []
        files = [association.dump() for association in generated]
        return latest_of(
            association for title, text in files for association in parse_associations(text, title)
        )


def _rows_of(pool: Path, roots: Collection[str]) -> Any:  # a table of astropy, without types
    """Return the rows of some exposures; ValueError if they are too many for the rules of jwst.

    These take seconds for each exposure and candidate.
    """
    from jwst.associations import AssociationPool

    if pool.stat().st_size > MAX_POOL:
        raise ValueError(f"expected at most {MAX_POOL} bytes, found {pool.stat().st_size}")
    every = AssociationPool.read(pool)
    rows = every[[filename.removesuffix(UNCAL) in roots for filename in every["filename"]]]
    if len(rows) > MAX_REPEATS * len(roots):
        raise ValueError(f"{len(rows)} rows are of {len(roots)} exposures")
    for candidates in rows["asn_candidate"] if "asn_candidate" in rows.colnames else ():
        if len(str(candidates)) > MAX_CANDIDATES:
            raise ValueError(f"an exposure has candidates of {len(str(candidates))} characters")
    return rows

"""Association files: read, from MAST and of the user."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from jwmirror.core import names
from jwmirror.core.errors import CalibrationError, failures_as
from jwmirror.core.grouping import group_by
from jwmirror.core.jsonio import load_json
from jwmirror.core.model import GONE, Entry, Failure
from jwmirror.core.model.association import (
    PIPELINE_OF,
    SCIENCE,
    Association,
    Associations,
    Member,
    PassedOver,
)
from jwmirror.pipeline import registry

UNUSABLE = "it is not an association that can be used"
FETCH_AGAIN = "fetch it again, or ask MAST's help desk."
CORRECT_IT = "correct it, or take another."  # a remedy for the user's own file
LAST_PROGRAM = 99_999  # names of files have five digits of it
NOT_PASSED_ON = {  # attributes of members that do not reach jwst, and what to do instead
    "group_id": "let a function between image2 and image3 set model.meta.group_id",
    "tweakreg_catalog": "name the catalogues in a file: image3.tweakreg.catfile, and "
    "use_custom_catalogs: true",
}
RATE_OR_CAL = re.compile(r"_(rate|cal)(\.[^_]*)?$")  # ends the names of files without integrations


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

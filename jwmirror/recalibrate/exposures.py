"""Exposures by the names that entries, associations and members share. Pure: no I/O."""

from collections.abc import Iterable

from jwmirror.recalibrate import pipelines
from jwmirror.recalibrate.associations import Association
from jwmirror.records import Entry

UNCAL = "_uncal.fits"
SCIENCE = "science"


def by_root(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Raw exposures by the root of their names; those that vanished upstream are kept in use."""
    raw = [entry for entry in entries if entry.product and entry.filename.endswith(UNCAL)]
    return {root_of_entry(entry): entry for entry in sorted(raw, key=lambda entry: entry.filename)}


def root_of_entry(entry: Entry) -> str:
    """jw..._nrcb1 of the entry of jw..._nrcb1_uncal.fits."""
    return entry.filename.removesuffix(UNCAL)


def science(association: Association) -> list[str]:
    """Names of the members that an association is about."""
    return [member.name for member in association.members if member.exptype == SCIENCE]


def root_of(filename: str) -> str:
    """jw..._nrcb1 of jw..._nrcb1_cal.fits."""
    return filename.rpartition("_")[0]


def by_science_member(found: Iterable[Association]) -> dict[str, list[Association]]:
    """Stage-2 associations by the exposure that they calibrate."""
    by_member: dict[str, list[Association]] = {}
    for association in found:
        pipeline = pipelines.of_association(association.asn_type)
        if pipeline and pipelines.STAGE[pipeline] == 2:
            by_member.setdefault(science(association)[0], []).append(association)
    return by_member

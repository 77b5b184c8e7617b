"""Exposures by the names that entries, associations and members share. Pure: no I/O."""

from collections.abc import Iterable

from jwmirror.core.model import Entry, Recipe
from jwmirror.pipeline import headers
from jwmirror.pipeline.associations import SCIENCE, Association

UNCAL = "_uncal.fits"


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
    """Associations by the root of the exposure that they are about: stage 2 calibrates just one."""
    by_member: dict[str, list[Association]] = {}
    for association in found:
        by_member.setdefault(root_of(science(association)[0]), []).append(association)
    return by_member


def is_of_one_exposure(association: Association) -> bool:
    """Whether an association can follow stage 1 of its exposure at once: nothing else is in it."""
    return len({root_of(member.name) for member in association.members}) == 1


def is_chosen(recipe: Recipe, entry: Entry) -> bool:
    """Whether an exposure's file is of a recipe's programs, and of what it selects of them.

    By the header where that tells, else by what MAST's listing says. A filter may stand in either
    wheel, as in the selections of programs: F150W of NIRISS is its PUPIL.
    """
    return entry.product.program in recipe.programs and all(
        not {_plain(_value(entry, each)) for each in headers.WHEELS.get(key, (key,))}.isdisjoint(
            map(_plain, allowed)
        )
        for key, allowed in recipe.select.items()
    )


def _value(entry: Entry, key: str) -> str:
    said = headers.value(entry.header, key) if entry.header else ""
    listed = getattr(entry.product, key, None) or ""
    return said or (listed.lstrip("o") if key == "observation" else listed)


def _plain(value: str) -> str | int:
    """Case does not matter, nor do leading zeros of numbers (001 is 1)."""
    return int(value) if value.isdecimal() else value.upper()

"""Doubts: which parts of a listing are not believed, and that nothing changes there."""

import pytest
from msgspec import structs

from jwmirror.archive.doubts import (
    VanishPolicy,
    believed_listing,
    doubts_without_rows,
    undoubted,
    vanish_doubts,
)
from jwmirror.archive.index import HeldIndex
from jwmirror.core.jsonio import canonical, parse
from jwmirror.core.model import GONE, Doubt, Poll, Product
from jwmirror.core.model.product import covered_by
from tests.setup.listings import MD5, changes_of
from tests.setup.records import entry, listing, product

NIRCAM = product("jw01345001001_02101_00001_nrcb1_rate.fits", checksum=MD5[1], instrument="NIRCAM")
MIRI = product("jw01345001001_02101_00001_mirimage_rate.fits", checksum=MD5[1], instrument="MIRI")
SECOND = product("jw01345002001_02101_00001_nrcb1_rate.fits", checksum=MD5[1], instrument="NIRCAM")
ALL = (NIRCAM, MIRI, SECOND)
DAY = "2026-01-01T00:00:00.000"  # only rows of keyword tables have it


def many(count: int) -> list[Product]:
    """Return exposures of one observation."""
    return [product(f"jw01345001001_02101_{n:05d}_nrcb1_rate.fits") for n in range(count)]


def doubts_of(listed, *held, policy=None):
    """Return the doubts about what vanished."""
    changes = changes_of(listed, *held)
    return vanish_doubts(listed, changes, HeldIndex(held, 1345), policy or VanishPolicy())


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ({}, ALL),
        ({"instrument": "NIRCAM"}, (NIRCAM, SECOND)),
        ({"observation": "o001"}, (NIRCAM, MIRI)),
        ({"observation": "o001", "instrument": "NIRCAM"}, (NIRCAM,)),
        ({"filename": SECOND.filename}, (SECOND,)),
        ({"filename": SECOND.filename, "observation": "o001"}, ()),
        ({"program": 1346}, ()),
    ],
)
def test_a_doubt_covers_its_program_instrument_observation_or_file(scope, covered):
    """What it names limits it."""
    is_doubted = covered_by([Doubt(**{"program": 1345, "why": "?"} | scope)])

    assert tuple(filter(is_doubted, ALL)) == covered


def test_polls_of_former_versions_are_read():
    """Their doubts are words by program."""
    old = parse(b'{"listings":[],"changes":[],"doubts":{"1345":"17 of 18 vanished"}}', Poll)

    assert old.doubts == (Doubt(program=1345, why="17 of 18 vanished"),)
    assert parse(canonical(old), Poll) == old


@pytest.mark.parametrize(
    ("left", "policy", "believed"),
    [
        (5, VanishPolicy(), True),
        (4, VanishPolicy(), False),
        (0, VanishPolicy(), False),
        (0, VanishPolicy(accepted=(1345,)), True),
        (0, VanishPolicy(vanish_limit=1.0), True),
        (9, VanishPolicy(vanish_limit=0.0), False),
        (10, VanishPolicy(vanish_limit=0.0), True),
    ],
)
def test_a_listing_that_lacks_too_much_is_not_believed(left, policy, believed):
    """Above the limit of ten held products nothing vanishes without confirmation."""
    doubts = doubts_of(listing(*many(left)), *map(entry, many(10)), policy=policy)

    assert (doubts == ()) == believed
    for doubt in doubts:
        assert f"{10 - left} of 10" in doubt.why
        assert "accept_vanished=1345" in doubt.why
        assert doubt.scope == "program 1345"


def test_an_observation_or_instrument_that_is_not_listed_at_all_is_doubted():
    """Each alone, and not the whole program; one file of it that is listed makes it believed."""
    held = [entry(each) for each in (*many(4), MIRI, SECOND)]
    held_products = [each.upstream for each in held]
    left = [each for each in held_products if each not in (MIRI, SECOND)]
    nircam = product("jw01345001001_02101_00009_nrcb1_rate.fits", instrument="NIRCAM")
    another = product("jw01345002001_02101_00009_nrcb1_cal.fits", instrument="NIRCAM")

    assert [doubt.scope for doubt in doubts_of(listing(*left, nircam), *held)] == [
        "program 1345, MIRI",
        "program 1345, observation o002",
    ]
    (doubt,) = doubts_of(listing(*left, another), *held)
    assert doubt.scope == "program 1345, MIRI"


def test_a_candidate_that_is_not_listed_any_more_is_no_doubt():
    """MAST numbers candidates anew; nor are files of which no observation is known."""
    name = "jw01345-c1001_t002_nircam_clear-f444w_i2d.fits"
    combined = product(name, observation="c1001")
    other = product("jw01345_notes.json", observation="other")
    held = [*map(entry, many(4)), entry(combined), entry(other)]

    assert doubts_of(listing(*many(4)), *held) == ()


def test_nothing_changes_in_what_is_doubted():
    """Neither reprocessed, nor new, nor vanished, nor withheld files; the rest does."""
    held = [entry(NIRCAM), entry(SECOND)]
    new = [structs.replace(each, checksum=MD5[2], exclusive=True) for each in (NIRCAM, SECOND)]
    listed = listing(*new, MIRI)
    doubts = (Doubt(program=1345, observation="o001", why="?"),)

    believed = believed_listing(listed, doubts, HeldIndex(held, 1345))

    assert believed.products == (NIRCAM, new[1])
    assert {c.product for c in changes_of(believed, *held)} == {new[1]}
    changes = undoubted(changes_of(listed, *held), doubts, HeldIndex(held, 1345))
    assert {change.product for change in changes} == {new[1]}


def test_a_doubted_file_is_not_replaced_by_a_file_of_another_name():
    """The new one has its bytes, and no instrument that the doubt names."""
    held, renamed = entry(MIRI), product("jw01345001001_02101_00009_rate.fits", checksum=MD5[1])
    doubts = [Doubt(program=1345, why="?", instrument="MIRI")]

    (change,) = changes_of(listing(renamed), held)

    assert change.replaces == MIRI.filename
    assert undoubted([change], doubts, HeldIndex([held], 1345)) == ()


def test_a_doubt_about_an_unreadable_row_keeps_the_file():
    """A file that is missing because its row was not read does not vanish, nor does it return."""
    gone = entry(SECOND, state=GONE)
    held = [entry(NIRCAM), gone]
    doubts = [Doubt(program=1345, filename=each.filename, why="?") for each in (NIRCAM, SECOND)]

    believed = believed_listing(listing(SECOND), doubts, HeldIndex(held, 1345))

    assert believed.products == (NIRCAM,)
    assert changes_of(believed, *held) == ()


def without_checksum(*products: Product) -> list[Product]:
    """Return products as MAST lists them without a keyword row."""
    return [structs.replace(item, checksum=None, date=None) for item in products]


def test_an_instrument_whose_table_is_empty_now_is_doubted():
    """Its files had rows when they came; those of the other instrument have them still."""
    with_rows = [structs.replace(item, date=DAY) for item in ALL]
    held = HeldIndex(map(entry, with_rows), 1345)
    listed = listing(with_rows[0], *without_checksum(MIRI), with_rows[2])

    (doubt,) = doubts_without_rows(listed, held, VanishPolicy())

    assert doubt.scope == "program 1345, MIRI"
    assert not doubts_without_rows(listed, held, VanishPolicy(accepted=[1345]))


def test_rows_of_the_highest_level_only_are_no_doubt():
    """Nor are files that never had a row."""
    with_rows = [structs.replace(item, date=DAY) for item in ALL]
    some = listing(with_rows[0], *without_checksum(SECOND))
    none = listing(*without_checksum(*ALL))
    never = HeldIndex(map(entry, without_checksum(*ALL)), 1345)

    assert not doubts_without_rows(some, HeldIndex(map(entry, with_rows), 1345), VanishPolicy())
    assert not doubts_without_rows(none, never, VanishPolicy())

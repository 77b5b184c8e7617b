"""Changes of products, field by field of what MAST lists."""

import pytest
from msgspec import structs

from jwmirror.archive import changes as comparison
from jwmirror.archive.changes import compare_listing, content_differences
from jwmirror.archive.index import HeldIndex
from jwmirror.core.model import GONE, Change, Reason
from jwmirror.core.model.product import (
    NEW,
    RELEASED,
    RENAMED,
    REPROCESSED,
    RESTAMPED,
    RETURNED,
    STALE,
    VANISHED,
    WITHHELD,
)
from tests.setup.listings import APRIL, JANUARY, MD5, changes_of
from tests.setup.records import entry, listing, product
from tests.unit.test_changes import RENAMINGS, SHA, offered_association

# ---- field by field --------------------------------------------------------------------------

HELD = product(checksum=MD5[1], stale=False)
QUEUED = structs.replace(HELD, stale=True)
NO_SUM = structs.replace(HELD, checksum=None, validator='"v"')
OPEN_TO_CLOSED = Reason("access", "public", "exclusive")
CLOSED_NOW = structs.replace(HELD, exclusive=True, release_date="2099")
RELEASE = Reason("release", "", "2099")
NEW_BYTES = structs.replace(CLOSED_NOW, checksum=MD5[2])
CASES = {
    "withheld": (CLOSED_NOW, {}, False, Change(kind=WITHHELD, product=CLOSED_NOW,
                 reasons=(OPEN_TO_CLOSED, RELEASE))),
    "of unknown release": (structs.replace(CLOSED_NOW, release_date=None), {}, False,
        Change(kind=WITHHELD, product=structs.replace(CLOSED_NOW, release_date=None),
               reasons=(OPEN_TO_CLOSED, Reason("release", "", "unknown")))),
    "withheld, new bytes": (NEW_BYTES, {}, False, Change(kind=WITHHELD, product=NEW_BYTES,
        reasons=(Reason("checksum", MD5[1], MD5[2]), OPEN_TO_CLOSED, RELEASE))),
    "new bytes with access": (NEW_BYTES, {}, True, Change(kind=REPROCESSED, product=NEW_BYTES,
        reasons=(Reason("checksum", MD5[1], MD5[2]), OPEN_TO_CLOSED), held="0" * 64)),
    "back": (HELD, {"state": GONE}, False, Change(kind=RETURNED, product=HELD, reasons=())),
    "back, exclusive": (CLOSED_NOW, {"state": GONE}, False, Change(kind=WITHHELD,
        product=CLOSED_NOW, reasons=(OPEN_TO_CLOSED, RELEASE))),
    "back, with access": (CLOSED_NOW, {"state": GONE}, True, Change(kind=RETURNED,
        product=CLOSED_NOW, reasons=(OPEN_TO_CLOSED,))),
    "queued": (QUEUED, {}, False, Change(kind=STALE,
        product=QUEUED, reasons=(Reason("reprocessing", "", "queued"),))),
    "unchanged": (HELD, {}, False, None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_change_of_a_held_product_has_its_kind_and_reasons(case):
    """As they are recorded and shown."""
    now, facts, has_access, expected = CASES[case]

    changes = changes_of(listing(now), entry(HELD, **facts), has_access=has_access)

    assert changes == ((expected,) if expected else ())


def test_a_release_says_from_what_to_what():
    """Selected or not."""
    held, now = entry(CLOSED_NOW), structs.replace(CLOSED_NOW, exclusive=False)
    released = Change(
        kind=RELEASED, product=now, reasons=(Reason("access", "exclusive", "public"),)
    )

    assert changes_of(listing(now), held) == (released,)
    assert compare_listing(listing(now), (), HeldIndex([held], 1345)) == (released,)


def test_a_successor_names_its_predecessor():
    """With the reason; associations are restamped, other products renamed."""
    olds = (
        offered_association(JANUARY, "image3", "00001"),
        product(RENAMINGS["a target is added"][0]),
    )
    news = (
        offered_association(APRIL, "image3", "00001"),
        product(RENAMINGS["a target is added"][1]),
    )

    changes = changes_of(listing(*news), *map(entry, olds))

    for change, old, new, kind in zip(changes, olds, news, (RESTAMPED, RENAMED), strict=True):
        reasons = (Reason("name", old.filename, new.filename),)
        assert change == Change(kind=kind, product=new, reasons=reasons, replaces=old.filename)


def test_changes_are_sorted_by_uri_whatever_their_kinds():
    """Not by kind."""
    offered = [product(f"{name}_cal.fits", exclusive=name == "b") for name in "dbac"]
    held = [entry(product("c_cal.fits", checksum=MD5[1])), entry(product("e_cal.fits"))]

    changes = changes_of(listing(*offered), *held)

    kinds = [(change.product.filename[0], change.kind) for change in changes]
    assert kinds == [("a", NEW), ("b", WITHHELD), ("d", NEW), ("e", VANISHED)]


@pytest.mark.parametrize(
    ("held", "now", "expected"),
    [
        (HELD, HELD, True),
        (HELD, structs.replace(HELD, checksum=MD5[2]), False),
        (HELD, structs.replace(HELD, exclusive=True), False),
        (HELD, structs.replace(HELD, stale=True), False),
        (HELD, structs.replace(HELD, validator='"other"'), True),
        (NO_SUM, NO_SUM, False),
        (NO_SUM, structs.replace(NO_SUM, validator='"other"'), False),
        (NO_SUM, structs.replace(NO_SUM, validator=None), True),
        (NO_SUM, structs.replace(NO_SUM, validator=None, size=9), False),
        (NO_SUM, structs.replace(NO_SUM, validator=None, listed_cal_ver="2.0.0"), True),
        (
            structs.replace(NO_SUM, listed_cal_ver="1.0.0"),
            structs.replace(NO_SUM, validator=None, listed_cal_ver="2.0.0"),
            False,
        ),
        (NO_SUM, structs.replace(NO_SUM, validator=None, siblings="2026||"), False),
        (structs.replace(NO_SUM, validator=f"sha256:{SHA}"),) * 2 + (False,),
        (HELD, structs.replace(HELD, checksum=None), True),
    ],
)
def test_a_row_suffices_where_nothing_can_have_changed(held, now, expected):
    """Else the entry is built, which takes long."""
    for state in ("held", GONE):
        facts = {} if state == "held" else {"state": state}
        row = HeldIndex([entry(held, **facts)], 1345).rows[held.uri]

        assert comparison._is_clearly_unchanged(row, now) is (expected and not facts)


def test_entries_are_built_of_possible_changes_only(monkeypatch):
    """Not of all rows, and not of products that are not held."""
    held = [entry(product(f"{name}_cal.fits", checksum=MD5[1])) for name in "abc"]
    now = [
        structs.replace(held[1].product, checksum=MD5[2]),
        held[0].product,
        product("n_cal.fits"),
    ]
    closed = structs.replace(held[2].product, exclusive=True)
    built, entries = [], HeldIndex.entries
    monkeypatch.setattr(
        HeldIndex, "entries", lambda self, uris: built.append(list(uris)) or entries(self, uris)
    )

    uris = {each.uri for each in now}
    changes = compare_listing(listing(*now, closed), uris, HeldIndex(held, 1345))

    assert built == [[], [held[1].product.uri], [held[2].product.uri]]
    assert [change.kind for change in changes] == [REPROCESSED, WITHHELD, NEW]


DATED = {"date": "2026-01-01", "cal_ver": "1.20.2"}
DIFFERENCES = {
    "all that differs": (
        product(checksum=MD5[1], validator="v1", size=1, **DATED),
        product(checksum=MD5[2], validator="v2", size=2, date="2026-01-02", cal_ver="1.20.2"),
        ["checksum", "size", "DATE"],
    ),
    "a value that is known now": (product(**DATED), product(crds_ctx="1", **DATED), []),
    "a size that is not that of the bytes": (product(**DATED), product(size=2, **DATED), ["size"]),
    "a value that is not known any more": (product(size=1, **DATED), product(**DATED), []),
    "values that both have": (product(size=1, date="a"), product(size=2, cal_ver="1"), ["size"]),
    "a checksum from now on": (product(validator="v"), product(checksum=MD5[1], validator="v"),
                               ["checksum"]),
}  # fmt: skip


@pytest.mark.parametrize("case", DIFFERENCES)
def test_differences_are_those_of_evidence_and_pedigree(case):
    """Where neither checksum nor validator decides, only values that both sides have count."""
    held, now, expected = DIFFERENCES[case]

    assert [reason.what for reason in content_differences(entry(held), now)] == expected


def test_without_other_reasons_the_content_itself_is_the_reason():
    """By the sha256 of the bytes that are held."""
    now = product(validator=f"sha256:{'6' * 64}")

    (reason,) = content_differences(entry(now, sha256=SHA), now)

    assert reason == Reason("content", f"sha256:{SHA}", f"sha256:{'6' * 64}")


def test_of_several_stamps_the_latest_are_paired_and_of_other_names_none():
    """The former ones vanished; a counter that is the only one left is paired, too."""
    olds = [offered_association(stamp, "image3", "00001") for stamp in (JANUARY, "20260201t000000")]
    new = offered_association(APRIL, "image3", "00001")
    changes = changes_of(listing(new), *map(entry, olds))
    assert [(c.kind, c.replaces) for c in changes] == [
        (VANISHED, None), (RESTAMPED, olds[1].filename)
    ]  # fmt: skip

    counters = [offered_association(JANUARY, "image3", counter) for counter in ("00001", "00002")]
    other = offered_association(APRIL, "image3", "00003")
    kinds = [change.kind for change in changes_of(listing(other), *map(entry, counters))]
    assert sorted(kinds) == [NEW, VANISHED, VANISHED]


def test_associations_of_equal_bytes_are_not_paired_by_them():
    """Each names its own product."""
    old, new = (
        structs.replace(offered_association(JANUARY, kind, "00001"), checksum=MD5[1], suffix="asn")
        for kind in ("image2", "image3")
    )

    assert sorted(c.kind for c in changes_of(listing(new), entry(old))) == [NEW, VANISHED]

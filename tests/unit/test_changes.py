"""Changes: what differs between a listing and the mirror, and why."""

from dataclasses import replace

import pytest
from msgspec import structs

from jwmirror.archive.changes import compare_listing
from jwmirror.archive.index import HeldIndex
from jwmirror.archive.poll import describe_change
from jwmirror.core.model import GONE, Poll, Product, Reason
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
from jwmirror.store.entries import upstream_entries
from jwmirror.store.manifest import entries_of
from tests.setup.listings import APRIL, JANUARY, MD5, changes_of
from tests.setup.records import RATE, entry, listing, product


def test_a_product_never_held_is_new():
    """What is listed, selected and not held is new."""
    (change,) = changes_of(listing(product()))

    assert (change.kind, change.product, change.wants_bytes) == (NEW, product(), True)


def test_a_changed_checksum_is_reprocessed_and_says_why():
    """Same name, same size, new checksum: reprocessed, with what differs in the pedigree."""
    old = product(checksum=MD5[1], size=8640, crds_ctx="jwst_1464.pmap", cal_ver="1.20.2")
    new = structs.replace(old, checksum=MD5[2], crds_ctx="jwst_1470.pmap")

    (change,) = changes_of(listing(new), entry(old))

    assert change.kind == REPROCESSED
    assert change.reasons == (
        Reason("checksum", MD5[1], MD5[2]),
        Reason("CRDS_CTX", "jwst_1464.pmap", "jwst_1470.pmap"),
    )


def test_an_equal_checksum_settles_that_nothing_changed():
    """A pedigree that is told differently does not matter while the bytes are the same."""
    old = product(checksum=MD5[1], date="2026-01-01T00:00:00.000", sdp_ver="2025_4a")

    assert changes_of(listing(structs.replace(old, date=None, sdp_ver="2026_1a")), entry(old)) == ()


SHA = "5" * 64
SAME = {
    "validator": (product(validator='"v1"'), product(validator='"v1"')),
    "content": (product(validator='"v1"'), product(validator=f"sha256:{SHA}")),
    "row missing at MAST": (product(checksum=MD5[1], date="2026"), product()),
    "content, and a checksum from now on": (
        product(validator='"v1"'),
        product(checksum=MD5[1], validator=f"sha256:{SHA}"),
    ),
    "nothing known": (product(size=5), product(size=5)),
}
OTHER = {
    "validator": (product(validator='"v1"'), product(validator='"v2"')),
    "content": (product(validator='"v1"'), product(validator=f"sha256:{'6' * 64}")),
    "content told wrong before": (
        product(validator=f"sha256:{'6' * 64}"),
        product(validator=f"sha256:{'6' * 64}"),
    ),
    "row missing, and the ETag is another one": (
        product(checksum=MD5[1], validator='"v1"'),
        product(validator='"v2"'),
    ),
    "checksum from now on": (product(validator='"v1"'), product(checksum=MD5[1])),
    "pedigree only": (product(cal_ver="1.20.2"), product(cal_ver="1.21.0")),
}


@pytest.mark.parametrize("case", SAME)
def test_evidence_that_agrees_is_no_change(case):
    """Where checksums cannot decide, validators, content and pedigree do."""
    old, new = SAME[case]

    assert changes_of(listing(new), entry(old, sha256=SHA)) == ()


@pytest.mark.parametrize("case", OTHER)
def test_evidence_that_differs_is_a_change_with_reasons(case):
    """Different evidence of any kind is a reprocessing, and each has its reasons."""
    old, new = OTHER[case]

    (change,) = changes_of(listing(new), entry(old, sha256=SHA))

    assert change.kind == REPROCESSED
    assert change.reasons


@pytest.mark.parametrize("facts", [{"size": 6}, {"listed_cal_ver": "2.0.0"}])
def test_a_changed_size_or_version_outranks_an_equal_etag(facts):
    """Not every server gives new content a new ETag."""
    old = product(size=5, listed_cal_ver="1.0.0", validator='"v1"')

    (change,) = changes_of(listing(structs.replace(old, **facts)), entry(old, size=5))

    assert (change.kind, change.held) == (REPROCESSED, "0" * 64)


def test_what_is_no_longer_listed_vanished_once():
    """A held product that MAST lists no more vanished; marked so, it is no change."""
    (change,) = changes_of(listing(), entry(product()))

    assert (change.kind, change.wants_bytes) == (VANISHED, False)
    assert changes_of(listing(), entry(product(), state=GONE)) == ()


def test_what_is_no_longer_selected_is_no_change():
    """A held product that is listed but not selected did not vanish, whatever became of it."""
    listed = listing(product(checksum=MD5[2]))

    assert (
        compare_listing(listed, [], HeldIndex([entry(product(checksum=MD5[1]))], listed.program))
        == ()
    )


def test_what_comes_back_is_returned():
    """A product marked as vanished that is listed again returned."""
    (change,) = changes_of(listing(product()), entry(product(), state=GONE))

    assert change.kind == RETURNED


def test_entries_of_others_do_not_matter():
    """Recalibrated files and other programs' products are not compared."""
    other = entry(structs.replace(product(), program=1366))
    result = replace(entry(product()), origin="deep", product=None)

    assert changes_of(listing(), other, result) == ()


def offered_association(stamp: str, kind: str, counter: str) -> Product:
    """An association of observation 1."""
    name = f"jw01345-o001_{stamp}_{kind}_{counter}_asn.json"
    return product(name, level=3)


@pytest.mark.parametrize("counter", ["00001", "001", "00007"])
def test_an_association_under_a_new_stamp_is_restamped(counter):
    """The former association gives way to the new one, and does not vanish besides."""
    old, new = (
        offered_association(JANUARY, "image3", "00001"),
        offered_association(APRIL, "image3", counter),
    )

    (change,) = changes_of(listing(new), entry(old))

    assert (change.kind, change.replaces) == (RESTAMPED, old.filename)


def test_associations_are_told_apart_by_type_and_counter():
    """Of several, each carries on its own counterpart; without one it vanished or is new."""
    olds = [offered_association(JANUARY, "image2", f"{n:05d}") for n in (1, 2, 3)]
    news = [
        offered_association(APRIL, "image2", "00002"),
        offered_association(APRIL, "image3", "00001"),
    ]

    found = changes_of(listing(*news), *map(entry, olds))

    assert {(c.kind, c.product.filename, c.replaces) for c in found} == {
        (RESTAMPED, news[0].filename, olds[1].filename),
        (NEW, news[1].filename, None),
        (VANISHED, olds[0].filename, None),
        (VANISHED, olds[2].filename, None),
    }


def test_a_pool_under_a_new_stamp_is_restamped():
    """A program's pool carries on under each new stamp."""
    old, new = (product(f"jw01345_{stamp}_pool.csv") for stamp in (JANUARY, APRIL))

    (change,) = changes_of(listing(new), entry(old))

    assert (change.kind, change.replaces) == (RESTAMPED, old.filename)


RENAMINGS = {
    "a target is added": (
        "jw01538-o161_s000000001_nirspec_f290lp-g395h-s1600a1_s2d.fits",
        "jw01538-o161_t002-s000000001_nirspec_f290lp-g395h-s1600a1_s2d.fits",
    ),
    "a target is renumbered": (
        "jw01345-o001_t001_nircam_clear-f200w_i2d.fits",
        "jw01345-o001_t021_nircam_clear-f200w_i2d.fits",
    ),
}


@pytest.mark.parametrize("case", RENAMINGS)
def test_a_product_under_a_new_name_is_renamed(case):
    """A vanished product and a new one of the same name but for the target are one."""
    old, new = (product(name, level=3) for name in RENAMINGS[case])

    (change,) = changes_of(listing(new), entry(old))

    assert (change.kind, change.replaces) == (RENAMED, old.filename)


SUCCESSORS = {
    "another filter": ("t001_nircam_clear-f200w_i2d", "t001_nircam_clear-f444w_i2d"),
    "another source": ("s000000001_nirspec_f170lp_s2d", "s000000002_nirspec_f170lp_s2d"),
    "another suffix": ("t001_nircam_clear-f200w_i2d", "t002_nircam_clear-f200w_cat"),
    "another instrument": ("t001_nircam_clear-f200w_i2d", "t001_niriss_clear-f200w_i2d"),
}


@pytest.mark.parametrize("case", SUCCESSORS)
def test_a_product_that_arrives_while_another_vanishes_is_not_its_successor(case):
    """Of one observation and level: two files, not one under a new name."""
    old, new = (product(f"jw01345-o001_{name}.fits", level=3) for name in SUCCESSORS[case])

    changes = changes_of(listing(new), entry(old))

    assert sorted(change.kind for change in changes) == [NEW, VANISHED]


@pytest.mark.parametrize("facts", [{"level": 2}, {"observation": "o002"}])
def test_the_same_name_of_another_level_or_observation_is_not_its_successor(facts):
    """But for the target, all must agree."""
    old, new = (product(name, level=3) for name in RENAMINGS["a target is renumbered"])

    changes = changes_of(listing(structs.replace(new, **facts)), entry(old))

    assert sorted(change.kind for change in changes) == [NEW, VANISHED]


def test_successors_are_paired_filter_by_filter():
    """Two mosaics whose target was renumbered."""
    olds, news = (
        [product(f"jw01345-o001_t{n}_nircam_{f}_i2d.fits", level=3) for f in ("f200w", "f444w")]
        for n in ("001", "002")
    )

    changes = changes_of(listing(*news), *map(entry, olds))

    assert {(change.product.filename, change.replaces) for change in changes} == {
        (new.filename, old.filename) for old, new in zip(olds, news, strict=True)
    }


def test_the_same_bytes_under_another_name_are_renamed():
    """A vanished and a new product with one checksum are one."""
    old, new = (product(f"jw01345001001_{x}_rate.fits", checksum=MD5[1]) for x in ("a", "b"))

    (change,) = changes_of(listing(new), entry(old))

    assert change.kind == RENAMED


def test_files_under_other_uris_are_renamed_whatever_else_fits_them():
    """All of them have the same bytes; the reason names the URIs."""
    names = [f"jw01345-o001_t{n:03d}_nircam_clear-f200w_i2d.fits" for n in (1, 2)]
    olds = [product(name, level=3, checksum=MD5[1]) for name in names]
    news = [structs.replace(old, uri=f"mast:JWST2/{old.filename}") for old in olds]

    changes = changes_of(listing(*news), *map(entry, olds))

    assert [(change.kind, change.product) for change in changes] == [(RENAMED, n) for n in news]
    assert [change.reasons for change in changes] == [
        (Reason("URI", old.uri, new.uri),) for old, new in zip(olds, news, strict=True)
    ]


def test_ambiguous_names_are_not_guessed():
    """Where two could be the former name, nothing is called renamed."""
    names = [f"jw01345-o001_t{n:03d}_nircam_clear-f200w_i2d.fits" for n in (1, 2, 3)]
    one, two, three = (product(name, level=3) for name in names)

    kinds = [change.kind for change in changes_of(listing(three), entry(one), entry(two))]

    assert sorted(kinds) == [NEW, VANISHED, VANISHED]


def test_exclusive_products_are_withheld_without_access():
    """Without a token an exclusive product is withheld until its release; with one it is new."""
    closed = product(exclusive=True, release_date="2027-01-01T00:00:00.000")

    (without,) = changes_of(listing(closed))
    (withit,) = changes_of(listing(closed), has_access=True)

    assert (without.kind, without.wants_bytes) == (WITHHELD, False)
    assert "2027-01-01" in describe_change(without)
    assert withit.kind == NEW


def test_a_product_that_becomes_public_is_released():
    """A held exclusive product that is public now was released."""
    old = product(checksum=MD5[1], exclusive=True)

    (change,) = changes_of(listing(structs.replace(old, exclusive=False)), entry(old))

    assert change.kind == RELEASED


@pytest.mark.parametrize("has_access", [False, True])
@pytest.mark.parametrize("is_selected", [False, True])
def test_a_held_product_that_becomes_exclusive_is_told_once(is_selected, has_access):
    """Selected or not, with a token or without: its row is closed, and the next poll is quiet."""
    old = entry(product(checksum=MD5[1]))
    now = listing(product(checksum=MD5[1], exclusive=True, release_date="2099-01-01"))
    chosen = {old.product.uri} if is_selected else set()

    (change,) = compare_listing(now, chosen, HeldIndex([old], 1345), has_access)
    rows = upstream_entries([old], Poll(listings=(now,), changes=(change,)), ())

    assert (change.kind, change.wants_bytes) == (WITHHELD, False)
    assert [reason.what for reason in change.reasons] == ["access", "release"]
    assert [row.product.exclusive for row in rows] == [True]
    assert compare_listing(now, chosen, HeldIndex(rows, 1345), has_access) == ()


def test_a_product_that_is_no_longer_selected_is_released():
    """What was made of it opens; its newer bytes are not ordered."""
    old = entry(product(checksum=MD5[1], exclusive=True))
    now = listing(product(checksum=MD5[2]))

    (change,) = compare_listing(now, (), HeldIndex([old], 1345))

    assert change.kind == RELEASED
    assert change.product == structs.replace(old.product, exclusive=False)


def test_a_reprocessed_exclusive_product_waits_without_access():
    """New bytes that cannot be had are withheld, and reprocessed for who has access."""
    old = product(checksum=MD5[1], exclusive=True)
    listed = listing(structs.replace(old, checksum=MD5[2]))

    assert [each.kind for each in changes_of(listed, entry(old))] == [WITHHELD]
    assert [each.kind for each in changes_of(listed, entry(old), has_access=True)] == [REPROCESSED]


@pytest.mark.parametrize(("before", "now"), [(False, True), (True, False)])
def test_what_mast_plans_to_reprocess_is_told(before, now):
    """Queued for reprocessing, or no longer: told, without anything to fetch."""
    old = product(checksum=MD5[1], stale=before)

    (change,) = changes_of(listing(structs.replace(old, stale=now)), entry(old))

    assert (change.kind, change.wants_bytes) == (STALE, False)
    assert [reason.what for reason in change.reasons] == ["reprocessing"]


def test_explain_tells_kind_file_and_reasons_in_one_line():
    """People read the kind, the file, and what differs, with checksums cut short."""
    old = product(checksum=MD5[1], sdp_ver="2025_4a")
    (change,) = changes_of(
        listing(structs.replace(old, checksum=MD5[2], sdp_ver="2026_1a")), entry(old)
    )

    line = describe_change(change)

    assert line == (
        f"reprocessed {RATE}: checksum a1a1a1a1.. -> b2b2b2b2.., SDP_VER 2025_4a -> 2026_1a"
    )


def test_changes_are_found_in_the_rows_of_a_manifest() -> None:
    """Columns suffice for unchanged products; entries are built of the rows that changed."""
    same, moved, gone, plain = (product(f"{name}_cal.fits", checksum=MD5[1]) for name in "abcd")
    plain = structs.replace(plain, checksum=None, validator='"1"')
    held = [entry(each) for each in (same, moved, gone, plain)]
    listed = listing(
        same, structs.replace(moved, checksum=MD5[2]), structs.replace(plain, validator='"2"')
    )
    uris = [each.uri for each in listed.products]

    found = compare_listing(listed, uris, HeldIndex(entries_of(held), listed.program))

    assert [change.kind for change in found] == [REPROCESSED, VANISHED, REPROCESSED]

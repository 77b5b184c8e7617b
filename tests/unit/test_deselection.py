"""Files that the config does not select any more: kept, marked, not watched, and not used."""

import pytest

from jwmirror.archive.changes import compare_listing
from jwmirror.archive.deselection import deselection_marks, marks_without_selection
from jwmirror.archive.doubts import VanishPolicy, vanish_doubts
from jwmirror.archive.index import HeldIndex
from jwmirror.core.model import Plan, Poll, Selection
from jwmirror.core.model.product import REPROCESSED, VANISHED, WITHHELD
from jwmirror.report.status import count_files
from jwmirror.store.entries import (
    recalibrated_entries,
    results_of_deselected_files,
    upstream_entries,
)
from tests.setup.records import entry, listing, product, result, result_file

CHECKED = "2026-03-01T12:00:00+00:00"
FIRST = [Selection(program=1345, observations=(1,))]
BOTH = [Selection(program=1345, observations=(1, 2))]
ONE = product("jw01345001001_02101_00001_nrcb1_uncal.fits", b"one")
TWO = product("jw01345002001_02101_00001_nrcb1_uncal.fits", b"two")
NEWER = product(TWO.filename, b"newer")


def polled(held, listed, selections):
    """The marks and the changes of a poll."""
    index = HeldIndex(held, 1345)
    chosen = [p.uri for p in listed.products if p.observation in observations(selections)]
    marks = deselection_marks(index, listed, chosen, selections, lambda: CHECKED)
    index.mark(marks)
    return marks, compare_listing(listed, chosen, index), index


def observations(selections):
    """o001, o002..."""
    return {f"o{number:03d}" for each in selections for number in each.observations}


def test_a_file_that_is_deselected_is_marked_with_its_last_check():
    """What MAST does with it afterwards is no change, and the mark stays as it is."""
    held = [entry(ONE), entry(TWO)]
    marks, changes, _ = polled(held, listing(ONE, NEWER), FIRST)
    rows = upstream_entries(held, Poll(listings=(), changes=changes, deselected=marks), ())
    again = polled(rows, listing(ONE, NEWER), FIRST)

    assert (marks, changes) == ({TWO.uri: CHECKED}, ())
    assert [row.deselected for row in rows] == ["", CHECKED]
    assert again[:2] == ({}, ())


def test_a_deselected_file_does_not_vanish():
    """Whether it is deselected in this poll or was before."""
    held = [entry(ONE), entry(TWO)]
    marks, changes, _ = polled(held, listing(ONE), FIRST)
    marked = [entry(ONE), entry(TWO, deselected=CHECKED)]

    assert (marks, changes) == ({TWO.uri: CHECKED}, ())
    assert polled(marked, listing(ONE), FIRST)[:2] == ({}, ())


def test_the_vanish_limit_counts_selected_files_only():
    """All selected files are gone: the deselected ones, as many, do not make that half of all."""
    held = [entry(ONE), entry(TWO)]
    listed = listing(TWO)
    _, changes, index = polled(held, listed, FIRST)

    assert [change.kind for change in changes] == [VANISHED]
    (doubt,) = vanish_doubts(listed, changes, index, VanishPolicy())
    assert "1 of 1 products" in doubt.why


@pytest.mark.parametrize(
    ("listed", "kinds"),
    [(listing(ONE, TWO), []), (listing(ONE, NEWER), [REPROCESSED]), (listing(ONE), [VANISHED])],
)
def test_a_file_that_is_selected_again_is_compared_again(listed, kinds):
    """Its mark goes; whatever happened to it at MAST meanwhile is noticed."""
    held = [entry(ONE), entry(TWO, deselected=CHECKED)]

    marks, changes, _ = polled(held, listed, BOTH)
    rows = upstream_entries(held, Poll(listings=(), changes=(), deselected=marks), ())

    assert marks == {TWO.uri: ""}
    assert [change.kind for change in changes] == kinds
    assert [row.deselected for row in rows] == ["", ""]


def test_access_to_deselected_files_is_still_watched():
    """MAST restricts one: it is withheld, and keeps its mark."""
    held = [entry(ONE), entry(TWO, deselected=CHECKED)]
    closed = product(TWO.filename, b"two", exclusive=True)

    marks, changes, _ = polled(held, listing(ONE, closed), FIRST)
    rows = upstream_entries(held, Poll(listings=(), changes=changes, deselected=marks), ())

    assert [change.kind for change in changes] == [WITHHELD]
    assert [(row.upstream.exclusive, row.deselected) for row in rows] == [(0, ""), (1, CHECKED)]


def test_all_files_of_a_removed_program_are_marked():
    """Once; also those that had vanished at MAST."""
    held = [entry(ONE), entry(TWO, state="vanished")]
    marks = marks_without_selection(HeldIndex(held, 1345), lambda: CHECKED)
    marked = [entry(ONE, deselected=CHECKED), entry(TWO, state="vanished", deselected=CHECKED)]

    assert marks == {ONE.uri: CHECKED, TWO.uri: CHECKED}
    assert marks_without_selection(HeldIndex(marked, 1345), lambda: CHECKED) == {}


def test_dropped_files_leave_the_view():
    """Also those that were kept until the config said drop."""
    held = [entry(ONE), entry(TWO, deselected=CHECKED)]
    poll = Poll(listings=(), changes=(), deselected={}, drops_deselected=True)

    assert upstream_entries(held, poll, ()) == (held[0],)


@pytest.mark.parametrize("listed", [listing(ONE), listing(ONE, TWO)], ids=["gone", "back"])
def test_a_deselected_file_that_had_vanished_is_dropped_too(listed):
    """Of an observation that is still selected, vanished files stay."""
    again = product(ONE.filename.replace("nrcb1", "nrcb2"))
    held = [entry(ONE), entry(again, state="vanished"), entry(TWO, state="vanished")]

    marks, changes, _ = polled(held, listed, FIRST)
    poll = Poll(listings=(), changes=changes, deselected=marks, drops_deselected=True)

    assert (marks, changes) == ({TWO.uri: CHECKED}, ())
    assert upstream_entries(held, poll, ()) == tuple(held[:2])


def results(*products):
    """Rows of results of recipe deep for exposures, in the observation of each."""
    made = [
        result("detector1", root, result_file(f"{root}_rate.fits"), observation=observation)
        for root, observation in products
    ]
    return recalibrated_entries((), [Plan(context="c")], made, "c")


ROOTS = [(p.filename.removesuffix("_uncal.fits"), p.observation) for p in (ONE, TWO)]


def test_results_of_kept_files_stay():
    """Marked as their files; not those of a selected file, of another recipe, or made again."""
    before, upstream = results(*ROOTS), [entry(ONE), entry(TWO, deselected=CHECKED)]

    (kept,) = results_of_deselected_files(before, upstream, (), ["deep"])

    assert (kept.path, kept.deselected) == (before[1].path, CHECKED)
    assert results_of_deselected_files(before, upstream, (), ["other"]) == ()
    assert results_of_deselected_files(before, upstream, before[1:], ["deep"]) == ()
    assert results_of_deselected_files(before, [entry(ONE)], (), ["deep"]) == ()


def test_a_combined_result_stays_if_its_whole_observation_is_deselected():
    """A mosaic has no raw file of its own."""
    before = results(("mosaic_f200w", "o002"))
    kept, selected = (
        entry(TWO, deselected=CHECKED),
        entry(product(TWO.filename.replace("00001", "2"))),
    )

    assert len(results_of_deselected_files(before, [kept], (), ["deep"])) == 1
    assert results_of_deselected_files(before, [kept, selected], (), ["deep"]) == ()


@pytest.mark.parametrize(
    ("marks", "expected"),
    [(("2026", "2025"), "2026"), (("2025", "2026"), "2026"), (("2026", ""), "2026"), (("",), "")],
)
def test_a_result_has_the_latest_mark_of_its_own_files(marks, expected):
    """Files of other exposures of its observation do not count."""
    root = ROOTS[1][0]
    own = [entry(product(f"{root}_{n}.fits"), deselected=mark) for n, mark in enumerate(marks)]
    other = entry(product(TWO.filename.replace("00001", "00009")), deselected="2029")

    kept = results_of_deselected_files(results(ROOTS[1]), [*own, other], (), ["deep"])

    assert [row.deselected for row in kept] == ([expected] if expected else [])


def test_a_combined_result_has_the_latest_mark_of_its_observation():
    """In whatever order its files are listed."""
    files = [
        entry(product(TWO.filename.replace("00001", n)), deselected=mark)
        for n, mark in (("00002", "2025"), ("00003", "2027"), ("00004", "2026"))
    ]

    (kept,) = results_of_deselected_files(results(("mosaic", "o002")), files, (), ["deep"])

    assert kept.deselected == "2027"


def test_a_result_of_an_observation_without_files_is_not_marked():
    """Nothing says that its files stay."""
    before = results(("mosaic", "o003"))

    assert results_of_deselected_files(before, [entry(TWO, deselected="2026")], (), ["deep"]) == ()


def test_a_result_does_not_belong_to_a_file_whose_product_has_a_longer_name():
    """The filter F150W2 is not selected any more, F150W is."""
    name = "jw01345-o002_t001_nircam_clear-f150w"
    upstream = [
        entry(product(f"{name}_i2d.fits", observation="o002")),
        entry(product(f"{name}2_i2d.fits", observation="o002"), deselected=CHECKED),
    ]

    kept = results_of_deselected_files(results((name, "o002")), upstream, (), ["deep"])

    assert kept == ()


def test_status_counts_deselected_files_with_the_oldest_check():
    """By folder and suffix."""
    rows = [
        ("upstream/jw01345/o002/a_uncal.fits", 1, "held", time) for time in ("", "2026", "2025")
    ]

    (count,) = count_files(rows)

    assert (count.files, count.deselected, count.last_checked) == (3, 2, "2025")

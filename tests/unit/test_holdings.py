"""The rows of the next manifest, from the former ones and what a run found."""

from dataclasses import replace

import pytest
from msgspec import structs

from jwmirror.core.model import (
    GONE,
    Change,
    Entry,
    Plan,
    Poll,
    Product,
    Receipt,
    Result,
    Version,
    Wait,
    canonical,
)
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
from jwmirror.core.model.quality import Caveat, Quality
from jwmirror.core.model.stored import PRESENT
from jwmirror.store.entries import (
    recalibrated_entries,
    result_rows,
    results_of_run,
    upstream_entries,
    with_quality,
)
from tests.setup.records import chain, derivation, product, result, result_file

UNCAL = "jw01345001001_02101_00001_nrcb1_uncal.fits"


def version(of: Product, sha256: str = "1" * 64) -> Version:
    """Bytes that arrived for a product."""
    return Version(product=of, sha256=sha256, size=10, identity=f"identity of {sha256[0]}")


def after(former, kind, of, fetched=(), waiting=(), **change) -> dict[str, Entry]:
    """The upstream rows after one change, by file name."""
    changes = (Change(kind=kind, product=of, **change),)
    rows = upstream_entries(former, Poll(listings=(), changes=changes), fetched, waiting)
    return {row.filename: row for row in rows}


OFFERED = product(UNCAL, checksum="a" * 32)
HELD_ROW = after((), NEW, OFFERED, [version(OFFERED)])[UNCAL]


def test_what_arrived_is_held_under_its_path():
    """A new product stands in the folder of its program and observation."""
    assert HELD_ROW.path == f"upstream/jw01345/o001/{UNCAL}"
    assert (HELD_ROW.sha256, HELD_ROW.state) == ("1" * 64, PRESENT)


def test_a_row_has_all_that_its_version_has():
    """Field by field: without the identity a recipe would be redone, without the refusal tried."""
    arrived = Version(
        product=structs.replace(OFFERED, stale=True),
        sha256="3" * 64,
        size=12,
        identity="science",
        header='{"a": 1}',
        refusal="cut",
        scheme="2-1",
    )

    row = after((), NEW, OFFERED, [arrived])[UNCAL]

    assert row == Entry(
        path=f"upstream/jw01345/o001/{UNCAL}",
        origin="upstream",
        sha256="3" * 64,
        size=12,
        state=PRESENT,
        identity="science",
        product=OFFERED,
        header='{"a": 1}',
        refusal="cut",
        scheme="2-1",
    )


@pytest.mark.parametrize("stale", [True, False])
def test_the_queue_of_mast_is_in_the_row(stale):
    """And nothing else of a product that is only queued for reprocessing."""
    before = replace(HELD_ROW, product=structs.replace(OFFERED, stale=not stale))
    listed = structs.replace(OFFERED, stale=stale, size=99)

    rows = after([before], STALE, listed, waiting={listed.uri})

    assert rows[UNCAL] == replace(HELD_ROW, product=structs.replace(OFFERED, stale=stale))
    assert after((), STALE, listed) == {}


def test_what_vanished_before_it_came_has_no_row():
    """Nothing was ever there."""
    assert after((), VANISHED, OFFERED) == {}
    assert after((), NEW, OFFERED) == {}


def test_what_waits_keeps_its_row_though_its_bytes_are_there():
    """Its association is not settled yet; a product that is new does not wait for it."""
    now = product(UNCAL, checksum="b" * 32)
    other = product(UNCAL.replace("00001", "00002"), checksum="c" * 32)
    fetched = [version(now, "2" * 64), version(other, "3" * 64)]

    waiting = after([HELD_ROW], REPROCESSED, now, fetched, waiting={now.uri})
    new = after([HELD_ROW], NEW, other, fetched, waiting={other.uri})

    assert waiting[UNCAL].sha256 == HELD_ROW.sha256
    assert new[other.filename].sha256 == "3" * 64


def test_two_renamed_products_do_not_take_each_other_s_place():
    """Each new row removes the row that it replaces, and no other."""
    olds = [product(f"jw01345-o001_t00{n}_nircam_f200w_i2d.fits") for n in (1, 2)]
    rows = [after((), NEW, old, [version(old)])[old.filename] for old in olds]
    new = product("jw01345-o001_t009_nircam_f200w_i2d.fits")

    renamed = after(rows, RENAMED, new, [version(new)], replaces=olds[0].filename)

    assert set(renamed) == {olds[1].filename, new.filename}


@pytest.mark.parametrize("facts", [{}, {"state": GONE}, {"deselected": "2026-11-01"}])
@pytest.mark.parametrize("kinds", [(NEW, VANISHED), (VANISHED, NEW), (NEW,)])
def test_a_file_under_another_uri_has_one_row(facts, kinds):
    """Whatever became of the former row: a view can show one file of a name."""
    moved = structs.replace(OFFERED, uri=f"mast:JWST2/{UNCAL}")
    changes = [Change(kind=k, product=moved if k == NEW else OFFERED) for k in kinds]
    poll = Poll(listings=(), changes=tuple(changes))
    before = [replace(HELD_ROW, **facts)]

    (arrived,) = upstream_entries(before, poll, [version(moved, "2" * 64)])
    (missing,) = upstream_entries(before, poll, [])

    assert (arrived.upstream.uri, arrived.sha256, arrived.state) == (moved.uri, "2" * 64, PRESENT)
    assert missing.upstream.uri == OFFERED.uri


def test_a_renamed_file_replaces_also_a_row_that_has_its_name_already():
    """One of the same name had vanished under another URI."""
    old, moved = product(UNCAL.replace("00001", "00002")), structs.replace(OFFERED, uri="mast:b")
    before = [*after((), NEW, old, [version(old)]).values(), replace(HELD_ROW, state=GONE)]

    rows = after(before, RENAMED, moved, [version(moved, "2" * 64)], replaces=old.filename)

    assert [row.upstream.uri for row in rows.values()] == [moved.uri]


def test_reprocessed_product_gets_its_new_bytes():
    """The row of a reprocessed product names the version with the listed checksum."""
    now = product(UNCAL, checksum="b" * 32)
    fetched = [version(OFFERED), version(now, "2" * 64)]

    rows = after([HELD_ROW], REPROCESSED, now, fetched)

    assert rows[UNCAL].sha256 == "2" * 64
    assert rows[UNCAL].product == now


def test_change_whose_bytes_did_not_arrive_is_seen_again():
    """Without its bytes a change leaves the row, and the checksum in it, as they were."""
    rows = after([HELD_ROW], REPROCESSED, product(UNCAL, checksum="b" * 32), [version(OFFERED)])

    assert rows[UNCAL] == HELD_ROW


def test_vanished_product_stays_marked_and_returns():
    """A product that vanishes keeps its bytes; the same bytes coming back need no download."""
    gone = after([HELD_ROW], VANISHED, OFFERED)[UNCAL]
    back = after([gone], RETURNED, OFFERED)[UNCAL]

    assert gone == replace(HELD_ROW, state=GONE)
    assert back == HELD_ROW


def test_released_product_is_public_without_a_download():
    """When exclusive access ends, the row says so and the bytes stay."""
    exclusive = replace(HELD_ROW, product=product(UNCAL, checksum="a" * 32, exclusive=True))

    rows = after([exclusive], RELEASED, OFFERED)

    assert rows[UNCAL] == HELD_ROW


def test_restamped_association_takes_the_place_of_the_former():
    """The former name of an association leaves the view when the new one arrived, not before."""
    names = ["jw01345-o001_1_image3_00001_asn.json", "jw01345-o001_2_image3_00001_asn.json"]
    old, new = (product(name, checksum=None, validator=name) for name in names)
    former = after((), NEW, old, [version(old)]).values()

    arrived = after(former, RESTAMPED, new, [version(new, "2" * 64)], replaces=names[0])
    missing = after(former, RESTAMPED, new, replaces=names[0])

    assert list(arrived) == [names[1]]
    assert list(missing) == [names[0]]


@pytest.mark.parametrize("first", ["waits", "did not arrive"])
def test_each_change_is_made_whatever_became_of_the_one_before(first):
    """A change that waits, or whose bytes did not arrive, does not stop the others."""
    now, other = (product(UNCAL.replace("00001", n), checksum="b" * 32) for n in ("00001", "00002"))
    changes = tuple(Change(kind=k, product=p) for k, p in ((REPROCESSED, now), (NEW, other)))
    fetched = [version(now, "2" * 64)] * (first == "waits") + [version(other, "3" * 64)]
    waiting = {now.uri} if first == "waits" else ()

    rows = upstream_entries([HELD_ROW], Poll(listings=(), changes=changes), fetched, waiting)

    assert [row.sha256 for row in rows] == [HELD_ROW.sha256, "3" * 64]


def test_rows_without_a_product_are_not_mast_s():
    """Rows of results are not among those of the next state."""
    assert upstream_entries([HELD_ROW, *FORMER], Poll(listings=(), changes=()), ()) == (HELD_ROW,)


def test_a_mark_of_a_file_that_is_not_there_makes_no_row():
    """It may have been dropped meanwhile; others are marked, and kept or dropped."""
    marks = {OFFERED.uri: "2026", "mast:other": "2026"}
    poll = Poll(listings=(), changes=(), deselected=marks)

    assert upstream_entries([HELD_ROW], poll, ()) == (replace(HELD_ROW, deselected="2026"),)
    dropping = replace(poll, drops_deselected=True)
    assert upstream_entries([HELD_ROW], dropping, ()) == ()
    unmarked = Poll(listings=(), changes=(), drops_deselected=True)
    assert upstream_entries([HELD_ROW], unmarked, ()) == (HELD_ROW,)


def test_rows_are_sorted_by_path():
    """Of MAST's files, and of results, in whatever order they come."""
    names = [UNCAL.replace("00001", f"0000{n}") for n in (3, 1, 2)]
    offered = [product(name) for name in names]
    changes = tuple(Change(kind=NEW, product=each) for each in offered)

    upstream = upstream_entries(
        (), Poll(listings=(), changes=changes), [version(each) for each in offered]
    )
    made_ = [made("image2", suffix, suffix) for suffix in ("i2d", "cal", "crf")]
    rows = recalibrated_entries((), [Plan(context="c")], made_, "c")

    assert [row.filename for row in upstream] == sorted(names)
    assert [row.filename for row in rows] == ["X_cal.fits", "X_crf.fits", "X_i2d.fits"]


def test_a_withheld_product_keeps_its_bytes_and_becomes_exclusive():
    """What MAST holds back neither enters nor leaves the manifest; the row has the new access."""
    closed = structs.replace(OFFERED, exclusive=True, release_date="2099-01-01T00:00:00.000")

    assert after((), WITHHELD, closed) == {}
    assert after([HELD_ROW], WITHHELD, closed) == {UNCAL: replace(HELD_ROW, product=closed)}


def test_new_bytes_that_do_not_arrive_or_wait_close_the_former_ones():
    """Access is the product's: it holds for the version that is there, at once."""
    new = structs.replace(OFFERED, checksum="9" * 32, exclusive=True)

    missing = after([HELD_ROW], REPROCESSED, new)
    waiting = after([HELD_ROW], REPROCESSED, new, [version(new, "2" * 64)], waiting={new.uri})

    assert missing == waiting
    assert missing[UNCAL].product == structs.replace(HELD_ROW.product, exclusive=True)


def made(pipeline: str, suffix: str, sha256: str) -> Result:
    """A result of one file for exposure X in recipe deep."""
    file = result_file(f"X_{suffix}.fits", sha256)
    return result(pipeline, "X", file, key=f"key of {sha256}")


def rows_of(former, plan=None, *results) -> dict[str, str]:
    """Recalibrated rows as {file name: sha256}."""
    plans = [plan or Plan(context="c")]
    rows = recalibrated_entries(former, plans, results, "jwst_0001.pmap")
    return {row.filename: row.sha256 for row in rows}


FORMER = recalibrated_entries(
    (),
    [Plan(context="c")],
    [made("detector1", "rate", "r1"), made("image2", "cal", "c1")],
    "jwst_0001.pmap",
)


CHAIN = chain(derivation("detector1", "X"), derivation("image2", "X"))  # still to be run


def test_results_stand_in_the_recipe_s_folder():
    """A result's row names its recipe, the result it belongs to, its key and its context."""
    (row, *_) = FORMER

    assert row == Entry(
        path="recalibrated/deep/jw01345/o001/X_cal.fits",
        origin="deep",
        sha256="c1",
        size=1,
        identity="c1",
        result="image2/X",
        key="key of c1",
        context="jwst_0001.pmap",
    )


@pytest.mark.parametrize(
    "plan",
    [
        Plan(context="c", batches={"b": (CHAIN,)}),
        Plan(context="c", waits=(Wait(recipe="deep", product="X", why="no members"),)),
        Plan(context="c", failures=(Wait(recipe="deep", product="X", why="refused"),)),
    ],
)
def test_former_result_stays_while_its_successor_fails_or_waits(plan):
    """What could not be made again is shown as it was."""
    assert rows_of(FORMER, plan) == {"X_cal.fits": "c1", "X_rate.fits": "r1"}


def test_half_done_chain_shows_what_it_made():
    """If stage 2 fails after a new stage 1, the new stage 1 and the former stage 2 are shown."""
    plan = Plan(context="c", batches={"b": (CHAIN,)})

    rows = rows_of(FORMER, plan, made("detector1", "rate", "r2"))

    assert rows == {"X_rate.fits": "r2", "X_cal.fits": "c1"}


def test_rows_get_the_quality_of_their_results():
    """By recipe and key, with the causes; others stay as they are."""
    caveat = Caveat(cause="alignment", message="5 matches")
    qualities = {
        ("deep", "key of c1"): Quality(word="caveat", caveats=(caveat,)),
        ("quick", "key of r1"): Quality(word="sound"),
    }

    cal, rate = with_quality(FORMER, qualities)

    assert cal == replace(FORMER[0], quality="caveat", caveats=canonical((caveat,)))
    assert rate == FORMER[1]
    assert with_quality([rate], {("deep", "key of r1"): Quality(word="sound")}) == (
        replace(rate, quality="sound"),
    )


def test_a_result_that_is_held_back_leaves_the_former_one():
    """Of that recipe and key; it was planned, so its former rows stay."""
    new = made("image2", "cal", "c2")

    rows = recalibrated_entries(
        FORMER, [], (made("detector1", "rate", "r2"), new), "c", {("deep", new.key)}
    )
    other = recalibrated_entries(FORMER, [], (new,), "c", {("quick", new.key)})

    assert {row.filename: row.sha256 for row in rows} == {"X_cal.fits": "c1", "X_rate.fits": "r2"}
    assert [row.sha256 for row in other] == ["c2"]


def test_results_are_found_again_in_their_rows():
    """Field by field, as they were."""
    results = (made("detector1", "rate", "r1"), made("image2", "cal", "c1"))

    found = result_rows([*FORMER, HELD_ROW])

    assert sorted(found, key=lambda each: each.pipeline) == list(results)


def test_results_no_longer_asked_for_leave_the_view():
    """A recipe cut down to stage 1 shows stage 1 only; the rest stays in former generations."""
    assert rows_of(FORMER, None, made("detector1", "rate", "r1")) == {"X_rate.fits": "r1"}


def test_a_former_row_that_stays_is_selected_again():
    """Its result was planned, so its files are selected."""
    former = [replace(row, deselected="2026") for row in FORMER]
    plan = Plan(context="c", batches={"b": (CHAIN,)})

    rows = recalibrated_entries(former, [plan], (), "c")

    assert {row.deselected for row in rows} == {""} and len(rows) == 2


def test_kept_products_of_a_step_are_planned_too():
    """Their former rows stay while they are made again."""
    former = recalibrated_entries(
        (), [Plan(context="c")], [made("detector1_ramp", "ramp", "p1")], "c"
    )
    plan = Plan(context="c", batches={"b": (replace(CHAIN, keep=("ramp",)),)})

    assert [row.sha256 for row in recalibrated_entries(former, [plan], (), "c")] == ["p1"]


def test_results_that_are_done_and_those_of_receipts_are_of_the_run():
    """In this order."""
    done, computed = made("detector1", "rate", "r1"), made("image2", "cal", "c1")
    receipt = Receipt(results=(computed,))

    assert results_of_run([Plan(context="c", done=(done,))], [receipt]) == (done, computed)

"""Polls that events limit: what is asked for, and what is taken to be as it was."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwmirror.archive.events import limit_poll, merge_part, no_longer_listed
from jwmirror.archive.poll import poll
from jwmirror.core.model import Listing, Poll, Scope, Selection
from jwmirror.core.model.product import REPROCESSED, VANISHED
from jwmirror_simulator.mast import Archive, Oddities
from jwmirror_simulator.mast.storage import edits
from jwmirror_simulator.mast.toy_files import toy_association, toy_fits
from tests.setup.records import entry, listing, product

ALL, SOME = Selection(program=1345), Selection(program=1345, observations=(1, 2))
HERE, THERE = (f"jw0134500{n}001_02101_00001_nrcb1_rate.fits" for n in (1, 2))
AUTO = Selection(program=1345, observations=(1,), candidates=("auto",))
WIDE = Selection(program=1345, candidates=("c1001",))
EVENT = Scope(program=1345, observations=("o001",))


@pytest.mark.parametrize(
    ("selections", "hints", "expected"),
    [
        ([ALL], [], {}),
        ([ALL], [EVENT], {1345: ("o001",)}),
        ([ALL], [EVENT, Scope(program=1345, observations=("c1001",))], {1345: ("c1001", "o001")}),
        ([ALL], [EVENT, Scope(program=1345)], {1345: ()}),
        ([ALL], [Scope(program=2107)], {}),
        ([SOME], [Scope(program=1345, observations=("o002", "o003"))], {1345: ("o002",)}),
        ([SOME], [Scope(program=1345, observations=("o003",))], {}),
        ([SOME, ALL], [Scope(program=1345, observations=("o003",))], {1345: ("o003",)}),
        ([SOME], [Scope(program=1345, observations=("c1001",))], {}),
        ([AUTO], [Scope(program=1345, observations=("c1001",))], {1345: ("c1001",)}),
        ([WIDE], [Scope(program=1345, observations=("c1001", "o001"))], {1345: ("c1001",)}),
    ],
)
def test_hints_limit_a_poll_to_what_they_name_of_what_is_selected(selections, hints, expected):
    """Hints add up; one of a whole program is of all; what is not selected is left out."""
    assert limit_poll(selections, hints) == expected


def listing_of(checksums: dict[str, str]) -> Listing:
    """A listing of files with these checksums."""
    return listing(*(product(name, checksum=each) for name, each in checksums.items()))


names = st.sampled_from(
    [f"jw0134500{n}001_02101_{k:05d}_nrcb1_rate.fits" for n in (1, 2) for k in (1, 2, 3)]
)
holdings = st.dictionaries(names, st.sampled_from("abc"))


@given(holdings, holdings)
def test_a_limited_answer_over_the_former_listing_is_the_listing_if_nothing_else_changed(old, new):
    """What changed in the asked observation only, and lost nothing, is seen as by a poll of all."""
    here, there = (
        {name: kind for name, kind in either.items() if name.startswith(f"jw0134500{n}")}
        for n, either in ((1, {**old, **new}), (2, old))
    )
    former = listing_of(old)
    part = listing_of(here)

    assert no_longer_listed(former, part, ["o001"]) == ()
    assert merge_part(former, part, ["o001"]) == listing_of({**here, **there})


def test_the_members_of_a_candidate_add_up_where_some_observations_are_asked_for():
    """A limited answer does not show all observations that a candidate combines."""
    former = listing(product(HERE), candidates={"c1001": ("o001", "o002")})
    part = listing(product(HERE), candidates={"c1001": ("o001",), "c1002": ("o001",)})

    merged = merge_part(former, part, ["o001"])

    assert merged.candidates == {"c1001": ("o001", "o002"), "c1002": ("o001",)}


def test_a_product_of_another_observation_in_a_limited_answer_is_listed_once():
    """Where an instrument is doubted, the answer has what the mirror has of it everywhere."""
    former = listing(product(HERE), product(THERE))
    part = listing(product(HERE), product(THERE, checksum="c"))

    assert merge_part(former, part, ["o001"]).products == part.products


def test_what_lacks_is_untold_unless_a_newer_association_takes_its_place():
    """A limited answer cannot tell that a file vanished; a restamped association is plain."""
    old, new = (f"jw01345-o001_2026010{n}t000000_image3_00001_asn.json" for n in (1, 2))
    former = listing(product(HERE), product(THERE), product(old))

    assert no_longer_listed(former, listing(product(HERE), product(new)), ["o001"]) == ()
    assert no_longer_listed(former, listing(product(old)), ["o001"]) == (product(HERE),)


@pytest.fixture(autouse=True)
def second_observation(archive, tmp_path) -> None:
    """Publish a file of observation 2 of program 1345."""
    archive.publish(toy_fits(tmp_path, THERE, observtn="002"))


@pytest.fixture
def ask(archive, process):
    """Poll the archive with a mirror that holds all that a former poll found."""

    def ask(former: Poll | None = None, *hints: Scope) -> Poll:
        listings = former.listings if former else ()
        held = [entry(each) for one in listings for each in one.products]
        known = {one.program: one for one in listings}
        job = process.submit(poll, archive.url, [ALL], held, None, 2, hints=hints, former=known)
        return job.result(timeout=60)

    return ask


def asked_obsids(archive: Archive) -> set[str]:
    """The observations whose products were asked for."""
    queries = [each.query for each in archive.requests if each.service == "Mast.Caom.Products"]
    return {number for query in queries for number in query["params"]["obsid"].split(",")}


def test_a_limited_poll_asks_for_its_observation_and_leaves_the_rest_as_it_was(
    ask, archive, tmp_path
):
    """Another observation's change is not seen, nor does anything of it look vanished."""
    before = ask()
    for name, number in ((HERE, "001"), (THERE, "002")):
        archive.reprocess(name, toy_fits(tmp_path, name, seed=99, observtn=number))
    archive.requests.clear()

    found = ask(before, EVENT)

    groups = {str(row["obsid"]): row["obs_id"] for row in archive.snapshot.observations}
    asked = asked_obsids(archive)
    assert [group for obsid, group in groups.items() if obsid not in asked] == [THERE[:-10]]
    (rows,) = (each for each in archive.requests if each.service.endswith("Nircam"))
    assert rows.query["params"]["filters"][1] == {
        "paramName": "observtn",
        "values": ["1", "001"],
    }
    assert [(each.kind, each.product.filename) for each in found.changes] == [(REPROCESSED, HERE)]
    assert found.limited_to == (EVENT,)
    assert len(found.listings[0].products) == len(before.listings[0].products)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"observations": (1,)}, {"o001", "pool"}),
        ({"observations": (1,), "candidates": ("auto",)}, {"o001", "c1001", "pool"}),
        ({"observations": (1,), "candidates": ("c1002",)}, {"o001", "c1002", "pool"}),
        ({"candidates": ("c1002",)}, {"c1002", "pool"}),
    ],
)
def test_candidates_are_found_by_the_observations_that_they_combine(
    archive, tmp_path, process, wanted, expected
):
    """MAST lists the files of its members under a candidate, also if these are not selected."""
    for candidate, member in (("c1001", HERE), ("c1002", THERE)):
        root = f"jw01345-{candidate}_t001_nircam_clear-f200w"
        name = f"jw01345-{candidate}_20260101t000000_image3_00001_asn.json"
        archive.publish(toy_association(tmp_path, name, root, [member]))
        archive.publish(toy_fits(tmp_path, f"{root}_i2d.fits", observtn=""))

    selection = Selection(program=1345, **wanted)
    found = process.submit(poll, archive.url, [selection], [], None, 2).result(timeout=60)

    assert {change.product.observation for change in found.changes} == expected
    assert found.unmatched == ()


def test_what_lacks_in_a_limited_answer_makes_the_poll_ask_for_the_whole_program(ask, archive):
    """A file is told to have vanished by a full listing only, and the poll says that it was one."""
    before = ask()
    archive.withdraw(HERE)

    found = ask(before, EVENT)

    assert [(each.kind, each.product.filename) for each in found.changes] == [(VANISHED, HERE)]
    assert found.limited_to == (Scope(program=1345),)


def test_a_table_without_rows_is_doubted_in_a_limited_poll(ask, archive):
    """The rest of the former listing has rows of that instrument, which show nothing of now."""
    before = ask()
    archive.reprocess(HERE, edits.same_size)
    archive.oddities = Oddities(empty_tables=("Nircam",))

    found = ask(before, EVENT)

    assert [doubt.scope for doubt in found.doubts] == ["program 1345, NIRCAM"]
    assert found.listings[0].products == before.listings[0].products


def test_a_program_without_a_former_listing_is_asked_for_as_a_whole(ask, archive):
    """A first poll is of everything, whatever events name."""
    found = ask(None, EVENT)

    assert found.limited_to == (Scope(program=1345),)
    assert {each.product.observation for each in found.changes} == {"o001", "o002", "pool"}


def test_files_whose_row_tells_no_observation_get_it_from_the_whole_table(ask, archive, tmp_path):
    """A combined file without OBSERVTN keeps its checksum in a limited poll."""
    name = "jw01345-o001_t001_nircam_clear-f200w-sub160_i2d.fits"
    archive.reprocess(name, toy_fits(tmp_path, name, seed=5, observtn=""))
    before = ask()

    found = ask(before, EVENT)

    assert found.changes == ()
    assert replace(found.listings[0], asked_at="") == replace(before.listings[0], asked_at="")

"""Searches: what is found at MAST by target, position, category and release date, and kept."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from unittest.mock import Mock

import pytest

from jwmirror.archive.discovery.observations import FoundRow, find_parts
from jwmirror.archive.discovery.record import found_selections, read_searches
from jwmirror.archive.discovery.search import run_searches
from jwmirror.archive.discovery.targets import resolve_target
from jwmirror.archive.tables.queries import Queries
from jwmirror.archive.tables.reader import MastTable
from jwmirror.core.errors import ArchiveError, StoreError
from jwmirror.core.model import Selection, write
from jwmirror.core.model.search import Search, SearchRecord
from jwmirror_simulator.mast import Archive, Oddities
from jwmirror_simulator.mast.faults import status
from tests.setup.listings import HASTY
from tests.setup.sky import ARCMIN, cone, publish_sky, search_for


@pytest.fixture
def sky(tmp_path, port) -> Iterator[Archive]:
    """An archive with one rate of each exposure of SKY."""
    with Archive(tmp_path / "sky", port) as archive:
        publish_sky(archive, tmp_path)
        yield archive


def run(url: str, searches: Sequence[Search], record: SearchRecord):
    """Search in this process."""
    with Queries(url, timeouts=HASTY) as queries:
        return run_searches(queries, searches, record)


@pytest.fixture
def ask(sky: Archive, process: ProcessPoolExecutor):
    """A function that searches the archive with the real astroquery."""

    def search(*searches: Search, record: SearchRecord | None = None):
        arguments = (sky.url, searches, record or SearchRecord())
        return process.submit(run, *arguments).result(timeout=60)

    return search


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({"position": cone(80, -69.5)}, {"1345": ("o001",), "2107": ("o001",)}),
        ({"position": cone(80, -69.5, 0.1)}, {"1345": ("o001", "o002"), "2107": ("o001",)}),
        ({"position": cone(0, 0)}, {"1039": ("o001",), "2736": ("o001",)}),
        ({"position": cone(303, 90, 0.02)}, {"1200": ("o001",)}),
        ({"position": cone(10, 10)}, {}),
        ({"position": cone(80, -69.5, 0.1), "program": 1345}, {"1345": ("o001", "o002")}),
        ({"position": cone(80, -69.5), "categories": ("GO", "GTO")}, {"2107": ("o001",)}),
        ({"categories": ("ERS",)}, {"1345": ()}),
        ({"categories": ("COM", "GTO")}, {"1039": (), "1200": ()}),
        ({"categories": ("ERO",)}, {"2736": ()}),
        ({"position": cone(0, 0), "categories": ("ERO",)}, {"2736": ("o001",)}),
        ({"categories": ("CAL",)}, {}),
        ({"targets": ("T-01345",), "radius": ARCMIN}, {"1345": ("o001",), "2107": ("o001",)}),
    ],
)
@pytest.mark.parametrize("proposal_types", ["category", "JWST"])
def test_what_is_found(parts, found, proposal_types, sky, ask):
    """By circles also across RA 0 and a pole; categories wherever MAST has them."""
    sky.oddities = Oddities(proposal_types=proposal_types)
    sky.positions["t-01345"] = (80.0, -69.5)

    (answer,), record = ask(search_for(**parts))

    assert answer.found == found
    assert answer.doubts == ()
    assert record.found == {answer.search.key: found}


def test_a_release_date_finds_what_became_public_since_then(sky, ask):
    """Not what is exclusive still, nor what was public before."""
    sky.restrict("jw01345001001_02101_00001_nrcb1_rate.fits", "2026-02-01T00:00:00")
    sky.restrict("jw02107001001_02101_00001_nrcb1_rate.fits")

    (answer,), _ = ask(search_for(released_after="2026-02-01", position=cone(80, -69.5, 0.1)))

    assert answer.found == {"1345": ("o001",)}


def test_a_name_is_resolved_once(sky, ask):
    """A later run uses the position of the first, whatever the resolver says then."""
    sky.positions["m 101"] = (80.0, -69.5)
    search = search_for(targets=("M  101",), radius=ARCMIN)
    _, record = ask(search)
    sky.positions["m 101"] = (0.0, 0.0)
    sky.requests.clear()

    (answer,), again = ask(search, record=record)

    assert set(answer.found) == {"1345", "2107"}
    assert again == record
    assert "Mast.Name.Lookup" not in {each.service for each in sky.requests}


def test_an_unknown_name_stops_nothing_else(sky, ask):
    """Neither other names of its search nor other searches; the message names its place."""
    sky.positions["m 101"] = (80.0, -69.5)

    (first, second), record = ask(
        search_for(targets=("M 101", "Jupiter"), radius=ARCMIN), search_for(categories=("COM",))
    )

    assert set(first.found) == {"1345", "2107"}
    (doubt,) = first.doubts
    assert doubt.scope == "programs[0]"
    assert "knows no target 'Jupiter'" in doubt.why
    assert second.found == {"1039": ()}
    assert list(record.targets) == ["m 101"]


@pytest.mark.parametrize("service", ["Mast.Name.Lookup", "Mast.Caom.Filtered.Position"])
def test_a_search_that_fails_keeps_what_it_found(service, sky, ask):
    """A server error is a doubt; what earlier runs found stays selected."""
    search = search_for(targets=("T-02107",), radius=ARCMIN)
    (answer,), record = ask(search)
    sky.fault(service, status(503))

    (failed,), kept = ask(search, record=replace(record, targets={}))

    assert failed.found == answer.found != {}
    assert "503" in failed.doubts[0].why
    assert failed.missing == ()
    assert kept.found == record.found


@pytest.mark.parametrize(
    "oddities",
    [
        Oddities(polls=1),
        Oddities(page_limit=3),
        Oddities(absent_columns=("proposal_type",)),
        Oddities(absent_columns=("proposal_type",), unknown_column="500"),
        Oddities(odd_cells={"proposal_id": "N/A", "calib_level": "N/A", "proposal_type": None}),
        Oddities(odd_cells={"proposal_id": None, "s_ra": "NaN"}, proposal_types="JWST"),
    ],
)
def test_odd_answers_find_the_same(oddities, sky, ask):
    """Columns and cells that are missing, full pages, and answers that take time."""
    sky.oddities = oddities
    search = search_for(position=cone(80, -69.5, 0.1), categories=("ERS",))

    (answer,), _ = ask(search)

    assert answer.found == {"1345": ("o001", "o002")}
    assert answer.doubts == ()


@pytest.mark.parametrize(
    "oddities",
    [Oddities(absent_tables=("Mast.Name.Lookup",)), Oddities(maintenance=("portal",))],
)
def test_a_resolver_that_does_not_answer_is_a_doubt(oddities, sky, ask):
    """Not an unknown name; it is tried again in the next run."""
    sky.oddities = oddities

    (answer,), record = ask(search_for(targets=("T-02107",), radius=ARCMIN))

    assert "knows no target" not in answer.doubts[0].why
    assert record == SearchRecord()


@pytest.mark.parametrize("position", ["[]", "null"])
def test_an_error_of_the_resolver_is_no_unknown_name(position):
    """Even if it has an empty list of positions."""
    text = f'{{"resolvedCoordinate": {position}, "status": "ERROR", "msg": "timeout"}}'
    portal = Mock(lookup=lambda name: text.encode())

    with pytest.raises(ArchiveError, match=r"answers status ERROR \(timeout\)"):
        resolve_target(portal, "M 101")


@pytest.mark.parametrize("status", ['""', '"COMPLETE"', "null"])
def test_a_name_without_position_is_unknown(status):
    """Whatever the resolver calls a complete answer."""
    text = f'{{"resolvedCoordinate": [], "status": {status}}}'
    portal = Mock(lookup=lambda name: text.encode())

    with pytest.raises(ArchiveError, match="knows no target 'M 101'"):
        resolve_target(portal, "M 101")


def test_an_answer_that_is_cut_at_the_page_is_a_doubt(sky, ask):
    """As many rows as fit into a page may not be all."""
    sky.oddities = Oddities(page_limit=2, cut_at_page=True)

    (answer,), _ = ask(search_for(position=cone(80, -69.5, 0.1)))

    assert "rows" in answer.doubts[0].why


def test_what_is_not_found_any_more_stays_selected_and_is_named(sky, ask):
    """So is what is new: the words are for the user."""
    search = search_for(position=cone(80, -69.5))
    former = {"1345": ("o001", "o007"), "9999": ("o001",)}

    (answer,), record = ask(search, record=SearchRecord(found={search.key: former}))

    assert answer.found == {"1345": ("o001", "o007"), "2107": ("o001",), "9999": ("o001",)}
    assert answer.added == ("program 2107 (o001)",)
    assert answer.missing == ("program 1345 (o007)", "program 9999 (o001)")
    assert record.found[search.key] == answer.found


def test_a_narrower_search_begins_anew(sky, ask):
    """What only the wider one found is not selected any more."""
    wide = search_for(position=cone(80, -69.5, 0.1))
    _, record = ask(wide)

    (answer,), after = ask(search_for(position=cone(80.2, -69.5)), record=record)

    assert answer.found == {"1345": ("o002",)}
    assert answer.added == ()
    assert after.found == {answer.search.key: answer.found}  # the wide one begins anew, too


def test_rows_of_another_program_than_was_asked_for_are_left_out():
    """Whatever MAST's filter lets through; and a pool is no observation."""
    names = ["jw02107001001_02101_00001_nrcb1", "jw01345_20260101t000000_pool.csv"]
    table = MastTable([FoundRow(obs_id=name) for name in (*names, "jw01345-o001_t001_nircam")])
    future: Future[MastTable] = Future()
    future.set_result(table)
    queries = Mock(submit=lambda query: future)

    found = find_parts(queries, search_for(position=cone(0, 0), program=1345), cone(0, 0))

    assert found == {"1345": ("o001",)}


def test_small_numbers_are_written_without_exponents():
    """A position of 0.1 arcsec, and a radius of 0.05."""
    portal = Mock()
    portal.filtered.return_value = MastTable([])
    queries = Mock(submit=lambda query: Mock(result=lambda: query(portal)))

    find_parts(queries, search_for(position=cone(0, 0)), cone(1e-5, -2e-5, 5e-2 / 3600))

    assert portal.filtered.call_args.args[-1] == "0.000010000, -0.000020000, 0.000013889"


@pytest.mark.parametrize("found", [{"x": []}, {"-1": []}, {"1345\n": []}, {"1345": ["../x"]}])
def test_a_record_with_names_that_are_none_is_damaged(found, tmp_path):
    """The error says what to do."""
    write(tmp_path / "receipts" / "searches.json", {"found": {"key": found}})

    with pytest.raises(
        StoreError, match=r"searches\.json: not as jwmirror writes it.*move it away"
    ):
        read_searches(tmp_path)


@pytest.mark.parametrize(
    ("criteria", "parts", "selection"),
    [
        ({}, ("o001", "c1001"), {"observations": (1,), "candidates": ("c1001",)}),
        ({}, ("c1001",), {"candidates": ("c1001",)}),
        ({"candidates": ("auto",)}, ("o001",), {"observations": (1,), "candidates": ("auto",)}),
        ({"candidates": ("auto",)}, ("c1001",), None),
        ({"observations": (2, 3)}, ("o001", "o002", "c1001"), {"observations": (2,)}),
        ({"observations": (2,)}, ("o001",), None),
        ({}, (), {}),
    ],
)
def test_what_is_found_becomes_selections(criteria, parts, selection):
    """Of the observations that were found, those that the config also names."""
    selections = list(found_selections(search_for(**criteria), {"1345": parts}))

    expected = [] if selection is None else [Selection(program=1345, is_found=True, **selection)]
    assert selections == expected

"""Queries to MAST: how many, how many at a time, in which groups, and what a failure affects."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

import pytest

from jwmirror.archive.listing import query_listing
from jwmirror.archive.poll import poll
from jwmirror.archive.selection import scope_to_query
from jwmirror.archive.tables import answers, portal, queries, session
from jwmirror.archive.tables.queries import AT_ONCE, GROUP, Queries, query_products
from jwmirror.archive.tables.reader import MastTable
from jwmirror.archive.tables.rows import (
    KEYWORD_COLUMNS,
    OBSERVATION_COLUMNS,
    PRODUCT_COLUMNS,
    KeywordRow,
    ObservationRow,
    ProductRow,
)
from jwmirror.core.errors import ArchiveError
from jwmirror.core.model import Listing, Scope, Selection
from jwmirror.core.model.product import NEW, REPROCESSED
from jwmirror_simulator.mast import Oddities
from jwmirror_simulator.mast.toy_files import toy_fits
from tests.setup.listings import MD5, ask_mast
from tests.setup.records import entry

NOWHERE = "http://127.0.0.1:9"
PROGRAM = 1345


class FakePortal:
    """A client of MAST whose tables are made by hand; it records product queries."""

    def __init__(self) -> None:
        self.observed: dict[int, list[tuple[str, str]]] = {}  # program -> obsid, obs_id
        self.instruments: dict[str, str] = {}  # by obsid, instead of NIRCAM
        self.asked: list[Sequence[str]] = []  # groups of obsids
        self.limited_to: list[Sequence[int]] = []  # observations of keyword queries
        self.fails: Callable[[Sequence[str]], bool] = lambda obsids: False
        self.checksum, self.pause_s, self.most, self._now = MD5[1], 0.0, 0, 0
        self._lock = threading.Lock()

    def observations(self, program: int) -> MastTable:
        """Return the rows of a program; an error if it has none."""
        if program not in self.observed:
            raise ArchiveError(f"MAST query for observations of program {program}: 504")
        rows = [
            ObservationRow(
                obsid=obsid,
                obs_id=name,
                instrument_name=self.instruments.get(obsid, "NIRCAM/IMAGE"),
                calib_level=2,
                proposal_id=program,
            )
            for obsid, name in self.observed[program]
        ]
        return MastTable(rows, frozenset(OBSERVATION_COLUMNS))

    def products(self, obsids: Sequence[str]) -> MastTable:
        """Return one file for each observation."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.asked.append(obsids)
        time.sleep(self.pause_s)
        with self._lock:
            self._now -= 1
        if self.fails(obsids):
            raise ArchiveError(f"MAST query for products of {obsids}: 504; run again later.")
        names = dict(pair for some in self.observed.values() for pair in some)
        rows = [
            ProductRow(
                dataURI=f"mast:JWST/product/{names[obsid]}_cal.fits",
                productFilename=f"{names[obsid]}_cal.fits",
                obsID=obsid,
                dataRights="PUBLIC",
            )
            for obsid in obsids
        ]
        return MastTable(rows, frozenset(PRODUCT_COLUMNS))

    def keywords(
        self, table: str, program: int, columns: object, observations: Sequence[int] = ()
    ) -> MastTable:
        """Return the row of each file of a program."""
        self.limited_to.append(observations)
        rows = [
            KeywordRow(
                filename=f"{name}_cal.fits",
                checksum=self.checksum,
                isRestricted=False,
                program=program,
            )
            for _, name in self.observed[program]
        ]
        return MastTable(rows, frozenset((*KEYWORD_COLUMNS, "filename", "filter", "pupil")))

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def mast(monkeypatch) -> FakePortal:
    """MAST, as all threads see it."""
    fake = FakePortal()
    monkeypatch.setattr(queries, "Portal", lambda *args: fake)
    return fake


def exposures(count: int, observation: int = 1) -> list[tuple[str, str]]:
    """Return obsids and names of exposures of one observation."""
    start = 10_000 * observation
    return [
        (str(start + n), f"jw01345{observation:03d}001_02101_{n + 1:05d}_nrca1")
        for n in range(count)
    ]


@pytest.fixture
def ask(mast) -> Iterator[Queries]:
    """Queries to that MAST."""
    with Queries(NOWHERE) as asked:
        yield asked


# ---- groups ----------------------------------------------------------------------------------


def test_products_are_asked_for_in_groups_at_most_eight_at_a_time(mast, ask):
    """Each observation once; the answer is in their order."""
    mast.observed[PROGRAM], mast.pause_s = exposures(200), 0.01
    obsids = [obsid for obsid, _ in mast.observed[PROGRAM]]

    lists = query_products(ask, obsids, attrgetter("rows"))

    assert [row.obsID for row in lists.products] == obsids
    assert sorted(map(len, mast.asked)) == [GROUP] * 20
    assert 2 <= mast.most <= AT_ONCE == 8


def test_groups_that_fail_are_asked_for_one_by_one(mast, ask):
    """Case 12: MAST answers 504 to a query for more than one observation."""
    mast.observed[PROGRAM] = exposures(100)
    mast.fails = lambda obsids: len(obsids) > 1
    obsids = [obsid for obsid, _ in mast.observed[PROGRAM]]

    lists = query_products(ask, obsids, attrgetter("rows"))

    assert [row.obsID for row in lists.products] == obsids
    assert lists.failures == {}
    assert sum(len(group) == 1 for group in mast.asked) == 100
    assert len(mast.asked) < 150  # what failed once is not tried with every group


@pytest.mark.parametrize("failure", ["504", "ERROR", "500"])
def test_groups_of_the_simulated_archive_shrink(failure, archive, process):
    """A real query for several observations is sent once before they are asked for alone."""
    whole = process.submit(ask_mast, archive.url).result(timeout=60)
    archive.oddities = Oddities(group_limit=1, group_failure=failure)
    archive.requests.clear()

    listing = process.submit(ask_mast, archive.url).result(timeout=60)

    assert (listing.products, listing.doubts) == (whole.products, ())
    asked = [each.query for each in archive.requests if each.service == "Mast.Caom.Products"]
    obsids = [query["params"]["obsid"] for query in asked]
    assert len(obsids) == len(set(obsids))


def test_an_observation_that_fails_alone_is_doubted_and_the_others_are_listed(mast, ask):
    """Not the whole program; and each observation once, though it has many rows."""
    mast.observed[PROGRAM] = [*exposures(15), *exposures(3, observation=2)]
    mast.fails = lambda obsids: any(obsid.startswith("2") for obsid in obsids)

    listing = query_listing(ask, PROGRAM)

    assert len(listing.products) == 15
    (doubt,) = listing.doubts
    assert doubt.scope == "program 1345, observation o002"
    assert "run again later" in doubt.why


def test_a_program_whose_observations_all_fail_is_given_up(mast, ask):
    """After ten failures in a row, not after 500."""
    mast.observed[PROGRAM] = exposures(500)
    mast.fails = lambda obsids: True

    with pytest.raises(ArchiveError, match="504"):
        query_listing(ask, PROGRAM)

    assert len(mast.asked) < 60


# ---- which observations ----------------------------------------------------------------------


def large_program() -> list[tuple[str, str]]:
    """Return 1,662 rows of observations: 100 exposures of o062, 39 of candidates, others."""
    candidates = [(str(n), f"jw01345-c1{n:03d}_t001_nircam_clear-f200w") for n in range(39)]
    others = [row for n in range(1, 11) for row in exposures(153, observation=n)][:1523]
    return [*exposures(100, observation=62), *candidates, *others]


def test_one_observation_of_a_large_program_costs_few_queries(mast, ask):
    """Case 13: 139 of 1,662 rows are of the observation, or of candidates."""
    mast.observed[PROGRAM] = large_program()
    scope = scope_to_query(PROGRAM, [Selection(program=PROGRAM, observations=(62,))], [])

    listing = query_listing(ask, PROGRAM, scope=scope)

    assert len(mast.observed[PROGRAM]) == 1662
    assert len(mast.asked) == 14
    assert {product.observation for product in listing.products} == {"o062"}
    assert mast.limited_to == [[62]]
    assert listing.scope == scope


def test_only_selected_instruments_are_asked_for(mast, ask):
    """Rows of others, and files of others that are listed with them, are left out."""
    mast.observed[PROGRAM] = [*exposures(3), ("7", "jw01345001001_02101_00009_mirimage")]
    mast.instruments["7"] = "MIRI/IMAGE"
    scope = scope_to_query(PROGRAM, [Selection(program=PROGRAM, instruments=("nircam",))], [])

    listing = query_listing(ask, PROGRAM, scope=scope)

    assert "7" not in mast.asked[0]
    assert {product.instrument for product in listing.products} == {"NIRCAM"}


@pytest.mark.parametrize(
    ("selected", "held", "observations", "instruments"),
    [
        ([{"observations": (1,)}, {"observations": (2,)}], [], "o001 o002", ""),
        ([{"observations": (1,)}, {}], [], "", ""),
        ([{"observations": (1,)}], [("o003", "MIRI"), ("pool", None), ("", None)], "o001 o003", ""),
        ([{"observations": (1,)}], [("other", None), ("c1001", "MIRI")], "c1001 o001", ""),
        ([{"instruments": ("miri",)}], [("o003", "NIRCAM")], "", "MIRI NIRCAM"),
        ([{"instruments": ("miri", "FGS")}], [], "", ""),
    ],
)
def test_what_is_queried_is_what_is_selected_or_in_the_mirror(
    selected, held, observations, instruments
):
    """Guide stars are listed everywhere; what is not selected any more is still watched."""
    selections = [Selection(program=1, **fields) for fields in selected]

    scope = scope_to_query(1, selections, held)

    assert " ".join(scope.observations) == observations
    assert " ".join(scope.instruments) == instruments


@pytest.mark.parametrize(
    ("observation", "instrument", "is_included"),
    [
        ("o062", "NIRCAM", True),
        ("o063", "NIRCAM", False),
        ("o062", "MIRI", False),
        ("o062", None, True),
        ("c1001", "NIRCAM", True),
        ("", None, True),
        ("other", None, True),
    ],
)
def test_a_scope_includes_candidates_and_what_is_unknown(observation, instrument, is_included):
    """What combines observations may contain a selected one."""
    scope = Scope(program=1, observations=("o062",), instruments=("NIRCAM",))

    assert scope.includes(observation, instrument) == is_included


def test_a_file_that_a_limited_answer_lacks_is_looked_for_in_the_whole_program(mast):
    """It may be listed under an observation that is not selected; only then it vanished."""
    mast.observed[PROGRAM] = [*exposures(3), *exposures(12, observation=2)]
    with Queries(NOWHERE) as queries_:
        held = [entry(each) for each in query_listing(queries_, PROGRAM).products]
    held = [each for each in held if each.product.observation == "o001"]
    some = [Selection(program=PROGRAM, observations=(1,))]
    mast.asked.clear()

    same = poll(NOWHERE, some, held, None, 1)
    few = len(mast.asked)
    del mast.observed[PROGRAM][0]
    found = poll(NOWHERE, some, held, None, 1)

    assert (same.changes, few) == ((), 1)
    assert [(c.kind, c.product.filename) for c in found.changes] == [
        ("vanished", held[0].product.filename)
    ]
    assert len(mast.asked) == few + 1 + 2  # the limited one again, and two groups of all


# ---- what a failure affects ------------------------------------------------------------------


def test_a_program_that_fails_does_not_stop_the_others(mast):
    """Case 22: it is a doubt of that program."""
    mast.observed[PROGRAM] = exposures(3)

    found = poll(NOWHERE, [Selection(program=2221), Selection(program=PROGRAM)], (), None, 1)

    assert {change.kind for change in found.changes} == {NEW}
    assert [doubt.scope for doubt in found.doubts] == ["program 2221"]
    assert [listing.program for listing in found.listings] == [PROGRAM]


def test_a_poll_without_any_answer_fails(mast):
    """Nothing is known of the programs."""
    with pytest.raises(ArchiveError, match="504"):
        poll(NOWHERE, [Selection(program=2221), Selection(program=2222)], (), None, 1)


def test_while_an_observation_cannot_be_read_nothing_vanishes(mast):
    """Its files, and files of others that may be listed with it; the others are compared."""
    mast.observed[PROGRAM] = [*exposures(3), *exposures(2, observation=2)]
    with Queries(NOWHERE) as queries_:
        held = [entry(each) for each in query_listing(queries_, PROGRAM).products]
    lost = mast.observed[PROGRAM].pop(0)
    mast.fails = lambda obsids: any(obsid.startswith("2") for obsid in obsids)
    mast.checksum = MD5[2]

    found = poll(NOWHERE, [Selection(program=PROGRAM)], held, None, 1)

    assert {(c.kind, c.product.observation) for c in found.changes} == {(REPROCESSED, "o001")}
    assert [doubt.observation for doubt in found.doubts] == ["o002"]
    assert lost[1] not in {change.product.filename for change in found.changes}


# ---- deadlines and numbers of rows -----------------------------------------------------------


def test_each_query_has_its_own_deadline(archive, process):
    """Three queries of half a second each end in time, though all together take longer."""
    archive.oddities = Oddities(polls=2)

    began = time.monotonic()
    listing = process.submit(ask_mast, archive.url, 1345, None, 1.2).result(timeout=60)

    assert len(listing.products) == len(archive.filenames())
    assert time.monotonic() - began > 1.2


def ask_for_pages_of(rows: int, url: str) -> Listing:
    """Query a listing from a server whose pages have so many rows."""
    answers.PAGE_ROWS = portal.PAGE_ROWS = rows
    return ask_mast(url)


def test_a_full_page_is_believed_where_mast_counts_as_many_rows(archive, process):
    """The keyword table has exactly one page of rows, and COUNT_BIG(*) agrees."""
    rows = sum(name.endswith(".fits") for name in archive.filenames())

    listing = process.submit(ask_for_pages_of, rows, archive.url).result(timeout=60)

    counts = [
        r for r in archive.requests if r.query.get("params", {}).get("columns") == "COUNT_BIG(*)"
    ]
    assert len(counts) == 1
    assert not any(doubt.instrument for doubt in listing.doubts)
    assert sum(product.checksum is not None for product in listing.products) == rows


def test_an_answer_that_is_cut_at_a_page_is_a_doubt(archive, process, tmp_path):
    """Of the instrument of its table, where MAST counts more rows."""
    for n, suffix in itertools.product(range(5, 9), ("uncal", "rate", "cal")):
        name = f"jw01345001001_02101_{n:05d}_nrcb1_{suffix}.fits"
        archive.publish(toy_fits(tmp_path, name))
    archive.oddities = Oddities(page_limit=12, cut_at_page=True)

    listing = process.submit(ask_for_pages_of, 12, archive.url).result(timeout=60)

    (doubt,) = listing.doubts
    assert doubt.scope == "program 1345, NIRCAM"
    assert "full page" in doubt.why
    assert len(listing.products) == len(archive.filenames())


@pytest.mark.parametrize("found", ["0.4.10", "0.4.13", "0.5"])
def test_another_version_of_astroquery_is_refused(found, monkeypatch):
    """It may list a program in part, as 0.4.12 would without its paged service."""
    monkeypatch.setattr(session, "version", lambda name: found)

    with pytest.raises(ArchiveError, match=rf"astroquery {found} is installed; expected 0.4.11"):
        session.check_version()

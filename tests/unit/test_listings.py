"""Listings: all of what MAST says, through unmodified astroquery, or an error that names why."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from msgspec import structs

from jwmirror.archive import answers, listings, tables
from jwmirror.archive.answers import Keywords, Observation, Offer
from jwmirror.archive.tables import KeywordRow, Table
from jwmirror.archive.wire import Patience
from jwmirror.errors import ArchiveError
from jwmirror.records import Listing, Product
from tests.observatory.archive import TOKEN, Archive, Behaviour
from tests.observatory.archive.faults import Fault, html_page, redirect_to, status
from tests.observatory.archive.toys import toy_fits, toy_program

HASTY = Patience(connect_s=2, read_s=2, attempts=2, backoff_s=0.01, retry_after_s=0.05)
RATE = "jw01345001001_02101_00001_nrcb1_rate.fits"
ASN = "jw01345-o001_20260101t000000_image3_00001_asn.json"


@pytest.fixture
def archive(tmp_path: Path, port: int) -> Iterator[Archive]:
    """A simulated MAST with a small program 1345."""
    with Archive(tmp_path / "archive", port) as archive:
        toy_program(archive, tmp_path)
        yield archive


@pytest.fixture
def ask(archive: Archive, process: ProcessPoolExecutor) -> Callable[..., Listing]:
    """Ask the archive for a program's listing."""

    def ask(program: int = 1345, token: str | None = None, timeout_s: float = 60) -> Listing:
        job = process.submit(listings.ask, archive.url, program, token, timeout_s, HASTY)
        return job.result(timeout=120)

    return ask


def named(listing: Listing, filename: str):
    """The product of that file name."""
    (product,) = [each for each in listing.products if each.filename == filename]
    return product


def edited(edit: Callable[[dict], None], times: int | None = None) -> Fault:
    """Change the JSON of an answer."""

    def spoil(response):
        answer = json.loads(response.content())
        edit(answer)
        return response.but(body=json.dumps(answer).encode())

    return Fault("edited", spoil, times)


def test_every_file_is_listed_once_and_in_order(ask, archive):
    """A listing has one product per file on offer, sorted by URI."""
    listing = ask()

    uris = [each.uri for each in listing.products]
    assert uris == sorted(f"mast:JWST/product/{name}" for name in archive.filenames())


def test_a_fits_file_is_listed_with_its_pedigree(ask, archive):
    """Checksum, size, pedigree and keywords come from MAST's keyword table."""
    rate = named(ask(), RATE)

    held = archive.holding(RATE)
    assert (rate.checksum, rate.size) == (held.md5, held.size)
    assert (rate.cal_ver, rate.crds_ctx, rate.sdp_ver) == ("1.20.2", "jwst_1464.pmap", "2025_4a")
    assert rate.date == "2026-01-01T06:00:00.000"
    assert (rate.observation, rate.suffix, rate.level) == ("o001", "rate", 2)
    assert (rate.instrument, rate.detector, rate.filter) == ("NIRCAM", "NRCB1", "F200W")
    assert (rate.exp_type, rate.subarray, rate.pupil) == ("NRC_IMAGE", "SUB160", "CLEAR")
    assert (rate.exclusive, rate.stale) == (False, False)


def test_an_association_is_listed_without_checksum(ask):
    """MAST's keyword tables know FITS only; what CAOM says of the rest is kept."""
    association = named(ask(), ASN)

    assert (association.suffix, association.observation) == ("asn", "o001")
    assert (association.checksum, association.detector) == (None, None)


def test_two_polls_of_an_unchanged_archive_are_equal(ask):
    """Equal facts give equal records."""
    assert ask().products == ask().products


def test_a_new_version_of_equal_size_shows_in_the_checksum(ask, archive, tmp_path):
    """New bytes under the same name and size are seen without downloading."""
    before = named(ask(), RATE)
    archive.reprocess(RATE, toy_fits(tmp_path, RATE, seed=99), crds_ctx="jwst_1470.pmap")

    after = named(ask(), RATE)

    assert before.size == after.size
    assert before.checksum != after.checksum
    assert after.crds_ctx == "jwst_1470.pmap"
    assert archive.downloads() == []


def test_guide_stars_are_listed_from_their_own_table(ask, archive, tmp_path):
    """A guide-star exposure has checksum and type, from a table that spells things differently."""
    name = "jw01345001001_gs-fg_2025324001000_uncal.fits"
    keywords = {"instrume": "FGS", "detector": "GUIDER1", "exp_type": "FGS_FINEGUIDE"}
    archive.publish(toy_fits(tmp_path, name, **keywords))

    guider = named(ask(), name)

    assert (guider.instrument, guider.exp_type) == ("FGS", "FGS_FINEGUIDE")
    assert guider.checksum == archive.holding(name).md5
    assert guider.release_date == "2026-01-03T00:00:00.000"


def test_exclusive_files_are_marked_with_their_release(ask, archive):
    """What MAST withholds is listed as exclusive, with the date of its release."""
    archive.restrict(RATE, until="2099-01-01T00:00:00.000")

    rate = named(ask(), RATE)

    assert (rate.exclusive, rate.release_date) == (True, "2099-01-01T00:00:00.000")


def test_answers_in_many_pages_are_put_together(ask, archive):
    """Small pages give the same listing."""
    whole = ask().products
    archive.behaviour = Behaviour(page_limit=3)

    assert ask().products == whole


def test_a_server_that_takes_its_time_is_polled(ask, archive):
    """EXECUTING is asked again until it is COMPLETE."""
    whole = ask().products
    archive.behaviour = Behaviour(polls=2)

    assert ask().products == whole


def test_a_server_that_never_answers_is_given_up(ask, archive):
    """EXECUTING for ever ends with the time for asking, after few requests."""
    archive.behaviour = Behaviour(polls=10**9)

    with pytest.raises(ArchiveError, match="time for asking is over"):
        ask(timeout_s=1.5)

    assert len(archive.requests) < 12


def test_a_program_that_mast_does_not_know_is_an_error(ask):
    """A wrong program number is told, not taken for an empty program."""
    with pytest.raises(ArchiveError, match="no JWST program 9999"):
        ask(program=9999)


def test_every_question_names_us(ask, archive):
    """The User-Agent names jwmirror beside astroquery."""
    ask()

    agents = {request.headers["user-agent"] for request in archive.requests}
    assert all(agent.startswith("jwmirror/") and "astroquery" in agent for agent in agents)


TROUBLE = {
    "error status": status(500),
    "web page": html_page(),
    "ERROR": edited(lambda answer: answer.update(status="ERROR", msg="too busy")),
    "rows missing": edited(lambda answer: answer["data"].pop()),
    "no data": edited(lambda answer: answer.pop("data")),
    "redirect to nowhere": redirect_to("http://127.0.0.1:9/"),
}


@pytest.mark.parametrize("case", TROUBLE)
@pytest.mark.parametrize("service", ["Mast.Caom.Products", "Mast.Jwst.Filtered.Nircam"])
def test_an_answer_that_cannot_be_believed_is_an_error(case, service, ask, archive):
    """No part of a wrong or partial answer is taken for the listing."""
    archive.fault(service, TROUBLE[case])

    with pytest.raises(ArchiveError, match=r"MAST.*run again"):
        ask()


def test_a_page_that_repeats_is_an_error(ask, archive):
    """A second page that is the first again is not taken for new rows."""
    archive.behaviour = Behaviour(page_limit=4)
    pages = []

    def spoil(response):
        pages.append(response.content())
        return response.but(body=pages[0])

    archive.fault("Mast.Jwst.Filtered.Nircam", Fault("repeat", spoil, times=2))

    with pytest.raises(ArchiveError, match="expected"):
        ask()


def renamed(old: str, new: str | None) -> Fault:
    """Rename a column, or leave it out."""

    def edit(answer: dict) -> None:
        for row in answer["data"]:
            value = row.pop(old)
            if new:
                row[new] = value

    return edited(edit)


@pytest.mark.parametrize("new", ["md5sum", None])
def test_a_column_that_is_gone_is_named(new, ask, archive):
    """A renamed or missing column is an error that names it, not a silent None."""
    archive.fault("Mast.Jwst.Filtered.Nircam", renamed("checksum", new))

    with pytest.raises(ArchiveError, match="expected columns checksum"):
        ask()


def test_a_table_without_rows_is_not_believed(ask, archive):
    """FITS files without any row in the keyword table are an error: changes could go unseen."""

    def emptied(answer: dict) -> None:
        answer["data"] = []
        answer["paging"].update(rows=0, rowsFiltered=0)

    archive.fault("Mast.Jwst.Filtered.Nircam", edited(emptied))

    with pytest.raises(ArchiveError, match="got none"):
        ask()


def test_the_token_logs_in_and_is_shown_nowhere_else(ask, archive, tmp_path):
    """With a token every question carries it; a redirect to another server does not."""
    with Archive(tmp_path / "elsewhere") as elsewhere:
        archive.fault("Mast.Jwst.Filtered.Nircam", redirect_to(f"{elsewhere.url}/x"))
        with pytest.raises(ArchiveError):
            ask(token=TOKEN)

        assert all(each.with_token for each in archive.requests)
        assert elsewhere.requests
        assert not any(each.with_token for each in elsewhere.requests)


def test_a_token_does_not_outlive_its_question(ask, archive):
    """A later question without token shows none."""
    ask(token=TOKEN)
    asked = len(archive.requests)

    ask()

    assert not any(each.with_token for each in archive.requests[asked:])


def test_a_wrong_token_is_an_error_that_does_not_tell_it(ask):
    """A token that MAST refuses is reported without being quoted."""
    with pytest.raises(ArchiveError, match="log-in") as refused:
        ask(token="wrong-token")

    assert "wrong-token" not in str(refused.value)


def test_another_server_needs_another_process(ask, process):
    """astroquery keeps to the first server; asking another one is refused, not misdirected."""
    ask()

    with pytest.raises(ArchiveError, match="process of its own"):
        process.submit(listings.ask, "http://127.0.0.1:9", 1345).result()


# ---- putting answers together ----------------------------------------------------------------


def offer(filename: str, **facts: object) -> Offer:
    """A file as CAOM offers it."""
    plain = Offer(
        uri=f"mast:JWST/product/{filename}",
        filename=filename,
        obsid="1",
        size=10,
        level=2,
        cal_ver="1.20.2",
        is_withheld=False,
    )
    return structs.replace(plain, **facts)


def assembled(*offers: Offer, rows: tuple[Keywords, ...] = ()) -> Listing:
    """The listing of some offers."""
    observation = Observation(obsid="1", instrument="NIRCAM", is_planned=False)
    return listings.assemble(1345, "2026-01-05T00:00:00+00:00", [observation], offers, rows)


UNSAFE = [
    "jw01345/../../etc/passwd_rate.fits",
    "/jw01345001001_rate.fits",
    "jw01345001001\n_rate.fits",
    f"jw01345001001_{'x' * 300}_rate.fits",
    "",
]


@pytest.mark.parametrize("filename", UNSAFE)
def test_names_that_no_folder_can_take_are_left_out(filename, caplog):
    """A dangerous file name is left out with a warning; the others are listed."""
    listing = assembled(offer(filename), offer(RATE))

    assert [each.filename for each in listing.products] == [RATE]
    assert "not safe" in caplog.text


def test_a_second_uri_under_one_name_is_left_out(caplog):
    """Two files cannot stand under one name; the first by URI stays, always."""
    twin = offer(RATE, uri=f"mast:JWST/other/{RATE}")

    listing = assembled(offer(RATE), twin)

    assert [each.uri for each in listing.products] == [twin.uri]
    assert "same name" in caplog.text


def test_files_of_other_programs_belong_to_their_own_listing():
    """A file listed here because it was used here is left to its program."""
    listing = assembled(offer(RATE), offer(RATE.replace("01345", "01366")))

    assert [each.program for each in listing.products] == [1345]


def test_rows_of_one_file_in_any_order_give_one_product():
    """A file listed under many parents is one product, exclusive if any row says so."""
    rows = [offer(RATE), offer(RATE, obsid="2"), offer(RATE, is_withheld=True)]

    listing = assembled(*rows)

    assert len(listing.products) == 1
    assert listing.products[0].exclusive
    assert assembled(*reversed(rows)) == listing


NAMES = {
    "jw01345001001_02101_00001_nrcb1_uncal.fits": ("o001", "uncal"),
    "jw01366002001_04103_00001-seg001_nrcalong_rateints.fits": ("o002", "rateints"),
    "jw01345-o066_20230831t181155_spec3_00002_asn.json": ("o066", "asn"),
    "jw01024-c1000_t002_miri_ch1-long_s3d.fits": ("c1000", "s3d"),
    "jw01345_20260101t000000_pool.csv": ("pool", "pool"),
    "jw01345066001_01_msa.fits": ("o066", "msa"),
    "jw02561-o001_t003_nircam_clear-f115w_cat.ecsv": ("o001", "cat"),
    "jw01345001001_02101_00001_nrcb1_cal.jpg": ("o001", "jpg"),
    "jw01345001001_02101_00001_nrcb1_cal_thumb.jpg": ("o001", "thumb"),
}


@pytest.mark.parametrize("filename", NAMES)
def test_a_file_name_tells_observation_and_suffix(filename):
    """Real names of all kinds are taken apart."""
    observation, suffix = NAMES[filename]
    program = int(filename[2:7])

    listing = listings.assemble(program, "", [], [offer(filename)], [])

    (product,) = listing.products
    assert (product.observation, product.suffix) == (observation, suffix)


INSTANTS = {
    "ISO": {"date": "2022-07-02T22:16:43.890000"},
    "seven digits": {"date": "2022-07-02T22:16:43.8900000"},
    "milliseconds since 1970": {"date": "/Date(1656800203890)/"},
    "modified Julian date": {"date_mjd": 59762.92828576389},
}


@pytest.mark.parametrize("case", INSTANTS)
def test_a_date_is_the_same_in_every_spelling(case):
    """However MAST spells a date, the record has it as ISO with milliseconds."""
    assert answers.instant(KeywordRow(**INSTANTS[case]), "date") == "2022-07-02T22:16:43.890"


@pytest.mark.parametrize(
    ("column", "value"), [("checksum", "sha256:ab"), ("fileSize", "10 MB"), ("isStale", "maybe")]
)
def test_a_value_of_another_kind_is_named(column, value):
    """A cell that is not what its column promises is an error that names file and column."""
    row = dict.fromkeys((*tables.COLUMNS, *tables.OWN_COLUMNS["Nircam"]))
    row |= {"filename": RATE, "program": 1345, column: value}

    with pytest.raises(ArchiveError, match=f"{column} of {RATE}"):
        answers.keywords(Table.of([row], KeywordRow), "Nircam", 1345)


def test_a_file_without_row_takes_what_its_siblings_tell():
    """A catalogue has the filter of the image that it was made from, and no pedigree of it."""
    root = "jw01345-o001_t001_nircam_clear-f200w"
    row = dict.fromkeys((*tables.COLUMNS, *tables.OWN_COLUMNS["Nircam"]))
    row |= {"filename": f"{root}_i2d.fits", "program": 1345, "filter": "F200W"}
    rows = answers.keywords(Table.of([{**row, "checksum": "a" * 32}], KeywordRow), "Nircam", 1345)

    listing = assembled(offer(f"{root}_cat.ecsv"), rows=tuple(rows))

    (catalogue,) = listing.products
    assert (catalogue.filter, catalogue.checksum) == ("F200W", None)


def test_every_fact_of_a_product_is_filled_in():
    """What CAOM and the keyword table say of a file stands in the product under its name."""
    row = Keywords(RATE, *(f"its {name}" for name in Keywords.__struct_fields__[1:]))
    own = {
        "uri": f"mast:JWST/product/{RATE}",
        "filename": RATE,
        "program": 1345,
        "observation": "o001",
        "suffix": "rate",
        "level": 2,
        "exclusive": "its is_withheld",
        "stale": "its is_stale",
        "validator": None,
        "group": "recommended",
    }

    (listed,) = assembled(offer(RATE, group="recommended"), rows=(row,)).products

    assert {name: getattr(listed, name) for name in Product.__struct_fields__} == {
        name: own.get(name, f"its {name}") for name in Product.__struct_fields__
    }

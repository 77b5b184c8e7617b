"""Listings put together from MAST's answers: one product per file, and every fact in its place."""

import pytest
from msgspec import structs

from jwmirror.archive.tables import cells
from jwmirror.archive.tables import rows as answers
from jwmirror.archive.tables import rows as tables
from jwmirror.archive.tables.joining import assemble_listing
from jwmirror.archive.tables.reader import MastTable
from jwmirror.archive.tables.rows import (
    CaomObservation,
    CaomProduct,
    KeywordRecord,
    KeywordRow,
)
from jwmirror.archive.tables.unread import UnreadCells
from jwmirror.core.model import Listing, Product
from tests.setup.records import RATE

DAY = "2026-01-01T00:00:00.000"


def offer(filename: str, **facts: object) -> CaomProduct:
    """A file as CAOM offers it."""
    plain = CaomProduct(
        uri=f"mast:JWST/product/{filename}",
        filename=filename,
        obsid="1",
        size=10,
        level=2,
        cal_ver="1.20.2",
        is_withheld=False,
    )
    return structs.replace(plain, **facts)


def assembled(*offers: CaomProduct, rows: tuple[KeywordRecord, ...] = ()) -> Listing:
    """The listing of some offers."""
    observation = CaomObservation(obsid="1", instrument="NIRCAM", is_planned=False)
    return assemble_listing(1345, "2026-01-05T00:00:00+00:00", [observation], offers, rows)


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


@pytest.mark.parametrize("place", ["other", "products", "a/product"])
def test_a_second_uri_under_one_name_is_left_out(place, caplog):
    """The URI of the usual form stays: a file that the mirror has is not renamed by its double."""
    double = offer(RATE, uri=f"mast:JWST/{place}/{RATE}")

    listing = assembled(double, offer(RATE))

    assert [each.uri for each in listing.products] == [f"mast:JWST/product/{RATE}"]
    assert "same name" in caplog.text


def test_a_file_without_a_program_in_its_name_is_left_out_with_a_warning(caplog):
    """Names are as MAST spells them: capital letters are another name."""
    listing = assembled(offer(RATE), offer(RATE.upper().replace(".FITS", ".fits")))

    assert [each.filename for each in listing.products] == [RATE]
    assert "files left out: 1; expected a program" in caplog.text


def test_files_of_other_programs_belong_to_their_own_listing():
    """A file listed here because it was used here is left to its program."""
    listing = assembled(offer(RATE), offer(RATE.replace("01345", "01366")))

    assert [each.program for each in listing.products] == [1345]


def test_rows_of_one_file_in_any_order_give_one_product():
    """A file listed under many parents is one product, exclusive if any row says so."""
    rows = [offer(RATE), offer(RATE, obsid="2"), offer(RATE, is_withheld=True)]
    rows += [offer(RATE, is_withheld=True, group="Minimum Recommended Products")]

    listing = assembled(*rows)

    assert len(listing.products) == 1
    assert listing.products[0].exclusive
    assert assembled(*reversed(rows)) == listing


@pytest.mark.parametrize("is_withheld", [True, False, None])
def test_a_file_without_row_is_withheld_if_its_exposure_is(is_withheld):
    """CAOM calls it public; only the row of the calibrated file says otherwise."""
    cal = RATE.replace("_rate", "_cal")
    row = KeywordRecord(filename=cal, is_withheld=is_withheld)

    listing = assembled(offer(RATE), offer(cal), rows=(row,))

    (rate,) = (each for each in listing.products if each.filename == RATE)
    assert rate.exclusive == bool(is_withheld)


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

    listing = assemble_listing(program, "", [], [offer(filename)], [])

    (product,) = listing.products
    assert (product.observation, product.suffix) == (observation, suffix)


def test_a_file_is_in_the_folder_of_its_own_name_beside_any_other():
    """A name without underscores has the root of others, and shows no observation."""
    beside = ("jw01345-o001.jpg", "jw01345001001.jpg", "jw01345001001_x.jpg")

    listing = assembled(*map(offer, ("jw01345-o001_x.jpg", *beside)))

    parts = {product.filename: product.observation for product in listing.products}
    assert parts == {
        "jw01345-o001_x.jpg": "o001",
        "jw01345-o001.jpg": "other",
        "jw01345001001.jpg": "other",
        "jw01345001001_x.jpg": "o001",
    }


def records_of(row: dict[str, object]) -> list[KeywordRecord]:
    """The records of a keyword table of one row."""
    table = MastTable([KeywordRow(**row)], frozenset(row))
    return answers.read_keywords(table, "Nircam", UnreadCells(1345))


INSTANTS = {
    "ISO": {"date": "2022-07-02T22:16:43.890000"},
    "seven digits": {"date": "2022-07-02T22:16:43.8900000"},
    "with a zone": {"date": "2022-07-03T00:16:43.890+02:00"},
    "milliseconds since 1970": {"date": "/Date(1656800203890)/"},
    "milliseconds with a zone, which is for display": {"date": "/Date(1656800203890+0200)/"},
    "modified Julian date": {"date_mjd": 59762.92828576389},
    "modified Julian date in the other column": {"date": 59762.92828576389},
    "modified Julian date as text": {"date_mjd": "59762.92828576389"},
    "ISO in the other column": {"date": "N/A", "date_mjd": "2022-07-02 22:16:43.89"},
}


@pytest.mark.parametrize("case", INSTANTS)
def test_a_date_is_the_same_in_every_spelling(case):
    """However MAST spells a date, the record has it as ISO with milliseconds."""
    cell, days = INSTANTS[case].get("date"), INSTANTS[case].get("date_mjd")

    assert cells.as_iso(cell, days) == "2022-07-02T22:16:43.890"


def test_a_file_without_row_takes_what_its_siblings_tell():
    """A catalogue has the filter of the image that it was made from, and no pedigree of it."""
    root = "jw01345-o001_t001_nircam_clear-f200w"
    row = dict.fromkeys((*tables.KEYWORD_COLUMNS, *tables.TABLE_COLUMNS["Nircam"]))
    row |= {"filename": f"{root}_i2d.fits", "program": 1345, "filter": "F200W"}
    rows = records_of({**row, "checksum": "a" * 32})

    listing = assembled(offer(f"{root}_cat.ecsv"), rows=tuple(rows))

    (catalogue,) = listing.products
    assert (catalogue.filter, catalogue.checksum) == ("F200W", None)


@pytest.mark.parametrize("has_row", [True, False])
@pytest.mark.parametrize("detector", ["nrcalong", "nrcblong"])
def test_previews_follow_their_exposure(detector, has_row):
    """They have its detector, and its filter, type and day if any file of it has a row."""
    root = f"jw01345002001_02101_00001-seg002_{detector}"
    row = dict.fromkeys((*tables.KEYWORD_COLUMNS, *tables.TABLE_COLUMNS["Nircam"]))
    row |= {"filename": f"{root}_o002_crfints.fits", "program": 1345, "filter": "F444W"}
    row |= {"detector": detector.upper(), "exp_type": "NRC_TSGRISM", "date_obs": DAY}
    rows = records_of(row) if has_row else ()

    listing = assembled(offer(f"{root}_rate.jpg"), offer(f"{root}_rate_thumb.jpg"), rows=rows)

    facts = ("F444W", "NRC_TSGRISM", DAY) if has_row else (None, None, None)
    assert [
        (each.detector, each.filter, each.exp_type, each.date_obs) for each in listing.products
    ] == [(detector.upper(), *facts)] * 2


@pytest.mark.parametrize(
    ("name", "instrument"),
    [
        ("jw01345002001_02101_00001_guider1_uncal.fits", "FGS"),
        ("jw01345002001_02101_00001_mirimage_uncal.jpg", "MIRI"),
        ("jw01345-o002_t001_niriss_clear-f150w_i2d.fits", "NIRISS"),
        ("jw01345002001_02101_00001_notes.txt", "NIRCAM"),
    ],
)
def test_the_instrument_of_a_file_is_the_one_in_its_name(name, instrument):
    """CAOM lists files of parallel instruments and guiders under an observation of NIRCam."""
    (product,) = assembled(offer(name)).products

    assert product.instrument == instrument


def test_every_fact_of_a_product_is_filled_in():
    """What CAOM and the keyword table say of a file stands in the product under its name."""
    row = KeywordRecord(RATE, *(f"its {name}" for name in KeywordRecord.__struct_fields__[1:]))
    own = {
        "uri": f"mast:JWST/product/{RATE}",
        "filename": RATE,
        "program": 1345,
        "observation": "o001",
        "suffix": "rate",
        "level": 2,
        "exclusive": True,
        "stale": "its is_stale",
        "validator": None,
        "group": "recommended",
        "needs_token": False,
        "listed_cal_ver": "CAOM's",
        "caom_type": "INFO",
        "siblings": "its date|its crds_ctx|its cal_ver",
    }

    offered = offer(RATE, group="recommended", cal_ver="CAOM's", caom_type="INFO")
    (listed,) = assembled(offered, rows=(row,)).products

    assert {name: getattr(listed, name) for name in Product.__struct_fields__} == {
        name: own.get(name, f"its {name}") for name in Product.__struct_fields__
    }

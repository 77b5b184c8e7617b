"""Two versions of an association, a catalogue, or any other file."""

import json
from copy import deepcopy

import pytest

from jwmirror.compare.versions import compare_files
from jwmirror.core.errors import StoreError
from jwmirror.core.model import Reason
from jwmirror.core.model.comparison import BYTES, EQUAL, HEADER, IDENTICAL, MEMBERS, VALUES

ASSOCIATION = {
    "asn_type": "image3",
    "version_id": "20260101t000000",
    "products": [
        {
            "name": "jw01345-o001_t001",
            "members": [
                {"expname": "a_cal.fits", "exptype": "science", "exposerr": None},
                {"expname": "b_cal.fits", "exptype": "science", "exposerr": None},
                {"expname": "c_cal.fits", "exptype": "background", "exposerr": None},
            ],
        }
    ],
}
ECSV = """# %ECSV 1.0
# ---
# datatype:
# - {{name: label, datatype: int64}}
# - {{name: sky_centroid.ra, unit: deg, datatype: float64}}
# - {{name: sky_centroid.dec, unit: deg, datatype: float64}}
# - {{name: flux, unit: {unit}, datatype: float64}}
# meta: !!omap
# - {{date: '{date}'}}
# - {{limit: {limit}}}
# - __serialized_columns__:
#     sky_centroid:
#       __class__: astropy.coordinates.sky_coordinate.SkyCoord
#       dec: !astropy.table.SerializedColumn
#         __class__: astropy.coordinates.angles.core.Latitude
#         unit: &id001 !astropy.units.Unit {{unit: deg}}
#         value: !astropy.table.SerializedColumn {{name: sky_centroid.dec}}
#       frame: icrs
#       ra: !astropy.table.SerializedColumn
#         __class__: astropy.coordinates.angles.core.Longitude
#         unit: *id001
#         value: !astropy.table.SerializedColumn {{name: sky_centroid.ra}}
#         wrap_angle: !astropy.coordinates.Angle
#           unit: *id001
#           value: 360.0
#       representation_type: spherical
# schema: astropy-2.0
label sky_centroid.ra sky_centroid.dec flux
{rows}
"""
ROWS = "1 80.0 -69.5 0.5\n2 80.1 -69.6 nan"


@pytest.fixture
def compare_changed(tmp_path):
    """Compares the plain association with one that a function changed."""

    def compared(change, indent=None):
        new = deepcopy(ASSOCIATION)
        change(new, new["products"][0]["members"])
        (tmp_path / "old.json").write_text(json.dumps(ASSOCIATION))
        (tmp_path / "new.json").write_text(json.dumps(new, indent=indent))
        return compare_files(tmp_path / "old.json", tmp_path / "new.json")

    return compared


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda asn, members: members.pop(1), Reason("b_cal.fits", "science", "")),
        (
            lambda asn, members: members.append({"expname": "d_cal.fits", "exptype": "psf"}),
            Reason("d_cal.fits", "", "psf"),
        ),
        (
            lambda asn, members: members[0].update(exptype="background"),
            Reason("a_cal.fits", "science", "background"),
        ),
    ],
)
def test_members_are_listed_one_by_one(compare_changed, change, reason):
    """A member added, removed or of another exptype; nothing else."""
    comparison = compare_changed(change)

    assert (comparison.verdict, comparison.members, comparison.cards) == (MEMBERS, (reason,), ())


def test_another_order_of_members_is_listed(compare_changed):
    """The order matters to the pipeline: each place with another member is listed."""
    comparison = compare_changed(lambda asn, members: members.insert(0, members.pop(1)))

    assert comparison.verdict == MEMBERS
    assert comparison.members == (
        Reason("order, place 1", "a_cal.fits", "b_cal.fits"),
        Reason("order, place 2", "b_cal.fits", "a_cal.fits"),
    )


def test_other_keys_of_an_association_are_header(compare_changed):
    """Equal members, other names and versions; also of a member."""

    def change(asn, members):
        asn["version_id"], members[1]["exposerr"] = "20260202t000000", "lost lock"
        asn["products"][0]["name"] = "jw01345-o001_t002"

    comparison = compare_changed(change)

    assert (comparison.verdict, comparison.members) == (HEADER, ())
    assert comparison.cards == (
        Reason("version_id", "20260101t000000", "20260202t000000"),
        Reason("products[0].name", "jw01345-o001_t001", "jw01345-o001_t002"),
        Reason("products[0].members.b_cal.fits.exposerr", "null", "lost lock"),
    )


def test_formatting_of_json_does_not_count(compare_changed):
    """The same content with other white space."""
    assert compare_changed(lambda asn, members: None, indent=2).verdict == EQUAL


def test_other_json_is_compared_by_its_values(tmp_path):
    """JSON other than associations; a number differs from its text."""
    (tmp_path / "a.json").write_text('{"a": 1, "b": [1, 2]}')
    (tmp_path / "b.json").write_text('{"a": "1", "b": [1, 3]}')

    comparison = compare_files(tmp_path / "a.json", tmp_path / "b.json")

    assert comparison.verdict == VALUES
    assert [card.what for card in comparison.cards] == ["a", "b[1]"]


@pytest.fixture
def catalogue(tmp_path):
    """Compares the plain catalogue with a changed one."""

    def compared(**changes):
        plain = {"unit": "Jy", "date": "2026-01-01", "limit": 3, "rows": ROWS}
        (tmp_path / "old.ecsv").write_text(ECSV.format(**plain))
        (tmp_path / "new.ecsv").write_text(ECSV.format(**plain | changes))
        return compare_files(tmp_path / "old.ecsv", tmp_path / "new.ecsv")

    return compared


def test_a_catalogue_is_compared_by_column(catalogue):
    """Sources that differ, the median and the largest difference, also of parts of a coordinate."""
    comparison = catalogue(rows="1 80.0 -69.50001 0.5\n2 80.1 -69.60003 2.5")

    (table,) = comparison.tables
    assert (comparison.verdict, table.old_rows, table.new_rows) == (VALUES, 2, 2)
    declination, flux = table.columns
    assert (declination.name, declination.differing) == ("sky_centroid.dec", 2)
    assert declination.median == pytest.approx(-2e-5) and declination.largest < -2.9e-5
    assert (flux.name, flux.differing, flux.median, flux.largest) == ("flux", 1, None, None)


def test_a_catalogue_of_other_length_or_unit_is_listed(catalogue):
    """Another number of rows; another unit of the same numbers."""
    (longer,) = catalogue(rows=f"{ROWS}\n3 1.0 2.0 3.0").tables
    (other,) = catalogue(unit="mJy").tables

    assert (longer.old_rows, longer.new_rows, longer.columns) == (2, 3, ())
    assert [(column.old_type, column.new_type) for column in other.columns] == [
        ("float64 Jy", "float64 mJy")
    ]


def test_the_date_of_a_catalogue_is_volatile(catalogue):
    """Its other meta data are header."""
    later, other = catalogue(date="2026-02-02"), catalogue(limit=5)

    assert (later.verdict, later.volatile) == (EQUAL, ("DATE",))
    assert (other.verdict, other.cards) == (HEADER, (Reason("limit", "3", "5"),))


def test_files_of_other_kinds_are_compared_by_bytes(tmp_path):
    """Only sizes and checksums are compared."""
    for name, text in (("a.csv", "one"), ("b.csv", "other"), ("c.csv", "one")):
        (tmp_path / name).write_text(text)

    changed = compare_files(tmp_path / "a.csv", tmp_path / "b.csv")

    assert (changed.verdict, changed.old.size, changed.new.size) == (BYTES, 3, 5)
    assert changed.old.sha256 != changed.new.sha256
    assert compare_files(tmp_path / "a.csv", tmp_path / "c.csv").verdict == IDENTICAL


@pytest.mark.parametrize("name", ["a.json", "a.ecsv", "a.fits"])
def test_a_file_of_another_kind_than_its_name_is_refused(tmp_path, name):
    """A file that cannot be read as what it is called is named."""
    (tmp_path / "1").write_text("nonsense [")
    (tmp_path / "2").write_text("other nonsense [")

    with pytest.raises(StoreError, match=rf"{name}.*{tmp_path}.*cannot be read"):
        compare_files(tmp_path / "1", tmp_path / "2", name)


def test_a_missing_file_is_an_error(tmp_path):
    """A missing object is an error with its path, not a traceback."""
    (tmp_path / "a.csv").write_text("one")

    with pytest.raises(StoreError, match="cannot be read"):
        compare_files(tmp_path / "a.csv", tmp_path / "none.csv")

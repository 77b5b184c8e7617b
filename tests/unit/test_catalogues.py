"""Catalogues of users: taken if jwst and stcal would read them, in whichever form that is."""

import json
from pathlib import Path

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table
from jwst.lib.catalog_utils import SkyObject

from jwmirror.pipeline.usercode.catalogues import CatalogueError, read_reference_catalogue
from jwmirror.pipeline.usercode.files import file_mistakes
from jwmirror.services.configure.check import check_config

PLACES = {"ra": [80.0, 80.1], "dec": [-69.0, -69.1]}
CENTROIDS = {"sky_centroid": SkyCoord([80.0, 80.1] * u.deg, [-69.0, -69.1] * u.deg)}


def upper(names: dict[str, object]) -> dict[str, object]:
    """The same columns in capital letters."""
    return {name.upper(): values for name, values in names.items()}


@pytest.mark.parametrize("suffix", ["ecsv", "fits", "csv"])
@pytest.mark.parametrize("content", [PLACES, upper(PLACES), {"Ra": [1.0], "DEC": [2.0]}])
def test_ra_and_dec_are_taken_in_any_case_and_format(tmp_path, suffix, content):
    """As stcal takes them; surveys have them in small letters."""
    Table(content).write(tmp_path / f"stars.{suffix}")

    assert [*file_mistakes("abs_refcat", f"stars.{suffix}", "here", tmp_path)] == []


@pytest.mark.parametrize("content", [CENTROIDS, PLACES | CENTROIDS])
def test_a_catalogue_that_jwst_itself_writes_is_taken(tmp_path, content):
    """It has sky_centroid, with or without columns of RA and DEC."""
    QTable(content).write(tmp_path / "i2d_cat.ecsv")

    assert {"RA", "DEC"} <= set(read_reference_catalogue(tmp_path / "i2d_cat.ecsv"))


@pytest.mark.parametrize("content", [{"ra": [1.0]}, {"l": [1.0], "b": [2.0]}])
def test_a_catalogue_without_places_is_refused_with_stcal_s_reason(tmp_path, content):
    """RA alone is not enough."""
    Table(content).write(tmp_path / "stars.ecsv")

    with pytest.raises(CatalogueError, match=r"stars\.ecsv: .*RA/DEC"):
        read_reference_catalogue(tmp_path / "stars.ecsv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("stars.csv", "ra,dec\n05:20:00,-69:00:00\n", "RA has '05:20:00', which is no number of"),
        ("stars.ecsv", "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: ra, datatype: float64}\n"
         "# - {name: dec, datatype: float64}\nra dec\n", "it has no rows"),
        ("stars.txt", "80.0 -69.0\n", "name and content show no format; write it as ECSV"),
    ],
)  # fmt: skip
def test_a_catalogue_that_tweakreg_could_not_use_is_refused_in_words(
    tmp_path, name, content, message
):
    """It reads the first two, and fails or leaves the images as they are."""
    (tmp_path / name).write_text(content)

    with pytest.raises(CatalogueError, match=message):
        read_reference_catalogue(tmp_path / name)


def test_a_list_of_catalogues_without_places_in_pixels_is_a_mistake(tmp_path):
    """Named with the exposure; x and y have three names."""
    for name, columns in (("a", "xcentroid ycentroid"), ("b", "x y"), ("c", "ra dec")):
        Table({column: [1.0] for column in columns.split()}).write(tmp_path / f"{name}.ecsv")
    (tmp_path / "cats.txt").write_text("# exposures\na_cal.fits a.ecsv\nb b.ecsv\nc c.ecsv\nd\n")

    (line,) = file_mistakes("catfile", "cats.txt", "here", tmp_path)

    assert line.startswith("here (cats.txt): c: expected a catalogue of sources; ")
    assert "must contain either columns" in line


def test_missing_catalogues_of_a_list_are_one_mistake(tmp_path):
    """As of a catalogue of stars that is given for a list."""
    (tmp_path / "stars.txt").write_text("ra dec\n80.0 -69.0\n80.1 -69.1\n")

    (line,) = file_mistakes("catfile", "stars.txt", "here", tmp_path)

    assert line == (
        f"here (stars.txt): ra: expected a catalogue; there is no {tmp_path}/dec, nor 2 others."
    )


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_catalogue_that_spec2_would_not_read_is_noted(tmp_path, monkeypatch, is_whole):
    """For grism exposures, as a member of an own association."""
    monkeypatch.chdir(tmp_path)
    place = SkyCoord([80.0] * u.deg, [-69.0] * u.deg)
    columns = {name: place if "sky" in name else [1] for name in SkyObject()._fields}
    QTable(columns if is_whole else {"label": [1]}).write("my_cat.ecsv")
    members = [("jw01346002001_02101_00001_nis_rate.fits", "science"), ("my_cat.ecsv", "sourcecat")]
    product = {
        "name": "jw01346002001_02101_00001_nis",
        "members": [{"expname": name, "exptype": exptype} for name, exptype in members],
    }
    head = {"asn_type": "spec2", "asn_id": "a3001", "program": "noprogram"}
    Path("asn.json").write_text(json.dumps({**head, "products": [product]}))
    recipe = "{stages: [2], associations: [asn.json]}"
    Path("config.yaml").write_text(f"programs: [{{program: 1346}}]\nrecipes: {{r: {recipe}}}\n")

    checked = check_config(Path("config.yaml"))

    assert checked.mistakes == ()
    notes = [note for note in checked.notes if "spec2 would not read" in note]
    assert len(notes) == (not is_whole)
    for note in notes:
        assert note.startswith("config.yaml, line 2: recipes.r.associations: asn.json: spec2 would")
        assert "Missing required columns in source catalog: is_extended, isophotal_abmag, " in note

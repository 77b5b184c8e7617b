"""Science identity: equal for equal science, different for the least change of it."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits

from jwmirror.core.errors import CalibrationError
from jwmirror.core.files import sha256_of
from jwmirror.pipeline import identity
from jwmirror.pipeline.identity import (
    downloaded_version,
    identified_version,
    scheme_text,
    science_identity,
)
from tests.setup import records

ECSV = """# %ECSV 1.0
# ---
# datatype:
# - {{name: label, datatype: int64}}
# - {{name: flux, unit: Jy, datatype: float64}}
# meta: !!omap
# - {{date: '{date}'}}
# schema: astropy-2.0
label flux
1 {flux}
"""


def image(path: Path, value: float = 1.0, **cards: object) -> Path:
    """A FITS file of one image; cards go to the primary header."""
    pixels = np.full((4, 5), value, "f4")
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, name="SCI")])
    hdus[0].header.update(cards)
    hdus.writeto(path)
    return path


def test_a_later_version_of_the_function_begins_its_identities(tmp_path, monkeypatch):
    """Those of the first version have no such text, and are then no longer current."""
    (tmp_path / "a.json").write_text("{}")
    first = identity.science_identity(tmp_path / "a.json")
    assert len(first) == 64 and identity.is_current(first)
    monkeypatch.setattr(identity, "IDENTITY_SCHEME", 2)

    second = identity.science_identity(tmp_path / "a.json")

    assert second == f"2:{first}"
    assert (identity.is_current(second), identity.is_current(first)) == (True, False)


def test_the_version_of_a_description_is_that_of_both_functions(monkeypatch):
    """One that is not raised stays in the text, so that each combination is another one."""
    assert identity.description_scheme() == ""

    monkeypatch.setattr(identity, "HEADER_SCHEME", 2)

    assert identity.description_scheme() == "1-2"


def test_dates_checksums_and_names_do_not_count(tmp_path):
    """A file that was written again, under another name, is the same science."""
    one = image(tmp_path / "a.fits", DATE="2026-01-01", FILENAME="a.fits", DATASUM="1")
    other = image(tmp_path / "b.fits", DATE="2026-02-02", FILENAME="b.fits", CHECKSUM="x")

    assert science_identity(one) == science_identity(other)


@pytest.mark.parametrize("place", [0, 300_000, 699_999])
def test_every_pixel_of_a_large_image_counts(tmp_path, place):
    """Also beyond the first MiB, which is read as one block."""
    pixels = np.zeros(700_000, "f4")
    fits.PrimaryHDU(pixels).writeto(tmp_path / "a.fits")
    pixels[place] = 1
    fits.PrimaryHDU(pixels).writeto(tmp_path / "b.fits")

    assert science_identity(tmp_path / "a.fits") != science_identity(tmp_path / "b.fits")


def test_order_of_cards_does_not_count(tmp_path):
    """Cards are compared as a set."""
    one = image(tmp_path / "a.fits", TARGNAME="M31", FILTER="F200W")
    other = image(tmp_path / "b.fits", FILTER="F200W", TARGNAME="M31")

    assert science_identity(one) == science_identity(other)


@pytest.mark.parametrize(
    "change", [{"value": 1.0000001}, {"FILTER": "F150W"}, {"FILTER": "F200W", "PUPIL": "CLEAR"}]
)
def test_one_bit_or_one_card_counts(tmp_path, change):
    """The least change of pixels or of a card is other science."""
    one = image(tmp_path / "a.fits", FILTER="F200W")
    other = image(tmp_path / "b.fits", **{"FILTER": "F200W", **change})

    assert science_identity(one) != science_identity(other)


def test_type_and_shape_count(tmp_path):
    """The same bytes as another type are other science."""
    zeros = [np.zeros((4, 4), "f4"), np.zeros((2, 8), "f4"), np.zeros((4, 4), "i4")]

    found = set()
    for number, pixels in enumerate(zeros):
        fits.HDUList([fits.PrimaryHDU(pixels)]).writeto(tmp_path / f"{number}.fits")
        found.add(science_identity(tmp_path / f"{number}.fits"))

    assert len(found) == 3


def with_tree(path: Path, pixels: float = 1.0, **meta: object) -> Path:
    """A FITS file with an ASDF extension as stdatamodels writes it: a tree and a binary block."""
    content = BytesIO()
    asdf.AsdfFile({"meta": meta, "table": np.full(99, pixels)}).write_to(content)
    array = [np.frombuffer(content.getvalue(), "u1")]
    column = fits.Column("ASDF_METADATA", f"{len(content.getvalue())}B", array=array)
    extension = fits.BinTableHDU.from_columns([column], name="ASDF")
    fits.HDUList([fits.PrimaryHDU(), extension]).writeto(path)
    return path


def test_the_asdf_tree_counts_without_its_dates(tmp_path):
    """The tree counts by content, its binary blocks too; when it was written does not count."""
    one = science_identity(with_tree(tmp_path / "a.fits", date="2026-01-01", pupil="CLEAR"))
    later = science_identity(with_tree(tmp_path / "b.fits", date="2026-10-10T10", pupil="CLEAR"))
    value = science_identity(with_tree(tmp_path / "c.fits", date="2026-01-01", pupil="CLEAN"))
    block = science_identity(with_tree(tmp_path / "d.fits", 2.0, date="2026-01-01", pupil="CLEAR"))

    assert one == later
    assert len({one, value, block}) == 3


def test_a_tree_in_an_image_counts_without_its_dates(tmp_path):
    """Early versions of asdf stored the tree as the pixels of an image."""

    def with_image(name: str, **meta: object) -> str:
        content = BytesIO()
        asdf.AsdfFile({"meta": meta}).write_to(content)
        image = fits.ImageHDU(np.frombuffer(content.getvalue(), "u1"), name="ASDF")
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / name)
        return science_identity(tmp_path / name)

    one = with_image("a.fits", date="2026-01-01", pupil="CLEAR")

    assert one == with_image("b.fits", date="2026-10-10T10", pupil="CLEAR")
    assert one != with_image("c.fits", date="2026-01-01", pupil="CLEAN")


def test_a_card_without_value_gives_one_identity_in_each_process(tmp_path):
    """The identity does not contain the address of astropy's object for such a value."""
    path = image(tmp_path / "a.fits", PUPIL=None)
    program = (
        "from jwmirror.pipeline.identity import science_identity as f\n"
        "import sys; print(f(__import__('pathlib').Path(sys.argv[1])))"
    )

    found = {
        subprocess.run(
            [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }

    assert found == {science_identity(path) + "\n"}


def test_the_table_of_blended_headers_counts_without_dates(tmp_path):
    """HDRTAB of a mosaic is compared without its DATE column."""

    def mosaic(name: str, date: str, detector: str) -> Path:
        columns = [
            fits.Column("DATE", "20A", array=[date]),
            fits.Column("DETECTOR", "8A", array=[detector]),
        ]
        table = fits.BinTableHDU.from_columns(columns, name="HDRTAB")
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / name)
        return tmp_path / name

    one = science_identity(mosaic("a.fits", "2026-01-01", "NRCB1"))

    assert one == science_identity(mosaic("b.fits", "2026-02-02", "NRCB1"))
    assert one != science_identity(mosaic("c.fits", "2026-01-01", "NRCA1"))


def test_a_catalogue_counts_by_its_values(tmp_path):
    """The date of an ECSV file is not its science; its values, names and units are."""
    texts = {
        "a": ECSV.format(date="2026-01-01", flux="0.5"),
        "b": ECSV.format(date="2026-02-02", flux="0.5"),
        "c": ECSV.format(date="2026-01-01", flux="0.6"),
        "d": ECSV.format(date="2026-01-01", flux="0.5").replace("Jy", "mJy"),
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.ecsv").write_text(text)

    a, b, c, d = (science_identity(tmp_path / f"{name}.ecsv") for name in texts)

    assert a == b
    assert len({a, c, d}) == 3


WRAPPED = """# %ECSV 1.0
# ---
# datatype:
# - name: label
#   datatype: int64
# - {name: flux, unit: Jy,
#   datatype: float64}
# - {name: area, unit: pix, datatype: float64}
# meta: !!omap
# - {date: '2026-01-01'}
# schema: astropy-2.0
label flux area
1 0.5 3
"""


@pytest.mark.parametrize(
    ("old", "new"), [("pix", "arcsec"), ("float64}", "float32}"), ("int64", "int32"), ("Jy", "mJy")]
)
def test_columns_after_a_wrapped_definition_count(tmp_path, old, new):
    """A writer may break the definition of a column into several lines."""
    for name, text in (("a", WRAPPED), ("b", WRAPPED.replace(old, new, 1))):
        (tmp_path / f"{name}.ecsv").write_text(text)

    assert science_identity(tmp_path / "a.ecsv") != science_identity(tmp_path / "b.ecsv")


def test_identities_are_those_of_mirrors_made_before(tmp_path):
    """Another one for the same file would make every result of it again."""
    exposure = image(tmp_path / "a.fits", FILTER="F200W", DATE="2026")
    (tmp_path / "c.ecsv").write_text(WRAPPED)

    found = [science_identity(path) for path in (exposure, tmp_path / "c.ecsv")]

    assert found == [
        "925280225a2b390cf9f54b822ad2e520c9c52d0c76f22bc2aff3172dd4344271",
        "575fc78620141575a0da74eb45827c8d557aff26f93dc2f8c1d1a7c296259121",
    ]


def test_other_files_count_by_their_bytes(tmp_path):
    """An association has no science of its own."""
    (tmp_path / "a_asn.json").write_text("{}")

    assert science_identity(tmp_path / "a_asn.json") == sha256_of(tmp_path / "a_asn.json")


def test_a_table_of_blended_headers_counts_by_name_unit_and_order(tmp_path):
    """The same values under another name or unit are other science."""

    def identity(number: int, *columns: fits.Column) -> str:
        table = fits.BinTableHDU.from_columns(columns, name="HDRTAB")
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / f"{number}.fits")
        return science_identity(tmp_path / f"{number}.fits")

    ones, twos = np.ones(2, "f4"), np.full(2, 2, "f4")
    tables = [
        [fits.Column("A", "E", array=ones, unit="s")],
        [fits.Column("B", "E", array=ones, unit="s")],
        [fits.Column("A", "E", array=ones, unit="ms")],
        [fits.Column("A", "D", array=ones, unit="s")],
        [fits.Column("A", "E", array=twos, unit="s")],
        [fits.Column("A", "E", array=ones), fits.Column("B", "E", array=twos)],
        [fits.Column("A", "E", array=twos), fits.Column("B", "E", array=ones)],
    ]

    assert len({identity(n, *columns) for n, columns in enumerate(tables)}) == len(tables)


@pytest.mark.parametrize(
    ("filename", "has_identity"),
    [("x_uncal.fits", True), ("x_rate.fits", False), ("x_uncal.jpg", False)],
)
def test_only_raw_exposures_are_described_when_they_arrive(tmp_path, filename, has_identity):
    """An identity, or the reason why it has none; others are described when a recipe needs them."""
    suffix = filename.partition("_")[2].partition(".")[0]
    path = image(tmp_path / "object")

    version = downloaded_version(records.product(filename, suffix=suffix), path, "5a", 10)

    assert (version.sha256, version.size) == ("5a", 10)
    assert bool(version.identity) is has_identity


def test_a_raw_exposure_that_cannot_be_read_says_why(tmp_path):
    """It is kept, and refused when it would be calibrated."""
    (tmp_path / "object").write_bytes(b"no FITS")

    version = downloaded_version(records.product("x_uncal.fits"), tmp_path / "object", "5a", 7)

    assert version.identity == "" and "x_uncal.fits" in version.refusal


def test_a_stored_object_is_read_by_the_name_it_had(tmp_path):
    """An object has no ending; the file's name tells its kind."""
    named = image(tmp_path / "a.fits", DATE="2026-01-01")
    bare = image(tmp_path / "b.fits", DATE="2026-02-02").rename(tmp_path / "0123abcd")

    assert science_identity(bare, "a.fits") == science_identity(named)


@pytest.mark.parametrize("missing", [1, 2880, 2881])
@pytest.mark.filterwarnings("ignore")
def test_a_cut_file_is_refused(tmp_path, missing):
    """A file that ends early, in data or in a header, has no identity."""
    path = image(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes()[:-missing])

    with pytest.raises(CalibrationError, match=r"a\.fits"):
        science_identity(path)


def with_yaml(path: Path, tree: str) -> Path:
    """A FITS file with an ASDF tree that is written by hand."""
    content = f"#ASDF 1.0.0\n%YAML 1.1\n--- !core/asdf-1.1.0\n{tree}\n...\n".encode()
    column = fits.Column("ASDF_METADATA", f"{len(content)}B", array=[np.frombuffer(content, "u1")])
    extension = fits.BinTableHDU.from_columns([column], name="ASDF")
    fits.HDUList([fits.PrimaryHDU(), extension]).writeto(path, overwrite=True)
    return path


def test_the_identity_of_a_tree_is_that_of_mirrors_made_before(tmp_path):
    """With each kind of value; another one would make every result again."""
    tree = "meta: {date: x, pupil: CLEAR}\nwcs: !wcs-1.0 [1, 2.5, !unit Jy, null, {a: true}]"

    found = science_identity(with_yaml(tmp_path / "a.fits", tree))

    assert found == "877e80b27d5c987b50dcda3d94760fcbc7a660d0147e5f8005d8ed06c3c58053"


WCS = f"&w [{', '.join('[1, 2]' for _ in range(500))}]"  # of one slit: 1,500 nodes


def test_a_tree_of_1000_slits_with_one_wcs_counts_by_its_bytes(tmp_path):
    """As jwst writes wide-field spectra, by references; a raw exposure with such a tree is odd."""
    tree = f"w: {WCS}\nslits: [{', '.join('{wcs: *w, x: 1}' for _ in range(1000))}]"
    path = with_yaml(tmp_path / "jw01345001001_02101_00001_nis_cal.fits", tree)

    assert len(science_identity(path)) == 64
    assert science_identity(path) != science_identity(with_yaml(path, f"{tree}\nb: 1"))
    with pytest.raises(CalibrationError, match="nodes"):
        science_identity(path, "jw01345001001_02101_00001_nis_uncal.fits")


TREES = [
    "wcs: {a: 1}", "wcs: {a: 1.0}", "wcs: {a: '1'}", "wcs: {b: 1}", "wcs: [a, 1]", "wcs: [1, a]",
    "wcs: !t {a: 1}", "wcs: !u {a: 1}", "wcs: !t [a, 1]", "wcs: {a: !t '1'}", "wcs: {a: [1]}",
    "wcs: {a: {}}", "wcs: {a: []}", "a: 1", "wcs: {date: 1}", "meta: [{date: 1}]", "meta: [{}]",
    "a: {meta: {date: 1}}", "wcs: {filename: 1}",
]  # fmt: skip


def test_the_structure_the_tags_and_the_types_of_a_tree_count(tmp_path):
    """Two trees are equal only if all of it is."""
    path = tmp_path / "a.fits"

    assert len({science_identity(with_yaml(path, tree)) for tree in TREES}) == len(TREES)


@pytest.mark.parametrize(
    "other",
    ["{a: 1, wcs: {c: 3, b: 2}}", "wcs: {b: 2, c: 3, history: x}\na: 1\ncal_logs: {d: x}",
     "wcs: {b: 2, c: 3}\na: 1\nmeta: {}\nasdf_library: {version: 3}"],
)  # fmt: skip
def test_the_order_and_the_writer_of_a_tree_do_not_count(tmp_path, other):
    """Logs, history and versions may differ between equal results."""
    plain = "wcs: {b: 2, c: 3}\na: 1" + "\nmeta: {}" * ("meta" in other)

    one = science_identity(with_yaml(tmp_path / "a.fits", plain))

    assert science_identity(with_yaml(tmp_path / "b.fits", other)) == one


def test_only_a_table_of_blended_headers_is_read_by_columns(tmp_path):
    """Another table with a column DATE counts with it; an image of that name, by its pixels."""

    def identity(hdu: object) -> str:
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "a.fits", overwrite=True)
        return science_identity(tmp_path / "a.fits")

    dates = [[fits.Column("DATE", "4A", array=[year])] for year in ("2025", "2026")]
    tables = [fits.BinTableHDU.from_columns(columns, name="OTHER") for columns in dates]
    images = [fits.ImageHDU(np.full(9, value, "f4"), name="HDRTAB") for value in (1, 2)]

    assert len({identity(hdu) for hdu in [*tables, *images]}) == 4


def test_data_end_where_the_next_header_begins(tmp_path):
    """Dates in the header after an image are no pixels of it."""

    def identity(date: str) -> str:
        extension = fits.ImageHDU(np.ones(9), fits.Header({"DATE": date}))
        hdus = fits.HDUList([fits.PrimaryHDU(np.ones(9)), extension])
        hdus.writeto(tmp_path / "a.fits", overwrite=True)
        return science_identity(tmp_path / "a.fits")

    assert identity("2025") == identity("2026")


def test_a_compressed_image_counts_as_it_is_stored(tmp_path):
    """With the cards that astropy takes from the header of a decompressed image."""
    found = set()
    for value in ("NONE", "RICE_1"):
        image = fits.CompImageHDU(np.ones((9, 9), "i2"), name="SCI")
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "a.fits", overwrite=True)
        with fits.open(tmp_path / "a.fits", "update", disable_image_compression=True) as hdus:
            hdus[1].header["ZMASKCMP"] = value
        found.add(science_identity(tmp_path / "a.fits"))

    assert len(found) == 2


@pytest.mark.parametrize(
    "suffix", ["uncal", "rate", "rateints", "cal", "calints", "i2d", "s3d", "crf", "x1d"]
)
def test_a_file_that_a_pipeline_may_start_from_is_described_with_its_header(
    tmp_path, monkeypatch, suffix
):
    """Or a step that is run alone. The others have an identity only."""
    monkeypatch.setattr(identity, "crds_header", lambda path, filename: f"header of {filename}")
    monkeypatch.setattr(identity, "IDENTITY_SCHEME", 3)
    item = records.product(f"x_{suffix}.fits")

    version = identified_version(item, image(tmp_path / "object"), "5a", 10)

    has_header = suffix not in ("crf", "x1d")
    assert version.header == f"header of x_{suffix}.fits" * has_header
    assert (version.product, version.sha256, version.size) == (item, "5a", 10)
    assert (version.scheme, version.refusal, version.identity[:2]) == ("3-1", "", "3:")


def test_an_exposure_without_a_header_keeps_its_identity(tmp_path, monkeypatch):
    """The refusal says why."""

    def refuse(path: Path, filename: str) -> str:
        raise CalibrationError(f"{filename}: pixels were cut")

    monkeypatch.setattr(identity, "crds_header", refuse)

    version = identified_version(records.product("x_rate.fits"), image(tmp_path / "a"), "5a", 10)

    assert version.identity == science_identity(tmp_path / "a", "x_rate.fits")
    assert (version.header, version.refusal) == ("", "x_rate.fits: pixels were cut")


def test_versions_of_functions_are_a_text_only_if_one_was_raised():
    """So that records made before stay current."""
    assert [scheme_text(1), scheme_text(1, 1), scheme_text(1, 2), scheme_text(3, 1, 2)] == [
        "", "", "1-2", "3-1-2",
    ]  # fmt: skip

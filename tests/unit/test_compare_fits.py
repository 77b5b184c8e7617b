"""Two versions of a FITS file: each difference is found, is alone, and mirrors when swapped."""

import gzip
import re
from dataclasses import replace
from io import BytesIO

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from jwmirror.compare import images
from jwmirror.compare.versions import compare_files
from jwmirror.core.errors import CalibrationError, StoreError
from jwmirror.core.model import Reason
from jwmirror.core.model.comparison import (
    EQUAL,
    HEADER,
    IDENTICAL,
    PIXELS,
    VALUES,
    Comparison,
    FlagDifference,
)
from jwmirror.pipeline.identity import science_identity
from tests.setup.calibrated_image import SHAPE, SKY, Toy


@pytest.fixture
def against(tmp_path):
    """Compare the plain toy with a changed one, in both directions; the results must mirror."""

    def compared(toy: Toy) -> Comparison:
        paths = Toy().write(tmp_path / "old.fits"), toy.write(tmp_path / "new.fits")
        comparison = compare_files(*paths)
        assert mirrored(compare_files(*reversed(paths))) == comparison
        return comparison

    return compared


def mirrored(comparison: Comparison) -> Comparison:
    """Return a comparison as it is with both sides swapped."""
    turned = {
        name: tuple(
            Reason(reason.what, reason.new, reason.old) for reason in getattr(comparison, name)
        )
        for name in ("pedigree", "references", "steps", "cards", "layout")
    }
    shift = comparison.shift and replace(
        comparison.shift, east=-comparison.shift.east, north=-comparison.shift.north
    )
    return replace(
        comparison,
        **turned,
        old=comparison.new,
        new=comparison.old,
        shift=shift,
        images=tuple(mirrored_image(image) for image in comparison.images),
        tables=tuple(mirrored_table(table) for table in comparison.tables),
    )


def mirrored_image(image):
    """Return an image's difference with both sides swapped."""
    spread = image.spread and replace(
        image.spread, median=-image.spread.median, largest=-image.spread.largest
    )
    bits = tuple(replace(bit, gained=bit.lost, lost=bit.gained) for bit in image.bits)
    turned = replace(image, old_shape=image.new_shape, new_shape=image.old_shape)
    turned = replace(turned, old_type=image.new_type, new_type=image.old_type)
    turned = replace(turned, gained=image.lost, lost=image.gained)
    return replace(turned, old_nan=image.new_nan, new_nan=image.old_nan, spread=spread, bits=bits)


def mirrored_table(table):
    """Return a table's difference with both sides swapped."""
    columns = tuple(
        replace(
            column,
            old_type=column.new_type,
            new_type=column.old_type,
            median=None if column.median is None else -column.median,
            largest=None if column.largest is None else -column.largest,
        )
        for column in table.columns
    )
    return replace(table, old_rows=table.new_rows, new_rows=table.old_rows, columns=columns)


def parts(comparison: Comparison) -> set[str]:
    """Return the names of the fields in which something differs."""
    return {name for name, value in vars(comparison).items() if value} - {"verdict", "old", "new"}


def test_a_file_is_identical_to_itself(against):
    """Equal bytes have no differences to list."""
    comparison = against(Toy())

    assert comparison.verdict == IDENTICAL
    assert parts(comparison) == set()


def test_differences_without_scientific_meaning_are_named(against):
    """Dates, names and checksums do not count, and are listed as the only differences."""
    comparison = against(
        Toy().card("DATE", "2026-02-02").card("FILENAME", "b").card("CHECKSUM", "x")
    )

    assert comparison.verdict == EQUAL
    assert set(comparison.volatile) == {"DATE", "FILENAME", "CHECKSUM"}
    assert comparison.pedigree == (Reason("DATE", "2026-01-01T00:00:00", "2026-02-02"),)
    assert parts(comparison) == {"volatile", "pedigree"}


def test_cards_are_sorted_by_topic(against):
    """Pedigree, references, steps and others, in a file whose pixels are the same."""
    toy = Toy().card("CAL_VER", "1.19.0").card("R_FLAT", "N/A").card("S_JUMP", "SKIPPED")
    del toy.hdus[0].header["FILTER"]
    comparison = against(toy.card("BUNIT", "MJy/sr", "SCI"))

    assert comparison.verdict == HEADER
    assert comparison.pedigree == (Reason("CAL_VER", "1.18.0", "1.19.0"),)
    assert comparison.references == (Reason("R_FLAT", "crds://jwst_nircam_flat_0001.fits", "N/A"),)
    assert comparison.steps == (Reason("S_JUMP", "COMPLETE", "SKIPPED"),)
    assert comparison.cards == (Reason("FILTER", "F200W", ""), Reason("SCI BUNIT", "", "MJy/sr"))
    assert parts(comparison) == {"pedigree", "references", "steps", "cards"}


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(row=some.integers(1, SHAPE[0] - 1), column=some.integers(0, SHAPE[1] - 1))
def test_a_single_pixel_is_found(against, row, column):
    """One pixel in one image, wherever it is, with its size in units of the error."""
    comparison = against(Toy().set("SCI", (row, column), 99))

    (image,) = comparison.images
    step = 99 - Toy().hdus["SCI"].data[row, column]
    assert comparison.verdict == PIXELS
    assert (image.hdu, image.changed, image.pixels) == ("SCI", 1, SHAPE[0] * SHAPE[1] - 3)
    assert image.spread.largest == pytest.approx(step, rel=1e-6)
    assert image.spread.place == (column, row)
    assert image.spread.over_error == pytest.approx([step / 0.5] * 3, rel=1e-6)
    assert (image.spread.median, image.spread.mad, image.spread.every) == (0, 0, 1)
    assert parts(comparison) == {"images"}


def test_the_largest_difference_has_sign_and_unit(tmp_path):
    """Of two pixels, that of the larger size; the unit is that of both files."""
    old, new, other = (Toy().card("BUNIT", unit, "SCI") for unit in ("DN/s", "DN/s", "DN"))
    for toy in (new, other):
        toy.set("SCI", (9, 4), 3000).set("SCI", (7, 30), -5000)
    paths = [toy.write(tmp_path / f"{n}.fits") for n, toy in enumerate((old, new, other))]

    image, of_other_unit = (compare_files(paths[0], path).images[0] for path in paths[1:])

    step = -5000 - old.hdus["SCI"].data[7, 30]
    assert image.spread.largest == pytest.approx(step, rel=1e-6)
    assert (image.spread.place, image.unit) == ((30, 7), "DN/s")
    assert of_other_unit.unit == ""


def test_the_largest_difference_has_its_position_where_coordinates_were_assigned(tmp_path):
    """As astropy has it of the FITS keywords; count rates have none yet."""
    places = []
    for state in ("COMPLETE", "SKIPPED"):
        old, new = Toy().card("S_WCS", state), Toy().card("S_WCS", state).set("SCI", (7, 30), 99)
        paths = old.write(tmp_path / "old.fits"), new.write(tmp_path / "new.fits")
        places.append(compare_files(*paths).images[0].spread.sky)

    with fits.open(tmp_path / "new.fits") as hdus:
        expected = WCS(hdus["SCI"].header, naxis=2).all_pix2world([[30, 7]], 0)[0]
    assert places == [pytest.approx(tuple(expected)), None]


def test_median_and_mad_are_those_of_the_difference(against):
    """Checked against numpy, over the pixels that are finite in both."""
    toy, step = Toy(), np.random.default_rng(2).normal(3, 1, SHAPE).astype("f4")
    toy.hdus["SCI"].data += step
    (image,) = against(toy).images

    real = (toy.hdus["SCI"].data.astype("f8") - Toy().hdus["SCI"].data)[
        np.isfinite(toy.hdus["SCI"].data)
    ]
    assert image.spread.median == pytest.approx(np.median(real))
    assert image.spread.mad == pytest.approx(np.median(np.abs(real - np.median(real))))


def test_a_nan_that_moved_is_found(against):
    """As many NaN as before, elsewhere: one pixel has gained a value, and one has lost it."""
    comparison = against(Toy().set("SCI", (0, 0), 1).set("SCI", (5, 5), np.nan))

    (image,) = comparison.images
    assert comparison.verdict == PIXELS
    assert (image.changed, image.gained, image.lost) == (0, 1, 1)
    assert (image.old_nan, image.new_nan) == (3, 3)
    assert image.pixels == SHAPE[0] * SHAPE[1] - 4


def test_other_bytes_of_equal_values_are_no_change(against):
    """The sign of zero and the payload of a NaN are listed, and change no pixel."""
    toy = Toy()
    toy.hdus["SCI"].data.view("u4")[0, 0] = 0x7FC00123
    comparison = against(toy)

    assert comparison.verdict == EQUAL
    assert comparison.volatile == ("bytes of equal values in SCI",)


def test_flags_are_listed_by_name(against):
    """Bits gained and lost, under jwst's names, in unsigned integers up to the highest bit."""
    toy = (
        Toy().set("DQ", (0, 0), 4).set("DQ", (slice(0, 2), 1), 4 + 1024).set("DQ", (3, 3), 1 << 31)
    )
    comparison = against(toy)

    (image,) = comparison.images
    assert comparison.verdict == PIXELS
    assert (image.hdu, image.changed, image.old_type) == ("DQ", 4, "uint32")
    assert image.bits == (
        FlagDifference(name="JUMP_DET", gained=3, lost=0),
        FlagDifference(name="DEAD", gained=2, lost=0),
        FlagDifference(name="REFERENCE_PIXEL", gained=1, lost=0),
    )


@pytest.mark.parametrize(
    ("change", "shape", "kind"), [("f8", SHAPE, "float64"), ("f4", (40, 25), "float32")]
)
def test_another_type_or_shape_is_listed(against, change, shape, kind):
    """A changed type changes pixels even where the values are equal; shapes are not compared."""
    toy = Toy()
    toy.hdus["ERR"].data = np.full(shape, 0.5, change)
    comparison = against(toy)

    (image,) = comparison.images
    assert comparison.verdict == PIXELS
    assert (image.old_type, image.new_type, image.new_shape) == ("float32", kind, shape)
    assert image.changed == 0


def test_an_additional_extension_is_listed(against):
    """An image that only one version has changes pixels; it is described."""
    toy = Toy()
    toy.hdus.append(fits.ImageHDU(np.zeros((2, 3), "u1"), name="AREA"))
    comparison = against(toy)

    assert comparison.verdict == PIXELS
    assert comparison.layout == (Reason("AREA", "", "image, uint8 2x3"),)


def test_extensions_of_one_name_are_distinguished(tmp_path):
    """The second SCI of a file is compared with the second of the other, by its own ERR."""
    paths = []
    for name, value in (("a.fits", 1.0), ("b.fits", 3.0)):
        toy = Toy()
        for kind, pixel in (("SCI", value), ("ERR", 4.0)):
            toy.hdus.append(fits.ImageHDU(np.full((3, 3), pixel, "f4"), name=kind, ver=2))
        paths.append(toy.write(tmp_path / name))

    (image,) = compare_files(*paths).images
    assert (image.hdu, image.changed, image.spread.over_error) == ("SCI,2", 9, (0.5, 0.5, 0.5))


def test_a_table_is_compared_column_by_column(against):
    """Rows that differ are counted per column, with the largest difference of numbers."""
    comparison = against(Toy().set("SRC", ("flux", 1), 7).set("SRC", ("name", slice(0, 2)), "z"))

    (table,) = comparison.tables
    assert comparison.verdict == VALUES
    assert [(column.name, column.differing, column.largest) for column in table.columns] == [
        ("flux", 1, 6.5),
        ("name", 2, None),
    ]


def test_added_and_retyped_columns_are_listed(against):
    """Columns are matched by name, whatever their number."""
    toy = Toy()
    columns = [
        fits.Column("label", "J", array=np.arange(5)),
        fits.Column("flux", "D", unit="Jy", array=np.arange(5) / 2),
        fits.Column("name", "8A", array=["a", "b", "c", "d", "e"]),
        fits.Column("more", "2E", array=np.zeros((5, 2))),
    ]
    toy.hdus["SRC"] = fits.BinTableHDU.from_columns(columns, name="SRC")
    (table,) = against(toy).tables

    assert [(column.name, column.old_type, column.new_type) for column in table.columns] == [
        ("flux", "E Jy", "D Jy"),
        ("more", "", "2E"),
    ]


def test_a_table_of_blended_headers_is_header(tmp_path):
    """Its dates are volatile, its other columns are header, not values."""

    def mosaic(name, **columns):
        cards = [fits.Column(key, "10A", array=[value]) for key, value in columns.items()]
        toy = Toy()
        toy.hdus.append(fits.BinTableHDU.from_columns(cards, name="HDRTAB"))
        return toy.write(tmp_path / name)

    one = mosaic("a.fits", DATE="2026-01-01", DETECTOR="NRCB1")
    later = compare_files(one, mosaic("b.fits", DATE="2026-02-02", DETECTOR="NRCB1"))
    other = compare_files(one, mosaic("c.fits", DATE="2026-01-01", DETECTOR="NRCA1"))

    assert (later.verdict, later.volatile) == (EQUAL, ("DATE",))
    assert (other.verdict, other.tables[0].columns[0].name) == (HEADER, "DETECTOR")


@pytest.mark.parametrize(("east", "north"), [(10.0, 0.0), (0.0, -25.0), (300.0, 400.0)])
def test_a_moved_sky_is_measured(against, east, north):
    """A known shift of the reference point is found at centre and corners, to 0.1 %."""
    toy = Toy().card("CRVAL2", SKY["CRVAL2"] + north / 3600e3, "SCI")
    toy.card("CRVAL1", SKY["CRVAL1"] + east / 3600e3 / np.cos(np.radians(SKY["CRVAL2"])), "SCI")
    comparison = against(toy)

    assert comparison.verdict == HEADER
    assert comparison.shift.source == "FITS"
    assert comparison.shift.east == pytest.approx(east, rel=1e-3, abs=1e-3)
    assert comparison.shift.north == pytest.approx(north, rel=1e-3, abs=1e-3)
    assert comparison.shift.corners == pytest.approx([np.hypot(east, north)] * 4, rel=1e-3)


def test_a_shift_across_the_zero_of_right_ascension(tmp_path):
    """359.99 and 0.01 degrees are neighbours."""
    one = Toy().card("CRVAL1", 359.99999, "SCI").write(tmp_path / "a.fits")
    other = Toy().card("CRVAL1", 0.00001, "SCI").write(tmp_path / "b.fits")

    comparison = compare_files(one, other)

    assert comparison.shift.east == pytest.approx(72 * np.cos(np.radians(69.5)), rel=1e-3)


def with_gwcs(path, ra, **meta):
    """A file as jwst writes it, whose coordinates are in its ASDF extension."""
    from astropy import coordinates, units
    from astropy.modeling import models
    from gwcs import WCS, coordinate_frames
    from stdatamodels.jwst.datamodels import ImageModel

    to_sky = (
        models.Shift(-25) & models.Shift(-20)
        | models.Scale(8.6e-6) & models.Scale(8.6e-6)
        | models.Pix2Sky_TAN()
        | models.RotateNative2Celestial(ra, -69.5, 180)
    )
    pixel = coordinate_frames.Frame2D(name="detector", unit=(units.pix, units.pix))
    sky = coordinate_frames.CelestialFrame(reference_frame=coordinates.ICRS(), name="world")
    model = ImageModel(np.ones(SHAPE, "f4"))
    model.meta.wcs = WCS([(pixel, to_sky), (sky, None)])
    model.meta.filename = path.name
    model.update(meta)
    model.save(path)
    return path


def test_coordinates_in_the_asdf_extension_are_used_first(tmp_path):
    """The shift is that of the gwcs, which jwst uses; dates and hashes alone are volatile."""
    one = with_gwcs(tmp_path / "a.fits", 80.0)
    again = compare_files(one, with_gwcs(tmp_path / "b.fits", 80.0))
    moved = compare_files(one, with_gwcs(tmp_path / "c.fits", 80.0 + 50 / 3600e3))

    assert again.verdict == EQUAL and "tree" not in parts(again)
    assert moved.verdict == HEADER
    assert [branch.name for branch in moved.tree] == ["meta.wcs"]
    assert moved.shift.source == "gwcs"
    assert moved.shift.east == pytest.approx(50 * np.cos(np.radians(69.5)), rel=1e-3)


def with_tabular_gwcs(path, ra, **meta):
    """A file whose coordinates use an array, which ASDF reads when it is used: as MIRI's LRS."""
    from astropy import coordinates, units
    from astropy.modeling import models
    from gwcs import WCS, coordinate_frames
    from stdatamodels.jwst.datamodels import ImageModel

    rows = models.Tabular1D(
        np.arange(SHAPE[0] + 1), lookup_table=np.linspace(0, 1e-4, SHAPE[0] + 1)
    )
    to_sky = models.Scale(8.6e-6) & rows | models.Shift(ra) & models.Shift(-69.5)
    pixel = coordinate_frames.Frame2D(name="detector", unit=(units.pix, units.pix))
    sky = coordinate_frames.CelestialFrame(reference_frame=coordinates.ICRS(), name="world")
    model = ImageModel(np.ones(SHAPE, "f4"))
    model.meta.wcs = WCS([(pixel, to_sky), (sky, None)])
    model.meta.filename = path.name
    model.update(meta)
    model.save(path)
    return path


def test_arrays_of_coordinates_are_read_before_their_file_is_closed(tmp_path):
    """ASDF reads arrays when they are used; a comparison uses them in time."""
    one = with_tabular_gwcs(tmp_path / "a.fits", 80.0)
    moved = with_tabular_gwcs(tmp_path / "b.fits", 80.0 + 50 / 3600e3)

    comparison = compare_files(one, moved)

    assert comparison.shift.source == "gwcs"
    assert comparison.shift.east == pytest.approx(50 * np.cos(np.radians(69.5)), rel=1e-3)


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_pixels_of_every_type_are_compared(tmp_path, kind):
    """The type, also an unsigned one, is named as numpy does, and one changed pixel is found."""
    old = np.array([[0, 1, 100], [7, 8, 9]], kind)
    new = old.copy()
    new[0, 2] = 110
    fits.PrimaryHDU(old).writeto(tmp_path / "a.fits")
    fits.PrimaryHDU(new).writeto(tmp_path / "b.fits")

    (image,) = compare_files(tmp_path / "a.fits", tmp_path / "b.fits").images

    assert (image.old_type, image.new_type) == (np.dtype(kind).name,) * 2
    assert (image.changed, image.spread.largest) == (1, 10)


def test_images_of_other_scale_and_equal_bytes_differ(tmp_path):
    """Pixels are compared as they are after BSCALE and BZERO."""
    for name, scale in (("a.fits", 1.5), ("b.fits", 2.0)):
        hdu = fits.PrimaryHDU(np.array([[1, 2]], "i2"))
        hdu.header["BSCALE"] = scale
        hdu.writeto(tmp_path / name)

    (image,) = compare_files(tmp_path / "a.fits", tmp_path / "b.fits").images

    assert (image.changed, image.spread.largest) == (2, 1.0)


@pytest.mark.parametrize("one_as", ["image", "table"])
def test_a_tree_in_an_image_is_compared_as_one_in_a_table(tmp_path, one_as):
    """Early versions of asdf stored the tree as the pixels of an image."""
    old = with_tree(tmp_path / "a.fits", one_as, filter="F200W")
    new = with_tree(tmp_path / "b.fits", "image", filter="F444W")

    comparison = compare_files(old, new)

    assert comparison.verdict == HEADER
    assert [(branch.name, branch.values) for branch in comparison.tree] == [("meta.filter", 1)]


def with_tree(path, kind, **meta):
    """A file with an ASDF extension, in an image or in a table."""
    content = BytesIO()
    asdf.AsdfFile({"meta": meta}).write_to(content)
    octets = np.frombuffer(content.getvalue(), "u1")
    column = fits.Column("ASDF_METADATA", f"{octets.size}B", array=[octets])
    extension = (
        fits.ImageHDU(octets, name="ASDF")
        if kind == "image"
        else fits.BinTableHDU.from_columns([column], name="ASDF")
    )
    fits.HDUList([fits.PrimaryHDU(), extension]).writeto(path)
    return path


@pytest.mark.parametrize("hdu", ["ASDF", "HDRTAB"])
def test_an_image_under_a_name_of_metadata_is_an_image(tmp_path, hdu):
    """An image is compared by its pixels, whatever its name."""
    for name, value in (("a.fits", 1.0), ("b.fits", 2.0)):
        image = fits.ImageHDU(np.full((2, 2), value), name=hdu)
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / name)
    paths = (tmp_path / "a.fits", tmp_path / "b.fits")

    assert compare_files(*paths).verdict == PIXELS
    assert science_identity(paths[0]) != science_identity(paths[1])


def test_a_damaged_tree_is_an_error(tmp_path):
    """A tree that is not YAML is an error of the comparison, and of the identity."""
    paths = tmp_path / "a.fits", with_tree(tmp_path / "b.fits", "image", filter="F444W")
    octets = np.frombuffer(b"#ASDF 1.0.0\n---\n{a: [\n...\n", "u1")
    image = fits.ImageHDU(octets, name="ASDF")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(paths[0])

    with pytest.raises(StoreError, match="not YAML"):
        compare_files(*paths)
    with pytest.raises(CalibrationError, match="not YAML"):
        science_identity(paths[0])


@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (7, 3), (11,), (2, 0)])
@pytest.mark.parametrize("block", [1, 5, 13, 64, 1000])
def test_blocks_cover_an_image_once_in_order(monkeypatch, shape, block):
    """Cubes and ramps too are read in contiguous pieces of bounded size."""
    monkeypatch.setattr(images, "BLOCK", block)
    pixels = np.arange(np.prod(shape)).reshape(shape)

    pieces = [pixels[index].ravel() for index in images._blocks(shape)]

    assert [number for piece in pieces for number in piece] == list(range(pixels.size))
    assert all(0 < piece.size <= block for piece in pieces)


def test_large_images_are_compared_block_by_block(tmp_path, monkeypatch):
    """Blocks and samples change no count and no extreme, and a sample is marked as one."""
    toy = Toy().set("SCI", (39, 49), -1000)
    toy.hdus["SCI"].data[:, 7] += 1
    paths = Toy().write(tmp_path / "a.fits"), toy.write(tmp_path / "b.fits")
    (whole,) = compare_files(*paths).images

    monkeypatch.setattr(images, "BLOCK", 17)
    (pieces,) = compare_files(*paths).images
    monkeypatch.setattr(images, "SAMPLE", 500)
    (sample,) = compare_files(*paths).images

    assert pieces == whole
    assert (sample.changed, sample.old_nan) == (whole.changed, whole.old_nan)
    assert sample.spread.largest == whole.spread.largest
    assert sample.spread.every == 7  # the first of 4 and more that is prime to 40 x 50


@pytest.mark.parametrize(
    "change",
    [
        lambda toy: toy.card("DATE", "2026-02-02"),
        lambda toy: toy.card("FILENAME", "b").card("DATASUM", "1", "SCI"),
        lambda toy: toy.card("FILTER", "F150W"),
        lambda toy: toy.card("CRVAL1", 80.1, "SCI"),
        lambda toy: toy.set("ERR", (2, 3), 7),
        lambda toy: toy.set("DQ", (2, 3), 2),
        lambda toy: toy.set("SRC", ("flux", 0), 9),
    ],
)
def test_equal_science_content_is_equal_for_recalibration(tmp_path, change):
    """Two files have equal science content if, and only if, their science identity is equal."""
    old, new = Toy().write(tmp_path / "old.fits"), change(Toy()).write(tmp_path / "new.fits")

    equal = compare_files(old, new).verdict == EQUAL

    assert equal == (science_identity(old) == science_identity(new))


@pytest.mark.parametrize("cut", [1, 2880, 9000])
def test_a_truncated_file_is_refused(tmp_path, cut):
    """A file that ends early is named, with what to do."""
    old, new = Toy().write(tmp_path / "old.fits"), Toy().card("A", 1).write(tmp_path / "new.fits")
    new.write_bytes(new.read_bytes()[:-cut])

    with pytest.raises(StoreError, match=rf"{re.escape(str(new))} cannot be read as FITS"):
        compare_files(old, new)


def test_a_compressed_file_is_refused(tmp_path):
    """A gzipped file under the name of a FITS file is named as the cause."""
    old, new = Toy().write(tmp_path / "old.fits"), tmp_path / "new.fits"
    new.write_bytes(gzip.compress(old.read_bytes()))

    with pytest.raises(StoreError, match="expected an uncompressed file, found gzip"):
        compare_files(old, new)

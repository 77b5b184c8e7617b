"""Comparisons in pictures: pairs, statistics, stretches, kept drawings, bad files."""

import json
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

import jwmirror
from jwmirror.compare.pictures import FileRow, Pair, draw, draw_all, many, pairs
from jwmirror.compare.pictures.pixels import BlockMeans
from jwmirror.compare.pictures.records import DrawingTask
from jwmirror.compare.pictures.rendering.stretches import (
    difference_stretch,
    image_stretch,
    ratio_stretch,
)
from jwmirror.compare.versions import compare_content
from jwmirror.core.printing import percent
from tests.setup.calibrated_image import SHAPE, SKY, Toy

MOSAIC = "jw01345-o001_t001_nircam_clear-f200w_i2d.fits"
RATE = "jw01345001001_02101_00001_nrcb1_rate.fits"
SPECTRA = "jw01345-o001_t001_nirspec_clear-prism_x1d.fits"
CURVE = "jw01345-o001_t001_niriss_clear-gr700xd_whtlt.ecsv"


def pair_of(filename: str, **fields: str) -> Pair:
    """A pair whose versions are the files "old" and "new"."""
    given = {"kind": "mast", "recipe": "deep", "old": "old", "new": "new"}
    return Pair(filename=filename, **given | fields)


def drawn(folder: Path, filename: str, **fields: str):
    """Draw the files "old" and "new" of a folder."""
    return draw(pair_of(filename, **fields), lambda sha256: folder / sha256, folder / "pictures")


def numbers(comparison) -> dict[str, str]:
    """The statistics by name, without units."""
    return {item.name: item.value for item in comparison.statistics}


def indices(path: Path) -> np.ndarray:
    """The indices of the colours in a PNG file that was written with a palette."""
    content = path.read_bytes()
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    start = content.index(b"IDAT")
    length = int.from_bytes(content[start - 4 : start], "big")
    rows = zlib.decompress(content[start + 4 : start + 4 + length])
    return np.frombuffer(rows, "u1").reshape(height, width + 1)[:, 1:]


@pytest.fixture
def images(tmp_path):
    """A folder with two versions of an image: some pixels of the new one differ by one error."""
    Toy().write(tmp_path / "old")
    toy = Toy()
    toy.hdus["SCI"].data[10:20] += 0.5
    toy.set("DQ", (slice(0, 2), slice(0, 5)), 4).write(tmp_path / "new")
    return tmp_path


# ---- pairs -----------------------------------------------------------------------------------


def row(filename: str, origin: str, sha256: str, identity: str = "") -> FileRow:
    """A row of a manifest."""
    return FileRow(f"{origin}/jw01345/o001/{filename}", origin, sha256, identity)


def test_pairs_are_of_two_contents():
    """MAST's and ours, and before and after; not if bytes or science identity are equal."""
    before = [
        row(MOSAIC, "deep", "a", "i"),
        row(RATE, "deep", "r", "same"),
        row(SPECTRA, "upstream", "x"),
    ]
    now = [
        row(MOSAIC, "upstream", "m"),
        row(MOSAIC, "deep", "b", "j"),
        row(RATE, "deep", "s", "same"),
        row(RATE, "quick", "t", "k"),
        row(SPECTRA, "upstream", "y"),
        row(RATE.replace("rate", "uncal"), "upstream", "u"),
    ]

    found = [(p.kind, p.filename, p.recipe, p.old, p.new) for p in pairs(now, before)]

    assert found == [
        ("change", MOSAIC, "deep", "a", "b"),
        ("mast", MOSAIC, "deep", "m", "b"),
        ("change", SPECTRA, "upstream", "x", "y"),
    ]
    assert pairs(now, now) == pairs(now)


def test_mosaics_of_recipes_are_compared_with_each_other():
    """Not exposures, and not versions of equal content; after MAST's and the user's change."""
    now = [
        row(MOSAIC, "upstream", "m"),
        row(MOSAIC, "quick", "q", "1"),
        row(MOSAIC, "deep", "d", "2"),
        row(MOSAIC, "late", "l", "2"),
        *(row(RATE, recipe, f"r{recipe}", recipe) for recipe in ("deep", "quick")),
    ]

    of_recipes = [pair for pair in pairs(now) if pair.kind == "recipes"]

    assert [(p.versus, p.recipe, p.old, p.new) for p in of_recipes] == [
        ("deep", "quick", "d", "q"),
        ("late", "quick", "l", "q"),
    ]
    assert {pair.title for pair in pairs(now)[:3]} == {
        f"MAST and recipe {recipe}" for recipe in ("deep", "late", "quick")
    }
    assert of_recipes[0].title == "recipe deep and recipe quick"
    assert len({pair.name for pair in pairs(now)}) == len(pairs(now)) == 5


def test_the_folder_of_a_pair_has_a_safe_name_of_its_own():
    """Whatever the name of the file; another one for each pair of versions."""
    odd = pair_of("../../Ä b\x1b_i2d.fits").name
    names = {pair_of(MOSAIC, **{field: "x"}).name for field in ("old", "new", "recipe", "kind")}

    assert set(odd) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    assert len(names) == 4


# ---- images ----------------------------------------------------------------------------------


def test_statistics_of_a_mosaic(images):
    """A quarter of the pixels differs by one error."""
    mosaic = drawn(images, MOSAIC)

    assert (
        mosaic.summary
        == "25 % of the pixels with a value in both versions differ, by 1 sigma (median of those)"
    )
    assert numbers(mosaic)["pixels that differ"] == "25 %"
    assert numbers(mosaic)["difference over error (16, 50, 84 %)"] == "0, 0, 1"
    assert numbers(mosaic)["pixels without value"] == "3 \u2192 3"
    assert [panel.file for panel in mosaic.panels] == [
        *("old.png", "new.png", "difference.png", "significance.png", "histogram.png")
    ]
    assert all(panel.alt and panel.width >= 270 for panel in mosaic.panels)
    assert "north is up" in mosaic.notes


def test_pictures_and_diff_count_the_same_pixels(tmp_path):
    """Those with a value in both versions; those with a value in one only are named beside them."""
    Toy().write(tmp_path / "old")
    toy = Toy()
    toy.hdus["SCI"].data[10, 10:13] -= 2.0
    toy.hdus["SCI"].data[20, :4] = np.nan
    toy.set("SCI", (0, 0), 1.0).write(tmp_path / "new")

    mosaic = drawn(tmp_path, MOSAIC)
    (image,) = compare_content(tmp_path / "old", tmp_path / "new", MOSAIC).images

    assert (image.changed, image.lost, image.gained) == (3, 4, 1)
    assert mosaic.fraction == image.changed / image.pixels
    assert mosaic.typical == pytest.approx(image.spread.over_error[0])
    assert mosaic.summary.endswith("; 5 have a value in one version only")
    assert numbers(mosaic)["pixels without value"] == "3 \u2192 6"
    (share,) = [item for item in mosaic.statistics if item.name == "pixels that differ"]
    assert share.unit == f"of the {image.pixels:,} pixels with a value in both versions (3)"


def test_a_change_of_few_pixels_has_its_largest_one(tmp_path):
    """Percentiles of all pixels would say nothing; versions of one recipe change."""
    Toy().write(tmp_path / "old")
    toy = Toy()
    toy.hdus["SCI"].data[10, 10:13] -= 2.0
    toy.write(tmp_path / "new")

    mosaic = drawn(tmp_path, MOSAIC, kind="change")

    assert "of the pixels with a value in both versions changed, by" in mosaic.summary
    assert numbers(mosaic)["largest difference"] == "\u22122"
    assert (mosaic.largest.value, mosaic.largest.unit) == (-2.0, "")
    assert mosaic.largest.place.startswith("x 11, y 11 (counted from 1), RA ")
    assert not [name for name in numbers(mosaic) if "16, 50, 84" in name]
    assert (mosaic.typical, mosaic.unit, mosaic.moved) == (4.0, "sigma", "")
    (share,) = [item for item in mosaic.statistics if item.name == "pixels that differ"]
    assert share.unit.endswith("pixels with a value in both versions (3)")


def test_a_background_that_moved_is_told(tmp_path):
    """Most pixels differ by about the same amount."""
    Toy().write(tmp_path / "old")
    toy = Toy()
    toy.hdus["SCI"].data += 0.75
    toy.hdus["SCI"].data[0, :5] += 3.0
    toy.write(tmp_path / "new")

    mosaic = drawn(tmp_path, MOSAIC, kind="change")

    assert mosaic.moved.startswith("+0.75")
    assert f"most pixels differ by about {mosaic.moved}: the background moved" in mosaic.notes


@pytest.mark.parametrize(
    ("fraction", "words"),
    [(1.0, "100 %"), (0.99996, ">99.99 %"), (0.9996, "99.96 %"), (0.25, "25 %"), (0.0, "0 %")],
)
def test_a_hundred_percent_is_all(fraction, words):
    """Nor is a small part rounded to none."""
    assert percent(fraction) == words and percent(1e-6) == "<0.01 %"


def test_missing_pixels_are_grey_and_the_first_row_is_below(images):
    """NaN is neither dark nor white, at the place where it is in the file."""
    mosaic = drawn(images, MOSAIC)

    picture = indices(images / "pictures" / mosaic.name / "old.png")

    factor = picture.shape[1] // SHAPE[1]
    grey = picture[: SHAPE[0] * factor] == 206
    assert grey.sum() == 3 * factor**2
    assert grey[-factor:, : 3 * factor].all()


def test_both_versions_have_one_stretch(images):
    """Equal values have equal colours in both pictures."""
    mosaic = drawn(images, MOSAIC)

    old, new = (
        indices(images / "pictures" / mosaic.name / f"{name}.png") for name in ("old", "new")
    )

    factor = old.shape[1] // SHAPE[1]
    equal = slice(0, (SHAPE[0] - 20) * factor)  # of the picture: rows 20 to 39 of the file
    assert np.array_equal(old[equal], new[equal])
    assert not np.array_equal(old, new)


def test_a_stretch_has_limits_of_both_versions(images):
    """What is brighter in one is within the range of the other, too."""
    with fits.open(images / "new", mode="update") as hdus:
        hdus["SCI"].data[30:] *= 100
    mosaic = drawn(images, MOSAIC)

    picture = indices(images / "pictures" / mosaic.name / "new.png")

    bright = picture[: 10 * (picture.shape[1] // SHAPE[1])]
    assert len(np.unique(bright)) > 3


def test_a_bright_star_keeps_its_structure():
    """Each ring has its own colour, though the star is 100,000 times as bright as the noise."""
    y, x = np.mgrid[-100:101, -100:101]
    star = 1e4 * np.exp(-(x**2 + y**2) / 2 / 4**2)
    image = star + np.random.default_rng(1).normal(0, 0.1, star.shape)

    places = image_stretch(image).positions(image)

    assert np.count_nonzero(places >= 1) <= 1
    assert len(np.unique((places[100, 90:101] * 100).round())) > 9
    assert 0.02 < np.std(places[:50]) < 0.2  # and the noise can be seen


@pytest.mark.parametrize("value", [0.0, 5.0, -1e30, 1e-300])
def test_images_of_one_value_can_be_drawn(value):
    """Nothing is divided by zero."""
    image = np.full((5, 5), value)

    for stretch in (image_stretch(image), difference_stretch(image), ratio_stretch(image)):
        assert np.isfinite(stretch.positions(image)).all()
        assert stretch.ticks(0.2)


def test_differences_are_symmetric_about_zero():
    """White is zero."""
    image = np.random.default_rng(1).normal(3, 1, (50, 50))

    stretches = (difference_stretch(image), ratio_stretch(image))

    assert all(stretch.low == -stretch.high for stretch in stretches)
    assert all(stretch.positions(np.zeros(1))[0] == 0.5 for stretch in stretches)


def shifted(path: Path, rows: int, columns: float) -> None:
    """Write an image with rows and columns more at its lower left."""
    toy, whole = Toy(), int(columns)
    for hdu in ("SCI", "ERR", "DQ"):
        toy.hdus[hdu].data = np.pad(toy.hdus[hdu].data, ((rows, 0), (whole, 0)))
    toy.card("CRPIX1", SKY["CRPIX1"] + columns, "SCI")
    toy.card("CRPIX2", SKY["CRPIX2"] + rows, "SCI").write(path)


def test_a_shift_by_whole_pixels_is_undone(tmp_path):
    """The common part is compared, by the coordinates."""
    Toy().write(tmp_path / "old")
    shifted(tmp_path / "new", 4, 7)

    mosaic = drawn(tmp_path, MOSAIC)

    assert mosaic.summary == "all pixels with a value in both versions are equal"
    assert "aligned by a shift of -7, -4 whole pixels (x, y)" in mosaic.notes[0]
    assert "difference.png" in [panel.file for panel in mosaic.panels]


def test_the_largest_difference_is_at_a_place_of_the_new_image(tmp_path):
    """Its pixel is counted from 1, and has the coordinates of the header."""
    toy = Toy()
    toy.hdus["SCI"].data[9, 4] += 8.0
    toy.write(tmp_path / "old")
    shifted(tmp_path / "new", 4, 7)

    largest = drawn(tmp_path, MOSAIC).largest

    ra, dec = WCS(fits.getheader(tmp_path / "new", "SCI")).all_pix2world(11, 13, 0)
    assert largest.value == -8.0
    assert largest.place == (
        f"x 12, y 14 (counted from 1), RA {ra:.6f}, Dec {dec:+.6f} degrees".replace("-", "\u2212")
    )


@pytest.mark.parametrize(
    ("shift", "has_lobes"), [(0.0, False), (0.02, False), (0.3, True), (7.08, True)]
)
def test_a_shift_by_a_part_of_a_pixel_explains_lobes_at_stars(shift, has_lobes, tmp_path):
    """The images are compared pixel by pixel, so a star is at another place in the two."""
    Toy().write(tmp_path / "old")
    Toy().card("CRPIX1", SKY["CRPIX1"] + shift, "SCI").write(tmp_path / "new")

    notes = " ".join(drawn(tmp_path, MOSAIC).notes)

    assert ("at a star, the difference then has a positive and a negative lobe" in notes) == (
        has_lobes
    )


def stars(path: Path, x: float, flux: float = 100.0, width: float = 1.5) -> None:
    """Write an image of stars on a grid, whose coordinates do not say that they are shifted."""
    toy = Toy()
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distances = [
        (columns - column - x) ** 2 + (rows - row) ** 2
        for row in range(6, SHAPE[0], 12)
        for column in range(6, SHAPE[1], 12)
    ]
    for squares in distances:
        toy.hdus["SCI"].data += flux / width**2 * np.exp(-squares / (2 * width**2))
    toy.write(path)


@pytest.mark.parametrize(
    ("star", "named"),
    [
        ({"x": 0.02}, "about 0.02 pixels"),
        ({"x": -0.1}, "about 0.1 pixels"),
        ({"x": 0.0, "flux": 103.0}, ""),
        ({"x": 0.0, "width": 1.6}, ""),
    ],
)
def test_lobes_of_stars_are_explained_by_the_shift_that_fits(star, named, tmp_path):
    """Stars that are brighter or wider have none."""
    stars(tmp_path / "old", 0.0)
    stars(tmp_path / "new", **star)

    notes = " ".join(drawn(tmp_path, MOSAIC).notes)

    assert ("as if stars were shifted by" in notes) == bool(named)
    assert named in notes
    assert "as if stars" not in " ".join(drawn(tmp_path, RATE).notes)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda toy: toy.card("CRPIX1", 32.9, "SCI"), "7.40, 0.00 pixels (x, y) apart"),
        (lambda toy: toy.card("CDELT1", -9.9e-6, "SCI"), "turned or scaled"),
        (lambda toy: toy.card("CRPIX2", 900.5, "SCI"), "different parts of the sky"),
    ],
)
def test_images_that_do_not_fit_are_shown_without_a_difference(change, why, tmp_path):
    """And the reason is said."""
    Toy().write(tmp_path / "old")
    change(Toy()).write(tmp_path / "new")

    mosaic = drawn(tmp_path, MOSAIC)

    assert [panel.file for panel in mosaic.panels] == ["old.png", "new.png"]
    assert "no difference is shown" in mosaic.notes[0]
    assert why.replace("7.40", "-7.40") in mosaic.notes[0]


def test_an_exposure_is_a_small_picture_of_means(tmp_path):
    """Pixels are averaged, not picked; the flags that changed are counted."""
    toy = Toy()
    for hdu, value in (("SCI", 1.0), ("ERR", 0.5), ("DQ", 0)):
        toy.hdus[hdu].data = np.full((640, 640), value, toy.hdus[hdu].data.dtype)
    toy.write(tmp_path / "old")
    toy.hdus["SCI"].data[::4] = 3.0  # one row of four
    toy.set("DQ", (0, slice(0, 5)), 4).write(tmp_path / "new")

    exposure = drawn(tmp_path, RATE)

    assert exposure.is_thumbnail
    assert [panel.file for panel in exposure.panels] == ["thumbnail.png"]
    assert len(np.unique(indices(tmp_path / "pictures" / exposure.name / "thumbnail.png"))) == 4
    flags = {item.name: (item.value, item.unit) for item in exposure.statistics}
    assert flags["pixels with other flags"] == ("5", "JUMP_DET +5 \u22120")
    assert [(f.name, f.gained, f.lost) for f in exposure.flags] == [("JUMP_DET", 5, 0)]
    assert "each point of a picture is the mean of 4 x 4 pixels" in exposure.notes


def test_means_of_blocks_ignore_nan_and_leave_no_pixel_out():
    """Also where blocks are smaller, at the right and upper edge; several planes add up."""
    plane = np.arange(35.0).reshape(5, 7)
    plane[0, 0] = plane[4, 6] = np.nan
    blocks = BlockMeans(5, 7, step=3)
    blocks.add(0, plane[:3])
    blocks.add(3, plane[3:])

    expected = [
        [np.nanmean(plane[y : y + 3, x : x + 3]) if (y, x) != (3, 6) else 27 for x in (0, 3, 6)]
        for y in (0, 3)
    ]

    assert np.allclose(blocks.means, expected)
    blocks.add(3, plane[3:] + 2)
    assert np.allclose(blocks.means, expected + np.array([[0.0], [1.0]]))
    empty = BlockMeans(1, 1, step=1)
    empty.add(0, np.array([[np.nan]]))
    assert np.isnan(empty.means).all()


def test_of_many_slits_the_first_with_values_is_drawn(tmp_path):
    """Slits are known by their number, whatever the number of pixels; the note says which it is."""
    for name, level in (("old", 1.0), ("new", 2.0)):
        hdus = [fits.PrimaryHDU()]
        for slit in (1, 2, 3):
            pixels = np.full((10 + slit, 40), np.nan if slit == 1 else level * slit, "f4")
            hdus.append(fits.ImageHDU(pixels, name="SCI", ver=slit))
            hdus.append(fits.ImageHDU(np.ones_like(pixels), name="ERR", ver=slit))
        fits.HDUList(hdus).writeto(tmp_path / name)

    slits = drawn(tmp_path, RATE.replace("rate", "cal"))

    assert (
        slits.summary
        == "100 % of the pixels with a value in both versions differ, by 2 sigma (median of those)"
    )
    assert "of the 3 images in the file, SCI,2 is shown and measured" in slits.notes


@pytest.mark.parametrize(("shape", "is_below"), [((64, 2048), True), ((2048, 64), False)])
def test_long_images_are_long_pictures(shape, is_below, tmp_path):
    """Wide subarrays are below each other, so that they can be seen."""
    for name, level in (("old", 1.0), ("new", 2.0)):
        sci = fits.ImageHDU(np.full(shape, level, "f4"), name="SCI")
        fits.HDUList([fits.PrimaryHDU(), sci]).writeto(tmp_path / name)

    (panel,) = drawn(tmp_path, RATE).panels

    assert (panel.width, panel.height) == ((512, 64) if is_below else (64, 512))


def test_integrations_are_averaged(tmp_path):
    """A picture of a time series says that it is a mean."""
    for name, level in (("old", 1.0), ("new", 2.0)):
        toy = Toy()
        for hdu in ("SCI", "ERR", "DQ"):
            toy.hdus[hdu].data = np.stack([toy.hdus[hdu].data] * 3)
        toy.hdus["SCI"].data[1] *= level
        toy.write(tmp_path / name)

    series = drawn(tmp_path, RATE.replace("rate", "rateints"))

    assert any("the mean of 3 planes" in note for note in series.notes)
    assert numbers(series)["pixels that differ"] == "33.3 %"


def test_a_cube_is_shown_whole_and_at_one_wavelength(tmp_path):
    """The wavelength is that of the middle."""
    for name, level in (("old", 1.0), ("new", 1.5)):
        cube = Toy()
        for hdu in ("SCI", "ERR", "DQ"):
            cube.hdus[hdu].data = np.stack([cube.hdus[hdu].data] * 11)
        cube.hdus["SCI"].data[5] *= level
        for card, value in {"CTYPE3": "WAVE", "CUNIT3": "um", "CRVAL3": 5, "CDELT3": 0.1}.items():
            cube.card(card, value, "SCI")
        cube.card("CRPIX3", 1, "SCI").write(tmp_path / name)

    cube = drawn(tmp_path, MOSAIC.replace("i2d", "s3d"))

    titles = [panel.title for panel in cube.panels]
    assert "difference over error, mean over wavelength" in titles
    assert "difference, at 5.5 um" in titles
    assert numbers(cube)["pixels that differ"] == "9.09 %"


@pytest.mark.parametrize("suffix", ["i2d", "s3d"])
def test_products_of_one_exposure_are_small(suffix, images):
    """One picture, and after those of the combined ones."""
    exposure = RATE.replace("rate", suffix)

    small = drawn(images, exposure)

    assert small.is_thumbnail
    assert len(small.panels) == 1
    rows = [row(name, "deep", "b") for name in (exposure, SPECTRA, RATE, MOSAIC)]
    former = [row(name, "deep", "a") for name in (exposure, SPECTRA, RATE, MOSAIC)]
    assert [p.filename for p in pairs(rows, former)] == [MOSAIC, SPECTRA, exposure, RATE]


# ---- spectra and light curves ----------------------------------------------------------------


def write_spectra(path: Path, factors: dict[int, float], wavelengths: int = 50) -> None:
    """Write an x1d file with a spectrum of each source, which is scaled by a factor."""
    waves = np.linspace(1, 5, wavelengths)
    hdus = [fits.PrimaryHDU()]
    for number, (source, factor) in enumerate(factors.items(), start=1):
        columns = [
            fits.Column("WAVELENGTH", "D", unit="um", array=waves),
            fits.Column("FLUX", "D", unit="Jy", array=waves * factor),
            fits.Column("FLUX_ERROR", "D", unit="Jy", array=waves * 0.1),
        ]
        table = fits.BinTableHDU.from_columns(columns, name="EXTRACT1D", ver=number)
        table.header.update({"SOURCEID": source, "SPORDER": 1})
        hdus.append(table)
    fits.HDUList(hdus).writeto(path, overwrite=True)


def test_of_many_sources_those_that_changed_most_are_drawn(tmp_path):
    """They are found by number, whatever their order; a line says how many more there are."""
    write_spectra(tmp_path / "old", dict.fromkeys(range(40), 1.0))
    write_spectra(tmp_path / "new", {n: 1.0 + 0.01 * n for n in reversed(range(40))})

    spectra = drawn(tmp_path, SPECTRA)

    assert [panel.title for panel in spectra.panels] == [
        f"source {number}, order 1" for number in range(39, 33, -1)
    ]
    assert spectra.notes == ("6 of 39 spectra that differ are shown: those that changed most",)
    assert numbers(spectra)["wavelengths that differ"] == "97.5 %"
    what = "wavelengths with a value in both versions"
    assert spectra.summary == f"97.5 % of the {what} differ, by 2 sigma (median of those)"


def test_spectra_of_other_wavelengths_are_interpolated(tmp_path):
    """A straight line stays the same line, and the note says what was done."""
    write_spectra(tmp_path / "old", {1: 1.0}, wavelengths=50)
    write_spectra(tmp_path / "new", {1: 1.1}, wavelengths=77)

    spectra = drawn(tmp_path, SPECTRA)

    what = "wavelengths with a value in both versions"
    assert spectra.summary == f"100 % of the {what} differ, by 1 sigma (median of those)"
    assert any("interpolated" in note for note in spectra.notes)


@pytest.mark.parametrize("rows", ["SOURCE_ID", "INT_NUM"])
def test_tables_with_a_spectrum_in_each_row(rows, tmp_path):
    """Grism spectra have a row for each source; those of time series, for each integration."""
    waves = np.tile(np.linspace(1, 5, 20), (3, 1))
    waves[:, -2:] = np.nan
    for name, factor in (("old", 1.0), ("new", 2.0)):
        flux = np.ones_like(waves)
        flux[1] *= factor
        columns = [
            fits.Column(rows, "J", array=[7, 8, 9]),
            fits.Column("WAVELENGTH", "20D", unit="um", array=waves),
            fits.Column("FLUX", "20D", unit="Jy", array=flux),
        ]
        table = fits.BinTableHDU.from_columns(columns, name="EXTRACT1D")
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / name)

    spectra = drawn(tmp_path, SPECTRA)

    titles = {"SOURCE_ID": "source 8", "INT_NUM": "mean of 3 integrations"}
    assert [panel.title for panel in spectra.panels] == [titles[rows]]
    changed = {"SOURCE_ID": "33.3 %", "INT_NUM": "100 %"}
    assert numbers(spectra)["wavelengths that differ"] == changed[rows]


def test_light_curves(tmp_path):
    """Those of each order, over the time of the barycentre."""
    for name, depth in (("old", 0.0), ("new", 3.0)):
        columns = {"MJD_UTC": np.arange(30.0), "BJD_TDB": np.arange(30.0) + 0.01}
        columns["whitelight_flux_order_1"] = np.full(30, 10.0)
        columns["whitelight_flux_order_2"] = np.where(np.arange(30) < 15, 10.0 - depth, 10.0)
        table = Table(columns)
        table["whitelight_flux_order_2"].unit = "Jy"
        table.write(tmp_path / f"{name}.ecsv")
        (tmp_path / f"{name}.ecsv").rename(tmp_path / name)

    curves = drawn(tmp_path, CURVE)

    assert [panel.title for panel in curves.panels] == ["whitelight_flux_order_2"]
    assert numbers(curves)["points that differ"] == "25 %"


# ---- kept drawings ---------------------------------------------------------------------------


def test_drawings_have_the_same_bytes_each_time(images, tmp_path_factory):
    """No date, no version, no order of the system is in them."""
    locate, pair = images.joinpath, pair_of(MOSAIC)
    folders = [tmp_path_factory.mktemp("pictures") for _ in range(2)]

    for folder in folders:
        draw(pair, locate, folder)

    files = [
        {path.name: path.read_bytes() for path in (folder / pair.name).iterdir()}
        for folder in folders
    ]
    assert files[0] == files[1]
    assert len(files[0]) == 6


def test_a_pair_is_drawn_once(images):
    """The kept record is returned, although the files are gone; an old drawing is replaced."""
    first = drawn(images, MOSAIC)
    place = images / "pictures" / first.name
    record = json.loads((place / "comparison.json").read_text())
    (place / "comparison.json").write_text(json.dumps(record | {"title": "kept"}))
    assert drawn(images, MOSAIC).title == "kept"

    (place / "comparison.json").write_text(json.dumps(record | {"version": 0}))
    assert drawn(images, MOSAIC) == first

    (place / "old.png").unlink()
    assert drawn(images, MOSAIC) == first
    assert (place / "old.png").exists()
    (images / "old").unlink()
    assert drawn(images, MOSAIC) == first
    assert [path.name for path in (images / "pictures").iterdir()] == [first.name]


def test_pictures_have_the_access_of_their_folder(images):
    """Those of exclusive data are below a folder that only its owner may read."""
    (images / "pictures").mkdir(mode=0o700)

    place = images / "pictures" / drawn(images, MOSAIC).name

    modes = {path.stat().st_mode & 0o777 for path in place.iterdir()}
    assert (place.stat().st_mode & 0o777, modes) == (0o700, {0o600})


def test_all_pairs_are_drawn_by_processes(images):
    """As one is drawn here; nothing else is left in the folder."""
    several = [pair_of(RATE, recipe=name) for name in ("a", "b", "c")]
    alone = draw(several[-1], images.joinpath, images / "alone")

    made = draw_all(several, images.joinpath, images / "p")

    assert set(made) == {pair.name for pair in several}
    assert made[several[-1].name] == alone
    assert {path.name for path in (images / "p").iterdir()} == set(made)


def test_a_script_without_guard_can_draw(images):
    """Scripts of Snakemake are run as main modules; they are not run again by what they start."""
    script = images / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from jwmirror.compare.pictures import Pair, draw_all\n"
        f"pair = Pair(kind='mast', filename='{RATE}', recipe='deep', old='old', new='new')\n"
        "print(len(draw_all([pair], Path().joinpath, Path('pictures'))))\n"
    )

    done = subprocess.run([sys.executable, script], cwd=images, capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("1\n", "")


def test_a_budget_of_time_leaves_pairs_for_later(images):
    """Those that are kept are returned at once."""
    several = [pair_of(MOSAIC, recipe=name) for name in ("a", "b")]
    draw(several[0], images.joinpath, images / "p")

    made = draw_all(several, images.joinpath, images / "p", budget_s=0)

    assert list(made) == [several[0].name]


def test_no_drawing_begins_after_the_budget(images, monkeypatch):
    """The first two are drawn, and the third is left."""
    several = [pair_of(RATE, recipe=name) for name in ("a", "b", "c")]
    monkeypatch.setattr(many, "PROCESSES", 1)
    clock = SimpleNamespace(monotonic=iter((0, 1, 2, 100)).__next__, time=time.time)
    monkeypatch.setattr(many, "time", clock)

    made = draw_all(several, images.joinpath, images / "p", budget_s=10)

    assert list(made) == [pair.name for pair in several[:2]]


def stuck(folder: Path, seconds: str) -> tuple[str, ...]:
    """The command of a process that leaves a temporary folder and works on, or ends."""
    code = (
        f"import os, time; os.mkdir(f'{folder}/.drawing.{{os.getpid()}}.x'); time.sleep({seconds})"
    )
    return sys.executable, "-c", code


@pytest.mark.parametrize(
    ("seconds", "why"), [("600", "it took more than 2 s"), ("0", "its process ended")]
)
def test_a_process_that_does_not_answer_is_ended(seconds, why, images, monkeypatch):
    """The next pair is drawn by a new one."""
    folder = images / "p"
    folder.mkdir()
    task = DrawingTask(pair_of(RATE), str(images / "old"), str(images / "new"))
    process = many.DrawingProcess(folder, pair_s=2)
    with monkeypatch.context() as context:
        context.setattr(many, "COMMAND", stuck(folder, seconds))

        failed = process.draw(task)

    assert failed.notes == (f"the comparison was not drawn: {why}",)
    assert list(folder.iterdir()) == []
    process = many.DrawingProcess(folder)
    assert process.draw(task).panels
    process.close()


# ---- bad files -------------------------------------------------------------------------------


def cut(path: Path) -> None:
    """Cut the end of a file off."""
    path.write_bytes(path.read_bytes()[:-3000])


def rename_images(path: Path) -> None:
    """Leave no SCI in it."""
    path.write_bytes(path.read_bytes().replace(b"'SCI     '", b"'OTHER   '"))


def overwrite_axis(path: Path) -> None:
    """Write a text where a number belongs."""
    path.write_bytes(path.read_bytes().replace(b"NAXIS1  =  ", b"NAXIS1  = 'x"))


@pytest.mark.parametrize("spoil", [cut, rename_images, overwrite_axis, lambda p: p.write_text("")])
@pytest.mark.parametrize("filename", [MOSAIC, RATE, MOSAIC.replace("i2d", "s3d"), SPECTRA, CURVE])
def test_a_bad_file_gives_a_note(spoil, filename, images):
    """In place of pictures; it names no folder of the mirror, and is kept."""
    spoil(images / "new")

    comparison = drawn(images, filename)

    assert (comparison.panels, comparison.statistics) == ((), ())
    (note,) = comparison.notes
    assert note
    assert str(images) not in note
    (images / "old").unlink()
    assert drawn(images, filename) == comparison


def test_texts_of_files_are_not_typeset_and_printable(images):
    """A unit may be anything."""
    for name in ("old", "new"):
        with fits.open(images / name, mode="update") as hdus:
            hdus["SCI"].header["BUNIT"] = "$\\frac{ <script> $_$"
            del hdus["ERR"]  # so that the histogram has the unit, too

    mosaic = drawn(images, MOSAIC, recipe="a$\\frac{$b")

    assert len(mosaic.panels) == 4
    assert mosaic.statistics[1].unit == "$\\frac{ <script> $_$"


def test_the_fragment_of_a_page_escapes_and_links(images):
    """Each picture has its place, size and words; texts of files are no HTML."""
    import jinja2

    mosaic = replace(drawn(images, MOSAIC), notes=("<script>",))
    folder = Path(jwmirror.__file__).parent / "report" / "site" / "templates"
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(folder), autoescape=True)

    page = environment.get_template("comparison.html").module.comparison(mosaic, "../pictures/")

    assert page.count("<img") == 5
    for panel in mosaic.panels:
        address = f"../pictures/{mosaic.name}/{panel.file}"
        size = f'width="{panel.width}" height="{panel.height}"'
        assert f'<img src="{address}" {size} alt="{panel.alt}"' in page
    assert "<li>&lt;script&gt;</li>" in page
    assert f'id="{mosaic.name}"' in page


def test_what_this_machine_refuses_is_tried_again(images):
    """A missing object may come back."""
    moved = (images / "new").rename(images / "away")
    assert drawn(images, MOSAIC).panels == ()

    moved.rename(images / "new")

    assert drawn(images, MOSAIC).panels

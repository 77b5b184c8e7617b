"""Quantities of files: right against numpy, for every kind of product, the same everywhere."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from stdatamodels.jwst import datamodels
from stdatamodels.jwst.datamodels import dqflags

from jwmirror.pipeline.measure import arrays
from jwmirror.pipeline.measure.files import file_quantities

FLAG = dqflags.pixel
SIZE = 64


@pytest.fixture
def noise():
    """A noisy image of level 10 with a gradient along x."""
    random = np.random.default_rng(7)
    return (random.normal(10, 2, (SIZE, SIZE)) + np.arange(SIZE) / 10).astype("f4")


def sigma(values):
    """The robust scatter, by numpy alone."""
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def test_fractions_and_levels_are_those_of_numpy(tmp_path, noise):
    """Reference pixels do not count; unusable ones have no part in median and noise."""
    dq = np.zeros((SIZE, SIZE), "u4")
    dq[:4] = FLAG["REFERENCE_PIXEL"] | FLAG["DO_NOT_USE"]
    dq[10:20] = FLAG["SATURATED"] | FLAG["DO_NOT_USE"]
    dq[30] = FLAG["JUMP_DET"]
    noise[20:22] = np.nan
    path = tmp_path / "x_cal.fits"
    with datamodels.ImageModel(data=noise, dq=dq) as model:
        model.save(path)

    measured = file_quantities(path)

    usable = noise[(dq & FLAG["DO_NOT_USE"] == 0) & np.isfinite(noise)]
    expected = SIZE - 4
    assert measured["pixels"] == SIZE**2
    assert measured["nan"] == pytest.approx(2 / expected, rel=1e-5)
    assert measured["do_not_use"] == measured["saturated"] == pytest.approx(10 / expected, rel=1e-5)
    assert measured["jumps"] == pytest.approx(1 / expected, rel=1e-5)
    assert measured["usable"] == pytest.approx((expected - 12) / expected, rel=1e-5)
    assert measured["median"] == pytest.approx(np.median(usable), rel=1e-5)
    assert measured["noise"] == pytest.approx(sigma(usable), rel=1e-5)
    assert measured["pixel_noise"] == pytest.approx(2, rel=0.1)  # without the gradient


@pytest.mark.parametrize(
    "part",
    [np.s_[:, 16:32], np.s_[16:32], np.s_[48:], np.s_[:, :32], np.s_[:, :48], np.s_[:48], np.s_[:]],
    ids=[
        "columns",
        "rows",
        "last rows",
        "half",
        "columns but a quarter",
        "rows but a quarter",
        "all",
    ],
)
def test_an_amplifier_that_reads_one_value_has_no_noise(tmp_path, noise, part):
    """NIRCam's are columns, NIRISS's rows; in a whole image all quarters have the same noise."""
    whole, dead = tmp_path / "x_rate.fits", tmp_path / "y_rate.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(noise, name="SCI")]).writeto(whole)
    noise[part] = 10
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(noise, name="SCI")]).writeto(dead)

    assert file_quantities(whole)["noise_balance"] == pytest.approx(1, abs=0.15)
    assert file_quantities(dead)["noise_balance"] == 0


def test_an_amplifier_is_noticed_in_the_sampled_rows_of_many_integrations(tmp_path):
    """Rows are counted from the start of each integration."""
    cube = np.random.default_rng(5).normal(0, 1, (5, 512, 1024)).astype("f4")
    whole, dead = tmp_path / "x_rateints.fits", tmp_path / "y_rateints.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(cube, name="SCI")]).writeto(whole)
    cube[:, 128:256] = 10
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(cube, name="SCI")]).writeto(dead)

    assert file_quantities(whole)["noise_balance"] == pytest.approx(1, abs=0.1)
    assert file_quantities(dead)["noise_balance"] == 0


def test_a_resampled_image_is_judged_where_it_has_data(tmp_path, noise):
    """Its empty corner is not missing; a hole is, and a NaN under a weight."""
    weight = np.ones((SIZE, SIZE), "f4")
    weight[:, :16] = 0  # corner
    weight[32, 40:44] = 0  # hole
    noise[weight == 0] = np.nan
    noise[0, 63] = np.nan
    path = tmp_path / "x_i2d.fits"
    images = (fits.ImageHDU(noise, name="SCI"), fits.ImageHDU(weight, name="WHT"))
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)

    measured = file_quantities(path)

    covered = SIZE * 48 - 4
    assert measured["covered"] == pytest.approx(covered / SIZE**2, rel=1e-5)
    assert measured["holes"] == pytest.approx(4 / covered, rel=1e-5)
    assert measured["nan"] == pytest.approx(1 / covered, rel=1e-5)


def test_flags_of_a_ramp_are_those_of_its_groups(tmp_path):
    """A jump in one group of four is a quarter."""
    groups = np.zeros((2, 4, 8, 8), "u1")
    groups[:, 2] = dqflags.group["JUMP_DET"]
    path = tmp_path / "x_ramp.fits"
    with datamodels.RampModel(data=np.ones((2, 4, 8, 8), "f4"), groupdq=groups) as model:
        model.save(path)

    assert file_quantities(path)["jumps"] == 0.25


def test_flags_of_all_integrations_count_for_each(tmp_path):
    """As in a guide star's product, which has one DQ for all its images."""
    dq = np.zeros((8, 8), "u4")
    dq[0] = FLAG["DO_NOT_USE"]
    path = tmp_path / "x_cal.fits"
    images = (fits.ImageHDU(np.ones((3, 8, 8), "f4"), name="SCI"), fits.ImageHDU(dq, name="DQ"))
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)

    assert file_quantities(path)["do_not_use"] == 0.125


def test_all_slits_of_a_file_are_measured(tmp_path):
    """Each with the flags of its number."""
    path = tmp_path / "x_cal.fits"
    with datamodels.MultiSlitModel() as model:
        for level, flag in ((1.0, 0), (3.0, FLAG["DO_NOT_USE"]), (2.0, 0)):
            dq = np.full((4, 8), flag, "u4")
            model.slits.append(datamodels.SlitModel(data=np.full((4, 8), level, "f4"), dq=dq))
        model.save(path)

    measured = file_quantities(path)

    assert measured["pixels"] == 96
    assert measured["do_not_use"] == pytest.approx(1 / 3, rel=1e-5)
    assert measured["median"] == 1.5


def test_spectra_are_measured_as_rows(tmp_path):
    """Of tables with numbers, and of tables with one spectrum in each row."""
    plain, nested = tmp_path / "x_x1d.fits", tmp_path / "x_x1dints.fits"
    flux = np.arange(12.0)
    flux[3] = np.nan
    dq = np.zeros(12, "u4")
    dq[11] = FLAG["DO_NOT_USE"]
    table = Table({"WAVELENGTH": np.arange(12.0), "FLUX": flux, "DQ": dq})
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table, name="EXTRACT1D")]).writeto(plain)
    rows = Table({name: table[name].reshape(2, 6) for name in table.colnames})
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(rows, name="EXTRACT1D")]).writeto(nested)

    of_plain, of_nested = file_quantities(plain), file_quantities(nested)

    assert of_plain["rows"] == of_nested["rows"] == 12
    assert of_plain["nan"] == of_nested["nan"] == pytest.approx(1 / 12, rel=1e-5)
    assert of_plain["usable"] == pytest.approx(10 / 12, rel=1e-5)
    assert of_plain["median"] == of_nested["median"] == np.nanmedian(flux[:11])


def test_members_are_counted_against_the_dither_pattern(tmp_path):
    """Two of four planned positions: two are missing."""
    members = Table({"FILENAME": ["a", "b"], "PATT_NUM": [1, 3], "NUMDTHPT": ["4", "4"]})
    path = tmp_path / "x_i2d.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(members, name="HDRTAB")]).writeto(path)

    assert file_quantities(path) == {"members": 2, "missing_members": 2}


def test_the_rows_of_a_catalogue_are_its_sources(tmp_path):
    """Also if there is none."""
    full, empty = tmp_path / "x_cat.ecsv", tmp_path / "y_cat.ecsv"
    Table({"label": [1, 2, 3]}).write(full, format="ascii.ecsv")
    Table({"label": [1, 2, 3]})[:0].write(empty, format="ascii.ecsv")

    assert (file_quantities(full), file_quantities(empty)) == ({"rows": 3}, {"rows": 0})


def test_an_image_without_a_usable_pixel_has_no_level(tmp_path):
    """Its fractions say that it is empty."""
    path = tmp_path / "x_rate.fits"
    image = fits.ImageHDU(np.full((8, 8), np.nan, "f4"), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)

    assert file_quantities(path) == {"pixels": 64, "nan": 1, "usable": 0}


@pytest.mark.parametrize("content", [b"", b"SIMPLE  =", b"no FITS at all" * 500])
def test_what_cannot_be_read_has_no_quantities(tmp_path, content):
    """The result is stored all the same."""
    path = tmp_path / "x_cal.fits"
    path.write_bytes(content)

    assert file_quantities(path) == {}


def test_a_large_cube_is_sampled_alike_each_time(tmp_path, noise, monkeypatch):
    """Every n-th row of all planes; level and fractions stay near those of all pixels."""
    cube = np.stack([noise + plane for plane in range(10)])
    cube[4] = np.nan
    path = tmp_path / "x_rateints.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(cube, name="SCI")]).writeto(path)
    whole = file_quantities(path)
    monkeypatch.setattr("jwmirror.pipeline.measure.images.SAMPLE", SIZE * 60)

    sampled, again = file_quantities(path), file_quantities(path)

    assert sampled == again != whole
    assert sampled["pixels"] == whole["pixels"]
    assert sampled["nan"] == pytest.approx(0.1, abs=0.02)
    assert sampled["median"] == pytest.approx(whole["median"], rel=0.02)


def test_rows_are_read_in_odd_steps_through_all_planes(tmp_path):
    """Even and odd rows alike, and the flags of one plane belong to each."""
    cube = np.arange(5 * 7 * 2).reshape(5, 7, 2)
    path = tmp_path / "x.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(cube), fits.ImageHDU(cube[0])]).writeto(path)

    with fits.open(path) as (_, image, plane):
        step = arrays.row_step(image.shape, limit=36)
        rows, repeated = arrays.read_rows(image, step), arrays.rows_like(plane, image.shape, step)

    assert step == 3
    np.testing.assert_array_equal(rows, cube.reshape(-1, 2)[::3])
    np.testing.assert_array_equal(repeated, np.tile(cube[0], (5, 1))[::3])


def test_of_many_spectra_every_nth_is_read(tmp_path, monkeypatch):
    """The number of values is that of all."""
    table = Table({"FLUX": np.arange(1000.0).reshape(100, 10), "DQ": np.zeros((100, 10), "u4")})
    path = tmp_path / "x_x1dints.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table, name="EXTRACT1D")]).writeto(path)
    monkeypatch.setattr(arrays.row_step, "__defaults__", (100,))

    measured = file_quantities(path)

    assert measured["rows"] == 1000
    assert measured["median"] == np.median(np.arange(1000).reshape(100, 10)[::11])

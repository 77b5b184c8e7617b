"""Comparisons of the products of each observing mode: each has a figure, or is counted.

Names and layouts are those that jwst writes: slits in HDUs of one file, sources or integrations in
rows of one table, cubes of channels, integrations of a coronagraph.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from jwmirror.compare.pictures import FileRow, draw, pairs
from jwmirror.services.site.differences import DifferingFile
from jwmirror.services.site.pictures import SitePictures, planned_pairs
from jwmirror.store.rows.differences import CHANGED


def images(
    *shape: int, slits: int = 1, header: dict | None = None
) -> Callable[[Path, float], None]:
    """A writer of a file with images of science, errors and flags; each slit has its own size."""

    def write(path: Path, level: float) -> None:
        hdus = [fits.PrimaryHDU()]
        for slit in range(1, slits + 1):
            size = (*shape[:-1], shape[-1] + 3 * slit) if slits > 1 else shape
            pixels = np.full(size, level, "f4") + np.arange(size[-1], dtype="f4") / 10
            sci = fits.ImageHDU(pixels, name="SCI", ver=slit)
            sci.header.update({"BUNIT": "MJy/sr", "SLTNAME": f"slit {slit}", **(header or {})})
            errors = fits.ImageHDU(np.full(size, 0.5, "f4"), name="ERR", ver=slit)
            flags = fits.ImageHDU(np.zeros(size, "u4"), name="DQ", ver=slit)
            hdus += [sci, errors, flags]
        fits.HDUList(hdus).writeto(path, overwrite=True)

    return write


def spectra(tables: int, rows: int = 0, name: str = "EXTRACT1D", **cards: object) -> Callable:
    """A writer of tables of spectra: one each, or one in each row (of a source if `sources`)."""
    is_of_sources = bool(cards.pop("sources", False))

    def write(path: Path, level: float) -> None:
        hdus = [fits.PrimaryHDU()]
        for number in range(1, tables + 1):
            waves = np.linspace(1, 2 + number, 40)
            if rows:
                waves = np.tile(waves, (rows, 1))
            form = f"{waves.shape[-1]}D" if rows else "D"
            error = "ERROR" if name == "COMBINE1D" else "FLUX_ERROR"
            columns = [
                fits.Column("WAVELENGTH", form, unit="um", array=waves),
                fits.Column("FLUX", form, unit="Jy", array=waves * level),
                fits.Column(error, form, unit="Jy", array=np.full_like(waves, 0.5)),
            ]
            if rows:
                key = "SOURCE_ID" if is_of_sources else "INT_NUM"
                columns.append(fits.Column(key, "J", array=np.arange(1, rows + 1)))
            table = fits.BinTableHDU.from_columns(columns, name=name, ver=number)
            table.header.update({"SPORDER": number, **cards})
            hdus.append(table)
        fits.HDUList(hdus).writeto(path, overwrite=True)

    return write


def light_curve(path: Path, level: float) -> None:
    """Write the light curves of two orders."""
    times = np.linspace(59_800, 59_800.2, 30)
    fluxes = {f"whitelight_flux_order_{n}": times - 59_800 + level * n for n in (1, 2)}
    Table({"int_mid_BJD_TDB": times, **fluxes}).write(path, format="ascii.ecsv", overwrite=True)


PLANE = {"CTYPE3": "WAVE", "CUNIT3": "um", "CRVAL3": 5.0, "CDELT3": 0.1, "CRPIX3": 1}
MODES = {
    "MRS cube": (
        "jw01523-o003_t001_miri_ch1-shortmediumlong_s3d.fits",
        images(9, 20, 22, header=PLANE),
    ),
    "MRS spectrum": ("jw01523-o003_t001_miri_ch4-short_x1d.fits", spectra(1)),
    "MRS exposure": ("jw01523003001_03102_00001_mirifushort_cal.fits", images(40, 44)),
    "MOS exposure": ("jw02674004001_03101_00001_nrs1_cal.fits", images(12, 60, slits=5)),
    "MOS exposure, rectified": ("jw02674004001_03101_00001_nrs1_s2d.fits", images(12, 60, slits=5)),
    "MOS source": ("jw02674-o004_s000000023_nirspec_f290lp-g395m_x1d.fits", spectra(1)),
    "MOS source, rectified": (
        "jw02674-o004_s000000023_nirspec_f290lp-g395m_s2d.fits",
        images(14, 70),
    ),
    "fixed slits": (
        "jw01128-o002_t001_nirspec_f100lp-g140h-s200a1_s2d.fits",
        images(12, 60, slits=3),
    ),
    "TSO segment": ("jw01366002001_04101_00001-seg001_nis_calints.fits", images(4, 16, 60)),
    "TSO rates": ("jw01366002001_04101_00001-seg001_nrs1_rateints.fits", images(5, 16, 60)),
    "TSO spectra": (
        "jw01366-o002_t001_nirspec_clear-prism-s1600a1_x1dints.fits",
        spectra(1, rows=5),
    ),
    "TSO curve": ("jw01366-o002_t001_nirspec_clear-prism-s1600a1_whtlt.ecsv", light_curve),
    "SOSS spectra": (
        "jw01366-o001_t001_niriss_clear-gr700xd-substrip256_x1dints.fits",
        spectra(3, rows=4),
    ),
    "SOSS curve": ("jw01366-o001_t001_niriss_clear-gr700xd-substrip256_whtlt.ecsv", light_curve),
    "WFSS exposure": ("jw01571002001_02101_00001_nis_cal.fits", images(10, 30, slits=20)),
    "WFSS spectra": ("jw01571002001_02101_00001_nis_x1d.fits", spectra(2, rows=6, sources=True)),
    "WFSS combined": (
        "jw01571-o002_t001_niriss_f115w-gr150c_c1d.fits",
        spectra(1, rows=6, name="COMBINE1D", sources=True),
    ),
    "coronagraph, subtracted": (
        "jw01386-c1001_t001_nircam_f356w-maskrnd_psfsub.fits",
        images(4, 32, 32),
    ),
    "coronagraph, combined": (
        "jw01386-c1001_t001_nircam_f356w-maskrnd-sub320a335r_i2d.fits",
        images(32, 32),
    ),
    "coronagraph, exposure": ("jw01386001001_0310a_00001_nrcalong_calints.fits", images(4, 32, 32)),
}


@pytest.mark.parametrize("mode", MODES)
def test_each_product_of_each_mode_has_a_figure(mode, tmp_path):
    """It is a pair, its figure has bytes, and the change is in words."""
    filename, write = MODES[mode]
    write(tmp_path / "old", 1.0)
    write(tmp_path / "new", 1.5)
    row = FileRow(f"recalibrated/deep/jw01345/o001/{filename}", "deep", "new", "")
    (pair,) = pairs([row], [FileRow(row.path, "deep", "old", "")])

    one = draw(pair, lambda sha256: tmp_path / sha256, tmp_path / "pictures")

    files = [tmp_path / "pictures" / one.name / panel.file for panel in one.panels]
    assert files and all(file.stat().st_size > 200 for file in files), one.notes
    assert one.fraction == pytest.approx(1.0) and "changed, by" in one.summary


def test_kinds_without_pictures_are_counted():
    """A generation says which of its changed products it does not compare."""
    names = ("psfalign", "crfints", "crfints", "cal")
    files = [
        DifferingFile(
            kind=CHANGED,
            path=f"recalibrated/deep/jw01345/o001/jw01386001001_0310{n}_00001_nrcalong_{name}.fits",
            origin="deep",
            old=f"a{n}",
            new=f"b{n}",
            is_other_science=True,
        )
        for n, name in enumerate(names)
    ]

    words = SitePictures(planned=planned_pairs([], {2: files}), drawn={}).waiting_of_generation(2)

    assert words == (
        "1 comparison not drawn yet: `jwmirror site` draws them; 3 changed files of kinds without "
        "pictures (crfints, psfalign): `jwmirror diff` compares them"
    )

"""The true value of each mode, the product that shows it, and how near it must be."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from jwmirror_simulator.modes.mode import Mode, write_truth
from jwmirror_simulator.modes.scenes import (
    coronagraph,
    dark,
    grism,
    imager,
    interferometer,
    slices,
    slit,
    transit,
)
from jwmirror_simulator.telescope.photometry import compare

FLUX = "flux of a star"


@dataclass(frozen=True, kw_only=True)
class TruthCheck:
    """One measurement of a product whose true value the telescope knows."""

    mode: Mode
    name: str  # in the docs
    pipelines: str
    product: str  # glob pattern in the program's folder of recalibrated files
    quantity: str
    measure: Callable[[Path], float]
    true: float = 1.0
    tolerance: float  # of the value
    missing: str = ""  # references whose steps are skipped
    with_gaia: bool = False  # also aligned to Gaia, as plain jwst does it
    exp_type: str = ""  # if the check concerns one of the mode's types

    def holds(self, product: Path) -> bool:
        """Return whether the product has the true value."""
        return self.measure(product) == pytest.approx(self.true, abs=self.tolerance)

    @property
    def exp_types(self) -> str:
        """The exposure types of the mode, or the one of the check."""
        return self.exp_type or ", ".join(
            dict.fromkeys(each.exp_type for each in self.mode.exposures)
        )

    @property
    def precision(self) -> str:
        """The tolerance as the docs have it: 5 %."""
        return f"{100 * self.tolerance / self.true:.0f} %"


def _flux_of_field(mode: Mode, catalogue: Path) -> float:
    """Return measured / true flux; 0 if stars are missing or out of place."""
    with TemporaryDirectory() as folder:
        photometry = compare(catalogue, write_truth(mode, Path(folder) / "truth.ecsv"))
    return photometry.flux_ratio if photometry.good else 0.0


def _mean_current(ramp: Path) -> float:
    return sum(dark.measured_current(ramp)) / 2


_grism_check = partial(
    TruthCheck,
    mode=grism.GRISM_SPECTRA,
    quantity=FLUX,
    measure=grism.measured_source,
    tolerance=0.05,
    missing="apcorr, dark",
)
_mrs_check = partial(
    TruthCheck,
    mode=slices.MRS,
    pipelines="detector1, spec2, spec3",
    quantity=FLUX,
    measure=slices.measured_star,
    tolerance=0.05,
    missing="apcorr, dark, fringe, mrsptcorr, mrsxartcorr",
)
CHECKS = (
    TruthCheck(
        mode=imager.MIRI_IMAGE,
        name="MIRI imaging",
        pipelines="detector1, image2, image3",
        product="o003/*_cat.ecsv",
        quantity="flux and place of 24 stars",
        measure=partial(_flux_of_field, imager.MIRI_IMAGE),
        tolerance=0.02,
        missing="dark, emicorr, lastframe, reset, rscd",
        with_gaia=True,
    ),
    TruthCheck(
        mode=grism.GRISM_SPECTRA,
        name="NIRISS imaging",
        pipelines="detector1, image2, image3",
        product="o010/*_cat.ecsv",
        quantity="flux and place of 7 stars",
        measure=partial(_flux_of_field, grism.GRISM_SPECTRA),
        tolerance=0.02,
        missing="dark",
        with_gaia=True,
        exp_type=grism.IMAGE,
    ),
    TruthCheck(
        mode=transit.TRANSIT,
        name="NIRCam time series",
        pipelines="detector1, image2, tso3",
        product="o001/*_phot.ecsv",
        quantity="depth of a transit",
        measure=transit.measured_dip,
        true=transit.DIP,
        tolerance=0.003,
        missing="dark, tsophot",
    ),
    TruthCheck(
        mode=coronagraph.CORONAGRAPH,
        name="NIRCam coronagraphy, two rolls and a PSF reference",
        pipelines="detector1, image2, coron3",
        product="c1001/*_i2d.fits",
        quantity="flux of a planet",
        measure=coronagraph.measured_planet,
        tolerance=0.1,
        missing="dark",
    ),
    TruthCheck(
        mode=interferometer.INTERFEROMETER,
        name="NIRISS aperture masking",
        pipelines="detector1, image2, ami3",
        product="c1002/*_aminorm-oi.fits",
        quantity="light of a companion",
        measure=interferometer.measured_companion,
        tolerance=0.05,
        missing="dark, photom",
    ),
    TruthCheck(
        mode=slit.SLIT_SPECTRUM,
        name="MIRI slit spectroscopy, two nods",
        pipelines="detector1, spec2, spec3",
        product="o002/*subslit_x1d.fits",
        quantity=FLUX,
        measure=slit.measured_flux,
        tolerance=0.05,
        missing="apcorr, dark, pathloss, psf",
    ),
    _grism_check(
        name="NIRISS grism spectra, each exposure",
        pipelines="detector1, image2, image3, spec2",
        product="o010/*_00003_nis_x1d.fits",
    ),
    _grism_check(
        name="NIRISS grism spectra, combined",
        pipelines="spec3",
        product="o010/*gr150r_x1d.fits",
    ),
    TruthCheck(
        mode=dark.DARK,
        name="NIRCam darks",
        pipelines="dark",
        product="o004/*_dark.fits",
        quantity="dark current",
        measure=_mean_current,
        true=dark.CURRENT,
        tolerance=dark.CURRENT / 100,
    ),
    _mrs_check(name="MIRI MRS, channel 1", product="c1003/*_ch1-short_x1d.fits"),
    _mrs_check(name="MIRI MRS, channel 2", product="c1003/*_ch2-short_x1d.fits"),
)

"""What benchmarks calibrate is what they say it is."""

import pytest
from astropy.io import fits

from jwmirror_simulator.exposure_sets import full_exposure, small_exposures


def test_small_exposures_are_as_many_as_asked(tmp_path):
    """Dithers of one observation, beyond the nine that a pattern announces, of 160 x 160 pixels."""
    inputs = small_exposures(tmp_path, 11)

    assert len({path.name for path in inputs.uncals}) == 11
    assert {fits.getdata(path, "SCI").shape for path in inputs.uncals} == {(1, 5, 160, 160)}
    assert (inputs.crds_root / "mappings" / "jwst" / inputs.context).is_file()


@pytest.mark.slow
def test_full_exposure_is_whole(tmp_path):
    """One exposure of all pixels of a detector, and as many groups as asked."""
    inputs = full_exposure(tmp_path, groups=3)

    (path,) = inputs.uncals
    assert fits.getdata(path, "SCI").shape == (1, 3, 2048, 2048)
    assert fits.getheader(path)["SUBARRAY"] == "FULL"

"""What MAST changed in a file that it reprocessed: found as it arrives, kept, and summed up."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jwmirror.compare.reprocessing import content_change
from jwmirror.core.model import Reason, Selection, write
from jwmirror.services.causes import reprocessing
from jwmirror.store.generations import Generations
from jwmirror_simulator.observatory import Observatory
from tests.setup.calibrated_image import Toy
from tests.setup.runs import Runs


def change(tmp_path: Path, toy: Toy):
    """How the plain toy differs from a changed one."""
    old, new = Toy().write(tmp_path / "old"), toy.write(tmp_path / "new")
    return content_change(old, new, "a_cal.fits")


def test_a_header_that_changed_names_the_references(tmp_path):
    """Its pixels are the same."""
    found = change(tmp_path, Toy().card("CAL_VER", "2.0.1").card("R_FLAT", "crds://flat_2.fits"))

    assert (found.verdict, found.sigma) == ("header only", None)
    flat = Reason("R_FLAT", "crds://jwst_nircam_flat_0001.fits", "crds://flat_2.fits")
    assert found.references == (flat,)


def test_changed_pixels_are_measured_by_their_errors(tmp_path):
    """The median over the pixels that differ; ERR is 0.5 everywhere."""
    toy = Toy()
    toy.hdus["SCI"].data[5:15] += 0.2

    found = change(tmp_path, toy)

    assert (found.verdict, found.references) == ("pixels changed", ())
    assert found.sigma == pytest.approx(0.4, rel=1e-3)


def noisy(tmp_path: Path, name: str, shape: tuple[int, ...], sigma: float) -> Path:
    """Write an image of a gradient and a bright star, with noise."""
    random = np.random.default_rng(7)
    pixels = random.normal(0, sigma, shape) + 3 * np.arange(shape[-1])
    pixels[..., 20:23, 20:23] += 5e4
    if len(shape) == 4:  # a ramp: groups share the noise of the first read
        pixels = np.cumsum(pixels, axis=1) + random.normal(0, 500, (1, 1, *shape[2:]))
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels.astype("f4"), name="SCI")])
    hdus.writeto(tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize("shape", [(64, 64), (40, 64, 64), (2, 5, 64, 64), (1, 1, 64, 64)])
def test_a_rise_of_the_noise_is_measured(shape, tmp_path):
    """Of images, of integrations and of ramps, whose groups have a noise in common."""
    old, new = (noisy(tmp_path, name, shape, sigma) for name, sigma in (("old", 10), ("new", 12.7)))

    found = content_change(old, new, "a_uncal.fits")

    if shape[1] == 1:  # there is one group, and the noise of the first read is most of it
        assert found.noise == pytest.approx(0, abs=0.03)
    else:
        assert found.noise == pytest.approx(0.27, abs=0.03)
        assert str(found).startswith("pixels changed, noise +2")


def test_a_small_change_of_the_noise_is_kept_and_not_named(tmp_path):
    """Other pixels of the same noise; and files with equal pixels have none."""
    toy = Toy()
    toy.hdus["SCI"].data[5:15] += 0.2

    assert abs(change(tmp_path, toy).noise) < 0.05
    assert "noise" not in str(change(tmp_path, toy))
    assert change(tmp_path, Toy().card("CAL_VER", "2.0.1")).noise is None


def test_records_of_earlier_versions_have_no_noise(tmp_path):
    """They are read as before."""
    path = reprocessing._path(tmp_path, "1" * 64, "2" * 64)
    write(path, {"verdict": "pixels changed", "sigma": 0.4, "references": []})

    kept = reprocessing.kept_change(tmp_path, "1" * 64, "2" * 64)

    assert (kept.noise, str(kept)) == (None, "pixels changed by 0.4 sigma (median)")


def test_other_files_have_a_verdict(tmp_path):
    """Pictures differ in their bytes."""
    (tmp_path / "old").write_bytes(b"1")
    (tmp_path / "new").write_bytes(b"2")

    found = content_change(tmp_path / "old", tmp_path / "new", "a.jpg")

    assert found.verdict == "bytes changed"


def test_what_cannot_be_compared_is_taken_and_has_no_record(tmp_path, caplog):
    """A damaged former version stops no download."""
    old, new = "1" * 64, Toy().write(tmp_path / "new")
    path = reprocessing.Objects(tmp_path).path(old)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"SIMPLE")

    reprocessing.keep_change(tmp_path, old, new, "2" * 64, "a_cal.fits")

    assert reprocessing.kept_change(tmp_path, old, "2" * 64) is None
    assert "a_cal.fits: it was not compared with its former version" in caplog.text


@pytest.fixture
def runs(tmp_path, built_observatory, port, process):
    """A served observatory, and a mirror of its rates that is empty."""
    shutil.copytree(built_observatory, tmp_path / "observatory")
    observatory = Observatory.open(tmp_path / "observatory")
    with observatory.serve(port):
        rates = (Selection(program=1345, observations=(1,), products=("rate",)),)
        yield Runs(observatory.archive, tmp_path / "mirror", process, selections=rates)


def brighter(path: Path) -> None:
    """Add a tenth of the error to all pixels."""
    with fits.open(path, mode="update") as hdus:
        hdus["SCI"].data += 0.1 * hdus["ERR"].data


def test_a_generation_sums_up_what_was_reprocessed(runs):
    """One file header only, one with other pixels; a third one is as before."""
    archive = runs.archive
    runs.run(1)
    names = sorted(name for name in archive.filenames() if name.endswith("_rate.fits"))
    first, second = [name for name in names if name.startswith("jw01345001")][:2]
    archive.reprocess(first, archive.path(first), cal_ver="2.0.1", sdp_ver="s")
    archive.reprocess(second, brighter, cal_ver="2.0.1", sdp_ver="s")

    runs.run(2)
    (cause,) = Generations(runs.mirror).current().causes
    unchanged, _, _ = runs.run(3)

    assert (cause.kind, cause.place, cause.files) == ("reprocessed", "jw01345 o001", 2)
    assert cause.content.verdicts == {"header only": 1, "pixels changed": 1}
    assert str(cause).endswith(
        "; 1 of 2 files header only, pixels of 1 of 2 files changed by 0.1 sigma (median) "
        f"({first}, {second})"
    )
    assert not unchanged.is_new

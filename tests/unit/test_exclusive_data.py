"""Exclusive data: how many files, from MAST and made from them, and until when."""

from dataclasses import replace

import pytest

from tests.setup.command_line import answer, run
from tests.setup.mirrors import SmallMirror, image_writer, made_from

SECRET = "jw02345001001_02101_00001_nrcb1"
MOSAIC = "jw02345-o001_t001_nircam_clear-f200w"


@pytest.fixture
def exclusive_mirror(small_mirror) -> SmallMirror:
    """Beside the public files, an exclusive exposure, its rates, and a mosaic of these."""
    mirror = small_mirror
    closed = {"program": 2345, "exclusive": True}
    uncal = f"{SECRET}_uncal.fits"
    mirror.hold(uncal, image_writer(7.0), release_date="2099-05-06T00:00:00", **closed)
    mirror.hold("x_asn.json", image_writer(7.1), **closed)
    made = made_from("detector1", SECRET, uncal, jump={"rejection_threshold": 6.2})
    mirror.make(made, f"{SECRET}_rate.fits", image_writer(7.5))
    combined = made_from("image3", MOSAIC, f"{SECRET}_rate.fits", resample={"pixfrac": 0.5})
    mirror.make(combined, f"{MOSAIC}_i2d.fits", image_writer(7.6))
    mirror.rows = {
        path.replace("deep/jw01345/o001/jw02345", "deep/jw02345/o001/jw02345"): replace(
            row, path=row.path.replace("deep/jw01345/o001/jw02345", "deep/jw02345/o001/jw02345")
        )
        for path, row in mirror.rows.items()
    }
    mirror.publish("more")
    return mirror


def test_status_says_until_when_files_and_their_results_are_exclusive(exclusive_mirror):
    """A result is as exclusive as what it was made from, over two stages; the rest is public."""
    page = " ".join(run("status", "--mirror", exclusive_mirror.root).split())
    found = answer("status", "--mirror", exclusive_mirror.root)["exclusive"]

    assert "1 file of MAST, 2 files made from exclusive data; exclusive until 2099-05-06" in page
    assert "1 file of MAST; exclusive; the release date is not known" in page
    assert [(each["of_mast"], each["recalibrated"], each["release"]) for each in found] == [
        (1, 2, "2099-05-06"),
        (1, 0, ""),
    ]


def test_a_mirror_of_public_data_has_no_such_section(small_mirror):
    """Nothing is exclusive there."""
    assert "Exclusive data" not in run("status", "--mirror", small_mirror.root)


def test_explain_says_that_a_recalibrated_file_is_exclusive(exclusive_mirror):
    """With the day; a result of public data has no such line."""
    at = ("--mirror", exclusive_mirror.root)
    public = next(row for row in exclusive_mirror.rows.values() if row.key)

    page = " ".join(run("explain", f"{MOSAIC}_i2d.fits", *at).split())

    assert "access exclusive until 2099-05-06 (made from exclusive data)" in page
    assert "made from exclusive data" not in run(
        "explain", public.filename, "--recipe", "deep", *at
    )


def test_a_raw_file_that_was_replaced_since_counts_by_its_name(exclusive_mirror):
    """Until the next run, a result is of a version that the generation does not show any more."""
    path = next(path for path in exclusive_mirror.rows if path.endswith(f"{SECRET}_uncal.fits"))
    sha256, size = exclusive_mirror.take(image_writer(9.0))
    row = exclusive_mirror.rows[path]
    exclusive_mirror.rows[path] = replace(row, sha256=sha256, identity=sha256, size=size)
    exclusive_mirror.publish("reprocessed")

    found = answer("status", "--mirror", exclusive_mirror.root)["exclusive"]

    assert [each["recalibrated"] for each in found] == [2, 0]

"""The built observatory: operations really calibrate, and all that it offers fits together."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3
from astropy.io import fits

from jwmirror_simulator.mast.client import products, rows
from jwmirror_simulator.mast.storage.folder import md5_of
from jwmirror_simulator.observatory import DEMO, Observatory
from jwmirror_simulator.telescope.photometry import compare

pytestmark = pytest.mark.slow

EXPOSURE = "jw01345001001_02101_00001_nrcb1"
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"
FIELDS = [("o001", "t001", "F200W"), ("o001", "t001", "F150W"), ("o002", "t002", "F200W")]


@pytest.fixture
def observatory(tmp_path, built_observatory) -> Observatory:
    """A copy of the built observatory, for the test to change."""
    shutil.copytree(built_observatory, tmp_path / "copy")
    return Observatory.open(tmp_path / "copy")


@pytest.mark.parametrize(("observation", "target", "name"), FIELDS)
def test_operations_recover_the_truth(observatory, observation, target, name):
    """Each level-3 catalogue has the stars that are really there, in place and flux."""
    product = f"jw01345-{observation}_{target}_nircam_clear-{name.lower()}-sub160_cat.ecsv"

    measured = compare(observatory.archive.path(product), observatory.truth(observation, name))

    assert measured.good, measured


def test_every_product_of_the_program_is_on_offer(observatory):
    """10 exposures of three files, 13 associations, 3 level-3 products of four files, a pool."""
    names = observatory.archive.filenames()

    endings = ("uncal.fits", "rate.fits", "cal.fits", "asn.json", "i2d.fits", "pool.csv", "i2d.jpg")
    counts = {end: sum(name.endswith(f"_{end}") for name in names) for end in endings}
    assert list(counts.values()) == [10, 10, 10, 13, 3, 1, 3]
    assert len(names) == 10 * 3 + 13 + 3 * 4 + 1


def test_operations_stamp_what_they_make(observatory):
    """Headers carry older versions, an older context and a date that is not today's."""
    for suffix in ("rate", "cal"):
        header = fits.getheader(observatory.archive.path(f"{EXPOSURE}_{suffix}.fits"))
        assert (header["CAL_VER"], header["CRDS_CTX"]) == ("1.20.2", "jwst_0000.pmap")
        assert (header["DATE"], header["SDP_VER"]) == ("2026-01-01T06:00:00.000", "2025_4a")
    header = fits.getheader(observatory.archive.path(f"{MOSAIC}_i2d.fits"))
    assert header["ASNTABLE"] in observatory.archive.filenames()
    assert header["ASNPOOL"] in observatory.archive.filenames()


def test_associations_are_as_jwst_wants_them(observatory):
    """The jwst package loads each, and its members are on offer."""
    from jwst.associations import load_asn

    names = observatory.archive.filenames()
    for name in names:
        if name.endswith("_asn.json"):
            table = load_asn(observatory.archive.path(name).read_text())
            (product,) = table["products"]
            assert {member["expname"] for member in product["members"]} <= set(names)


def test_rows_agree_with_the_files(observatory):
    """Sizes and checksums in the tables are those of the files."""
    archive = observatory.archive
    with archive:
        listed, keywords = products(archive, MOSAIC), rows(archive, program=1345)

    assert len(keywords) == 36
    for row in keywords:
        path = archive.path(row["filename"])
        assert (row["fileSize"], row["checksum"]) == (path.stat().st_size, md5_of(path))
    for name, row in listed.items():
        assert row["size"] == archive.path(name).stat().st_size


def test_a_reprocessed_exposure_can_still_be_calibrated(observatory):
    """Other noise is still the same stars: the header and the level of the ramps stay."""
    name = f"{EXPOSURE}_uncal.fits"
    before = fits.getdata(observatory.archive.path(name), "SCI").astype(float)

    held = observatory.reprocess(name, same_size=True)
    after = fits.getdata(observatory.archive.path(name), "SCI").astype(float)

    difference = after - before
    assert held.size == observatory.archive.path(name).stat().st_size
    assert abs(difference.mean()) < 0.1
    assert 4.5 < difference.std() < 5.5


def test_a_new_context_is_announced_while_served(observatory):
    """The reference server tells of it as soon as it is on disk, whoever put it there."""
    with observatory.serve():
        first = observatory.references.latest

        added = Observatory.open(observatory.root).new_context(detector="NRCB1", filter="F200W")
        call = {"method": "get_default_context", "params": ["jwst", None], "id": 1}
        url = f"{observatory.references_url}/json/get_default_context/1/"
        told = urllib3.request("POST", url, body=json.dumps(call)).json()["result"]

    assert (first, added, told) == ("jwst_0001.pmap", "jwst_0002.pmap", "jwst_0002.pmap")


def test_building_again_gives_the_same_archive(tmp_path):
    """Equal arguments give equal bytes, in all files."""
    observation = DEMO.observations[-1]
    sequence = replace(observation.sequences[0], dithers=2)
    program = replace(DEMO, observations=(replace(observation, sequences=(sequence,)),))

    def sums(folder: str) -> dict[str, str]:
        archive = Observatory.build(tmp_path / folder, program).archive
        return {name: archive.holding(name).md5 for name in archive.filenames()}

    first = sums("first")
    assert len(first) > 10
    assert sums("again") == first


def test_an_observatory_may_hold_real_exposures_only(tmp_path):
    """Without a program there is a context, and what was published."""
    observatory = Observatory.build(tmp_path / "bare", program=None)

    assert observatory.archive.filenames() == []
    assert Observatory.open(Path(tmp_path / "bare")).program is None

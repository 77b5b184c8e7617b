"""The switches of the simulated archive at their worst, many at once: nothing wrong or lost."""

from dataclasses import replace
from pathlib import Path

import pytest

from jwmirror.core.errors import ArchiveError
from jwmirror.core.model import Selection
from jwmirror.core.model.stored import PRESENT
from jwmirror.net.token_socket import serve_token
from jwmirror.services.inspect.status import mirror_status
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from jwmirror.store.runs import read_undecided
from jwmirror_simulator.mast import TOKEN, Archive, Oddities
from jwmirror_simulator.mast.storage import edits
from jwmirror_simulator.mast.toy_files import STAMP, toy_fits, toy_program
from tests.setup.runs import Runs

FIRST, SECOND, THIRD = (f"jw01345001001_02101_0000{n}_nrcb1" for n in (1, 2, 3))
MIRI = "jw01345002001_02101_00001_mirimage"
GUIDER = "jw01345001001_02101_00001_guider1_uncal.fits"
EXCLUSIVE = "jw01345003001_02101_00001_nrcb1_cal.fits"
MOSAIC = "jw01345-o001_t001_nircam_clear-f200w-sub160"
IMAGE2 = f"jw01345-o001_{STAMP}_image2_00001_asn.json"
LATER = "20260401t000000"

ODD = Oddities(
    keyword_rows="highest",
    two_rows="old first",
    own_obsids=True,
    absent_columns=("sdp_ver", "texptime"),
    unknown_column="ERROR",
    odd_cells={
        "calib_level": "N/A",
        "fileSize": "N/A",
        "isStale": "N/A",
        "pupil": "null",
        "publicReleaseDate_mjd": float("nan"),
        "publicReleaseDate": "/Date(1700000000000+0000)/",
        "subarray": -1,
    },
    dates="zoned",
    page_limit=9,
    group_limit=1,
    group_failure="ERROR",
    polls=1,
    etag="random",
    last_modified=False,
    length="none",
    ranges=501,
    heads=False,
    withheld=403,
    token="refused",
    trickle=500_000.0,
)


@pytest.fixture
def runs(tmp_path, port, process):
    """An archive of three instruments with one exclusive file, and an empty mirror."""
    folder = tmp_path / "toys"
    folder.mkdir()
    miri = {"INSTRUME": "MIRI", "DETECTOR": "MIRIMAGE", "FILTER": "F770W", "OBSERVTN": "002"}
    with Archive(tmp_path / "archive", port) as archive:
        toy_program(archive, folder, dithers=3)
        archive.publish(*(toy_fits(folder, f"{MIRI}_{s}.fits", **miri) for s in ("uncal", "rate")))
        archive.publish(toy_fits(folder, GUIDER, INSTRUME="FGS", DETECTOR="GUIDER1"))
        archive.publish(toy_fits(folder, EXCLUSIVE, OBSERVTN="003"))
        archive.restrict(EXCLUSIVE)
        selections = (Selection(program=1345),)
        yield Runs(archive, tmp_path / "mirror", process, serve_token(TOKEN), selections)


def published(mirror: Path) -> dict[str, bytes]:
    """Return the bytes of each file that the current generation shows, and that MAST lists."""
    objects = Objects(mirror)
    return {
        entry.filename: objects.path(entry.sha256).read_bytes()
        for entry in Generations(mirror).entries()
        if entry.state == PRESENT
    }


def present(archive: Archive) -> dict[str, bytes]:
    """Return the bytes of each public file of the archive."""
    names = set(archive.filenames()) - {EXCLUSIVE}
    return {name: archive.path(name).read_bytes() for name in names}


def reprocess(archive: Archive) -> set[str]:
    """Reprocess files in all ways that there are; return those that nothing shows."""
    for suffix in ("uncal", "rate", "cal"):  # the row of the cal file shows it for all
        archive.reprocess(f"{FIRST}_{suffix}.fits", edits.same_size)
    archive.reprocess(f"{SECOND}_rate.fits", edits.same_size)  # no row, no new size, no sibling
    archive.reprocess(f"{THIRD}_rate.fits", edits.same_size, cal_ver="1.21.0")
    archive.reprocess(f"{THIRD}_uncal.fits", edits.larger)
    archive.reprocess(f"{MOSAIC}_i2d.fits", edits.same_size)
    archive.reprocess(f"{MOSAIC}_cat.ecsv", edits.same_size)
    archive.restamp(IMAGE2, LATER)
    return {f"{SECOND}_rate.fits"}


def test_reprocessing_is_noticed_among_odd_answers(runs):
    """What nothing shows is undecided until its bytes are read; all else is new at once."""
    runs.archive.oddities = ODD
    _, _, first = runs.run(1)
    before, former_truth = published(runs.mirror), present(runs.archive)
    silent = reprocess(runs.archive)

    runs.archive.oddities = replace(ODD, two_rows="new first", etag="replicas")
    _, _, conclusion = runs.run(2)
    after = published(runs.mirror)
    _, _, unchanged = runs.run(3)

    unchanged_files = published(runs.mirror)
    undecided = {uri.rpartition("/")[2] for uri in read_undecided(runs.mirror)}
    status = mirror_status(runs.mirror, None)
    runs.recheck = 1_000_000
    runs.run(4)

    truth = present(runs.archive)
    assert before == former_truth
    assert after == truth | {name: before[name] for name in silent}
    assert silent <= undecided
    assert status.undecided.files == len(undecided)
    assert (first.error, conclusion.error) == ("", "")
    assert "is unchanged" in unchanged.summary
    assert unchanged_files == after
    assert published(runs.mirror) == truth


def test_what_is_missing_keeps_its_former_state(runs):
    """Of tables that are unknown, cut or a page of maintenance nothing is taken or lost."""
    runs.archive.oddities = replace(ODD, etag="none")
    runs.run(1)
    first = published(runs.mirror)
    for name in (f"{MIRI}_rate.fits", f"{FIRST}_cal.fits"):
        runs.archive.reprocess(name, edits.same_size)
    truth = present(runs.archive)

    runs.archive.oddities = replace(ODD, absent_tables=("Miri",))
    _, _, without_table = runs.run(2)
    partly = published(runs.mirror)
    runs.archive.oddities = replace(ODD, page_limit=5, cut_at_page=True)
    with pytest.raises(ArchiveError, match="may have been cut off"):
        runs.run(3)
    runs.archive.oddities = replace(ODD, maintenance=("portal",))
    with pytest.raises(ArchiveError, match="maintenance"):
        runs.run(4)
    at_the_worst = published(runs.mirror)
    runs.archive.oddities = ODD
    _, _, whole = runs.run(5)

    assert partly == truth | {f"{MIRI}_rate.fits": first[f"{MIRI}_rate.fits"]}
    assert at_the_worst == partly
    assert "program 1345, MIRI" in without_table.error
    assert published(runs.mirror) == truth
    assert whole.error == ""

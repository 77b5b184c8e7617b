"""A small archive of toy files for runs under the switches of the simulated MAST."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from jwmirror.core.model import Selection
from jwmirror.core.model.stored import PRESENT
from jwmirror.net.token_socket import serve_token
from jwmirror.store.generations import Generations
from jwmirror.store.objects import Objects
from jwmirror_simulator.mast import TOKEN, Archive
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


@contextmanager
def runs_on_toys(root: Path, port: int, process: ProcessPoolExecutor) -> Iterator[Runs]:
    """Serve an archive of three instruments with one exclusive file; yield runs on a new mirror."""
    folder = root / "toys"
    folder.mkdir()
    miri = {"INSTRUME": "MIRI", "DETECTOR": "MIRIMAGE", "FILTER": "F770W", "OBSERVTN": "002"}
    with Archive(root / "archive", port) as archive:
        toy_program(archive, folder, dithers=3)
        archive.publish(*(toy_fits(folder, f"{MIRI}_{s}.fits", **miri) for s in ("uncal", "rate")))
        archive.publish(toy_fits(folder, GUIDER, INSTRUME="FGS", DETECTOR="GUIDER1"))
        archive.publish(toy_fits(folder, EXCLUSIVE, OBSERVTN="003"))
        archive.restrict(EXCLUSIVE)
        selections = (Selection(program=1345),)
        yield Runs(archive, root / "mirror", process, serve_token(TOKEN), selections)


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

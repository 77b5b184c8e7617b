"""An exposure that jwst can calibrate, with its image2 association, for the second archive."""

import io
from collections.abc import Iterable
from pathlib import Path

from astropy.io import fits

from tests.setup.second_archive import ArchivedFile, Observation, Row, SecondArchive
from tests.setup.second_programs import EXPOSURES

REPROCESSED = "2026-07-02T22:16:43.890"
KEYWORDS = ("detector", "filter", "pupil", "channel", "module", "subarray", "readpatt", "crds_ctx")


def exposure_archive(paths: Iterable[Path]) -> SecondArchive:
    """Return an archive of the files of one exposure, with a row for its cal file only."""
    archive = SecondArchive()
    for path in paths:
        archive.add(_archived(path))
    (stem,) = {name.rpartition("_")[0] for name in archive.files if name.endswith("_cal.fits")}
    observation = Observation(
        90_000_001, f"{stem}_cal", 1345, "NIRCAM/IMAGE", "image", list(archive.files)
    )
    archive.observations = [observation]
    return archive


def _archived(path: Path) -> ArchivedFile:
    """Return a file with the keywords of its header."""
    data, name = path.read_bytes(), path.name
    if path.suffix != ".fits":
        return ArchivedFile(name, data, "", 2, "2026-01-01T06:00:00.000", "1.20.2", {}, {})
    header = fits.getheader(path)
    numbers = {"program": 1345, "observtn": "2", "visit": "1", "visit_id": "01345002001"}
    keywords: Row = EXPOSURES["NIRCAM"] | numbers
    keywords |= {name: header.get(name[:8].upper()) for name in KEYWORDS}
    keywords |= {"sdp_ver": header["SDP_VER"], "asntable": header.get("ASNTABLE")}
    level = 1 if name.endswith("_uncal.fits") else 2
    version = header.get("CAL_VER") or "1.20.2"
    row = keywords if name.endswith("_cal.fits") else {}
    return ArchivedFile(name, data, "NIRCAM", level, header["DATE"], version, keywords, row)


def take_again(archive: SecondArchive) -> None:
    """Replace the FITS files by versions of the same size with other pixels and a later date."""
    for file in archive.files.values():
        if not file.cards:
            continue
        stream, size = io.BytesIO(file.data), len(file.data)
        with fits.open(stream, mode="update", do_not_scale_image_data=True) as hdus:
            hdus[0].header["DATE"] = REPROCESSED
            hdus["SCI"].data += 3
            hdus.flush()
            file.data, file.date = stream.getvalue(), REPROCESSED
        assert len(file.data) == size

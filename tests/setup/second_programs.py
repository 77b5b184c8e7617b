"""Two small programs for the second archive, with real names: NIRCam imaging and the MIRI MRS."""

import io
import json

import numpy as np
from astropy.io import fits

from tests.setup.second_archive import ArchivedFile, Observation, Row, SecondArchive, mjd

IMAGING, MRS = 1538, 1039
MOSAIC = "jw01538-o046_t024_nircam_clear-f444w"
CUBE = "jw01039-o004_t001_miri_ch3-long"
IMAGE = "jw01538046001_03105_00001_nrcalong"
SLICES = "jw01039004001_02101_00001_mirifulong"
IMAGE3 = "jw01538-o046_20230331t102920_image3_00009_asn.json"
SPEC3 = "jw01039-o004_20220702t204540_spec3_001_asn.json"
POOL = "jw01538_20230331t102920_pool.csv"
GUIDE = "jw01039004001_gs-fg_2022127120150_cal.fits"
CATALOGUE = b"# %ECSV 1.0\n# ---\n# datatype:\n# - {name: label, datatype: int64}\nlabel\n1\n"
LARGE = (640, 640)  # 1.6 MB: what is smaller is fetched again as a whole when it is cut
FIRST_DATE = "2023-03-31T22:16:43.890"

EXPOSURES: dict[str, Row] = {
    "NIRCAM": {
        "program": 1538,
        "observtn": "46",
        "visit": "1",
        "visit_id": "01538046001",
        "exp_type": "NRC_IMAGE",
        "detector": "NRCALONG",
        "filter": "F444W",
        "pupil": "CLEAR",
        "channel": "LONG",
        "module": "A",
        "subarray": "FULL",
        "readpatt": "BRIGHT2",
        "expstart": mjd("2022-05-07T12:04:20"),
        "crds_ctx": "jwst_1041.pmap",
        "sdp_ver": "2022_4a",
        "asntable": IMAGE3,
    },
    "MIRI": {
        "program": "01039",
        "observtn": "4",
        "visit": "1",
        "visit_id": "01039004001",
        "exp_type": "MIR_MRS",
        "detector": "MIRIFULONG",
        "filter": None,
        "channel": "34",
        "band": "LONG",
        "subarray": "FULL",
        "readpatt": "FASTR1",
        "expstart": mjd("2022-05-07T12:04:20"),
        "crds_ctx": "jwst_1041.pmap",
        "sdp_ver": "2022_4a",
        "asntable": SPEC3,
    },
}
GUIDE_STAR: Row = {
    "program": 1039,
    "observtn": "4",
    "visit": "1",
    "exp_type": "FGS_FINEGUIDE",
    "detector": "GUIDER1",
    "subarray": "8X8",
    "crds_ctx": "jwst_1041.pmap",
    "sdp_ver": "2022_4a",
    "isJitter": False,
}
DATA_MODELS = {
    "uncal": "Level1bModel",
    "rate": "ImageModel",
    "cal": "ImageModel",
    "i2d": "ImageModel",
    "segm": "SegmentationMapModel",
    "s3d": "IFUCubeModel",
    "x1d": "MultiSpecModel",
}


def fits_bytes(name: str, keywords: Row, date: str, cal_ver: str, pixel: float) -> bytes:
    """Return a FITS file with these keywords, and an image of constant size."""
    primary = fits.PrimaryHDU()
    cards = {name.upper()[:8]: value for name, value in keywords.items() if value is not None}
    cards |= {"PROGRAM": f"{keywords['program']:05}", "OBSERVTN": keywords["observtn"].zfill(3)}
    cards |= {"VISIT": "001", "DATE-OBS": "2022-05-07", "TIME-OBS": "12:04:20.000"}
    cards |= {"TELESCOP": "JWST", "FILENAME": name, "DATE": date, "CAL_VER": cal_ver}
    shape = (1, 2, 8, 8) if "_uncal" in name else LARGE if "_nrcalong_rate" in name else (8, 8)
    cards |= {"NINTS": 1, "NGROUPS": 2, "DATAMODL": DATA_MODELS[name.rpartition("_")[2][:-5]]}
    primary.header.update(cards)
    image = fits.ImageHDU(np.full(shape, pixel, "f4"), name="SCI")
    stream = io.BytesIO()
    fits.HDUList([primary, image]).writeto(stream)
    return stream.getvalue()


def add_fits(
    archive: SecondArchive, name: str, instrument: str, level: int, keywords: Row, has_row: bool
) -> None:
    """Archive a FITS file in its first version."""
    cards = keywords | {"instrume": instrument}
    data = fits_bytes(name, cards, FIRST_DATE, "1.5.3", 1.0)
    row = keywords if has_row else {}
    archive.add(ArchivedFile(name, data, instrument, level, FIRST_DATE, "1.5.3", cards, row))


def association(kind: str, rule: str, program: int, product: str, members: list[str]) -> bytes:
    """Return an association as MAST writes it."""
    content = {
        "asn_type": kind,
        "asn_rule": rule,
        "version_id": "20230331t102920",
        "code_version": "1.8.2",
        "degraded_status": "No known degraded exposures in association.",
        "program": f"{program:05}",
        "constraints": "No constraints",
        "asn_id": "o046" if program == IMAGING else "o004",
        "asn_pool": POOL if program == IMAGING else "jw01039_20220702t204540_pool.csv",
        "target": "024" if program == IMAGING else "001",
        "products": [
            {
                "name": product,
                "members": [
                    {"expname": name, "exptype": "science", "exposerr": "null"} for name in members
                ],
            }
        ],
    }
    return json.dumps(content, indent=4).encode()


def add_text(archive: SecondArchive, name: str, data: bytes, level: int = 3) -> None:
    """Archive a file that is no FITS file; no table of keywords knows it."""
    archive.add(ArchivedFile(name, data, "", level, FIRST_DATE, "1.5.3", {}, {}))


def two_programs() -> SecondArchive:
    """Return an archive of an image with its mosaic, and of an MRS exposure with its cube."""
    archive = SecondArchive()
    for stem, instrument, products in (
        (IMAGE, "NIRCAM", (f"{MOSAIC}_i2d.fits", f"{MOSAIC}_segm.fits")),
        (SLICES, "MIRI", (f"{CUBE}_s3d.fits", f"{CUBE}_x1d.fits")),
    ):
        keywords = EXPOSURES[instrument]
        for level, suffix in ((1, "uncal"), (2, "rate"), (2, "cal")):
            add_fits(archive, f"{stem}_{suffix}.fits", instrument, level, keywords, suffix == "cal")
        for product in products:
            add_fits(archive, product, instrument, 3, keywords, True)
    add_fits(archive, GUIDE, "FGS", 2, GUIDE_STAR, True)
    image3 = association("image3", "Asn_Lv3Image", IMAGING, MOSAIC, [f"{IMAGE}_cal.fits"])
    spec3 = association("spec3", "Asn_Lv3MIRMRS", MRS, CUBE, [f"{SLICES}_cal.fits"])
    add_text(archive, IMAGE3, image3)
    add_text(archive, SPEC3, spec3)
    add_text(archive, POOL, b"DATE-OBS|FILENAME\n2022-05-07|nothing\n", level=1)
    add_text(archive, f"{MOSAIC}_cat.ecsv", CATALOGUE)
    add_text(archive, f"{MOSAIC}_i2d_thumb.jpg", b"\xff\xd8\xff\xe0 a small picture \xff\xd9")
    starts = (IMAGE, SLICES, f"{MOSAIC}_", f"{CUBE}_")
    image, slices, mosaic, cube = (
        [name for name in archive.files if name.startswith(start)] for start in starts
    )
    nircam, mrs = (IMAGING, "NIRCAM/IMAGE", "image"), (MRS, "MIRI/IFU", "cube")
    other = MOSAIC.replace("f444w", "f277w")  # lists the pool a second time
    later = "jw01538-o047_t025_nircam_clear-f444w"
    archive.observations = [
        Observation(87_602_474, MOSAIC, *nircam, [*mosaic, IMAGE3, POOL, *image]),
        Observation(87_602_475, other, *nircam, [POOL]),
        Observation(87_602_476, later, *nircam, [], calib_level=-1),
        Observation(83_209_967, CUBE, *mrs, [*cube, SPEC3, GUIDE, *slices]),
    ]
    return archive


def reprocess(
    archive: SecondArchive, *names: str, cal_ver: str = "1.5.3", pixel: float = 2.0
) -> None:
    """Replace FITS files by later versions of the same name and size, made with new references."""
    date = "2023-07-02T22:16:43.890"
    for name in names:
        file = archive.files[name]
        file.cards = file.cards | {"crds_ctx": "jwst_1097.pmap"}
        file.row = file.row and file.row | {"crds_ctx": "jwst_1097.pmap"}
        before, file.data = file.data, fits_bytes(name, file.cards, date, cal_ver, pixel)
        assert len(before) == len(file.data)
        file.date, file.cal_ver = date, cal_ver


def restamp(archive: SecondArchive, old: str, new: str) -> None:
    """Give an association a new name, as MAST does when it makes the associations again."""
    file = archive.files.pop(old)
    file.name = new
    archive.add(file)
    for observation in archive.observations:
        observation.files = [new if name == old else name for name in observation.files]
    for file in archive.files.values():
        if file.row.get("asntable") == old:
            file.row = file.row | {"asntable": new}

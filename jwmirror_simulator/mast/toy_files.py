"""Small FITS files, associations and pools with real names, for tests without real pixels."""

import json
from pathlib import Path

from jwmirror_simulator.mast.archive import Archive

STAMP = "20260101t000000"
CONTEXT = "jwst_1464.pmap"


def toy_fits(folder: Path, filename: str, *, seed: int = 0, pixels: int = 16, **keywords) -> Path:
    """Write a FITS file with a JWST-like header and `pixels` x `pixels` random numbers."""
    import numpy as np
    from astropy.io import fits

    header = {
        "DATE": "2026-01-01T06:00:00.000",
        "FILENAME": filename,
        "TELESCOP": "JWST",
        "INSTRUME": "NIRCAM",
        "DETECTOR": "NRCB1",
        "MODULE": "B",
        "CHANNEL": "SHORT",
        "FILTER": "F200W",
        "PUPIL": "CLEAR",
        "EXP_TYPE": "NRC_IMAGE",
        "SUBARRAY": "SUB160",
        "PROGRAM": "01345",
        "OBSERVTN": "001",
        "VISIT": "001",
        "PI_NAME": "Leavitt, Henrietta",
        "TARGPROP": "TOY-1",
        "TARG_RA": 80.0,
        "TARG_DEC": -69.5,
        "DATE-OBS": "2025-11-20",
        "TIME-OBS": "00:10:00.000",
        "DATE-BEG": "2025-11-20T00:10:00.000",
        "DATE-END": "2025-11-20T00:10:05.000",
        "SDP_VER": "2025_4a",
        "CAL_VER": "1.20.2",
        "CRDS_CTX": CONTEXT,
    }
    if filename.endswith("_uncal.fits"):
        del header["CAL_VER"], header["CRDS_CTX"]
    header |= {key.upper().replace("__", "-"): value for key, value in keywords.items()}
    data = np.random.default_rng(seed).integers(0, 60000, (pixels, pixels)).astype("u2")
    primary, science = fits.PrimaryHDU(), fits.ImageHDU(data, name="SCI")
    primary.header.update(header)
    path = Path(folder) / filename
    fits.HDUList([primary, science]).writeto(path, overwrite=True)
    return path


def toy_association(
    folder: Path, filename: str, product: str, members: list[str], pool: str = "pool.csv"
) -> Path:
    """Write an association of one product, with the keys of operational ones."""
    kind = filename.split("_")[2]
    table = {
        "asn_type": kind,
        "asn_rule": "candidate_Asn_Lv3Image" if kind.endswith("3") else "Asn_Lv2Image",
        "version_id": filename.split("_")[1],
        "code_version": "1.20.2",
        "degraded_status": "No known degraded exposures in association.",
        "program": filename[2:7],
        "constraints": "No constraints",
        "asn_id": filename[8:].partition("_")[0],
        "asn_pool": pool,
        "target": "001",
        "products": [
            {
                "name": product,
                "members": [
                    {"expname": name, "exptype": "science", "exposerr": "null"} for name in members
                ],
            }
        ],
    }
    path = Path(folder) / filename
    path.write_text(json.dumps(table, indent=4))
    return path


def toy_program(archive: Archive, folder: Path, *, dithers: int = 2) -> list[str]:
    """Publish program 1345, observation 1: F200W dithers and products; return the file names.

    Each exposure has uncal, rate, cal and an image2 association. Then come an image3 association,
    the pool, and i2d, cat and segm.
    """
    roots = [f"jw01345001001_02101_{n:05d}_nrcb1" for n in range(1, dithers + 1)]
    product = "jw01345-o001_t001_nircam_clear-f200w-sub160"
    pool = folder / f"jw01345_{STAMP}_pool.csv"
    pool.write_text("FILENAME|PROGRAM\n" + "".join(f"{root}_uncal.fits|1345\n" for root in roots))
    paths = [pool]
    for n, root in enumerate(roots, 1):
        for seed, suffix in enumerate(("uncal", "rate", "cal")):
            paths.append(toy_fits(folder, f"{root}_{suffix}.fits", seed=10 * n + seed))
        name = f"jw01345-o001_{STAMP}_image2_{n:05d}_asn.json"
        paths.append(toy_association(folder, name, root, [f"{root}_rate.fits"], pool.name))
    name = f"jw01345-o001_{STAMP}_image3_00001_asn.json"
    cals = [f"{root}_cal.fits" for root in roots]
    paths.append(toy_association(folder, name, product, cals, pool.name))
    for suffix in ("i2d", "segm"):
        paths.append(toy_fits(folder, f"{product}_{suffix}.fits", pixels=24, asntable=name))
    catalogue = folder / f"{product}_cat.ecsv"
    catalogue.write_text(
        "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: id, datatype: int64}\nid\n1\n"
    )
    return [held.filename for held in archive.publish(*paths, catalogue)]

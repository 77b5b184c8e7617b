"""Rows of the Portal's observation and product tables (CAOM)."""

from jwmirror_simulator.mast.storage.dates import mjd
from jwmirror_simulator.mast.storage.folder import Holding
from jwmirror_simulator.mast.tables.columns import Row

DESCRIPTIONS = {
    "uncal": "exposure (L1b): Uncalibrated 4D exposure data",
    "rate": "exposure (L2a): 2D count rate averaged over integrations",
    "rateints": "exposure (L2a): 3D count rate per integration",
    "cal": "exposure (L2b): 2D calibrated data averaged over integrations",
    "i2d": "exposure/target (L2b/L3): rectified 2D image",
    "cat": "target (L3): Source catalog",
    "segm": "target (L3): Segmentation map",
    "dark": "exposure (L2a): 4D corrected dark exposure",
    "calints": "exposure (L2b): 3D calibrated data per integration",
    "crf": "exposure (L2c): 2D calibrated data with outliers flagged",
    "crfints": "exposure (L2c): 3D calibrated data with outliers flagged",
    "s2d": "exposure/target (L2b/L3): rectified 2D spectrum",
    "x1d": "exposure/target (L2b/L3): 1D extracted spectrum",
    "phot": "target (L3): photometry of each integration",
    "psfstack": "target (L3): 3D stack of PSF reference images",
    "psfalign": "exposure (L3): PSF reference images aligned with the target",
    "psfsub": "exposure (L3): 3D target images with the PSF subtracted",
    "ami-oi": "exposure (L3): interferometric observables",
    "psf-ami-oi": "exposure (L3): interferometric observables of the PSF reference",
    "aminorm-oi": "target (L3): interferometric observables, normalised",
    "msa": "exposure: NIRSpec shutter configuration",
    "asn": "Association table: lists the inputs of a product",
    "pool": "Association pool: lists the candidates of a program",
}
RECOMMENDED = ("cal", "calints", "i2d", "s2d", "s3d", "x1d", "x1dints", "cat")
SPECTRAL = ("S2D", "S3D", "X1D", "C1D")


def rights(exclusive: bool) -> str:
    """Return CAOM's dataRights."""
    return "EXCLUSIVE_ACCESS" if exclusive else "PUBLIC"


def product_type(holding: Holding) -> str:
    """Return CAOM's productType."""
    name = holding.name
    if name.extension in ("jpg", "png"):
        return "THUMBNAIL" if name.thumb else "PREVIEW"
    if name.kind in ("association", "pool"):
        return "INFO"
    auxiliary = name.kind in ("guide star", "shutters") or name.suffix == "segm"
    return "AUXILIARY" if auxiliary else "SCIENCE"


def subgroup(holding: Holding) -> str:
    """Return CAOM's productSubGroupDescription: the suffix, or the mode of guide stars."""
    name = holding.name
    if name.kind == "guide star":
        return name.group.split("_")[1].upper()
    return name.suffix.upper()


def product_row(
    holding: Holding, obsid: int, parent: int, group: str, head: Row, exclusive: bool
) -> Row:
    """Return a row of Mast.Caom.Products: a file as listed under one parent observation."""
    science = product_type(holding) == "SCIENCE"
    return {
        "obsID": obsid,
        "obs_collection": "JWST",
        "dataproduct_type": head["dataproduct_type"],
        "obs_id": group,
        "description": DESCRIPTIONS.get(holding.name.suffix, holding.name.suffix),
        "type": "D" if holding.name.kind == "product" else "S",
        "dataURI": holding.uri,
        "productType": product_type(holding),
        "productGroupDescription": "Minimum Recommended Products"
        if science and holding.name.suffix in RECOMMENDED
        else None,
        "productSubGroupDescription": subgroup(holding),
        "productDocumentationURL": None,
        "project": "CALJWST",
        "prvversion": holding.keywords.get("CAL_VER", head["provenance"]),
        "proposal_id": str(holding.name.program),
        "productFilename": holding.filename,
        "size": holding.size,
        "parent_obsid": parent,
        "dataRights": rights(exclusive),
        "calib_level": holding.name.level,
        "filters": head["filters"],
    }


def _optics(keywords: dict) -> str | None:
    """Return CAOM's filters: F200W, or F150W2;F162M."""
    parts = [keywords.get(key) for key in ("FILTER", "PUPIL", "GRATING")]
    return ";".join(str(part) for part in parts if part and part != "CLEAR") or None


def _place(keywords: dict, key: str) -> float | None:
    """Return right ascension or declination of the target, or else of the guide star."""
    return next((keywords[k] for k in (f"TARG_{key}", f"GS_{key}") if k in keywords), None)


def _kind(holding: Holding) -> str:
    """Return CAOM's dataproduct_type."""
    if holding.keywords.get("TSOVISIT") is True:
        return "timeseries"
    return "spectrum" if subgroup(holding) in SPECTRAL else "image"


def _instrument(keywords: dict) -> str:
    """Return CAOM's instrument_name: NIRCAM/IMAGE."""
    exp_type = str(keywords.get("EXP_TYPE", ""))
    return f"{keywords.get('INSTRUME', 'UNKNOWN')}/{exp_type.partition('_')[2] or 'UNKNOWN'}"


def observation_row(group: str, obsid: int, files: list[Holding], exclusive: bool) -> Row:
    """Return a row of the observation tables: a group of products, described by its best FITS file.

    `provenance` is not a column: product rows use it where a file has no calibration version.
    """
    best = max(files, key=lambda holding: (bool(holding.keywords), holding.name.level, holding.uri))
    keywords, name = best.keywords, best.name
    begin, end = keywords.get("DATE-BEG"), keywords.get("DATE-END")
    preview = next((file.uri for file in files if product_type(file) == "PREVIEW"), None)
    return {
        "intentType": "calibration" if name.kind == "guide star" else "science",
        "obs_collection": "JWST",
        "provenance_name": "CALJWST",
        "instrument_name": _instrument(keywords),
        "project": "JWST",
        "filters": _optics(keywords),
        "wavelength_region": "Infrared",
        "target_name": keywords.get("TARGPROP"),
        "target_classification": None,
        "obs_id": group,
        "s_ra": _place(keywords, "RA"),
        "s_dec": _place(keywords, "DEC"),
        "dataproduct_type": _kind(best),
        "proposal_pi": keywords.get("PI_NAME"),
        "calib_level": name.level,
        "t_min": mjd(str(begin)) if begin else None,
        "t_max": mjd(str(end)) if end else None,
        "t_exptime": keywords.get("EFFEXPTM"),
        "em_min": None,
        "em_max": None,
        "obs_title": keywords.get("TITLE"),
        "t_obs_release": mjd(best.released),
        "proposal_id": str(name.program),
        "proposal_type": keywords.get("CATEGORY", "GO"),
        "sequence_number": -999,
        "s_region": keywords.get("S_REGION"),
        "jpegURL": preview,
        "dataURL": best.uri,
        "dataRights": rights(exclusive),
        "mtFlag": False,
        "srcDen": None,
        "obsid": obsid,
        "objID": obsid + 400_000_000,
        "provenance": keywords.get("CAL_VER"),
    }

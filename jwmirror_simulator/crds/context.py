"""Build a CRDS context in a folder that is also a complete offline CRDS cache, and add contexts."""

import pprint
from collections.abc import Sequence
from pathlib import Path

import asdf
import numpy as np
from astropy.io import fits
from stdatamodels.jwst.datamodels import FlatModel

from jwmirror_simulator.crds.closure import mappings_of
from jwmirror_simulator.crds.fgs import KEYS as FGS_KEYS
from jwmirror_simulator.crds.fgs import write_fgs
from jwmirror_simulator.crds.mappings import (
    USE_AFTER,
    newest_file,
    next_name,
    write_pmap,
    write_successor,
)
from jwmirror_simulator.crds.nircam import KEYS as NIRCAM_KEYS
from jwmirror_simulator.crds.nircam import write_nircam
from jwmirror_simulator.crds.parameters import KEYS as PARAMETER_KEYS
from jwmirror_simulator.crds.parameters import write_parameters
from jwmirror_simulator.crds.writer import ReferenceWriter

GRADIENT = 0.01  # by which a new flat differs from one side of the detector to the other
NO_SERVER = "https://jwst-serverless.stsci.edu"


def build_context(
    crds_root: Path,
    *,
    detectors: Sequence[str] = ("NRCB1", "NRCA1"),
    subarrays: Sequence[str] = ("SUB160",),
    filters: Sequence[str] = ("F200W", "F150W"),
    fgs: bool = True,
    large_darks: int = 0,
) -> str:
    """Write references and mappings for NIRCam imaging and the FGS guiders; return the pmap's name.

    `crds_root` serves as CRDS_PATH and as the folder that a ReferenceServer offers. Large subarrays
    have no dark by default; with `large_darks`, darks of this number of groups.
    """
    writer = ReferenceWriter(crds_root, "NIRCAM")
    write_nircam(writer, detectors, subarrays, filters, large_darks)
    write_parameters(writer, tuple(filters))
    imaps = {"NIRCAM": writer.write_mappings({**NIRCAM_KEYS, **PARAMETER_KEYS})}
    if fgs:
        guiders = ReferenceWriter(crds_root, "FGS")
        write_fgs(guiders)
        imaps["FGS"] = guiders.write_mappings(FGS_KEYS)
    context = write_pmap(mappings_folder(crds_root), imaps)
    write_config(crds_root, context)
    return context


def add_context(crds_root: Path, *, detector: str, filter_name: str, subarray: str) -> str:
    """Add a context in which one flat differs by 1 % across the detector; return the pmap's name.

    The new rmap, imap and pmap get the next serial numbers; the old files stay.
    """
    old, new = _tilt_flat(crds_root, _rmap(crds_root, "flat"), detector, filter_name, subarray)
    return replace_reference(crds_root, "flat", old, new)


def add_gaia_context(crds_root: Path, instrument: str = "nircam") -> str:
    """Add a context whose parameters align mosaics to Gaia (online); return the pmap's name."""
    folder = crds_root / "references" / "jwst" / instrument
    old = newest_file(folder, f"jwst_{instrument}_pars-tweakregstep_*.asdf")
    new = next_name(old)
    with asdf.open(old, lazy_load=False) as file:
        file["parameters"]["abs_refcat"] = "GAIADR3"
        file.write_to(folder / new)
    return replace_reference(crds_root, "pars-tweakregstep", old.name, new, instrument)


def replace_reference(
    crds_root: Path, kind: str, old: str, new: str, instrument: str = "nircam"
) -> str:
    """Add a context in which a reference replaces one of its type; return the pmap's name.

    The new rmap, imap and pmap get the next serial numbers; the old files stay.
    """
    folder = mappings_folder(crds_root)
    pmap = newest_context(crds_root)
    imap = _child(folder, pmap, f"jwst_{instrument}_", ".imap")
    rmap = _rmap(crds_root, kind, instrument)
    new_rmap = write_successor(folder / rmap, old, new)
    new_imap = write_successor(folder / imap, rmap, new_rmap)
    context = write_successor(folder / pmap, imap, new_imap)
    write_config(crds_root, context)
    return context


def correct_reference(crds_root: Path, name: str, factor: float = 2.0) -> None:
    """Multiply the data of a NIRCam reference in place, under its name; its size stays."""
    with fits.open(crds_root / "references" / "jwst" / "nircam" / name, mode="update") as hdus:
        hdus["SCI"].data *= factor


def _rmap(crds_root: Path, kind: str, instrument: str = "nircam") -> str:
    """Return the rmap of an instrument's reference type in the newest context."""
    folder = mappings_folder(crds_root)
    imap = _child(folder, newest_context(crds_root), f"jwst_{instrument}_", ".imap")
    return _child(folder, imap, f"jwst_{instrument}_{kind}_", ".rmap")


def newest_context(crds_root: Path) -> str:
    """Return the pmap with the highest serial number."""
    return newest_file(mappings_folder(crds_root), "jwst_[0-9]*.pmap").name


def mappings_folder(crds_root: Path) -> Path:
    """Return the folder of pmap, imaps and rmaps."""
    return crds_root / "mappings" / "jwst"


def offline_environment(crds_root: Path, context: str) -> dict[str, str]:
    """Return the environment variables for jwst on this cache, offline, with one context."""
    return {
        "CRDS_PATH": str(crds_root),
        "CRDS_SERVER_URL": NO_SERVER,
        "CRDS_CONTEXT": context,
        "CRDS_READONLY_CACHE": "1",
    }


def _child(folder: Path, parent: str, start: str, end: str) -> str:
    """Return the mapping below another whose name has this start and end."""
    return next(n for n in mappings_of(folder, parent) if n.startswith(start) and n.endswith(end))


def _tilt_flat(
    crds_root: Path, rmap: str, detector: str, filter_name: str, subarray: str
) -> tuple[str, str]:
    """Write a flat that decreases by GRADIENT along the rows; return the old and new file name."""
    folder = crds_root / "references" / "jwst" / "nircam"
    match = (detector, filter_name, "CLEAR", subarray)
    text = (mappings_folder(crds_root) / rmap).read_text()
    if repr(match) not in text:
        raise ValueError(f"{rmap} has no flat for {match}")
    old = text.split(repr(match), 1)[1].split(repr(USE_AFTER), 1)[1].split("'")[1]
    new = next_name(newest_file(folder, "jwst_nircam_flat_*.fits"))
    with FlatModel(folder / old) as flat:
        tilt = 1 + GRADIENT * np.linspace(-0.5, 0.5, flat.data.shape[1], dtype="f4")
        flat.data = flat.data * tilt
        flat.save(folder / new)
    return old, new


def write_config(crds_root: Path, latest: str) -> None:
    """Write the files that an offline CRDS client reads in place of a server's answers."""
    folder = crds_root / "config" / "jwst"
    folder.mkdir(parents=True, exist_ok=True)
    info = {
        "observatory": "jwst",
        "status": "cache",
        "connected": False,
        "latest_context": latest,
        "operational_context": latest,
        "bad_files_list": [],
        "force_remote_mode": False,
        "last_synced": USE_AFTER,
    }
    (folder / "server_config").write_text(pprint.pformat(info))
    (folder / "ref_cache_subdir_mode").write_text("instrument")

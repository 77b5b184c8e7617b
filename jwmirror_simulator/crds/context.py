"""Build and advance a CRDS context under one root, which is also a complete offline CRDS cache."""

import pprint
from collections.abc import Sequence
from pathlib import Path

import asdf
import numpy as np
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
    """Write references and mappings for NIRCam imaging (and the FGS guiders); the pmap's name.

    `crds_root` then serves as CRDS_PATH as it stands, and as what a ReferenceServer offers.
    `large_darks`: groups of the darks of large subarrays, which by default have none.
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
    """Add a context in which just one flat differs (1 % across the detector); the pmap's name.

    New rmap, imap and pmap get the next serials; the old ones stay.
    """
    old, new = _tilt_flat(crds_root, _rmap(crds_root, "flat"), detector, filter_name, subarray)
    return replace_reference(crds_root, "flat", old, new)


def add_gaia_context(crds_root: Path) -> str:
    """Add a context whose parameters align mosaics to Gaia, over the network; the pmap's name."""
    folder = crds_root / "references" / "jwst" / "nircam"
    old = newest_file(folder, "jwst_nircam_pars-tweakregstep_*.asdf")
    new = next_name(old)
    with asdf.open(old, lazy_load=False) as file:
        file["parameters"]["abs_refcat"] = "GAIADR3"
        file.write_to(folder / new)
    return replace_reference(crds_root, "pars-tweakregstep", old.name, new)


def replace_reference(crds_root: Path, kind: str, old: str, new: str) -> str:
    """Add a context in which one NIRCam reference stands for another of its type; the pmap's name.

    New rmap, imap and pmap get the next serials; the old ones stay.
    """
    folder = mappings_folder(crds_root)
    pmap = newest_context(crds_root)
    imap = _child(folder, pmap, "jwst_nircam_", ".imap")
    rmap = _rmap(crds_root, kind)
    new_rmap = write_successor(folder / rmap, old, new)
    new_imap = write_successor(folder / imap, rmap, new_rmap)
    context = write_successor(folder / pmap, imap, new_imap)
    write_config(crds_root, context)
    return context


def _rmap(crds_root: Path, kind: str) -> str:
    """The mapping of a NIRCam reference type in the newest context."""
    folder = mappings_folder(crds_root)
    imap = _child(folder, newest_context(crds_root), "jwst_nircam_", ".imap")
    return _child(folder, imap, f"jwst_nircam_{kind}_", ".rmap")


def newest_context(crds_root: Path) -> str:
    """The pmap of the highest serial under a root."""
    return newest_file(mappings_folder(crds_root), "jwst_[0-9]*.pmap").name


def mappings_folder(crds_root: Path) -> Path:
    """Where pmap, imaps and rmaps lie."""
    return crds_root / "mappings" / "jwst"


def offline_environment(crds_root: Path, context: str) -> dict[str, str]:
    """The environment under which jwst uses `crds_root` with no network, pinned to a context."""
    return {
        "CRDS_PATH": str(crds_root),
        "CRDS_SERVER_URL": NO_SERVER,
        "CRDS_CONTEXT": context,
        "CRDS_READONLY_CACHE": "1",
    }


def _child(folder: Path, parent: str, start: str, end: str) -> str:
    """The mapping below another, by how its name starts and ends."""
    return next(n for n in mappings_of(folder, parent) if n.startswith(start) and n.endswith(end))


def _tilt_flat(
    crds_root: Path, rmap: str, detector: str, filter_name: str, subarray: str
) -> tuple[str, str]:
    """Write a flat that falls off by GRADIENT along the rows; names of the old and the new one."""
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
    """Write what an offline client reads instead of asking a server."""
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

"""Make the archive's products from uncal files with the installed jwst, as operations do.

The parameters differ from the defaults, so that the products of a recipe differ, too. Equal input
gives equal bytes: dates and versions in headers are constants.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jwmirror_simulator.crds.context import newest_context, offline_environment
from jwmirror_simulator.mast.storage.editor import stamp
from jwmirror_simulator.operations.associations import (
    VERSION,
    Association,
    associations_of,
    pool_name,
    pool_text,
)
from jwmirror_simulator.telescope.program import Exposure

PROJECT = Path(__file__).parents[2]
PARAMETERS = {
    "detector1": {"jump": {"rejection_threshold": 4.0}},
    "image2": {"resample": {"skip": True}},
    "image3": {
        "outlier_detection": {"snr": "6.0 5.0"},
        "resample": {"pixfrac": 0.9},
        "source_catalog": {"snr_threshold": 6.0},
    },
}
STAMPS = {
    "date": "2026-01-01T06:00:00.000",
    "cal_ver": VERSION,
    "crds_ctx": "jwst_0000.pmap",
    "sdp_ver": "2025_4a",
}
TIMEOUT = 1800.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Job:
    """Input of the worker process, passed as JSON."""

    folder: str  # to work in; products are left in <folder>/products
    uncals: tuple[str, ...]  # paths
    associations: dict[str, str]  # file name -> text; image2 and image3
    parameters: dict
    stamps: dict[str, str]
    workers: int


class OperationsError(Exception):
    """The operational pipeline failed; the message ends with its last output."""


def calibrate_exposures(
    exposures: tuple[Exposure, ...], uncals: Path, crds_root: Path, folder: Path
) -> list[Path]:
    """Calibrate exposures whose uncal files are in `uncals`; return the paths of all products.

    These are: the uncal files (with SDP_VER set); rate, cal and image2 association of each
    exposure; i2d, cat, segm and a preview of each image3 association; the pool. Takes seconds per
    exposure.
    """
    associations = associations_of(exposures)
    raw = [uncals.resolve() / exposure.filename for exposure in exposures]
    for path in raw:
        stamp(path, {"SDP_VER": STAMPS["sdp_ver"]})
    run(
        Job(
            folder=str(folder.resolve()),
            uncals=tuple(map(str, raw)),
            associations={each.filename: each.text() for each in associations},
            parameters=PARAMETERS,
            stamps=STAMPS,
            workers=os.cpu_count() or 1,
        ),
        crds_root.resolve(),
    )
    products = folder / "products"
    _write_tables(exposures, associations, products)
    return raw + sorted(products.iterdir())


def _write_tables(
    exposures: tuple[Exposure, ...], associations: list[Association], into: Path
) -> None:
    """Write the associations and the pools."""
    for association in associations:
        (into / association.filename).write_text(association.text())
    for program in {exposure.program for exposure in exposures}:
        own = tuple(exposure for exposure in exposures if exposure.program == program)
        (into / pool_name(program)).write_text(pool_text(own))


def run(job: Any, crds_root: Path, worker: str = "jwmirror_simulator.operations.worker") -> None:
    """Do a job in a new process, which imports jwst under the newest context of the root.

    `job` is a record with a `folder`; `worker` is the module that runs.
    """
    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps(asdict(job)))
    environment = {**os.environ, **offline_environment(crds_root, newest_context(crds_root))}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-m", worker, str(folder / "job.json")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    (folder / "worker.log").write_text(done.stdout + done.stderr)
    if done.returncode:
        said = "\n".join(done.stderr.splitlines()[-15:])
        raise OperationsError(f"operations in {folder} failed with {done.returncode}:\n{said}")

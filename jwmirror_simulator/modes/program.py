"""Program 1346: one observation of every mode, calibrated and published."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from jwmirror_simulator.mast.storage.editor import stamp
from jwmirror_simulator.modes.context import build_context
from jwmirror_simulator.modes.mode import PROGRAM, Mode, expose, write_truth
from jwmirror_simulator.modes.pool import pool_text
from jwmirror_simulator.modes.scenes.coronagraph import CORONAGRAPH
from jwmirror_simulator.modes.scenes.dark import DARK
from jwmirror_simulator.modes.scenes.grism import GRISM_SPECTRA
from jwmirror_simulator.modes.scenes.imager import MIRI_IMAGE
from jwmirror_simulator.modes.scenes.interferometer import INTERFEROMETER
from jwmirror_simulator.modes.scenes.slit import SLIT_SPECTRUM
from jwmirror_simulator.modes.scenes.transit import TRANSIT
from jwmirror_simulator.observatory import Observatory
from jwmirror_simulator.operations.associations import pool_name
from jwmirror_simulator.operations.calibration import STAMPS, run
from jwmirror_simulator.telescope.exposures import truth_path

MODES = (
    TRANSIT, SLIT_SPECTRUM, MIRI_IMAGE, DARK, CORONAGRAPH, INTERFEROMETER, GRISM_SPECTRA,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Job:
    """Input of the worker process, passed as JSON."""

    folder: str  # to work in; products are left in <folder>/products
    uncals: tuple[str, ...]  # paths
    pool: str  # path
    stamps: dict[str, str]
    workers: int


def build(root: Path, modes: Iterable[Mode] = MODES) -> Observatory:
    """Build an observatory of some modes: references, exposures, and their products.

    The true values are constants of each mode's module; stars of images also have truth tables.
    This takes a minute or two.
    """
    modes = tuple(modes)
    observatory = Observatory(root)
    build_context(root / "crds", modes)
    with TemporaryDirectory(dir=root, prefix="making.") as folder:
        uncals = [path for mode in modes for path in expose(mode, Path(folder) / "sky")]
        for path in uncals:
            stamp(path, {"SDP_VER": STAMPS["sdp_ver"]})
        pool = Path(folder) / pool_name(PROGRAM)
        pool.write_text(pool_text(exposure for mode in modes for exposure in mode.exposures))
        products = calibrate(uncals, pool, root / "crds", Path(folder) / "operations")
        observatory.archive.publish(*uncals, pool, *products)
    for mode in modes:
        if mode.stars:
            first = mode.exposures[0]
            band = first.pupil or first.filter
            write_truth(mode, truth_path(root, PROGRAM, first.observation, band))
    (root / "program.json").write_text("null")
    return observatory


def calibrate(uncals: list[Path], pool: Path, crds_root: Path, folder: Path) -> list[Path]:
    """Associate and calibrate the exposures of a pool; return paths of all products."""
    job = Job(
        folder=str(folder.resolve()),
        uncals=tuple(str(path.resolve()) for path in uncals),
        pool=str(pool.resolve()),
        stamps=STAMPS,
        workers=os.cpu_count() or 1,
    )
    run(job, crds_root.resolve(), "jwmirror_simulator.modes.worker")
    return sorted((folder / "products").iterdir())

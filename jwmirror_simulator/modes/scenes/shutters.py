"""NRS_MSASPEC: a rate and its shutter configuration. spec2 reads both, but lacks the optics."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from astropy.io import fits
from stdatamodels.jwst.datamodels import ImageModel, MSAModel

from jwmirror_simulator.crds.writer import ReferenceWriter
from jwmirror_simulator.modes.context import build_context
from jwmirror_simulator.modes.exposure import Dither, ModeExposure
from jwmirror_simulator.modes.headers import fill_header
from jwmirror_simulator.modes.instruments.cameras import Camera, Window
from jwmirror_simulator.modes.instruments.references import EXP_TYPE as BY_TYPE
from jwmirror_simulator.modes.mode import PROGRAM, Mode
from jwmirror_simulator.modes.pool import pool_text
from jwmirror_simulator.observatory import Observatory
from jwmirror_simulator.operations.associations import pool_name

EXP_TYPE, FILTER, GRATING = "NRS_MSASPEC", "CLEAR", "PRISM"
NRS1 = Camera(
    instrument="NIRSPEC", detector="NRS1", v2=378.6, v3=-428.4, scale=0.1,
    middle=(32.0, 32.0), axes=(2, 1), readpatt="NRSRAPID",
)  # fmt: skip
WINDOW = Window(name="FULL", columns=64, rows=64, corner=(1, 1), frame_time=10.7)
CONFIGURATION = 1  # MSAMETID
SHUTTERS = "jw01346011001_01_msa.fits"
SLITLETS = (1, 2)
ROW = 365  # shutters of a quadrant in one row
EXPOSURE = ModeExposure(
    program=PROGRAM,
    observation=11,
    number=1,
    camera=NRS1,
    window=WINDOW,
    exp_type=EXP_TYPE,
    filter=FILTER,
    target="FIELD-3",
    template="NIRSpec MultiObject Spectroscopy",
    ra=53.1,
    dec=-27.8,
    dither=Dither("NONE", 1, 1, (0.0, 0.0)),
    cards=(
        ("instrument.grating", GRATING),
        ("instrument.msa_metadata_file", SHUTTERS),
        ("instrument.msa_metadata_id", CONFIGURATION),
    ),
    cells=(("GRATING", GRATING), ("MSAMETFL", SHUTTERS), ("EXPSPCIN", "1")),
)


def write_shutters(path: Path, slitlets: Iterable[int]) -> Path:
    """Write a shutter configuration of slitlets without a source, each of one open shutter."""
    rows = [
        (slitlet, CONFIGURATION, 1, 10 * slitlet, 20, 0, "Y", "OPEN", np.nan, np.nan, 1, "N")
        for slitlet in slitlets
    ]
    shutters = np.array(
        rows,
        dtype=[
            ("slitlet_id", "i2"), ("msa_metadata_id", "i2"), ("shutter_quadrant", "i2"),
            ("shutter_row", "i2"), ("shutter_column", "i2"), ("source_id", "i2"),
            ("background", "S1"), ("shutter_state", "S6"),
            ("estimated_source_in_shutter_x", "f4"), ("estimated_source_in_shutter_y", "f4"),
            ("dither_point_index", "i2"), ("primary_source", "S1"),
        ],
    )  # fmt: skip
    sources = np.array(
        [],
        dtype=[
            ("program", "i4"), ("source_id", "i4"), ("source_name", "S20"), ("alias", "S20"),
            ("ra", "f8"), ("dec", "f8"), ("preimage_id", "S30"), ("stellarity", "f4"),
        ],
    )  # fmt: skip
    tables = [
        fits.BinTableHDU(data, name=name)
        for name, data in (("SHUTTER_INFO", shutters), ("SOURCE_INFO", sources))
    ]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path, overwrite=True)
    return path


def build(root: Path) -> Observatory:
    """Build an observatory with the exposure's rate, its shutter configuration and a pool."""
    observatory = Observatory(root)
    build_context(root / "crds", (MULTI_OBJECT,))
    with TemporaryDirectory(dir=root, prefix="making.") as folder:
        pool = Path(folder) / pool_name(PROGRAM)
        pool.write_text(pool_text(MULTI_OBJECT.exposures))
        shutters = write_shutters(Path(folder) / SHUTTERS, SLITLETS)
        observatory.archive.publish(_write_rate(Path(folder)), shutters, pool)
    (root / "program.json").write_text("null")
    return observatory


def _write_rate(folder: Path) -> Path:
    path = folder / f"{EXPOSURE.root}_rate.fits"
    with ImageModel(np.zeros(WINDOW.shape, "f4")) as model:
        fill_header(model, EXPOSURE)
        model.meta.filename = path.name
        model.save(path)
    return path


def _write_references(writer: ReferenceWriter) -> None:
    """Save the places of the shutters, which spec2 reads before it reads the configuration."""
    number = np.arange(2 * ROW)
    data = np.zeros(len(number), [(name, "f4") for name in ("XC", "YC", "SIZEX", "SIZEY")])
    data["XC"], data["YC"] = 1.0e-4 * (number % ROW), 2.0e-4 * (number // ROW)
    data["SIZEX"], data["SIZEY"] = 0.8e-4, 1.8e-4
    model = MSAModel()
    for quadrant in range(1, 5):
        setattr(model, f"Q{quadrant}", {"data": data})
    model.meta.exposure.type = EXP_TYPE
    writer.put("msa", (EXP_TYPE,), model, ".asdf")


MULTI_OBJECT = Mode(
    name="shutters",
    exposures=(EXPOSURE,),
    light_of=lambda exposure: np.zeros(exposure.window.shape),
    write_references=_write_references,
    keys={"msa": (BY_TYPE,)},
)

"""NRC_TSIMAGE: transit of a planet; the star is 2 % fainter for a third of the time."""

from pathlib import Path

import numpy as np
from astropy.table import QTable
from stdatamodels.jwst.datamodels import NrcImgPhotomModel

from jwmirror_simulator.crds.writer import ReferenceWriter
from jwmirror_simulator.modes.exposure import ModeExposure
from jwmirror_simulator.modes.instruments.cameras import Camera, Window
from jwmirror_simulator.modes.instruments.references import save_photom, write_optics, write_pixels
from jwmirror_simulator.modes.mode import PROGRAM, Mode
from jwmirror_simulator.telescope.detectors import MJSR_PER_DN
from jwmirror_simulator.telescope.ramps import light_of

DIP = 0.02  # of the star's light
SEGMENTS, INTEGRATIONS = 2, 18  # files of the exposure, and integrations in each
IN_TRANSIT = slice(12, 24)  # of all integrations
FILTER, EXP_TYPE = "F200W", "NRC_TSIMAGE"
STAR = 550_000.0  # DN/s
PLACE = (32.3, 31.6)  # column and row of the star, from 0
SKY = 15.0  # DN/s
NRCB1 = Camera(
    instrument="NIRCAM", detector="NRCB1", module="B", channel="SHORT", v2=-120.967, v3=-457.746,
    scale=0.0311, middle=(1023.5, 1023.5), axes=(1, -2),
)  # fmt: skip
SUB64P = Window(name="SUB64P", columns=64, rows=64, corner=(993, 993), frame_time=0.05016)


def _exposure(segment: int) -> ModeExposure:
    return ModeExposure(
        program=PROGRAM,
        observation=1,
        number=1,
        segment=segment,
        camera=NRCB1,
        window=SUB64P,
        exp_type=EXP_TYPE,
        filter=FILTER,
        pupil="CLEAR",
        target="TRANSIT-1",
        template="NIRCam Time Series",
        ra=290.0,
        dec=44.5,
        groups=5,
        integrations=INTEGRATIONS,
        first=(segment - 1) * INTEGRATIONS + 1,
        whole=SEGMENTS * INTEGRATIONS,
        cards=(
            ("visit.tsovisit", True),
            ("wcsinfo.siaf_xref_sci", PLACE[0] + 1.5),  # as planned, from 1: half a pixel off
            ("wcsinfo.siaf_yref_sci", PLACE[1] + 0.6),
        ),
        cells=(("TSOVISIT", "T"),),
    )


def _light_of(exposure: ModeExposure) -> np.ndarray:
    """Return the star's light in each integration, fainter during the transit."""
    column, row = (np.array([pixel]) for pixel in PLACE)
    star = light_of(SUB64P.columns, column, row, np.array([STAR]))
    seen = np.ones(SEGMENTS * INTEGRATIONS)
    seen[IN_TRANSIT] -= DIP
    own = seen[exposure.first - 1 : exposure.first - 1 + exposure.integrations]
    return SKY + own[:, None, None] * star


def _write_references(writer: ReferenceWriter) -> None:
    write_pixels(writer, NRCB1, SUB64P, (FILTER,))
    write_optics(writer, NRCB1, EXP_TYPE, FILTER, "CLEAR")
    save_photom(
        writer, NRCB1, EXP_TYPE, NrcImgPhotomModel,
        filter=FILTER, pupil="CLEAR", photmjsr=MJSR_PER_DN[FILTER], uncertainty=0.01,
    )  # fmt: skip


TRANSIT = Mode(
    name="transit",
    exposures=tuple(map(_exposure, range(1, SEGMENTS + 1))),
    light_of=_light_of,
    write_references=_write_references,
    keys={},
)


def measured_dip(table: Path) -> float:
    """Return the depth of the transit (fraction of the light) from a `_phot.ecsv` of tso3."""
    light = QTable.read(table)["net_aperture_sum"].value
    if len(light) != SEGMENTS * INTEGRATIONS:
        raise AssertionError(f"{table.name}: {len(light)} integrations")
    inside = np.zeros(len(light), bool)
    inside[IN_TRANSIT] = True
    return float(1 - light[inside].mean() / light[~inside].mean())

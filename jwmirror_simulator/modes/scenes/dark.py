"""NRC_DARK: an exposure without light; calibration must keep the dark current."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from jwmirror_simulator.crds.parameters import Step, put_step
from jwmirror_simulator.crds.writer import ReferenceWriter
from jwmirror_simulator.modes.exposure import ModeExposure
from jwmirror_simulator.modes.instruments.cameras import Window
from jwmirror_simulator.modes.instruments.references import EXP_TYPE as BY_TYPE
from jwmirror_simulator.modes.instruments.references import write_pixels
from jwmirror_simulator.modes.mode import PROGRAM, Mode
from jwmirror_simulator.modes.scenes.transit import NRCB1

EXP_TYPE, FILTER = "NRC_DARK", "F200W"
CURRENT = 40.0  # DN/s on average; far more than a real detector's, so that few reads show it
SUB160 = Window(name="SUB160", columns=160, rows=160, corner=(945, 945), frame_time=0.27864)

PIPELINE = Step("jwst.pipeline.calwebb_dark.DarkPipeline", (("suffix", "dark"),))


def _exposure() -> ModeExposure:
    return ModeExposure(
        program=PROGRAM,
        observation=4,
        number=1,
        camera=NRCB1,
        window=SUB160,
        exp_type=EXP_TYPE,
        filter=FILTER,
        pupil="FLAT",
        target="DARK",
        template="NIRCam Dark",
        ra=0.0,
        dec=0.0,
        groups=6,
        integrations=2,
        cards=(("visit.type", "PRIME_UNTARGETED"), ("visit.internal_target", True)),
        cells=(("PUPIL", "FLAT"), ("TARGTYPE", "INTERNAL"), ("VISITYPE", "PRIME_UNTARGETED")),
    )


def _current_of(exposure: ModeExposure) -> np.ndarray:
    """Return DN/s in each pixel: twice as much at the right edge as at the left."""
    across = CURRENT * np.linspace(2 / 3, 4 / 3, SUB160.columns)
    return np.broadcast_to(across, SUB160.shape)


def _write_references(writer: ReferenceWriter) -> None:
    write_pixels(writer, NRCB1, SUB160, (FILTER,))
    put_step(writer, (EXP_TYPE,), PIPELINE)


DARK = Mode(
    name="dark",
    exposures=(_exposure(),),
    light_of=_current_of,
    write_references=_write_references,
    keys={PIPELINE.kind: (BY_TYPE,)},
)


def measured_current(ramp: Path) -> tuple[float, float]:
    """Return the current in DN/s of a `_dark.fits`: in its left and in its right half."""
    data = fits.getdata(ramp, "SCI").astype(float)
    if data.shape[:2] != (2, 6):
        raise AssertionError(f"{ramp.name}: expected 2 integrations of 6 groups, got {data.shape}")
    rate = (data[:, -1] - data[:, 0]) / ((data.shape[1] - 1) * SUB160.frame_time)
    half = SUB160.columns // 2
    return float(rate[..., :half].mean()), float(rate[..., half:].mean())

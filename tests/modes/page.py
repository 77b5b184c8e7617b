"""The table of docs/modes.md."""

import re
from pathlib import Path

from tests.modes.checks import CHECKS, TruthCheck

PAGE = Path(__file__).parents[2] / "docs" / "modes.md"
TABLE = re.compile(r"(<!-- modes: [^\n]*-->\n).*?(<!-- end of modes -->)", re.DOTALL)
HEAD = (
    "mode", "exposure types", "run by the real pipelines", "equal to plain jwst",
    "equal to truth", "skipped, without a reference",
)  # fmt: skip
OTHERS = (  # mode, exposure types, four cells
    (
        "NIRCam imaging", "NRC_IMAGE", "detector1, image2, image3",
        "yes, also with Gaia", "flux of 60 stars within 2 %", "ipc, persat",
    ),
    (
        "FGS acquisition, a flight exposure", "FGS_ACQ1", "guider", "not compared",
        "no truth in flight", "",
    ),
    (
        "NIRSpec MOS", "NRS_MSASPEC",
        "no: spec2 reads the shutter configuration, also an edited one; then it needs camera, "
        "collimator, disperser, fore, fpa, ote, wavelengthrange",
        "no: camera, collimator, disperser, fore, fpa, ote, wavelengthrange",
        "no: also dflat, fflat, sflat, photom", "",
    ),
    (
        "NIRSpec IFU, slits", "NRS_IFU, NRS_FIXEDSLIT",
        *2 * ("no: camera, collimator, disperser, fore, fpa, msa, ote, wavelengthrange",),
        "no: also dflat, fflat, sflat, photom", "",
    ),
    (
        "NIRISS SOSS", "NIS_SOSS",
        *3 * ("no: pastasoss, specprofile, speckernel",), "",
    ),
    (
        "NIRCam grisms", "NRC_WFSS, NRC_TSGRISM",
        *3 * ("no: specwcs, wavelengthrange, photom of NIRCam",), "",
    ),
    (
        "MIRI coronagraphy", "MIR_4QPM, MIR_LYOT",
        *3 * ("no: psfmask, photom of these masks",), "",
    ),
    (
        "MIRI slitless spectroscopy", "MIR_LRS-SLITLESS, MIR_WFSS",
        *3 * ("no: specwcs, photom of these modes",), "",
    ),
)  # fmt: skip


def with_table(page: str) -> str:
    """Return the page with the present table."""
    lines = [_line(*HEAD), "|---" * len(HEAD) + "|"]
    lines += [_row(check) for check in CHECKS]
    lines += [_line(*cells) for cells in OTHERS]
    return TABLE.sub(lambda found: found[1] + "\n".join(lines) + "\n" + found[2], page)


def _row(check: TruthCheck) -> str:
    truth = f"{check.quantity} within {check.precision}"
    equal = "yes, also with Gaia" if check.with_gaia else "yes"
    return _line(check.name, check.exp_types, check.pipelines, equal, truth, check.missing)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"

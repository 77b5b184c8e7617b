"""The association pool of exposures in any mode."""

from collections.abc import Iterable

from jwmirror_simulator.modes.exposure import ModeExposure
from jwmirror_simulator.operations.associations import POOL_COLUMNS

COLUMNS = (
    f"{POOL_COLUMNS}|EXPOSERR|PATTSTRT|SPEC_NUM|SPAT_NUM|EXSEGTOT|BAND|MOSTILNO"
    "|GRATING|MSAMETFL|EXPSPCIN"
)


def pool_text(exposures: Iterable[ModeExposure]) -> str:
    """Return one line per exposure file, with NULL in unused columns."""
    exposures = tuple(exposures)
    names = list(dict.fromkeys(exposure.target for exposure in exposures))
    lines = [COLUMNS]
    for exposure in exposures:
        cells = _cells(exposure, names.index(exposure.target) + 1)
        lines.append("|".join(cells.get(column, "NULL") for column in COLUMNS.split("|")))
    return "\n".join(lines) + "\n"


def _cells(exposure: ModeExposure, target: int) -> dict[str, str]:
    """Return the values of one line by column."""
    candidates = ((f"o{exposure.observation:03d}", "OBSERVATION"), *exposure.candidates)
    dither = exposure.dither
    return {
        "FILENAME": exposure.filename,
        "OBS_ID": f"V{exposure.visit}P0000000002101",
        "PROGRAM": str(exposure.program),
        "OBS_NUM": str(exposure.observation),
        "VISIT": "1",
        "VISIT_ID": exposure.visit,
        "VISITGRP": "02",
        "VISITYPE": "PRIME_TARGETED_FIXED",
        "SEQ_ID": "1",
        "ACT_ID": "01",
        "EXPOSURE": str(exposure.number),
        "EXP_TYPE": exposure.exp_type,
        "NEXPOSUR": "1",
        "EXPCOUNT": "1",
        "INSTRUME": exposure.camera.instrument,
        "DETECTOR": exposure.camera.detector,
        "CHANNEL": exposure.camera.channel or "NULL",
        "TARGETID": str(target),
        "TARGPROP": exposure.target,
        "TARGNAME": exposure.target,
        "TARGTYPE": "FIXED",
        "TEMPLATE": exposure.template,
        "PNTGTYPE": "SCIENCE",
        "PNTG_SEQ": "1",
        "MODULE": exposure.camera.module or "NULL",
        "FILTER": exposure.filter or "NULL",
        "PUPIL": exposure.pupil or "NULL",
        "APERNAME": f"{exposure.camera.detector}_{exposure.window.name}",
        "SUBARRAY": exposure.window.name,
        "ASN_CANDIDATE": str(list(candidates)),
        "BKGDTARG": "F",
        "TSOVISIT": "F",
        "MOSTILNO": "1",
        "NINTS": str(exposure.whole or exposure.integrations),
        "NGROUPS": str(exposure.groups),
        **({"PATT_NUM": str(dither.number), "NUMDTHPT": str(dither.positions)} if dither else {}),
        **dict(exposure.cells),
    }

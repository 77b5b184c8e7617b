"""The pool of some shots, as operations write it for a program."""

from collections.abc import Iterable

from jwmirror_simulator.modes.exposure import Shot
from jwmirror_simulator.operations.associations import POOL_COLUMNS

COLUMNS = f"{POOL_COLUMNS}|EXPOSERR|PATTSTRT|SPEC_NUM|SPAT_NUM|EXSEGTOT"


def pool_text(shots: Iterable[Shot]) -> str:
    """One line per exposure file, NULL where there is nothing to say."""
    shots = tuple(shots)
    names = list(dict.fromkeys(shot.target for shot in shots))
    lines = [COLUMNS]
    for shot in shots:
        cells = _cells(shot, names.index(shot.target) + 1)
        lines.append("|".join(cells.get(column, "NULL") for column in COLUMNS.split("|")))
    return "\n".join(lines) + "\n"


def _cells(shot: Shot, target: int) -> dict[str, str]:
    """What the pool says of one file."""
    candidates = ((f"o{shot.observation:03d}", "OBSERVATION"), *shot.candidates)
    return {
        "FILENAME": shot.filename,
        "OBS_ID": f"V{shot.visit}P0000000002101",
        "PROGRAM": str(shot.program),
        "OBS_NUM": str(shot.observation),
        "VISIT": "1",
        "VISIT_ID": shot.visit,
        "VISITGRP": "02",
        "VISITYPE": "PRIME_TARGETED_FIXED",
        "SEQ_ID": "1",
        "ACT_ID": "01",
        "EXPOSURE": str(shot.number),
        "EXP_TYPE": shot.exp_type,
        "NEXPOSUR": "1",
        "EXPCOUNT": "1",
        "INSTRUME": shot.camera.instrument,
        "DETECTOR": shot.camera.detector,
        "CHANNEL": shot.camera.channel or "NULL",
        "TARGETID": str(target),
        "TARGPROP": shot.target,
        "TARGNAME": shot.target,
        "TARGTYPE": "FIXED",
        "TEMPLATE": shot.template,
        "PNTGTYPE": "SCIENCE",
        "PNTG_SEQ": "1",
        "MODULE": shot.camera.module or "NULL",
        "FILTER": shot.filter,
        "PUPIL": shot.pupil or "NULL",
        "APERNAME": f"{shot.camera.detector}_{shot.window.name}",
        "SUBARRAY": shot.window.name,
        "ASN_CANDIDATE": str(list(candidates)),
        "BKGDTARG": "F",
        "TSOVISIT": "F",
        "NINTS": str(shot.whole or shot.integrations),
        "NGROUPS": str(shot.groups),
        **dict(shot.cells),
    }

"""The associations and the pool of an imaging program, as MAST's operations make them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from jwmirror_simulator.telescope.program import Exposure

STAMP = "20260101t000000"
VERSION = "1.20.2"  # of the software that made them
POOL_COLUMNS = (
    "FILENAME|OBS_ID|PROGRAM|OBS_NUM|VISIT|VISIT_ID|VISITGRP|VISITYPE|SEQ_ID|ACT_ID|EXPOSURE"
    "|EXP_TYPE|NEXPOSUR|EXPCOUNT|INSTRUME|DETECTOR|CHANNEL|TARGETID|TARGPROP|TARGNAME|TARGTYPE"
    "|TEMPLATE|PNTGTYPE|PNTG_SEQ|MODULE|FILTER|PUPIL|DITHERID|PATTTYPE|NUMDTHPT|PATT_NUM|APERNAME"
    "|SUBARRAY|ASN_CANDIDATE|IS_PSF|BKGDTARG|TSOVISIT|OPMODE|LAMP|NINTS|NGROUPS"
)


@dataclass(frozen=True, kw_only=True)
class Association:
    """One association of one product, made of science members only."""

    filename: str
    type: str  # image2, image3
    product: str
    members: tuple[str, ...]  # file names
    program: int
    observation: int
    target: str  # 001

    def text(self) -> str:
        """Return the JSON of its file, as jwst.associations.load_asn reads it."""
        members = [
            {"expname": name, "exptype": "science", "exposerr": "null"} for name in self.members
        ]
        stamp = self.filename.split("_")[1]
        rule = {"image2": "Asn_Lv2Image", "image3": "candidate_Asn_Lv3Image"}[self.type]
        table = {
            "asn_type": self.type,
            "asn_rule": rule,
            "version_id": stamp,
            "code_version": VERSION,
            "degraded_status": "No known degraded exposures in association.",
            "program": f"{self.program:05d}",
            "constraints": "DMSAttrConstraint({'name': 'exp_type', 'sources': ['exp_type']})",
            "asn_id": f"o{self.observation:03d}",
            "asn_pool": pool_name(self.program, stamp),
            "target": self.target,
            "products": [{"name": self.product, "members": members}],
        }
        return json.dumps(table, indent=4)


def pool_name(program: int, stamp: str = STAMP) -> str:
    """Return the file name of a program's pool."""
    return f"jw{program:05d}_{stamp}_pool.csv"


def targets_of(exposures: Iterable[Exposure]) -> dict[str, str]:
    """Return the number of each target in the order of first appearance: 001, 002..."""
    names = dict.fromkeys(exposure.target for exposure in exposures)
    return {name: f"{number:03d}" for number, name in enumerate(names, 1)}


def associations_of(exposures: tuple[Exposure, ...], stamp: str = STAMP) -> list[Association]:
    """Return an image2 per exposure, and an image3 per observation, detector and optics."""
    targets = targets_of(exposures)
    found = []
    for _, group in groupby(exposures, key=lambda exposure: exposure.observation):
        taken = tuple(group)
        for number, exposure in enumerate(taken, 1):
            rate = (f"{exposure.root}_rate.fits",)
            found.append(_association("image2", number, exposure.root, rate, taken, targets, stamp))
        for number, (product, members) in enumerate(_products(taken, targets), 1):
            found.append(_association("image3", number, product, members, taken, targets, stamp))
    return found


def _products(
    taken: tuple[Exposure, ...], targets: dict[str, str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the level-3 products of one observation with their cal files."""
    members: dict[str, list[str]] = {}
    for exposure in taken:
        observation = f"jw{exposure.program:05d}-o{exposure.observation:03d}"
        optics = f"{exposure.pupil}-{exposure.filter}-{exposure.subarray}".removesuffix("-FULL")
        instrument = exposure.instrument.lower()
        product = f"{observation}_t{targets[exposure.target]}_{instrument}_{optics.lower()}"
        members.setdefault(product, []).append(f"{exposure.root}_cal.fits")
    for product, names in members.items():
        yield product, tuple(names)


def _association(kind, number, product, members, taken, targets, stamp) -> Association:
    """Return one association under its operational name."""
    first = taken[0]
    observation = f"jw{first.program:05d}-o{first.observation:03d}"
    return Association(
        filename=f"{observation}_{stamp}_{kind}_{number:05d}_asn.json",
        type=kind,
        product=product,
        members=members,
        program=first.program,
        observation=first.observation,
        target=targets[first.target],
    )


def pool_text(exposures: tuple[Exposure, ...]) -> str:
    """Return the pool of a program: one line per exposure, NULL in unused columns."""
    columns, targets = POOL_COLUMNS.split("|"), targets_of(exposures)
    lines = [POOL_COLUMNS]
    for exposure in exposures:
        cells = _pool_cells(exposure, targets[exposure.target])
        lines.append("|".join(cells.get(column, "NULL") for column in columns))
    return "\n".join(lines) + "\n"


def _pool_cells(exposure: Exposure, target: str) -> dict[str, str]:
    """Return the values of one line by column."""
    visit_id = f"{exposure.program:05d}{exposure.observation:03d}{exposure.visit:03d}"
    return {
        "FILENAME": exposure.filename,
        "OBS_ID": f"V{visit_id}P0000000{exposure.group}",
        "PROGRAM": str(exposure.program),
        "OBS_NUM": str(exposure.observation),
        "VISIT": str(exposure.visit),
        "VISIT_ID": visit_id,
        "VISITGRP": exposure.group[:2],
        "VISITYPE": "PRIME_TARGETED_FIXED",
        "SEQ_ID": exposure.group[2],
        "ACT_ID": exposure.group[3:],
        "EXPOSURE": str(exposure.dither),
        "EXP_TYPE": exposure.exp_type,
        "NEXPOSUR": str(exposure.dithers),
        "EXPCOUNT": str(exposure.dithers),
        "INSTRUME": exposure.instrument,
        "DETECTOR": exposure.detector,
        "CHANNEL": exposure.channel,
        "TARGETID": str(int(target)),
        "TARGPROP": exposure.target,
        "TARGNAME": exposure.target,
        "TARGTYPE": "FIXED",
        "TEMPLATE": "NIRCam Imaging",
        "PNTGTYPE": "SCIENCE",
        "PNTG_SEQ": "1",
        "MODULE": exposure.module,
        "FILTER": exposure.filter,
        "PUPIL": exposure.pupil,
        "NUMDTHPT": str(exposure.dithers),
        "PATT_NUM": str(exposure.dither),
        "APERNAME": f"{exposure.detector}_{exposure.subarray}",
        "SUBARRAY": exposure.subarray,
        "ASN_CANDIDATE": f"[('o{exposure.observation:03d}', 'OBSERVATION')]",
        "BKGDTARG": "F",
        "TSOVISIT": "F",
        "NINTS": str(exposure.integrations),
        "NGROUPS": str(exposure.groups),
    }

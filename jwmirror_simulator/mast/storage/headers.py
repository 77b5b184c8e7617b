"""Facts that a file contains: keywords of FITS files, members of associations."""

import json
from pathlib import Path

from jwmirror_simulator.mast.storage.names import parse

STRUCTURE = ("", "SIMPLE", "BITPIX", "NAXIS", "EXTEND", "COMMENT", "HISTORY", "CHECKSUM", "DATASUM")
SCIENCE = ("S_REGION", "RA_V1", "DEC_V1", "PA_V3", "V2_REF", "V3_REF", "VPARITY", "V3I_YANG")


def keywords_of(path: Path) -> dict[str, str | int | float | bool]:
    """Return the keywords of a FITS file that MAST's tables have; {} for other files."""
    if path.suffix != ".fits":
        return {}
    from astropy.io import fits

    with fits.open(path) as hdus:
        found = {key: value for key, value in hdus[0].header.items() if key not in STRUCTURE}
        if "SCI" in hdus:
            header = hdus["SCI"].header
            found |= {key: header[key] for key in SCIENCE if key in header}
    return {key: value for key, value in found.items() if isinstance(value, str | int | float)}


def groups_of(path: Path) -> tuple[str, ...]:
    """Return the groups that list an association: its products and members; () for other files."""
    if not path.name.endswith("_asn.json"):
        return ()
    products = json.loads(path.read_text())["products"]
    members = [member["expname"] for product in products for member in product["members"]]
    groups = [product["name"] for product in products]
    groups += [parse(Path(name).name).group for name in members]
    return tuple(dict.fromkeys(groups))

"""The parts of a JWST file name: program, group of products, file set, suffix."""

import re
from dataclasses import dataclass

EXPOSURE = re.compile(
    r"(?P<group>(?P<fileset>jw(?P<program>\d{5})\d{6}_\d{3}[0-9a-z]{2}_\d{5}(-seg\d{3})?)"
    r"_[a-z]\w*?)"
    r"_(?:[oac]\d{3,4}_)?(?P<suffix>[a-z0-9-]+)(?P<thumb>_thumb)?\.(?P<extension>\w+)"
)
GUIDE_STAR = re.compile(
    r"(?P<group>(?P<fileset>jw(?P<program>\d{5})\d{6})_gs-[a-z0-9]+_\d+(-seg\d{3})?)"
    r"_(?P<suffix>[a-z0-9-]+)(?P<thumb>_thumb)?\.(?P<extension>\w+)"
)
PRODUCT = re.compile(
    r"(?P<group>(?P<fileset>jw(?P<program>\d{5})-[oac]\d{3,4}_[a-z0-9-]+_[a-z]+)_[a-z0-9-]+)"
    r"_(?P<suffix>[a-z0-9-]+)(?P<thumb>_thumb)?\.(?P<extension>\w+)"
)
ASSOCIATION = re.compile(
    r"(?P<fileset>jw(?P<program>\d{5})-(?P<candidate>[oac]\d{3,4}))_(?P<stamp>\d{8}t\d{6})"
    r"_(?P<type>[a-z0-9-]+)_(?P<counter>\d{3,5})_(?P<suffix>asn)\.(?P<extension>json)"
)
POOL = re.compile(
    r"(?P<fileset>jw(?P<program>\d{5}))_(?P<stamp>\d{8}t\d{6})_(?P<suffix>pool)\.(?P<extension>csv)"
)
SHUTTERS = re.compile(
    r"(?P<group>(?P<fileset>jw(?P<program>\d{5})\d{6}_\d{2}))_(?P<suffix>msa)\.(?P<extension>fits)"
)
KINDS = {
    "pool": POOL,
    "association": ASSOCIATION,
    "guide star": GUIDE_STAR,
    "exposure": EXPOSURE,
    "shutters": SHUTTERS,
    "product": PRODUCT,
}

LEVELS = {
    "uncal": "1b",
    **dict.fromkeys(("rate", "rateints", "dark"), "2a"),
    **dict.fromkeys(("crf", "crfints"), "2c"),
}  # productLevel of an exposure's products; the others are 2b


@dataclass(frozen=True, kw_only=True)
class Name:
    """The parts of one file name; `group` is CAOM's obs_id, empty for associations and pools."""

    filename: str
    kind: str  # one of KINDS
    program: int
    group: str
    fileset: str
    suffix: str
    extension: str
    thumb: bool = False

    @property
    def level(self) -> int:
        """CAOM's calib_level."""
        if self.kind == "association":
            return 3 if self.filename.split("_")[2].endswith("3") else 2
        if self.kind in ("product", "pool"):
            return 3
        return 1 if self.suffix == "uncal" else 2

    @property
    def processing(self) -> str:
        """The keyword tables' productLevel: 1b, 2a, 2b, 2c, 3."""
        if self.kind == "product":
            return "3"
        return LEVELS.get(self.suffix, "2b")


def parse(filename: str) -> Name:
    """Return the parts of a file name; ValueError for a name that is not JWST's."""
    for kind, pattern in KINDS.items():
        if found := pattern.fullmatch(filename):
            parts = found.groupdict()
            return Name(
                filename=filename,
                kind=kind,
                program=int(parts["program"]),
                group=parts.get("group") or "",
                fileset=parts["fileset"],
                suffix=parts["suffix"],
                extension=parts["extension"],
                thumb=bool(parts.get("thumb")),
            )
    raise ValueError(
        f"{filename} is not a JWST product name; expected jwPPPPPOOOVVV_GGSAA_EEEEE_detector_suffix"
        ", jwPPPPP-oNNN_tNNN_instrument_..._suffix, ..._asn.json or ..._pool.csv"
    )

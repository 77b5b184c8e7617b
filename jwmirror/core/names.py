"""What the file names of JWST products say: program, observation, suffix, association stamp."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from jwmirror.core.errors import ReferencesError

LONGEST = 255  # bytes that file systems allow for a name
POOL = "pool"
OBSERVATORY = "jwst"  # as CRDS calls it
MAPPINGS = (".pmap", ".imap", ".rmap")  # ends of the names of CRDS's rules

_DATA = {"fits", "json", "csv", "ecsv", "asdf"}
_PROGRAM = re.compile(r"jw(?P<program>\d{5})")
_EXPOSURE = re.compile(r"jw(?P<program>\d{5})(?P<observation>\d{3})\d{3}_")
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*")  # nearly all names
_COMBINED = re.compile(r"jw\d{5}-(?P<candidate>[a-z]\d{3,4})_")
_POOL = re.compile(r"jw\d{5}_(?P<stamp>\d{8}t\d{6})_pool\.csv")
_TABLES = ("_asn.json", "_pool.csv")
_ASSOCIATION = re.compile(
    r"jw(?P<program>\d{5})-(?P<candidate>[a-z]\d{3,4})_(?P<stamp>\d{8}t\d{6})"
    r"_(?P<kind>[a-z0-9-]+)_(?P<counter>\d{3,})_asn\.json"
)
_GUIDING = {  # guide-star exposures tell their type in their names
    "gs-id": "FGS_ID-IMAGE",
    "gs-acq1": "FGS_ACQ1",
    "gs-acq2": "FGS_ACQ2",
    "gs-track": "FGS_TRACK",
    "gs-fg": "FGS_FINEGUIDE",
}


class Name(NamedTuple):
    """A product's file name, taken apart."""

    program: int
    observation: str  # o001, c1001, a3001; "pool" for a pool; "" where the name tells none
    root: str  # the name without suffix and extension: common to what one exposure gave
    suffix: str  # uncal, rate, asn...; of previews jpg and thumb


@dataclass(frozen=True)
class AssociationName:
    """An association's or pool's name taken apart: only the stamp changes with each new issue."""

    series: tuple[int, str, str]  # program, candidate, type; pools have candidate and type "pool"
    counter: int
    stamp: str


def is_safe(filename: str) -> bool:
    """Whether a name is fit for any folder: one printable component of at most 255 bytes."""
    if len(filename) <= LONGEST and _PLAIN.fullmatch(filename):
        return True
    return (
        filename.isprintable()
        and 0 < len(filename.encode()) <= LONGEST
        and not filename.startswith((".", "-"))
        and "/" not in filename
        and "\\" not in filename
        and ".." not in filename
    )


def cache_path(cache: Path, filename: str, instrument: str = "") -> Path:
    """Return where a CRDS cache keeps a mapping or a reference.

    A reference is in the folder of its instrument, by default that of its name (jwst_nircam_...).
    Raises ReferencesError for a name that is not fit for a folder.
    """
    if not is_safe(filename):
        raise ReferencesError(f"CRDS names a file {filename!r}, which no cache can take.")
    if filename.endswith(MAPPINGS):
        return cache / "mappings" / OBSERVATORY / filename
    instrument = instrument or filename.partition("_")[2].partition("_")[0]
    return cache / "references" / OBSERVATORY / instrument / filename


def parse(filename: str) -> Name | None:
    """A product's name taken apart; None if it is not the name of a JWST product."""
    stem, dot, extension = filename.rpartition(".")
    program, place = _begun(filename)
    if program is None or not dot:
        return None
    root, _, suffix = stem.rpartition("_")
    if extension.lower() not in _DATA:
        root, suffix = (root, "thumb") if suffix == "thumb" else (stem, extension.lower())
    return Name(program, place, root or stem, suffix)


def observation(group: str) -> str:
    """The observation that CAOM's obs_id, or a file's name, begins with; "" if it tells none."""
    return _begun(group)[1]


def _begun(filename: str) -> tuple[int | None, str]:
    """The program and the observation that a name begins with; None and "" if it tells none."""
    first, underscore, _ = filename.partition("_")
    program, place = _first(first + underscore)
    return program, place or (POOL if _POOL.fullmatch(filename) else "")


@lru_cache(1 << 12)  # many files begin alike
def _first(part: str) -> tuple[int | None, str]:
    """The program and the observation or candidate in a name's part up to the first underscore."""
    program = _PROGRAM.match(part)
    if exposure := _EXPOSURE.match(part):
        place = f"o{exposure['observation']}"
    else:
        combined = _COMBINED.match(part)
        place = combined["candidate"] if combined else ""
    return (int(program["program"]) if program else None), place


def association(filename: str) -> AssociationName | None:
    """The name of an association or a pool taken apart; None for other products."""
    if not filename.endswith(_TABLES):
        return None
    if named := _ASSOCIATION.fullmatch(filename):
        series = (int(named["program"]), named["candidate"], named["kind"])
        return AssociationName(series, int(named["counter"]), named["stamp"])
    if named := _POOL.fullmatch(filename):
        return AssociationName((int(filename[2:7]), POOL, POOL), 0, named["stamp"])
    return None


def guiding_type(filename: str) -> str | None:
    """The EXP_TYPE of a guide-star exposure; None for other products."""
    if "_gs-" not in filename:
        return None
    parts = filename.split("_")
    mode = parts[1] if len(parts) > 1 else ""
    if mode == "gs-id" and "stacked" in parts:
        return "FGS_ID-STACK"
    return _GUIDING.get(mode)


def without_target(root: str) -> str:
    """A combined product's root without its target, which MAST may add or renumber.

    A source keeps its number: ..._s000000001_... and ..._t002-s000000001_... come to the same.
    """
    return re.sub(r"_(?:t\d{3}-)?(s\d{9})_|_t\d{3}_", lambda found: f"_{found[1] or ''}_", root)

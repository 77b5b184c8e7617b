"""The grammar of the file names of JWST products, and the paths of files in a CRDS cache.

The rules are those of the names that MAST lists: program, observation or candidate, root, suffix,
and the stamp of associations and pools.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from jwmirror.core.errors import ReferencesError

MAX_NAME_BYTES = 255  # of one name, on common file systems
POOL = "pool"
OTHER = "other"  # folder of files from whose names no observation can be read
OBSERVATORY = "jwst"  # as CRDS calls it
INSTRUMENTS = ("nircam", "nirspec", "niriss", "miri", "fgs")  # as CRDS calls them
INSTRUMENT_OF = {  # first letters of a detector or an EXP_TYPE -> INSTRUME
    **{"NRC": "NIRCAM", "NRS": "NIRSPEC", "NIS": "NIRISS", "MIR": "MIRI"},
    **{"FGS": "FGS", "GUI": "FGS"},
}
MAPPINGS = (".pmap", ".imap", ".rmap")  # extensions of CRDS's rules

SHA256 = re.compile("[0-9a-f]{64}")  # the name of an object, or of a key

ANY = "{}"  # in the product that an association names: jwst fills it in
NUMBERED = re.compile(r"-\d+$")  # ends the suffix of a wavefront-sensing product: wfscmb-04
THUMBNAIL = "thumb"  # ends the stem of a thumbnail, after the suffix of the file that it shows
PREVIEWS = frozenset(["jpg", "png", "gif", THUMBNAIL])  # suffixes of pictures of products
ROOT_UNDERSCORES = 3  # in the root of an exposure

_DATA = {"fits", "json", "csv", "ecsv", "asdf"}  # extensions of products that are no previews
_PROGRAM = re.compile(r"jw(?P<program>\d{5})")
_EXPOSURE = re.compile(r"jw(?P<program>\d{5})(?P<observation>\d{3})\d{3}_")
_ROOT = re.compile(
    r"jw(?P<program>\d{5})(?P<observation>\d{3})(?P<visit>\d{3})"
    r"_\d{3}[0-9a-z]{2}_(?P<exposure>\d{5})"  # group, sequence, and activity in base 36
    r"(?:-seg\d{3})?_(?P<detector>[a-z0-9]+)"
)
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*")  # nearly all names
_COMBINED = re.compile(r"jw\d{5}-(?P<candidate>[a-z]\d{3,4})_")
_STAGE_3 = re.compile(_ROOT.pattern + r"_(?P<candidate>[a-z]\d{3,4})_")
_PLACEHOLDER = re.compile(r"\{\w+\}")  # {slit_name}, in the product that an association names
_SOURCE = re.compile(r"(?:^|-)(?P<source>[sbv]\d{5,}|\{\})(?![^-])")
_CUBE = re.compile(r"ch[1-4]-|(?:g\d{3}[hm]|prism)-")  # begins what cube_build adds to a name
_POOL = re.compile(r"jw\d{5}_\d{8}[tT]\d{6}_pool\.csv")  # the T was a capital once
_STAMPED = ("_asn.json", "_pool.csv")
_ASSOCIATION = re.compile(
    r"jw(?P<program>\d{5})-(?P<candidate>[a-z]\d{3,4})_\d{8}t\d{6}"
    r"_(?P<kind>[a-z0-9-]+)_(?P<counter>\d{3,})_asn\.json"
)
_GUIDE_STAR_TYPES = {  # part of a file's name -> EXP_TYPE
    "gs-id": "FGS_ID-IMAGE",
    "gs-acq1": "FGS_ACQ1",
    "gs-acq2": "FGS_ACQ2",
    "gs-track": "FGS_TRACK",
    "gs-fg": "FGS_FINEGUIDE",
}


class ProductName(msgspec.Struct, frozen=True, gc=False):
    """The parts of a product's file name."""

    program: int
    observation: str  # o001, c1001, a3001; "pool" for a pool; "" if the name has no observation
    root: str  # the same for all products of one exposure, previews and _o001_crf included
    suffix: str  # uncal, rate, asn...; of previews jpg and thumb


@dataclass(frozen=True)
class AssociationName:
    """The parts of the name of an association or pool; each new issue has another stamp."""

    series: tuple[int, str, str]  # program, candidate, type; pools have candidate and type "pool"
    counter: int


class CombinedName(NamedTuple):
    """The parts of a combined product's root, or of the product that an association names."""

    candidate: str  # o001, c1001
    instrument: str  # nircam
    target: str  # t001; "" where a source alone is named
    source: str  # s000000001; b... of a background, v... of a virtual slit; "" without one
    elements: str  # f290lp-g395h-s200a1-allslits, ch1-short; "" if none are named


def is_safe(filename: str) -> bool:
    """Return whether a name is safe in any folder: one printable component of at most 255 bytes."""
    if len(filename) <= MAX_NAME_BYTES and _PLAIN.fullmatch(filename):
        return True
    return (
        filename.isprintable()
        and 0 < len(filename.encode()) <= MAX_NAME_BYTES
        and not filename.startswith((".", "-", "~"))
        and "/" not in filename
        and "\\" not in filename
        and ".." not in filename
    )


def parse_product(filename: str) -> ProductName | None:
    """Return the parts of a product's name; None if it is not the name of a JWST product."""
    program, observation = program_and_observation(filename)
    if program is None or "." not in filename:
        return None
    return ProductName(program, observation, *root_and_suffix(filename))


def program_and_observation(name: str) -> tuple[int | None, str]:
    """Return the program and the observation that a name begins with; None and "" if absent."""
    program, observation = parts = _parse_first_part(name[: name.find("_") + 1] or name)
    return parts if observation else (program, POOL if _POOL.fullmatch(name) else "")


def root_and_suffix(filename: str) -> tuple[str, str]:
    """Return the root and the suffix in a product's file name, as in its parts."""
    stem, _, extension = filename.rpartition(".")
    root, _, suffix = stem.rpartition("_")
    if extension.lower() not in _DATA:
        if suffix == THUMBNAIL:
            root = root.rpartition("_")[0]
        else:
            suffix = extension.lower()
    if root.count("_") > ROOT_UNDERSCORES and (exposure := _ROOT.match(root)):
        root = exposure[0]
    return root or stem, suffix


def observation_of(name: str) -> str:
    """Return the observation at the start of a file name, or of CAOM's obs_id; "" if none."""
    return program_and_observation(name)[1]


def is_observation(name: str) -> bool:
    """Return whether a name is of an observation (o001), and not of a candidate, POOL or OTHER."""
    return name[:1] == "o" and name[1:].isdigit()


def program_of(name: str) -> int | None:
    """Return the program that a product's name begins with; None if it has none."""
    return program_and_observation(name)[0]


def candidate_of(name: str) -> str:
    """Return the candidate in the name of a combined product (o001, c1001); "" for others."""
    combined = _COMBINED.match(name)
    return combined["candidate"] if combined else ""


def stage_3_candidate(filename: str) -> str:
    """Return the candidate for which stage 3 made a file of one exposure; "" for other files.

    It is o001 in jw..._nrcb1_o001_crf.fits.
    """
    made = _STAGE_3.match(filename)
    return made["candidate"] if made else ""


def parse_combined(root: str) -> CombinedName | None:
    """Return the parts of a combined product's root; None if it is not that of one.

    The product that an association names may have {source_id} as source and {slit_name} among its
    elements, and may end with {suffix}-04 (jwst.associations.lib.rules_level3_base). Here these are
    {}, which means any text.
    """
    candidate, parts = candidate_of(root), _PLACEHOLDER.sub(ANY, root).split("_")
    if not candidate or len(parts) < 3:
        return None
    source = _SOURCE.search(parts[1])
    target = _SOURCE.sub("", parts[1], count=1).strip("-")
    elements = "-".join(part for part in parts[3:] if not part.startswith(ANY))
    return CombinedName(candidate, parts[2], target, source["source"] if source else "", elements)


def is_named_by(name: CombinedName, product: CombinedName, *, from_spectra: bool) -> bool:
    """Return whether a combined product is one of those that an association names.

    Stage 3 of spectra (`from_spectra`) makes one product for each source, and adds channel and
    band, or grating and filter, to the names of cubes (jwst: calwebb_spec3, cube_build). MAST may
    name the target beside the source, or not (jdaviz issue 3770).
    """
    of_any_source = product.source == ANY or (from_spectra and not product.source)
    has_one_target = name.source and "" in (name.target, product.target)
    return (
        name[:2] == product[:2]
        and (name.source == product.source or bool(name.source and of_any_source))
        and (name.target == product.target or bool(has_one_target))
        and _has_elements(name, product, is_cube=from_spectra and not name.source)
    )


def _has_elements(name: CombinedName, product: CombinedName, *, is_cube: bool) -> bool:
    if is_cube and not product.elements and _CUBE.match(name.elements):
        return True
    return _elements_pattern(product.elements).fullmatch(name.elements) is not None


@lru_cache(1 << 10)
def _elements_pattern(elements: str) -> re.Pattern[str]:
    return re.compile("[a-z0-9-]+".join(map(re.escape, elements.split(ANY))))


def detector_of(name: str) -> str | None:
    """Return the detector in the name of an exposure's file (NRCALONG); None if it has none."""
    exposure = _ROOT.match(name)
    detector = exposure["detector"].upper() if exposure else ""
    return detector if detector[:3] in INSTRUMENT_OF else None


def instrument_of(name: str) -> str | None:
    """Return the instrument that a file's name implies, as INSTRUME; None if it implies none.

    It is the one of the detector. Combined products name their instrument. Guide-star files are of
    FGS, and files of shutter configurations (msa) of NIRSpec.
    """
    if detector := detector_of(name):
        return INSTRUMENT_OF[detector[:3]]
    parts = name.split("_")
    if len(parts) > 2 and parts[2] in INSTRUMENTS:
        return parts[2].upper()
    if len(parts) > 1 and parts[1].startswith("gs-"):
        return "FGS"
    return "NIRSPEC" if parts[-1] == "msa.fits" else None


def exposure_parts(filename: str) -> dict[str, str]:
    """Return the parts of an exposure's file name by key of criteria; {} for other files.

    They are program, observation, visit, exposure and detector, and `file`, the name itself.
    """
    exposure = _ROOT.match(filename)
    return {"file": filename, **exposure.groupdict()} if exposure else {}


def exposure_count(names: Iterable[str]) -> int:
    """Return of how many exposures names of files are; detectors and segments count once."""
    roots = (match[0] for name in names if (match := _ROOT.match(name)))
    return len({root.rpartition("_")[0].partition("-")[0] for root in roots})


def is_exposure_root(root: str) -> bool:
    """Return whether a root is that of one exposure: jw01345001001_02101_00001_nrcb1."""
    return _ROOT.fullmatch(root) is not None


@lru_cache(1 << 12)  # many files have the same first part
def _parse_first_part(part: str) -> tuple[int | None, str]:
    """Return program and observation (or candidate) in a name up to its first underscore."""
    program = _PROGRAM.match(part)
    if exposure := _EXPOSURE.match(part):
        observation = f"o{exposure['observation']}"
    else:
        combined = _COMBINED.match(part)
        observation = combined["candidate"] if combined else ""
    return (int(program["program"]) if program else None), observation


def parse_association(filename: str) -> AssociationName | None:
    """Return the parts of an association's or pool's name; None for other products."""
    if not filename.endswith(_STAMPED):
        return None
    if parts := _ASSOCIATION.fullmatch(filename):
        series = (int(parts["program"]), parts["candidate"], parts["kind"])
        return AssociationName(series, int(parts["counter"]))
    if _POOL.fullmatch(filename):
        return AssociationName((int(filename[2:7]), POOL, POOL), 0)
    return None


def guiding_type(filename: str) -> str | None:
    """Return the EXP_TYPE in the name of a guide-star exposure; None for other products."""
    if "_gs-" not in filename:
        return None
    parts = filename.split("_")
    mode = parts[1] if len(parts) > 1 else ""
    if mode == "gs-id" and "stacked" in parts:
        return "FGS_ID-STACK"
    return _GUIDE_STAR_TYPES.get(mode)


def without_target(root: str) -> str:
    """Return a combined product's root without its target, which MAST may add or renumber.

    A source keeps its number: ..._s000000001_... and ..._t002-s000000001_... give the same root
    (both are listed by MAST: jdaviz issue 3770).
    """
    return re.sub(r"_(?:t\d{3}-)?(s\d{9})_|_t\d{3}_", lambda match: f"_{match[1] or ''}_", root)


def cache_path(cache: Path, filename: str, instrument: str = "") -> Path:
    """Return where a CRDS cache keeps a mapping or a reference.

    A reference is in the folder of its instrument, by default that of its name (jwst_nircam_...).
    Raises ReferencesError for a name that is not fit for a folder, or another instrument than
    JWST's.
    """
    if not is_safe(filename):
        raise ReferencesError(
            f"CRDS names a file {filename!r}: expected a plain file name; nothing was changed; "
            "check references.url in the config."
        )
    if filename.endswith(MAPPINGS):
        return cache / "mappings" / OBSERVATORY / filename
    instrument = instrument or filename.partition("_")[2].partition("_")[0]
    if instrument not in INSTRUMENTS:
        raise ReferencesError(
            f"CRDS, instrument of {filename}: expected one of {', '.join(INSTRUMENTS)}, found "
            f"{instrument!r}; nothing was changed; check references.url in the config."
        )
    return cache / "references" / OBSERVATORY / instrument / filename

"""CRDS mappings (pmap, imap, rmap), written and signed by the crds package."""

import pprint
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from crds.core.rmap import Mapping as CrdsMapping
from crds.core.rmap import ReferenceMapping

USE_AFTER = "2021-01-01 00:00:00"
WHEN = ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME")
NOT_APPLICABLE = "N/A"
ORIGIN = "synthetic, for tests of jwmirror"


def write_rmap(
    folder: Path,
    instrument: str,
    kind: str,
    keys: Sequence[str],
    files: Mapping[tuple[str, ...], str],
) -> str:
    """Write the first rmap of a type: match values -> file name; return its name."""
    name = f"jwst_{instrument.lower()}_{kind}_0001.rmap"
    header = {
        "observatory": "JWST",
        "instrument": instrument.upper(),
        "mapping": "REFERENCE",
        "filekind": kind.upper(),
        "filetype": kind.upper(),
        "file_ext": Path(next(iter(files.values()))).suffix,
        "suffix": kind,
        "text_descr": kind,
        "parkey": (tuple(keys), WHEN),
        "classes": ("Match", "UseAfter"),
    }
    cases = "".join(
        f"    {match!r} : UseAfter({{\n        {USE_AFTER!r} : {file!r},\n    }}),\n"
        for match, file in sorted(files.items())
    )
    return _write(folder / name, header, f"Match({{\n{cases}}})")


def write_imap(folder: Path, instrument: str, rmaps: Mapping[str, str]) -> str:
    """Write the first imap of an instrument: type -> rmap, or N/A; return its name."""
    header = {
        "observatory": "JWST",
        "instrument": instrument.upper(),
        "mapping": "INSTRUMENT",
        "parkey": ("REFTYPE",),
        "description": ORIGIN,
    }
    path = folder / f"jwst_{instrument.lower()}_0001.imap"
    return _write(path, header, pprint.pformat(dict(rmaps)))


def write_pmap(folder: Path, imaps: Mapping[str, str]) -> str:
    """Write the first pmap from instrument -> imap; return its name."""
    header = {
        "observatory": "JWST",
        "mapping": "PIPELINE",
        "parkey": ("META.INSTRUMENT.NAME",),
        "description": ORIGIN,
    }
    return _write(folder / "jwst_0001.pmap", header, pprint.pformat(dict(imaps)))


def newest_file(folder: Path, pattern: str) -> Path:
    """Return the file with the highest serial number (_NNNN) that matches a glob pattern."""
    return max(folder.glob(pattern), key=lambda path: _serial(path.name))


def next_name(path: Path) -> str:
    """Return the name with the next serial number: jwst_nircam_flat_0002.rmap -> ..._0003.rmap."""
    stem = path.stem.rpartition("_")[0]
    return f"{stem}_{_serial(path.name) + 1:04d}{path.suffix}"


def write_successor(path: Path, old: str, new: str) -> str:
    """Write the next version of a mapping with one file name replaced; return its name."""
    name = next_name(path)
    text = path.read_text()
    if f"'{old}'" not in text:
        raise ValueError(f"{path.name} does not name {old}; it cannot be replaced by {new}")
    text = text.replace(f"'{old}'", f"'{new}'")
    text = re.sub(r"('derived_from' : )'[^']*'", rf"\1'{path.name}'", text)
    text = re.sub(r"('name' : )'[^']*'", rf"\1'{name}'", text)
    return _sign(path.with_name(name), text)


def correct_mapping(path: Path, old: str, new: str) -> None:
    """Replace a text in a mapping in place, under its name, as CRDS has done; sign it again."""
    text = path.read_text()
    if old not in text:
        raise ValueError(f"{path.name} does not contain {old}")
    _sign(path, text.replace(old, new))


def add_use_after_dates(path: Path, dates: Sequence[str]) -> None:
    """Add to every file of a new rmap later files with these use-after dates.

    Only names are added, no files: enough to find best references, not to read them.
    """
    text = path.read_text()
    for file in re.findall(rf"{USE_AFTER!r} : '([^']+)'", text):
        stem, _, end = file.rpartition(".")
        later = "".join(
            f"\n        {date!r} : '{stem}{number:03d}.{end}',"
            for number, date in enumerate(dates, 1)
        )
        line = f"{USE_AFTER!r} : {file!r},"
        text = text.replace(line, line + later)
    _sign(path, text)


def _serial(name: str) -> int:
    return int(name.rpartition("_")[2].partition(".")[0])


def _write(path: Path, header: Mapping, selector: str) -> str:
    whole = {**header, "name": path.name, "derived_from": ORIGIN, "sha1sum": "0" * 40}
    return _sign(path, f"header = {pprint.pformat(whole)}\n\nselector = {selector}\n")


def _sign(path: Path, text: str) -> str:
    """Write a mapping with the checksum that crds requires; return its name."""
    kind = ReferenceMapping if path.suffix == ".rmap" else CrdsMapping
    path.parent.mkdir(parents=True, exist_ok=True)
    kind.from_string(text, path.name, ignore_checksum=True).write(str(path))
    return path.name

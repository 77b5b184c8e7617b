"""The code of installed packages: as it was released, or modified and then known by its content.

A package is released code if Python imports it from its distribution, and its files have the hashes
that the distribution's RECORD lists. An editable install, a folder on PYTHONPATH that shadows the
distribution, a patched file, and a build of a local folder are modified code. Tests, byte code and
hidden files do not count. Nothing is imported to find this out.
"""

import csv
import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import file_digest, sha256
from importlib.machinery import all_suffixes
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import PurePath
from typing import NamedTuple

ENGINE = ("jwst", "stcal", "stdatamodels")  # in the key
IGNORED = frozenset(["__pycache__", "tests", "regtest"])  # folders without code that computes
LEFTOVERS = ("~", ".orig", ".rej", ".swp")  # ends of names that editors and patch leave
SHOWN = 3  # files that a message names


@dataclass(frozen=True, kw_only=True)
class PackageCode:
    """The code of one importable package."""

    name: str  # of the distribution
    release: str  # version of the distribution
    content: str  # sha256 of its files
    modified: str = ""  # how it differs from the release; "" if it does not

    @property
    def version(self) -> str:
        """The version as in a key: 3.0.0, or 3.0.0+modified.1f0c2a9be001."""
        if not self.modified:
            return self.release
        return f"{self.release}{'.' if '+' in self.release else '+'}modified.{self.content[:12]}"

    def __str__(self) -> str:
        return f"{self.name} {self.release}" + (
            f", modified: {self.modified}" * bool(self.modified)
        )


class SourceFile(NamedTuple):
    """A file of a package, and its state; equal states are taken for equal content."""

    path: str
    relative: str  # to the folder that contains the package
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class Release(NamedTuple):
    """A distribution: its name, version, RECORD ("" without one) and the folder it is in."""

    name: str
    version: str
    listed: str
    base: str


class RecordedFile(NamedTuple):
    """A line of a RECORD: the sha256 in base64 and the size in bytes, each "" if not recorded."""

    digest: bytes
    size: str


def engine_code() -> dict[str, PackageCode]:
    """Return the code of jwst, stcal and stdatamodels as it is on disk now."""
    return {name: package_code(name) for name in ENGINE}


def package_code(package: str, project: str = "", is_large: bool = False) -> PackageCode:
    """Return the code that `import package` executes; `project` is its distribution's name.

    Files are hashed again only if their size, times or inode have changed. Of a package that may
    have gigabytes (`is_large`), files of the size in RECORD are taken for those in RECORD, except
    Python's sources.

    Raises:
        PackageNotFoundError: no such distribution is installed, or the package cannot be imported.
    """
    installed = distribution(project or package)
    spec = find_spec(package)
    if spec is None:
        raise PackageNotFoundError(package)
    places = list(spec.submodule_search_locations or filter(None, [spec.origin]))
    listed = installed.read_text("RECORD") or ""
    base = os.path.realpath(str(installed.locate_file("")))
    files = tuple(sorted(file for place in places for file in _files(os.path.realpath(place))))
    source = _origin(installed, base, places, listed)
    release = Release(installed.name, installed.version, listed, base)
    return _code(release, source, files, is_large)


@lru_cache(maxsize=64)
def _code(
    release: Release, source: str, files: tuple[SourceFile, ...], is_large: bool
) -> PackageCode:
    """Return the code of a distribution; `source` says why it is modified, if that is known."""
    recorded = _recorded(release, files)
    hashes = {
        file.path: recorded[file.path].digest
        if is_large and not file.path.endswith(".py") and _has_recorded_size(file, recorded)
        else _digest(file.path)
        for file in files
    }
    modified = source or _differences(recorded, hashes, release.base)
    content = sha256()
    for file in files:
        content.update(f"{file.relative}\0".encode() + hashes[file.path])
    return PackageCode(
        name=release.name,
        release=release.version,
        content=content.hexdigest(),
        modified=modified,
    )


def _origin(installed: Distribution, base: str, places: Iterable[str], listed: str) -> str:
    """Return why code is not from a release by the place it comes from; "" if it may be."""
    direct = json.loads(installed.read_text("direct_url.json") or "{}")
    local = direct.get("dir_info", {})
    if local.get("editable"):
        return f"an editable install of {direct.get('url')}"
    outside = [place for place in places if not _is_below(os.path.realpath(place), base)]
    if outside:
        return f"it is imported from {outside[0]}, not from its installation in {base}"
    if not listed:
        return f"its installation in {base} has no list of its files (RECORD)"
    by_conda = (installed.read_text("INSTALLER") or "").strip() == "conda"
    return f"built from {direct.get('url')}" if "dir_info" in direct and not by_conda else ""


def _is_below(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


def _recorded(release: Release, files: Iterable[SourceFile]) -> dict[str, RecordedFile]:
    """Return the entries of a RECORD by path, of the files that a package should consist of."""
    tops = {PurePath(os.path.relpath(file.path, release.base)).parts[0] for file in files}
    rows = (row for row in csv.reader(release.listed.splitlines()) if len(row) > 2)
    return {
        os.path.join(release.base, name): RecordedFile(value.removeprefix("sha256=").encode(), size)
        for name, value, size in rows
        if (parts := PurePath(name).parts)[0] in tops
        and _counts(parts[-1])
        and IGNORED.isdisjoint(parts)
    }


def _has_recorded_size(file: SourceFile, recorded: Mapping[str, RecordedFile]) -> bool:
    return file.path in recorded and recorded[file.path].size == str(file.size)


def _differences(
    recorded: Mapping[str, RecordedFile], hashes: Mapping[str, bytes], base: str
) -> str:
    """Return which files differ from a RECORD, or are missing or added, in words."""
    importable = tuple(all_suffixes())
    paths = [path for path, file in recorded.items() if hashes.get(path) != file.digest]
    paths += [path for path in hashes.keys() - recorded.keys() if path.endswith(importable)]
    if not paths:
        return ""
    names = [os.path.relpath(path, base) for path in sorted(paths)]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    differ = "1 file differs" if len(names) == 1 else f"{len(names)} files differ"
    return f"{differ} from its release ({', '.join(names[:SHOWN])}{more})"


# ---- files -----------------------------------------------------------------------------------


def _files(place: str) -> Iterator[SourceFile]:
    """Yield the files of a package's folder, or the one file that a module is."""
    if os.path.isfile(place):
        yield _state(place, os.path.basename(place))
        return
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(place, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:  # links may form circles
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [each for each in folders if each not in IGNORED and _counts(each)]
        for name in filter(_counts, names):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                yield _state(path, os.path.relpath(path, os.path.dirname(place)))


def _counts(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(LEFTOVERS)


def _state(path: str, relative: str) -> SourceFile:
    status = os.stat(path)
    times = status.st_mtime_ns, status.st_ctime_ns
    return SourceFile(path, relative, status.st_size, *times, status.st_ino)


def _digest(path: str) -> bytes:
    """Return the sha256 of a file as RECORD writes it: base64 without padding."""
    with open(path, "rb") as file:
        return urlsafe_b64encode(file_digest(file, "sha256").digest()).rstrip(b"=")

"""What answers depend on, each as a digest of its content: software, the user's files, the mirror.

Too much is included rather than too little: a change without effect only costs time.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from platform import python_version

import msgspec

from jwmirror.config.workflow_files import workflow_folder, workflow_in
from jwmirror.core.errors import CalibrationError
from jwmirror.core.files import FileStamp, cached_digest, read_bytes
from jwmirror.core.jsonio import digest
from jwmirror.core.names import OBSERVATORY
from jwmirror.pipeline.allowed_environments import is_allowed
from jwmirror.pipeline.associations.reading import read_own_associations
from jwmirror.pipeline.derivation import engine_versions
from jwmirror.pipeline.engine_content import package_code
from jwmirror.pipeline.installed import (
    can_recalibrate,
    installed_versions,
    metadata_folders,
)
from jwmirror.pipeline.usercode.files import absolute_path
from jwmirror.pipeline.usercode.hooks import BETWEEN, KINDS, TOKEN, hook_sources
from jwmirror.planning.resolvers.by_environment import resolvers_of
from jwmirror.report.site.addresses import INDEX
from jwmirror.store.access import public_site
from jwmirror.store.generations import Generations
from jwmirror.store.manifest import entries_of
from jwmirror.store.objects import Objects
from jwmirror.store.pins import HOLD_RECORD
from jwmirror.store.provenance import Provenance
from jwmirror.store.runs import RunFiles

LARGEST_LIST = 1 << 20  # bytes of a text file whose words are looked up as names of files
HOOKS = (*KINDS, BETWEEN)  # keys of a config below which texts are hooks
ASSOCIATIONS = ("associations",)  # the same for the user's association files
WORKFLOW = ("Snakefile", "rules/*.smk", "scripts/*.py", "config/schema.yaml")
MARKS = ("accepted", "invalidated", "losses")  # folders of a mirror whose files change results


# ---- software --------------------------------------------------------------------------------


def software_digest(pythons: Iterable[str]) -> str:
    """Return the digest of the software of some environments ("": the running one).

    These are the versions of all packages, the content of jwst, stcal and stdatamodels where it is
    not as released, and the content of jwmirror and of its workflow.
    """
    folders = dict.fromkeys((workflow_folder(), workflow_in(Path.cwd())))
    paths = sorted(path for each in folders for name in WORKFLOW for path in each.glob(name))
    own = [package_code("jwmirror").content, *((path.name, cached_digest(path)) for path in paths)]
    return digest([own, *((python, _software(python)) for python in sorted({"", *pythons}))])


@cache
def _software(python: str) -> object:
    """Return the software of an environment, as this process found it first."""
    if not python:
        engine = engine_versions() if can_recalibrate() else {}
        return python_version(), metadata_folders(), engine
    if not is_allowed(python):
        return "not allowed"
    try:
        return installed_versions(python), dict(resolvers_of(Path(), "").of(python).engine)
    except CalibrationError as err:  # the environment does not work
        return str(err)


# ---- files and functions of the user ---------------------------------------------------------


def own_files_digest(config: object, base: Path) -> str:
    """Return the digest of all files and functions that texts of a config name, by content.

    `config` may contain recipes, in which the parameters of files are. Relative names start at
    `base`. Files that a short text file names, and members of an association, are included.
    """
    values = msgspec.to_builtins(config)
    files: dict[str, str] = {}
    for text in _texts(values):
        files |= _named_files(text, [base])
    for path in list(files):
        files |= _named_files(_text_of(path), [base, Path(path).parent])
    for name in set(_texts_below(values, ASSOCIATIONS)):
        files |= _members(absolute_path(name, base))
    named = set(_texts_below(values, HOOKS))
    hooks = sorted({source for hook in named for source in _hook_sources(hook, base)})
    return digest([sorted(files.items()), hooks])


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for key, each in value.items() for text in (str(key), *_texts(each)))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in _texts(each))


def _texts_below(value: object, keys: Collection[str], is_below: bool = False) -> Iterator[str]:
    """Yield the texts that are below one of some keys."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts_below(each, keys, is_below or key in keys)
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in _texts_below(each, keys, is_below))
    elif isinstance(value, str) and is_below:
        yield value


def _members(association: Path) -> dict[str, str]:
    """Return the user's files that are members of a user's association, as `_named_files`."""
    named: dict[str, str] = {}
    with suppress(CalibrationError):  # a run says why it cannot be used
        members = [m for each in read_own_associations(association) for m in each.members]
        for path in (member.path for member in members if member.path):
            with suppress(OSError):
                named[path] = cached_digest(Path(path))
    return named


def _named_files(text: str, bases: Iterable[Path]) -> dict[str, str]:
    """Return the files that a text or one of its words names, by path, with their sha256."""
    words = {text, *(word.strip("'\"") for word in TOKEN.findall(text))}
    named: dict[str, str] = {}
    for path in (absolute_path(word, base) for word in words for base in bases if word.strip()):
        with suppress(OSError, ValueError):  # no file, or no name of a file
            if path.is_file():
                named[str(path)] = cached_digest(path)
    return named


def _text_of(path: str) -> str:
    """Return the content of a short text file; "" of any other."""
    with suppress(OSError, UnicodeDecodeError):
        return read_bytes(path, LARGEST_LIST).decode()
    return ""


def _hook_sources(hook: str, base: Path) -> Iterator[tuple[str, str]]:
    try:
        yield from hook_sources({BETWEEN: [hook]}, base)
    except (CalibrationError, OSError) as err:
        yield hook, str(err)


# ---- the mirror ------------------------------------------------------------------------------


def generation_digest(mirror: Path) -> str:
    """Return the digest of the current generation, what shows it, and the hold, if any."""
    with suppress(OSError):
        number = (mirror / "CURRENT").read_text().strip()
        head = read_bytes(mirror / "generations" / f"{int(number):06d}" / "generation.json")
        view = os.readlink(mirror / "current")
        has_site = (public_site(mirror) / INDEX).is_file()
        hold = FileStamp.of(path) if (path := mirror / HOLD_RECORD).exists() else None
        return digest([number, head.decode(), view, (mirror / view).is_dir(), has_site, hold])
    return ""


def marks_digest(mirror: Path) -> str:
    """Return the digest of what users marked: accepted and invalidated results, lost objects."""
    paths = sorted(path for folder in MARKS for path in (mirror / folder).rglob("*"))
    return digest([(str(path.relative_to(mirror)), FileStamp.of(path)) for path in paths])


def stored_digest(mirror: Path) -> str:
    """Return the digest of the state of all published files on disk, and of the results' records.

    A run repairs what is lost or open to the wrong users. Content is not read (`jwmirror verify`).
    """
    names, current = ("sha256", "key"), Generations(mirror).current()
    rows = current.columns(*names) if current else entries_of(())
    contents, keys = (dict.fromkeys(rows.column(name)) for name in names)
    objects, provenance = Objects(mirror), Provenance(mirror)
    states = [_state(objects.status(sha256)) for sha256 in contents]
    records = [_state(_status(provenance.path(key))) for key in keys if key]
    return digest([states, records])


def _state(status: os.stat_result | None) -> tuple[int, int, int] | None:
    """Return size, mode and time of a file; None if it does not exist."""
    return (status.st_size, status.st_mode, status.st_mtime_ns) if status else None


def _status(path: Path) -> os.stat_result | None:
    with suppress(OSError):
        return path.stat()
    return None


def records_digest(mirror: Path, cache: Path, run: str = "") -> str:
    """Return the digest of the records in a mirror that previews read: references, and one run's.

    So are the folders of the reference cache, and what was verified there.
    """
    folder = mirror / "receipts"
    files = RunFiles(folder / "runs" / run)
    of_run = set(files.folder.glob("*.json")) - {files.confirmed}  # which later runs write
    paths = (
        *folder.glob("*.json"),
        *folder.glob("runs/*/references.json"),
        *(of_run if run else ()),
        *cache.glob(f"config/{OBSERVATORY}/*"),
        *cache.glob(f"mappings/{OBSERVATORY}"),
        *cache.glob(f"references/{OBSERVATORY}/*"),
    )
    return digest(sorted((str(path), FileStamp.of(path)) for path in paths))

"""Identification of files outside of the mirror: which product, version, recipe and generation.

What is said of a file is certain: it is compared with the versions that the mirror has, by its
bytes. Its name and its header only say which versions to compare.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jwmirror.compare.fitsfiles import has_values
from jwmirror.compare.versions import compare_files
from jwmirror.core.errors import StoreError, as_typed
from jwmirror.core.files import BLOCK, cached_digest, open_regular, sha256_of
from jwmirror.core.fits import primary_texts
from jwmirror.core.model import UPSTREAM, Entry, Product, Reason
from jwmirror.core.model.answers import identification as answers
from jwmirror.core.model.comparison import EQUAL, HEADER
from jwmirror.core.model.maintenance import FileHistory, FileVersion
from jwmirror.core.model.product import PEDIGREE
from jwmirror.core.model.run import Run
from jwmirror.core.model.stored import GONE
from jwmirror.core.names import parse_association
from jwmirror.services.causes.files import FileCauses
from jwmirror.services.inspect.change_reasons import ChangeReasons, changed_values
from jwmirror.store.access import is_owner, may_be_read
from jwmirror.store.generations import Generations
from jwmirror.store.maintenance.history import file_history
from jwmirror.store.objects import Objects
from jwmirror.store.runs import last_run

NAME = "FILENAME"
CLAIMS = (NAME, "TELESCOP", *PEDIGREE.values())  # of a header
MIN_CUT = 2880  # bytes that a cut file must have; fewer are the same in many files


@dataclass(frozen=True, kw_only=True)
class LooseFile:
    """A file outside of the mirror, as it was read."""

    file: str
    path: Path
    size: int
    sha256: str
    header: dict[str, str]

    @property
    def names(self) -> set[str]:
        """The names of the product that it may be: its own, and the one in its header."""
        return {self.path.name, self.header.get(NAME, "")} - {""}


def identify_files(root: Path, files: Sequence[str]) -> answers.Identifications:
    """Return what each of some files is. A version that its reader may not read is not said.

    Raises:
        StoreError: there is no such file, or it cannot be read.
    """
    return identifications(root, [read_loose_file(file) for file in files], is_thorough=True)


def read_loose_file(file: str) -> LooseFile:
    """Return the size, sha256 and header of a file. StoreError if it cannot be read."""
    path = Path(file)
    try:
        sha256, size = sha256_of(path), path.stat().st_size
        header = primary_texts(path, CLAIMS)
    except IsADirectoryError as err:
        step = f"{as_typed(f'outdated {file}')} compares the files in it with the mirror"
        raise StoreError(f"{path.absolute()}: expected a file, found a folder; {step}") from err
    except OSError as err:
        raise StoreError(
            f"{path.absolute()}: {err.strerror}; name files that you may read"
        ) from err
    return LooseFile(file=file, path=path, size=size, sha256=sha256, header=header)


def identifications(
    root: Path, files: Iterable[LooseFile], is_thorough: bool
) -> answers.Identifications:
    """Return what each of some files is, in their order.

    Only if `is_thorough`, a file that is no version is compared with those of its name.
    """
    files = tuple(files)
    known = KnownFiles(root, files)
    return answers.Identifications(
        mirror=str(root),
        generation=known.generation,
        polled_at=known.polled_at,
        searched=known.history.generations,
        files=tuple(known.identify(file, is_thorough) for file in files),
    )


class KnownFiles:
    """The versions in a mirror that some files may be; `identify` says of one what it is."""

    def __init__(self, root: Path, files: Sequence[LooseFile]):
        current = Generations(root).require_current()
        self.root, self.generation = root, current.number
        self._reasons, self._object = ChangeReasons(root), Objects(root).path
        self._causes = FileCauses(root)
        self._may_be_read = may_be_read(root)
        names = {name for file in files for name in file.names}
        sums = {file.sha256 for file in files}
        self.history = file_history(root, lambda paths: _named(names, paths), sums)
        self._versions = [
            version
            for version in (*self.history.versions, *_kept_versions(self.history))
            if self._may_be_read(version.sha256)
        ]
        self._rows = current.entries()
        wanted = {version.path for version in self._versions}
        paths = enumerate(self._rows.column("path"))
        self._now = {path: self._rows[row] for row, path in paths if path in wanted}

    @cached_property
    def _run(self) -> Run | None:
        return last_run(self.root)

    @property
    def polled_at(self) -> str:
        """When MAST was asked last, ISO; "" if no poll is on record."""
        poll = self._run.poll if self._run else None
        return max((listing.asked_at for listing in poll.listings), default="") if poll else ""

    @cached_property
    def _reissued(self) -> dict[object, Entry]:
        """The associations and pools of the current generation, by what their names have in common.

        Each issue has another time in its name.
        """
        rows = self._rows.where("origin", UPSTREAM)
        names = [path.rpartition("/")[2] for path in rows.column("path")]
        issues = ((row, parse_association(name)) for row, name in enumerate(names))
        return {issue: rows[row] for row, issue in issues if issue}

    @cached_property
    def _listed(self) -> Mapping[str, Product]:
        """The products that the last poll found new or changed, by file name."""
        changes = self._run.changes if self._run else ()
        products = (change.product for change in changes if change.wants_bytes)
        is_allowed = is_owner(self.root)
        return {each.filename: each for each in products if is_allowed or not each.is_closed}

    def identify(self, file: LooseFile, is_thorough: bool) -> answers.Identification:
        """Return what a file is: a version, one that was edited or cut, or unknown."""
        same = [version for version in self._versions if version.sha256 == file.sha256]
        if same:
            return self._answer(file, answers.VERSION, same)
        if listed := self._listed_with_bytes_of(file):
            return self._answer(file, answers.LISTED, listed=listed)
        namesakes = self._namesakes(file) if is_thorough else {}
        if edited := self._which(namesakes, lambda path: _has_values_of(file.path, path)):
            return self._answer(file, answers.EDITED, edited)
        if cut := self._which(namesakes, lambda path: _begins(file, path)):
            return self._answer(file, answers.CUT, cut)
        return self._answer(file, answers.UNKNOWN)

    def _answer(
        self,
        file: LooseFile,
        kind: str,
        versions: Sequence[FileVersion] = (),
        listed: Product | None = None,
    ) -> answers.Identification:
        namesakes = self._present_namesakes(file) if kind == answers.UNKNOWN else ()
        return answers.Identification(
            file=file.file,
            size=file.size,
            sha256=file.sha256,
            kind=kind,
            known=tuple(map(self._known, versions)),
            listed=listed,
            header=file.header,
            namesakes=namesakes,
            differs=_differences(file.header, namesakes),
        )

    def _known(self, version: FileVersion) -> answers.KnownVersion:
        """Return a version with what became of it."""
        now = self._now.get(version.path) or self._reissue_of(version)
        if now is not None and not self._may_be_read(now.sha256):
            now = None
        if now is None:
            return answers.KnownVersion(version=version, state=answers.NOT_SHOWN)
        if now.sha256 != version.sha256:
            reasons = self._reasons.between(version.entry, now)
            return answers.KnownVersion(
                version=version,
                state=answers.NEWER if version.first > self.generation else answers.REPLACED,
                now=now,
                reasons=reasons,
                causes=self._causes.between(version.last, self.generation, version.path),
                content=self._causes.content(version.sha256, now.sha256),
            )
        if listed := self._listed_instead(now):
            reasons = _listed_reasons(now.upstream, listed)
            return answers.KnownVersion(
                version=version, state=answers.REPLACED_AT_MAST, listed=listed, reasons=reasons
            )
        is_gone = now.state == GONE
        return answers.KnownVersion(
            version=version, state=answers.VANISHED if is_gone else answers.PRESENT
        )

    def _reissue_of(self, version: FileVersion) -> Entry | None:
        """Return the row that has another issue of an association or pool, if there is one."""
        issue = parse_association(version.entry.filename)
        return self._reissued.get(issue) if issue and version.entry.origin == UPSTREAM else None

    def _listed_instead(self, now: Entry) -> Product | None:
        """Return the version that MAST lists in place of a file of the mirror, if it does."""
        listed = self._listed.get(now.filename)
        known = now.product.checksum if now.product else None
        is_other = listed and listed.checksum and known not in (None, listed.checksum)
        return listed if is_other else None

    def _listed_with_bytes_of(self, file: LooseFile) -> Product | None:
        """Return the product that the last poll found, and the mirror lacks, with a file's MD5."""
        found = (self._listed[name] for name in file.names & self._listed.keys())
        for listed in (product for product in found if product.checksum):
            if cached_digest(file.path, "md5") == listed.checksum:
                return listed
        return None

    def _namesakes(self, file: LooseFile) -> dict[str, list[FileVersion]]:
        """Return the versions of a file's name, by their sha256."""
        versions: dict[str, list[FileVersion]] = {}
        for version in self._versions:
            if version.entry.filename in file.names:
                versions.setdefault(version.sha256, []).append(version)
        return versions

    def _present_namesakes(self, file: LooseFile) -> tuple[Entry, ...]:
        """Return the rows of MAST's files of a file's name that the current generation has."""
        rows = (row for row in self._now.values() if row.filename in file.names)
        return tuple(
            row for row in rows if row.origin == UPSTREAM and self._may_be_read(row.sha256)
        )

    def _which(
        self, versions: Mapping[str, list[FileVersion]], is_it: Callable[[Path], bool]
    ) -> list[FileVersion]:
        """Return the versions whose object meets a test."""
        return [v for sha256, each in versions.items() if is_it(self._object(sha256)) for v in each]


def _differences(header: Mapping[str, str], namesakes: Sequence[Entry]) -> tuple[Reason, ...]:
    """Return how the pedigree in a header differs from that of MAST's present file of its name."""
    for product in (row.product for row in namesakes if row.product):
        now = {name: getattr(product, field) or "" for field, name in PEDIGREE.items()}
        both = [name for name, value in now.items() if value and header.get(name)]
        return changed_values({n: header[n] for n in both}, {n: now[n] for n in both})
    return ()


def _listed_reasons(old: Product, new: Product) -> tuple[Reason, ...]:
    pairs = [*PEDIGREE.items(), ("checksum", "checksum"), ("size", "size")]
    before, after = (
        {name: str(getattr(each, field) or "") for field, name in pairs} for each in (old, new)
    )
    return changed_values(before, after)


def _named(names: set[str], paths: Iterable[str]) -> list[str]:
    return [path for path in paths if path.rpartition("/")[2] in names]


def _kept_versions(history: FileHistory) -> Iterator[FileVersion]:
    """Yield the versions that stayed when their generation was pruned."""
    for number, rows in history.kept.items():
        for row in rows:
            path, sha256, size, generation = row.path, row.sha256, row.size, int(number)
            yield FileVersion(
                path=path,
                sha256=sha256,
                size=size,
                first=generation,
                first_at="",
                last=generation,
                entry=Entry(path=path, origin=UPSTREAM, sha256=sha256, size=size),
            )


def _has_values_of(file: Path, stored: Path) -> bool:
    """Return whether two FITS files have the same pixels and table values, and have any."""
    with suppress(StoreError):  # damaged, cut, or no FITS
        comparison = compare_files(stored, file, "either.fits")
        return comparison.verdict in (EQUAL, HEADER) and has_values(file, "either.fits")
    return False


def _begins(file: LooseFile, stored: Path) -> bool:
    """Return whether a file is a version's first bytes, and not all of them."""
    with suppress(OSError), open_regular(stored) as whole, open_regular(file.path) as part:
        if not MIN_CUT <= file.size < stored.stat().st_size:
            return False
        while block := part.read(BLOCK):
            if block != whole.read(len(block)):
                return False
        return True
    return False

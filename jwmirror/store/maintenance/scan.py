"""The rows of all generations at once, column by column, for verification and pruning."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jwmirror.core.errors import StoreError
from jwmirror.core.files import sha256_of
from jwmirror.core.model.maintenance import Problem, RetainedVersion
from jwmirror.store.access import CLOSING
from jwmirror.store.generations import Generations, StoredGeneration
from jwmirror.store.maintenance.retention import (
    HEAD,
    MANIFEST,
    PRUNED,
    SETUP,
    SETUP_SHA256,
    read_tombstone,
)

COLUMNS = (*("path", "sha256", "size", "product_uri", "key"), *CLOSING)  # in the order of Rows


DENIED = os.strerror(errno.EACCES)  # found if only another user can read a file


@dataclass(frozen=True)
class GenerationRows:
    """The rows of one generation, as lists of equal length."""

    path: list[str]
    sha256: list[str]
    size: list[int]  # bytes
    uri: list[str | None]  # of upstream files
    key: list[str]  # of recalibrated files; "" of others
    exclusive: list[bool | None]  # of upstream files, by MAST's listing
    needs_token: list[bool | None]  # of upstream files, as MAST gave them

    def upstream(self) -> Iterator[tuple[str, str, str, int]]:
        """Yield (uri, path, sha256, size) of its upstream files."""
        for uri, path, sha256, size in zip(
            self.uri, self.path, self.sha256, self.size, strict=True
        ):
            if uri is not None:
                yield uri, path, sha256, size


@dataclass(frozen=True, kw_only=True)
class MirrorScan:
    """The generations of a mirror as far as they can be read, and what of them is damaged."""

    generations: dict[int, StoredGeneration]  # unpruned and undamaged
    rows: dict[int, GenerationRows]  # theirs
    tombs: dict[int, tuple[RetainedVersion, ...]]  # pruned ones, and what their tombstones keep
    problems: tuple[Problem, ...]

    @property
    def has_exclusive(self) -> bool:
        """True if a product of any generation is exclusive."""
        return any(any(rows.exclusive) or any(rows.needs_token) for rows in self.rows.values())

    def newest(self) -> dict[str, tuple[int, RetainedVersion]]:
        """Return the newest generation and version of each product, by URI."""
        newest: dict[str, tuple[int, tuple[str, str, str, int]]] = {}
        for number in sorted(self.rows.keys() | self.tombs.keys()):
            kept = ((v.uri, v.path, v.sha256, v.size) for v in self.tombs.get(number, ()))
            rows = self.rows[number].upstream() if number in self.rows else kept
            newest.update((row[0], (number, row)) for row in rows)
        return {uri: (number, RetainedVersion(*row)) for uri, (number, row) in newest.items()}

    def outliving(self) -> dict[str, RetainedVersion]:
        """Return the newest versions that only tombstones name, by sha256."""
        return {
            version.sha256: version
            for number, version in self.newest().values()
            if number in self.tombs
        }

    def named(self) -> dict[str, int]:
        """Return every object that must exist: sha256 -> size in bytes."""
        sizes = {sha256: version.size for sha256, version in self.outliving().items()}
        for rows in self.rows.values():
            sizes.update(zip(rows.sha256, rows.size, strict=True))
        return sizes


def scan_mirror(root: Path) -> MirrorScan:
    """Read all generations of a mirror; note what cannot be read or is not as published."""
    generations, rows, tombs, problems = {}, {}, {}, []
    for number in Generations(root).numbers():
        folder = Path(root) / "generations" / f"{number:06d}"
        try:
            generation = Generations(root).read(number)
        except StoreError as err:
            problems.append(_problem(folder, HEAD, "the record of a generation", str(err)))
            continue
        problems += [*_parent_problems(root, generation), *_setup_problems(generation)]
        number = generation.number
        try:
            if generation.is_pruned:
                tombs[number] = read_tombstone(folder).kept
            else:
                columns = generation.columns(*COLUMNS)
                generations[number] = generation
                rows[number] = GenerationRows(*(columns.column(name) for name in COLUMNS))
        except StoreError as err:
            problem = _problem(folder, PRUNED, "a tombstone", str(err))
            if not generation.is_pruned:
                found = _sum(folder / MANIFEST)
                problem = _problem(folder, MANIFEST, generation.manifest_sha256, found)
            problems.append(problem)
    return MirrorScan(generations=generations, rows=rows, tombs=tombs, problems=tuple(problems))


def _parent_problems(root: Path, generation: StoredGeneration) -> Iterator[Problem]:
    """Yield problems unless the parent's record is the one that a generation was made from."""
    if generation.folder.name != f"{generation.number:06d}":
        number = f"number {generation.number}"
        yield _problem(generation.folder, HEAD, f"number {generation.folder.name}", number)
    if generation.parent is None:
        return
    head = Path(root) / "generations" / f"{generation.parent:06d}" / HEAD
    found = _sum(head)
    if found != generation.parent_sha256:
        yield _problem(head.parent, HEAD, generation.parent_sha256, found)


def _setup_problems(generation: StoredGeneration) -> Iterator[Problem]:
    """Yield a problem if the recorded config of a generation is not as published."""
    expected = generation.facts.get(SETUP_SHA256, "")
    if expected and (found := _sum(generation.folder / SETUP)) != expected:
        yield _problem(generation.folder, SETUP, expected, found)


def _sum(path: Path) -> str:
    try:
        return sha256_of(path) if path.is_file() else "no file"
    except PermissionError:
        return DENIED


def _problem(folder: Path, name: str, expected: str, found: str) -> Problem:
    kind = "manifest" if name == MANIFEST else "generation"
    return Problem(kind, f"generations/{folder.name}/{name}", expected, found)

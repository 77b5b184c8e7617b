"""Verification of a whole reference cache: every byte is read and compared with CRDS's list."""

import logging
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from jwmirror.core.files import cached_digest
from jwmirror.core.model.maintenance import ReferenceProblem, ReferenceVerification
from jwmirror.core.names import OBSERVATORY, cache_path
from jwmirror.crds.cache import VerifiedFile, read_verified, write_verified
from jwmirror.crds.client import CrdsClient, FileFacts, UnreachableError
from jwmirror.crds.sync import ensure_cached

log = logging.getLogger(__name__)


def verify_cache(
    client: CrdsClient,
    cache: Path,
    needed: Collection[str],
    repair: bool,
    ledger: Path | None = None,
) -> ReferenceVerification:
    """Compare every file of a cache, and the `needed` ones, with the checksums that CRDS lists.

    If CRDS does not answer, the checksums are those recorded when the files were fetched. With
    `repair`, wrong and missing files that CRDS lists are fetched again.

    Raises:
        ReferencesError: a file cannot be fetched, or arrives wrong twice.
    """
    record = read_verified(cache, ledger)
    paths = {name: cache_path(cache, name) for name in needed} | _present(cache)
    listed: dict[str, FileFacts] = {}
    with suppress(UnreachableError):
        listed = client.listed(paths)
    problems: list[ReferenceProblem] = []
    verified: dict[str, VerifiedFile] = {}
    for number, (name, path) in enumerate(sorted(paths.items()), start=1):
        log.info("file %d of %d: %s", number, len(paths), name)
        problem = _problem(name, path, listed.get(name), record.files.get(name))
        if problem and repair and name in listed and problem.kind != "unverifiable":
            verified[name] = ensure_cached(client, listed[name], path, cache)
            problem = replace(problem, is_repaired=True)
        if problem:
            problems.append(problem)
        else:
            verified[name] = VerifiedFile.of(path)
    wrong = {problem.name for problem in problems if not problem.is_repaired}
    files = {name: file for name, file in record.files.items() if name not in wrong}
    write_verified(cache, replace(record, files=files | verified), ledger)
    return ReferenceVerification(
        cache=str(cache),
        files=len(paths),
        bytes=sum(path.stat().st_size for path in paths.values() if path.is_file()),
        unreachable=client.unreachable,
        problems=tuple(problems),
    )


def _present(cache: Path) -> dict[str, Path]:
    """Return the mappings and references of a cache; files that are still being fetched are not."""
    patterns = (f"mappings/{OBSERVATORY}/*", f"references/{OBSERVATORY}/*/*")
    paths = (path for pattern in patterns for path in cache.glob(pattern) if path.is_file())
    return {path.name: path for path in paths if path.name.startswith(f"{OBSERVATORY}_")}


def _problem(
    name: str, path: Path, listed: FileFacts | None, recorded: VerifiedFile | None
) -> ReferenceProblem | None:
    """Return what is wrong with a file; None if its bytes are those that CRDS lists."""
    expected = (listed.sha1 if listed else None) or (recorded.sha1 if recorded else "")
    if not path.is_file():
        return ReferenceProblem(kind="missing", name=name, expected=expected, found="")
    found = cached_digest(path, "sha1")
    if not expected:
        return ReferenceProblem(kind="unverifiable", name=name, expected="", found=found)
    if found != expected:
        return ReferenceProblem(kind="wrong", name=name, expected=expected, found=found)
    return None

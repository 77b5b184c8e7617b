"""Watch over the files of a context: corrected in place, declared invalid, or without a checksum.

CRDS has corrected mappings under their names (jwst_nircam_filteroffset_0004.rmap, early in
Cycle 1), and publishes a list of invalid files, whichever context names them.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from jwmirror.core.model.plan import ReferenceFinding, References
from jwmirror.core.names import MAPPINGS
from jwmirror.crds.cache import contexts_including, read_verified, retracted_in
from jwmirror.crds.client import CrdsClient, FileFacts, UnreachableError


def known_sums(cache: Path, last: References | None, ledger: Path | None = None) -> dict[str, str]:
    """Return name -> sha1 of all files that were used before: by the last run, or synced earlier.

    The record of the last run comes first, because other mirrors may share the cache.
    """
    sums = {name: file.sha1 for name, file in read_verified(cache, ledger).files.items()}
    return sums | (last.mappings | last.files if last else {})


def watch_files(
    client: CrdsClient,
    cache: Path,
    before: Mapping[str, str],
    now: References,
    ledger: Path | None = None,
) -> tuple[ReferenceFinding, ...]:
    """Return what CRDS says about the files that were used `before` and those in use `now`.

    There is one query for the checksums of each kind. If CRDS does not answer, the list of invalid
    files is the one that it last gave.
    """
    in_use = {**now.mappings, **now.files}
    listed = _listed(client, {**before, **in_use})
    findings = (
        *_corrected(before, listed),
        *_retracted({**before, **in_use}, _invalid_files(client, cache)),
        *(() if client.unreachable else _unverified(in_use, listed)),
    )
    return tuple(
        replace(finding, contexts=contexts_including(cache, finding.name, ledger))
        for finding in findings
    )


def _listed(client: CrdsClient, names: Collection[str]) -> dict[str, FileFacts]:
    """Return what CRDS lists of files; nothing if it does not answer."""
    mappings = [name for name in names if name.endswith(MAPPINGS)]
    references = [name for name in names if not name.endswith(MAPPINGS)]
    try:
        return client.listed(mappings) | client.listed(references)
    except UnreachableError:
        return {}


def _invalid_files(client: CrdsClient, cache: Path) -> frozenset[str]:
    """Return CRDS's list of invalid files; the one in the cache if CRDS does not answer."""
    try:
        return frozenset(client.info.get("bad_files_list", ()))
    except UnreachableError:
        return retracted_in(cache)


def _corrected(
    before: Mapping[str, str], listed: Mapping[str, FileFacts]
) -> Iterator[ReferenceFinding]:
    for name in sorted(before.keys() & listed.keys()):
        sha1 = listed[name].sha1
        if sha1 and sha1 != before[name]:
            message = (
                f"CRDS has corrected it in place: sha1 was {before[name][:12]}, is {sha1[:12]}; "
                "results of the former file are not used again"
            )
            yield ReferenceFinding(
                name=name,
                kind="corrected",
                message=message,
                sha1=before[name],
            )


def _retracted(names: Collection[str], invalid: Collection[str]) -> Iterator[ReferenceFinding]:
    for name in sorted(set(names) & set(invalid)):
        yield ReferenceFinding(
            name=name,
            kind="retracted",
            message="CRDS has declared it invalid; nothing more is made with it",
        )


def _unverified(
    in_use: Mapping[str, str], listed: Mapping[str, FileFacts]
) -> Iterator[ReferenceFinding]:
    for name in sorted(in_use):
        if reason := _doubt(listed.get(name)):
            yield ReferenceFinding(
                name=name,
                kind="unverified",
                message=reason,
            )


def _doubt(listed: FileFacts | None) -> str:
    """Return why a file in use cannot be relied on; "" if it can."""
    if listed is None:
        return "CRDS does not know it any more; it was verified by an earlier run"
    if listed.is_rejected:
        return "CRDS lists it as rejected or blacklisted"
    return "" if listed.sha1 else "CRDS lists no checksum of it; only its size was compared"

"""Sync of a CRDS cache: the context resolved once, the files fetched and verified one by one.

The crds package is not used for this: it moves a reference into place before it checks it, logs
one error, and uses it silently from then on; and two processes that sync at once may use a file
that is not there yet (crds issue 1228; both observed with crds 14.0.3).
"""

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from jwmirror.core.errors import ArchiveError, ReferencesError, RejectedError, as_typed, plain_text
from jwmirror.core.files import owner_of, path_below, sync_path
from jwmirror.core.names import OBSERVATORY, cache_path
from jwmirror.crds.cache import (
    VerifiedFile,
    can_write,
    has_config,
    is_ours,
    read_verified,
    write_config,
    write_verified,
)
from jwmirror.crds.client import CrdsClient, FileFacts, UnreachableError
from jwmirror.net.download import download
from jwmirror.net.request import DownloadRequest

BUILD, LATEST = "build", "latest"
SHOWN = 5  # names of missing files in a message
CONTEXT = re.compile(r"jwst_\d{4,}\.pmap")

log = logging.getLogger(__name__)


# ---- the context -----------------------------------------------------------------------------


def resolve_context(client: CrdsClient, policy: str, cache: Path) -> str:
    """Return the context that a policy means now: build, latest, or jwst_NNNN.pmap itself.

    `build` is the context of the installed jwst. If the server is queried, its description is
    written to `cache` for use offline. ReferencesError if there is no answer: never another
    context, as crds itself would take.
    """
    if CONTEXT.fullmatch(policy):
        return policy
    try:
        write_config(cache, client.info)
    except UnreachableError as err:
        known = sorted(read_verified(cache).contexts)
        if not known:
            raise
        raise UnreachableError(
            f"{err} Without CRDS, name a context in references.context that {cache} has: "
            f"{', '.join(known)}."
        ) from err
    return query_context(client, policy)


def query_context(client: CrdsClient, policy: str) -> str:
    """Return the context as `resolve_context`, and write nothing."""
    if CONTEXT.fullmatch(policy):
        return policy
    if policy not in (BUILD, LATEST):
        raise ReferencesError(
            f"context {policy!r}: expected build, latest or jwst_NNNN.pmap; correct "
            "references.context in the config."
        )
    if policy == LATEST:
        context = client.call("get_default_context", OBSERVATORY, LATEST)
    else:
        context = client.call("get_build_context", OBSERVATORY, _jwst_release())
    if not isinstance(context, str) or not CONTEXT.fullmatch(context):
        raise ReferencesError(
            f"CRDS at {client.url}, query for the {policy} context: expected jwst_NNNN.pmap, got "
            f"{context!r}; name one in references.context in the config."
        )
    log.info("context %s is the %s context of %s", context, policy, client.url)
    return context


def _jwst_release() -> str:
    """Return the version of the installed jwst as CRDS writes it: numbers only."""
    installed = version("jwst")
    numbers = re.match(r"\d+(\.\d+)*", installed)
    if "dev" in installed or not numbers:
        raise ReferencesError(
            f"jwst {installed} is no release, and has no build context; set references.context "
            "in the config to latest or jwst_NNNN.pmap."
        )
    return numbers[0]


# ---- files -----------------------------------------------------------------------------------


def sync_mappings(
    client: CrdsClient, context: str, cache: Path, ledger: Path | None = None
) -> dict[str, str]:
    """Fetch and verify all mappings of a context; return name -> sha1.

    Afterwards references can be looked up offline. If CRDS does not answer, the mappings of an
    earlier sync are used. For the `ledger` of a cache of another user see `write_verified`.
    """
    try:
        write_config(cache, client.info)
        mappings = client.mappings_of(context)
    except UnreachableError:
        mappings = read_verified(cache, ledger).contexts.get(context, ())
        if not mappings or not has_config(cache):
            raise
    sums = _sync(client, {name: cache_path(cache, name) for name in mappings}, cache, ledger)
    verified = read_verified(cache, ledger)
    contexts = {**verified.contexts, context: mappings}
    write_verified(cache, replace(verified, contexts=contexts), ledger)
    return sums


def sync_files(
    client: CrdsClient,
    names: Iterable[str],
    context: str,
    cache: Path,
    ledger: Path | None = None,
) -> dict[str, str]:
    """Fetch and verify references, one after the other; return name -> sha1.

    A file whose bytes are not those that CRDS lists is replaced. A file that fails verification is
    never put in place: ReferencesError. If CRDS does not answer, files verified before are used.
    """
    references = sorted({name for name in names if name and name.upper() != "N/A"})
    paths = {
        name: cache_path(cache, name, client.instrument_of(name, context)) for name in references
    }
    return _sync(client, paths, cache, ledger)


def sha1s_of(client: CrdsClient, names: Iterable[str]) -> dict[str, str]:
    """Return name -> sha1 of references as CRDS lists them, without fetching them.

    Those that CRDS does not know, or lists without a checksum, are left out.
    """
    return {name: file.sha1 for name, file in client.listed(names).items() if file.sha1}


def _sync(
    client: CrdsClient, paths: Mapping[str, Path], cache: Path, ledger: Path | None
) -> dict[str, str]:
    """Fetch what is not at its path with the bytes that CRDS lists; return name -> sha1."""
    record = read_verified(cache, ledger)
    verified = record.still_verified(paths)
    facts: dict[str, FileFacts] = {}
    with suppress(UnreachableError):
        facts = client.listed(paths)
    facts |= client.facts(paths.keys() - verified.keys())  # which must be known
    wrong = [name for name, file in facts.items() if not _is_right(file, verified.get(name))]
    try:
        _check_can_be_fetched([paths[name] for name in wrong], cache)
        client.arrivals.expect(len(wrong), sum(facts[name].size for name in wrong))
        for number, name in enumerate(wrong, start=1):
            log.info("file %d of %d: %s, %d bytes", number, len(wrong), name, facts[name].size)
            verified[name] = ensure_cached(client, facts[name], paths[name], cache)
            client.arrivals.add_file(facts[name].size)
    except OSError as err:
        raise ReferencesError(
            f"the reference cache {cache}: {plain_text(err)}; make room or correct the "
            "permissions, and run again."
        ) from err
    finally:
        write_verified(cache, replace(record, files={**record.files, **verified}), ledger)
    return {name: verified[name].sha1 for name in paths}


def _check_can_be_fetched(paths: Sequence[Path], cache: Path) -> None:
    """Raise ReferencesError if files are missing that this user cannot write to the cache."""
    missing = [path for path in paths if not path.exists()]
    if any(not can_write(path.parent) for path in missing):
        names = [path.name for path in missing]
        raise ReferencesError(
            f"the reference cache {cache} may only be read, and files that the recipes need are "
            f"missing in it ({len(names)}): {', '.join(names[:SHOWN])}"
            f"{', ...' * (len(names) > SHOWN)}; nothing was fetched; let its owner fetch them "
            f"(`CRDS_PATH={cache} python -m crds.sync --files {' '.join(names[:SHOWN])}`), or name "
            "another folder in references.cache in the config."
        )


def _is_right(listed: FileFacts, verified: VerifiedFile | None) -> bool:
    """Return whether a verified file is the one that CRDS lists."""
    return verified is not None and (
        verified.size == listed.size and listed.sha1 in (None, verified.sha1)
    )


def ensure_cached(client: CrdsClient, facts: FileFacts, path: Path, cache: Path) -> VerifiedFile:
    """Return the record of a file at `path`, fetched unless the right one is there already.

    Processes that have the former file open keep its bytes. ReferencesError if a link leads from
    the cache to another folder: only the cache is written to; and if a wrong file belongs to
    another user: it is not ours to delete.
    """
    path_below(cache, str(path.relative_to(cache)), f"CRDS at {client.url}", ReferencesError)
    if path.is_file():
        present = VerifiedFile.of(path)
        if _is_right(facts, present):
            return present
        if not is_ours(path):
            raise _wrong_file_of_another(path, facts, present)
        log.warning(
            "%s: expected sha1 %s, which CRDS lists, found %s; it is fetched again",
            path,
            facts.sha1,
            present.sha1,
        )
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    request = DownloadRequest(
        filename=facts.name,
        url=client.url_of(facts.name),
        size=facts.size,
        server="CRDS",
        algorithm="sha1",
        checksum=facts.sha1,
        must_read=False,
    )
    try:
        file = download(client.http, request, path.parent, on_bytes=client.arrivals.add)
    except RejectedError as err:
        raise ReferencesError(
            f"{err.what} of {facts.name} from {client.url}: expected {err.expected}, got "
            f"{err.found}, twice; it was not put into the cache; run again, and if this remains, "
            "report it to the CRDS help desk."
        ) from err
    except ArchiveError as err:
        raise ReferencesError(str(err)) from err
    _put_in_place(file.path, path)
    return VerifiedFile.of(path)


def _wrong_file_of_another(path: Path, facts: FileFacts, present: VerifiedFile) -> ReferencesError:
    return ReferencesError(
        f"{path}: expected sha1 {facts.sha1}, which CRDS lists, found {present.sha1}; it belongs "
        f"to user {owner_of(path)}, and was not changed; let its owner repair the cache "
        f"({as_typed('references verify --repair')}, or `python -m crds.sync` with "
        "`--check-sha1sum --repair-files`), or name another folder in references.cache in the "
        "config."
    )


def _put_in_place(file: Path, path: Path) -> None:
    """Durably give a verified file its name, readable for all who share the cache."""
    file.chmod(0o644)
    sync_path(file)
    os.replace(file, path)
    sync_path(path.parent)

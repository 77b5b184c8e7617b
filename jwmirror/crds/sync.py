"""The CRDS cache: a context resolved once, its files synced one by one, each verified by sha1."""

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from jwmirror.core.errors import ArchiveError, ReferencesError, RejectedError
from jwmirror.core.files import sync_file, sync_folder
from jwmirror.core.names import OBSERVATORY, cache_path
from jwmirror.crds.cache import VerifiedFile, read_verified, write_verified
from jwmirror.crds.server import (
    CONTEXT,
    CrdsClient,
    FileFacts,
    has_config,
    write_config,
)
from jwmirror.net.download import download
from jwmirror.net.http import Timeouts
from jwmirror.net.request import DownloadRequest

BUILD, LATEST = "build", "latest"
TIMEOUTS = Timeouts(read_s=120)

log = logging.getLogger(__name__)


def resolve_context(url: str, policy: str, cache: Path | str, timeouts: Timeouts = TIMEOUTS) -> str:
    """The name of the context that a policy means now: build, latest, or jwst_NNNN.pmap itself.

    `build` is the context of the installed jwst. Where the server is asked, `cache` learns of it
    what it needs offline. ReferencesError where there is no answer: never another context.
    """
    if CONTEXT.fullmatch(policy):
        return policy
    if policy not in (BUILD, LATEST):
        raise ReferencesError(
            f"context {policy!r}: expected build, latest or jwst_NNNN.pmap; correct "
            "references.context in the config."
        )
    server = CrdsClient(url, timeouts)
    write_config(Path(cache), server.info)
    if policy == LATEST:
        context = server.call("get_default_context", OBSERVATORY, LATEST)
    else:
        context = server.call("get_build_context", OBSERVATORY, _engine())
    if not isinstance(context, str) or not CONTEXT.fullmatch(context):
        raise ReferencesError(
            f"CRDS at {url}, asked for the {policy} context: expected jwst_NNNN.pmap, got "
            f"{context!r}; name one in references.context in the config."
        )
    log.info("context %s is the %s context of %s", context, policy, url)
    return context


def _engine() -> str:
    """The version of the installed jwst, as CRDS counts versions: numbers only."""
    installed = version("jwst")
    numbers = re.match(r"\d+(\.\d+)*", installed)
    if "dev" in installed or not numbers:
        raise ReferencesError(
            f"jwst {installed} is no release, and has no build context; set references.context "
            "in the config to latest or jwst_NNNN.pmap."
        )
    return numbers[0]


def sync_mappings(
    url: str, context: str, cache: Path | str, timeouts: Timeouts = TIMEOUTS
) -> tuple[str, ...]:
    """Have all mappings of a context in the cache, verified; their names.

    Afterwards references can be looked up offline. What was synced before asks no server.
    """
    cache, server = Path(cache), CrdsClient(url, timeouts)
    mappings = read_verified(cache).contexts.get(context)
    if mappings is None or not has_config(cache):
        write_config(cache, server.info)
        mappings = tuple(sorted(server.call("get_mapping_names", context)))
    _sync(server, {name: cache_path(cache, name) for name in mappings}, cache)
    ledger = read_verified(cache)
    write_verified(cache, replace(ledger, contexts={**ledger.contexts, context: mappings}))
    return mappings


def sync_files(
    names: Iterable[str],
    context: str,
    cache: Path | str,
    url: str,
    timeouts: Timeouts = TIMEOUTS,
) -> dict[str, str]:
    """Have these references in the cache, one after the other, verified; name -> sha1.

    A bad file in the cache is deleted and fetched again; what does not come right is never put
    in place, and ReferencesError says so. What was verified before asks no server.
    """
    cache, server = Path(cache), CrdsClient(url, timeouts)
    wanted = sorted({name for name in names if name and name.upper() != "N/A"})
    places = {name: cache_path(cache, name, server.instrument_of(name, context)) for name in wanted}
    return _sync(server, places, cache)


def sums_of(names: Iterable[str], url: str, timeouts: Timeouts = TIMEOUTS) -> dict[str, str]:
    """The sha1 of references as CRDS tells it, without fetching them; name -> sha1."""
    facts = CrdsClient(url, timeouts).facts(names)
    lacking = sorted(name for name, each in facts.items() if each.sha1 is None)
    if lacking:
        raise ReferencesError(f"CRDS at {url}: tells no sha1 of {', '.join(lacking[:5])}.")
    return {name: each.sha1 for name, each in facts.items()}


# ---- one file after the other ----------------------------------------------------------------


def _sync(server: CrdsClient, places: dict[str, Path], cache: Path) -> dict[str, str]:
    """Have files in their places, whole; name -> sha1."""
    ledger = read_verified(cache)
    seals = {
        name: seal
        for name, place in places.items()
        if (seal := ledger.files.get(name)) and seal.holds(place)
    }
    doubtful = sorted(places.keys() - seals.keys())
    facts = server.facts(doubtful) if doubtful else {}
    try:
        for number, name in enumerate(doubtful, start=1):
            log.info("file %d of %d: %s, %d bytes", number, len(doubtful), name, facts[name].size)
            seals[name] = _settle(server, facts[name], places[name])
    except OSError as err:
        raise ReferencesError(
            f"the reference cache {cache}: {err}; make room or mend the permissions, and run again."
        ) from err
    finally:
        if doubtful:
            write_verified(cache, replace(ledger, files={**ledger.files, **seals}))
    return {name: seals[name].sha1 for name in places}


def _settle(server: CrdsClient, facts: FileFacts, place: Path) -> VerifiedFile:
    """Have one file in its place: as it is if it is right, or else fetched."""
    if place.exists():
        seal = VerifiedFile.of(place)
        if seal.size == facts.size and facts.sha1 in (None, seal.sha1):
            return seal
        log.warning("%s in the cache is not what CRDS has; deleted, and fetched again", facts.name)
        place.unlink()
    place.parent.mkdir(parents=True, exist_ok=True)
    wanted = DownloadRequest(
        filename=facts.name,
        url=server.url_of(facts.name),
        size=facts.size,
        algorithm="sha1",
        checksum=facts.sha1,
        must_read=False,
    )
    try:
        body = download(server.client, wanted, place.parent)
    except RejectedError as err:
        raise ReferencesError(
            f"{err.what} of {facts.name} from {server.url}: expected {err.expected}, got "
            f"{err.found}, twice; it was not put into the cache; run again, and if it stays so, "
            "tell the CRDS help desk."
        ) from err
    except ArchiveError as err:
        raise ReferencesError(str(err)) from err
    _put_in_place(body.path, place)
    return VerifiedFile.of(place)


def _put_in_place(file: Path, place: Path) -> None:
    """Durably give a verified file its name, readable for all who share the cache."""
    file.chmod(0o644)
    sync_file(file)
    os.replace(file, place)
    sync_folder(place.parent)

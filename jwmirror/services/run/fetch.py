"""Fetch the products of one order into the store."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jwmirror.archive.transfer import Downloaded, MastDownloader, progress_of
from jwmirror.core.model import Failure, Orders, Receipt, Version
from jwmirror.core.model.run import FetchBeat
from jwmirror.engine.heartbeats import Heartbeats
from jwmirror.net.http import TOKEN_VARIABLE
from jwmirror.net.progress import terminal
from jwmirror.net.staging import staging_folder
from jwmirror.net.token_socket import request_token
from jwmirror.pipeline.identity import downloaded_version
from jwmirror.services.causes.reprocessing import keep_change
from jwmirror.store.objects import Objects
from jwmirror.store.runs import RunFiles

UNCHANGED = (
    "%s: it was fetched because MAST lists it otherwise than before, and has the bytes that the "
    "mirror has: no new version"
)

log = logging.getLogger(__name__)


def fetch_products(
    *,
    mirror: Path,
    run: Path,
    orders: Orders,
    order: str,
    url: str,
    cloud_url: str | None,
    token_socket: str | None,
    downloads: int,
    group: str | None,
    token_variable: str = TOKEN_VARIABLE,
    accept_refused: Sequence[str] = (),
) -> Receipt:
    """Fetch and verify the products of one order, at most `downloads` at a time.

    A heartbeat in the folder of the `run` says meanwhile how much has arrived.
    `token_socket`: where the run's session serves the token; None: no token.
    `token_variable`: that of the token in the environment, for messages. `accept_refused`: patterns
    of the names of files that are taken as MAST sends them.

    A product that cannot be fetched is a failure in the receipt, and does not stop the others.
    """
    objects = Objects(mirror, group)
    token = request_token(token_socket)
    transfer = MastDownloader(
        url,
        token,
        downloads,
        cloud_url=cloud_url,
        token_variable=token_variable,
        accept_refused=accept_refused,
    )
    return _taken_in(transfer, objects, orders, order, RunFiles(run).fetch_heartbeat(order))


def _taken_in(
    transfer: MastDownloader, objects: Objects, orders: Orders, order: str, heartbeat: Path
) -> Receipt:
    """Download the products of an order, and store what arrives."""
    mirror, products = objects.folder.parent, orders.products[order]
    ordered = [product for group in orders.products.values() for product in group]
    progress = progress_of(products, terminal())

    def beat() -> FetchBeat:
        return FetchBeat(files=progress.files, bytes=progress.bytes, rate=progress.rate)

    with (
        staging_folder(objects.incoming, products, ordered) as folder,
        Heartbeats(heartbeat).fetch(beat),
    ):
        arriving = transfer.download(products, folder, mirror / "quarantine", progress)
        answers = [_compared(answer, mirror, orders) for answer in arriving]  # as they arrive
        files = [answer for answer in answers if not isinstance(answer, Failure)]
        versions = list(map(_version, files))
        _log_versions(versions, orders.held)
        objects.add_versions(versions, [file.path for file in files])
    return Receipt(
        versions=tuple(versions),
        failures=tuple(answer for answer in answers if isinstance(answer, Failure)),
        downloaded=sum(file.size for file in files),
    )


def _compared(answer: Downloaded | Failure, mirror: Path, orders: Orders) -> Downloaded | Failure:
    """Return what became of a download; a reprocessed file is compared with the former version."""
    if not isinstance(answer, Failure) and (held := orders.held.get(answer.product.uri)):
        keep_change(mirror, held, answer.path, answer.sha256, answer.product.filename)
    return answer


def _log_versions(versions: Iterable[Version], held: Mapping[str, str]) -> None:
    """Log files that are the same as in the mirror, and inputs that cannot be calibrated."""
    for version in versions:
        if held.get(version.product.uri) == version.sha256:
            log.info(UNCHANGED, version.product.filename)
        if version.refusal:
            log.warning("%s The file is kept, and no recipe uses it.", version.refusal)


def _version(file: Downloaded) -> Version:
    """Return the version that a file is, with what later polls compare MAST's file with."""
    version = downloaded_version(file.product, file.path, file.sha256, file.size)
    return replace(version, md5=file.md5, etag=file.etag)

"""The polls of runs on disk: what they found, the listings, and those of earlier runs."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from jwmirror.core.errors import StoreError, plain_text
from jwmirror.core.files import read_bytes, write_or_link
from jwmirror.core.jsonio import encoded, parse_file, write
from jwmirror.core.model import Doubt, Listing, Poll, Product
from jwmirror.core.model.product import WITHHELD
from jwmirror.core.model.run import Confirmation
from jwmirror.store.runs import RunFiles, newest_first, read_if_written

AT_ONCE = 5_000  # products that are encoded at a time
ZSTD = "zstd"

log = logging.getLogger(__name__)


def write_poll(folder: Path, poll: Poll) -> None:
    """Write the poll of a run and, in a large file that few jobs read, the listed products.

    A run that lists the same products as the run before links to its file.
    """
    files = RunFiles(folder)
    earlier = (RunFiles(path).listings for path in newest_first(files.folder.parent, files.folder))
    former = next(filter(Path.exists, earlier), None)
    write_or_link(files.listings, partial(_compressed_products, poll.listings), former)
    listings = tuple(replace(listing, products=()) for listing in poll.listings)
    write(files.poll, replace(poll, listings=listings, products_in=files.listings.name))


def _compressed_products(listings: Iterable[Listing]) -> Iterator[bytes]:
    """Yield the listed products, as `_encoded_products`, in compressed pieces: `zstdcat` shows all.

    Of 100,000 products, 63 MB become 3 MB, for 0.02 s of CPU (`python -m benchmarks poll`).
    """
    codec = pa.Codec(ZSTD)
    for piece in _encoded_products(listings):
        yield codec.compress(piece, asbytes=True)


def _encoded_products(listings: Iterable[Listing]) -> Iterator[bytes]:
    """Yield the listed products by program as `encoded` gives them, in pieces: they are many."""
    start = "{"
    products_of = {str(listing.program): listing.products for listing in listings}
    for program, products in sorted(products_of.items()):
        yield f'{start}"{program}":['.encode()
        for first in range(0, len(products), AT_ONCE):
            some = encoded(products[first : first + AT_ONCE])  # [...] and the end of the line
            yield (b"," if first else b"") + some[1:-2]
        yield b"]"
        start = ","
    yield b"}\n" if products_of else b"{}\n"


def with_products(folder: Path, poll: Poll) -> Poll:
    """Return the poll of a run, as read, with the listed products. StoreError if these are lost."""
    if not poll.products_in:
        return poll
    files = RunFiles(folder)
    is_plain = poll.products_in == files.plain_listings.name
    path = files.plain_listings if is_plain else files.listings
    products = _read_products(path)
    if not products.keys() >= {listing.program for listing in poll.listings}:
        raise StoreError(f"{path}: expected the products of all programs that the poll listed.")
    listings = (replace(each, products=products[each.program]) for each in poll.listings)
    return replace(poll, listings=tuple(listings), products_in="")


def _read_products(path: Path) -> dict[int, tuple[Product, ...]]:
    """Return the listed products by program; {} without the file. StoreError if it is damaged."""
    try:
        content = read_bytes(path)
        if path.suffix == ".zst":
            content = pa.CompressedInputStream(pa.BufferReader(content), ZSTD).read()
    except FileNotFoundError:
        return {}
    except OSError as err:
        raise StoreError(f"{path}: not as jwmirror writes it ({plain_text(err)}).") from err
    return parse_file(path, content, dict[int, tuple[Product, ...]])


def previous_listings(folder: Path, programs: Iterable[int]) -> dict[int, Listing]:
    """Return the newest listing of each program before a run, unless that listing was doubted.

    A program whose newest listing cannot be read has none.
    """
    missing = set(programs)
    listings: dict[int, Listing] = {}
    for path, poll in _earlier_polls(folder) if missing else ():
        doubted = {doubt.program for doubt in poll.doubts}
        listed = missing & {listing.program for listing in poll.listings}
        missing -= listed
        try:
            whole = with_products(path, poll) if listed - doubted else poll
        except StoreError as err:
            log.warning("%s; its programs are queried as a whole", str(err).rstrip("."))
            continue
        for listing in whole.listings:
            if listing.program in listed - doubted:
                listings[listing.program] = listing
        if not missing:
            break
    return listings


def previous_poll_time(folder: Path, program: int) -> str:
    """Return when MAST last listed a program before a run, ISO; "" if it never did."""
    for path, poll in _earlier_polls(folder):
        confirmation = read_if_written(RunFiles(path).confirmed, Confirmation)
        for listing in poll.listings:
            if listing.program == program:
                return confirmation.at if confirmation else listing.asked_at
    return ""


def previous_doubts(folder: Path, programs: Iterable[int]) -> list[Doubt]:
    """Return what the newest poll of each program before a run did not believe."""
    polls = _newest_polls(folder, programs)
    return [doubt for missing, poll in polls for doubt in poll.doubts if doubt.program in missing]


def previous_changes(folder: Path, programs: Iterable[int]) -> dict[tuple[str, str, str], str]:
    """Return the changes that the newest poll of each program before a run found, and since when.

    They are by kind, URI and version. Withheld files are left out.
    """
    found: dict[tuple[str, str, str], str] = {}
    for missing, poll in _newest_polls(folder, programs):
        asked_at = {listing.program: listing.asked_at for listing in poll.listings}
        for change in poll.changes:
            program = change.product.program
            if program in missing and program in asked_at and change.kind != WITHHELD:
                found[change.name] = change.since or asked_at[program]
    return found


def _newest_polls(folder: Path, programs: Iterable[int]) -> Iterator[tuple[frozenset[int], Poll]]:
    """Yield the polls before a run, newest first, each with the programs that no newer one had.

    A program that is not in the newest poll of all programs was not in the config then.
    """
    missing = frozenset(programs)
    for _, poll in _earlier_polls(folder) if missing else ():
        yield missing, poll
        missing -= poll.programs
        if not (missing and poll.is_partial):
            break


def _earlier_polls(folder: Path) -> Iterator[tuple[Path, Poll]]:
    """Yield the polls of the runs before a run, newest first, and the folders of these runs."""
    for path in newest_first(Path(folder).parent, before=Path(folder)):
        if poll := read_if_written(RunFiles(path).poll, Poll):
            yield path, poll

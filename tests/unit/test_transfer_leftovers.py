"""Downloads that end early: what is left of them, and what the next fetch makes of it."""

import hashlib
import resource
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from jwmirror.archive.transfer import MastDownloader
from jwmirror.core.errors import StoreError
from jwmirror.core.model import Product
from jwmirror.net.http import Timeouts
from tests.setup.file_server import (  # noqa: F401
    HASTY,
    FileServer,
    Reply,
    body,
    file_server,
    hasty_fetch,
    small_image,
)
from tests.setup.records import RATE, product

EAGER = replace(HASTY, bodies=1, keep_from=1)  # everything is worth resuming


def cut_then(server: FileServer, tmp_path: Path, image: bytes, timeouts: Timeouts = EAGER) -> None:
    """A fetch that got 5,000 bytes of the file, under a strong ETag, before it was cut."""
    server.put(RATE, body(image[:5000], Content_Length=str(len(image)), ETag='"v1"'))
    transfer = MastDownloader(server.url, timeouts=timeouts)
    list(transfer.download([product(RATE, image)], tmp_path / "incoming", tmp_path / "quarantine"))
    server.requests.clear()


def rest(image: bytes, etag: str = '"v1"') -> Reply:
    """The bytes from the 5,000th on."""
    place = f"bytes 5000-{len(image) - 1}/{len(image)}"
    return body(image[5000:], status=206, Content_Range=place, ETag=etag)


def test_a_cut_download_goes_on_where_it_was_cut(server, fetch, image, tmp_path):
    """The next fetch asks for the rest, on condition that the file is still the same."""
    cut_then(server, tmp_path, image)
    server.put(RATE, rest(image))

    (arrived,) = fetch(product(RATE, image))

    ((_, asked),) = server.requests
    assert (asked["Range"], asked["If-Range"]) == ("bytes=5000-", '"v1"')
    assert arrived.path.read_bytes() == image
    assert arrived.sha256 == hashlib.sha256(image).hexdigest()
    assert [path.suffix for path in (tmp_path / "incoming").iterdir()] == [".part"]


@pytest.mark.parametrize("spoiled", [b"", b"x" * 5000, b"x" * 9000])
def test_a_leftover_whose_bytes_have_changed_costs_time_and_nothing_else(
    spoiled, server, fetch, image, tmp_path
):
    """Whatever became of the bytes on disk (a power cut), the file that arrives is right."""
    cut_then(server, tmp_path, image)
    (part,) = (tmp_path / "incoming").glob("*.part")
    part.write_bytes(spoiled)
    server.put(RATE, *[rest(image)] * (spoiled == b"x" * 5000), body(image))

    (arrived,) = fetch(product(RATE, image))

    assert arrived.path.read_bytes() == image


def test_what_is_left_of_another_version_is_not_gone_on_with(server, fetch, image, tmp_path):
    """A leftover belongs to one checksum: when the listing has moved, all is asked for."""
    cut_then(server, tmp_path, image)
    newer = image[:-4] + b"\x01\x02\x03\x04"
    server.put(RATE, body(newer))

    (arrived,) = fetch(product(RATE, newer))

    ((_, asked),) = server.requests
    assert "Range" not in asked
    assert arrived.path.read_bytes() == newer


def test_files_without_checksum_are_never_gone_on_with(server, fetch, image, tmp_path):
    """Where MAST gives nothing to hold the whole to, a cut file is dropped at once."""
    server.put(RATE, body(image[:5000], Content_Length=str(len(image)), ETag='"v1"'))
    transfer = MastDownloader(server.url, timeouts=EAGER)

    list(transfer.download([product(RATE)], tmp_path / "incoming", tmp_path / "quarantine"))

    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_whole_file_that_a_killed_run_left_is_not_asked_for_again(server, fetch, image, tmp_path):
    """Its bytes are hashed again, and held to MAST's checksum."""
    server.put(RATE, body(image))
    (left,) = fetch(product(RATE, image))
    server.requests.clear()

    (arrived,) = fetch(product(RATE, image))

    assert server.requests == []
    assert arrived == left and arrived.path.read_bytes() == image


def test_a_caller_that_stops_early_leaves_no_files_behind(server, tmp_path, image):
    """Closing the iterator removes every file that was not handed over."""
    names = [RATE.replace("00001", f"{number:05d}") for number in range(12)]
    for name in names:
        server.put(name, body(image))
    transfer = MastDownloader(server.url, downloads=2, timeouts=HASTY)

    outcomes = transfer.download(
        [product(name, image) for name in names], tmp_path / "in", tmp_path
    )
    first = next(outcomes)
    outcomes.close()

    assert list((tmp_path / "in").iterdir()) == [first.path]


def test_no_thread_is_left_however_the_fetch_ends(server, fetch, image, tmp_path):
    """After the end, and after a caller that stops early, the download threads are gone."""
    names = [RATE.replace("00001", f"{number:05d}") for number in range(12)]
    for name in names:
        server.put(name, body(image))

    fetch(*[product(name, image) for name in names])
    outcomes = MastDownloader(server.url, timeouts=HASTY).download(
        [product(names[0])], tmp_path / "x", tmp_path
    )
    next(outcomes)
    outcomes.close()

    assert [each for each in threading.enumerate() if each.name.startswith("download-")] == []


def fetch_on_a_small_disk(url: str, wanted: Product, folder: Path) -> str:
    """Fetch where no file can grow beyond 20 kB; in a process that this limits alone."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    with pytest.raises(StoreError) as caught:
        list(MastDownloader(url, timeouts=HASTY).download([wanted], folder, folder / "quarantine"))
    return str(caught.value)


def test_a_disk_that_refuses_ends_the_fetch(server, image, tmp_path):
    """A disk that takes no more bytes is an error of the store, not of one file."""
    server.put(RATE, body(image))

    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        arguments = (server.url, product(RATE, image), tmp_path)
        message = pool.submit(fetch_on_a_small_disk, *arguments).result()

    assert "make room" in message
    assert list(tmp_path.iterdir()) == []

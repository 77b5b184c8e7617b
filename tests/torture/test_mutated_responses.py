"""Odd responses of MAST and CRDS: no error but ours, nothing wrong is taken, in bounded time."""

import json
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from random import Random

import pytest

from jwmirror.archive.tables.portal import Portal
from jwmirror.archive.transfer import Downloaded, MastDownloader
from jwmirror.core.errors import ArchiveError, ReferencesError
from jwmirror.crds.client import CrdsClient
from tests.setup.file_server import HASTY, FileServer, Reply, body, serve
from tests.setup.records import ASN, product
from tests.torture.mill import SEED, times
from tests.torture.odd_responses import odd_response

SEEDS = range(SEED * 1000, SEED * 1000 + times(60, 7_000))
SECONDS = 10.0
BRISK = replace(HASTY, connect_s=0.2, read_s=0.1, attempts=2, bodies=2, backoff_s=0.001)
MEMBERS = json.dumps({"asn_type": "image3", "products": []}).encode()
PAGE = json.dumps({"status": "COMPLETE", "data": [{"obsID": "1"}], "paging": {"page": 1}}).encode()
ANSWER = json.dumps({"result": {"observatory": "jwst"}, "error": None}).encode()


def odd(seed: int, content: bytes) -> Reply:
    """Send the odd response of a seed, a new one for each request."""
    random = Random(seed)

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = random.random() < 0.8
        with suppress(OSError):
            handler.wfile.write(odd_response(random, content))

    return reply


def duration_of_queries(url: str, seed: int) -> float:
    """Ask an archive for products; return the seconds until the answer, or an error of ours."""
    began = time.monotonic()
    client = Portal(url, None, 30, BRISK)
    with suppress(ArchiveError):
        client.products([str(seed)])
    return time.monotonic() - began


@pytest.fixture(scope="module")
def mast() -> Iterator[tuple[FileServer, ProcessPoolExecutor]]:
    """A server, and a process whose astroquery queries it."""
    spawn = multiprocessing.get_context("spawn")
    with serve() as server, ProcessPoolExecutor(1, spawn) as process:
        yield server, process


def test_odd_responses_for_a_file_take_in_no_wrong_one(mast, tmp_path):
    """With a checksum, the right bytes or a failure; nothing else is left."""
    server, _ = mast
    transfer = MastDownloader(server.url, "token", 1, BRISK)
    for seed in SEEDS:
        server.put(ASN, odd(seed, MEMBERS))
        wanted = product(ASN, MEMBERS, exclusive=seed % 2 == 0)
        folder, began = tmp_path / str(seed), time.monotonic()

        (outcome,) = transfer.download([wanted], folder, tmp_path / "quarantine")

        assert time.monotonic() - began < SECONDS, seed
        if isinstance(outcome, Downloaded):
            assert outcome.path.read_bytes() == MEMBERS, seed
        assert len(list(folder.iterdir())) == isinstance(outcome, Downloaded), seed
    assert len(list(Path(tmp_path, "quarantine").iterdir())) <= 200


def test_odd_answers_of_mast_end_with_an_error_of_ours(mast):
    """Through astroquery and requests."""
    server, process = mast
    server.put("columnsconfig", body(b"{}"))
    for seed in SEEDS:
        server.put("invoke", odd(seed, PAGE))
        duration = process.submit(duration_of_queries, server.url, seed).result(timeout=60)
        assert duration < SECONDS, seed
    assert sum(path.endswith("/invoke") for path, _ in server.requests) >= len(SEEDS)


def test_odd_answers_of_crds_end_with_an_error_of_ours(mast):
    """Through urllib3."""
    server, _ = mast
    for seed in SEEDS:
        server.put("", odd(seed, ANSWER))
        began = time.monotonic()
        with suppress(ReferencesError):
            CrdsClient(server.url, BRISK).call("get_server_info")
        assert time.monotonic() - began < SECONDS, seed

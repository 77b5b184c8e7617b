"""Requests, time and memory of polls, against a server on this computer that takes 100 ms each.

`python -m benchmarks queries` polls an unchanged program of 100,000 products in 1,662 observations,
whose keyword table lists the highest level of each exposure only, and then 100 small programs. The
client is real, astroquery included. Measure on an idle machine.
"""

import hashlib
import json
import multiprocessing
import resource
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from urllib.parse import unquote

from benchmarks import poll as program
from jwmirror.archive.poll import poll
from jwmirror.core.model import Entry, Selection
from jwmirror.store.manifest import read_manifest, write_manifest

PAUSE_S = 0.1  # before each answer
PRODUCTS, OBSERVATIONS = 100_000, 1662
SMALL, FIRST = 100, 2000  # programs
MOST_REQUESTS, MOST_MB, MOST_S, AT_ONCE = 600, 500, 10.0, 8
KEYWORDS = "Mast.Jwst.Filtered."

T = TypeVar("T")
Tables = dict[str, list[dict]]  # observations, products (by obsid) and keywords of programs


class Server(ThreadingHTTPServer):
    """A MAST that counts requests, and those at the same time, and answers after a pause."""

    daemon_threads = True

    def __init__(self, tables: tuple[Tables, Tables, Tables], pause_s: float = PAUSE_S):
        super().__init__(("127.0.0.1", 0), Handler)
        observations, self.products, keywords = tables
        self.tables = {"Mast.Caom.Filtered": observations, f"{KEYWORDS}Nircam": keywords}
        self.pause_s = pause_s
        self.contents: dict[str, bytes] = {}  # of the files that were reprocessed
        self.requests = self.files = self.now = self.most = 0

    def rows(self, service: str, params: dict[str, Any]) -> list[dict]:
        """Return the rows that a query asks for."""
        if service == "Mast.Caom.Products":
            return [row for obsid in params["obsid"].split(",") for row in self.products[obsid]]
        wanted = next(f for f in params["filters"] if f["paramName"] in ("program", "proposal_id"))
        return self.tables[service].get(str(wanted["values"][0]), [])

    def reprocess(self, contents: dict[str, bytes]) -> None:
        """Give some files of program 1345 new bytes, and their rows what MAST says of these."""
        self.contents |= contents
        for row in self.tables[f"{KEYWORDS}Nircam"]["1345"]:
            if content := contents.get(row["filename"]):
                row["checksum"] = md5_of(content)
                row["fileSize"] = len(content)
                row["date_mjd"] += 1
        for row in (row for rows in self.products.values() for row in rows):
            if content := contents.get(row["productFilename"]):
                row["size"] = len(content)


class Handler(BaseHTTPRequestHandler):
    """The answers of the server."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        """Answer a query, or describe the columns that it may name."""
        body = unquote(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._begin()
        if "columnsconfig" in self.path:
            answer: dict = {name: {"type": "string"} for name in ("obs_collection", "proposal_id")}
        else:
            query = json.loads(body.removeprefix("request="))
            rows = self.server.rows(query["service"], query["params"])
            answer = page_of(rows, query["page"], query["pagesize"])
        self._end(json.dumps(answer).encode())

    def do_GET(self) -> None:
        """Answer a request for a file: it is the same as ever, unless it was reprocessed."""
        self._begin()
        self.server.files += 1
        content = self.server.contents.get(unquote(self.path).rpartition("/")[2])
        self._end(content or b"", 200 if content else 304, content and f'"{md5_of(content)}"')

    def _begin(self) -> None:
        self.server.requests += 1
        self.server.now += 1
        self.server.most = max(self.server.most, self.server.now)
        time.sleep(self.server.pause_s)

    def _end(self, content: bytes, status: int = 200, etag: str | None = None) -> None:
        self.server.now -= 1
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if etag:
            self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


def md5_of(content: bytes) -> str:
    """Return the MD5 of bytes, in hex."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def page_of(rows: list[dict], page: int, size: int) -> dict:
    """Return one page of a table."""
    some = rows[(page - 1) * size : page * size]
    pages = max(1, -(-len(rows) // size))
    paging = {"page": page, "pageSize": size, "pagesFiltered": pages, "rows": len(some)}
    return {"status": "COMPLETE", "data": some, "paging": paging | {"rowsFiltered": len(rows)}}


def serve(connection: Connection) -> None:
    """Serve the large program and the small ones; send the counts when asked."""
    observations, products, keywords = large_program(PRODUCTS, OBSERVATIONS)
    for number in range(FIRST, FIRST + SMALL):
        obsid, name = str(number), f"jw{number:05d}001001_02101_00001_nrca1"
        row = program.offer_row(f"{name}_cal.fits", 0, "cal.fits", 1000)
        observations[obsid] = [observation_row(obsid, name, number)]
        products[obsid] = [{**row, "obsID": obsid, "proposal_id": obsid}]
        cells = program.keyword_row(f"{name}_cal.fits", Random(number), 1000)
        keywords[obsid] = [{**cells, "program": number}]
    server = started(Server((observations, products, keywords)), connection)
    while connection.recv():
        connection.send((server.requests, server.files, server.most))
        server.requests = server.files = server.most = 0


def started(server: Server, connection: Connection) -> Server:
    """Start a server in a thread, and send its address."""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection.send(f"http://127.0.0.1:{server.server_port}")
    return server


def large_program(count: int, groups: int) -> tuple[Tables, Tables, Tables]:
    """Return the tables of program 1345 with `count` products in so many of CAOM's observations."""
    offers, rows = (
        [row for page in table for row in json.loads(page)["data"]]
        for table in program.pages(count)
    )
    per_row = -(-len(offers) // groups)
    observations: list[dict] = []
    products: Tables = defaultdict(list)
    for number, row in enumerate(offers):
        obsid = str(10_000 + number // per_row)
        if obsid not in products:
            observations.append(observation_row(obsid, row["obs_id"], 1345))
        products[obsid].append({**row, "obsID": obsid})
    return {"1345": observations}, products, {"1345": rows}


def observation_row(obsid: str, name: str, number: int) -> dict:
    """Return a row of Mast.Caom.Filtered."""
    return {
        "obsid": obsid,
        "obs_id": name,
        "instrument_name": "NIRCAM/IMAGE",
        "calib_level": 2,
        "proposal_id": str(number),
    }


def mirror_large_program(manifest: Path) -> None:
    """Write the manifest of a mirror that has all of the large program."""
    write_manifest(manifest, program.held(*program.pages(PRODUCTS)))


def large_poll(url: str, manifest: Path) -> tuple[float, float, float]:
    """Poll the large program; return seconds, CPU seconds and the peak of memory in MB."""
    return measured(url, [program.SELECTION], read_manifest(manifest))


def small_polls(url: str, manifest: Path) -> tuple[float, float, float]:
    """Poll the small programs for the first time, as `large_poll` but without a mirror."""
    programs = range(FIRST, FIRST + SMALL)
    return measured(url, [Selection(program=number) for number in programs], [])


def measured(
    url: str, selections: list[Selection], entries: Sequence[Entry]
) -> tuple[float, float, float]:
    """Poll, and return seconds, CPU seconds and the peak of memory in MB."""
    began, cpu = time.monotonic(), time.process_time()
    found = poll(url, selections, entries, None, 8)
    spent = time.monotonic() - began, time.process_time() - cpu
    if found.doubts or (entries and found.changes):
        raise AssertionError(f"expected all and no change, found {found.doubts[:1]}")
    return (*spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@contextmanager
def mast(serve: Callable[..., None] = serve, *options: object) -> Iterator[tuple[str, Connection]]:
    """Run a server in a process; yield its address and the connection to `serve`."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(there, *options), daemon=True)
    process.start()
    yield here.recv(), here
    process.terminate()


def in_new_process(function: Callable[..., T], *args: object) -> T:
    """Return what a function returns in a process whose memory is only its own."""
    with multiprocessing.Pool(1) as pool:
        return pool.apply(function, args)


def main() -> str | None:
    """Poll both ways, each in a new process; return a message if a goal is missed."""
    multiprocessing.set_start_method("spawn", force=True)
    missed = []
    with mast() as (url, counts), tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder, "manifest.parquet")
        in_new_process(mirror_large_program, manifest)
        for name, ask in (("large program", large_poll), ("100 programs", small_polls)):
            seconds, cpu, memory = in_new_process(ask, url, manifest)
            counts.send(True)
            requests, files, most = counts.recv()
            print(
                f"{name}: {requests} requests, {files} of them for files, at most {most} at a "
                f"time; {seconds:.1f} s, CPU {cpu:.1f} s, peak {memory:.0f} MB"
            )
            if requests > MOST_REQUESTS or files or most > AT_ONCE:
                missed.append(f"{name}: {requests} requests, {files} for files, {most} at a time")
            if ask is small_polls and seconds > MOST_S:
                missed.append(f"{name}: {seconds:.1f} s, more than {MOST_S}")
            if memory > MOST_MB:
                missed.append(f"{name}: {memory:.0f} MB, more than {MOST_MB}")
    return "; ".join(missed) or None


if __name__ == "__main__":
    sys.exit(main())

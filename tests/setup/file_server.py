"""A server of files whose every reply a test gives, and a hasty fetch from it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jwmirror.archive.transfer import Downloaded, MastDownloader
from jwmirror.core.model import Failure, Product
from jwmirror.net.http import Timeouts

HASTY = Timeouts(connect_s=2, read_s=0.4, attempts=3, backoff_s=0.01, retry_after_s=0.05)

Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class FileServer:
    """A server on loopback whose every reply a test gives; it records the requests."""

    url: str = ""
    replies: dict[str, list[Reply]] = field(default_factory=dict)  # the last one is repeated
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # path, headers

    def put(self, filename: str, *replies: Reply) -> None:
        """Answer the requests for a file with these replies in turn."""
        self.replies[filename] = list(replies)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Record a request and send the next reply for its file."""
        self.requests.append((handler.path, dict(handler.headers)))
        replies = self.replies[handler.path.rpartition("/")[2]]
        (replies.pop(0) if len(replies) > 1 else replies[0])(handler)


@contextmanager
def serve() -> Iterator[FileServer]:
    """Run a file server as long as the context lasts."""
    files = FileServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            files.answer(self)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            files.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    files.url = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield files
    finally:
        http.shutdown()
        http.server_close()


@pytest.fixture(name="server")
def file_server() -> Iterator[FileServer]:
    """A file server without files."""
    with serve() as server:
        yield server


def body(data: bytes, status: int = 200, **headers: str) -> Reply:
    """Send `data` with its length (or the Content_Length given; "" for none)."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        sent = {"Content_Length": str(len(data)), **headers}
        for name, value in sent.items():
            if value:
                handler.send_header(name.replace("_", "-"), value)
        if sent["Content_Length"] != str(len(data)):
            handler.close_connection = True
            handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(data)

    return reply


def slowly(data: bytes) -> Reply:
    """Send a byte every 50 ms."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.close_connection = True
        for start in range(len(data)):
            try:
                handler.wfile.write(data[start : start + 1])
            except OSError:
                return
            time.sleep(0.05)

    return reply


def endlessly(data: bytes, status: int = 200, **headers: str) -> Reply:
    """Send `data` again and again until the client has enough, without a length."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        is_chunked = "Transfer_Encoding" in headers
        piece = b"%x\r\n%b\r\n" % (len(data), data) if is_chunked else data
        send_for_ever(handler, b"", piece)

    return reply


def send_for_ever(
    handler: BaseHTTPRequestHandler, start: bytes, piece: bytes, pause_s: float = 0.0
) -> None:
    """Send `start`, and then `piece` again and again until the client has enough."""
    handler.close_connection = True
    with suppress(OSError):
        handler.wfile.write(start)
        while True:
            handler.wfile.write(piece)
            time.sleep(pause_s)


def trickle(where: str) -> Reply:
    """Send a byte every 50 ms and never end: in the "head", the "body", or an error "page"."""
    start = {
        "head": b"HTTP/1.1 200 OK\r\na: ",
        "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        "page": b"HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n",
    }
    return lambda handler: send_for_ever(handler, start[where], b"x", 0.05)


def endless_trailers(handler: BaseHTTPRequestHandler) -> None:
    """Send a chunked body of one byte, and trailers without an end."""
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    send_for_ever(handler, start, b"a: b\r\n" * 1000)


def silently(handler: BaseHTTPRequestHandler) -> None:
    """Send a head and then nothing."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    time.sleep(1)
    handler.close_connection = True


@pytest.fixture(name="image", scope="module")
def small_image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small FITS file of two HDUs."""
    path = tmp_path_factory.mktemp("image") / "image.fits"
    data = np.arange(5000, dtype="f4")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data, name="SCI")]).writeto(path)
    return path.read_bytes()


@pytest.fixture(name="fetch")
def hasty_fetch(server: FileServer, tmp_path: Path) -> Callable[..., list[Downloaded | Failure]]:
    """Fetch products from the file server, with short timeouts."""

    def fetch(*products: Product, token: str | None = None) -> list[Downloaded | Failure]:
        transfer = MastDownloader(server.url, token, downloads=3, timeouts=HASTY)
        return list(transfer.download(products, tmp_path / "incoming", tmp_path / "quarantine"))

    return fetch

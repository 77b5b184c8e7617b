"""The web server of the second archive: its paths, and how it sends a file.

Downloads have a Content-Length but neither ETag nor Last-Modified; HEAD is not known.
"""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.setup.second_archive import ArchivedFile, BadRequestError, Row, SecondArchive

TOKEN = "a-token-of-the-second-archive"


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    archive: SecondArchive

    def do_POST(self) -> None:
        """Answer a question about columns or rows."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self.path.endswith("/columnsconfig"):
            self.send_json(self.archive.column_config(form["colConfigId"][0]))
            return
        try:
            self.send_json(self.archive.answer(json.loads(form["request"][0])))
        except BadRequestError as error:
            answer = {"status": "ERROR", "msg": str(error), "data": []}
            self.send_json(answer, self.archive.wrong_column)

    def do_GET(self) -> None:
        """Say who asks, or send a file."""
        url = urlsplit(self.path)
        if url.path == "/whoami":
            known = {"anon": False, "ezid": "ann", "attrib": {"display_name": "Ann"}, "scopes": []}
            nobody = {"anon": True, "ezid": "anonymous", "attrib": {}, "scopes": []}
            self.send_json(known if self.is_known else nobody)
            return
        uri = parse_qs(url.query).get("uri", [""])[0]
        file = self.archive.files.get(uri.removeprefix("mast:JWST/product/"))
        if url.path != "/api/v0.1/Download/file" or file is None:
            self.send_json({"detail": "not found"}, 404)
        elif file.is_exclusive and not self.is_known:
            self.send_json({"detail": "unauthorized"}, 401)
        else:
            self.send_file(file)

    @property
    def is_known(self) -> bool:
        """Whether the token of the request is ours, in either of the two headers in use."""
        sent = (self.headers["Cookie"] or "", self.headers["Authorization"] or "")
        return f"mast_token={TOKEN}" in sent[0] or sent[1] == f"token {TOKEN}"

    def send_json(self, answer: Row, status: int = 200) -> None:
        """Send an answer."""
        self.send_body(json.dumps(answer).encode(), status, "text/plain;charset=utf-8")

    def send_file(self, file: ArchivedFile) -> None:
        """Send a file or its end, and lose the connection where a test wants that."""
        asked = self.headers["Range"]
        self.archive.downloads.append((file.name, asked))
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        span = f"bytes {start}-{len(file.data) - 1}/{len(file.data)}"
        headers = {"Content-Range": span} if asked else {}
        status = HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK
        cut = self.archive.cuts.pop(file.name, None)
        self.send_body(file.data[start:], status, "binary/octet-stream", headers, cut)

    def send_body(
        self, body: bytes, status: int, kind: str, more: Row | None = None, cut: int | None = None
    ) -> None:
        """Send a reply whose length is announced, or only its first bytes."""
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None:
            self.archive.after_cut()
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Write no log."""


class QuietServer(ThreadingHTTPServer):
    """A server that is silent about clients who close a connection early."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Write nothing about a connection that was lost."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Replay(Handler):
    """Sends recorded answers as they are, by service, or of columnsconfig."""

    recorded: dict[str, bytes]

    def do_POST(self) -> None:
        """Send the answer that was recorded of a service."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        request = json.loads(form.get("request", ["{}"])[0])
        answer = self.recorded[request.get("service", "columnsconfig")]
        self.send_body(answer, HTTPStatus.OK, "text/plain;charset=utf-8")


@contextmanager
def served(archive: SecondArchive, port: int) -> Iterator[SecondArchive]:
    """Serve an archive as long as the context lasts."""
    with _running(type("Answers", (Handler,), {"archive": archive}), port) as archive.url:
        yield archive


@contextmanager
def replayed(recorded: dict[str, bytes], port: int) -> Iterator[str]:
    """Serve recorded answers as long as the context lasts; yield the URL."""
    with _running(type("Recorded", (Replay,), {"recorded": recorded}), port) as url:
        yield url


@contextmanager
def _running(handler: type[Handler], port: int) -> Iterator[str]:
    http = QuietServer(("127.0.0.1", port), handler)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()

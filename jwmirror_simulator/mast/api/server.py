"""The HTTP server: passes requests to a function and sends its responses."""

import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from jwmirror_simulator.mast.api.messages import Request, Response

Answer = Callable[[Request], Response]
Record = Callable[[Request, Response, int], None]
TICK = 0.05  # seconds between two pieces of a slow body
IDLE = 30.0  # seconds after which an unused connection is closed


class Server:
    """A threaded HTTP server on 127.0.0.1; `record` is called at the end of each exchange."""

    def __init__(self, answer: Answer, record: Record, port: int = 0):
        methods = {"answer": staticmethod(answer), "record": staticmethod(record)}
        handler = type("ArchiveHandler", (Handler,), methods)
        self._http = _Http(("127.0.0.1", port), handler)
        self._thread = Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._http.server_address[1]

    def start(self) -> None:
        """Start to answer requests."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to answer requests, and free the port."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    """A server for many short connections; it closes open ones when it stops."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, *arguments):
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request, client_address) -> None:
        """Keep the connection in the list of open ones."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        """Close the connection and remove it from the list."""
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Close all connections: one kept alive would go on to answer for this server."""
        super().server_close()
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address) -> None:
        """Report no errors of clients that closed their connection."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "Observatory"
    timeout = IDLE
    disable_nagle_algorithm = True
    answer: Answer
    record: Record

    def do_GET(self) -> None:
        """Answer one request."""
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request.of(self.command, self.path, headers, self.rfile.read(length))
        response = self.answer(request)
        sent = 0
        try:
            for block in self._send(request, response):
                sent += block
        finally:
            self.record(request, response, sent)

    do_HEAD = do_POST = do_GET  # noqa: N815 - the names are http.server's

    def _send(self, request: Request, response: Response) -> Iterator[int]:
        """Send a response; yield the number of body bytes of each block sent."""
        bodiless = request.method == "HEAD" or response.status in (204, 304)
        time.sleep(response.pause)
        self._send_head(response, bodiless)
        if bodiless:
            return
        left = len(response.body) if response.cut is None else response.cut
        left = sys.maxsize if response.endless else left
        for block in response.blocks():
            part = block[:left]
            self._send_block(part, response)
            left -= len(part)
            yield len(part)
            if not left:
                break
        if response.cut is not None:
            self._break_off(response)
        elif response.length == "chunked":
            self.wfile.write(b"0\r\n\r\n")

    def _send_head(self, response: Response, bodiless: bool) -> None:
        """Send the status line and the headers."""
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.length == "sent" and response.status not in (204, 304):
            size, announced = len(response.body), response.announced
            self.send_header("Content-Length", str(size if announced is None else announced))
            if announced is not None and announced > size:  # the client waits for more
                self.close_connection = True
        elif response.length == "chunked" and not bodiless:
            self.send_header("Transfer-Encoding", "chunked")
        elif response.length == "none" and not bodiless:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()

    def _send_block(self, part: bytes, response: Response) -> None:
        """Send one block of the body, no faster than the response allows."""
        if not part:
            return
        step = max(1, int(response.rate * TICK)) if response.rate else len(part)
        for at in range(0, len(part), step):
            piece = part[at : at + step]
            chunk = b"%x\r\n%b\r\n" % (len(piece), piece)
            self.wfile.write(chunk if response.length == "chunked" else piece)
            if response.rate:
                time.sleep(step / response.rate)

    def _break_off(self, response: Response) -> None:
        """Close the connection before the end of the body."""
        self.close_connection = True
        if response.reset:  # a linger time of 0 turns the close into a reset
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            with suppress(OSError):
                self.connection.close()

    def log_message(self, format: str, *args) -> None:
        """Write no log: the archive records its requests."""

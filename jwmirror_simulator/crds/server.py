"""A CRDS server on loopback for the unmodified crds client."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread

from jwmirror_simulator.crds.rpc import MAPPINGS, REFERENCES, ReferenceFiles, RpcMethods


@dataclass(frozen=True)
class Request:
    """One request to the server: an RPC method with its parameters, or a file name."""

    what: str  # the RPC method (get_server_info...), or "file"
    parameters: tuple  # of the method; of a file: its name


class ReferenceServer:
    """Offers the mappings and references under a CRDS root at `url` (http://localhost:PORT).

    Use it as a context manager, or call `start()` and `stop()`. `latest` and `build` are the
    contexts that it announces: at first the newest pmap; they may be set at any time.
    """

    def __init__(self, crds_root: Path, port: int = 0):
        self.crds_root = Path(crds_root)
        self.requests: list[Request] = []
        self.heads: list[str] = []  # request line and headers of each request
        self._files = ReferenceFiles(self.crds_root)
        self.latest = self.build = self._files.contexts()[-1]
        self._wrong: dict[str, float] = {}  # file -> how many more times its bytes are wrong
        self._waits: dict[str, float] = {}  # file -> seconds
        self._stopped, self._lock = Event(), Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler_for(self))
        self._http.daemon_threads = True
        self._answers = RpcMethods(self._files, self.url, lambda: (self.latest, self.build))

    @property
    def url(self) -> str:
        """Value for CRDS_SERVER_URL."""
        return f"http://localhost:{self._http.server_address[1]}"

    def start(self) -> "ReferenceServer":
        """Start to answer requests."""
        Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop to answer requests, and free the port."""
        self._stopped.set()
        self._http.shutdown()
        self._http.server_close()

    def __enter__(self) -> "ReferenceServer":
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def fetched(self, name: str) -> int:
        """Return how often a file was requested."""
        return self.requests.count(Request("file", (name,)))

    def corrupt(self, name: str, times: int | None = None) -> None:
        """Serve wrong bytes of the right length for the next `times` requests (None: always)."""
        self._wrong[name] = float("inf") if times is None else times

    def slow(self, name: str, seconds: float) -> None:
        """Pause for some seconds in the middle of a file."""
        self._waits[name] = seconds

    def retract(self, name: str) -> None:
        """Declare a reference or mapping invalid; its bytes are still served."""
        self._files.bad.append(name)

    def describe_as(self, name: str, **facts: str) -> None:
        """Describe a file otherwise than it is: sha1sum="none", rejected="true"..."""
        self._files.statements[name] = facts

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._files.bad.clear()
        self._files.statements.clear()
        self._wrong.clear()
        self._waits.clear()

    def answer(self, method: str, parameters: list) -> dict:
        """Return the answer to a remote procedure call: result and error, one of them None."""
        self.requests.append(Request(method, tuple(map(_frozen, parameters))))
        call = getattr(self._answers, method, None)
        if call is None or method.startswith("_"):
            return {"result": None, "error": {"message": f"Method not found: {method}"}}
        try:
            return {"result": call(*parameters), "error": None}
        except (OSError, TypeError) as error:
            return {"result": None, "error": {"message": f"{method}: {error}"}}

    def body_of(self, name: str) -> bytes | None:
        """Return the bytes to serve for a file, wrong ones if corrupt; None if there is no file."""
        self.requests.append(Request("file", (name,)))
        path = self._files.find(name)
        if path is None:
            return None
        body = bytearray(path.read_bytes())
        with self._lock:
            if self._wrong.get(name, 0) > 0:
                self._wrong[name] -= 1
                body[len(body) // 2] ^= 0xFF
        return bytes(body)

    def wait_for(self, name: str) -> None:
        """Wait the time for which the file is slow, or until the server stops."""
        self._stopped.wait(self._waits.get(name, 0))


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _handler_for(server: ReferenceServer) -> type[BaseHTTPRequestHandler]:
    """Return the handler class of http.server for one server."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer /json/<method>/<id>/."""
            call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = server.answer(call["method"], call["params"])
            self._send(json.dumps({**answer, "id": call["id"]}).encode(), "application/json")

        def do_GET(self) -> None:
            """Serve /unchecked_get/{mappings,references}/jwst/<name>."""
            folder, _, name = self.path.lstrip("/").rpartition("/")
            body = server.body_of(name) if f"{folder}/" in (MAPPINGS, REFERENCES) else None
            if body is None:
                self.send_error(HTTPStatus.NOT_FOUND)
            else:
                self._send(body, "application/octet-stream", name)

        def _send(self, body: bytes, kind: str, name: str = "") -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            server.wait_for(name)
            self.wfile.write(body[len(body) // 2 :])

        def log_request(self, *code: object) -> None:
            """Record the request line and headers."""
            server.heads.append(f"{self.requestline}\n{self.headers}")

        def log_message(self, *message: object) -> None:
            """Write no log: requests are recorded."""

    return Handler

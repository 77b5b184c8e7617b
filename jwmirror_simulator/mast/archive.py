"""A MAST on loopback for unmodified clients, and with methods to edit what it offers."""

import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from jwmirror_simulator.mast.api import missions, portal
from jwmirror_simulator.mast.api.downloads import download
from jwmirror_simulator.mast.api.messages import (
    DOWNLOADS,
    INVOKE,
    Request,
    Response,
    as_html,
    as_json,
    as_text,
)
from jwmirror_simulator.mast.api.oddities import Oddities
from jwmirror_simulator.mast.api.server import Server
from jwmirror_simulator.mast.api.target_names import SERVICE, answer_name
from jwmirror_simulator.mast.faults import Fault
from jwmirror_simulator.mast.storage.editor import Editor
from jwmirror_simulator.mast.tables.snapshot import Snapshot

TOKEN = "observatory-token"  # a token that opens exclusive files here, and nowhere else
COLUMNS = "/portal/Mashup/Mashup.asmx/columnsconfig"
WHOAMI = "/whoami"
PARTS = {
    INVOKE: "portal",
    COLUMNS: "columns",
    WHOAMI: "login",
    **dict.fromkeys(DOWNLOADS, "downloads"),
}  # words of Oddities.maintenance


@dataclass(frozen=True)
class Exchange:
    """One request and its response, as recorded by the archive."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]  # secrets replaced by "(secret)"
    with_token: bool
    service: str  # of a Portal request: Mast.Caom.Products...
    filename: str  # of a download
    query: dict  # of a Portal or missions request: its JSON
    status: int
    sent: int  # bytes of body


class Archive(Editor):
    """An archive in a folder, served at `url` while started (a context manager).

    The folder may be edited by this object or by another process at any time: each request sees
    the state written last. `requests` lists the requests so far; `fault` makes responses go wrong;
    `oddities` has switches for what MAST does, or may do, against its documentation. Files in
    `guarded` are listed as public and given only with a token. `positions` are those of names that
    the resolver knows beside the targets of the programs, in lower case.
    """

    def __init__(self, folder: Path, port: int = 0, tokens: Iterable[str] = (TOKEN,)):
        super().__init__(folder)
        self.port, self.tokens = port, set(tokens)
        self.oddities = Oddities()
        self.guarded: set[str] = set()  # names of files
        self.positions: dict[str, tuple[float, float]] = {}  # right ascension and declination
        self._requests: list[Exchange] = []
        self._idle = threading.Condition()
        self._under_way = 0
        self._faults: list[tuple[str, Fault]] = []
        self._polled: dict[bytes, int] = {}
        self._replicas = cycle(range(2))
        self._lock = threading.Lock()
        self._snapshot: tuple[object, Snapshot] | None = None
        self._server: Server | None = None

    # ---- serving -----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Address of the archive; RuntimeError while it is not started."""
        if self._server is None:
            raise RuntimeError("the archive is not served; use it as a context manager, or start()")
        return f"http://127.0.0.1:{self._server.port}"

    def start(self) -> "Archive":
        """Start to answer requests."""
        self._server = Server(self._answer, self._record, self.port)
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop to answer requests, and free the port."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> "Archive":
        return self.start()

    def __exit__(self, *_) -> None:
        self.stop()

    # ---- what goes wrong ---------------------------------------------------------------------

    def fault(self, target: str, fault: Fault) -> None:
        """Apply a fault to a file (name or URI), a service, a URL path, or "*" for all."""
        self._faults.append((target.removeprefix("mast:JWST/product/"), fault))

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def _spoil(self, request: Request, response: Response) -> Response:
        """Return the response with the faults of its request applied."""
        targets = {"*", request.path, request.service, request.filename} - {""}
        with self._lock:
            for target, fault in self._faults:
                if target in targets:
                    response = fault.apply(response)
        return response

    # ---- answers -----------------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """Tables made from the state written last."""
        with self._lock:
            stamp = self.folder.stamp()
            if self._snapshot is None or self._snapshot[0] != stamp:
                self._snapshot = stamp, Snapshot.of(self.folder.read())
            return self._snapshot[1]

    def _answer(self, request: Request) -> Response:
        """Return the response to a request, with its faults applied."""
        with self._idle:
            self._under_way += 1
        try:
            response = self._route(request)(request)
            if self.oddities.trickle:
                response = response.but(rate=self.oddities.trickle)
            return self._spoil(request, response)
        except Exception:  # a defect of the simulation: shown, and answered as MAST would
            traceback.print_exc()
            return as_text("internal error of the simulated archive\n", 500)

    def _route(self, request: Request) -> Callable[[Request], Response]:
        """Return the function that answers a request."""
        missions_api = "/search/jwst/api/v0.1/"
        if PARTS.get(request.path) in self.oddities.maintenance:
            return lambda _: as_html()
        routes = {
            COLUMNS: self._columns_config,
            INVOKE: self._invoke,
            WHOAMI: self._whoami,
            "/search/util/api/v0.1/column_list": lambda _: as_json(missions.column_list()),
            f"{missions_api}search": self._search,
            f"{missions_api}post_list_products": self._product_list,
            **dict.fromkeys(DOWNLOADS, self._download),
        }
        return routes.get(request.path, lambda _: as_text(f"{request.path}: not found\n", 404))

    def _columns_config(self, request: Request) -> Response:
        service = request.body.decode().partition("colConfigId=")[2]
        return as_json(portal.columns_config(service))

    def _invoke(self, request: Request) -> Response:
        with self._lock:
            polls = self._polled.get(request.body, 0)
            self._polled[request.body] = polls + 1
        if polls < self.oddities.polls:
            return portal.refusal("EXECUTING")
        if request.service == SERVICE and SERVICE not in self.oddities.absent_tables:
            return answer_name(request.query.get("params") or {}, self.positions, self.snapshot)
        return portal.invoke(request.query, self.snapshot, self.oddities)

    def _knows(self, token: str | None) -> bool:
        """Return whether a token is valid."""
        return self.oddities.token == "valid" and token in self.tokens

    def _whoami(self, request: Request) -> Response:
        anonymous = not self._knows(request.token)
        name = "" if anonymous else "observer@example.org"
        return as_json(
            {
                "eppn": name,
                "ezid": "anonymous" if anonymous else "observer",
                "attrib": {} if anonymous else {"display_name": "An Observer", "email": name},
                "anon": anonymous,
                "scopes": [] if anonymous else ["mast:exclusive_access"],
                "session": None,
                "token": None if anonymous else {"expires": "2099-01-01T00:00:00"},
            }
        )

    def _search(self, request: Request) -> Response:
        return as_json(missions.search(self.snapshot.filesets, request.query))

    def _product_list(self, request: Request) -> Response:
        snapshot, datasets = self.snapshot, request.query.get("dataset_ids") or []
        if len(datasets) > 1000:
            return as_json({"detail": "at most 1000 dataset_ids"}, 400)
        holdings = list(snapshot.state.holdings.values())
        return as_json(missions.product_list(holdings, datasets, snapshot.exclusive))

    def _download(self, request: Request) -> Response:
        snapshot = self.snapshot
        holding = snapshot.state.holdings.get(request.filename)
        if holding is None:
            return as_text(f"{request.filename}: no such product\n", 404)
        if self.oddities.token == "refused" and request.token is not None:
            return as_text("the token is not valid\n", 401)
        is_withheld = snapshot.exclusive(holding) or request.filename in self.guarded
        if is_withheld and not self._knows(request.token):
            text = f"{request.filename}: exclusive access until {holding.released}\n"
            return as_text(text, self.oddities.withheld)
        path = self.folder.version_path(holding)
        return download(request, holding, path, self.oddities, next(self._replicas))

    # ---- its record --------------------------------------------------------------------------

    @property
    def requests(self) -> list[Exchange]:
        """Requests so far, oldest first; waits up to 10 s for those being answered."""
        with self._idle:
            self._idle.wait_for(lambda: self._under_way == 0, timeout=10)
        return self._requests

    def _record(self, request: Request, response: Response, sent: int) -> None:
        """Record an exchange after its response was sent."""
        served = Exchange(
            method=request.method,
            path=request.path,
            params=request.params,
            headers=request.public_headers,
            with_token=request.token is not None,
            service=request.service,
            filename=request.filename,
            query=request.query,
            status=response.status,
            sent=sent,
        )
        with self._idle:
            self._requests.append(served)
            self._under_way -= 1
            self._idle.notify_all()

    def downloads(self, filename: str | None = None) -> list[Exchange]:
        """Return the exchanges in which bytes of files (or of one file) were sent."""
        return [
            served
            for served in self.requests
            if served.path in DOWNLOADS and served.sent and filename in (None, served.filename)
        ]

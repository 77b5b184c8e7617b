"""HTTP messages: requests as received, and responses with the faults of their sending."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

PAGE = b"<!DOCTYPE html><html><head><title>MAST</title></head><body>Down for maintenance.</body>"
BLOCK = 1 << 16  # bytes sent at a time
SECRETS = ("authorization", "cookie")
INVOKE = "/api/v0/invoke"
DOWNLOADS = ("/api/v0.1/Download/file", "/search/jwst/api/v0.1/retrieve_product")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    params: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of(cls, method: str, target: str, headers: dict[str, str], body: bytes) -> "Request":
        """Return the request for the target in an HTTP request line."""
        parts = urlsplit(target)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls(method=method, path=parts.path, params=params, headers=headers, body=body)

    @property
    def query(self) -> dict:
        """JSON of a Portal request or of a missions request; {} for other requests."""
        text = self.body.decode()
        if self.path == INVOKE:
            text = unquote(dict(parse_qsl(text)).get("request", "")) or "{}"
        elif not text.startswith("{"):
            return {}
        return json.loads(text)

    @property
    def service(self) -> str:
        """Portal service of the request, or ""."""
        return self.query.get("service", "") if self.path == INVOKE else ""

    @property
    def filename(self) -> str:
        """Requested file, or ""."""
        if self.path not in DOWNLOADS:
            return ""
        return (self.params.get("uri") or self.params.get("product_name", "")).rsplit("/", 1)[-1]

    @property
    def token(self) -> str | None:
        """Token of the request: in MAST's cookie, or as `Authorization: token X`."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "token":
            return value
        for part in self.headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == "mast_token":
                return value
        return None

    @property
    def public_headers(self) -> dict[str, str]:
        """Headers, with the values of secrets replaced."""
        return {k: "(secret)" if k in SECRETS else v for k, v in self.headers.items()}


@dataclass(frozen=True)
class Span:
    """Bytes of a file, from `start` to before `stop`."""

    path: Path
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes in blocks."""
        with open(self.path, "rb") as file:
            file.seek(self.start)
            left = len(self)
            while left and (block := file.read(min(BLOCK, left))):
                left -= len(block)
                yield block


@dataclass(frozen=True, kw_only=True)
class Response:
    """One response, and how to send it; faults replace parts of it."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Span = b""
    length: str = (
        "sent"  # "sent" (Content-Length), "chunked", or "none" (until the connection ends)
    )
    announced: int | None = None  # bytes, where Content-Length is to be wrong
    cut: int | None = None  # bytes of the body after which the connection is closed
    reset: bool = False  # when cut: by a reset, not in good order
    pause: float = 0.0  # seconds to wait before the first byte
    rate: float | None = None  # bytes per second
    endless: bool = False  # the body is sent again and again until the client closes

    def content(self) -> bytes:
        """Return the whole body."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body.blocks())

    def blocks(self) -> Iterator[bytes]:
        """The body, a block at a time."""
        while self.endless:
            yield self.content()
        yield from self._blocks()

    def _blocks(self) -> Iterator[bytes]:
        if isinstance(self.body, Span):
            return self.body.blocks()
        return (self.body[at : at + BLOCK] for at in range(0, len(self.body), BLOCK))

    def whole(self) -> "Response":
        """Return the response as without a Range: all bytes of the file, status 200."""
        if not isinstance(self.body, Span):
            return self
        path = self.body.path
        headers = {k: v for k, v in self.headers.items() if k != "Content-Range"}
        return self.but(status=200, headers=headers, body=Span(path, 0, path.stat().st_size))

    def but(self, **changes) -> "Response":
        """Return this response with some parts replaced."""
        return replace(self, **changes)


def as_json(value: object, status: int = 200) -> Response:
    """Return a JSON response."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return Response(status=status, headers=headers, body=json.dumps(value).encode())


def as_html() -> Response:
    """Return a page that says that the archive is down, with status 200."""
    return Response(headers={"Content-Type": "text/html"}, body=PAGE)


def as_text(text: str, status: int) -> Response:
    """Return a response of plain text."""
    return Response(status=status, headers={"Content-Type": "text/plain"}, body=text.encode())

"""What goes over the wire: requests as they come, responses as they are to be sent."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

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
        """The request for a target as in HTTP's first line."""
        parts = urlsplit(target)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls(method=method, path=parts.path, params=params, headers=headers, body=body)

    @property
    def query(self) -> dict:
        """The JSON of a Portal request, or of a missions request; {} for others."""
        text = self.body.decode()
        if self.path == INVOKE:
            text = unquote(dict(parse_qsl(text)).get("request", "")) or "{}"
        elif not text.startswith("{"):
            return {}
        return json.loads(text)

    @property
    def service(self) -> str:
        """The Portal service asked for, or ''."""
        return self.query.get("service", "") if self.path == INVOKE else ""

    @property
    def filename(self) -> str:
        """The file asked for, or ''."""
        if self.path not in DOWNLOADS:
            return ""
        return (self.params.get("uri") or self.params.get("product_name", "")).rsplit("/", 1)[-1]

    @property
    def token(self) -> str | None:
        """The token it came with: as MAST's cookie, or as `Authorization: token X`."""
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
        """Its headers without the values of secrets."""
        return {k: "(secret)" if k in SECRETS else v for k, v in self.headers.items()}


@dataclass(frozen=True)
class Span:
    """Some bytes of a file: from start to before stop."""

    path: Path
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, a block at a time."""
        with open(self.path, "rb") as file:
            file.seek(self.start)
            left = len(self)
            while left and (block := file.read(min(BLOCK, left))):
                left -= len(block)
                yield block


@dataclass(frozen=True, kw_only=True)
class Response:
    """One response, and how it is to be sent; faults replace parts of it."""

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

    def content(self) -> bytes:
        """The whole body."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body.blocks())

    def blocks(self) -> Iterator[bytes]:
        """The body, a block at a time."""
        if isinstance(self.body, Span):
            return self.body.blocks()
        return (self.body[at : at + BLOCK] for at in range(0, len(self.body), BLOCK))

    def whole(self) -> "Response":
        """The response as it is without a Range: all bytes of the file, status 200."""
        if not isinstance(self.body, Span):
            return self
        path = self.body.path
        headers = {k: v for k, v in self.headers.items() if k != "Content-Range"}
        return self.but(status=200, headers=headers, body=Span(path, 0, path.stat().st_size))

    def but(self, **changes) -> "Response":
        """This response with some parts replaced."""
        return replace(self, **changes)


def as_json(value: object, status: int = 200) -> Response:
    """A JSON response."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return Response(status=status, headers=headers, body=json.dumps(value).encode())


def as_text(text: str, status: int) -> Response:
    """A response of plain text."""
    return Response(status=status, headers={"Content-Type": "text/plain"}, body=text.encode())

"""Downloads of one file, with validators and ranges as in RFC 9110."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from uuid import uuid4

from jwmirror_simulator.mast.api.messages import Request, Response, Span, as_text
from jwmirror_simulator.mast.api.oddities import Oddities
from jwmirror_simulator.mast.storage.dates import moment
from jwmirror_simulator.mast.storage.folder import Holding

TYPES = {".fits": "image/fits", ".json": "application/json", ".jpg": "image/jpeg"}


def download(
    request: Request, holding: Holding, path: Path, oddities: Oddities, replica: int
) -> Response:
    """Return the response of a replica to a request for a file that the client may have."""
    if request.method == "HEAD" and not oddities.heads:
        return as_text("HEAD is not allowed\n", 405)
    if oddities.ranges >= 400 and "range" in request.headers:
        return as_text("ranges are not supported\n", oddities.ranges)
    headers = validators(holding, oddities, replica)
    if unchanged(request, headers):
        return Response(status=304, headers=headers)
    headers["Content-Type"] = TYPES.get(path.suffix, "text/plain")
    headers["Content-Disposition"] = f"attachment; filename={holding.filename}"
    file = Span(path, 0, holding.size)
    whole = Response(headers=headers, body=file, length=oddities.length)
    if oddities.ranges == 200:
        return whole
    headers["Accept-Ranges"] = "bytes"
    return partial(request, whole, file) if ranged(request, headers) else whole


def validators(holding: Holding, oddities: Oddities, replica: int) -> dict[str, str]:
    """Return the headers ETag and Last-Modified, as far as the archive sends them."""
    headers = {}
    if tag := _etag(holding, oddities.etag, replica):
        headers["ETag"] = tag
    if oddities.last_modified:
        headers["Last-Modified"] = format_datetime(_utc(holding.ingested), usegmt=True)
    return headers


def _etag(holding: Holding, kind: str, replica: int) -> str | None:
    """Return the ETag of a file, or None if it has none."""
    return {
        "strong": f'"{holding.md5}"',
        "weak": f'W/"{holding.md5}"',
        "none": None,
        "random": f'"{uuid4().hex}"',
        "replicas": f'"{holding.md5}-{replica}"',
        "constant": f'"{holding.number}"',
    }[kind]


def _utc(text: str) -> datetime:
    """Return an ISO date with its time zone, in whole seconds, as in HTTP."""
    return moment(text).replace(microsecond=0, tzinfo=UTC)


def unchanged(request: Request, headers: dict[str, str]) -> bool:
    """Return whether the client has this version (If-None-Match, else If-Modified-Since)."""
    if "ETag" in headers and "if-none-match" in request.headers:
        wanted = re.findall(r'\*|(?:W/)?"[^"]*"', request.headers["if-none-match"])
        bare = headers["ETag"].removeprefix("W/")
        return "*" in wanted or bare in [tag.removeprefix("W/") for tag in wanted]
    if "Last-Modified" in headers and "if-modified-since" in request.headers:
        return _date(headers["Last-Modified"]) <= _date(request.headers["if-modified-since"])
    return False


def _date(text: str) -> datetime:
    """Parse an HTTP date."""
    return parsedate_to_datetime(text)


def ranged(request: Request, headers: dict[str, str]) -> bool:
    """Return whether one range of this very version is requested (If-Range, strong comparison)."""
    if not re.fullmatch(r"bytes=(\d+-\d*|-\d+)", request.headers.get("range", "")):
        return False
    condition = request.headers.get("if-range")
    if condition is None:
        return True
    if condition.startswith(('"', "W/")):
        return condition == headers.get("ETag") and not condition.startswith("W/")
    return condition == headers.get("Last-Modified")


def partial(request: Request, whole: Response, file: Span) -> Response:
    """Return 206 with the requested range, or 416 if the file has no byte in it."""
    first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
    size = len(file)
    if first:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
    else:
        start, stop = max(0, size - int(last)), size
    if start >= stop:
        headers = {"Content-Range": f"bytes */{size}"}
        return Response(status=416, headers=headers)
    headers = {**whole.headers, "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    return whole.but(status=206, headers=headers, body=Span(file.path, start, stop))

"""Odd HTTP responses, made from sound ones by seeded mutations: equal seeds, equal bytes."""

import gzip
from random import Random

from tests.torture.odd_inputs import mutate_bytes

LENGTHS = ("0", "-1", "+5", "1e3", "9" * 30, "9" * 5000, "5, 5", "5, 6", "", " 5 ", "0x10", "٣")
HEADERS = (
    *(f"Content-Length: {length}" for length in LENGTHS),
    *("Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: x"),
    *("Content-Encoding: gzip", "Content-Encoding: gzip, gzip, gzip", "Content-Encoding: br"),
    *("Content-Encoding: deflate", "Content-Encoding: " + "gzip, " * 50 + "gzip"),
    *("Location: /", "Location: //", "Location: http://[", "Location: ftp://x/", "Location: \xff"),
    *("Location: http://127.0.0.1:1/", "Location: http://\x00/", "Location: http://x:99999999/"),
    *("Content-Range: bytes 0-1/2", "Content-Range: bytes 5-/9", "Content-Range: x", "ETag: x"),
    *('ETag: "a', 'ETag: "\xff"', "Retry-After: 1e9", "Retry-After: -1", "Retry-After: never"),
    *("Connection: keep-alive", "Connection: close", "Set-Cookie: a=b; Domain=x", "Age", ": x"),
    *(" folded", "a" * 70_000, "X: " + "y" * 70_000, "Warning: \x1b[2J", "Trailer: X"),
)
STATUSES = (100, 101, 103, 199, 200, 201, 204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 407)
STATUSES += (408, 416, 429, 500, 503, 504, 599, 600, 999)
CHUNKS = (b"0", b"-1", b"+5", b"5", b"ffffffffffffffff", b"g", b"", b"5;x=y", b"5" * 5000, b"0x5")
TOKENS = [header.encode("latin1", "replace") + b"\r\n" for header in HEADERS]
TOKENS += [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/0.9 200\r\n", b"\r\n\r\n", b"\0", b"\r", b"\n" * 9]


def odd_response(random: Random, body: bytes) -> bytes:
    """Return a response with a body, odd in a few places."""
    status = 200 if random.random() < 0.6 else random.choice(STATUSES)
    head = [f"HTTP/1.1 {status} OK".encode()]
    match random.randrange(4):
        case 0:
            head.append(f"Content-Length: {len(body)}".encode())
        case 1:
            head.append(b"Transfer-Encoding: chunked")
            body = _chunked(random, body)
        case 2:
            body = gzip.compress(body, mtime=0)
            head += [b"Content-Encoding: gzip", f"Content-Length: {len(body)}".encode()]
    chosen = random.sample(HEADERS, random.choice((0, 0, 1, 3)))
    head[1:1] = [header.encode("latin1", "replace") for header in chosen]
    response = b"\r\n".join([*head, b"", body])
    return response if random.random() < 0.4 else mutate_bytes(random, response, TOKENS)


def _chunked(random: Random, body: bytes) -> bytes:
    """Return a body in chunks, some with odd sizes."""
    pieces, step = [], max(1, len(body) // 3)
    for start in range(0, len(body), step):
        piece = body[start : start + step]
        size = b"%x" % len(piece) if random.random() < 0.9 else random.choice(CHUNKS)
        pieces.append(size + b"\r\n" + piece + b"\r\n")
    return b"".join(pieces) + random.choice((b"0\r\n\r\n", b"0\r\n", b"", b"0\r\nX: y\r\n\r\n"))

"""Web pages that a server sends in place of what was requested, as it does in maintenance."""

import html
import re
from http import HTTPStatus

HEAD = 4096  # bytes of a body that are searched for a page and its title
WITH_PAGES = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)  # statuses of maintenance pages
UNTITLED = "without a title"
LONGEST_TITLE = 100  # characters
_STARTS = (b"<!doctype html", b"<html", b"<head", b"<body", b"<title")
_PROLOG = re.compile(rb"<\?xml.*?\?>|<!--.*?-->", re.DOTALL)
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)


def page_title(status: int | None, head: bytes) -> str | None:
    """Return the title of a web page with status 200 or 503; None if it is something else.

    `head` are the first bytes of the body. Types are not compared: servers send JSON as text/html.
    """
    if status not in WITH_PAGES:
        return None
    start = _PROLOG.sub(b"", head[:HEAD]).lstrip(b"\xef\xbb\xbf \t\r\n\f")
    if not start[: len(_STARTS[0])].lower().startswith(_STARTS):
        return None
    title = _TITLE.search(start)
    text = html.unescape(title[1].decode("utf-8", "replace")) if title else ""
    return " ".join(text.split())[:LONGEST_TITLE] or UNTITLED
